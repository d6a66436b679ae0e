// Waiting for a backend's job inside a story: a sub-orchestration polls (so that history stays bounded) while a person may cancel.
import type { OrchestrationContext, Task } from 'durable-functions';
import * as z from 'zod';
import { Rejection } from '../../shared/contracts/activities/contract.ts';
import { cancelJob } from '../../shared/contracts/activities/training.ts';
import type { JobRecord } from '../../shared/contracts/runs.ts';
import type { AwaitJobInput, Policy } from '../../shared/contracts/stories.ts';
import { JobState } from '../../shared/contracts/training.ts';
import { durationSeconds } from '../../shared/decisions/durations.ts';
import { ActivityRejected, call, type Story } from './call.ts';
import { RunCancelled, wishOf } from './cancel.ts';
import { note } from './run.ts';
import { later, taskOrEvent } from './time.ts';

/** What `await-job` ends with: the job's last state, or why it cannot be known. */
export const JobEnd = z.union([JobState, z.strictObject({ rejection: Rejection })]);
export type JobEnd = z.infer<typeof JobEnd>;

type Submitted = Pick<JobRecord, 'stage' | 'jobId' | 'jobName' | 'adopted'> & { backend: 'kubeflow' };

interface Waiting {
  pipeline: string;
  runId: string;
  policy: Policy;
}

/** Waits until the job is terminal; anything but success is a rejection with the backend's reason. Records both of its times. */
export function* awaitJob(context: OrchestrationContext, run: Waiting, job: Submitted, deadline: string, cancel: Task): Story<JobState> {
  yield* record(context, run, job, null);
  const input: AwaitJobInput = {
    backend: job.backend,
    jobId: job.jobId,
    policy: run.policy,
    deadline: later(context, durationSeconds(deadline)).toISOString(),
    polls: 0,
    waitSeconds: run.policy.pollFirstSeconds,
  };
  const waiting = context.df.callSubOrchestrator('await-job', input, `${run.runId}-${job.stage}`);
  const first = yield* taskOrEvent(context, waiting, cancel);
  if (first === 'event') {
    yield* call(context, cancelJob, { backend: job.backend, jobId: job.jobId, reason: wishOf(cancel).slice(0, 500) });
    const state = stateOf(yield waiting);
    yield* record(context, run, job, state);
    throw new RunCancelled(`${wishOf(cancel)} while the ${job.stage} job ${job.jobName} was waiting or working; the job is ${state.state}`);
  }
  const state = stateOf(waiting.result);
  yield* record(context, run, job, state);
  if (state.state !== 'succeeded') {
    throw new ActivityRejected({
      code: `job-${state.state}`,
      message: `The ${job.stage} job ${job.jobName} is ${state.state}: ${state.reason ?? 'the backend gave no reason'}`,
    });
  }
  return state;
}

function* record(context: OrchestrationContext, run: Waiting, job: Submitted, state: JobState | null): Story<void> {
  const times = { queuedSeconds: state?.queuedSeconds ?? null, executionSeconds: state?.executionSeconds ?? null };
  yield* note(context, { pipeline: run.pipeline, runId: run.runId }, { jobs: [{ ...job, ...times }] });
}

function stateOf(result: unknown): JobState {
  const end = JobEnd.parse(result);
  if ('rejection' in end) throw new ActivityRejected(end.rejection);
  return end;
}
