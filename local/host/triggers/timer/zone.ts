// Calendar time of a zone: UTC unless `WEBSITE_TIME_ZONE` names another one.
// A calendar time that daylight saving skips happens at the moment of the jump; one that occurs twice happens the first time.
import { HostStartError } from '../../config/start-error.ts';

/** Converts between moments (Unix milliseconds) and calendar times (the zone's wall clock written as if it were UTC). */
export interface Zone {
  readonly name: string;
  toCalendar(moment: number): number;
  toMoment(calendar: number): number;
}

const UTC: Zone = { name: 'UTC', toCalendar: (moment) => moment, toMoment: (calendar) => calendar };
const HOUR = 3_600_000;

/** The zone of an IANA name, UTC for none. Throws `HostStartError` (kind `app`) for a name that this Node does not know. */
export function zoneOf(name: string | undefined): Zone {
  if (!name || name === 'UTC') return UTC;
  let format: Intl.DateTimeFormat;
  try {
    const fields = {
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
      era: 'short',
    } as const;
    format = new Intl.DateTimeFormat('en-US', { timeZone: name, hourCycle: 'h23', ...fields });
  } catch (error) {
    throw new HostStartError('app', `WEBSITE_TIME_ZONE is "${name}", which is not an IANA zone name such as "Europe/Berlin".`, {
      cause: error,
    });
  }
  const toCalendar = (moment: number): number => {
    const part = new Map(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
    const get = (type: Intl.DateTimeFormatPartTypes) => part.get(type) ?? 0;
    const calendar = Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'), get('second'));
    return calendar + (((moment % 1000) + 1000) % 1000);
  };
  return { name, toCalendar, toMoment: (calendar) => momentOf(calendar, toCalendar) };
}

function momentOf(calendar: number, toCalendar: (moment: number) => number): number {
  // Offsets are between -12 and +14 hours; the zone's offsets a day before and after cover both sides of any change.
  const offsets = [calendar - 24 * HOUR, calendar + 24 * HOUR].map((moment) => toCalendar(moment) - moment);
  const moments = offsets.map((offset) => calendar - offset).filter((moment) => toCalendar(moment) === calendar);
  if (moments.length > 0) return Math.min(...moments);
  return firstMomentAtOrAfter(calendar, toCalendar, Math.min(...offsets.map((offset) => calendar - offset)));
}

/** The jump itself: the first moment whose calendar time is not before the skipped one. */
function firstMomentAtOrAfter(calendar: number, toCalendar: (moment: number) => number, from: number): number {
  let before = from - 2 * HOUR;
  let after = from + 4 * HOUR;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (toCalendar(middle) >= calendar) after = middle;
    else before = middle;
  }
  return after;
}
