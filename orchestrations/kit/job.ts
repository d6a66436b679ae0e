// Waiting for a backend's job inside a story: a sub-orchestration polls (so that history stays bounded) while a person may cancel.
import type { OrchestrationContext, Task } from 'durable-functions';
import * as z from 'zod';
import { Rejection } from '../../shared/contracts/activities/contract.ts';
import { cancelJob } from '../../shared/contracts/activities/training.ts';
import type { BackendName } from '../../shared/contracts/pipeline/train.ts';
import type { JobRecord } from '../../shared/contracts/runs.ts';
import { type AwaitJobInput, GivenUp, type JobBudget, type Policy } from '../../shared/contracts/stories.ts';
import { JobState } from '../../shared/contracts/training.ts';
import { durationSeconds } from '../../shared/decisions/durations.ts';
import { waiterOf } from '../../shared/decisions/identity.ts';
import { ActivityRejected, call, type Story } from './call.ts';
import { RunCancelled, wishOf } from './cancel.ts';
import { note } from './run.ts';
import { later, now, taskOrEvent } from './time.ts';

/** What `await-job` ends with: the job's last state and whether it was given up, or why it cannot be known. */
export const JobEnd = z.union([z.strictObject({ state: JobState, givenUp: GivenUp.nullable() }), z.strictObject({ rejection: Rejection })]);
export type JobEnd = z.infer<typeof JobEnd>;

/** `hinted`: an event will tell of its end. */
export type Submitted = Pick<JobRecord, 'stage' | 'jobId' | 'jobName' | 'adopted'> & { backend: BackendName; hinted?: boolean | undefined };

export interface Waiting {
  pipeline: string;
  runId: string;
  policy: Policy;
}

/** How long a job may wait and work, and what it may cost. */
export interface JobLimits {
  deadline: string;
  queueWithin?: string | undefined;
  budget?: JobBudget | null | undefined;
  /** Set where the job is a search of the backend's own. */
  search?: AwaitJobInput['search'];
}

/** Waits until the job is terminal; anything but success is a rejection with the backend's reason. Records both of its times. */
export function* awaitJob(context: OrchestrationContext, run: Waiting, job: Submitted, limits: JobLimits, cancel: Task): Story<JobState> {
  yield* record(context, run, job, null);
  const waiting = beginWaiting(context, run, job, limits);
  const first = yield* taskOrEvent(context, waiting, cancel);
  if (first === 'event') {
    const { search } = limits;
    const reason = wishOf(cancel).slice(0, 500);
    yield* call(context, cancelJob, { backend: job.backend, jobId: job.jobId, reason, ...(search ? { search } : {}) });
    const { state } = endOf(yield waiting);
    yield* record(context, run, job, state);
    throw new RunCancelled(
      `${wishOf(cancel)} while the ${job.stage} job ${job.jobName} was waiting or working; the job is ${state.state}`,
      state,
    );
  }
  const end = endOf(waiting.result);
  yield* record(context, run, job, end.state);
  const problem = problemOf(job, end);
  if (problem) throw new JobFailed(problem, end.state);
  return end.state;
}

/** A job that did not succeed; its last state says how long it worked. */
export class JobFailed extends ActivityRejected {
  constructor(
    rejection: Rejection,
    readonly state: JobState,
  ) {
    super(rejection);
  }
}

/** Starts the sub-orchestration that waits for a job; its result is for `endOf`. */
export function beginWaiting(context: OrchestrationContext, run: Waiting, job: Submitted, limits: JobLimits): Task {
  const at = (duration: string): string => later(context, durationSeconds(duration)).toISOString();
  const input: AwaitJobInput = {
    pipeline: run.pipeline,
    backend: job.backend,
    jobId: job.jobId,
    policy: run.policy,
    submittedAt: now(context),
    deadline: at(limits.deadline),
    queueDeadline: limits.queueWithin === undefined ? null : at(limits.queueWithin),
    budget: limits.budget ?? null,
    workingSince: null,
    givenUp: null,
    ...(limits.search === undefined ? {} : { search: limits.search }),
    ...(job.hinted ? { hinted: true } : {}),
    polls: 0,
    waitSeconds: run.policy.pollFirstSeconds,
  };
  return context.df.callSubOrchestrator('await-job', input, waiterOf(job.jobName));
}

/** The end that a waiting sub-orchestration gave; a rejected look is thrown. */
export function endOf(result: unknown): Exclude<JobEnd, { rejection: Rejection }> {
  const end = JobEnd.parse(result);
  if ('rejection' in end) throw new ActivityRejected(end.rejection);
  return end;
}

/** Why a job's end is no success; null when it is one, also when it succeeded while it was being given up. */
export function problemOf(
  job: Pick<Submitted, 'stage' | 'jobName'>,
  { state, givenUp }: Exclude<JobEnd, { rejection: Rejection }>,
): Rejection | null {
  if (state.state === 'succeeded') return null;
  const what = `The ${job.stage} job ${job.jobName}`;
  const said = state.reason ?? 'the backend gave no reason';
  if (givenUp) return { code: givenUp.code, message: `${what} was given up: ${givenUp.reason}; it is ${state.state} (${said})` };
  return { code: `job-${state.state}`, message: `${what} is ${state.state}: ${said}` };
}

export function* record(context: OrchestrationContext, run: Waiting, job: Submitted, state: JobState | null): Story<void> {
  const times = { queuedSeconds: state?.queuedSeconds ?? null, executionSeconds: state?.executionSeconds ?? null };
  const placements = state?.placements ? { placements: state.placements } : {};
  const { hinted: _hinted, ...known } = job;
  yield* note(context, { pipeline: run.pipeline, runId: run.runId }, { jobs: [{ ...known, ...times, ...placements }] });
}
