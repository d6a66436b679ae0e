// The stores in Azure tables keep the contracts, tried against Azurite; and what only tables have: layout, limits, index rows, refusals.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { TableClient } from '@azure/data-tables';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { openTables } from '../../../../shared/adapters/tables/open-tables.ts';
import { newestFirstRow } from '../../../../shared/adapters/tables/newest-first.ts';
import { createTableStores } from '../../../../shared/adapters/tables/stores.ts';
import { createLedger } from '../../../../shared/adapters/tables/ledger.ts';
import { createTable } from '../../../../shared/adapters/tables/table.ts';
import { placeKey } from '../../../../shared/decisions/identity.ts';
import { RejectedError, TransientError } from '../../../../shared/errors/errors.ts';
import { guardsSuite } from '../../../contracts/guards.suite.ts';
import { ledgerSuite } from '../../../contracts/ledger.suite.ts';
import { recordsSuite } from '../../../contracts/records.suite.ts';
import { runStoreSuite } from '../../../contracts/run-store.suite.ts';
import { digest, entryIdOf, entryOf, headOf, minute, placeOf, runOf } from '../../../contracts/samples.ts';
import { vitalsSuite } from '../../../contracts/vitals.suite.ts';

const connectionString = inject('storage');

async function fresh() {
  const prefix = `t${randomBytes(6).toString('hex')}`;
  const tables = openTables({ connectionString }, prefix);
  await tables.ensureTables();
  const client = (name: string) =>
    TableClient.fromConnectionString(connectionString, `${prefix}${name}`, { allowInsecureConnection: true });
  return { tables, client, stores: createTableStores(tables, createMemoryStore()) };
}

describe('ledger in tables', () => ledgerSuite(async () => (await fresh()).stores.ledger));
describe('guards in tables', () => guardsSuite(async () => (await fresh()).stores));
describe('runs in tables', () => runStoreSuite(async () => (await fresh()).stores.runs));
describe('records in tables', () => recordsSuite(async () => (await fresh()).stores));
describe('vitals in tables', () => vitalsSuite(async () => (await fresh()).stores.vitals));

describe('layout', () => {
  it('keeps the first entry of a blob in the row of its head, later ones beside it, and malformed messages in their own partition', async () => {
    const { client, stores } = await fresh();
    const place = placeOf('bronze/a.csv');
    const [first, second] = [entryOf(place, 'one'), entryOf(place, 'two')];
    await stores.ledger.record(place, first, headOf(first), null);
    await stores.ledger.record(null, { ...entryOf(place, 'raw'), event: null }, null, null);
    const rowsOf = async (partition: string): Promise<string[]> => {
      const keys: string[] = [];
      for await (const row of client('ledger').listEntities()) if (row.partitionKey === partition) keys.push(row.rowKey ?? '');
      return keys.sort();
    };
    expect(await rowsOf(placeKey(place))).toEqual(['head']);

    await stores.ledger.record(place, second, headOf(second), (await stores.ledger.look(place, second.entryId)).version);

    expect(await rowsOf(placeKey(place))).toEqual([second.entryId, 'head'].sort());
    expect(await rowsOf('malformed')).toEqual([entryIdOf('raw')]);
  });

  it('writes records in ASCII, so that no chunk of a body ends inside a character', async () => {
    const { client, stores } = await fresh();
    const run = runOf('train', 'k', { phase: 'Prüfung 𝔘' });
    await stores.runs.open(run);

    const row = await client('runs').getEntity<{ json0: string }>(run.pipeline, run.runId);

    expect(row.json0).toMatch(/^[\x20-\x7e]+$/);
    expect((await stores.runs.find(run.runId))?.phase).toBe('Prüfung 𝔘');
  });

  it('makes its tables once and again', async () => {
    const { tables } = await fresh();

    await expect(tables.ensureTables()).resolves.toBeUndefined();
  });
});

describe('what an event costs', () => {
  /** The ledger's table, with every request to storage counted. */
  async function counted() {
    const { tables } = await fresh();
    const requests: string[] = [];
    const counting = Object.fromEntries(
      Object.entries(tables.ledger).map(([name, act]) => [
        name,
        (...args: unknown[]) => (requests.push(name), (act as (...all: unknown[]) => unknown)(...args)),
      ]),
    ) as unknown as typeof tables.ledger;
    return { ledger: createLedger(counting), requests };
  }

  it('is three requests for a new file, one when it is looked up, and five for one that is written again', async () => {
    const { ledger, requests } = await counted();
    const place = placeOf('bronze/cost.csv');
    const [first, second] = [entryOf(place, 'one'), entryOf(place, 'two')];

    await ledger.record(place, first, headOf(first), null);
    expect(requests).toEqual(['put', 'put', 'insert']);

    requests.length = 0;
    expect((await ledger.look(place, first.entryId)).entry).toEqual(first);
    expect(requests).toEqual(['get']);

    requests.length = 0;
    await ledger.record(place, second, headOf(second), (await ledger.look(place, second.entryId)).version);
    expect(requests).toEqual(['get', 'get', 'put', 'put', 'batch']);
  });

  it('is one request each and a share of others for sixteen that come together', async () => {
    const { ledger, requests } = await counted();
    const entries = Array.from({ length: 16 }, (_, n) => entryOf(placeOf(`bronze/together-${n}.csv`), `together-${n}`));

    await Promise.all(entries.map((entry, n) => ledger.record(placeOf(`bronze/together-${n}.csv`), entry, headOf(entry), null)));

    expect(requests.filter((name) => name === 'insert')).toHaveLength(16);
    // One for the list, and one for each partition (by the first digit) that says where an entry is.
    const digits = new Set(entries.map(({ entryId }) => entryId[2]));
    expect(digits.size).toBeLessThan(14);
    expect(requests.length - 16).toBe(1 + digits.size);
    expect((await ledger.recent(100)).items).toHaveLength(16);
    expect(await Promise.all(entries.map(({ entryId }) => ledger.find(entryId)))).toEqual(entries);
  });

  it('is two requests when the first entry of a blob is amended, with its head', async () => {
    const { ledger, requests } = await counted();
    const place = placeOf('bronze/amend.csv');
    const entry = entryOf(place, 'one');
    await ledger.record(place, entry, headOf(entry), null);
    requests.length = 0;

    await ledger.amend(place, entry.entryId, { sha256: digest('content') });

    expect(requests).toEqual(['get', 'replace']);
    expect((await ledger.look(place, entry.entryId)).head?.sha256).toBe(digest('content'));
  });
});

describe('index rows', () => {
  it('that point nowhere are skipped, and the page after them is found', async () => {
    const { tables, stores } = await fresh();
    const run = runOf('train', 'k', { startedAt: minute(0) });
    await stores.runs.open(run);
    for (let n = 1; n <= 130; n += 1) {
      await tables.runs.put(
        newestFirstRow(minute(n), `ghost-${n}`, { partition: 'ble-location', row: `ghost-${n}` }, { pipeline: 'ble-location' }),
      );
    }

    expect(await stores.runs.list({}, 5)).toEqual({ items: [run], next: null });
  });

  it('are written before the record, so a record is never unlisted', async () => {
    const { tables } = await fresh();
    const order: string[] = [];
    const ledger = createLedger({
      ...tables.ledger,
      put: async (row) => (order.push('index'), tables.ledger.put(row)),
      insert: async (row) => (order.push('record'), tables.ledger.insert(row)),
      batch: async (steps) => (order.push('record'), tables.ledger.batch(steps)),
    });
    const [first, second] = [entryOf(placeOf('x'), 'one'), entryOf(placeOf('x'), 'two')];

    await ledger.record(placeOf('x'), first, null, null);
    await ledger.record(placeOf('x'), second, null, (await ledger.look(placeOf('x'), second.entryId)).version);

    expect(order).toEqual(['index', 'index', 'record', 'index', 'index', 'record']);
  });
});

describe('limits and refusals', () => {
  it('refuses a record that no row can hold, and says so', async () => {
    const { stores } = await fresh();

    const opening = stores.runs.open(runOf('train', 'k', { input: { text: 'x'.repeat(600_000) } }));

    await expect(opening).rejects.toMatchObject({ name: 'RejectedError', code: 'record-too-large' });
  });

  it('names a row that it cannot read', async () => {
    const { client, stores } = await fresh();
    const run = runOf('train', 'k');
    await client('runs').createEntity({ partitionKey: run.pipeline, rowKey: run.runId, json0: '{"runId":1' });

    await expect(stores.runs.find(run.runId)).rejects.toMatchObject({
      code: 'record-unreadable',
      message: expect.stringContaining(run.runId) as string,
    });
  });

  it('says that a table is missing', async () => {
    const tables = openTables({ connectionString }, 'never');
    const run = runOf('train', 'k');

    await expect(createTableStores(tables, createMemoryStore()).runs.find(run.runId)).rejects.toMatchObject({ code: 'table-missing' });
  });

  it.each(['first', 'second'])('gives up on endless contention as something that may work later: the %s entry of a blob', async (which) => {
    const { tables, stores } = await fresh();
    const place = placeOf('x');
    await stores.ledger.record(place, entryOf(place, 'first'), null, null);
    const { version } = await stores.ledger.look(place, entryIdOf('second'));
    await stores.ledger.record(place, entryOf(place, 'second'), null, version);
    const contended = createLedger({ ...tables.ledger, batch: async () => 'conflict', replace: async () => 'changed' });

    await expect(contended.redelivered(place, entryIdOf(which))).rejects.toMatchObject({
      name: 'TransientError',
      code: 'tables-contention',
    });
  });
});

describe('what the service answers', () => {
  let server: Server | undefined;
  afterAll(() => server?.close());

  /** A table endpoint that answers every request with one status. */
  async function answering(status: number, code: string) {
    server?.close();
    const answer = JSON.stringify({ 'odata.error': { code, message: { lang: 'en-US', value: `secret detail ${digest('x')}` } } });
    const listening = createServer((_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end(answer));
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const { port } = listening.address() as AddressInfo;
    const options = { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } };
    return createTable(new TableClient(`http://127.0.0.1:${port}`, 'runs', options));
  }

  it.each([
    [503, 'ServerBusy', TransientError, 'tables-busy'],
    [429, 'TooManyRequests', TransientError, 'tables-busy'],
    [403, 'AuthorizationFailure', RejectedError, 'tables-forbidden'],
    [400, 'InvalidInput', RejectedError, 'tables-refused'],
  ])('turns %i into our own error', async (status, serviceCode, kind, code) => {
    const table = await answering(status, serviceCode);

    const failure: unknown = await table.get('a', 'b').catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(kind);
    expect(failure).toMatchObject({ code });
    expect((failure as Error).message).toContain(serviceCode);
    expect((failure as Error).message).not.toContain('secret detail');
  });

  it('tells an unreachable service from a refusal', async () => {
    const table = createTable(
      new TableClient('http://127.0.0.1:9', 'runs', { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } }),
    );

    await expect(table.get('a', 'b')).rejects.toMatchObject({ name: 'TransientError', code: 'tables-unreachable' });
  });
});
