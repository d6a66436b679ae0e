// What events become, by rule and once: every client, schema and order of arrival; and the way of a second file to the same endpoint.
import { randomUUID } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Followed } from '../../cli/follow.ts';
import { ACCOUNT } from '../../local/stack/azurite.ts';
import { LOCAL, STORAGE_ID } from '../../local/stack/cloud-config.ts';
import { isStorageEvent, type LedgerEntry } from '../../shared/contracts/events.ts';
import type { Explanation } from '../../shared/contracts/http-api.ts';
import type { ServingEntry } from '../../shared/contracts/runs.ts';
import { landingFolder, readings } from '../support/pipeline-variant.ts';
import { type Landed, ODD_COMPONENTS, REGION, runOf, startTestStack, type TestStack, until } from '../support/test-stack.ts';

const PIPELINE = 'beacons';
/** Trains in no time and never promotes: for events whose further way does not matter. */
const QUIET = 'quiet';
const ENDPOINT = { region: REGION, endpoint: `${PIPELINE}-dev` };

let at: TestStack;
let first: { landed: Landed; followed: Followed };

beforeAll(async () => {
  at = await startTestStack({ components: ODD_COMPONENTS });
  const train = { component: 'odd-train', params: { behaviour: 'plain' } };
  await Promise.all([at.register({ pipeline: PIPELINE }), at.register({ pipeline: QUIET, train, start: 'manual' })]);
  const landed = await at.land(PIPELINE, 'first.csv', readings(1));
  first = { landed, followed: await at.follow(landed) };
});

afterAll(() => at?.stop());

interface Message {
  id?: string;
  account?: string;
  path: string;
  eTag: string;
  sequencer?: string;
  bytes?: number;
}

const subjectOf = (path: string): string => `/blobServices/default/containers/${LOCAL.lakeContainer}/blobs/${path}`;

function dataOf({ account = ACCOUNT, path, eTag, sequencer = '00000000000000000000000000000001', bytes = 10 }: Message) {
  return {
    api: 'PutBlob',
    eTag,
    contentLength: bytes,
    blobType: 'BlockBlob',
    url: `https://${account}.blob.core.windows.net/${LOCAL.lakeContainer}/${path}`,
    sequencer,
  };
}

function cloudEvent(message: Message) {
  const { id = randomUUID(), account = ACCOUNT, path } = message;
  const source = STORAGE_ID.replace(ACCOUNT, account);
  const time = new Date().toISOString();
  return { specversion: '1.0', id, source, type: 'Microsoft.Storage.BlobCreated', time, subject: subjectOf(path), data: dataOf(message) };
}

function gridEvent(message: Message) {
  const { id = randomUUID(), path } = message;
  const eventTime = new Date().toISOString();
  return {
    id,
    topic: STORAGE_ID,
    subject: subjectOf(path),
    eventType: 'Microsoft.Storage.BlobCreated',
    eventTime,
    data: dataOf(message),
    dataVersion: '',
    metadataVersion: '1',
  };
}

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
/** The row of a path that carries an eTag, once it is there and `when` holds. */
const rowOf = (path: string, eTag: string, when: (entry: LedgerEntry) => boolean = () => true): Promise<LedgerEntry> =>
  until(`a ledger row of ${path}`, async () =>
    (await at.events(path)).find((entry) => isStorageEvent(entry.event) && entry.event.eTag === eTag && when(entry)),
  );
const why = (subject: string): Promise<Explanation> => at.api.get(`/why?subject=${encodeURIComponent(subject)}`);
const refineRuns = async () =>
  (await at.api.get<{ items: { runId: string; story: string }[] }>('/runs?limit=200')).items.filter(({ story }) => story === 'refine');

describe('the chain of a file', () => {
  test('every part of it succeeded, and the endpoint agrees with the training side', async () => {
    const promoted = runOf(first.followed, 'promote').promoted;

    expect(first.followed.entry.verdict).toMatchObject({ kind: 'accepted', rule: 'complete-file' });
    expect(first.followed.runs.map((run) => `${run.story} ${run.status}`).sort()).toEqual([
      'promote succeeded',
      'refine succeeded',
      'train succeeded',
    ]);
    expect(promoted?.previousConfig).toBeNull();
    expect(promoted?.parity.rowsAgreeing).toBe(promoted?.parity.rowsChecked);
    expect(await at.serving.read(ENDPOINT)).toMatchObject({ status: 'in-service', configName: promoted?.configName });
  });

  test('why tells it from the path down to the endpoint', async () => {
    const down = await why(first.landed.path);
    const model = runOf(first.followed, 'train').trained?.modelDigest;

    expect(down.links.map(({ from, as, to }) => `${from.kind} ${as} ${to.kind}`)).toEqual([
      'event became-data-of run',
      'run led-to run',
      'run made model',
      'model promoted-by run',
      'run now-serves-at endpoint',
    ]);
    expect(down.events.map(({ entryId }) => entryId)).toEqual([first.followed.entry.entryId]);
    expect(down.models.map(({ modelDigest }) => modelDigest)).toEqual([model]);
    expect(down.endpoints.map(({ endpoint }) => endpoint)).toEqual([`sagemaker/${REGION}/${PIPELINE}-dev`]);
  });

  test.each(['endpoint', 'model', 'run'])('why tells it from the %s up to the event', async (kind) => {
    const promote = runOf(first.followed, 'promote');
    const subject = { endpoint: `${PIPELINE}-dev`, model: promote.promoted?.modelDigest ?? '', run: promote.runId }[kind] ?? '';

    const up = await why(subject);

    expect(up.subject.map((node) => node.kind)).toEqual([kind]);
    expect(up.events.map(({ event }) => isStorageEvent(event) && event.path)).toEqual([first.landed.path]);
    expect(up.runs.map(({ story }) => story).sort()).toEqual(['promote', 'refine', 'train']);
  });
});

describe('the same again', () => {
  test('the same event again raises its deliveries and starts nothing', async () => {
    const path = `${landingFolder(QUIET)}redelivered.csv`;
    const event = cloudEvent({ path, eTag: '0x8DC00000000AAAA' });
    await at.queue.sendMessage(base64(event));
    const once = await rowOf(path, '0x8DC00000000AAAA');

    await at.queue.sendMessage(base64(event));
    const twice = await rowOf(path, '0x8DC00000000AAAA', ({ deliveries }) => deliveries > 1);

    expect(twice).toMatchObject({ entryId: once.entryId, deliveries: 2, instanceId: once.instanceId });
    expect(await at.events(path)).toHaveLength(1);
  });

  test('another event of the same version of a blob is a duplicate', async () => {
    const { path, eTag } = first.landed;
    const id = randomUUID();
    await at.queue.sendMessage(base64(cloudEvent({ id, path, eTag })));

    const entry = await until('the second row', async () => (await at.events(path)).find(({ event }) => event?.id === id));

    expect(entry).toMatchObject({ verdict: { kind: 'duplicate', rule: 'same-etag' }, runId: null });
    expect(entry.verdict.reason).toContain(first.followed.entry.entryId);
  });

  test('the same content written again is one run, and the second event a duplicate', async () => {
    const before = await refineRuns();
    const again = await at.land(PIPELINE, 'first.csv', readings(1));
    const { entry } = await at.follow(again);
    const settled = await rowOf(again.path, again.eTag, ({ verdict }) => verdict.kind !== 'accepted');

    expect(again.eTag).not.toBe(first.landed.eTag);
    expect(settled).toMatchObject({ verdict: { kind: 'duplicate', rule: 'same-content' }, runId: first.followed.entry.runId });
    expect(settled.entryId).toBe(entry.entryId);
    expect(await refineRuns()).toEqual(before);
  });

  test('the same rows under another name become a commit, and gold that has trained does not train again', async () => {
    const trained = runOf(first.followed, 'train');
    const jobs = (await at.kubeflowRuns()).length;
    const { runs } = await at.follow(await at.land(PIPELINE, 'copy.csv', readings(1)));
    const refine = runs.find(({ story, runId }) => story === 'refine' && runId !== first.followed.entry.runId);

    expect(refine).toMatchObject({ status: 'succeeded', next: [trained.runId] });
    expect(refine?.refined?.gold.digest).toBe(trained.trained?.goldDigest);
    expect(await at.kubeflowRuns()).toHaveLength(jobs);
    const { items } = await at.api.get<{ items: { modelDigest: string }[] }>(`/models?pipeline=${PIPELINE}`);
    expect(items).toHaveLength(1);
  });
});

describe('an event that is not the newest truth', () => {
  test('an older event after a newer one is stale', async () => {
    const path = `${landingFolder(QUIET)}order.csv`;
    await at.queue.sendMessage(base64(cloudEvent({ path, eTag: '0x8DC0000000000B2', sequencer: '000000000000000000000000000000B2' })));
    const newer = await rowOf(path, '0x8DC0000000000B2');
    await at.queue.sendMessage(base64(cloudEvent({ path, eTag: '0x8DC0000000000B1', sequencer: '000000000000000000000000000000B1' })));

    const older = await rowOf(path, '0x8DC0000000000B1');

    expect(older).toMatchObject({ verdict: { kind: 'stale', rule: 'older-sequencer' }, instanceId: null, runId: null });
    expect(older.verdict.reason).toContain(newer.entryId);
  });

  test('an event of a version that is gone is superseded', async () => {
    const path = `${landingFolder(QUIET)}gone.csv`;
    await at.queue.sendMessage(base64(cloudEvent({ path, eTag: '0x8DC0000000000C1' })));

    const entry = await rowOf(path, '0x8DC0000000000C1', ({ verdict }) => verdict.kind !== 'accepted');

    expect(entry.verdict.kind).toBe('superseded');
    expect(entry.verdict.reason).toContain(path);
  });

  test('a path that no pipeline owns is ignored', async () => {
    const path = 'bronze/nobody/readings.csv';
    const { etag } = await at.lake.getBlockBlobClient(path).upload('x', 1);

    const entry = await rowOf(path, (etag ?? '').replaceAll('"', ''));

    expect(entry).toMatchObject({ pipeline: null, verdict: { kind: 'ignored', rule: 'no-pipeline' }, instanceId: null });
    expect(entry.verdict.reason).toContain(landingFolder(PIPELINE));
  });

  test('an event of a foreign account is refused', async () => {
    const path = `${landingFolder(PIPELINE)}foreign.csv`;
    await at.queue.sendMessage(base64(cloudEvent({ account: 'somebodyelse', path, eTag: '0x8DC0000000000D1' })));
    const subject = `/events/by-path?account=somebodyelse&path=${encodeURIComponent(path)}`;

    const { items } = await until('the foreign row', async () => {
      const page = await at.api.get<{ items: LedgerEntry[] }>(subject);
      return page.items.length > 0 && page;
    });

    expect(items).toMatchObject([{ pipeline: null, verdict: { kind: 'refused', rule: 'foreign-place' }, instanceId: null }]);
    expect(await at.events(path)).toEqual([]);
  });
});

describe('what a message may look like', () => {
  const variants: [string, (message: Message) => string][] = [
    ['CloudEvents in base64', (message) => base64(cloudEvent(message))],
    ['CloudEvents as plain JSON', (message) => JSON.stringify(cloudEvent(message))],
    ['the Event Grid schema', (message) => base64(gridEvent(message))],
    ['an array in the Event Grid schema', (message) => base64([gridEvent(message)])],
    ['keys in another case', (message) => base64(otherCase(gridEvent(message)))],
    ['a quoted eTag', (message) => base64(cloudEvent({ ...message, eTag: `"${message.eTag}"` }))],
  ];
  test.each(variants)('%s is understood', async (name, write) => {
    const path = `bronze/nobody/${name.replaceAll(' ', '-')}.csv`;
    await at.queue.sendMessage(write({ path, eTag: '0x8DC0000000000E1' }));

    expect(await rowOf(path, '0x8DC0000000000E1')).toMatchObject({
      event: { account: ACCOUNT, container: LOCAL.lakeContainer, kind: 'created', api: 'PutBlob', bytes: 10 },
      verdict: { kind: 'ignored', rule: 'no-pipeline' },
    });
  });

  const malformed: [string, string, RegExp][] = [
    ['plain text', 'a file is there', /not JSON/],
    ['base64 of nonsense', Buffer.from([0xff, 0x00, 0xfe, 0x01]).toString('base64'), /not JSON/],
    ['JSON of another shape', base64({ hello: 'world' }), /neither a CloudEvent/],
    ['an event without its data', base64({ ...cloudEvent({ path: 'a', eTag: 'b' }), data: null }), /data is not an object/],
    ['an event with a path outwards', base64(cloudEvent({ path: '..%2f..%2fetc', eTag: '0x1', bytes: -1 })), /contentLength|path|url/i],
  ];
  test.each(malformed)('%s gets a row that says why, and does not go round again', async (_name, text, reason) => {
    const rows = async (): Promise<LedgerEntry[]> =>
      (await at.api.get<{ items: LedgerEntry[] }>('/events?limit=200')).items.filter(({ verdict }) => verdict.kind === 'malformed');
    const before = new Set((await rows()).map(({ entryId }) => entryId));
    await at.queue.sendMessage(text);

    const entry = await until('a malformed row', async () => (await rows()).find(({ entryId }) => !before.has(entryId)));

    expect(entry).toMatchObject({ event: null, pipeline: null, deliveries: 1, instanceId: null });
    expect(entry.verdict.reason).toMatch(reason);
    expect(entry.verdict.reason).toContain(`malformed/${entry.rawSha256}`);
  });

  test('nothing of all that is in the poison queue, or waits in the queue', async () => {
    await until('an empty queue', async () => (await at.queue.getProperties()).approximateMessagesCount === 0);
    const poison = QueueServiceClient.fromConnectionString(at.file.lake.connectionString).getQueueClient(`${LOCAL.queue}-poison`);

    expect((await poison.exists()) ? (await poison.getProperties()).approximateMessagesCount : 0).toBe(0);
  });
});

describe('any Storage client', () => {
  const clients: [string, (path: string, text: string) => Promise<string>][] = [
    ['one put', async (path, text) => (await at.lake.getBlockBlobClient(path).upload(text, Buffer.byteLength(text))).etag ?? ''],
    [
      'staged blocks and their list',
      async (path, text) => {
        const blob = at.lake.getBlockBlobClient(path);
        const [one, two] = [text.slice(0, 4000), text.slice(4000)];
        const ids = ['0001', '0002'].map((id) => Buffer.from(id).toString('base64'));
        await blob.stageBlock(ids[0] ?? '', one, Buffer.byteLength(one));
        await blob.stageBlock(ids[1] ?? '', two, Buffer.byteLength(two));
        return (await blob.commitBlockList(ids)).etag ?? '';
      },
    ],
    [
      'a copy of a blob from elsewhere',
      async (path, text) => {
        const elsewhere = BlobServiceClient.fromConnectionString(at.file.lake.connectionString).getContainerClient('elsewhere');
        await elsewhere.createIfNotExists({ access: 'blob' });
        const source = elsewhere.getBlockBlobClient(randomUUID());
        await source.upload(text, Buffer.byteLength(text));
        await (await at.lake.getBlockBlobClient(path).beginCopyFromURL(source.url, { intervalInMs: 100 })).pollUntilDone();
        return (await at.lake.getBlockBlobClient(path).getProperties()).etag ?? '';
      },
    ],
  ];
  test.concurrent.each(clients)('%s starts the story', async (name, write) => {
    const path = `${landingFolder(QUIET)}${name.replaceAll(' ', '-')}.csv`;
    const eTag = (await write(path, readings(name.length))).replaceAll('"', '');

    const followed = await at.follow({ path, eTag });

    expect(followed.entry).toMatchObject({ pipeline: QUIET, verdict: { kind: 'accepted' } });
    expect(runOf(followed, 'refine')).toMatchObject({ status: 'succeeded', refined: { readRows: 240 } });
    expect(runOf(followed, 'train').status).toBe('succeeded');
    // The event of the copy's source is outside of the subscription's subject filter, and staged blocks are no event.
    expect(await at.events(path)).toHaveLength(1);
  });
});

test('a second, different file makes the next gold version and updates the endpoint, which remembers what it served', async () => {
  const before = runOf(first.followed, 'promote');
  const versionBefore = Math.max(...(await Promise.all((await refineRuns()).map(({ runId }) => goldVersion(runId)))));
  const followed = await at.follow(await at.land(PIPELINE, 'second.csv', readings(2)));
  const promote = runOf(followed, 'promote');

  expect(runOf(followed, 'refine').refined?.gold.version).toBe(versionBefore + 1);
  expect(runOf(followed, 'train').trained?.goldVersion).toBe(versionBefore + 1);
  expect(promote).toMatchObject({ status: 'succeeded', promoted: { previousConfig: before.promoted?.configName } });
  expect(promote.promoted?.modelDigest).not.toBe(before.promoted?.modelDigest);
  expect(await at.serving.read(ENDPOINT)).toMatchObject({ status: 'in-service', configName: promote.promoted?.configName });
  const endpoint = `sagemaker/${REGION}/${PIPELINE}-dev`;
  const servedAt = async (time: string) =>
    (await at.api.get<{ entry: ServingEntry | null }>(`/serving/at?endpoint=${encodeURIComponent(endpoint)}&time=${time}`)).entry;
  expect((await servedAt(new Date().toISOString()))?.promotionId).toBe(promote.runId);
  expect((await servedAt(promote.startedAt))?.promotionId).toBe(before.runId);
  expect(await servedAt(before.startedAt)).toBeNull();
});

test('every training job that ran is one Kubeflow run of its name', async () => {
  const names = (await at.kubeflowRuns()).map((run) => run.display_name);

  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(2);
});

/** Version of gold that a refine run of the served pipeline committed; -1 for others. */
async function goldVersion(runId: string): Promise<number> {
  const run = await at.api.get<{ pipeline: string; refined: { gold: { version: number } } | null }>(`/runs/${runId}`);
  return run.pipeline === PIPELINE ? (run.refined?.gold.version ?? -1) : -1;
}

function otherCase(event: ReturnType<typeof gridEvent>): Record<string, unknown> {
  const turned = (fields: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(Object.entries(fields).map(([key, value]) => [`${key.slice(0, 1).toUpperCase()}${key.slice(1)}`, value]));
  return turned({ ...event, data: turned(event.data) });
}
