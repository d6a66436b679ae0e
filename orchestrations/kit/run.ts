// What every story does around its own steps: keep the run's record true, announce transitions, end with an outcome.
import type { OrchestrationContext } from 'durable-functions';
import { announce, openRun, recordRun } from '../../shared/contracts/activities/runs.ts';
import type { Cause, RunPatch } from '../../shared/contracts/runs.ts';
import type { NewRun, Outcome } from '../../shared/contracts/stories.ts';
import { instanceId } from '../../shared/decisions/identity.ts';
import { call, failureOf, tell, type Story } from './call.ts';
import { now } from './time.ts';

interface Telling {
  pipeline: string;
  runId: string;
}

/** A person asked for the end of a run. Unwinds the story, so that compensation runs. */
export class RunCancelled extends Error {
  override readonly name = 'RunCancelled';
}

/** Tells a story and writes how it ended; a failure becomes the run's record and a `failed` outcome, never a lost exception. */
export function* narrate(context: OrchestrationContext, run: Telling, story: () => Story<Outcome>): Story<Outcome> {
  yield* transition(context, run, 'run.started', {});
  try {
    return yield* story();
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

type Transition = 'run.started' | 'run.succeeded' | 'run.failed' | 'model.registered' | 'endpoint.promoted';

/** Announces a transition once: the id is derived, so a repeat publishes the same event. */
export function* transition(context: OrchestrationContext, run: Telling, type: Transition, data: Record<string, unknown>): Story<void> {
  yield* call(context, announce, {
    id: `${run.runId}/${type}`,
    type,
    subject: `/pipelines/${run.pipeline}/runs/${run.runId}`,
    at: now(context),
    data,
  });
}

/** A run that was asked for: ours to tell, or taken by somebody who has or had the same work. */
export interface Opened {
  story: 'refine' | 'train' | 'promote';
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
  const runId = instanceId(story, work.pipeline, work.key, 1);
  const input = { ...work.input, runId, key: work.key };
  const run: NewRun = {
    runId,
    story,
    pipeline: work.pipeline,
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
  return { story, runId: opened.runId, taken, note: taken ? `${opened.runId} has this work already (${opened.status})` : '', input };
}

/** Tells an opened run as a sub-orchestration; a taken one is skipped. */
export function* tellOpened(context: OrchestrationContext, opened: Opened): Story<Outcome> {
  if (opened.taken) return { status: 'skipped', runId: opened.runId, note: opened.note };
  return yield* tell(context, opened.story, opened.input, opened.runId);
}
