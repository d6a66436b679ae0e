// NCRONTAB: examples with known answers, and properties that hold for any expression.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCrontab } from '../../../../local/host/triggers/timer/ncrontab.ts';

const at = (text: string) => Date.parse(`${text}Z`);
const next = (expression: string, after: string) => {
  const found = parseCrontab(expression).next(at(after));
  return found === undefined ? undefined : new Date(found).toISOString().slice(0, 19);
};

describe('next occurrence', () => {
  it.each([
    ['0 */5 * * * *', '2026-11-22T14:34:15', '2026-11-22T14:35:00'],
    ['*/5 * * * *', '2026-11-22T14:34:15', '2026-11-22T14:35:00'],
    ['0 0 2 * * *', '2026-11-22T02:00:00', '2026-11-23T02:00:00'],
    ['30 5 0/6 * * *', '2026-11-22T00:05:30', '2026-11-22T06:05:30'],
    ['0 0 9 * * Mon-Fri', '2026-11-20T09:00:00', '2026-11-23T09:00:00'],
    ['0 0 9 * * 5-1', '2026-11-22T10:00:00', '2026-11-23T09:00:00'],
    ['0 0 0 29 2 *', '2026-01-01T00:00:00', '2028-02-29T00:00:00'],
    ['0 0 0 31 * *', '2026-01-31T00:00:00', '2026-03-31T00:00:00'],
    ['0 0 0 1 Jan,jul *', '2026-02-01T00:00:00', '2026-07-01T00:00:00'],
    ['59 59 23 31 12 *', '2026-12-31T23:59:59', '2027-12-31T23:59:59'],
    ['* * * * * *', '2026-12-31T23:59:59.999', '2027-01-01T00:00:00'],
    ['1,2,40-42 * * * * *', '2026-11-22T14:34:02', '2026-11-22T14:34:40'],
  ])('of "%s" after %s is %s', (expression, after, expected) => {
    expect(next(expression, after)).toBe(expected);
  });

  it('asks for day and weekday together, not for either', () => {
    // 13 November 2026 is the first Friday the 13th after that of March.
    expect(next('0 0 0 13 * Fri', '2026-03-14T00:00:00')).toBe('2026-11-13T00:00:00');
  });

  it('finds none for a date that no calendar has', () => {
    expect(next('0 0 0 31 2 *', '2026-01-01T00:00:00')).toBeUndefined();
  });
});

describe('bad expressions', () => {
  it.each([
    ['', /fields/],
    ['* * * *', /it has 4/],
    ['* * * * * * *', /it has 7/],
    ['60 * * * * *', /"60" is not a second: expected \* or 0 to 59/],
    ['0 0 24 * * *', /"24" is not a hour/],
    ['0 0 0 0 * *', /"0" is not a day/],
    ['0 0 0 * 13 *', /"13" is not a month.*January/],
    ['0 0 0 * * 7', /"7" is not a day of week/],
    ['0 0 0 * * Someday', /"Someday"/],
    ['/5 * * * * *', /"" is not a second/],
    ['*/x * * * * *', /"\*\/x"/],
    ['1-2-3 * * * * *', /"1-2-3"/],
    ['1,,2 * * * * *', /""/],
    ['-1 * * * * *', /""/],
  ])('"%s" is refused with the part that does not fit', (expression, message) => {
    expect(() => parseCrontab(expression)).toThrow(message);
  });
});

const field = (least: number, most: number) =>
  fc.oneof(
    fc.constant('*'),
    fc.integer({ min: least, max: most }).map(String),
    fc.tuple(fc.integer({ min: least, max: most }), fc.integer({ min: least, max: most })).map(([from, to]) => `${from}-${to}`),
    fc.integer({ min: 1, max: most }).map((step) => `*/${step}`),
    fc.array(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: 4 }).map((values) => values.join(',')),
  );
const expression = fc
  .tuple(field(0, 59), field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6))
  .map((fields) => fields.join(' '));
const moment = fc.integer({ min: at('2020-01-01T00:00:00'), max: at('2040-01-01T00:00:00') });

/** Reads a field by brute force, independently of the parser under test. */
function fits(text: string, value: number, least: number): boolean {
  return text.split(',').some((part) => {
    const [range = '', step = '1'] = part.split('/');
    if (range === '*') return (value - least) % Number(step) === 0;
    const [from = Number.NaN, to = from] = range.split('-').map(Number);
    return value >= Math.min(from, to) && value <= Math.max(from, to);
  });
}

function matches(text: string, time: number): boolean {
  const [second = '', minute = '', hour = '', day = '', month = '', weekday = ''] = text.split(' ');
  const date = new Date(time);
  return (
    fits(second, date.getUTCSeconds(), 0) &&
    fits(minute, date.getUTCMinutes(), 0) &&
    fits(hour, date.getUTCHours(), 0) &&
    fits(day, date.getUTCDate(), 1) &&
    fits(month, date.getUTCMonth() + 1, 1) &&
    fits(weekday, date.getUTCDay(), 0)
  );
}

describe('for any expression', () => {
  it('the next occurrence is later, on a whole second, and fits every field', () => {
    fc.assert(
      fc.property(expression, moment, (text, after) => {
        const found = parseCrontab(text).next(after) ?? Number.NaN;
        expect(found).toBeGreaterThan(after);
        expect(found % 1000).toBe(0);
        expect(matches(text, found)).toBe(true);
      }),
    );
  });

  it('no second between now and the next occurrence fits', () => {
    fc.assert(
      fc.property(expression, moment, (text, after) => {
        const found = parseCrontab(text).next(after) ?? Number.NaN;
        const from = Math.floor(after / 1000) * 1000 + 1000;
        for (let time = from; time < Math.min(found, from + 2 * 3_600_000); time += 1000) expect(matches(text, time)).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  it('starting anywhere before the next occurrence gives the same one', () => {
    fc.assert(
      fc.property(expression, moment, fc.double({ min: 0, max: 1, noNaN: true }), (text, after, part) => {
        const crontab = parseCrontab(text);
        const found = crontab.next(after) ?? Number.NaN;
        const between = after + Math.floor((found - after - 1) * part);
        expect(crontab.next(Math.max(after, between))).toBe(found);
      }),
    );
  });
});
