// Our own transitions on the wire: a CloudEvent with the identity's token; refusals name the missing role; http only to this machine.
import { inspect } from 'node:util';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { createEntraCloud } from '../../../../local/cloud/entra/entra-cloud.ts';
import { createTopicCloud, type TopicCloud } from '../../../../local/cloud/eventgrid/topic.ts';
import { freePort } from '../../../../local/cloud/kit/process.ts';
import { type CloudServer, cutConnection, type Handler, serve } from '../../../../local/cloud/kit/server.ts';
import { createAnnouncer } from '../../../../shared/adapters/eventgrid/announcer.ts';

const servers: Pick<CloudServer, 'close'>[] = [];
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

describe('at a topic that checks everything', () => {
  const app = { clientId: 'app', objectId: 'oid-app', name: 'sluice', secret: 's' };

  /** A topic of the local cloud, and an announcer with a token of the local tenant. */
  async function topic(dataSenders: readonly string[]) {
    const port = await freePort();
    const dataDir = mkdtempSync(join(tmpdir(), 'announcer-'));
    const entra = await createEntraCloud({ dataDir, baseUrl: `http://127.0.0.1:${port}`, tenant: 't', clients: [app] });
    const issuer = await serve((request) => entra.fetch(request), { port });
    const { issuerV1, jwksUri } = entra;
    const connectionString = inject('storage');
    const cloud: TopicCloud = createTopicCloud({
      dataDir,
      resourceId: '/topics/t',
      issuer: issuerV1,
      jwksUri,
      dataSenders,
      connectionString,
    });
    const front = await serve((request) => cloud.fetch(request));
    servers.push(issuer, front, cloud);
    const getToken = async (scopes: string | string[]) => {
      const form = {
        grant_type: 'client_credentials',
        client_id: app.clientId,
        client_secret: app.secret,
        scope: [scopes].flat().join(' '),
      };
      const answer = await fetch(`${issuer.url}/t/oauth2/v2.0/token`, { method: 'POST', body: new URLSearchParams(form) });
      return { token: ((await answer.json()) as { access_token: string }).access_token, expiresOnTimestamp: Date.now() + 3_600_000 };
    };
    const endpoint = `${front.url}/api/events`;
    const announcer = createAnnouncer({ endpoint, credential: { getToken }, source: '/sluice', allowInsecureLoopback: true });
    const kept = async (): Promise<{ publisher: string; event: Record<string, unknown> }[]> =>
      ((await (await fetch(`${front.url}/_admin/events`)).json()) as { events: { publisher: string; event: Record<string, unknown> }[] })
        .events;
    return { cloud, announcer, kept };
  }

  it('the event is taken and kept as it was told', async () => {
    const { announcer, kept } = await topic([app.objectId]);

    await announcer.publish(happened);

    expect(await kept()).toMatchObject([
      {
        publisher: app.objectId,
        event: { id: happened.id, type: 'sluice.run.started', source: '/sluice', time: happened.at, data: happened.data },
      },
    ]);
  });

  it('a repeat after a lost answer has the same id', async () => {
    const { cloud, announcer, kept } = await topic([app.objectId]);
    cloud.faults.add({ match: { operation: 'PublishEvents' }, action: 'reset-after', times: 3 });

    await expect(announcer.publish(happened)).rejects.toMatchObject({ code: 'topic-unavailable' });
    await announcer.publish(happened);

    const ids = (await kept()).map(({ event }) => event['id']);
    expect(ids.length).toBeGreaterThan(1);
    expect(new Set(ids)).toEqual(new Set([happened.id]));
  });

  it('without the role it is refused for good, and the role is named', async () => {
    const { announcer, kept } = await topic([]);

    await expect(announcer.publish(happened)).rejects.toMatchObject({
      name: 'RejectedError',
      code: 'topic-forbidden',
      message: expect.stringMatching(/does not have permission to send data to \/topics\/t.*EventGrid Data Sender/s) as string,
    });
    expect(await kept()).toEqual([]);
  });
});
