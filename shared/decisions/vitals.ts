// Vital signs of a pipeline from what was recorded, and what a tick may conclude from them. Pure: the clock is an argument.
import type { SignalEvent, VerdictKind } from '../contracts/events.ts';
import type { Freshness, Schedule } from '../contracts/pipeline/schedule.ts';
import type { Run } from '../contracts/runs.ts';
import type { PipelineVitals } from '../contracts/vitals.ts';
import { cronNext, freshnessOf, jitterSeconds } from './due.ts';

/** Verdicts of events that brought data, whatever was made of it; own commits, refusals and noise are no data. */
const DATA: ReadonlySet<VerdictKind> = new Set([
  'accepted',
  'duplicate',
  'stale',
  'superseded',
  'incomplete',
  'late',
  'quarantined',
  'over-budget',
]);

/** What happened to a pipeline last, as far as it was read; instants are ISO 8601. */
export type Signs = Partial<Record<'lastEvent' | 'lastDataset' | 'lastTraining', string>>;

/** Whether something that came was data for a pipeline. */
export function broughtData(arrival: { what: 'file' | 'signal' | 'none'; verdict: VerdictKind }): boolean {
  return arrival.what === 'file' && DATA.has(arrival.verdict);
}

type Signing = Pick<Run, 'story' | 'status' | 'startedAt' | 'finishedAt' | 'cause'>;
/** A commit as the cause of a training: gold that somebody else made, refined before it came to us. */
const COMMIT = /\/_delta_log\/[0-9]{20}\.json$/;

/** What a run is a sign of; null for one that says nothing of data or training. Foreign gold is data whatever its training comes to. */
export function signOf({ story, status, startedAt, finishedAt, cause }: Signing): Signs | null {
  const foreign = story === 'train' && cause.kind === 'event' && COMMIT.test(cause.path ?? '') ? { lastDataset: startedAt } : {};
  const ended = status === 'succeeded' && finishedAt !== null;
  const own = !ended ? {} : story === 'refine' ? { lastDataset: finishedAt } : story === 'train' ? { lastTraining: finishedAt } : {};
  const signs = { ...foreign, ...own };
  return Object.keys(signs).length === 0 ? null : signs;
}

/** The newer of each sign. */
export function joinedSigns(one: Signs, other: Signs): Signs {
  const joined: Signs = { ...one };
  for (const [key, at] of Object.entries(other) as [keyof Signs, string][]) joined[key] = newer(joined[key] ?? null, at);
  return joined;
}

/** A pipeline's vitals with what was read since; one that is met for the first time begins with its registration. */
export function withSigns(before: PipelineVitals | null, pipeline: { name: string; registeredAt: string }, signs: Signs): PipelineVitals {
  const known: PipelineVitals = before ?? {
    pipeline: pipeline.name,
    registeredAt: pipeline.registeredAt,
    lastTick: null,
    lastEvent: null,
    lastDataset: null,
    lastTraining: null,
    freshness: null,
    raised: [],
    nextSchedule: null,
  };
  const joined = joinedSigns(pick(known), signs);
  return isSame(pick(known), joined) && before ? before : { ...known, ...joined };
}

/** Signals that hold until something comes: raised once, not at every tick for as long as they hold. */
export function isStanding({ kind }: SignalEvent): boolean {
  return kind === 'absent' || kind === 'no-training';
}

/**
 * What a tick leaves behind. `raised`: standing signals that hold now and were raised by this tick or one before. `done`: everything up
 * to `now` was dealt with; a tick that was late never moves the time back.
 */
export function afterTick(
  vitals: PipelineVitals,
  rules: { schedule?: Schedule | undefined; freshness?: Freshness | undefined },
  tick: { now: string; raised: readonly string[]; done: boolean },
): PipelineVitals {
  const { now, raised, done } = tick;
  const freshness = rules.freshness ? freshnessOf(rules.freshness, vitals.lastDataset, now) : null;
  return {
    ...vitals,
    lastTick: done ? newer(vitals.lastTick, now) : vitals.lastTick,
    raised: [...raised],
    // Nobody is late for a deadline that was over before the pipeline was there.
    freshness: freshness !== null && freshness.deadline > vitals.registeredAt ? freshness : null,
    nextSchedule: nextSchedule(vitals.pipeline, rules.schedule, now),
  };
}

/** The next time at which a schedule of the pipeline starts something; null when none ever does. */
export function nextSchedule(pipeline: string, schedule: Schedule | undefined, now: string): string | null {
  const jitterMs = jitterSeconds(pipeline, schedule?.jitter) * 1000;
  const times = [
    next(schedule?.cron, schedule?.zone, Date.parse(now) - jitterMs, jitterMs),
    next(schedule?.extract?.cron, schedule?.zone, Date.parse(now), 0),
  ].filter((time) => time !== null);
  return times.sort()[0] ?? null;
}

function next(expression: string | undefined, zone: string | undefined, after: number, moveMs: number): string | null {
  if (expression === undefined) return null;
  const at = cronNext(expression, zone ?? 'UTC', new Date(after).toISOString());
  return at === null ? null : new Date(Date.parse(at) + moveMs).toISOString();
}

function pick({ lastEvent, lastDataset, lastTraining }: PipelineVitals): Signs {
  return { ...(lastEvent && { lastEvent }), ...(lastDataset && { lastDataset }), ...(lastTraining && { lastTraining }) };
}

function isSame(one: Signs, other: Signs): boolean {
  return one.lastEvent === other.lastEvent && one.lastDataset === other.lastDataset && one.lastTraining === other.lastTraining;
}

/** The later of two instants; fractions of seconds may be written or left out. */
function newer(one: string | null, other: string): string {
  return one !== null && Date.parse(one) >= Date.parse(other) ? one : other;
}
