// Functions that use the Durable client through a running host: start and wait, large inputs, keys in URLs, and a full disk.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QueueServiceClient } from '@azure/storage-queue';
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { loadFunctionApp } from '../../../../local/host/core/function-app.ts';
import { nodeDisk, type DiskPort } from '../../../../local/host/durable/journal-disk.ts';
import { openJournalStore } from '../../../../local/host/durable/journal-store.ts';
import { startHost, type Host, type HostOptions } from '../../../../local/host/host.ts';

let host: Host | undefined;
afterEach(async () => {
  await host?.stop(1000);
  host = undefined;
});

const inbox = `durable-client-${process.pid}`;
const received: unknown[] = [];

function register(): void {
  df.app.activity('measure', { handler: (input: { text: string }) => input.text.length });
  df.app.orchestration('measureAll', function* (context) {
    return (yield context.df.callActivity('measure', context.df.getInput())) as number;
  });
  app.post('start/{id}', {
    route: 'start/{id}',
    extraInputs: [df.input.durableClient()],
    handler: async (request, context) => {
      const client = df.getClient(context);
      const instanceId = await client.startNew('measureAll', { instanceId: request.params['id'] ?? '', input: await request.json() });
      return client.createCheckStatusResponse(request, instanceId);
    },
  });
  app.get('plain', () => ({ body: 'plain' }));
}

async function serve(options: Partial<HostOptions> = {}, extra: () => void = () => undefined): Promise<Host> {
  const both = () => {
    register();
    extra();
  };
  host = await startHost({ app: await loadFunctionApp(both), env: {}, ...options });
  return host;
}

const start = (id: string, text: string) => fetch(`${host?.url}/api/start/${id}`, { method: 'POST', body: JSON.stringify({ text }) });
const status = async (url: string) => (await (await fetch(url)).json()) as { runtimeStatus: string; output: unknown };
const completed = (url: string, output: unknown) =>
  vi.waitFor(async () => expect(await status(url)).toMatchObject({ runtimeStatus: 'Completed', output }), {
    timeout: 15_000,
    interval: 20,
  });

describe('a function with a Durable client', () => {
  it.each(['bundle', 'ext-3.14'] as const)('starts an orchestration whose status URL works (%s)', async (profile) => {
    await serve({ profile });
    const answer = await start('a-1', 'four');
    expect(answer.status).toBe(202);
    const { id, statusQueryGetUri } = (await answer.json()) as { id: string; statusQueryGetUri: string };
    expect(id).toBe('a-1');
    expect(new URL(statusQueryGetUri).host).toBe(`localhost:${host?.port}`);
    await completed(statusQueryGetUri, 4);
  });

  it('passes an input of 10 MB through', async () => {
    await serve({ dataDir: mkdtempSync(join(tmpdir(), 'host-data-')) });
    const size = 10 * 1024 * 1024;
    const { statusQueryGetUri } = (await (await start('large', 'x'.repeat(size))).json()) as { statusQueryGetUri: string };
    await completed(`${statusQueryGetUri}&showInput=false`, size);
  });

  it('hands out URLs that carry the key when keys are asked for', async () => {
    await serve({ enableAuth: true });
    const { statusQueryGetUri } = (await (await start('keyed', 'x')).json()) as { statusQueryGetUri: string };
    const url = new URL(statusQueryGetUri);
    expect(url.searchParams.get('code')).toMatch(/^.{40,}$/);
    await completed(statusQueryGetUri, 1);
    url.searchParams.set('code', 'wrong');
    expect((await fetch(url)).status).toBe(401);
  });
});

describe('a full disk', () => {
  it('stops the intake with 503 and goes on by itself when there is room; nothing is lost', { timeout: 60_000 }, async () => {
    let isFull = false;
    const disk: DiskPort = {
      ...nodeDisk,
      openAppend: async (path) => {
        const file = await nodeDisk.openAppend(path);
        return {
          ...file,
          write: (bytes, at) => (isFull ? Promise.reject(new Error('ENOSPC: no space left on device')) : file.write(bytes, at)),
        };
      },
    };
    const queue = QueueServiceClient.fromConnectionString(inject('storage')).getQueueClient(inbox);
    await queue.createIfNotExists();
    const onInbox = () =>
      df.app.client.storageQueue('inbox', {
        queueName: inbox,
        connection: 'Lake',
        handler: async (entry: unknown, client: df.DurableClient) => {
          received.push(entry);
          await client.startNew('measureAll', { instanceId: 'by-queue', input: { text: String(entry) } });
        },
      });
    const store = openJournalStore({ dir: mkdtempSync(join(tmpdir(), 'host-full-')), disk });
    const hostJson = { version: '2.0', extensions: { queues: { maxPollingInterval: '00:00:00.100' } } };
    await serve({ store, hostJson, env: { Lake: inject('storage') } }, onInbox);
    const before = (await (await start('before', 'abc')).json()) as { statusQueryGetUri: string };
    await completed(before.statusQueryGetUri, 3);

    isFull = true;
    const waiting = start('during', 'abcd');
    await vi.waitFor(() => expect(store.blocked()).toContain('ENOSPC'), { timeout: 10_000, interval: 20 });
    const refused = await start('refused', 'x');
    expect(refused.status).toBe(503);
    expect(await refused.json()).toEqual({ message: expect.stringContaining('Nothing is lost; make room on the disk') as string });
    expect((await fetch(`${host?.url}/api/plain`)).status).toBe(200);
    await queue.sendMessage(Buffer.from('hello').toString('base64'));
    // The trigger looks at the queue every 100 ms: in five looks it has left the message alone.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(received).toEqual([]);

    isFull = false;
    const during = (await (await waiting).json()) as { statusQueryGetUri: string };
    await completed(during.statusQueryGetUri, 4);
    await completed(during.statusQueryGetUri.replace('during', 'by-queue'), 5);
    expect(received).toEqual(['hello']);
  });
});
