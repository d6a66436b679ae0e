// The story of an extraction: a data pipeline that somebody else owns brings data from a database on the premises into the landing
// folder; Sluice starts it and waits for its end. What lands there is an ordinary event.
import type { OrchestrationContext, Task } from 'durable-functions';
import { amendVerdict } from '../shared/contracts/activities/data.ts';
import { cancelExtraction, startExtraction } from '../shared/contracts/activities/extraction.ts';
import type { JobRecord } from '../shared/contracts/runs.ts';
import { type AwaitExtractionInput, ExtractInput, type Outcome } from '../shared/contracts/stories.ts';
import type { JobState } from '../shared/contracts/training.ts';
import { durationSeconds } from '../shared/decisions/durations.ts';
import { ActivityRejected, call, type Story } from './kit/call.ts';
import { heed, RunCancelled, wishOf } from './kit/cancel.ts';
import { endOf, problemOf } from './kit/job.ts';
import { narrate, note, open, transition } from './kit/run.ts';
import { later, now, secondsSince, taskOrEvent } from './kit/time.ts';

export function* extract(context: OrchestrationContext): Story<Outcome> {
  const input = ExtractInput.parse(context.df.getInput());
  const { pipeline, contractDigest, key, entryId } = input;
  const cause = { kind: 'event' as const, ref: entryId };
  const opened = yield* open(context, 'extract', { pipeline, contractDigest, key, cause, input });
  if (opened.taken) return { status: 'skipped', runId: opened.runId, note: opened.note };
  return yield* narrate(context, input, (cancel) => bringIn(context, input, cancel));
}

function* bringIn(context: OrchestrationContext, input: ExtractInput, cancel: Task): Story<Outcome> {
  const { runId, dataPipeline, parameters, entryId, signal } = input;
  const startedAt = now(context);
  const blob = { account: 'signals', container: signal.kind, path: signal.subject };
  yield* call(context, amendVerdict, { blob, entryId, verdict: null, runId, sha256: null });
  yield* note(context, input, { phase: 'starting' });
  heed(cancel, 'before the data pipeline was started');
  const { jobId, adopted } = yield* call(context, startExtraction, { runId, dataPipeline, parameters });
  const job: Job = { stage: 'extract', backend: 'datafactory', jobName: runId, jobId, adopted };
  yield* record(context, input, job, null);
  yield* note(context, input, { phase: 'extracting' });

  yield* awaitEnd(context, input, job, cancel);
  const seconds = { extract: secondsSince(context, startedAt) };
  yield* note(context, input, { phase: 'extracted', status: 'succeeded', seconds, finishedAt: now(context) });
  yield* transition(context, input, 'run.succeeded', { dataPipeline, jobId });
  return { status: 'succeeded', runId, note: `${dataPipeline} has brought its data in` };
}

type Job = Pick<JobRecord, 'stage' | 'backend' | 'jobName' | 'jobId' | 'adopted'>;

/** Waits until the run of the data pipeline has ended; anything but success is thrown. */
function* awaitEnd(context: OrchestrationContext, input: ExtractInput, job: Job, cancel: Task): Story<void> {
  const { runId, policy, deadline } = input;
  const waiting: AwaitExtractionInput = {
    jobId: job.jobId,
    policy,
    startedAt: now(context),
    deadline: later(context, durationSeconds(deadline)).toISOString(),
    givenUp: null,
    polls: 0,
    waitSeconds: policy.pollFirstSeconds,
  };
  const end = context.df.callSubOrchestrator('await-extraction', waiting, `${runId}-wait`);
  if ((yield* taskOrEvent(context, end, cancel)) === 'event') {
    yield* call(context, cancelExtraction, { jobId: job.jobId });
    const { state } = endOf(yield end);
    yield* record(context, input, job, state);
    throw new RunCancelled(`${wishOf(cancel)} while ${input.dataPipeline} was bringing data in; its run is ${state.state}`, state);
  }
  const ended = endOf(end.result);
  yield* record(context, input, job, ended.state);
  const problem = problemOf({ stage: 'extract', jobName: `${job.jobId} of ${input.dataPipeline}` }, ended);
  if (problem) throw new ActivityRejected(problem);
}

function* record(context: OrchestrationContext, input: ExtractInput, job: Job, state: JobState | null): Story<void> {
  const { queuedSeconds, executionSeconds } = state ?? { queuedSeconds: null, executionSeconds: null };
  yield* note(context, input, { jobs: [{ ...job, queuedSeconds, executionSeconds }] });
}
