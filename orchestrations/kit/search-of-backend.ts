// A search that the backend does by itself, as one job: waited for like any other, paid for by the trials that work at once, its trials read at the end.
import type { OrchestrationContext } from 'durable-functions';
import type { z } from 'zod';
import { readTrials, submitSearch } from '../../shared/contracts/activities/training.ts';
import type { SweepResult, Trial } from '../../shared/contracts/runs.ts';
import type { JobState } from '../../shared/contracts/training.ts';
import { call, type Story } from './call.ts';
import { RunCancelled } from './cancel.ts';
import { awaitJob, JobFailed, record, type Submitted } from './job.ts';
import { note } from './run.ts';
import { beganAt, resultOf, type Search, showEnded, spend } from './search.ts';
import { now, secondsSince } from './time.ts';
import type { TrialShown } from './tracking.ts';

/** A run's record holds so many trials. */
const MAX_TRIALS = 100;

/** null where the backend turns out to have no search of its own for this pipeline. */
export function* searchByBackend(context: OrchestrationContext, one: Search): Story<SweepResult | null> {
  const { input, backend, files } = one;
  const { pipeline, contractDigest, overrides, runId, gold, specDigest, space, trials, parallel, seed } = input;
  const objective = objectiveOf(one);
  const { job } = yield* call(context, submitSearch, {
    pipeline,
    contractDigest,
    ...(overrides === undefined ? {} : { overrides }),
    backend,
    runId,
    gold: { table: gold.table, version: gold.version, digest: gold.digest },
    specDigest,
    files,
    space,
    objective,
    trials,
    parallel,
    seed,
  });
  if (!job) return null;
  yield* note(context, input, { phase: 'searching' });
  const submitted: Submitted = { stage: 'train', backend, ...job };
  const submittedAt = now(context);
  const end = yield* waitedFor(context, one, submitted, submittedAt);
  const found = yield* trialsFound(context, one, submitted, submittedAt, end);
  if (end === null) return found;
  yield* note(context, input, { swept: found });
  // What a search found before it had to stop was paid for, and counts; a person who ends it wants nothing of it.
  const stopped = end instanceof JobFailed && (end.rejection.code === 'budget-reached' || end.rejection.code === 'job-late');
  if (!stopped || found.best === null) throw end;
  yield* note(context, input, { warnings: [`The search was stopped before its end: ${end.message}`.slice(0, 1000)] });
  return found;
}

/** Waits; gives why the search did not come to its end, null when it did. */
function* waitedFor(
  context: OrchestrationContext,
  one: Search,
  job: Submitted,
  submittedAt: string,
): Story<JobFailed | RunCancelled | null> {
  const { input, plan, purse, cancel } = one;
  const { deadline, queueWithin } = plan.train;
  const atOnce = machinesOf(one);
  // Several machines at once use the money up that much faster.
  const budget = purse && { ...purse.budget, costPerHour: purse.budget.costPerHour * atOnce };
  try {
    yield* awaitJob(context, input, job, { deadline, queueWithin, budget, search: objectiveOf(one) }, cancel);
    return null;
  } catch (error) {
    if (error instanceof JobFailed || error instanceof RunCancelled) return error;
    // Its end cannot be seen: it may have worked all the time.
    spend(purse, secondsSince(context, submittedAt), atOnce);
    throw error;
  }
}

/** The trials as the backend tells them; each is paid for by the time that it worked. */
function* trialsFound(
  context: OrchestrationContext,
  one: Search,
  job: Submitted,
  submittedAt: string,
  end: JobFailed | RunCancelled | null,
): Story<SweepResult> {
  const { input, purse } = one;
  const answer = yield* readOrPaid(context, one, job, submittedAt, end);
  const at = now(context);
  const ended = answer.trials.slice(0, MAX_TRIALS).map(({ name, params, state, metric, metrics, startedAt, endedAt }, index) => {
    const executionSeconds = startedAt === null ? null : Math.max(0, Date.parse(endedAt ?? at) - Date.parse(startedAt)) / 1000;
    const said = state === 'cancelled' ? stopOf(end) : null;
    const trial: Trial = {
      trial: index + 1,
      params,
      state: said?.state ?? state,
      metric,
      metrics,
      jobName: name,
      executionSeconds,
      reason: said?.reason ?? null,
    };
    return { trial, finishedAt: endedAt ?? at };
  });
  for (const { trial } of ended) spend(purse, trial.executionSeconds ?? 0);
  yield* record(context, input, job, timesOf(answer.trials, submittedAt, at));
  yield* showEnded(context, one, ended.map(shownOf));
  return resultOf(
    input,
    ended.map(({ trial }) => trial),
    'backend',
  );
}

/** The trials; where they cannot be read, the time since the submission is paid for, and why the search ended is told before that. */
function* readOrPaid(
  context: OrchestrationContext,
  one: Search,
  { backend, jobId }: Submitted,
  submittedAt: string,
  end: JobFailed | RunCancelled | null,
): Story<z.output<typeof readTrials.output>> {
  try {
    return yield* call(context, readTrials, { backend, jobId, objective: objectiveOf(one) });
  } catch (error) {
    spend(one.purse, secondsSince(context, submittedAt), machinesOf(one));
    throw end ?? error;
  }
}

/** How long the search waited until its first trial began, and how long it worked until its last one ended. */
function timesOf(trials: z.output<typeof readTrials.output>['trials'], submittedAt: string, at: string): JobState {
  const begun = trials.flatMap(({ startedAt }) => (startedAt === null ? [] : [Date.parse(startedAt)]));
  const first = begun.length > 0 ? Math.min(...begun) : null;
  const last = Math.max(...trials.map(({ endedAt }) => Date.parse(endedAt ?? at)));
  return {
    state: 'succeeded',
    reason: null,
    queuedSeconds: first === null ? null : Math.max(0, first - Date.parse(submittedAt)) / 1000,
    executionSeconds: first === null ? null : Math.max(0, last - first) / 1000,
  };
}

function machinesOf({ input }: Search): number {
  return Math.min(input.parallel, input.trials);
}

function shownOf({ trial, finishedAt }: { trial: Trial; finishedAt: string }): TrialShown {
  const { params, metrics, jobName, executionSeconds } = trial;
  const state = trial.state as TrialShown['state'];
  return { trial: trial.trial, params, metrics, state, jobName, startedAt: beganAt(finishedAt, executionSeconds), finishedAt };
}

/** Why the backend ended a trial before its end. */
function stopOf(end: JobFailed | RunCancelled | null): Pick<Trial, 'state' | 'reason'> {
  if (end instanceof RunCancelled) return { state: 'cancelled', reason: end.message.slice(0, 500) };
  const reason = end?.message ?? 'the backend ended it early: by its rule of the median, or by a person there';
  return { state: 'stopped', reason: reason.slice(0, 500) };
}

function objectiveOf({ input }: Search): { metric: string; goal: 'maximize' | 'minimize' } {
  return { metric: input.metric, goal: input.direction === 'higher-is-better' ? 'maximize' : 'minimize' };
}
