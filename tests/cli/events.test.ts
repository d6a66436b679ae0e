// `events`: filters and pages; and `--follow`: what comes, each once, until it is stopped.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { createApi as createClient } from '../../cli/api.ts';
import { followEvents } from '../../cli/follow-events.ts';
import type { LedgerEntry } from '../../shared/contracts/events.ts';
import { entryOf, minute, placeOf } from '../contracts/samples.ts';
import { servedApi } from './served-api.ts';

type Served = Awaited<ReturnType<typeof servedApi>>;

async function record({ deps }: Served, name: string, at: string, more: Partial<LedgerEntry> = {}): Promise<void> {
  const place = placeOf(`bronze/x/${name}.csv`);
  await deps.ledger.record(place, entryOf(place, name, { receivedAt: at, ...more }), null, null);
}
const after = (seconds: number): string => new Date(Date.parse(minute(0)) + seconds * 1000).toISOString();

/** Follows until `count` events came; `between` is done after each of them. */
async function firstOf(
  served: Served,
  count: number,
  first: number,
  query = '',
  between: (n: number) => Promise<void> = async () => undefined,
) {
  const stop = new AbortController();
  const client = createClient(served.address, () => Promise.resolve('ola/admin'));
  const names: string[] = [];
  for await (const entry of followEvents(client, { filter: new URLSearchParams(query), first, signal: stop.signal, pollMs: 5 })) {
    names.push(entry.event && 'eTag' in entry.event ? entry.event.id : '');
    await between(names.length);
    if (names.length === count) stop.abort();
  }
  return names;
}

test('a list is filtered, and goes on over pages until it is long enough', async () => {
  const served = await servedApi();
  for (let n = 0; n < 30; n += 1)
    await record(served, `n${n}`, after(n), { pipeline: n % 10 === 0 ? 'rare' : 'usual', deliveries: n === 20 ? 2 : 1 });

  const { code, out } = await served.sluice('events', '--pipeline', 'rare', '--limit', '3', '--since', minute(-1));

  expect(code).toBe(0);
  expect(out).toBe(
    [
      '  received              verdict   rule           pipeline  what              how',
      '  2026-11-20T22:00:20Z  accepted  complete-file  rare      bronze/x/n20.csv  delivered 2 times',
      '  2026-11-20T22:00:10Z  accepted  complete-file  rare      bronze/x/n10.csv',
      '  2026-11-20T22:00:00Z  accepted  complete-file  rare      bronze/x/n0.csv',
      '',
    ].join('\n'),
  );
  expect((await served.sluice('events', '--verdict', 'late')).out).toBe('No event fits\n');
  expect((await served.sluice('events', '--verdict', 'nonsense')).code).toBe(2);
  expect((await served.sluice('events', '--limit', 'many')).code).toBe(2);
});

describe('commits that say nothing new', () => {
  const verdict = (rule: string) => ({ kind: 'ignored' as const, rule, reason: 'r', evidence: {} });

  test('are hidden and counted; --all shows them', async () => {
    const served = await servedApi();
    await record(served, 'landed', after(0));
    await record(served, 'foreign', after(1), { verdict: verdict('no-pipeline') });
    for (let n = 0; n < 3; n += 1) await record(served, `own${n}`, after(2 + n), { verdict: verdict('own-commit') });
    await record(served, 'vacuum', after(9), { verdict: verdict('no-rows-changed') });

    const usual = await served.sluice('events', '--limit', '2');
    const all = await served.sluice('events', '--all');
    const machines = JSON.parse((await served.sluice('events', '--json')).out) as { items: unknown[]; hidden: number };

    expect(usual.out).toMatch(
      / ignored +no-pipeline .*\n.* accepted .*\n {2}4 commits that said nothing new are hidden; --all shows them\n$/,
    );
    expect(all.out.split('\n')).toHaveLength(1 + 6 + 1);
    expect(all.out).not.toContain('hidden');
    expect(machines).toMatchObject({ hidden: 4, items: { length: 2 } });
    expect((await served.sluice('events', '--limit', '1', '--since', after(5))).out).toContain(
      '  1 commit that said nothing new is hidden',
    );
  });

  test('are not followed either', async () => {
    const served = await servedApi();
    await record(served, 'first', after(0));
    await record(served, 'own', after(1), { verdict: verdict('own-commit') });
    const stop = new AbortController();
    const client = createClient(served.address, () => Promise.resolve('ola/admin'));
    const keep = (entry: LedgerEntry): boolean => entry.verdict.kind !== 'ignored';
    const names: string[] = [];

    for await (const entry of followEvents(client, { filter: new URLSearchParams(), first: 5, keep, signal: stop.signal, pollMs: 5 })) {
      names.push(entry.event && 'eTag' in entry.event ? entry.event.id : '');
      if (names.length === 1) await record(served, 'second', after(2));
      else stop.abort();
    }

    expect(names).toEqual(['first', 'second']);
  });
});

test('a pipeline that nobody knows is not simply quiet', async () => {
  const { sluice } = await servedApi();

  expect(await sluice('events', '--pipeline', 'nope')).toMatchObject({
    code: 4,
    err: expect.stringContaining('There is no pipeline "nope"') as string,
  });
});

describe('following', () => {
  test('shows the newest, then what comes, each once and in order', async () => {
    const served = await servedApi();
    for (let n = 0; n < 5; n += 1) await record(served, `old${n}`, after(n));

    const names = await firstOf(served, 6, 2, '', async (n) => {
      if (n >= 2 && n < 6) await record(served, `new${n}`, after(100 * n));
    });

    expect(names).toEqual(['old3', 'old4', 'new2', 'new3', 'new4', 'new5']);
  });

  test('loses none of a burst that is larger than a page', async () => {
    const served = await servedApi();
    await record(served, 'first', after(0));

    const names = await firstOf(served, 451, 1, '', async (n) => {
      if (n === 1) for (let i = 0; i < 450; i += 1) await record(served, `burst${i}`, after(1 + i / 1000));
    });

    expect(new Set(names).size).toBe(451);
  });

  test('sees one that became visible late, behind one that was received after it', async () => {
    const served = await servedApi();
    await record(served, 'first', after(100));

    const names = await firstOf(served, 3, 1, '', async (n) => {
      if (n === 1) await record(served, 'quick', after(130));
      if (n === 2) await record(served, 'slow', after(110));
    });

    expect(names).toEqual(['first', 'quick', 'slow']);
  });

  test('with a filter that nothing passed yet begins at the newest of all', async () => {
    const served = await servedApi();
    for (let n = 0; n < 3; n += 1) await record(served, `other${n}`, after(n), { pipeline: 'other' });
    const later = vi.waitFor(() => expect(served.asked.length).toBeGreaterThan(2)).then(() => record(served, 'mine', after(50)));

    expect(await firstOf(served, 1, 0, 'pipeline=ble-location')).toEqual(['mine']);
    await later;
    expect(served.asked.every((line) => !/since=2026-11-20T21:5[0-8]/.test(line))).toBe(true);
  });

  test('ends with 0 when nobody reads any more', async () => {
    const served = await servedApi();
    await record(served, 'one', after(0));
    const child = spawn(process.execPath, ['cli/sluice.js', 'events', '--follow', '--api', served.address], {
      env: { ...process.env, SLUICE_TOKEN: 'ola/admin' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let err = '';
    child.stderr.on('data', (part) => (err += String(part)));
    const exit = once(child, 'exit');
    await once(child.stdout, 'data');

    child.stdout.destroy();
    await record(served, 'two', after(1));

    expect(await exit).toEqual([0, null]);
    expect(err).not.toContain('EPIPE');
  });

  test('ends with 0 at Ctrl-C; with --json every line is an event', async () => {
    const served = await servedApi();
    await record(served, 'one', after(0));
    await record(served, 'two', after(1));
    const child = spawn(process.execPath, ['cli/sluice.js', 'events', '--follow', '--json', '--api', served.address], {
      env: { ...process.env, SLUICE_TOKEN: 'ola/admin' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let out = '';
    for await (const part of child.stdout) {
      out += String(part);
      if (out.split('\n').length > 2) break;
    }

    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];

    expect(code).toBe(0);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as LedgerEntry).event),
    ).toMatchObject([{ id: 'one' }, { id: 'two' }]);
  });
});
