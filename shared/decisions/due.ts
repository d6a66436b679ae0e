// Which times have come for a pipeline: schedules, "no training for", "no event for", and freshness deadlines. Pure: the clock is an argument.
// Local times are read by croner: one that a day lacks is moved by the gap, one that a day has twice counts in its first pass.
import { Cron } from 'croner';
import type { SignalEvent } from '../contracts/events.ts';
import type { Freshness, Schedule } from '../contracts/pipeline/schedule.ts';
import { sha256Hex } from './digest.ts';
import { durationSeconds } from './durations.ts';

/** What is known of a pipeline when the timer ticks; instants are ISO 8601, null = never. */
export interface Vitals {
  pipeline: string;
  registeredAt: string;
  /** The tick before; times up to it have been dealt with. */
  lastTick: string | null;
  lastEvent: string | null;
  lastDataset: string | null;
  lastTraining: string | null;
}

/** How far back a timer that was down looks: older times are no news to anybody. */
const LOOK_BACK_MS = 7 * 86_400_000;

/** The newest time of an expression in (last, now], null when there is none. Times missed during an outage come once, as the newest of them. */
export function cronDue(expression: string, zone: string, last: string, now: string): string | null {
  const end = Date.parse(now);
  const [newest] = new Cron(expression, { timezone: zone }).previousRuns(1, new Date(end + 1000));
  if (!newest || newest.getTime() > end || newest.getTime() <= Math.max(Date.parse(last), end - LOOK_BACK_MS)) return null;
  return newest.toISOString();
}

/** The first time after an instant; null for an expression that never comes (31 February). */
export function cronNext(expression: string, zone: string, after: string): string | null {
  return new Cron(expression, { timezone: zone }).nextRun(new Date(after))?.toISOString() ?? null;
}

/** Seconds by which a pipeline's times are moved: the same each time, spread over pipelines. */
export function jitterSeconds(pipeline: string, jitter: string | undefined): number {
  if (jitter === undefined) return 0;
  return Number.parseInt(sha256Hex(`jitter/${pipeline}`).slice(0, 12), 16) % (durationSeconds(jitter) + 1);
}

/** The signals that a tick raises. Ids are derived from what they speak of, so two timers, or one twice, raise the same event. */
export function dueSignals(
  vitals: Vitals,
  rules: { schedule?: Schedule | undefined; freshness?: Freshness | undefined },
  now: string,
): SignalEvent[] {
  const { schedule, freshness } = rules;
  const signals: SignalEvent[] = [];
  const raise = (kind: SignalEvent['kind'], id: string, time: string, data: SignalEvent['data']): void => {
    signals.push({ source: `/sluice/timer/${vitals.pipeline}`, id: `${kind}/${id}`, kind, subject: vitals.pipeline, time, data });
  };
  const since = vitals.lastTick ?? vitals.registeredAt;

  if (schedule?.cron !== undefined) {
    const jitter = jitterSeconds(vitals.pipeline, schedule.jitter);
    const at = cronDue(schedule.cron, schedule.zone, moved(since, -jitter), moved(now, -jitter));
    if (at !== null) raise('schedule', at, moved(at, jitter), { expression: schedule.cron, zone: schedule.zone });
  }
  if (schedule?.extract?.cron !== undefined) {
    const at = cronDue(schedule.extract.cron, schedule.zone, since, now);
    if (at !== null) raise('schedule', `extract/${at}`, at, { extract: schedule.extract.pipeline, expression: schedule.extract.cron });
  }
  if (schedule?.noTrainingFor !== undefined) {
    const last = vitals.lastTraining ?? vitals.registeredAt;
    const periods = elapsed(last, now, schedule.noTrainingFor);
    // Once for each whole period: a training that failed does not silence the next reminder.
    if (periods > 0) raise('no-training', `${last}/${periods}`, now, { last: vitals.lastTraining, allowed: schedule.noTrainingFor });
  }
  if (schedule?.absent !== undefined) {
    const last = vitals.lastEvent ?? vitals.registeredAt;
    if (elapsed(last, now, schedule.absent) > 0) raise('absent', last, now, { last: vitals.lastEvent, allowed: schedule.absent });
  }
  if (freshness) {
    const missed = missedDeadline(freshness, vitals.lastDataset, since, now);
    if (missed !== null) raise('freshness', missed, missed, { by: freshness.by, zone: freshness.zone, lastDataset: vitals.lastDataset });
  }
  return signals;
}

/** Whether the newest deadline that has passed was met: a dataset since the deadline before it. For `status`; null before the first. */
export function freshnessOf(freshness: Freshness, lastDataset: string | null, now: string): { deadline: string; met: boolean } | null {
  const [deadline, before] = deadlines(freshness, now);
  if (deadline === undefined || before === undefined) return null;
  return { deadline, met: lastDataset !== null && lastDataset > before };
}

function missedDeadline(freshness: Freshness, lastDataset: string | null, since: string, now: string): string | null {
  const state = freshnessOf(freshness, lastDataset, now);
  if (state === null || state.met || state.deadline <= since) return null;
  return Date.parse(now) - Date.parse(state.deadline) > LOOK_BACK_MS ? null : state.deadline;
}

/** The two newest deadlines at or before an instant, newest first. */
function deadlines(freshness: Freshness, now: string): string[] {
  const [hour, minute] = freshness.by.split(':').map(Number);
  const cron = new Cron(`${minute} ${hour} * * ${freshness.days === 'weekdays' ? '1-5' : '*'}`, { timezone: freshness.zone });
  return cron.previousRuns(2, new Date(Date.parse(now) + 1000)).map((date) => date.toISOString());
}

function elapsed(last: string, now: string, duration: string): number {
  return Math.floor((Date.parse(now) - Date.parse(last)) / (durationSeconds(duration) * 1000));
}

function moved(instant: string, seconds: number): string {
  return new Date(Date.parse(instant) + seconds * 1000).toISOString();
}
