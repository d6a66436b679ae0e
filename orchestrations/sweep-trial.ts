// The story of one trial: its job, its end, its numbers. It never fails: what went wrong is what the trial came to.
import type { OrchestrationContext } from 'durable-functions';
import { readTrial, submitTraining } from '../shared/contracts/activities/training.ts';
import { type TrialEnd, TrialInput } from '../shared/contracts/stories.ts';
import { call, failureOf, type Story } from './kit/call.ts';
import { beginWaiting, endOf, problemOf, record, type Submitted } from './kit/job.ts';
import { now, secondsSince } from './kit/time.ts';

export function* sweepTrial(context: OrchestrationContext): Story<TrialEnd> {
  const input = TrialInput.parse(context.df.getInput());
  let job: Submitted | null = null;
  const beganAt = now(context);
  let executionSeconds: number | null = null;
  let seen = false;
  const ended = (state: TrialEnd['state'], metrics: TrialEnd['metrics'], reason: string | null): TrialEnd => {
    return {
      state,
      metrics,
      jobName: job?.jobName ?? null,
      executionSeconds,
      reason: reason?.slice(0, 500) ?? null,
      endedAt: now(context),
    };
  };
  try {
    const { pipeline, contractDigest, overrides, runId, gold, specDigest, files, trial, backend } = input;
    const { table, version, digest } = gold;
    const asked = { pipeline, contractDigest, overrides, backend, runId, gold: { table, version, digest }, specDigest, files, trial };
    job = { stage: 'trial', backend, ...(yield* call(context, submitTraining, asked)) };
    yield* record(context, input, job, null);
    const { deadline, queueWithin, budget } = input;
    const end = endOf(yield beginWaiting(context, input, job, { deadline, queueWithin: queueWithin ?? undefined, budget }));
    yield* record(context, input, job, end.state);
    seen = true;
    executionSeconds = end.state.executionSeconds;
    const problem = problemOf(job, end);
    if (problem) return ended(stateOf(end), {}, `${problem.code}: ${problem.message}`);
    const { metrics } = yield* call(context, readTrial, { runId, trial, second: { backend, wanted: [input.metric] } });
    if (Object.hasOwn(metrics, input.metric)) return ended('succeeded', metrics, null);
    return ended('failed', metrics, `its report has no metric "${input.metric}"; it has ${Object.keys(metrics).slice(0, 10).join(', ')}`);
  } catch (error) {
    const { code, message } = failureOf(error);
    // A job whose end cannot be seen is counted from its beginning: it may be at work.
    if (job && !seen) executionSeconds = secondsSince(context, beganAt);
    return ended('failed', {}, `${code}: ${message}`);
  }
}

/** What a job that did not succeed means: without money it was stopped, by a person it was cancelled, else it failed. */
function stateOf({ state, givenUp }: ReturnType<typeof endOf>): TrialEnd['state'] {
  if (givenUp?.code === 'budget-reached') return 'stopped';
  return state.state === 'cancelled' && !givenUp ? 'cancelled' : 'failed';
}
