// Vital signs, and readings of lists that go on where they stopped: nothing that came is missed, whatever the order of ticks.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Freshness, Schedule } from '../../../shared/contracts/pipeline.ts';
import type { Tail } from '../../../shared/contracts/vitals.ts';
import { beginReading, newsOf, tailOf, UNREAD } from '../../../shared/decisions/read-tail.ts';
import { afterTick, broughtData, joinedSigns, nextSchedule, signOf, withSigns } from '../../../shared/decisions/vitals.ts';

const at = (second: number): string => new Date(Date.UTC(2026, 2, 1) + second * 1000).toISOString();
const PIPELINE = { name: 'wine', registeredAt: at(0) };

describe('signs', () => {
  test('are of files that brought data, whatever was made of them', () => {
    const kinds = [
      'accepted',
      'incomplete',
      'late',
      'quarantined',
      'duplicate',
      'over-budget',
      'ignored',
      'refused',
      'loop',
      'malformed',
    ] as const;

    expect(kinds.filter((verdict) => broughtData({ what: 'file', verdict }))).toEqual(kinds.slice(0, 6));
    expect(kinds.filter((verdict) => broughtData({ what: 'signal', verdict }))).toEqual([]);
  });

  test('are of refinings and trainings that succeeded', () => {
    const startedAt = at(3);
    const finishedAt = at(9);
    const own = { startedAt, finishedAt, cause: { kind: 'run', ref: 'refine-p-1' } } as const;

    expect(signOf({ ...own, story: 'refine', status: 'succeeded' })).toEqual({ lastDataset: finishedAt });
    expect(signOf({ ...own, story: 'train', status: 'succeeded' })).toEqual({ lastTraining: finishedAt });
    expect(signOf({ ...own, story: 'train', status: 'failed' })).toBeNull();
    expect(signOf({ ...own, story: 'promote', status: 'succeeded' })).toBeNull();
  });

  test('are of gold that somebody else made, whatever its training comes to', () => {
    const [startedAt, finishedAt] = [at(3), at(9)];
    const path = `lake/data/gold/p/training/_delta_log/${'7'.padStart(20, '0')}.json`;
    const foreign = { story: 'train', startedAt, cause: { kind: 'event', ref: 'e-1', path } } as const;

    expect(signOf({ ...foreign, status: 'running', finishedAt: null })).toEqual({ lastDataset: startedAt });
    expect(signOf({ ...foreign, status: 'failed', finishedAt })).toEqual({ lastDataset: startedAt });
    expect(signOf({ ...foreign, status: 'succeeded', finishedAt })).toEqual({ lastDataset: startedAt, lastTraining: finishedAt });
    expect(signOf({ ...foreign, status: 'running', finishedAt: null, cause: { kind: 'event', ref: 'e-1' } })).toBeNull();
  });

  test('tell nobody late for a deadline before the pipeline was there', () => {
    const rules = { freshness: Freshness.parse({ by: '06:00' }) };
    const young = withSigns(null, { name: 'wine', registeredAt: '2026-03-02T07:00:00.000Z' }, {});
    const after = (now: string) => afterTick(young, rules, { now, raised: [], done: true }).freshness;

    expect(after('2026-03-02T08:00:00.000Z')).toBeNull();
    expect(after('2026-03-03T05:59:00.000Z')).toBeNull();
    expect(after('2026-03-03T06:01:00.000Z')).toEqual({ deadline: '2026-03-03T06:00:00.000Z', met: false });
  });

  test('join to the newest of each, in any order, and an old one changes nothing', () => {
    const instant = fc.integer({ min: 0, max: 1000 }).map(at);
    fc.assert(
      fc.property(fc.array(fc.record({ lastEvent: instant, lastTraining: instant }, { requiredKeys: [] })), (list) => {
        const known = list.reduce((before, signs) => withSigns(before, PIPELINE, signs), withSigns(null, PIPELINE, {}));
        const reversed = list.toReversed().reduce((one, signs) => joinedSigns(one, signs), {});

        expect(known).toEqual({ ...withSigns(null, PIPELINE, {}), ...reversed });
        for (const signs of list) expect(withSigns(known, PIPELINE, signs)).toBe(known);
      }),
    );
  });
});

describe('after a tick', () => {
  const vitals = withSigns(null, PIPELINE, {});

  test('time moves on and never back, unless something is left to do', () => {
    const later = afterTick(vitals, {}, { now: at(60), raised: [], done: true });

    expect(later.lastTick).toBe(at(60));
    expect(afterTick(later, {}, { now: at(30), raised: ['absent/x'], done: true })).toMatchObject({
      lastTick: at(60),
      raised: ['absent/x'],
    });
    expect(afterTick(later, {}, { now: at(90), raised: [], done: false }).lastTick).toBe(at(60));
  });

  test('the next time is the nearest of all schedules, and never in the past', () => {
    const schedule = Schedule.parse({ cron: '0 3 * * *', jitter: '2h', extract: { pipeline: 'ingest', cron: '30 1 * * *' } });

    expect(nextSchedule('wine', schedule, at(0))).toBe(at(5400));
    expect(nextSchedule('wine', Schedule.parse({ cron: '0 0 31 2 *' }), at(0))).toBeNull();
    expect(nextSchedule('wine', undefined, at(0))).toBeNull();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 30 * 86_400 }), fc.stringMatching(/^[a-z]{1,10}$/), (second, name) => {
        const next = nextSchedule(name, schedule, at(second)) ?? '';
        expect(Date.parse(next)).toBeGreaterThan(Date.parse(at(second)));
      }),
      { numRuns: 50 },
    );
  });
});

describe('a list that is read newest first', () => {
  const OVERLAP_S = 90;

  /** Reads as a tick does: so many pages, and remembers where it stopped. */
  function readOnce(tail: Tail, list: readonly number[], now: number, pages: number, size: number, seen: Set<number>): Tail {
    const newestFirst = [...list].sort((a, b) => b - a);
    let reading = beginReading(tail, at(now), OVERLAP_S * 1000);
    for (let page = 0; page < pages; page += 1) {
      const from = reading.next === null ? 0 : newestFirst.findIndex((item) => item < Number(reading.next));
      const items = from < 0 ? [] : newestFirst.slice(from, from + size);
      const more = from >= 0 && from + size < newestFirst.length;
      const found = newsOf(reading, { items, next: more ? String(items.at(-1)) : null }, at);
      for (const item of found.news) seen.add(item);
      reading = found.reading;
      if (found.done) return tailOf(tail, reading, true);
    }
    return tailOf(tail, reading, false);
  }

  test('is read completely, however much comes between two ticks and however late it shows', () => {
    const item = fc.record({ second: fc.integer({ min: 0, max: 3000 }), late: fc.integer({ min: 0, max: OVERLAP_S }) });
    const shape = {
      items: fc.uniqueArray(item, { selector: ({ second }) => second, maxLength: 120 }),
      pages: fc.integer({ min: 1, max: 4 }),
      size: fc.integer({ min: 1, max: 9 }),
    };
    fc.assert(
      fc.property(fc.record(shape), ({ items, pages, size }) => {
        const seen = new Set<number>();
        let tail = UNREAD;
        for (let now = 0; now <= 3120; now += 60) {
          const shown = items.filter(({ second, late }) => second + late <= now).map(({ second }) => second);
          tail = readOnce(tail, shown, now, pages, size, seen);
        }
        // Nothing comes any more: the gap closes, then the last is read.
        const all = items.map(({ second }) => second);
        for (let now = 3180; now < 12_000; now += 60) tail = readOnce(tail, all, now, pages, size, seen);

        expect([...seen].sort((a, b) => a - b)).toEqual([...all].sort((a, b) => a - b));
        expect(tail.gap).toBeNull();
      }),
      { numRuns: 300 },
    );
  });

  test('is not read again where it was read before, but for the overlap', () => {
    const list = Array.from({ length: 100 }, (_, n) => n * 10);
    const tail = readOnce(UNREAD, list, 1000, 99, 10, new Set());

    const again = new Set<number>();
    readOnce(tail, list, 1060, 99, 10, again);

    expect([...again].sort((a, b) => a - b)).toEqual([910, 920, 930, 940, 950, 960, 970, 980, 990]);
  });

  test('begins a week back, not at the beginning of time', () => {
    expect(beginReading(UNREAD, at(0), 0).until).toBe(at(-7 * 86_400));
  });
});
