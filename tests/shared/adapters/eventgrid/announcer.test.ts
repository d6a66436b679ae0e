// Our own transitions on the wire: a CloudEvent with the identity's token; refusals name the missing role; http only to this machine.
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type CloudServer, cutConnection, type Handler, serve } from '../../../../local/cloud/kit/server.ts';
import { createAnnouncer } from '../../../../shared/adapters/eventgrid/announcer.ts';

const servers: CloudServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const scopes: (string | string[])[] = [];
const credential = {
  getToken: async (scope: string | string[]) => {
    scopes.push(scope);
    return { token: 'SECRETTOKEN', expiresOnTimestamp: Date.now() + 3_600_000 };
  },
};
const happened = {
  id: 'train-x-started',
  type: 'run.started',
  subject: 'runs/train-x',
  at: '2026-11-22T10:00:00.000Z',
  data: { pipeline: 'ble' },
};

async function over(handler: Handler, timeoutMs = 20_000) {
  const server = await serve(handler);
  servers.push(server);
  return createAnnouncer({
    endpoint: `${server.url}/api/events`,
    credential,
    source: '/sluice/test',
    allowInsecureLoopback: true,
    timeoutMs,
  });
}

describe('announcing', () => {
  it('sends one CloudEvent with the id, time and subject that it was given', async () => {
    let seen: { headers: Record<string, string>; body: unknown; path: string } | undefined;
    const announcer = await over(async (request) => {
      seen = { headers: Object.fromEntries(request.headers), body: await request.json(), path: new URL(request.url).pathname };
      return new Response(null, { status: 200 });
    });

    await announcer.publish(happened);

    expect(seen?.path).toBe('/api/events');
    expect(seen?.headers).toMatchObject({
      authorization: 'Bearer SECRETTOKEN',
      'content-type': expect.stringContaining('application/cloudevents-batch+json') as string,
    });
    expect(seen?.body).toEqual([
      {
        specversion: '1.0',
        id: happened.id,
        type: 'sluice.run.started',
        source: '/sluice/test',
        subject: happened.subject,
        time: happened.at,
        datacontenttype: 'application/json',
        data: { pipeline: 'ble' },
      },
    ]);
    expect(scopes[0]).toEqual(['https://eventgrid.azure.net/.default']);
  });

  it.each([
    [401, 'RejectedError', 'topic-forbidden', /EventGrid Data Sender/],
    [403, 'RejectedError', 'topic-forbidden', /EventGrid Data Sender/],
    [404, 'RejectedError', 'topic-unknown', /endpoint/],
    [413, 'RejectedError', 'announcement-refused', /413/],
    [500, 'TransientError', 'topic-unavailable', /500/],
  ])('%d is a %s', async (status, name, code, message) => {
    const announcer = await over(
      () => new Response('{"error":{"message":"no"}}', { status, headers: { 'content-type': 'application/json' } }),
      1_000,
    );

    const error: unknown = await announcer.publish(happened).catch((reason: unknown) => reason);

    expect(error).toMatchObject({
      name,
      code,
      message: expect.stringMatching(code === 'topic-unavailable' ? /topic|abort/i : message) as string,
    });
    expect(inspect(error, { depth: 10 })).not.toContain('SECRETTOKEN');
  });

  it('is unavailable for now when the connection is cut or nobody answers', async () => {
    const cut = await over(() => cutConnection(), 500);
    const silent = await over(() => new Promise<Response>(() => undefined), 100);

    await expect(cut.publish(happened)).rejects.toMatchObject({ code: 'topic-unavailable' });
    await expect(silent.publish(happened)).rejects.toMatchObject({ code: 'topic-unavailable' });
  });

  it.each([
    ['http://topic.example/api/events', true],
    ['http://127.0.0.1.example/api/events', true],
    ['http://127.0.0.1:1/api/events', false],
    ['ftp://127.0.0.1/x', true],
    ['not an address', true],
  ])('refuses %s at start (loopback allowed: %s)', (endpoint, allowInsecureLoopback) => {
    expect(() => createAnnouncer({ endpoint, credential, source: '/s', allowInsecureLoopback })).toThrow(
      expect.objectContaining({ name: 'ConfigError' }),
    );
  });
});
