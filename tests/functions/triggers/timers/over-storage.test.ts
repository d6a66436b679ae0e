// The events of a storage account, of which a tenth is lost and some cannot be delivered: over a real queue, real listings and real dead
// letters nothing stays without its verdict.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { afterEach, expect, inject, test } from 'vitest';
import { createIntake } from '../../../../functions/triggers/intake.ts';
import { takeMessage } from '../../../../functions/triggers/message.ts';
import { deadLetterDrain } from '../../../../functions/triggers/timers/dead-letters.ts';
import { reconciler } from '../../../../functions/triggers/timers/reconcile.ts';
import { createEventGridCloud, type EventGridCloud } from '../../../../local/cloud/eventgrid/eventgrid-cloud.ts';
import { deserializeEvents } from '../../../../shared/adapters/eventgrid/deserialize.ts';
import { createDeadLetters } from '../../../../shared/adapters/lake/dead-letters.ts';
import { createLakeListing } from '../../../../shared/adapters/lake/listing.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import { exampleVersion } from '../../../support/example-pipeline.ts';

const ACCOUNT = 'sluicelake';
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A lake behind Event Grid, and the product's ways in. */
async function landscape(queueName: string) {
  const container = `lake-${randomUUID().slice(0, 8)}`;
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-timers-'));
  const grid: EventGridCloud = await createEventGridCloud({
    dataDir,
    connectionString: inject('storage'),
    resourceId: `/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/${ACCOUNT}`,
    subscriptions: [
      {
        name: 'landing',
        queue: queueName,
        schema: 'cloudevents',
        deadLetterContainer: `dead-${container}`,
        subjectBeginsWith: `/blobServices/default/containers/${container}/blobs/bronze/`,
      },
    ],
    retry: { delaysMs: [1], maxAttempts: 2 },
  });
  closing.push(
    () => rmSync(dataDir, { recursive: true, force: true }),
    () => grid.close(),
  );
  const service = BlobServiceClient.fromConnectionString(grid.connectionString);
  const { containerClient: lake } = await service.createContainer(container);
  await service.createContainer(`dead-${container}`);

  const stores = createMemoryStores();
  const { version, bundle } = exampleVersion();
  await stores.pipelines.put(version, bundle, 'ada', new Date().toISOString());
  const started = new Set<string>();
  const starter = {
    start: async (_story: string, id: string) => (started.add(id), 'started' as const),
    raise: async () => 'nobody' as const,
  };
  const place = { account: ACCOUNT, container };
  const now = () => new Date();
  const policy = { pollFirstSeconds: 1, pollMaxSeconds: 2, signedUrlSeconds: 900 };
  const readCommit = () => Promise.reject(new Error('no commit here'));
  const intake = createIntake({ ...stores, lake: place, readCommit, policy, now });
  const deps = { ...stores, store: createMemoryStore(), intake, deserialize: deserializeEvents, now };
  const reconcile = reconciler({ ...deps, listing: createLakeListing(service, place) });
  const drain = deadLetterDrain({ ...deps, deadLetters: createDeadLetters(service, `dead-${container}`) });
  return {
    stores,
    started,
    land: (name: string) => lake.getBlockBlobClient(`bronze/ble-location/${name}`).upload(name, name.length),
    admin: async (path: string, body?: unknown): Promise<unknown> => {
      const init =
        body === undefined ? {} : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
      return (await grid.fetch(new Request(`http://admin/_admin/${path}`, init))).json();
    },
    take: (text: string) => takeMessage(deps, text, { foundBy: 'queue' }, starter, quiet),
    reconcile: () => reconcile(starter, quiet, { graceSeconds: -5, pageSize: 30 }),
    drain: () => drain(starter, quiet),
    entries: async () => (await stores.ledger.recent(1000)).items,
  };
}

test('of a hundred files of which ten events are dropped, a hundred are judged and started', async () => {
  const queue = QueueServiceClient.fromConnectionString(inject('storage')).getQueueClient(`events-${randomUUID().slice(0, 8)}`);
  await queue.create();
  const on = await landscape(queue.name);
  for (let n = 0; n < 100; n += 1) {
    if (n % 10 === 3) await on.admin('chaos', { drop: 1 });
    await on.land(`${n} ü%.csv`);
  }
  await expect.poll(async () => on.admin('deliveries')).toMatchObject({ delivered: 90 });
  for (let messages = 0; messages < 90;) {
    const { receivedMessageItems: items } = await queue.receiveMessages({ numberOfMessages: 32 });
    for (const { messageText } of items) await on.take(messageText);
    messages += items.length;
  }
  expect(on.started.size).toBe(90);

  expect(await on.reconcile()).toMatchObject({ complete: true, listed: 100, lost: 10 });

  expect(on.started.size).toBe(100);
  const entries = await on.entries();
  expect(entries.map(({ verdict }) => verdict.kind)).toEqual(Array.from({ length: 100 }, () => 'accepted'));
  expect(entries.filter(({ foundBy }) => foundBy === 'reconciler')).toHaveLength(10);
  expect(await on.reconcile()).toMatchObject({ listed: 100, lost: 0 });
});

test('an event that cannot be delivered is judged from its dead letter', async () => {
  const on = await landscape('no-such-queue');
  await on.land('a.csv');
  await expect.poll(async () => on.admin('deliveries')).toMatchObject({ deadLettered: 1 });

  expect(await on.drain()).toEqual({ letters: 1, events: 1, unread: 0 });

  expect(await on.entries()).toMatchObject([
    {
      foundBy: 'dead-letter',
      verdict: { kind: 'accepted', evidence: { deadLetterReason: 'MaxDeliveryAttemptsExceeded', lastDeliveryOutcome: 'QueueNotFound' } },
    },
  ]);
  expect(await on.reconcile()).toMatchObject({ listed: 1, lost: 0 });
  expect(await on.drain()).toEqual({ letters: 0, events: 0, unread: 0 });
});
