// When a job that is waited for is given up: it works too long, waits too long for a machine, or has used up its money.
import type { GivenUp, JobBudget } from '../contracts/stories.ts';
import type { JobState } from '../contracts/training.ts';
import { costOf, secondsFor } from './budget.ts';

export interface JobWatch {
  /** ISO instants. */
  submittedAt: string;
  deadline: string;
  queueDeadline: string | null;
  /** When it was first seen at work; null before. */
  workingSince: string | null;
  budget: JobBudget | null;
}

/** The share of its money at which people are told that a run will be stopped. */
const WARN_AT = 0.8;
/** Timers fire up to a second early (facts/durable.md §2.9 item 7): a shorter wait might be none at all, again and again. */
const SHORTEST_SECONDS = 2;

/** The limit that a job has reached, if any; `state` is null when the backend does not answer. */
export function limitReached(watch: JobWatch, state: JobState | null, now: string): Omit<GivenUp, 'at'> | null {
  const at = Date.parse(now);
  const was = state ? `was still ${state.state}` : 'could not be seen';
  if (at >= Date.parse(watch.deadline)) {
    return { code: 'job-late', reason: `the job ${was} at its deadline ${watch.deadline} and was cancelled` };
  }
  if (state?.state === 'pending' && watch.queueDeadline !== null && at >= Date.parse(watch.queueDeadline)) {
    const minutes = Math.round((Date.parse(watch.queueDeadline) - Date.parse(watch.submittedAt)) / 60_000);
    return {
      code: 'job-stuck',
      reason: `the job had found no machine within ${minutes} minutes (until ${watch.queueDeadline}) and was cancelled`,
    };
  }
  const { budget } = watch;
  if (budget && spentBy(watch, state, at) >= budget.limit) {
    return { code: 'budget-reached', reason: `the job had used up the ${budget.limit} that its run may cost and was cancelled` };
  }
  return null;
}

/** True when most of the money is spent: time to ask for more. */
export function isBudgetLow(watch: JobWatch, state: JobState | null, now: string): boolean {
  return watch.budget !== null && spentBy(watch, state, Date.parse(now)) >= WARN_AT * watch.budget.limit;
}

/** Seconds until the nearest limit. */
export function secondsToLimit(watch: JobWatch, state: JobState | null, now: string): number {
  const at = Date.parse(now);
  const limits = [Date.parse(watch.deadline)];
  if (watch.queueDeadline !== null && state?.state === 'pending') limits.push(Date.parse(watch.queueDeadline));
  const began = beganAt(watch, state);
  if (watch.budget && began !== null) {
    const { limit, spent, costPerHour } = watch.budget;
    limits.push(began + secondsFor(limit - spent, costPerHour) * 1000);
  }
  return Math.max(SHORTEST_SECONDS, (Math.min(...limits) - at) / 1000);
}

/** What the run has cost by now. */
function spentBy(watch: JobWatch, state: JobState | null, at: number): number {
  const began = beganAt(watch, state);
  if (!watch.budget) return 0;
  return watch.budget.spent + (began === null ? 0 : costOf(Math.max(0, at - began) / 1000, watch.budget.costPerHour));
}

/** The backend's own word about the queue, or when we first saw it work. Milliseconds; null while it waits. */
function beganAt(watch: JobWatch, state: JobState | null): number | null {
  const queued = state?.queuedSeconds ?? null;
  if (queued !== null && state?.state !== 'pending') return Date.parse(watch.submittedAt) + queued * 1000;
  return watch.workingSince === null ? null : Date.parse(watch.workingSince);
}
