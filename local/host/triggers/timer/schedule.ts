// The schedule of a timer trigger: an NCRONTAB expression in a zone, or a TimeSpan that counts from the last run.
import { formatTimeSpan, parseTimeSpan } from '../../config/time-span.ts';
import { parseCrontab } from './ncrontab.ts';
import type { Zone } from './zone.ts';

/** When a timer is due. All times are Unix milliseconds. */
export interface Schedule {
  /** As people read it, for log lines. */
  readonly text: string;
  /** First due time after `after`, or `undefined` when there is none any more. */
  next(after: number): number | undefined;
  /** Whether it follows the wall clock through daylight saving (`Schedule.AdjustForDST` of the trigger's data). */
  readonly adjustsForDst: boolean;
  /** More than one due time within a minute: then no status is kept, as on the real host. */
  readonly isFrequent: boolean;
}

const MINUTE = 60_000;

/** Reads a schedule; `now` decides whether it is frequent. Throws `RangeError` that says what does not fit. */
export function parseSchedule(text: string, zone: Zone, now: number): Schedule {
  const interval = text.includes(' ') ? undefined : parseTimeSpan(text);
  if (interval !== undefined) {
    if (interval < 1000) throw new RangeError(`"${text}" is shorter than one second`);
    return {
      text: `every ${formatTimeSpan(interval)}`,
      next: (after) => after + interval,
      adjustsForDst: false,
      isFrequent: interval < MINUTE,
    };
  }
  const crontab = parseCrontab(text);
  const next = (after: number): number | undefined => {
    let calendar = zone.toCalendar(after);
    // The hour that occurs twice maps to its first occurrence, which may lie before `after`: look further then.
    for (;;) {
      const found = crontab.next(calendar);
      if (found === undefined) return undefined;
      const moment = zone.toMoment(found);
      if (moment > after) return moment;
      calendar = found;
    }
  };
  const first = next(now);
  if (first === undefined) throw new RangeError(`"${text}" never happens`);
  const second = next(first);
  return { text: `"${text}" (${zone.name})`, next, adjustsForDst: true, isFrequent: second !== undefined && second - first < MINUTE };
}
