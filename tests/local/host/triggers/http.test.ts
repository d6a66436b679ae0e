// HTTP functions through a running host: routes, bodies, answers, streams, keys, the host's own paths, and hostile requests.
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request as httpRequest } from 'node:http';
import { app, type HttpRequest, type HttpResponseInit } from '@azure/functions';
import { afterEach, describe, expect, it } from 'vitest';
import { loadFunctionApp } from '../../../../local/host/core/function-app.ts';
import { createMemoryStore, type Store } from '../../../../local/host/durable/store.ts';
import { startHost, type Host, type HostOptions } from '../../../../local/host/host.ts';
import { freePort } from '../../../support/azurite.ts';
import type { HostLogEntry } from '../../../../local/host/config/logging.ts';

let host: Host | undefined;
afterEach(async () => {
  await host?.stop();
  host = undefined;
});

async function serve(register: () => void, options: Partial<HostOptions> = {}): Promise<Host> {
  host = await startHost({ app: await loadFunctionApp(register), env: {}, ...options });
  return host;
}

const handle = (run: (request: HttpRequest) => HttpResponseInit | undefined | Promise<HttpResponseInit | undefined>) =>
  run as (request: HttpRequest) => HttpResponseInit;
const ask = (path: string, init?: RequestInit) => fetch(`${host?.url}${path}`, init);

/** A request as fetch will not send it. */
async function raw(path: string, headers: Record<string, string>, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: host?.port, path, method, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    request.once('error', reject).end();
  });
}

describe('a request', () => {
  it('reaches the function with method, params, query, headers and body', async () => {
    await serve(() =>
      app.http('echo', {
        route: 'runs/{id:int}/{*rest}',
        methods: ['PUT'],
        handler: async (request) => ({
          status: 201,
          headers: { 'x-answer': 'yes' },
          jsonBody: {
            method: request.method,
            url: request.url,
            params: request.params,
            query: Object.fromEntries(request.query),
            header: request.headers.get('x-question'),
            body: await request.text(),
          },
        }),
      }),
    );
    const answer = await ask('/api/Runs/7/a/b%20c?x=1&y=%C3%A4&x=2', { method: 'PUT', body: 'grüße', headers: { 'x-question': 'why' } });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('x-answer')).toBe('yes');
    expect(await answer.json()).toEqual({
      method: 'PUT',
      url: `${host?.url}/api/Runs/7/a/b%20c?x=1&y=%C3%A4&x=2`,
      params: { id: '7', rest: 'a/b c' },
      query: { x: '1,2', y: 'ä' },
      header: 'why',
      body: 'grüße',
    });
  });

  it('keeps binary bodies byte for byte, in and out', async () => {
    await serve(() =>
      app.post('mirror', async (request) => ({
        body: new Uint8Array(await request.arrayBuffer()),
        headers: { 'content-type': 'application/octet-stream' },
      })),
    );
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 31) % 256);
    for (const type of ['application/octet-stream', 'text/plain', 'application/json']) {
      const answer = await ask('/api/mirror', { method: 'POST', body: bytes, headers: { 'content-type': type } });
      expect(Buffer.from(await answer.arrayBuffer()).equals(Buffer.from(bytes))).toBe(true);
    }
  });

  it('of 10 MB arrives; one above the limit is answered with 413 and never runs the function', async () => {
    let runs = 0;
    const register = () => app.post('size', async (request) => ({ jsonBody: { run: (runs += 1), size: (await request.text()).length } }));
    await serve(register, { env: { FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: String(10 * 1024 * 1024) } });
    const large = await ask('/api/size', { method: 'POST', body: JSON.stringify('x'.repeat(10 * 1024 * 1024 - 2)) });
    expect(await large.json()).toEqual({ run: 1, size: 10 * 1024 * 1024 });
    const tooLarge = await ask('/api/size', { method: 'POST', body: 'x'.repeat(10 * 1024 * 1024 + 1) });
    expect(tooLarge.status).toBe(413);
    expect(await tooLarge.json()).toEqual({ message: expect.stringContaining('larger than 10485760 bytes') as string });
    expect(runs).toBe(1);
  });

  it('with a body that is not JSON reaches the function as it is', async () => {
    await serve(() =>
      app.post('parse', async (request) => {
        const text = await request.clone().text();
        return request.json().then(
          () => ({ status: 200 }),
          (error: Error) => ({ status: 400, jsonBody: { text, error: error.name } }),
        );
      }),
    );
    const answer = await ask('/api/parse', { method: 'POST', body: '{"a":', headers: { 'content-type': 'application/json' } });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ text: '{"a":', error: 'SyntaxError' });
  });
});

describe('an answer', () => {
  it('of nothing is 204, of a throw 500 without a body, and the throw is logged once with its stack', async () => {
    const entries: HostLogEntry[] = [];
    const register = () => {
      app.get(
        'nothing',
        handle(() => undefined),
      );
      app.get('throws', () => {
        throw new TypeError('no such gate');
      });
    };
    await serve(register, { log: (entry) => entries.push(entry) });
    expect((await ask('/api/nothing')).status).toBe(204);
    const failed = await ask('/api/throws');
    expect(failed.status).toBe(500);
    expect(await failed.text()).toBe('');
    const errors = entries.filter((entry) => entry.level === 'error');
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ functionName: 'throws', category: 'system' });
    expect(errors[0]?.message).toMatch(
      /^Executed \(Failed, GET \/api\/throws, Id=[0-9a-f-]{36}, \d+ ms\): TypeError: no such gate\n\s+at /,
    );
  });

  it('carries cookies with their attributes', async () => {
    await serve(() =>
      app.get('cookies', () => ({
        cookies: [
          { name: 'a', value: '1 2', path: '/x', httpOnly: true, secure: true, sameSite: 'Strict', maxAge: 60 },
          { name: 'b', value: 'z', domain: 'example.test', expires: new Date('2030-01-02T03:04:05Z'), sameSite: 'None' },
        ],
      })),
    );
    expect((await ask('/api/cookies')).headers.getSetCookie()).toEqual([
      'a=1%202; Max-Age=60; Path=/x; HttpOnly; Secure; SameSite=Strict',
      'b=z; Domain=example.test; Expires=Wed, 02 Jan 2030 03:04:05 GMT; SameSite=None',
    ]);
  });

  it('has the headers that host.json adds', async () => {
    const hostJson = { version: '2.0', extensions: { http: { routePrefix: '', customHeaders: { 'X-Content-Type-Options': 'nosniff' } } } };
    await serve(() => app.get('plain', () => ({ body: 'x' })), { hostJson });
    expect((await ask('/plain')).headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('takes the function whose route says it most exactly', async () => {
    await serve(() => {
      for (const [name, route] of [
        ['rest', 'runs/{*rest}'],
        ['one', 'runs/{id}'],
        ['number', 'runs/{id:int}'],
        ['active', 'runs/active'],
      ] as const) {
        app.get(name, { route, handler: () => ({ body: name }) });
      }
    });
    const bodies = await Promise.all(['active', '7', 'x', 'x/y'].map(async (path) => (await ask(`/api/runs/${path}`)).text()));
    expect(bodies).toEqual(['active', 'number', 'one', 'rest']);
  });

  it('is 404 for an unknown path and for a method that no route takes', async () => {
    await serve(() => app.get('known', () => ({})));
    expect((await ask('/api/unknown')).status).toBe(404);
    expect((await ask('/known')).status).toBe(404);
    expect((await ask('/api/known', { method: 'DELETE' })).status).toBe(404);
  });

  it('is a failure when the function takes longer than functionTimeout', async () => {
    const entries: HostLogEntry[] = [];
    const register = () =>
      app.get(
        'slow',
        handle(() => new Promise<HttpResponseInit>(() => undefined)),
      );
    await serve(register, { hostJson: { version: '2.0', functionTimeout: '00:00:00.050' }, log: (entry) => entries.push(entry) });
    expect((await ask('/api/slow')).status).toBe(500);
    expect(entries.find((entry) => entry.level === 'error')?.message).toContain(
      "Timeout value of 00:00:00.050 exceeded by function 'Functions.slow'",
    );
  });
});

describe('keys', () => {
  const register = () => {
    app.get('open', { authLevel: 'anonymous', handler: () => ({ body: 'open' }) });
    app.get('closed', { authLevel: 'function', handler: () => ({ body: 'closed' }) });
    app.get('top', { authLevel: 'admin', handler: () => ({ body: 'top' }) });
  };

  it('are not asked for by default', async () => {
    await serve(register);
    for (const name of ['open', 'closed', 'top']) expect((await ask(`/api/${name}`)).status).toBe(200);
    expect((await ask('/admin/functions')).status).toBe(200);
  });

  it('open what their level allows, by header or query, and outlive the host', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'host-keys-'));
    await serve(register, { enableAuth: true, dataDir });
    const file = join(dataDir, 'keys.json');
    const keys = JSON.parse(readFileSync(file, 'utf8')) as {
      master: string;
      host: string;
      system: string;
      functions: Record<string, string>;
    };
    expect(statSync(file).mode & 0o077).toBe(0);
    const status = async (name: string, key?: string) =>
      (await ask(`/api/${name}`, key === undefined ? {} : { headers: { 'x-functions-key': key } })).status;
    expect(await status('open')).toBe(200);
    expect(await status('closed')).toBe(401);
    expect(await status('closed', 'wrong')).toBe(401);
    expect(await status('closed', keys.functions['top'])).toBe(401);
    expect(await status('closed', keys.functions['closed'])).toBe(200);
    expect(await status('closed', keys.host)).toBe(200);
    expect((await ask(`/api/closed?code=${keys.host}`)).status).toBe(200);
    expect(await status('top', keys.host)).toBe(401);
    expect(await status('top', keys.master)).toBe(200);
    expect((await ask('/admin/functions')).status).toBe(401);
    expect((await ask(`/admin/functions?code=${keys.master}`)).status).toBe(200);
    expect((await ask('/runtime/webhooks/durabletask/instances/none')).status).toBe(401);
    expect((await ask(`/runtime/webhooks/durabletask/instances/none?code=${keys.system}`)).status).toBe(404);
    await host?.stop();
    await serve(register, { enableAuth: true, dataDir });
    expect(await status('closed', keys.functions['closed'])).toBe(200);
  });
});

describe('the host itself', () => {
  it('tells its state and its functions', async () => {
    await serve(() => {
      app.get('one', { route: 'numbers/{n}', handler: () => ({}) });
      app.timer('tick', { schedule: '0 0 0 1 1 *', handler: () => undefined });
    });
    expect(await (await ask('/admin/host/status')).json()).toMatchObject({ state: 'Running' });
    const list = (await (await ask('/admin/functions')).json()) as Record<string, unknown>[];
    expect(list.map(({ name, invoke_url_template }) => [name, invoke_url_template])).toEqual([
      ['one', `${host?.url}/api/numbers/{n}`],
      ['tick', null],
    ]);
    expect(await (await ask('/admin/functions/TICK')).json()).toMatchObject({
      name: 'tick',
      config: { bindings: [{ type: 'timerTrigger' }] },
    });
    expect((await ask('/admin/functions/none')).status).toBe(404);
    expect((await ask('/admin/elsewhere')).status).toBe(404);
  });

  it('runs a timer by hand', async () => {
    let runs = 0;
    await serve(() => app.timer('tick', { schedule: '0 0 0 1 1 *', handler: () => void (runs += 1) }));
    expect((await ask('/admin/functions/tick', { method: 'POST', body: '{"input":""}' })).status).toBe(202);
    await host?.stop();
    expect(runs).toBe(1);
  });

  it('leaves a disabled function out', async () => {
    await serve(() => app.get('off', () => ({})), { env: { 'AzureWebJobs.off.Disabled': 'true' } });
    expect((await ask('/api/off')).status).toBe(404);
    expect(await (await ask('/admin/functions/off')).json()).toMatchObject({ isDisabled: true });
  });

  it('is not steered by a web page of another site', async () => {
    await serve(() => app.get('one', () => ({})));
    const own = `localhost:${host?.port}`;
    expect(await raw('/admin/functions', { host: own })).toBe(200);
    expect(await raw('/admin/functions', { host: own, origin: `http://${own}`, 'sec-fetch-site': 'same-origin' })).toBe(200);
    expect(await raw('/admin/functions', { host: own, origin: 'https://elsewhere.test' })).toBe(403);
    expect(await raw('/durabletask/orchestrators/x', { host: own, 'sec-fetch-site': 'cross-site' }, 'POST')).toBe(403);
    const rebound = {
      host: `elsewhere.test:${host?.port}`,
      origin: `http://elsewhere.test:${host?.port}`,
      'sec-fetch-site': 'same-origin',
    };
    expect(await raw('/runtime/webhooks/durabletask/instances/x', rebound)).toBe(403);
  });

  it('survives requests that make no sense', async () => {
    await serve(() => app.get('one', { route: '{name}', handler: (request) => ({ jsonBody: request.params }) }));
    expect((await ask('/api/%E0%A4%A')).status).toBe(400);
    expect(await (await ask('/api/a%2Fb')).json()).toEqual({ name: 'a%2Fb' });
    expect(await (await ask('/api/x/../constructor')).json()).toEqual({ name: 'constructor' });
    expect(await raw('http://[bad/api/x', { host: 'x' })).toBe(400);
    await new Promise<void>((resolve) => {
      const socket = connect(host?.port ?? 0, '127.0.0.1', () => socket.end('GARBAGE\r\n\r\n'));
      socket.on('data', () => undefined).once('close', () => resolve());
    });
    expect((await ask('/api/still')).status).toBe(200);
  });
});

describe('stopping', () => {
  it('lets a large answer that has begun reach its client whole', async () => {
    const size = 30_000_000;
    await serve(() => app.get('large', () => ({ body: new Uint8Array(size) })));
    const answer = await ask('/api/large');
    const stopped = host?.stop();
    expect((await answer.arrayBuffer()).byteLength).toBe(size);
    await stopped;
  });

  it('does not wait longer than it is told for a function that never ends', async () => {
    const entries: HostLogEntry[] = [];
    let begun: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (begun = resolve));
    const register = () =>
      app.get(
        'endless',
        handle(() => {
          begun();
          return new Promise<HttpResponseInit>(() => undefined);
        }),
      );
    await serve(register, { log: (entry) => entries.push(entry) });
    const answer = ask('/api/endless').catch(() => undefined);
    await started;
    await host?.stop(50);
    await answer;
    expect(entries.map(({ message }) => message)).toContain(
      'Not everything in flight had ended after 50 ms (1 invocations still run); it was left.',
    );
  });
});

describe('a start that fails', () => {
  it('tells why, even when stopping fails as well, and leaves port and data folder free', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'host-data-'));
    const broken: Store = {
      ...createMemoryStore(),
      open: () => Promise.reject(new Error('journal-00000001.log: record 3 at byte 120 is damaged')),
      close: () => Promise.reject(new Error('close fails too')),
    };
    const register = () => app.get('one', () => ({}));
    const port = await freePort();
    await expect(serve(register, { store: broken, dataDir, port })).rejects.toThrow(
      'The Durable engine could not start: journal-00000001.log: record 3 at byte 120 is damaged',
    );
    await serve(register, { dataDir, port });
    expect((await ask('/api/one')).status).toBe(200);
  });
});

describe('an app that cannot be served', () => {
  it.each([
    [() => app.get('a', { route: 'x/{id', handler: () => ({}) }), 'HTTP function "a": route "api/x/{id"'],
    [
      () => app.eventHub('hub', { connection: 'C', eventHubName: 'h', handler: () => undefined }),
      'function "hub" has a trigger of type "eventHubTrigger"',
    ],
    [
      () => app.get('out', { extraOutputs: [{ type: 'cosmosDB', name: 'doc' }], handler: () => ({}) }),
      'function "out" has the output binding "doc" of type "cosmosDB"',
    ],
    [() => app.timer('t', { schedule: '0 99 * * * *', handler: () => undefined }), 'Timer function "t": "99" is not a minute'],
    [() => app.timer('t', { schedule: '%WHEN%', handler: () => undefined }), 'Timer function "t": the app setting "WHEN"'],
    [() => app.storageQueue('q', { queueName: 'Bad_Name', connection: 'S', handler: () => undefined }), '"bad_name" is not a queue name'],
    [
      () => app.storageQueue('q', { queueName: 'good', connection: 'S', handler: () => undefined }),
      'Queue function "q": the storage connection "S" is not set. Set "S" to a connection string',
    ],
  ])('ends the start with one clear message (%#)', async (register, message) => {
    await expect(serve(() => void register())).rejects.toThrow(message);
  });

  it('has a route on the host’s own paths', async () => {
    const start = serve(() => app.get('x', { route: 'admin/x', handler: () => ({}) }), {
      hostJson: { version: '2.0', extensions: { http: { routePrefix: '' } } },
    });
    await expect(start).rejects.toThrow('begins with a path that the host keeps for itself');
  });
});
