// Money inside a story: reserved before a job is made, counted while jobs run, settled whichever way the story ends.
import type { OrchestrationContext } from 'durable-functions';
import { reserveBudget, settleBudget } from '../../shared/contracts/activities/money.ts';
import { announce } from '../../shared/contracts/activities/runs.ts';
import type { Train } from '../../shared/contracts/pipeline/train.ts';
import type { JobBudget } from '../../shared/contracts/stories.ts';
import type { JobState } from '../../shared/contracts/training.ts';
import { amountToReserve, costOf, monthOf } from '../../shared/decisions/budget.ts';
import { call, failureOf, type Story } from './call.ts';
import { RunCancelled } from './cancel.ts';
import { JobFailed } from './job.ts';
import { note } from './run.ts';
import { now } from './time.ts';

interface Spender {
  pipeline: string;
  runId: string;
}

/** What a run may spend, and has spent so far. */
export interface Purse {
  budget: JobBudget;
  spent: number;
}

/** Reserves what a run may cost, for `jobs` jobs at most; null where the pipeline states no budget. Rejects `budget-exhausted`. */
export function* reserve(context: OrchestrationContext, run: Spender, train: Train, jobs = 1): Story<Purse | null> {
  if (!train.budget) return null;
  const { costPerHour, perMonth = null } = train.budget;
  const at = now(context);
  const month = monthOf(at);
  const amount = amountToReserve(train.budget, train.deadline, jobs);
  const { limit } = yield* call(context, reserveBudget, { pipeline: run.pipeline, month, holder: run.runId, amount, perMonth, at });
  yield* note(context, run, { budget: { month, costPerHour, limit, reserved: limit, spent: null } });
  return { budget: { month, holder: run.runId, costPerHour, limit, spent: 0, share: false, warned: false }, spent: 0 };
}

/** Runs the work of a story and then settles, however it ended. */
export function* settling<Result>(
  context: OrchestrationContext,
  run: Spender,
  purse: Purse | null,
  work: () => Story<Result>,
): Story<Result> {
  if (!purse) return yield* work();
  try {
    return yield* work();
  } finally {
    const { month, costPerHour } = purse.budget;
    const { limit } = yield* call(context, settleBudget, { pipeline: run.pipeline, month, holder: run.runId, spent: purse.spent });
    yield* note(context, run, { budget: { month, costPerHour, limit, reserved: 0, spent: purse.spent } });
  }
}

/** The share of its money at which people are told that a run will be stopped. */
const WARN_AT = 0.8;

/** Says once for each limit that the money is nearly spent, while there is time to top it up. */
export function* announceLow(context: OrchestrationContext, pipeline: string, budget: JobBudget): Story<void> {
  const { holder, limit, costPerHour } = budget;
  const id = `${holder}/budget.low/${limit}`;
  const subject = `/pipelines/${pipeline}/runs/${holder}`;
  try {
    yield* call(context, announce, { id, type: 'budget.low', subject, at: now(context), data: { limit, costPerHour } });
  } catch (error) {
    if (!context.df.isReplaying) context.warn(`${holder}: budget.low was not announced: ${failureOf(error).message}`);
  }
}

/** The same between jobs of one run. */
export function* tellBudgetLow(context: OrchestrationContext, pipeline: string, purse: Purse): Story<void> {
  if (purse.spent < WARN_AT * purse.budget.limit) return;
  yield* announceLow(context, pipeline, purse.budget);
}

/** Counts what a job has cost, whether it succeeded or not; a job whose end could not be seen costs the time since its submission. */
export function* paying(context: OrchestrationContext, purse: Purse | null, wait: () => Story<JobState>): Story<JobState> {
  const from = context.df.currentUtcDateTime.getTime();
  const pay = (state: JobState | null): void => {
    if (!purse) return;
    const seconds =
      state?.executionSeconds ?? (state?.queuedSeconds === null ? 0 : (context.df.currentUtcDateTime.getTime() - from) / 1000);
    purse.spent = Number((purse.spent + costOf(seconds, purse.budget.costPerHour)).toFixed(6));
  };
  try {
    const state = yield* wait();
    pay(state);
    return state;
  } catch (error) {
    pay(error instanceof JobFailed || error instanceof RunCancelled ? error.state : null);
    throw error;
  }
}
