// Where the test host reaches into the engine: order of completions, substituted activities, ids, determinism check.
// None of it exists for an app; the production host passes no hooks.
import type { ReplayOutcome } from './action-replay.ts';
import type { CompletionOrder, Substitute } from './activity-dispatch.ts';
import type { OrchestrationState } from './instance-state.ts';
import type { Turn, WorkerAnswer } from './orchestrator-turn.ts';

export interface EngineTestHooks {
  /** When outcomes of activities are delivered. */
  order?: CompletionOrder;
  /** Answers instead of an activity of the app. */
  substitute?: Substitute;
  /** Order in which instances that are ready get their turns. */
  arrange?(ready: string[]): string[];
  /** Source of GUIDs; seeded, the run is the same every time. */
  newId?(): string;
  /** Sees every turn before it is committed. */
  turned?(state: OrchestrationState, turn: Turn, answer: WorkerAnswer, outcome: ReplayOutcome): void;
  /** May run the orchestrator again on the same history and compare. */
  verify?(state: OrchestrationState, turn: Turn, answer: WorkerAnswer, again: () => Promise<WorkerAnswer>): Promise<void>;
}
