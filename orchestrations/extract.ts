// The story of an extraction: a data pipeline that somebody else owns brings data from a database on the premises into the landing
// folder; Sluice starts it and waits for its end. What lands there is an ordinary event.
import type { OrchestrationContext, Task } from 'durable-functions';
import { amendVerdict } from '../shared/contracts/activities/data.ts';
import { startExtraction } from '../shared/contracts/activities/extraction.ts';
import { ExtractInput, type Outcome } from '../shared/contracts/stories.ts';
import { call, type Story } from './kit/call.ts';
import { heed } from './kit/cancel.ts';
import { awaitPipelineJob, type PipelineJob, recordPipelineJob } from './kit/pipeline-job.ts';
import { narrate, note, open, transition } from './kit/run.ts';
import { now, secondsSince } from './kit/time.ts';

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
  const job: PipelineJob = { stage: 'extract', backend: 'datafactory', jobName: runId, jobId, adopted };
  yield* recordPipelineJob(context, input, job, null);
  yield* note(context, input, { phase: 'extracting' });

  yield* awaitPipelineJob(context, input, job, cancel, {
    deadline: input.deadline,
    instanceId: `${runId}-wait`,
    dataPipeline,
    doing: 'bringing data in',
  });
  const seconds = { extract: secondsSince(context, startedAt) };
  yield* note(context, input, { phase: 'extracted', status: 'succeeded', seconds, finishedAt: now(context) });
  yield* transition(context, input, 'run.succeeded', { dataPipeline, jobId });
  return { status: 'succeeded', runId, note: `${dataPipeline} has brought its data in` };
}
