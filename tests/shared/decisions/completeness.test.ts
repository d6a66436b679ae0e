// When a dataset is complete, in words and in numbers; and what a window with ten thousand files amounts to.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseComplete } from '../../../shared/contracts/pipeline.ts';
import type { WindowMember } from '../../../shared/contracts/windows.ts';
import {
  allWritten,
  completeness,
  datasetOf,
  markOf,
  reduceMembers,
  ruleOf,
  type Tally,
  tallyOf,
  worthTallying,
} from '../../../shared/decisions/completeness.ts';
import { parseFileList } from '../../../shared/contracts/data-manifest.ts';
import { addMember, emptyWindow } from '../../../shared/decisions/window.ts';

const OPENED = '2026-03-28T20:00:00.000Z';
const tally = (more: Partial<Tally> = {}): Tally => ({
  files: 3,
  openedAt: OPENED,
  lastAt: '2026-03-28T20:10:00.000Z',
  partitions: [],
  manifest: null,
  ...more,
});
const member = (path: string, more: Partial<WindowMember> = {}): WindowMember => ({
  entryId: `e-${path}`,
  account: 'lake',
  container: 'data',
  path,
  eTag: '0x1',
  sequencer: '',
  sha256: 'a'.repeat(64),
  bytes: 1,
  ordinal: 1,
  late: false,
  carried: false,
  ...more,
});

describe('a dataset', () => {
  test.each<[string, Partial<Tally>, string, string]>([
    ['files 5', {}, 'waiting', '3 of 5 files'],
    ['files 3', {}, 'complete', '3 of 3 files'],
    ['files 3', { files: 4 }, 'complete', '4 of 3 files'],
    ['partitions A,B,C', { partitions: ['A'] }, 'waiting', 'partitions B, C'],
    ['partitions A,B', { partitions: ['A'] }, 'waiting', 'partition B'],
    ['partitions A,B', { partitions: ['B', 'A'] }, 'complete', 'all 2 partitions'],
    ['manifest X', {}, 'waiting', 'manifest X'],
    [
      'manifest X',
      { manifest: { listed: 5, missing: ['b', 'c'], missingCount: 2 } },
      'waiting',
      '3 of 5 files of manifest X: b, c missing',
    ],
    ['manifest X', { manifest: { listed: 9, missing: ['1', '2', '3', '4', '5'], missingCount: 7 } }, 'waiting', '1, 2, 3, 4, 5 and 2 more'],
    ['manifest X', { manifest: { listed: 2, missing: [], missingCount: 0 } }, 'complete', 'all 2 files of manifest X'],
    ['quiet 15m', {}, 'later', 'quiet until 2026-03-28T20:25:00.000Z'],
    ['quiet 5m', {}, 'complete', '3 files, then quiet for 5m'],
    // 2026-03-29 has no 02:30 in Berlin: the time that follows the gap is the one.
    ['cron 30 2 * * * Europe/Berlin', {}, 'later', 'closes at 2026-03-29T01:30:00.000Z'],
    ['cron 16 20 * * *', {}, 'later', 'closes at 2026-03-28T20:16:00.000Z'],
    ['cron 10 20 * * *', {}, 'complete', 'what had come by 2026-03-28T20:10:00.000Z'],
    ['cron 0 0 31 2 *', {}, 'waiting', 'a time that never comes'],
  ])('by %s is %s %s', (rule, more, state, words) => {
    const said = completeness(ruleOf(rule), tally(more), '2026-03-28T20:15:00.000Z');

    expect(said.state).toBe(state);
    expect(said.state === 'complete' ? said.how : said.what).toContain(words);
  });

  test('with a time says exactly when, and is complete from that instant on', () => {
    fc.assert(
      fc.property(fc.constantFrom('quiet 7m', 'cron */13 * * * *'), fc.integer({ min: 0, max: 86_400 }), (rule, seconds) => {
        const lastAt = new Date(Date.parse(OPENED) + seconds * 1000).toISOString();
        const before = completeness(ruleOf(rule), tally({ lastAt }), OPENED);
        if (before.state !== 'later') throw new Error('it cannot be complete at the instant of its opening');
        const justBefore = new Date(Date.parse(before.until) - 1).toISOString();

        expect(completeness(ruleOf(rule), tally({ lastAt }), justBefore)).toEqual(before);
        expect(completeness(ruleOf(rule), tally({ lastAt }), before.until).state).toBe('complete');
      }),
    );
  });
});

describe('members', () => {
  test('of one path are reduced to the newest version, by sequencer, else by the order in which they were collected', () => {
    const [first, second] = [
      member('a', { entryId: 'e-1', sequencer: '02', ordinal: 1 }),
      member('a', { entryId: 'e-2', sequencer: '01', ordinal: 2 }),
    ];
    const unknown = member('a', { entryId: 'e-3', sequencer: '', ordinal: 3 });

    expect(reduceMembers([first, second]).newest).toEqual([first]);
    expect(reduceMembers([second, first]).superseded).toEqual([{ member: second, by: 'e-1' }]);
    expect(reduceMembers([first, second, unknown]).newest).toEqual([unknown]);
    expect(reduceMembers([first, second, unknown]).superseded.map(({ by }) => by)).toEqual(['e-3', 'e-3']);
  });

  test('ten thousand of them, in any order, are the same dataset, and none is lost', () => {
    const members = Array.from({ length: 10_000 }, (_, n) => member(`bronze/x/p${n % 10}/f${n}.csv`, { ordinal: n + 1 }));
    let window = emptyWindow();
    for (const { entryId, path, sha256 } of members) {
      const lateness = null;
      const { state } = addMember(window, { entryId, path, sha256, eventTime: OPENED, now: OPENED, mark: null, expects: null, lateness });
      window = state;
    }
    const shuffled = members.map((one, n) => members[(n * 7919) % members.length] ?? one);

    expect(allWritten(window, shuffled)).toBe(true);
    expect(allWritten(window, shuffled.slice(1))).toBe(false);
    expect(allWritten(window, [...shuffled.slice(1), member('another')])).toBe(false);
    const { newest, superseded } = reduceMembers(shuffled);
    expect([newest.length, superseded.length]).toEqual([10_000, 0]);
    expect(newest).toEqual(reduceMembers(members).newest);
    const rule = ruleOf('partitions p0,p1,p2,p3,p4,p5,p6,p7,p8,p9');
    expect(completeness(rule, tallyOf(rule, 'bronze/x/', newest, null, { openedAt: OPENED, lastAt: OPENED }), OPENED)).toMatchObject({
      state: 'complete',
    });
    expect(worthTallying(ruleOf('files 10000'), window)).toBe(true);
    expect(worthTallying(ruleOf('files 10001'), window)).toBe(false);
  });

  test('of a manifest are what it lists; the manifest is none, and the rest is left', () => {
    const rule = ruleOf('manifest m.json');
    const all = ['f/a', 'f/b', 'f/m.json'].map((path) => member(path));

    const { files, left } = datasetOf(rule, all, ['f/a', 'f/c']);

    expect(files.map(({ path }) => path)).toEqual(['f/a']);
    expect(left.map(({ path }) => path)).toEqual(['f/b']);
    expect(tallyOf(rule, 'f/', all, ['f/a', 'f/c'], { openedAt: OPENED, lastAt: OPENED }).manifest).toEqual({
      listed: 2,
      missing: ['f/c'],
      missingCount: 1,
    });
  });

  test.each([
    ['partitions A,AB', 'x/AB/1.csv', 'AB'],
    ['partitions A,AB', 'x/ABC/1.csv', null],
    ['partitions A', 'x/A.csv', null],
    ['manifest m.json', 'x/deep/m.json', 'manifest'],
    ['manifest m.json', 'x/am.json', null],
    ['files 3', 'x/A/1.csv', null],
  ])('of %s: %s counts as %s', (rule, path, mark) => {
    expect(markOf(ruleOf(rule), 'x/', path)).toBe(mark);
  });
});

describe('a list of files', () => {
  test.each([
    ['["a.csv", "b/c.csv", "a.csv"]', ['a.csv', 'b/c.csv']],
    ['{"files": [{"path": "a.csv", "rows": 3}, "b.csv"], "by": "x"}', ['a.csv', 'b.csv']],
    ['\uFEFFa.csv\r\n\r\n b.csv \n', ['a.csv', 'b.csv']],
  ])('%j is taken', (text, files) => {
    expect(parseFileList(text)).toEqual({ files });
  });

  test.each([
    ['', /no file/],
    ['[', /neither/],
    ['{"files": 3}', /neither/],
    ['["../x"]', /plain name/],
    ['/etc/passwd', /plain name/],
    ['a//b', /plain name/],
  ])('%j is refused in words', (text, words) => {
    expect(parseFileList(text)).toEqual({ problem: expect.stringMatching(words) as string });
  });
});

test('every text that the pipeline file takes is a rule', () => {
  for (const text of ['files 1', 'quiet 30s', 'manifest M', 'partitions A,B', 'cron 0 6 * * 1-5 Europe/Berlin'])
    expect(parseComplete(text)).not.toBeNull();
});
