// Taking events in over real tables: a process that dies between any two writes, two processes at once, and what is read for a new file.
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, inject, test } from 'vitest';
import { createIntake, type Intake } from '../../../functions/triggers/intake.ts';
import { createMemoryStores } from '../../../shared/adapters/memory/stores.ts';
import { createLedger } from '../../../shared/adapters/tables/ledger.ts';
import { openTables } from '../../../shared/adapters/tables/open-tables.ts';
import type { Table } from '../../../shared/adapters/tables/table.ts';
import type { StorageEvent } from '../../../shared/contracts/events.ts';
import type { Starter } from '../../../shared/ports/starter.ts';
import type { Stores } from '../../../shared/ports/stores.ts';
import { exampleVersion } from '../../support/example-pipeline.ts';

const tables = openTables({ connectionString: inject('storage') }, `i${randomBytes(6).toString('hex')}`);
await tables.ledger.ensure();
const WRITES: ReadonlySet<string> = new Set(['put', 'insert', 'replace', 'batch', 'remove']);
const quiet = { info: () => undefined, warn: () => undefined };

let stores: Stores;
let started: string[];
let starter: Starter;
let folder = 0;
let clock = Date.parse('2026-01-01T00:00:00.000Z');

beforeEach(async () => {
  stores = createMemoryStores();
  const { version, bundle } = exampleVersion();
  await stores.pipelines.put(version, bundle, 'test', new Date(clock).toISOString());
  folder += 1;
  started = [];
  starter = { start: async (_story, id) => (started.push(id), 'started'), raise: async () => 'nobody' };
});

const place = () => ({ account: 'acct', container: 'lake', path: `bronze/ble-location/${folder}/a.csv` });
function event(version: number, more: Partial<StorageEvent> = {}): StorageEvent {
  const base = { source: '/storage', id: `${folder}-${version}`, kind: 'created' as const, api: 'PutBlob', bytes: 5 };
  return { ...base, ...place(), eTag: `0x${version}`, sequencer: `000${version}`, time: '2026-01-01T00:00:00.000Z', ...more };
}

/** A process of its own: it knows nothing of what others have seen. */
function process(table: Table = tables.ledger): Intake {
  return createIntake({
    ...stores,
    ledger: createLedger(table),
    lake: { account: 'acct', container: 'lake' },
    readCommit: () => Promise.reject(new Error('no commit is read here')),
    policy: { pollFirstSeconds: 1, pollMaxSeconds: 2, signedUrlSeconds: 900 },
    now: () => new Date((clock += 1000)),
  });
}

/** The ledger's table, with a word about every request before and after it. */
function watched(before: (name: string) => void, after: (name: string) => void = () => undefined): Table {
  const watch =
    (name: string, act: (...args: unknown[]) => Promise<unknown>) =>
    async (...args: unknown[]): Promise<unknown> => {
      before(name);
      const answer = await act(...args);
      after(name);
      return answer;
    };
  const acts = Object.entries(tables.ledger as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>);
  const all: Record<string, unknown> = Object.fromEntries(acts.map(([name, act]) => [name, watch(name, act)]));
  return all as unknown as Table;
}

/** A table whose process dies at its `nth` write: nothing is written after it, nor is it, when it dies `before`. */
function dying(nth: number, moment: 'before' | 'after'): Table {
  let writes = 0;
  const die = (now: 'before' | 'after') => (name: string) => {
    if (!WRITES.has(name)) return;
    if (now === 'before') writes += 1;
    if (writes > nth || (writes === nth && now === moment)) throw new Error('killed here');
  };
  return watched(die('before'), die('after'));
}

const ledger = createLedger(tables.ledger);
/** How often the newest list shows an entry. */
const listed = async (entryId: string): Promise<number> => (await ledger.recent(500)).items.filter((one) => one.entryId === entryId).length;

describe.each(['before', 'after'] as const)('a process that dies %s its nth write', (moment) => {
  test.each([1, 2, 3])('of a new file (%i) loses nothing and doubles nothing', async (nth) => {
    await expect(process(dying(nth, moment)).takeEvent(event(1), starter, quiet)).rejects.toThrow('killed here');
    const isRecorded = (await ledger.ofBlob(place())).length === 1;
    expect(isRecorded).toBe(nth === 3 && moment === 'after');

    const entry = await process().takeEvent(event(1), starter, quiet);

    const after = await ledger.ofBlob(place());
    expect(after).toEqual([expect.objectContaining({ entryId: entry.entryId, deliveries: isRecorded ? 2 : 1 })]);
    expect(after[0]?.verdict.kind).toBe('accepted');
    expect(started).toEqual([entry.instanceId]);
    expect(await listed(entry.entryId)).toBe(1);
    expect(await ledger.find(entry.entryId)).toEqual(after[0]);
    expect((await ledger.look(place(), entry.entryId)).head).toMatchObject({ eTag: '0x1', entryId: entry.entryId });
  });

  // The first three are the attempt as if the file were new, which is refused; the other three are the true one.
  test.each([1, 2, 3, 4, 5, 6])('of a file that another process knows (%i) loses nothing and doubles nothing', async (nth) => {
    const first = await process().takeEvent(event(1), starter, quiet);
    started = [];

    await process(dying(nth, moment))
      .takeEvent(event(2), starter, quiet)
      .catch((error: unknown) => expect(String(error)).toContain('killed here'));
    const entry = await process().takeEvent(event(2), starter, quiet);

    const after = await ledger.ofBlob(place());
    expect(after.map(({ entryId }) => entryId)).toEqual([first.entryId, entry.entryId]);
    expect(after.map(({ verdict }) => verdict.kind)).toEqual(['accepted', 'accepted']);
    expect(new Set(started)).toEqual(new Set([entry.instanceId]));
    expect(await listed(entry.entryId)).toBe(1);
    expect(await ledger.find(entry.entryId)).toEqual(after[1]);
    expect((await ledger.look(place(), entry.entryId)).head).toMatchObject({ eTag: '0x2', entryId: entry.entryId });
  });
});

describe('processes that know nothing of each other', () => {
  test('given one event record it once and count every delivery; the list shows one arrival', async () => {
    const entries = await Promise.all(Array.from({ length: 6 }, () => process().takeEvent(event(1), starter, quiet)));

    const id = entries[0]?.entryId ?? '';
    expect(await ledger.ofBlob(place())).toMatchObject([{ entryId: id, deliveries: 6, verdict: { kind: 'accepted' } }]);
    expect(new Set(started).size).toBe(1);
    expect((await ledger.arrivals(500)).items.filter(({ entryId }) => entryId === id)).toHaveLength(1);
  });

  test('given versions of one file in any order end with the newest as head, and older ones are stale', async () => {
    await Promise.all([3, 1, 2].map((version) => process().takeEvent(event(version), starter, quiet)));
    await process().takeEvent(event(0), starter, quiet);

    const entries = await ledger.ofBlob(place());
    expect(entries).toHaveLength(4);
    expect(entries.at(-1)?.verdict.kind).toBe('stale');
    expect((await ledger.look(place(), 'e-none')).head).toMatchObject({ eTag: '0x3' });
  });

  test('tell another event of the same version as a duplicate, which starts nothing', async () => {
    await process().takeEvent(event(1), starter, quiet);
    const again = await process().takeEvent(event(1, { id: `${folder}-again` }), starter, quiet);

    expect(again.verdict).toMatchObject({ kind: 'duplicate', rule: 'same-etag' });
    expect(started).toHaveLength(1);
  });
});

test('for a new file nothing is read; what came before is looked up at once', async () => {
  const requests: string[] = [];
  const intake = process(watched((name) => requests.push(name)));

  await intake.takeEvent(event(1), starter, quiet);
  expect(requests).toEqual(['put', 'put', 'insert']);

  requests.length = 0;
  await intake.takeEvent(event(2), starter, quiet);
  expect(requests).toEqual(['get', 'get', 'put', 'put', 'batch']);

  requests.length = 0;
  await intake.takeEvent(event(1), starter, quiet);
  expect(requests).toEqual(['get', 'get', 'replace']);
});

test('an event that a person or a timer brings is looked up: its file is seldom new', async () => {
  const requests: string[] = [];
  const intake = process(watched((name) => requests.push(name)));

  await intake.takeEvent(event(1), starter, quiet, { foundBy: 'reconciler', chain: [] });

  expect(requests).toEqual(['get', 'put', 'put', 'insert']);
});
