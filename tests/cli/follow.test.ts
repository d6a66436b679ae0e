// Following a landed file: when it is over, what a duplicate is worth, and a host that is away for a moment.
import { describe, expect, test } from 'vitest';
import type { Api } from '../../cli/api.ts';
import { CommandError, EXIT } from '../../cli/failure.ts';
import { follow, newestAttempts } from '../../cli/follow.ts';
import { seconds } from '../../cli/output.ts';
import type { LedgerEntry } from '../../shared/contracts/events.ts';
import type { Explanation, RunSummary } from '../../shared/contracts/http-api.ts';

const silent = { verdict: () => undefined, phase: () => undefined };

function entry(kind: LedgerEntry['verdict']['kind'], runId: string | null): LedgerEntry {
  return { entryId: 'e-1', event: { eTag: '0x1' }, verdict: { kind, rule: 'r', reason: 'r' }, runId } as LedgerEntry;
}

function run(runId: string, status: RunSummary['status'], more: Partial<RunSummary> = {}): RunSummary {
  return { runId, story: 'train', key: runId, attempt: 1, status, phase: 'x', next: [], ...more } as RunSummary;
}

/** Answers `why` with each of the given states in turn, the last one for ever; an error is thrown. */
function api(...states: (Pick<Explanation, 'events' | 'runs'> | Error)[]): Api & { looks: number } {
  const over = {
    looks: 0,
    get: async (path: string) => {
      const [first] = states.filter((state) => !(state instanceof Error)) as Explanation[];
      if (path.startsWith('/events')) return { items: first?.events };
      const state = states[Math.min(over.looks, states.length - 1)];
      over.looks += 1;
      if (state instanceof Error) throw state;
      return state;
    },
  };
  return over as unknown as Api & { looks: number };
}

describe('a followed file', () => {
  test('whose content is under way already is followed to the end of that run', async () => {
    const events = [entry('duplicate', 'refine-1')];
    const over = api({ events, runs: [run('refine-1', 'running')] }, { events, runs: [run('refine-1', 'failed')] });

    const { runs } = await follow(over, 'a.csv', '0x1', silent, 10_000);

    expect(runs.map(({ status }) => status)).toEqual(['failed']);
  });

  test('that leads to no run is over at once', async () => {
    const over = api({ events: [entry('ignored', null)], runs: [] });

    expect((await follow(over, 'a.csv', '0x1', silent, 10_000)).runs).toEqual([]);
    expect(over.looks).toBe(1);
  });

  test('is not lost when the API is away for a moment', async () => {
    const done = { events: [entry('accepted', 'refine-1')], runs: [run('refine-1', 'succeeded')] };
    const away = new CommandError(EXIT.unreachable, 'Sluice does not answer');

    expect((await follow(api(away, away, done), 'a.csv', '0x1', silent, 10_000)).runs).toHaveLength(1);
  });

  test('is given up when the API refuses', async () => {
    const refused = new CommandError(EXIT.forbidden, 'no role');

    await expect(follow(api(refused, { events: [entry('accepted', null)], runs: [] }), 'a.csv', '0x1', silent, 10_000)).rejects.toBe(
      refused,
    );
  });
});

test('of several attempts at one work the newest counts', () => {
  const failed = run('a1', 'failed', { key: 'k', attempt: 1 });
  const again = run('a2', 'succeeded', { key: 'k', attempt: 2 });
  const other = run('b1', 'succeeded', { key: 'other' });

  expect(newestAttempts([failed, again, other])).toEqual([again, other]);
});

test.each([
  [59.9, '59.9 s'],
  [59.96, '1 min 0 s'],
  [119.7, '2 min 0 s'],
  [125, '2 min 5 s'],
])('%d seconds are %s', (value, words) => {
  expect(seconds(value)).toBe(words);
});
