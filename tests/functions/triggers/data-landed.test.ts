import { beforeEach, describe, expect, test } from 'vitest';
import { dataLanded, type Deserialized, type LandingDeps } from '../../../functions/triggers/data-landed.ts';
import { createMemoryStore } from '../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../shared/adapters/memory/stores.ts';
import type { StorageEvent } from '../../../shared/contracts/events.ts';
import { TransientError } from '../../../shared/errors/errors.ts';
import type { Starter } from '../../../shared/ports/starter.ts';
import type { Stores } from '../../../shared/ports/stores.ts';
import { exampleVersion } from '../../support/example-pipeline.ts';

const place = { account: 'acct', container: 'lake', path: 'bronze/ble-location/a.csv' };
const log = { info: () => undefined, warn: () => undefined };

function event(change: Partial<StorageEvent> = {}): StorageEvent {
  const base = { source: '/storage', id: '1', kind: 'created' as const, api: 'PutBlob', eTag: '0x1', sequencer: '0001', bytes: 5 };
  return { ...base, ...place, time: '2026-01-01T00:00:00.000Z', ...change };
}

let stores: Stores;
let started: { id: string; input: Record<string, unknown> }[];
let starter: Starter;
let deps: LandingDeps;
let time = Date.parse('2026-01-01T00:00:00.000Z');

beforeEach(async () => {
  stores = createMemoryStores();
  started = [];
  starter = {
    start: async (_story, id, input) => {
      const exists = started.some((one) => one.id === id);
      if (!exists) started.push({ id, input });
      return exists ? 'exists' : 'started';
    },
    raise: async () => 'nobody',
  };
  const { version, bundle } = exampleVersion();
  await stores.pipelines.put(version, bundle, 'test', '2026-01-01T00:00:00.000Z');
  deps = {
    ...stores,
    store: createMemoryStore(),
    readCommit: () => Promise.reject(new Error('no commit is read here')),
    deserialize: async (body) => body as Deserialized,
    lake: { account: 'acct', container: 'lake' },
    policy: { pollFirstSeconds: 1, pollMaxSeconds: 2, signedUrlSeconds: 900 },
    now: () => new Date((time += 1000)),
  };
});

const deliver = (...events: StorageEvent[]): Promise<void> => dataLanded(deps)({ events, problems: [] }, starter, log);

describe('a landing event', () => {
  test('gets its verdict, and only then its instance', async () => {
    let verdictAtStart: string | undefined;
    const seeing: Starter = {
      ...starter,
      start: async (story, id, input) => {
        verdictAtStart = (await stores.ledger.ofBlob(place))[0]?.verdict.kind;
        return starter.start(story, id, input);
      },
    };

    await dataLanded(deps)({ events: [event()], problems: [] }, seeing, log);

    expect(verdictAtStart).toBe('accepted');
    expect(started).toHaveLength(1);
    expect(started[0]?.id).toMatch(/^land-ble-location-[0-9a-f]{16}-a1$/);
  });

  test('delivered five times is one row, five deliveries and one instance', async () => {
    for (let delivery = 0; delivery < 5; delivery += 1) await deliver(event());

    expect(await stores.ledger.ofBlob(place)).toMatchObject([{ deliveries: 5, verdict: { kind: 'accepted' } }]);
    expect(started).toHaveLength(1);
  });

  test('another event of the same version is a duplicate and starts nothing', async () => {
    await deliver(event(), event({ id: '2' }));

    expect((await stores.ledger.ofBlob(place)).map((entry) => entry.verdict.kind)).toEqual(['accepted', 'duplicate']);
    expect(started).toHaveLength(1);
  });

  test('an older version after a newer one is stale and starts nothing', async () => {
    await deliver(event({ eTag: '0x2', sequencer: '0002' }), event({ id: '2', eTag: '0x1', sequencer: '0001' }));

    expect((await stores.ledger.ofBlob(place)).map((entry) => entry.verdict.kind)).toEqual(['accepted', 'stale']);
    expect(started).toHaveLength(1);
  });

  test('that a crash left accepted but not started is started by its redelivery', async () => {
    const crashing: Starter = { ...starter, start: () => Promise.reject(new Error('killed here')) };
    await expect(dataLanded(deps)({ events: [event()], problems: [] }, crashing, log)).rejects.toThrow('killed here');

    await deliver(event());

    expect(started).toHaveLength(1);
  });

  test('on a path that no pipeline owns is ignored with a reason that names the landing folders', async () => {
    await deliver(event({ path: 'bronze/elsewhere/a.csv' }));

    const [entry] = await stores.ledger.ofBlob({ ...place, path: 'bronze/elsewhere/a.csv' });
    expect(entry?.verdict).toMatchObject({ kind: 'ignored', rule: 'no-pipeline' });
    expect(entry?.verdict.reason).toContain('bronze/ble-location/');
  });
});

describe('a malformed message', () => {
  test.each([['plain nonsense'], ['eyJub3Q'], ['"a string"'], ['42'], ['']])(
    '%j is recorded once, kept raw, and completed',
    async (message) => {
      await dataLanded(deps)(message, starter, log);
      await dataLanded(deps)(message, starter, log);

      const { items } = await stores.ledger.recent(10);
      expect(items).toMatchObject([{ verdict: { kind: 'malformed' }, deliveries: 2, event: null }]);
      expect(await deps.store.read(`malformed/${items[0]?.rawSha256}`, 1000)).not.toBeNull();
      expect(started).toHaveLength(0);
    },
  );

  test('events of one message go side by side, those of one file in their order', async () => {
    const order: string[] = [];
    let inside = 0;
    let most = 0;
    const ledger: Stores['ledger'] = {
      ...stores.ledger,
      async record(at, entry, head, version) {
        most = Math.max(most, (inside += 1));
        await new Promise(setImmediate);
        inside -= 1;
        order.push(`${at?.path} ${entry.event && 'sequencer' in entry.event ? entry.event.sequencer : ''}`);
        return stores.ledger.record(at, entry, head, version);
      },
    };
    const files = ['a', 'b', 'c'].flatMap((name) =>
      ['0001', '0002', '0003'].map((sequencer) =>
        event({ id: `${name}${sequencer}`, path: `bronze/ble-location/${name}.csv`, eTag: `0x${name}${sequencer}`, sequencer }),
      ),
    );

    await dataLanded({ ...deps, ledger })({ events: files, problems: [] }, starter, log);

    expect(most).toBe(3);
    for (const name of ['a', 'b', 'c'])
      expect(order.filter((one) => one.includes(`/${name}.csv`)).map((one) => one.slice(-4))).toEqual(['0001', '0002', '0003']);
    expect(started).toHaveLength(9);
  });

  test('an event that cannot be recorded now fails the message, and its redelivery brings the others too, each once', async () => {
    let busy = true;
    const ledger: Stores['ledger'] = {
      ...stores.ledger,
      record: (at, entry, head, version) =>
        busy && at?.path.endsWith('b.csv')
          ? Promise.reject(new TransientError('tables-busy', 'later'))
          : stores.ledger.record(at, entry, head, version),
    };
    const files = ['a', 'b', 'c'].map((name) => event({ id: name, path: `bronze/ble-location/${name}.csv`, eTag: `0x${name}` }));
    const deliverAll = dataLanded({ ...deps, ledger });

    await expect(deliverAll({ events: files, problems: [] }, starter, log)).rejects.toMatchObject({ code: 'tables-busy' });
    busy = false;
    await deliverAll({ events: files, problems: [] }, starter, log);

    expect((await stores.ledger.recent(10)).items).toHaveLength(3);
    expect(started).toHaveLength(3);
  });

  test('what could be read of a batch is still judged', async () => {
    await dataLanded(deps)({ events: [event()], problems: ['item 1 has no subject'] }, starter, log);

    const { items } = await stores.ledger.recent(10);
    expect(items.map((entry) => entry.verdict.kind).sort()).toEqual(['accepted', 'malformed']);
  });

  test('base64 is decoded', async () => {
    const body = Buffer.from(JSON.stringify({ events: [event()], problems: [] })).toString('base64');

    await dataLanded(deps)(body, starter, log);

    expect(started).toHaveLength(1);
  });
});
