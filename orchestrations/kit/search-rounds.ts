// A search by trials of ours: round after round, each trial a job and a story of its own, until the rule of the median or the money ends it.
import type { OrchestrationContext, Task } from 'durable-functions';
import { readBudget } from '../../shared/contracts/activities/money.ts';
import { cancelTrials } from '../../shared/contracts/activities/training.ts';
import type { SweepResult, Trial } from '../../shared/contracts/runs.ts';
import { type ParamOverrides, TrialEnd, type TrialInput } from '../../shared/contracts/stories.ts';
import { trialJobName } from '../../shared/decisions/identity.ts';
import { sampleTrials, stopReason, wholeParams } from '../../shared/decisions/search.ts';
import { call, type Story } from './call.ts';
import { RunCancelled, wishOf } from './cancel.ts';
import { tellBudgetLow } from './money.ts';
import { note } from './run.ts';
import { beganAt, resultOf, type Search, showEnded, spend } from './search.ts';
import { sleepOrTask, taskOrEvent } from './time.ts';
import type { TrialShown } from './tracking.ts';

/** How often the trials of a search that a person ended are asked to end: one may have been on its way to its job. */
const ASK_AGAIN_SECONDS = 60;

export function* searchInRounds(context: OrchestrationContext, one: Search): Story<SweepResult> {
  const { input, plan } = one;
  const drawn = sampleTrials(input.space, input.trials, input.seed, wholeParams(plan.train, input.space));
  const trials = drawn.map((params, index): Trial => {
    return { trial: index + 1, params, state: 'waiting', metric: null, metrics: {}, jobName: null, executionSeconds: null, reason: null };
  });
  const rounds: Trial[][] = [];
  for (let start = 0; start < trials.length; start += input.parallel) {
    const reason = stopReason(rounds, input.direction) ?? (yield* moneyLeft(context, one));
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

/** null while there is money for another round; an approver may have raised the limit since the last one. */
function* moneyLeft(context: OrchestrationContext, { input, purse }: Search): Story<string | null> {
  if (!purse || purse.spent === 0) return null;
  const { pipeline, runId } = input;
  purse.budget.limit = (yield* call(context, readBudget, { pipeline, month: purse.budget.month, holder: runId })).limit;
  if (purse.spent >= purse.budget.limit) return 'the search has used up what it may cost';
  yield* tellBudgetLow(context, pipeline, purse);
  return null;
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
  const ends = ((first === 'event' ? yield all : all.result) as unknown[]).map((end) => TrialEnd.parse(end));
  const ended = round.map((trial, index): TrialShown => {
    const { endedAt, ...end } = ends[index] as TrialEnd;
    const metric = Object.hasOwn(end.metrics, input.metric) ? (end.metrics[input.metric] ?? null) : null;
    Object.assign(trial, { ...end, metric });
    spend(purse, end.executionSeconds ?? 0);
    const { state, metrics, jobName } = end;
    const startedAt = beganAt(endedAt, end.executionSeconds);
    return { trial: trial.trial, params: trial.params, metrics, state, jobName, startedAt, finishedAt: endedAt };
  });
  yield* showEnded(
    context,
    one,
    ended.filter(({ jobName }) => jobName !== null),
  );
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
