// The custom topic, sent to by the real SDK with tokens of the local issuer: what it keeps, what it delivers, and what it refuses.
import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, truncateSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventGridPublisherClient } from '@azure/eventgrid';
import { QueueServiceClient } from '@azure/storage-queue';
import { SignJWT, generateKeyPair } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { createEntraCloud } from '../../../../local/cloud/entra/entra-cloud.ts';
import { createTopicCloud, type TopicCloud, type TopicOptions } from '../../../../local/cloud/eventgrid/topic.ts';
import { freePort } from '../../../../local/cloud/kit/process.ts';
import { serve, type CloudServer } from '../../../../local/cloud/kit/server.ts';
import { reach } from '../../../../shared/clients/loopback.ts';

const TENANT = 'tests';
const SENDER = { clientId: 'sender', objectId: 'oid-sender', name: 'sender', secret: 's' };
const STRANGER = { clientId: 'stranger', objectId: 'oid-stranger', name: 'stranger', secret: 's' };
const LATE = { clientId: 'late', objectId: 'oid-sender', name: 'late', secret: 's', tokenLifetimeSeconds: -60 };
const SCOPE = 'https://eventgrid.azure.net/.default';
const BATCH = 'application/cloudevents-batch+json; charset=utf-8';
const SINGLE = 'application/cloudevents+json; charset=utf-8';
const good = { specversion: '1.0', id: '1', source: '/tests', type: 'tests.happened', subject: '/things/1' };

let dataDir: string;
let issuer: CloudServer;
let cloud: TopicCloud;
let front: CloudServer;

async function open(extra: Partial<TopicOptions> = {}): Promise<void> {
  cloud = createTopicCloud({
    dataDir,
    resourceId: '/subscriptions/s/topics/t',
    issuer: `${issuer.url}/${TENANT}/`,
    jwksUri: `${issuer.url}/${TENANT}/discovery/v2.0/keys`,
    dataSenders: [SENDER.objectId],
    connectionString: inject('storage'),
    ...extra,
  });
  front = await serve((request) => cloud.fetch(request));
}
async function shut(): Promise<void> {
  await front.close();
  await cloud.close();
}

beforeAll(async () => {
  const port = await freePort();
  const entra = await createEntraCloud({
    dataDir: mkdtempSync(join(tmpdir(), 'entra-')),
    baseUrl: `http://127.0.0.1:${port}`,
    tenant: TENANT,
    clients: [SENDER, STRANGER, LATE],
  });
  issuer = await serve((request) => entra.fetch(request), { port });
});
afterAll(() => issuer.close());
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'topic-'));
  await open();
});
afterEach(shut);

async function token(client = SENDER, scope = SCOPE): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.secret, scope });
  const answer = await fetch(`${issuer.url}/${TENANT}/oauth2/v2.0/token`, { method: 'POST', body });
  return ((await answer.json()) as { access_token: string }).access_token;
}

function sdk<Schema extends 'CloudEvent' | 'EventGrid'>(schema: Schema, scopes: unknown[] = []): EventGridPublisherClient<Schema> {
  const { endpoint, policies } = reach('The topic', `${front.url}/api/events`, true);
  const credential = {
    getToken: async (scope: string | string[]) => {
      scopes.push(scope);
      return { token: await token(), expiresOnTimestamp: Date.now() + 600_000 };
    },
  };
  return new EventGridPublisherClient(endpoint, schema, credential, { additionalPolicies: policies, retryOptions: { maxRetries: 2 } });
}

interface Refusal {
  status: number;
  error: { code: string; message: string; details: { code: string }[] };
}

async function post(
  body: unknown,
  more: { type?: string; authorization?: string; query?: string; headers?: object } = {},
): Promise<Refusal> {
  const answer = await fetch(`${front.url}/api/events?${more.query ?? 'api-version=2018-01-01'}`, {
    method: 'POST',
    headers: {
      'content-type': more.type ?? (Array.isArray(body) ? BATCH : SINGLE),
      authorization: more.authorization ?? `Bearer ${await token()}`,
      ...more.headers,
    },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  const { error } = (text === '' ? {} : JSON.parse(text)) as { error?: Refusal['error'] };
  return { status: answer.status, error: error ?? { code: '', message: '', details: [] } };
}

interface Listed {
  acceptedAt: string;
  publisher: string;
  event: Record<string, unknown>;
}

async function listed(query = ''): Promise<Listed[]> {
  return ((await (await fetch(`${front.url}/_admin/events${query}`)).json()) as { events: Listed[] }).events;
}
const ids = async (query?: string): Promise<unknown[]> => (await listed(query)).map(({ event }) => event['id']);

describe('what the SDK sends', () => {
  test('is kept as it came, with who sent it; the token is asked for the audience of Event Grid', async () => {
    const scopes: unknown[] = [];
    const time = new Date('2026-11-22T10:00:00.000Z');
    await sdk('CloudEvent', scopes).send([
      { id: 'a', type: 't.one', source: '/s', subject: '/x', time, data: { n: 1 }, extensionAttributes: { region: 'west' } },
      { id: 'b', type: 't.two', source: '/s', data: new Uint8Array([1, 2, 250]), datacontenttype: 'application/octet-stream' },
    ]);

    expect(scopes).toEqual([[SCOPE]]);
    const [first, second] = await listed();
    expect(first).toMatchObject({ publisher: 'oid-sender' });
    expect(first?.event).toEqual({
      specversion: '1.0',
      id: 'a',
      type: 't.one',
      source: '/s',
      subject: '/x',
      time: time.toISOString(),
      datacontenttype: 'application/json',
      data: { n: 1 },
      region: 'west',
    });
    expect(second?.event).toMatchObject({ id: 'b', data_base64: 'AQL6', datacontenttype: 'application/octet-stream' });
  });

  test('in the Event Grid schema is refused with the content types that the topic takes', async () => {
    const sending = sdk('EventGrid').send([{ eventType: 't', subject: '/x', data: {}, dataVersion: '1' }]);

    await expect(sending).rejects.toMatchObject({ statusCode: 415, code: 'UnsupportedMediaType' });
  });

  test('arrives once although the first answer was lost before it was carried out, and twice with one id when after', async () => {
    cloud.faults.add({ match: { operation: 'PublishEvents' }, action: 'reset-before' });
    await sdk('CloudEvent').send([{ id: 'before', type: 't', source: '/s', data: null }]);
    cloud.faults.add({ match: { operation: 'PublishEvents' }, action: 'reset-after' });
    await sdk('CloudEvent').send([{ id: 'after', type: 't', source: '/s', data: null }]);

    expect(await ids()).toEqual(['before', 'after', 'after']);
  });
});

describe('what is taken', () => {
  test.each([
    ['one event', { ...good, data: { nested: [1, null] } }],
    ['a batch', [good, { ...good, id: '2' }]],
    ['an empty batch', []],
    ['nulls as unset', { ...good, subject: null, time: null, data: 1, data_base64: null }],
    ['the earliest time zone', { ...good, time: '2024-02-29T23:59:59.123456789+14:00' }],
    ['extensions of each type', { ...good, traceparent: '00-x', sampled: true, depth: -5, empty: '' }],
    ['data that is text', { ...good, datacontenttype: 'text/plain; charset=utf-8', data: 'words' }],
  ])('%s', async (_what, body) => {
    const expected = Array.isArray(body) ? body.length : 1;

    expect((await post(body)).status).toBe(200);
    expect(await listed()).toHaveLength(expected);
  });

  test('a request of exactly 1 MiB; one byte more is too large', async () => {
    const empty = JSON.stringify([{ ...good, data: '' }]).length;
    const sized = (bytes: number): object[] => [{ ...good, data: 'x'.repeat(bytes - empty) }];

    expect((await post(sized(1_048_576))).status).toBe(200);
    const refusal = await post(sized(1_048_577));
    expect(refusal).toMatchObject({ status: 413, error: { code: 'RequestEntityTooLarge' } });
    expect(refusal.error.message).toContain('1048576');
    expect(await listed()).toHaveLength(1);
  });
});

describe('what is not a CloudEvent 1.0', () => {
  const without = (name: string): object => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
  test.each<[string, unknown, RegExp]>([
    ['no id', without('id'), /missing: id/],
    ['no source', without('source'), /missing: source/],
    ['no type', without('type'), /missing: type/],
    ['no specversion', without('specversion'), /missing: specversion/],
    ['another version', { ...good, specversion: '0.3' }, /specversion.*1\.0/],
    ['an id that is a number', { ...good, id: 7 }, /'id' must be a string/],
    ['an empty id', { ...good, id: '' }, /'id' must not be empty/],
    ['a null id', { ...good, id: null }, /'id' must be a string/],
    ['a source with a blank', { ...good, source: '/a b' }, /'source' must be a URI/],
    ['a line break in the type', { ...good, type: 'a\nb' }, /'type' holds a character/],
    ['a lone surrogate in the subject', { ...good, subject: 'a\ud800' }, /'subject' holds a character/],
    ['an empty subject', { ...good, subject: '' }, /'subject' must not be empty/],
    ['a time without zone', { ...good, time: '2026-11-22T10:00:00' }, /'time' must be an RFC 3339/],
    ['a day that does not exist', { ...good, time: '2026-02-30T10:00:00Z' }, /'time' must be an instant/],
    ['an hour that does not exist', { ...good, time: '2026-02-20T25:00:00Z' }, /'time' must be an instant/],
    ['a dataschema that is relative', { ...good, dataschema: 'schemas/1' }, /'dataschema' must be absolute/],
    ['a datacontenttype that is none', { ...good, datacontenttype: 'json' }, /'datacontenttype' must be a media type/],
    ['data twice', { ...good, data: 1, data_base64: 'AQ==' }, /exclude each other/],
    ['base64 that is none', { ...good, data_base64: 'A' }, /'data_base64' must be base64/],
    ['an extension in capitals', { ...good, eventType: 'x' }, /'eventType' is not a name/],
    ['an extension that is an object', { ...good, more: {} }, /'more' must be a string/],
    ['an extension that is a fraction', { ...good, share: 0.5 }, /'share' must be a whole number/],
    ['a prototype key', `{"__proto__":{"id":"x"},"specversion":"1.0","id":"1","source":"/s","type":"t"}`, /'__proto__' is not a name/],
    ['a list in a list', [[good]], /Event 1 of 1.*not a JSON object/],
  ])('%s', async (_what, body, message) => {
    const { status, error } = await post(body);

    expect(status).toBe(400);
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ code: 'BadRequest', details: [{ code: 'InputJsonInvalid' }] });
    expect(error.message).toMatch(/Report '[0-9a-f-]{36}:0:\d+\/\d+\/\d{4} \d+:\d\d:\d\d [AP]M \(UTC\)' to our forums/);
    expect(await listed()).toEqual([]);
  });

  test('one bad event of a batch refuses the whole batch and names its place', async () => {
    const { status, error } = await post([good, { ...good, id: 5 }, good]);

    expect(status).toBe(400);
    expect(error.message).toContain('Event 2 of 3');
    expect(await listed()).toEqual([]);
  });

  test.each<[string, unknown, string, RegExp]>([
    ['an object as a batch', good, BATCH, /Token Expected: StartArray, Actual Token Received: StartObject/],
    ['a list as one event', [good], SINGLE, /Token Expected: StartObject, Actual Token Received: StartArray/],
    ['text that is not JSON', '{', SINGLE, /not JSON/],
    ['JSON that is not UTF-8', Buffer.from('"\xe4"', 'latin1'), SINGLE, /not JSON in UTF-8/],
  ])('%s', async (_what, body, type, message) => {
    const { status, error } = await post(body, { type });

    expect(status).toBe(400);
    expect(error.message).toMatch(message);
  });

  test.each(['application/json', 'text/plain', '', 'application/cloudevents+json; charset=latin1'])('content type "%s"', async (type) => {
    const { status, error } = await post(JSON.stringify(good), { type });

    expect(status).toBe(415);
    expect(error.message).toContain('application/cloudevents-batch+json');
  });
});

describe('who may send', () => {
  const refused = async (authorization: string, headers: object = {}): Promise<string> => {
    const { status, error } = await post(good, { authorization, headers });
    expect({ status, code: error.code }).toEqual({ status: 401, code: 'Unauthorized' });
    expect(await listed()).toEqual([]);
    return error.message;
  };

  test('nobody without a token or with a key', async () => {
    expect(await refused('')).toContain('Authorization: Bearer');
    expect(await refused('', { 'aeg-sas-key': 'k' })).toContain('Local authentication is disabled');
  });

  test('not who lacks the role on the topic', async () => {
    expect(await refused(`Bearer ${await token(STRANGER)}`)).toContain(
      'does not have permission to send data to /subscriptions/s/topics/t',
    );
  });

  test('not with a token that has expired, is for another API, or is not one', async () => {
    expect(await refused(`Bearer ${await token(LATE)}`)).toContain('expired');
    expect(await refused(`Bearer ${await token(SENDER, 'https://management.azure.com/.default')}`)).toContain('audience');
    expect(await refused('Bearer abc')).toContain('invalid');
  });

  test('not with a token of another issuer, or signed with another key', async () => {
    const { privateKey } = await generateKeyPair('RS256');
    const { keys } = (await (await fetch(`${issuer.url}/${TENANT}/discovery/v2.0/keys`)).json()) as { keys: { kid: string }[] };
    const forged = (iss: string, kid: string): Promise<string> =>
      new SignJWT({ oid: SENDER.objectId })
        .setProtectedHeader({ alg: 'RS256', kid })
        .setIssuer(iss)
        .setAudience('https://eventgrid.azure.net')
        .setExpirationTime('1h')
        .sign(privateKey);

    const iss = `${issuer.url}/${TENANT}/`;
    expect(await refused(`Bearer ${await forged(iss, keys[0]?.kid ?? '')}`)).toContain('invalid');
    expect(await refused(`Bearer ${await forged(iss, 'unknown')}`)).toContain('invalid');
    await shut();
    await open({ issuer: 'https://sts.windows.net/other/' });
    expect(await refused(`Bearer ${await token()}`)).toContain('issuer');
  });

  test('an issuer that does not answer is not the fault of the publisher', async () => {
    const headers = { authorization: `Bearer ${await token()}`, 'content-type': SINGLE };
    await shut();
    await open({ jwksUri: `http://127.0.0.1:${await freePort()}/keys` });
    const body = JSON.stringify(good);
    const answer = await fetch(`${front.url}/api/events?api-version=2018-01-01`, { method: 'POST', headers, body });

    expect(answer.status).toBe(500);
  });
});

test.each([
  ['', 400],
  ['api-version=2023-01-01', 400],
])('the query "%s" is refused', async (query, status) => {
  expect((await post(good, { query })).status).toBe(status);
});

test('other paths and methods are refused', async () => {
  expect((await fetch(`${front.url}/api/other`, { method: 'POST' })).status).toBe(404);
  expect((await fetch(`${front.url}/api/events`)).status).toBe(405);
  expect((await fetch(`${front.url}/_admin/events?limit=0`)).status).toBe(400);
});

describe('the record on disk', () => {
  test('outlives a restart; the list shows the last ones', async () => {
    await post([good, { ...good, id: '2' }, { ...good, id: '3' }]);
    await shut();
    await open();
    await post({ ...good, id: '4' });

    expect(await ids()).toEqual(['1', '2', '3', '4']);
    expect(await ids('?limit=2')).toEqual(['3', '4']);
    expect(readFileSync(join(dataDir, 'events.jsonl'), 'utf8').trimEnd().split('\n')).toHaveLength(4);
  });

  test.each([
    ['a few bytes', '{"acceptedAt":"20'],
    ['more than a block', `{"event":{"data":"${'x'.repeat(200_000)}`],
  ])('a line that a kill cut off after %s is taken away', async (_what, torn) => {
    await post(good);
    await shut();
    appendFileSync(join(dataDir, 'events.jsonl'), torn);
    await open();
    await post({ ...good, id: '2' });

    expect(await ids()).toEqual(['1', '2']);
  });

  test('a file with half a line only is empty', async () => {
    await post(good);
    await shut();
    truncateSync(join(dataDir, 'events.jsonl'), statSync(join(dataDir, 'events.jsonl')).size - 1);
    await open();

    expect(await ids()).toEqual([]);
  });
});

test('subscriptions get the events that they ask for, in a Storage queue', async () => {
  const queues = QueueServiceClient.fromConnectionString(inject('storage'));
  const [models, things] = ['models', 'things'].map((name) => queues.getQueueClient(`${name}-${randomUUID().slice(0, 8)}`));
  if (!models || !things) throw new Error('no queues');
  await Promise.all([models.create(), things.create()]);
  await shut();
  await open({
    subscriptions: [
      { name: 'models', queue: models.name, includedEventTypes: ['model.registered'], encoding: 'plain' },
      { name: 'things', queue: things.name, subjectBeginsWith: '/THINGS/', subjectEndsWith: '1' },
    ],
  });

  await post([good, { ...good, id: '2', type: 'model.registered', subject: '/models/1' }, { ...good, id: '3', subject: null }]);
  await expect
    .poll(async () => await (await fetch(`${front.url}/_admin/deliveries`)).json(), { timeout: 10_000 })
    .toMatchObject({ delivered: 2, failedAttempts: 0 });

  const [model] = (await models.receiveMessages({ numberOfMessages: 32 })).receivedMessageItems;
  const received = (await things.receiveMessages({ numberOfMessages: 32 })).receivedMessageItems;
  expect(JSON.parse(model?.messageText ?? '')).toMatchObject({ id: '2', type: 'model.registered' });
  expect(received.map(({ messageText }) => JSON.parse(Buffer.from(messageText, 'base64').toString('utf8')) as unknown)).toEqual([good]);
});

test('what waits for its queue at a stop is delivered after the next start', async () => {
  const queue = QueueServiceClient.fromConnectionString(inject('storage')).getQueueClient(`late-${randomUUID().slice(0, 8)}`);
  const options = { subscriptions: [{ name: 'late', queue: queue.name }], retry: { delaysMs: [50], maxAttempts: 1_000 } };
  await shut();
  await open(options);
  await post(good);
  await shut();
  await queue.create();
  await open(options);

  await expect.poll(async () => (await queue.peekMessages()).peekedMessageItems.length, { timeout: 10_000 }).toBe(1);
});
