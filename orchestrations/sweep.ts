// The story of one search: the same gold with other parameters, round by round, or by the backend's own search where it has one. It registers
// nothing: what it found is in its record, and the best parameters are trained as a run of their own where that was asked for.
import type { OrchestrationContext, Task } from 'durable-functions';
import { stageTrainingData } from '../shared/contracts/activities/data.ts';
import { readPlan } from '../shared/contracts/activities/runs.ts';
import { cancelTrials, readTrials, submitSearch } from '../shared/contracts/activities/training.ts';
import type { BackendName } from '../shared/contracts/pipeline/train.ts';
import type { SweepResult, Trial } from '../shared/contracts/runs.ts';
import { type Outcome, type ParamOverrides, SweepInput, TrialEnd, type TrialInput } from '../shared/contracts/stories.ts';
import type { StagedFile } from '../shared/contracts/tables.ts';
import { costOf } from '../shared/decisions/budget.ts';
import { trainKey, trialJobName } from '../shared/decisions/identity.ts';
import { bestTrial, sampleTrials, stopReason, wholeParams } from '../shared/decisions/search.ts';
import { specDigestOf, withOverrides } from '../shared/decisions/train-spec.ts';
import { ActivityRejected, call, type Story } from './kit/call.ts';
import { heed, RunCancelled, wishOf } from './kit/cancel.ts';
import { awaitJob } from './kit/job.ts';
import { type Purse, reserve, settling } from './kit/money.ts';
import { narrate, note, open, type Opened, tellOpened, transition } from './kit/run.ts';
import { now, sleepOrTask, taskOrEvent } from './kit/time.ts';
import { chosenBackend, type Plan } from './kit/train-parts.ts';

/** How often the trials of a search that a person ended are asked to end: one may have been on its way to its job. */
const ASK_AGAIN_SECONDS = 60;

interface Search {
  input: SweepInput;
  plan: Plan;
  backend: BackendName;
  files: StagedFile[];
  purse: Purse | null;
  cancel: Task;
}

export function* sweep(context: OrchestrationContext): Story<Outcome> {
  const input = SweepInput.parse(context.df.getInput());
  return yield* narrate(context, input, (cancel) => search(context, input, cancel));
}

function* search(context: OrchestrationContext, input: SweepInput, cancel: Task): Story<Outcome> {
  const { pipeline, contractDigest, overrides, runId, gold } = input;
  const plan = yield* call(context, readPlan, { pipeline, contractDigest, ...(overrides === undefined ? {} : { overrides }) });
  const choice = yield* chosenBackend(context, plan, input);
  yield* note(context, input, { phase: 'staging', choice });
  const staged = { path: gold.path, version: gold.version, digest: gold.digest };
  const { files } = yield* call(context, stageTrainingData, { pipeline, contractDigest, gold: staged });
  const purse = yield* reserve(context, input, plan.train, input.trials);
  const found = yield* settling(context, input, purse, () => {
    return searched(context, { input, plan, backend: choice.chosen, files, purse, cancel });
  });

  const { best } = found;
  if (!best) {
    const [first] = found.trials.filter(({ reason }) => reason !== null);
    const message = `No trial succeeded with a metric "${input.metric}". The first said: ${first?.reason ?? 'nothing'}`;
    throw new ActivityRejected({ code: 'search-empty', message });
  }
  heed(cancel, 'when the search was done; nothing was trained on its best parameters');
  const training = input.train ? yield* openBest(context, input, plan, best.params) : null;
  const next = training ? [training.runId] : [];
  yield* note(context, input, { phase: 'searched', status: 'succeeded', swept: found, next, finishedAt: now(context) });
  yield* transition(context, input, 'run.succeeded', { metric: input.metric, value: best.metric, trial: best.trial });
  if (training) yield* tellOpened(context, training);
  return { status: 'succeeded', runId, note: `trial ${best.trial} has the best ${input.metric}: ${best.metric}` };
}

/** By the backend's own search where it has one, else by trials of ours. */
function* searched(context: OrchestrationContext, one: Search): Story<SweepResult> {
  const { input, backend, files } = one;
  const { pipeline, contractDigest, overrides, runId, gold, specDigest, space, trials, parallel, seed } = input;
  const objective = { metric: input.metric, goal: input.direction === 'higher-is-better' ? ('maximize' as const) : ('minimize' as const) };
  const asked = {
    pipeline,
    contractDigest,
    ...(overrides === undefined ? {} : { overrides }),
    backend,
    runId,
    gold: { table: gold.table, version: gold.version, digest: gold.digest },
    specDigest,
    files,
  };
  const { job } = yield* call(context, submitSearch, { ...asked, space, objective, trials, parallel, seed });
  if (!job) return yield* inRounds(context, one);
  yield* note(context, input, { phase: 'searching' });
  const { deadline, queueWithin } = one.plan.train;
  yield* awaitJob(context, input, { stage: 'train', backend, ...job }, { deadline, queueWithin, search: objective }, one.cancel);
  const answer = yield* call(context, readTrials, { backend, jobId: job.jobId, objective });
  const found = answer.trials.slice(0, 100).map((trial, index): Trial => {
    const { name, params, state, metric } = trial;
    return { trial: index + 1, params, state, metric, metrics: {}, jobName: name, executionSeconds: null, reason: null };
  });
  return resultOf(input, found, 'backend');
}

function* inRounds(context: OrchestrationContext, one: Search): Story<SweepResult> {
  const { input, plan, purse } = one;
  const drawn = sampleTrials(input.space, input.trials, input.seed, wholeParams(plan.train, input.space));
  const trials = drawn.map((params, index): Trial => {
    return { trial: index + 1, params, state: 'waiting', metric: null, metrics: {}, jobName: null, executionSeconds: null, reason: null };
  });
  const rounds: Trial[][] = [];
  for (let start = 0; start < trials.length; start += input.parallel) {
    const reason =
      stopReason(rounds, input.direction) ??
      (purse && purse.spent >= purse.budget.limit ? 'the search has used up what it may cost' : null);
    if (reason !== null) {
      for (const trial of trials.slice(start)) Object.assign(trial, { state: 'stopped', reason });
      break;
    }
    const round = trials.slice(start, start + input.parallel);
    for (const trial of round) trial.state = 'running';
    yield* note(context, input, { phase: `round ${rounds.length + 1}`, swept: resultOf(input, trials, 'trials') });
    yield* runRound(context, one, round);
    rounds.push(round);
  }
  return resultOf(input, trials, 'trials');
}

/** Runs some trials side by side and writes down what each came to. */
function* runRound(context: OrchestrationContext, one: Search, round: Trial[]): Story<void> {
  const { input, purse } = one;
  const tasks = round.map((trial) => {
    return context.df.callSubOrchestrator(
      'sweep-trial',
      trialInput(one, trial, round.length),
      `${trialJobName(input.runId, trial.trial)}-trial`,
    );
  });
  const all = context.df.Task.all(tasks);
  const first = yield* taskOrEvent(context, all, one.cancel);
  if (first === 'event') yield* endTrials(context, one, round, all);
  const ends = (first === 'event' ? yield all : all.result) as unknown[];
  round.forEach((trial, index) => {
    const { state, metrics, jobName, executionSeconds, reason } = TrialEnd.parse(ends[index]);
    const metric = Object.hasOwn(metrics, input.metric) ? (metrics[input.metric] ?? null) : null;
    Object.assign(trial, { state, metrics, metric, jobName, executionSeconds, reason });
    if (purse) purse.spent = Number((purse.spent + costOf(executionSeconds ?? 0, purse.budget.costPerHour)).toFixed(6));
  });
  if (first !== 'event') return;
  yield* note(context, input, { swept: resultOf(input, round, 'trials') });
  throw new RunCancelled(`${wishOf(one.cancel)} while its trials were working; they are cancelled`);
}

/** Asks the trials to end until they have: each is asked again, because one may have had no job yet. */
function* endTrials(context: OrchestrationContext, one: Search, round: readonly Trial[], all: Task): Story<void> {
  const { input, backend, cancel } = one;
  const jobNames = round.map(({ trial }) => trialJobName(input.runId, trial));
  do {
    yield* call(context, cancelTrials, {
      backend,
      pipeline: input.pipeline,
      runId: input.runId,
      jobNames,
      reason: wishOf(cancel).slice(0, 500),
    });
  } while ((yield* sleepOrTask(context, ASK_AGAIN_SECONDS, all)) === 'slept');
}

function trialInput({ input, plan, backend, files, purse }: Search, trial: Trial, siblings: number): TrialInput {
  const { pipeline, contractDigest, policy, runId, gold, specDigest, metric } = input;
  const { deadline, queueWithin } = plan.train;
  const left = purse ? purse.budget.limit - purse.spent : 0;
  const budget = purse ? { ...purse.budget, limit: left / siblings, spent: 0, share: true } : null;
  const overrides: ParamOverrides = { ...input.overrides, ...trial.params };
  const limits = { deadline, queueWithin: queueWithin ?? null, budget };
  return { pipeline, contractDigest, policy, runId, gold, specDigest, overrides, trial: trial.trial, metric, backend, files, ...limits };
}

function resultOf(input: SweepInput, trials: Trial[], searchedBy: SweepResult['searchedBy']): SweepResult {
  const { gold, metric, direction, seed } = input;
  const where = { goldTable: gold.table, goldVersion: gold.version, goldDigest: gold.digest };
  // A copy: what the engine was asked for is compared at each replay, and the trials go on changing.
  const kept = trials.map((trial) => ({ ...trial }));
  return { ...where, metric, direction, seed, searchedBy, trials: kept, best: bestTrial(kept, direction) };
}

/** The best parameters as a training of its own: it leaves a model, and its gates judge it like any other. */
function* openBest(context: OrchestrationContext, input: SweepInput, plan: Plan, params: Trial['params']): Story<Opened> {
  const { pipeline, contractDigest, policy, gold, runId } = input;
  const overrides: ParamOverrides = { ...input.overrides, ...params };
  const best = withOverrides(plan.train, params);
  if (!best.ok)
    throw new ActivityRejected({
      code: 'param-refused',
      message: best.problems.map(({ where, problem }) => `${where}: ${problem}`).join('; '),
    });
  const specDigest = specDigestOf(best.train, plan.images);
  const key = trainKey({ pipeline, goldDigest: gold.digest, specDigest });
  const story = { pipeline, contractDigest, policy, gold, specDigest, overrides };
  return yield* open(context, 'train', { pipeline, contractDigest, key, cause: { kind: 'run', ref: runId }, input: story });
}
