// The Kubernetes client against the stand-in and against servers that fail: who is refused, what is waited for, what is never read.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createManualClock } from '../../../local/cloud/kit/clock.ts';
import { createCluster } from '../../../local/cloud/kubernetes/cluster.ts';
import { createKubernetesCloud } from '../../../local/cloud/kubernetes/kubernetes-cloud.ts';
import { createFileToken, createServiceAccountTokens } from '../../../shared/clients/kubernetes-tokens.ts';
import { createKubernetes, type KubernetesSettings } from '../../../shared/clients/kubernetes.ts';
import { CERTIFICATE, KEY } from './gateway-certificate.ts';

const Named = z.object({ metadata: z.object({ name: z.string() }) });
const folder = mkdtempSync(join(tmpdir(), 'sluice-kubernetes-client-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A client over answers that are given one after the other; what was asked is kept. */
function over(answers: (Response | Error)[], more: Partial<KubernetesSettings> = {}) {
  const seen: Request[] = [];
  const waited: number[] = [];
  const client = createKubernetes({
    server: 'https://cluster.test/',
    getToken: async () => 'eyJh.eyJzdWIiOiJtZSJ9.x',
    fetch: async (input, init) => {
      seen.push(new Request(input, init));
      const next = answers.shift() ?? new Response('{}');
      if (next instanceof Error) throw next;
      return next;
    },
    now: () => 0,
    sleep: async (ms) => void waited.push(ms),
    ...more,
  });
  return { client, seen, waited };
}
const status = (code: number, message = 'no', headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ kind: 'Status', message, code }), { status: code, headers });
const nodes = { method: 'GET', path: '/api/v1/nodes' } as const;

describe('a call', () => {
  it('carries the token, escapes its query, and gives the answer by its schema', async () => {
    const { client, seen } = over([new Response('{"metadata":{"name":"a"},"other":1}')]);

    expect(await client.call({ ...nodes, query: { labelSelector: 'a=b,c' } }, Named)).toEqual({ metadata: { name: 'a' } });
    expect([seen[0]?.url, seen[0]?.headers.get('authorization')]).toEqual([
      'https://cluster.test/api/v1/nodes?labelSelector=a%3Db%2Cc',
      'Bearer eyJh.eyJzdWIiOiJtZSJ9.x',
    ]);
  });

  it.each([
    [status(401), 'RejectedError', 'kubernetes-forbidden', /identity "me" \(401 .*audience/],
    [status(403, 'nodes is forbidden: User "me" cannot list'), 'RejectedError', 'kubernetes-forbidden', /cannot list\. Bind a role/],
    [status(404), 'RejectedError', 'kubernetes-refused', /404/],
    [status(409, 'it exists'), 'RejectedError', 'kubernetes-refused', /it exists/],
    [status(500), 'TransientError', 'kubernetes-failing', /500/],
    [status(503, 'no', { 'retry-after': '7' }), 'TransientError', 'kubernetes-failing', /try again in 7 s/],
    [status(429, 'no', { 'retry-after': '60' }), 'TransientError', 'kubernetes-throttled', /try again in 60 s/],
    [new Response('<html>', { status: 200 }), 'TransientError', 'kubernetes-failing', /not JSON/],
    [new Response('{"metadata":1}'), 'RejectedError', 'kubernetes-answer-invalid', /metadata/],
    [new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') }), 'TransientError', 'kubernetes-unreachable', /ECONNREFUSED/],
  ])('answered %o is %s %s', async (answer, name, code, message) => {
    const { client } = over([answer]);

    await expect(client.call(nodes, Named)).rejects.toMatchObject({ name, code, message: expect.stringMatching(message) as string });
  });

  it('waits for a server that asks for a little patience, and not for ever', async () => {
    const storm = Array.from({ length: 5 }, () => status(429, 'no', { 'retry-after': '2' }));
    const passing = over([status(429, 'no', { 'retry-after': '2' }), new Response('{"metadata":{"name":"a"}}')]);
    const lasting = over(storm);

    expect(await passing.client.call(nodes, Named)).toEqual({ metadata: { name: 'a' } });
    await expect(lasting.client.call(nodes, Named)).rejects.toMatchObject({ code: 'kubernetes-throttled' });
    expect([passing.waited, lasting.waited, lasting.seen.length]).toEqual([[2000], [2000, 2000], 3]);
  });

  it('is given up when nobody answers, and stops reading what does not end', async () => {
    const silent = over([], {
      timeoutMs: 20,
      fetch: (_input, init) =>
        new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error))),
    });
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(1_048_576)) });

    await expect(silent.client.call(nodes, Named)).rejects.toMatchObject({
      code: 'kubernetes-unreachable',
      message: expect.stringContaining('0.02 s') as string,
    });
    await expect(over([new Response(endless)]).client.call(nodes, Named)).rejects.toMatchObject({ code: 'kubernetes-answer-invalid' });
  });

  it.each(['http://cluster.test', 'ftp://cluster.test', 'cluster'])('goes to no server like %s', (server) => {
    expect(() => over([], { server })).toThrow(/Kubernetes API/);
  });
});

describe('lists', () => {
  const cluster = createCluster({ nodes: Array.from({ length: 5 }, (_, index) => ({ name: `n${index}`, labels: { a: 'b' } })) });
  const cloud = createKubernetesCloud({
    cluster,
    access: { tokens: [{ token: 't', user: 'u' }], rules: [{ user: 'u', verbs: ['list'], resources: ['nodes'] }] },
  });
  const asked: string[] = [];
  const client = createKubernetes({
    ...{ server: 'https://k8s', getToken: async () => 't', now: Date.now, sleep: () => Promise.resolve() },
    fetch: (input, init) => {
      // Pages of two, as a small server makes them.
      const url = new URL(new Request(input, init).url);
      url.searchParams.set('limit', '2');
      asked.push(url.search);
      return cloud.fetch(new Request(url, init));
    },
  });

  it('are read to their end', async () => {
    expect((await client.list('/api/v1/nodes', { labelSelector: 'a=b' }, Named)).map(({ metadata }) => metadata.name)).toEqual([
      'n0',
      'n1',
      'n2',
      'n3',
      'n4',
    ]);
    expect(asked).toHaveLength(3);
  });

  it('do not go on for ever', async () => {
    const { client: looped } = over(Array.from({ length: 50 }, () => new Response('{"items":[],"metadata":{"continue":"again"}}')));

    await expect(looped.list('/x', {}, Named)).rejects.toMatchObject({ code: 'kubernetes-answer-invalid' });
  });

  it('ask what the caller may do', async () => {
    expect([await client.may({ verb: 'list', resource: 'nodes' }), await client.may({ verb: 'delete', resource: 'nodes' })]).toEqual([
      true,
      false,
    ]);
  });
});

describe('logs', () => {
  it('give their end, and nothing where there is none yet', async () => {
    const { client } = over([new Response('Größe\n'), status(400, 'waiting to start'), status(404), status(403)]);

    expect(await client.tail('/log', {}, 5)).toBe('ße\n');
    expect([await client.tail('/log', {}, 5), await client.tail('/log', {}, 5)]).toEqual([null, null]);
    await expect(client.tail('/log', {}, 5)).rejects.toMatchObject({ code: 'kubernetes-forbidden' });
  });
});

describe('tokens', () => {
  const issued = (token: string, expirationTimestamp: string) =>
    new Response(JSON.stringify({ status: { token, expirationTimestamp } }), { status: 201 });
  const account = { namespace: 'ml', name: 'sluice', audience: 'pipelines.kubeflow.org' };

  it('of a service account are asked for once at a time, and anew after four fifths of their life', async () => {
    const clock = createManualClock(0);
    const { client, seen } = over([issued('one', '1970-01-01T01:00:00Z'), issued('two', '1970-01-01T02:00:00Z')]);
    const token = createServiceAccountTokens(client, account, () => clock.now());
    const together = await Promise.all([token(), token()]);
    clock.advance(2_879_000);
    const kept = await token();
    clock.advance(2_000);

    expect([together, kept, await token()]).toEqual([['one', 'one'], 'one', 'two']);
    expect(await seen[0]?.json()).toEqual({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: ['pipelines.kubeflow.org'], expirationSeconds: 3600 },
    });
  });

  it('that were refused once are asked for again', async () => {
    const { client } = over([status(500), issued('one', '1970-01-01T01:00:00Z')]);
    const token = createServiceAccountTokens(client, account, () => 0);

    await expect(token()).rejects.toMatchObject({ code: 'kubernetes-failing' });
    expect(await token()).toBe('one');
  });

  it('from a file are read anew each time', async () => {
    const path = join(folder, 'token');
    const token = createFileToken(path);
    const absent = await token().catch((error: unknown) => error);
    writeFileSync(path, 'one\n');
    const one = await token();
    writeFileSync(path, 'two');

    expect([one, await token()]).toEqual(['one', 'two']);
    expect(absent).toMatchObject({ name: 'TransientError', code: 'kubernetes-unreachable' });
  });
});

describe('a cluster with a certificate of its own', () => {
  const server = createServer({ key: KEY, cert: CERTIFICATE }, (_request, response) => response.end('{"metadata":{"name":"a"}}'));
  beforeAll(() => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)));
  afterAll(() => new Promise((done) => server.close(done)));
  const settings = () => ({
    ...{
      server: `https://localhost:${(server.address() as AddressInfo).port}`,
      getToken: async () => null,
      now: Date.now,
      sleep: () => Promise.resolve(),
    },
  });

  it('is reached with its CA, and refused without it', async () => {
    const caFile = join(folder, 'ca.pem');
    writeFileSync(caFile, CERTIFICATE);

    expect(await createKubernetes({ ...settings(), caFile }).call(nodes, Named)).toEqual({ metadata: { name: 'a' } });
    await expect(createKubernetes(settings()).call(nodes, Named)).rejects.toMatchObject({ code: 'kubernetes-unreachable' });
    expect(() => createKubernetes({ ...settings(), caFile: join(folder, 'none.pem') })).toThrow(/CA file/);
  });
});
