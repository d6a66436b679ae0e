// Replays every orchestration again after every step, on the same history, and compares what it asks for.
// The real engine notices such a difference late or never; here it names the step and the command.
import type { Action } from '../durable/actions.ts';
import type { OrchestrationState } from '../durable/instance-state.ts';
import type { Turn, WorkerAnswer } from '../durable/orchestrator-turn.ts';

/** An orchestrator gave two answers to one history, or took back what it had asked for before. */
export class DeterminismError extends Error {
  override readonly name = 'DeterminismError';
  readonly orchestration: string;
  readonly step: number;
  constructor(orchestration: string, step: number, what: string) {
    super(
      `'${orchestration}' is not deterministic: step ${step}, ${what}. Take times, random values and settings from the context, the input or an activity.`,
    );
    this.orchestration = orchestration;
    this.step = step;
  }
}

const words: Record<number, string> = {
  0: 'call activity',
  1: 'call activity with retry',
  2: 'call sub-orchestration',
  3: 'call sub-orchestration with retry',
  4: 'continue as new',
  5: 'create timer',
  6: 'wait for event',
  7: 'call entity',
  8: 'call HTTP',
  9: 'signal entity',
  10: 'signal entity later',
  11: 'wait for any of',
  12: 'wait for all of',
  13: 'lock',
  14: 'release locks',
};

/** One command in a line, for messages and for recorded command lists. */
export function describeCommand(action: Action | undefined): string {
  if (!action) return 'nothing';
  const { actionType, compoundActions, ...rest } = action;
  if (compoundActions) return `${words[actionType]} [${compoundActions.map(describeCommand).join('; ')}]`;
  const name = rest.functionName ?? rest.externalEventName ?? rest.instanceId ?? '';
  const { functionName: _f, externalEventName: _e, ...others } = rest;
  return `${words[actionType] ?? `action ${actionType}`} ${name} ${JSON.stringify(others)}`.trim();
}

/** Keeps the commands of each execution and checks each turn's against them. */
export class DeterminismCheck {
  readonly #before = new Map<string, Action[]>();
  readonly problems: DeterminismError[] = [];

  async verify(state: OrchestrationState, turn: Turn, answer: WorkerAnswer, again: () => Promise<WorkerAnswer>): Promise<void> {
    const step = turn.events.filter((event) => event.EventType === 12).length;
    const first = answer.state.actions.flat();
    const second = await again();
    this.#compare(state.name, step, first, second.state.actions.flat(), 'the replay');
    const output = JSON.stringify([answer.state.isDone, answer.state.output, answer.error]);
    const outputAgain = JSON.stringify([second.state.isDone, second.state.output, second.error]);
    if (output !== outputAgain) this.#report(state.name, step, `the result: expected ${output}, the replay gave ${outputAgain}`);

    const before = this.#before.get(state.executionId) ?? [];
    // A timer that was cancelled meanwhile is the same command.
    this.#compare(state.name, step, before, first.slice(0, before.length), 'the next turn');
    this.#before.set(state.executionId, first);
    if (answer.state.isDone) this.#before.delete(state.executionId);
  }

  #compare(name: string, step: number, expected: Action[], actual: Action[], by: string): void {
    for (let i = 0; i < Math.max(expected.length, actual.length); i += 1) {
      const wanted = describeCommand(withoutCancel(expected[i]));
      const got = describeCommand(withoutCancel(actual[i]));
      if (wanted !== got) {
        this.#report(name, step, `command ${i + 1}: expected "${wanted}", ${by} gave "${got}"`);
        return;
      }
    }
  }

  #report(name: string, step: number, what: string): void {
    this.problems.push(new DeterminismError(name, step, what));
  }
}

function withoutCancel(action: Action | undefined): Action | undefined {
  if (!action) return undefined;
  const { isCanceled: _cancelled, compoundActions, ...rest } = action;
  return compoundActions ? { ...rest, compoundActions: compoundActions.map((child) => withoutCancel(child) as Action) } : rest;
}
