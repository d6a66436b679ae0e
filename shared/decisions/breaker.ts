// The storm breaker of a pipeline: more datasets in an hour or trainings in a day than its limits, and it opens; a person closes it.
import type { Verdict } from '../contracts/events.ts';
import type { Breaker } from '../contracts/guards.ts';
import type { Limits } from '../contracts/pipeline/schedule.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Keys of admitted work that are remembered, so that a repeat of the same step counts once. */
const MAX_RECENT = 100;

/** Work that is about to be started. `key` identifies it: the same work is admitted once. */
export interface Charge {
  kind: 'dataset' | 'training';
  key: string;
}

export type Admission =
  | { admitted: true }
  | { admitted: false; cause: 'datasets-per-hour' | 'trainings-per-day' | 'budget'; reason: string; count: number; limit: number };

/** Counts the work, or says why it may not start; the first refusal opens the breaker. Without limits nothing is counted. */
export function charge(
  before: Breaker | null,
  pipeline: string,
  work: Charge,
  limits: Limits | undefined,
  now: string,
): { breaker: Breaker | null; answer: Admission } {
  const mark = `${work.kind.slice(0, 1)}-${work.key.slice(0, 24)}`;
  if (before?.recent.includes(mark)) return { breaker: before, answer: { admitted: true } };
  if (before?.state === 'open' && before.opened) {
    const { cause, reason, count, limit } = before.opened;
    return { breaker: before, answer: { admitted: false, cause, reason, count, limit } };
  }
  if (!limits) return { breaker: before, answer: { admitted: true } };

  const breaker = before ?? fresh(pipeline);
  const datasets = recentOnly(breaker.datasets, now, HOUR);
  const trainings = recentOnly(breaker.trainings, now, DAY);
  const [counts, limit, per] =
    work.kind === 'dataset' ? [datasets, limits.datasetsPerHour, 'an hour'] : [trainings, limits.trainingsPerDay, 'a day'];
  const count = sum(counts);
  if (count >= limit) {
    const cause = work.kind === 'dataset' ? ('datasets-per-hour' as const) : ('trainings-per-day' as const);
    const allowed = count === 1 ? `one ${work.kind} within ${per} is the limit` : `${count} ${work.kind}s within ${per} are the limit`;
    const reason = `${allowed} of ${pipeline}; one more was asked for`;
    const answer = { cause, reason, count, limit };
    return { breaker: trip(breaker, answer, now), answer: { admitted: false, ...answer } };
  }
  const slot = bucket(now, work.kind === 'dataset' ? MINUTE : HOUR);
  const counted = { ...counts, [slot]: (counts[slot] ?? 0) + 1 };
  return {
    breaker: {
      ...breaker,
      datasets: work.kind === 'dataset' ? counted : datasets,
      trainings: work.kind === 'training' ? counted : trainings,
      recent: [...breaker.recent, mark].slice(-MAX_RECENT),
    },
    answer: { admitted: true },
  };
}

/** Opens the breaker for a reason that somebody else found, such as the budget of the month. One that is open stays as it is. */
export function openBreaker(
  before: Breaker | null,
  pipeline: string,
  because: { cause: 'budget'; reason: string; count: number; limit: number },
  now: string,
): Breaker {
  return before?.state === 'open' ? before : trip(before ?? fresh(pipeline), because, now);
}

/** A person closes it: counting begins anew, else the same numbers would open it at once. */
export function closeBreaker(before: Breaker | null, by: string, reason: string, now: string): Breaker | null {
  if (before?.state !== 'open') return before;
  return { ...before, state: 'closed', closed: { at: now, by, reason }, datasets: {}, trainings: {}, recent: [] };
}

/** What an event gets while the breaker is open; null while it is closed. */
export function breakerVerdict(breaker: Breaker | null): Verdict | null {
  if (breaker?.state !== 'open' || !breaker.opened) return null;
  const { at, cause, reason, count, limit } = breaker.opened;
  return overBudget({ cause, reason: `${reason}; open since ${at}`, count, limit }, at);
}

export function overBudget(refused: { cause: string; reason: string; count: number; limit: number }, openedAt: string | null): Verdict {
  const { cause, reason, count, limit } = refused;
  return {
    kind: 'over-budget',
    rule: 'breaker-open',
    reason: `The breaker is open: ${reason}. The event is kept; close the breaker, then replay it`.slice(0, 2000),
    evidence: { cause, count, limit, openedAt },
  };
}

function trip(
  breaker: Breaker,
  why: { cause: NonNullable<Breaker['opened']>['cause']; reason: string; count: number; limit: number },
  at: string,
): Breaker {
  const { cause, reason, count, limit } = why;
  return { ...breaker, state: 'open', opened: { at, cause, reason, count, limit } };
}

function fresh(pipeline: string): Breaker {
  return { pipeline, state: 'closed', opened: null, closed: null, datasets: {}, trainings: {}, recent: [] };
}

function bucket(now: string, width: number): string {
  return new Date(Math.floor(Date.parse(now) / width) * width).toISOString();
}

function recentOnly(counts: Breaker['datasets'], now: string, span: number): Breaker['datasets'] {
  const oldest = Date.parse(now) - span;
  return Object.fromEntries(Object.entries(counts).filter(([slot]) => Date.parse(slot) > oldest));
}

function sum(counts: Breaker['datasets']): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
