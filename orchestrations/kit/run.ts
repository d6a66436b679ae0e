// What every story does around its own steps: keep the run's record true, announce transitions, end with an outcome.
import type { OrchestrationContext, Task } from 'durable-functions';
import { announce, openRun, recordRun } from '../../shared/contracts/activities/runs.ts';
import type { Cause, Failure, RunPatch, Story as StoryName } from '../../shared/contracts/runs.ts';
import type { NewRun, Outcome } from '../../shared/contracts/stories.ts';
import { instanceId } from '../../shared/decisions/identity.ts';
import { ActivityRejected, call, failureOf, tell, type Story } from './call.ts';
import { cancelWish, RunCancelled } from './cancel.ts';
import { now } from './time.ts';

interface Telling {
  pipeline: string;
  runId: string;
}

/** Tells a story and writes how it ended; a failure becomes the run's record and a `failed` outcome, never a lost exception. */
export function* narrate(context: OrchestrationContext, run: Telling, story: (cancel: Task) => Story<Outcome>): Story<Outcome> {
  yield* transition(context, run, 'run.started', {});
  try {
    return yield* story(cancelWish(context));
  } catch (error) {
    const cancelled = error instanceof RunCancelled;
    const failure = cancelled ? { code: 'cancelled', message: error.message } : failureOf(error);
    yield* note(context, run, { status: cancelled ? 'cancelled' : 'failed', failure, finishedAt: now(context) });
    yield* transition(context, run, 'run.failed', failure);
    return { status: 'failed', runId: run.runId, failure };
  }
}

/** Writes progress; the phase is also the instance's custom status, so that an operator sees it in Durable's own tools. */
export function* note(context: OrchestrationContext, run: Telling, patch: RunPatch): Story<void> {
  if (patch.phase) context.df.setCustomStatus({ phase: patch.phase });
  yield* call(context, recordRun, { pipeline: run.pipeline, runId: run.runId, patch });
}

type Transition = 'run.started' | 'run.succeeded' | 'run.failed' | 'run.skipped' | 'model.registered' | 'endpoint.promoted';

/**
 * Announces a transition once: the id is derived, so a repeat publishes the same event. An announcement that cannot be delivered
 * does not undo the work that it speaks of: the records are the truth, the log says what was not announced.
 */
export function* transition(context: OrchestrationContext, run: Telling, type: Transition, data: Record<string, unknown>): Story<void> {
  const id = `${run.runId}/${type}`;
  try {
    yield* call(context, announce, { id, type, subject: `/pipelines/${run.pipeline}/runs/${run.runId}`, at: now(context), data });
  } catch (error) {
    if (!context.df.isReplaying) context.warn(`${id} was not announced: ${failureOf(error).message}`);
  }
}

/** A run that was asked for: ours to tell, or taken by somebody who has or had the same work. */
export interface Opened {
  story: StoryName;
  pipeline: string;
  runId: string;
  taken: boolean;
  /** What to say when it is taken. */
  note: string;
  input: Record<string, unknown>;
}

/**
 * Opens the first attempt of a run without telling it, so that the run before can name it as its next *before* it ends:
 * whoever follows the chain never sees it pause.
 */
export function* open(
  context: OrchestrationContext,
  story: Opened['story'],
  work: { pipeline: string; contractDigest: string; key: string; cause: Cause; input: Record<string, unknown> },
): Story<Opened> {
  const { pipeline } = work;
  const runId = instanceId(story, pipeline, work.key, 1);
  const input = { ...work.input, runId, key: work.key };
  const run: NewRun = {
    runId,
    story,
    pipeline,
    contractDigest: work.contractDigest,
    key: work.key,
    attempt: 1,
    instanceId: runId,
    owner: context.df.instanceId,
    cause: work.cause,
    input,
    startedAt: now(context),
  };
  const opened = yield* call(context, openRun, run);
  const taken = opened.state === 'taken';
  return {
    story,
    pipeline,
    runId: opened.runId,
    taken,
    note: taken ? `${opened.runId} has this work already (${opened.status})` : '',
    // Work that was skipped before is opened as its next attempt.
    input: { ...input, runId: opened.runId },
  };
}

/** Tells an opened run as a sub-orchestration; a taken one is skipped. One that broke down or was terminated is recorded as failed. */
export function* tellOpened(context: OrchestrationContext, opened: Opened): Story<Outcome> {
  const { runId } = opened;
  if (opened.taken) return { status: 'skipped', runId, note: opened.note };
  try {
    return yield* tell(context, opened.story, opened.input, runId);
  } catch (error) {
    const failure = failureOf(error);
    yield* noteBroken(context, opened, failure);
    return { status: 'failed', runId, failure };
  }
}

/** A run that nobody tells any more must not say `running` for ever: a person could neither cancel nor retry it. */
function* noteBroken(context: OrchestrationContext, run: Telling, failure: Failure): Story<void> {
  try {
    yield* call(context, recordRun, {
      pipeline: run.pipeline,
      runId: run.runId,
      patch: { status: 'failed', failure, finishedAt: now(context) },
    });
  } catch (error) {
    // It had written its end before it broke down.
    if (!(error instanceof ActivityRejected)) throw error;
  }
}
