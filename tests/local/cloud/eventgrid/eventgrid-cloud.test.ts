// The proxy between a real Storage SDK and a real Azurite: what passes unchanged, and which events come out.
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventGridDeserializer, isSystemEvent } from '@azure/eventgrid';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { type QueueClient, QueueServiceClient } from '@azure/storage-queue';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { createEventGridCloud, type EventGridCloud } from '../../../../local/cloud/eventgrid/eventgrid-cloud.ts';
import { createSequencer } from '../../../../local/cloud/eventgrid/events.ts';
import type { EventGridOptions, Subscription } from '../../../../local/cloud/eventgrid/options.ts';
import { createManualClock } from '../../../../local/cloud/kit/clock.ts';

const RESOURCE_ID = '/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sluicelake';

let grid: EventGridCloud | undefined;
let lake: ContainerClient;
let queue: QueueClient;
let container: string;
let dataDir: string;

beforeEach(async () => {
  container = `lake-${randomUUID().slice(0, 8)}`;
  dataDir = mkdtempSync(join(tmpdir(), 'eventgrid-'));
  queue = QueueServiceClient.fromConnectionString(inject('storage')).getQueueClient(`events-${randomUUID().slice(0, 8)}`);
  await queue.create();
});
afterEach(async () => {
  await grid?.close();
  grid = undefined;
});

async function start(subscription: Partial<Subscription> = {}, options: Partial<EventGridOptions> = {}): Promise<EventGridCloud> {
  grid = await createEventGridCloud({
    dataDir,
    connectionString: inject('storage'),
    resourceId: RESOURCE_ID,
    subscriptions: [{ name: 'landing', queue: queue.name, schema: 'cloudevents', ...subscription }],
    ...options,
  });
  lake = BlobServiceClient.fromConnectionString(grid.connectionString).getContainerClient(container);
  await lake.createIfNotExists();
  return grid;
}

/** Waits for `count` messages and gives their texts, oldest first. */
async function messages(count: number): Promise<string[]> {
  const texts: string[] = [];
  for (let tries = 0; texts.length < count && tries < 200; tries += 1) {
    const { receivedMessageItems } = await queue.receiveMessages({ numberOfMessages: 32 });
    texts.push(...receivedMessageItems.map((item) => item.messageText));
    if (receivedMessageItems.length === 0) await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return texts;
}

interface CloudEvent {
  id: string;
  type: string;
  subject: string;
  source: string;
  data: Record<string, unknown> & { sequencer: string; url: string; api: string };
}

async function events(count: number): Promise<CloudEvent[]> {
  return (await messages(count)).map((text) => JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as CloudEvent);
}

const counts = async (): Promise<Record<string, number>> =>
  (await (await grid?.fetch(new Request('http://admin/_admin/deliveries')))?.json()) as Record<string, number>;

async function chaos(plan: unknown, type = 'application/json'): Promise<number> {
  const request = new Request('http://admin/_admin/chaos', {
    method: 'POST',
    body: JSON.stringify(plan),
    headers: { 'content-type': type },
  });
  return (await (grid as EventGridCloud).fetch(request)).status;
}

describe('a blob written through the proxy', () => {
  test('is stored unchanged, signature and all, and makes the CloudEvent that Azure makes', async () => {
    await start();
    const content = Buffer.from('a,b\n1,2\n');

    const put = await lake
      .getBlockBlobClient('bronze/ble/day 1+ü.csv')
      .upload(content, content.length, { blobHTTPHeaders: { blobContentType: 'text/csv' } });
    const [text = ''] = await messages(1);
    const [event] = await new EventGridDeserializer().deserializeCloudEvents(
      JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as Record<string, unknown>,
    );

    expect(event && isSystemEvent('Microsoft.Storage.BlobCreated', event)).toBe(true);
    expect(event).toMatchObject({
      source: RESOURCE_ID,
      subject: `/blobServices/default/containers/${container}/blobs/bronze/ble/day 1+ü.csv`,
      data: {
        api: 'PutBlob',
        requestId: put.requestId,
        clientRequestId: put.clientRequestId,
        eTag: put.etag?.replaceAll('"', ''),
        contentType: 'text/csv',
        contentLength: content.length,
        blobType: 'BlockBlob',
        url: `https://sluicelake.blob.core.windows.net/${container}/bronze/ble/day%201%2B%C3%BC.csv`,
      },
    });
    expect(await lake.getBlobClient('bronze/ble/day 1+ü.csv').downloadToBuffer()).toEqual(content);
  });

  test('makes an Event Grid event, plain and with a quoted eTag, where the subscription says so', async () => {
    await start({ schema: 'eventgrid', encoding: 'plain', quotedETag: true });

    const put = await lake.getBlockBlobClient('x.csv').upload('1', 1);
    const [text = ''] = await messages(1);
    const [event] = await new EventGridDeserializer().deserializeEventGridEvents(JSON.parse(text) as Record<string, unknown>);

    expect(event).toMatchObject({
      topic: RESOURCE_ID,
      eventType: 'Microsoft.Storage.BlobCreated',
      dataVersion: '',
      data: { eTag: put.etag },
    });
  });

  test('by blocks makes one event at the commit, with the size of the whole', async () => {
    await start();
    const content = Buffer.alloc(300_000, 'x');

    await lake.getBlockBlobClient('big.bin').uploadData(content, { blockSize: 100_000, maxSingleShotSize: 1, concurrency: 3 });
    await lake.getBlockBlobClient('after.bin').upload('', 0);

    expect((await events(2)).map(({ data }) => [data.api, data['contentLength']])).toEqual([
      ['PutBlockList', 300_000],
      ['PutBlob', 0],
    ]);
    expect((await lake.getBlobClient('big.bin').downloadToBuffer()).equals(content)).toBe(true);
  });

  test('by copy or deleted makes those events, in the order of their sequencers', async () => {
    await start();
    const source = lake.getBlockBlobClient('a.csv');
    await source.upload('abc', 3, { blobHTTPHeaders: { blobContentType: 'text/csv' } });
    await (await lake.getBlobClient('b.csv').beginCopyFromURL(source.url)).pollUntilDone();
    await source.delete();

    const made = (await events(3)).sort((a, b) => (a.data.sequencer < b.data.sequencer ? -1 : 1));

    expect(made.map(({ type, data }) => [type, data.api, data['contentType']])).toEqual([
      ['Microsoft.Storage.BlobCreated', 'PutBlob', 'text/csv'],
      ['Microsoft.Storage.BlobCreated', 'CopyBlob', 'text/csv'],
      ['Microsoft.Storage.BlobDeleted', 'DeleteBlob', 'text/csv'],
    ]);
    expect(new Set(made.map(({ data }) => data.sequencer.length))).toEqual(new Set([32]));
  });

  test('makes no event when the account refuses, when only read, and for requests that change no content', async () => {
    await start();
    const blob = lake.getBlockBlobClient('once.csv');
    await blob.upload('1', 1, { conditions: { ifNoneMatch: '*' } });
    await expect(blob.upload('2', 1, { conditions: { ifNoneMatch: '*' } })).rejects.toMatchObject({ statusCode: 409 });
    await blob.setMetadata({ seen: 'yes' });
    await blob.stageBlock(Buffer.from('0001').toString('base64'), 'x', 1);
    await blob.downloadToBuffer();
    await lake.getBlockBlobClient('last.csv').upload('3', 1);

    expect((await events(2)).map(({ subject }) => subject.split('/').at(-1))).toEqual(['once.csv', 'last.csv']);
    expect(await counts()).toMatchObject({ delivered: 2 });
  });
});

test('a subscription gets only what its filters let through, whatever the case', async () => {
  await start({
    includedEventTypes: ['Microsoft.Storage.BlobCreated'],
    subjectBeginsWith: `/blobServices/default/containers/${container}/blobs/Bronze/`,
    subjectEndsWith: '.CSV',
    apis: ['PutBlob'],
  });
  for (const name of ['silver/a.csv', 'bronze/a.json', 'bronze/a.csv']) await lake.getBlockBlobClient(name).upload('1', 1);
  await lake.getBlobClient('bronze/a.csv').delete();
  await lake.getBlockBlobClient('bronze/b.csv').upload('1', 1);

  expect((await events(2)).map(({ subject }) => subject.split('/').at(-1))).toEqual(['a.csv', 'b.csv']);
  expect(await counts()).toMatchObject({ delivered: 2 });
});

test('many writes at once each make one event', async () => {
  await start();
  const names = Array.from({ length: 60 }, (_, index) => `f${index}.csv`);

  await Promise.all(names.map((name) => lake.getBlockBlobClient(name).upload('1', 1)));
  const made = await events(60);

  expect(new Set(made.map(({ subject }) => subject)).size).toBe(60);
  expect(new Set(made.map(({ data }) => data.sequencer)).size).toBe(60);
});

describe('on request', () => {
  test('events are dropped and doubled', async () => {
    await start();
    expect(await chaos({ drop: 1, duplicate: 1 })).toBe(200);
    for (const name of ['lost', 'twice', 'once']) await lake.getBlockBlobClient(name).upload('1', 1);

    const made = await events(3);

    expect(made.map(({ subject }) => subject.split('/').at(-1)).sort()).toEqual(['once', 'twice', 'twice']);
    expect(new Set(made.map(({ id }) => id)).size).toBe(2);
  });

  test('events come in another order', async () => {
    await start();
    await chaos({ reorder: 2 });
    for (const name of ['first', 'second']) await lake.getBlockBlobClient(name).upload('1', 1);

    expect((await events(2)).map(({ subject }) => subject.split('/').at(-1))).toEqual(['second', 'first']);
  });

  test('events wait until the clock says so', async () => {
    const clock = createManualClock(Date.UTC(2026, 10, 22));
    await start({}, { clock });
    await chaos({ delay: 1, delayMs: 60_000 });
    await lake.getBlockBlobClient('late').upload('1', 1);
    await lake.getBlockBlobClient('soon').upload('1', 1);

    expect((await events(1)).map(({ subject }) => subject.split('/').at(-1))).toEqual(['soon']);
    clock.advance(60_000);
    expect((await events(1)).map(({ subject }) => subject.split('/').at(-1))).toEqual(['late']);
  });

  test('a plan that makes no sense is refused, and so is a simple form post', async () => {
    await start();

    expect(await chaos({ drop: -1 })).toBe(400);
    expect(await chaos({ explode: 1 })).toBe(400);
    expect(await chaos({ drop: 1 }, 'text/plain')).toBe(415);
    expect((await fetch(`${new URL((grid as EventGridCloud).blobEndpoint).origin}/_admin/chaos`)).headers.get('server')).toMatch(/Azurite/);
  });
});

describe('a queue that refuses', () => {
  const retry = { delaysMs: [1], maxAttempts: 3 };

  test('gets the event again until it is there', async () => {
    await queue.delete();
    await start({}, { retry: { delaysMs: [20], maxAttempts: 1_000 } });
    await lake.getBlockBlobClient('patient').upload('1', 1);
    await expect.poll(async () => (await counts())['failedAttempts']).toBeGreaterThan(1);

    await queue.createIfNotExists();

    expect((await events(1)).map(({ subject }) => subject.split('/').at(-1))).toEqual(['patient']);
  });

  test('sends the event to the dead letters after the last attempt', async () => {
    await start({ queue: 'no-such-queue', deadLetterContainer: container, subjectEndsWith: '.csv' }, { retry });
    await lake.getBlockBlobClient('hopeless.csv').upload('1', 1);
    await expect.poll(async () => (await counts())['deadLettered']).toBe(1);

    const letters: string[] = [];
    for await (const { name } of lake.listBlobsFlat({ prefix: 'LANDING/' }))
      letters.push((await lake.getBlobClient(name).downloadToBuffer()).toString());

    expect(letters).toHaveLength(1);
    expect(JSON.parse(letters[0] ?? '')).toMatchObject([
      {
        type: 'Microsoft.Storage.BlobCreated',
        deadletterreason: 'MaxDeliveryAttemptsExceeded',
        deliveryattempts: 3,
        lastdeliveryoutcome: 'QueueNotFound',
      },
    ]);
  });

  test('finds the event after a restart of the stand-in', async () => {
    await queue.delete();
    const first = await start({}, { retry: { delaysMs: [60_000], maxAttempts: 5 } });
    await lake.getBlockBlobClient('survivor').upload('1', 1);
    await expect.poll(async () => (await counts())['failedAttempts']).toBe(1);
    await first.close();
    await queue.createIfNotExists();

    await start({}, { clock: createManualClock(Date.now() + 120_000) });

    expect((await events(1)).map(({ subject }) => subject.split('/').at(-1))).toEqual(['survivor']);
  });
});

test('sequencers rise as strings even when the clock goes back', () => {
  const clock = createManualClock(1_000_000);
  const sequencer = createSequencer(clock);
  const made = [sequencer.next(), sequencer.next()];
  clock.set(5);
  made.push(sequencer.next());
  const resumed = createSequencer(clock, sequencer.last());
  made.push(resumed.next());
  clock.set(2_000_000);
  made.push(resumed.next());

  expect([...made].sort()).toEqual(made);
  expect(new Set(made).size).toBe(5);
});

test('a storage account that is away is answered as busy', async () => {
  const away = inject('storage').replace(/BlobEndpoint=http:\/\/127\.0\.0\.1:\d+/, 'BlobEndpoint=http://127.0.0.1:1');
  grid = await createEventGridCloud({ dataDir, connectionString: away, resourceId: RESOURCE_ID, subscriptions: [] });

  const answer = await fetch(`${grid.blobEndpoint}/c/b`);

  expect(answer.status).toBe(503);
  expect(answer.headers.get('x-ms-error-code')).toBe('ServerBusy');
});
