// NCRONTAB expressions: five fields, or six with seconds first, as the timer trigger of the real host reads them.
// Unlike Unix cron, a day must fit both the day-of-month and the day-of-week field (source: the NCrontab library's documentation and source).

/** A parsed expression. Times are plain calendar times: milliseconds of a UTC-like calendar, whatever the zone. */
export interface Crontab {
  /** First time after `after` (never `after` itself), on a whole second; `undefined` when there is none (31 February). */
  next(after: number): number | undefined;
}

interface Field {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly names?: readonly string[];
}

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const FIELDS: readonly Field[] = [
  { name: 'second', least: 0, most: 59 },
  { name: 'minute', least: 0, most: 59 },
  { name: 'hour', least: 0, most: 23 },
  { name: 'day', least: 1, most: 31 },
  { name: 'month', least: 1, most: 12, names: MONTHS },
  { name: 'day of week', least: 0, most: 6, names: WEEKDAYS },
];
const DAY_MS = 86_400_000;
/** The Gregorian calendar with its weekdays repeats after 400 years: a date that does not occur within them never does. */
const CYCLE_YEARS = 400;

/** Parses an expression. Throws `RangeError` that names the field, its range and the text that does not fit. */
export function parseCrontab(expression: string): Crontab {
  const parts = expression.trim().split(/\s+/);
  if (parts.length !== 5 && parts.length !== 6) {
    throw new RangeError(
      `"${expression}" must have six fields (second minute hour day month day-of-week) or five (without second), it has ${parts.length}`,
    );
  }
  const texts = parts.length === 5 ? ['0', ...parts] : parts;
  const sets = FIELDS.map((field, index) => parseField(texts[index] ?? '', field));
  return { next: (after) => nextTime(after, sets) };
}

/** Allowed values of one field, ascending. */
function parseField(text: string, field: Field): number[] {
  const allowed = new Set<number>();
  for (const part of text.split(',')) {
    const [first, last, step] = parsePart(part, field);
    for (let value = first; value <= last; value += step) allowed.add(value);
  }
  return [...allowed].sort((one, other) => one - other);
}

/** `*`, `n`, `a-b`, each with `/step`; `n/step` runs to the end of the field; a reversed range is turned round. */
function parsePart(part: string, field: Field): [first: number, last: number, step: number] {
  const [range = '', stepText, ...more] = part.split('/');
  if (more.length > 0 || (stepText !== undefined && !/^\d{1,4}$/.test(stepText))) throw unfit(part, field);
  const step = Math.max(1, Number(stepText ?? 1));
  if (range === '*') return [field.least, field.most, step];
  const [from = '', to, ...rest] = range.split('-');
  if (rest.length > 0) throw unfit(part, field);
  const first = parseValue(from, field);
  if (to === undefined) return [first, stepText === undefined ? first : field.most, step];
  const last = parseValue(to, field);
  return [Math.min(first, last), Math.max(first, last), step];
}

/** A number in the field's range, or a name of a month or weekday or the beginning of one. */
function parseValue(text: string, field: Field): number {
  if (/^\d{1,4}$/.test(text) && Number(text) >= field.least && Number(text) <= field.most) return Number(text);
  const index = /^[a-z]+$/i.test(text) ? (field.names ?? []).findIndex((name) => name.toLowerCase().startsWith(text.toLowerCase())) : -1;
  if (index < 0) throw unfit(text, field);
  return index + field.least;
}

function unfit(text: string, field: Field): RangeError {
  const names = field.names ? `, or a name (${field.names[0]} … ${field.names.at(-1)})` : '';
  return new RangeError(
    `"${text}" is not a ${field.name}: expected * or ${field.least} to ${field.most}${names}, with , - / between values`,
  );
}

function nextTime(after: number, sets: readonly number[][]): number | undefined {
  const [seconds = [], minutes = [], hours = [], days = [], months = [], weekdays = []] = sets;
  const start = new Date(Math.floor(after / 1000) * 1000 + 1000);
  const lastYear = start.getUTCFullYear() + CYCLE_YEARS;
  let day = Date.UTC(start.getUTCFullYear(), start.getUTCMonth(), start.getUTCDate());
  let timeOfDay = start.getTime() - day;
  for (;;) {
    const date = new Date(day);
    if (date.getUTCFullYear() > lastYear) return undefined;
    if (!months.includes(date.getUTCMonth() + 1)) {
      day = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
    } else {
      const found =
        days.includes(date.getUTCDate()) && weekdays.includes(date.getUTCDay())
          ? nextTimeOfDay(timeOfDay, hours, minutes, seconds)
          : undefined;
      if (found !== undefined) return day + found;
      day += DAY_MS;
    }
    timeOfDay = 0;
  }
}

/** First allowed time of day at or after `from` (milliseconds since midnight), or `undefined` when the day is over. */
function nextTimeOfDay(from: number, hours: readonly number[], minutes: readonly number[], seconds: readonly number[]): number | undefined {
  const fromHour = Math.floor(from / 3_600_000);
  const fromMinute = Math.floor(from / 60_000) % 60;
  const fromSecond = Math.floor(from / 1000) % 60;
  for (const hour of hours) {
    if (hour < fromHour) continue;
    for (const minute of minutes) {
      if (hour === fromHour && minute < fromMinute) continue;
      const exact = hour === fromHour && minute === fromMinute;
      const second = exact ? seconds.find((value) => value >= fromSecond) : seconds[0];
      if (second !== undefined) return ((hour * 60 + minute) * 60 + second) * 1000;
    }
  }
  return undefined;
}
