// The story of one trial: its job, its end, its numbers. It never fails: what went wrong is what the trial came to.
import type { OrchestrationContext } from 'durable-functions';
import { readTrial, submitTraining } from '../shared/contracts/activities/training.ts';
import { type TrialEnd, TrialInput } from '../shared/contracts/stories.ts';
import { call, failureOf, type Story } from './kit/call.ts';
import { beginWaiting, endOf, problemOf, record, type Submitted } from './kit/job.ts';

export function* sweepTrial(context: OrchestrationContext): Story<TrialEnd> {
  const input = TrialInput.parse(context.df.getInput());
  let job: Submitted | null = null;
  let executionSeconds: number | null = null;
  try {
    const { pipeline, contractDigest, overrides, runId, gold, specDigest, files, trial, backend } = input;
    const { table, version, digest } = gold;
    const asked = { pipeline, contractDigest, overrides, backend, runId, gold: { table, version, digest }, specDigest, files, trial };
    job = { stage: 'trial', backend, ...(yield* call(context, submitTraining, asked)) };
    yield* record(context, input, job, null);
    const { deadline, queueWithin, budget } = input;
    const end = endOf(yield beginWaiting(context, input, job, { deadline, queueWithin: queueWithin ?? undefined, budget }));
    yield* record(context, input, job, end.state);
    executionSeconds = end.state.executionSeconds;
    const problem = problemOf(job, end);
    if (problem) {
      const state = end.state.state === 'cancelled' && !end.givenUp ? 'cancelled' : 'failed';
      return { state, metrics: {}, jobName: job.jobName, executionSeconds, reason: `${problem.code}: ${problem.message}`.slice(0, 500) };
    }
    const { metrics } = yield* call(context, readTrial, { runId, trial });
    if (Object.hasOwn(metrics, input.metric)) return { state: 'succeeded', metrics, jobName: job.jobName, executionSeconds, reason: null };
    const reason = `its report has no metric "${input.metric}"; it has ${Object.keys(metrics).slice(0, 10).join(', ')}`.slice(0, 500);
    return { state: 'failed', metrics, jobName: job.jobName, executionSeconds, reason };
  } catch (error) {
    const { code, message } = failureOf(error);
    return { state: 'failed', metrics: {}, jobName: job?.jobName ?? null, executionSeconds, reason: `${code}: ${message}`.slice(0, 500) };
  }
}
