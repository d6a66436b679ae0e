// Waiting for a backend's job inside a story: a sub-orchestration polls (so that history stays bounded) while a person may cancel.
import type { OrchestrationContext } from 'durable-functions';
import { cancelJob } from '../../shared/contracts/activities/training.ts';
import type { JobRecord } from '../../shared/contracts/runs.ts';
import type { AwaitJobInput, Policy } from '../../shared/contracts/stories.ts';
import { JobState } from '../../shared/contracts/training.ts';
import { durationSeconds } from '../../shared/decisions/durations.ts';
import { ActivityRejected, call, type Story } from './call.ts';
import { note, RunCancelled } from './run.ts';
import { later, taskOrEvent } from './time.ts';

/** External event that ends a run; its data is `{ by, reason }`. */
export const CANCEL = 'cancel';

type Submitted = Pick<JobRecord, 'stage' | 'jobId' | 'jobName' | 'adopted'> & { backend: 'kubeflow' };

/** Waits until the job is terminal; anything but success is a rejection with the backend's reason. Records both of its times. */
export function* awaitJob(
  context: OrchestrationContext,
  run: { pipeline: string; runId: string; policy: Policy },
  job: Submitted,
  deadline: string,
): Story<JobState> {
  const record = (state: JobState | null): JobRecord => ({
    ...job,
    queuedSeconds: state?.queuedSeconds ?? null,
    executionSeconds: state?.executionSeconds ?? null,
  });
  yield* note(context, { pipeline: run.pipeline, runId: run.runId }, { jobs: [record(null)] });
  const input: AwaitJobInput = {
    backend: job.backend,
    jobId: job.jobId,
    policy: run.policy,
    deadline: later(context, durationSeconds(deadline)).toISOString(),
    polls: 0,
    waitSeconds: run.policy.pollFirstSeconds,
  };
  const waiting = context.df.callSubOrchestrator('await-job', input, `${run.runId}-${job.stage}`);
  const cancel = context.df.waitForExternalEvent(CANCEL);
  const first = yield* taskOrEvent(context, waiting, cancel);
  if (first === 'event') {
    yield* call(context, cancelJob, { backend: job.backend, jobId: job.jobId, reason: 'cancelled by a person' });
    yield waiting;
    throw new RunCancelled(
      `Cancelled by a person while the ${job.stage} job ${job.jobName} was waiting or working; the job was cancelled too`,
    );
  }
  const state = JobState.parse(waiting.result);
  yield* note(context, { pipeline: run.pipeline, runId: run.runId }, { jobs: [record(state)] });
  if (state.state !== 'succeeded') {
    throw new ActivityRejected({
      code: `job-${state.state}`,
      message: `The ${job.stage} job ${job.jobName} is ${state.state}: ${state.reason ?? 'the backend gave no reason'}`,
    });
  }
  return state;
}
