// Waiting for a run of a data pipeline inside a story: a sub-orchestration looks (so that history stays bounded) while a person may cancel.
import type { OrchestrationContext, Task } from 'durable-functions';
import { cancelExtraction } from '../../shared/contracts/activities/extraction.ts';
import type { JobRecord } from '../../shared/contracts/runs.ts';
import type { AwaitExtractionInput } from '../../shared/contracts/stories.ts';
import type { JobState } from '../../shared/contracts/training.ts';
import { durationSeconds } from '../../shared/decisions/durations.ts';
import { ActivityRejected, call, type Story } from './call.ts';
import { RunCancelled, wishOf } from './cancel.ts';
import { endOf, problemOf, type Waiting } from './job.ts';
import { note } from './run.ts';
import { later, now, taskOrEvent } from './time.ts';

/** A run of a data pipeline, as ours records it. */
export type PipelineJob = Pick<JobRecord, 'stage' | 'backend' | 'jobName' | 'jobId' | 'adopted'>;

export interface PipelineWait {
  /** Duration after which it is cancelled. */
  deadline: string;
  /** Of the instance that waits. */
  instanceId: string;
  dataPipeline: string;
  /** What it does, for the sentence of a cancellation. */
  doing: string;
  /** Its commits wake the wait. */
  hints?: boolean;
}

/** Waits until it has ended, and records both of its times; anything but success is thrown. */
export function* awaitPipelineJob(
  context: OrchestrationContext,
  run: Waiting,
  job: PipelineJob,
  cancel: Task,
  wait: PipelineWait,
): Story<JobState> {
  const { policy } = run;
  const waiting: AwaitExtractionInput = {
    jobId: job.jobId,
    policy,
    startedAt: now(context),
    deadline: later(context, durationSeconds(wait.deadline)).toISOString(),
    givenUp: null,
    polls: 0,
    waitSeconds: policy.pollFirstSeconds,
    ...(wait.hints === true ? { hints: true } : {}),
  };
  const end = context.df.callSubOrchestrator('await-extraction', waiting, wait.instanceId);
  if ((yield* taskOrEvent(context, end, cancel)) === 'event') {
    yield* call(context, cancelExtraction, { jobId: job.jobId });
    const { state } = endOf(yield end);
    yield* recordPipelineJob(context, run, job, state);
    throw new RunCancelled(`${wishOf(cancel)} while ${wait.dataPipeline} was ${wait.doing}; its run is ${state.state}`, state);
  }
  const ended = endOf(end.result);
  yield* recordPipelineJob(context, run, job, ended.state);
  const problem = problemOf({ stage: job.stage, jobName: `${job.jobId} of ${wait.dataPipeline}` }, ended);
  if (problem) throw new ActivityRejected(problem);
  return ended.state;
}

export function* recordPipelineJob(
  context: OrchestrationContext,
  run: Pick<Waiting, 'pipeline' | 'runId'>,
  job: PipelineJob,
  state: JobState | null,
): Story<void> {
  const { queuedSeconds, executionSeconds } = state ?? { queuedSeconds: null, executionSeconds: null };
  yield* note(context, run, { jobs: [{ ...job, queuedSeconds, executionSeconds }] });
}
