// The kit that all stand-ins stand on: server, faults, state and clock.
// Processes have a file of their own.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as rawRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { BodyTooLargeError, json, readBytes, readJson } from '../../../../local/cloud/kit/body.ts';
import { createManualClock, createShiftedClock } from '../../../../local/cloud/kit/clock.ts';
import { withFaults } from '../../../../local/cloud/kit/faults.ts';
import { type Cloud, type CloudServer, rawTarget, serve } from '../../../../local/cloud/kit/server.ts';
import { openState } from '../../../../local/cloud/kit/state.ts';

const servers: CloudServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start(handler: Parameters<typeof serve>[0]): Promise<CloudServer> {
  const server = await serve(handler);
  servers.push(server);
  return server;
}

async function get(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = rawRequest({ host: '127.0.0.1', port, path, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => {
        resolve(text);
      });
    });
    call.on('error', reject);
    call.end();
  });
}

describe('server', () => {
  it('keeps the target as it was sent, dots and escapes included', async () => {
    const { port } = await start((request) => new Response(rawTarget(request)));

    const seen = await get(port, '/bucket/a/../%2e%2e/b%2Fc?x=%7e');

    expect(seen).toBe('/bucket/a/../%2e%2e/b%2Fc?x=%7e');
  });

  it('streams a large body in and out unchanged', async () => {
    const { url } = await start((request) => new Response(request.body));
    const bytes = new Uint8Array(3_000_000).map((_, i) => i % 251);

    const answer = await fetch(url, { method: 'POST', body: bytes });

    expect(Buffer.compare(Buffer.from(await answer.arrayBuffer()), Buffer.from(bytes))).toBe(0);
  });

  it('names the port that is taken and what to do', async () => {
    const { port } = await start(() => new Response());

    await expect(serve(() => new Response(), { port })).rejects.toThrow(new RegExp(`Port ${port} .*taken.*choose another port`));
  });

  it('turns a thrown error into 500 and goes on serving', async () => {
    let calls = 0;
    const { url } = await start(() => {
      calls += 1;
      if (calls === 1) throw new Error('planned: first call fails');
      return new Response('fine');
    });

    const first = await fetch(url);
    const second = await fetch(url);

    expect([first.status, await second.text()]).toEqual([500, 'fine']);
  });

  it('refuses a body over the limit, announced or not', async () => {
    const { url } = await start(async (request) => {
      try {
        return json((await readBytes(request, 1_000)).length);
      } catch (error) {
        return json({ limit: error instanceof BodyTooLargeError ? error.limit : 'other' }, 413);
      }
    });
    const unannounced = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(600));
      },
    });

    const small = await fetch(url, { method: 'POST', body: new Uint8Array(1_000) });
    const large = await fetch(url, { method: 'POST', body: new Uint8Array(1_001) });
    const endless = await fetch(url, { method: 'POST', body: unannounced, duplex: 'half' }).catch((error: unknown) => error);

    expect([small.status, large.status]).toEqual([200, 413]);
    expect(endless instanceof Response ? endless.status : 'cut').toSatisfy((value: unknown) => value === 413 || value === 'cut');
  });

  it('drops prototype keys from JSON', async () => {
    const { url } = await start(async (request) => json(Object.keys((await readJson(request)) as object)));

    const answer = await fetch(url, { method: 'POST', body: '{"__proto__":{"admin":true},"a":1}' });

    expect(await answer.json()).toEqual(['a']);
  });
});

describe('faults', () => {
  const calls: string[] = [];
  function counting(): Cloud {
    calls.length = 0;
    return {
      name: 'counting',
      fetch: async (request) => {
        calls.push(new URL(request.url).pathname);
        return new Response('done');
      },
      close: async () => undefined,
    };
  }
  async function plan(url: string, fault: unknown): Promise<Response> {
    return fetch(`${url}/_admin/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(fault),
    });
  }

  it('cuts the connection after the call was carried out, then works again', async () => {
    const cloud = withFaults(counting());
    const { url } = await start((request) => cloud.fetch(request));
    await plan(url, { match: { method: 'POST', path: '/jobs/*' }, action: 'reset-after' });

    const first = await fetch(`${url}/jobs/1`, { method: 'POST' }).catch(() => 'cut');
    const second = await fetch(`${url}/jobs/1`, { method: 'POST' });

    expect(first).toBe('cut');
    expect(second.status).toBe(200);
    expect(calls).toEqual(['/jobs/1', '/jobs/1']);
  });

  it('answers with a status for the chosen operation only, and does not carry it out', async () => {
    const cloud = withFaults(counting(), (request) => request.headers.get('x-op') ?? undefined);
    const { url } = await start((request) => cloud.fetch(request));
    await plan(url, { match: { operation: 'Create' }, skip: 1, times: 2, action: 'status', status: 503, body: { why: 'busy' } });
    const call = async (op: string) => (await fetch(`${url}/`, { headers: { 'x-op': op } })).status;

    const seen = [await call('Create'), await call('Read'), await call('Create'), await call('Create'), await call('Create')];

    expect(seen).toEqual([200, 200, 503, 503, 200]);
    expect(calls).toHaveLength(3);
  });

  it.each([
    [{ action: 'status' }, /needs match/],
    [{ match: { pth: '/x' }, action: 'status' }, /does not know pth/],
    [{ match: {}, action: 'explode' }, /action is one of/],
    [{ match: {}, action: 'delay', delayMs: 1e9 }, /delayMs is a whole number/],
  ])('refuses %j with the reason', async (fault, reason) => {
    const cloud = withFaults(counting());
    const { url } = await start((request) => cloud.fetch(request));

    const answer = await plan(url, fault);

    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { error: string }).error).toMatch(reason);
  });

  it('does not take a plan from a web form', async () => {
    const cloud = withFaults(counting());
    const { url } = await start((request) => cloud.fetch(request));

    const answer = await fetch(`${url}/_admin/faults`, { method: 'POST', body: '{"match":{},"action":"status"}' });

    expect(answer.status).toBe(415);
  });
});

describe('state', () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
  function folder(): string {
    const path = mkdtempSync(join(tmpdir(), 'state-'));
    folders.push(path);
    return path;
  }

  it('is there again after it is opened anew, and leaves no temporary file', () => {
    const file = join(folder(), 'deep', 'state.json');
    const first = openState<{ names: string[] }>(file, { names: [] });
    first.update((value) => value.names.push('one'));

    const second = openState<{ names: string[] }>(file, { names: [] });

    expect(second.value).toEqual({ names: ['one'] });
    expect(readdirSync(join(file, '..'))).toEqual(['state.json']);
  });

  it('does not share the initial value between two documents', () => {
    const initial = { names: [] as string[] };
    const base = folder();
    openState(join(base, 'a.json'), initial).update((value) => value.names.push('only in a'));

    expect(openState(join(base, 'b.json'), initial).value.names).toEqual([]);
  });

  it('refuses a damaged file instead of starting empty', () => {
    const file = join(folder(), 'state.json');
    writeFileSync(file, '{"half":');

    expect(() => openState(file, {})).toThrow(/is not JSON\. Move it away/);
    expect(readFileSync(file, 'utf8')).toBe('{"half":');
  });
});

describe('clock', () => {
  it('stands still until it is moved, and a shifted one follows its base', () => {
    const base = createManualClock(1_000);
    const shifted = createShiftedClock(base);
    shifted.advance(500);
    base.advance(10);

    expect([base.now(), shifted.now()]).toEqual([1_010, 1_510]);
    expect(() => {
      base.advance(-1);
    }).toThrow(RangeError);
  });
});
