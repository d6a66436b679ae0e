// What was not delivered, or failed too often, is judged after all: dead letters of Event Grid and the poison queue.
import { describe, expect, test } from 'vitest';
import { createIntake } from '../../../../functions/triggers/intake.ts';
import { landingPoisoned } from '../../../../functions/triggers/landing-poisoned.ts';
import { deadLetterDrain } from '../../../../functions/triggers/timers/dead-letters.ts';
import { deserializeEvents } from '../../../../shared/adapters/eventgrid/deserialize.ts';
import { createMemoryDeadLetters } from '../../../../shared/adapters/memory/listing.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import { TransientError } from '../../../../shared/errors/errors.ts';
import { digest } from '../../../contracts/samples.ts';
import { exampleVersion } from '../../../support/example-pipeline.ts';

const TOPIC = '/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/lake';
const LETTER = 'LANDING/2026/3/2/9/a.json';

/** A blob event in CloudEvents, as it came back with the reason beside it. */
function cloudEvent(n: number, more: object = {}) {
  return {
    specversion: '1.0',
    id: `event-${n}`,
    source: TOPIC,
    type: 'Microsoft.Storage.BlobCreated',
    time: '2026-03-01T00:00:00Z',
    subject: `/blobServices/default/containers/data/blobs/bronze/ble-location/${n}.csv`,
    data: {
      api: 'PutBlob',
      eTag: `0x${n}`,
      contentLength: 10,
      sequencer: String(n).padStart(16, '0'),
      url: `https://lake.blob.core.windows.net/data/bronze/ble-location/${n}.csv`,
    },
    deadletterreason: 'MaxDeliveryAttemptsExceeded',
    deliveryattempts: 30,
    lastdeliveryoutcome: 'NotFound',
    ...more,
  };
}

async function platform() {
  const stores = createMemoryStores();
  const { version, bundle } = exampleVersion();
  await stores.pipelines.put(version, bundle, 'ada', '2026-01-01T00:00:00.000Z');
  const store = createMemoryStore();
  const deadLetters = createMemoryDeadLetters();
  const started: string[] = [];
  let away = false;
  const starter = {
    start: async (_story: string, id: string) => {
      if (away) throw new TransientError('engine-unavailable', 'Durable is away');
      started.push(id);
      return 'started' as const;
    },
    raise: async () => 'nobody' as const,
  };
  const now = () => new Date('2026-03-02T00:00:00.000Z');
  const readCommit = () => Promise.reject(new Error('no commit here'));
  const policy = { pollFirstSeconds: 1, pollMaxSeconds: 2, signedUrlSeconds: 900 };
  const intake = createIntake({ ...stores, lake: { account: 'lake', container: 'data' }, readCommit, policy, now });
  const deps = { ...stores, store, intake, deserialize: deserializeEvents, deadLetters, now };
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const drain = deadLetterDrain(deps);
  const poisoned = landingPoisoned(deps);
  return {
    deadLetters,
    started,
    store,
    drain: () => drain(starter, log),
    poison: (message: unknown, delivery: number) => poisoned(message, delivery, starter, log),
    away: (is: boolean) => void (away = is),
    entries: async () => (await stores.ledger.recent(100)).items,
  };
}

describe('a dead letter', () => {
  test('is judged with the reason as evidence, started and removed', async () => {
    const on = await platform();
    on.deadLetters.put(LETTER, JSON.stringify([cloudEvent(1), cloudEvent(2)]));

    expect(await on.drain()).toEqual({ letters: 1, events: 2, unread: 0 });

    const entries = await on.entries();
    expect(entries).toMatchObject([{ foundBy: 'dead-letter' }, { foundBy: 'dead-letter' }]);
    expect(entries[0]?.verdict).toMatchObject({
      kind: 'accepted',
      evidence: { deadLetterReason: 'MaxDeliveryAttemptsExceeded', deliveryAttempts: 30, lastDeliveryOutcome: 'NotFound', api: 'PutBlob' },
    });
    expect(on.started).toHaveLength(2);
    expect(await on.deadLetters.list(10)).toEqual([]);
  });

  test('in the Event Grid schema, of a type that nothing is made of, gets its verdict', async () => {
    const on = await platform();
    const event = {
      id: '1',
      topic: TOPIC,
      subject: 'x',
      eventType: 'Contoso.Something',
      eventTime: '2026-03-01T00:00:00Z',
      data: {},
      dataVersion: '1',
      metadataVersion: '1',
      deadLetterReason: 'TimeToLiveExceeded',
    };
    on.deadLetters.put(LETTER, JSON.stringify([event]));

    await on.drain();

    expect(await on.entries()).toMatchObject([
      { foundBy: 'dead-letter', verdict: { rule: 'unknown-type', evidence: { deadLetterReason: 'TimeToLiveExceeded' } } },
    ]);
  });

  test('that came after all is one more delivery', async () => {
    const on = await platform();
    await on.poison(cloudEvent(1), 1);
    on.deadLetters.put(LETTER, JSON.stringify([cloudEvent(1)]));

    await on.drain();

    expect(await on.entries()).toMatchObject([{ deliveries: 2, foundBy: 'poison' }]);
  });

  test('stays until everything in it was taken in', async () => {
    const on = await platform();
    on.deadLetters.put(LETTER, JSON.stringify([cloudEvent(1), cloudEvent(2)]));
    on.away(true);
    await expect(on.drain()).rejects.toMatchObject({ code: 'engine-unavailable' });
    expect(await on.deadLetters.list(10)).toHaveLength(1);

    on.away(false);
    expect(await on.drain()).toEqual({ letters: 1, events: 2, unread: 0 });
    expect(on.started).toHaveLength(2);
    expect(await on.deadLetters.list(10)).toEqual([]);
  });

  test.each(['not json', '[]', '7', '{"half":', '', 'null'])('that is %j is kept by its digest and removed', async (content) => {
    const on = await platform();
    on.deadLetters.put(LETTER, content);

    expect(await on.drain()).toMatchObject({ letters: 1, unread: 1 });

    expect(await on.entries()).toMatchObject([
      { event: null, rawSha256: digest(content), foundBy: 'dead-letter', verdict: { kind: 'malformed', rule: 'not-an-event' } },
    ]);
    const kept = await on.store.read(`malformed/${digest(content)}`, 100);
    expect(Buffer.from(kept ?? []).toString()).toBe(content);
    expect(await on.deadLetters.list(10)).toEqual([]);
  });

  test('of which one event cannot be read keeps that one, and judges the others', async () => {
    const on = await platform();
    const odd = { ...cloudEvent(2), data: { api: 'PutBlob' } };
    on.deadLetters.put(LETTER, JSON.stringify([7, odd, cloudEvent(1)]));

    expect(await on.drain()).toEqual({ letters: 1, events: 1, unread: 2 });

    expect((await on.entries()).map(({ verdict }) => verdict.kind).sort()).toEqual(['accepted', 'malformed', 'malformed']);
    expect((await on.entries()).every(({ foundBy }) => foundBy === 'dead-letter')).toBe(true);
  });

  test('that is too large for one is left for a person, and the next ones are taken', async () => {
    const on = await platform();
    on.deadLetters.put('A/large.json', 'x'.repeat(64 * 1024 * 1024 + 1));
    on.deadLetters.put(LETTER, JSON.stringify([cloudEvent(1)]));

    expect(await on.drain()).toEqual({ letters: 1, events: 1, unread: 0 });
    expect((await on.deadLetters.list(10)).map(({ name }) => name)).toEqual(['A/large.json']);
  });
});

describe('a poisoned message', () => {
  test('that can be judged now is judged', async () => {
    const on = await platform();

    await on.poison(Buffer.from(JSON.stringify(cloudEvent(1))).toString('base64'), 1);

    expect(await on.entries()).toMatchObject([{ foundBy: 'poison', verdict: { kind: 'accepted', evidence: { dequeues: 5 } } }]);
    expect(on.started).toHaveLength(1);
  });

  test('that still fails comes again, and is given up with its row at the last delivery', async () => {
    const on = await platform();
    on.away(true);
    const raw = JSON.stringify(cloudEvent(1));
    for (const delivery of [1, 2, 3, 4]) await expect(on.poison(raw, delivery)).rejects.toMatchObject({ code: 'engine-unavailable' });

    await on.poison(raw, 5);

    const given = (await on.entries()).find(({ event }) => event === null);
    expect(given).toMatchObject({ foundBy: 'poison', rawSha256: digest(raw), verdict: { kind: 'refused', rule: 'poisoned' } });
    expect(given?.verdict.reason).toContain('Durable is away');
    expect(Buffer.from((await on.store.read(`malformed/${digest(raw)}`, 10_000)) ?? []).toString()).toBe(raw);
  });

  test('that is no event is malformed, whatever it is', async () => {
    const on = await platform();
    for (const message of ['garbage', { a: 1 }, [], 'eyJub3QiOg==']) await on.poison(message, 1);

    const entries = await on.entries();
    expect(entries).toHaveLength(4);
    expect(entries.every(({ foundBy, verdict }) => foundBy === 'poison' && verdict.kind === 'malformed')).toBe(true);
  });
});
