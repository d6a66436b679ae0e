// One training at a time per pipeline where its file says so: an entity keeps the queue (orchestrations/kit/lock.ts says why no critical section).
import * as df from 'durable-functions';
import type { EntityContext, OrchestrationContext, Task } from 'durable-functions';
import * as z from 'zod';
import type { Train } from '../../shared/contracts/pipeline/train.ts';
import type { AwaitTurnInput } from '../../shared/contracts/stories.ts';
import { durationSeconds } from '../../shared/decisions/durations.ts';
import { leaveTurn, NO_TURNS, takeTurn, type TurnAnswer, type TurnRequest, type Turns } from '../../shared/decisions/training-turn.ts';
import type { Story } from './call.ts';
import { RunCancelled, wishOf } from './cancel.ts';
import { later, now, taskOrEvent } from './time.ts';

export const TRAINING_TURN = 'training-turn';

/** A place in the queue is looked after every few minutes; one that nobody looks after for so long is given to the next. */
const PLACE_SECONDS = 1800;
/** Beside the job's deadline: staging, a backend that is away, cancelling, judging. */
const MARGIN_SECONDS = 6 * 3600;
const FIRST_WAIT_SECONDS = 5;

/** What waiting ends with. */
export const TurnEnd = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('granted') }),
  z.strictObject({ kind: z.literal('give-way'), to: z.string() }),
]);
export type TurnEnd = z.infer<typeof TurnEnd>;

/** A waiting training that newer data made superfluous. Ends its run as skipped. */
export class GaveWay extends Error {
  override readonly name = 'GaveWay';
  constructor(readonly to: string) {
    super(`It waited for its turn and gave way to ${to}, which trains on newer data`);
  }
}

/** Entity: the queue of one pipeline. Computes first, sets state last: a throw would not roll back (facts/durable.md §2.9 item 4). */
export function trainingTurn(context: EntityContext<Turns>): void {
  const turns = context.df.getState(() => NO_TURNS) ?? NO_TURNS;
  const request = context.df.getInput<TurnRequest>();
  if (!request) return context.df.return(turns);
  if (context.df.operationName === 'leave') {
    context.df.setState(leaveTurn(turns, request.runId));
    return context.df.return({ kind: 'left' });
  }
  const { turns: after, answer } = takeTurn(turns, request);
  context.df.setState(after);
  context.df.return(answer);
}

/** Asks the queue once: granted, wait, or give way. */
export function* lookForTurn(context: OrchestrationContext, input: AwaitTurnInput): Story<TurnAnswer> {
  const request: TurnRequest = {
    runId: input.runId,
    goldVersion: input.goldVersion,
    givesWay: input.givesWay,
    now: now(context),
    holdUntil: later(context, input.holdSeconds).toISOString(),
    waitUntil: later(context, PLACE_SECONDS).toISOString(),
  };
  return (yield context.df.callEntity(queueOf(input.pipeline), 'take', request)) as TurnAnswer;
}

/** Waits for the turn where the pipeline trains one at a time. Throws GaveWay, or RunCancelled when a person ends the run meanwhile. */
export function* takeTrainingTurn(
  context: OrchestrationContext,
  run: { pipeline: string; runId: string; goldVersion: number; experiment: boolean },
  train: Train,
  cancel: Task,
): Story<void> {
  if (train.whenBusy === 'parallel') return;
  const { pipeline, runId, goldVersion } = run;
  const input: AwaitTurnInput = {
    pipeline,
    runId,
    goldVersion,
    // A person who tries other parameters wants that very run, whatever lands meanwhile.
    givesWay: train.whenBusy === 'latest-wins' && !run.experiment,
    holdSeconds: durationSeconds(train.deadline) + MARGIN_SECONDS,
    looks: 0,
    waitSeconds: FIRST_WAIT_SECONDS,
  };
  const first = yield* lookForTurn(context, input);
  if (first.kind === 'granted') return;
  if (first.kind === 'give-way') throw new GaveWay(first.to);
  context.df.setCustomStatus({ phase: 'queued', behind: first.holder, ahead: first.ahead });
  const waiting = context.df.callSubOrchestrator('await-turn', input, `${runId}-turn`);
  if ((yield* taskOrEvent(context, waiting, cancel)) === 'event') {
    yield* leaveTrainingTurn(context, run, train);
    throw new RunCancelled(`${wishOf(cancel)} while it waited for its turn behind ${first.holder}`);
  }
  const end = TurnEnd.parse(waiting.result);
  if (end.kind === 'give-way') throw new GaveWay(end.to);
}

/** Lets the next training begin. */
export function* leaveTrainingTurn(context: OrchestrationContext, run: { pipeline: string; runId: string }, train: Train): Story<void> {
  if (train.whenBusy === 'parallel') return;
  yield context.df.callEntity(queueOf(run.pipeline), 'leave', { runId: run.runId });
}

function queueOf(pipeline: string): df.EntityId {
  return new df.EntityId(TRAINING_TURN, pipeline);
}
