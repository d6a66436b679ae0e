// Queue triggers and outputs against a real queue service: deliveries, poison, encodings, outages, and what a killed host had in work.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QueueServiceClient, type QueueClient } from '@azure/storage-queue';
import { app, output, type InvocationContext } from '@azure/functions';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import type { HostLogEntry } from '../../../../local/host/config/logging.ts';
import { loadFunctionApp } from '../../../../local/host/core/function-app.ts';
import { startHost, type Host, type HostOptions } from '../../../../local/host/host.ts';
import { freePort } from '../../../support/azurite.ts';

const service = QueueServiceClient.fromConnectionString(inject('storage'));
let queue: QueueClient;
let host: Host | undefined;
let count = 0;

beforeEach(async () => {
  queue = service.getQueueClient(`q-${process.pid}-${Date.now()}-${(count += 1)}`);
  await queue.create();
});

afterEach(async () => {
  await host?.stop();
  host = undefined;
});

const hostJson = (queues: Record<string, unknown>) => ({
  version: '2.0',
  extensions: { queues: { maxPollingInterval: '00:00:00.100', ...queues } },
});

async function serve(register: () => void, queues: Record<string, unknown> = {}, options: Partial<HostOptions> = {}): Promise<void> {
  host = await startHost({
    app: await loadFunctionApp(register),
    env: { Lake: inject('storage') },
    hostJson: hostJson(queues),
    ...options,
  });
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const onQueue = (handler: (entry: unknown, context: InvocationContext) => unknown) => () =>
  app.storageQueue('onQueue', { queueName: queue.name, connection: 'Lake', handler: handler });

async function texts(of: QueueClient): Promise<string[]> {
  if (!(await of.exists())) return [];
  return (await of.peekMessages({ numberOfMessages: 32 })).peekedMessageItems.map((message) => message.messageText);
}

const until = (check: () => unknown) => vi.waitFor(async () => expect(await check()).toBeTruthy(), { timeout: 15_000, interval: 20 });
const isEmpty = async () => (await queue.getProperties()).approximateMessagesCount === 0;

describe('a message', () => {
  it('reaches the function parsed, with the metadata of the recording, and is deleted afterwards', async () => {
    const seen: { entry: unknown; metadata: Record<string, unknown> | undefined }[] = [];
    await serve(onQueue((entry, context) => seen.push({ entry, metadata: context.triggerMetadata })));
    const sent = await queue.sendMessage(base64('{"b64":1,"flag":true,"none":null,"deep":{"a":1},"id":"theirs","__proto__":"x"}'));
    await until(isEmpty);
    expect(seen).toHaveLength(1);
    expect(seen[0]?.entry).toMatchObject({ b64: 1, deep: { a: 1 } });
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/;
    expect(seen[0]?.metadata).toEqual({
      queueTrigger: expect.objectContaining({ b64: 1 }) as unknown,
      dequeueCount: 1,
      expirationTime: expect.stringMatching(time) as string,
      id: sent.messageId,
      insertionTime: expect.stringMatching(time) as string,
      nextVisibleTime: expect.stringMatching(time) as string,
      popReceipt: expect.any(String) as string,
      b64: 1,
      flag: 'True',
      none: '',
    });
  });

  it('whose function throws is delivered five times and then moved to the poison queue as it came', async () => {
    const counts: unknown[] = [];
    const fail = (_entry: unknown, context: InvocationContext) => {
      counts.push(context.triggerMetadata?.['dequeueCount']);
      throw new Error('no');
    };
    await serve(onQueue(fail));
    await queue.sendMessage(base64('bad'));
    const poison = service.getQueueClient(`${queue.name}-poison`);
    await until(async () => (await texts(poison)).length > 0);
    await until(isEmpty);
    expect(counts).toEqual([1, 2, 3, 4, 5]);
    expect(await texts(poison)).toEqual([base64('bad')]);
  });

  it('whose function succeeds at the third delivery does not become poison', async () => {
    let runs = 0;
    const third = () => {
      if ((runs += 1) < 3) throw new Error('not yet');
    };
    await serve(onQueue(third), { maxDequeueCount: 3 });
    await queue.sendMessage(base64('x'));
    await until(isEmpty);
    expect(runs).toBe(3);
    expect(await service.getQueueClient(`${queue.name}-poison`).exists()).toBe(false);
  });

  it('that is not base64 goes to the poison queue without reaching the function', async () => {
    let runs = 0;
    await serve(onQueue(() => (runs += 1)));
    await queue.sendMessage('plain text, not base64');
    await until(async () => (await texts(service.getQueueClient(`${queue.name}-poison`))).includes('plain text, not base64'));
    expect(runs).toBe(0);
  });

  it('is taken as it is under messageEncoding none', async () => {
    const seen: unknown[] = [];
    await serve(
      onQueue((entry) => seen.push(entry)),
      { messageEncoding: 'none' },
    );
    await queue.sendMessage('plain text');
    await queue.sendMessage('{"a":1}');
    await until(() => seen.length === 2);
    expect(seen).toEqual(expect.arrayContaining(['plain text', { a: 1 }]));
  });

  it('stays hidden after a failure for as long as visibilityTimeout says', async () => {
    let runs = 0;
    const fail = () => {
      runs += 1;
      throw new Error('no');
    };
    await serve(onQueue(fail), { visibilityTimeout: '00:10:00' });
    await queue.sendMessage(base64('x'));
    await until(() => runs === 1);
    await host?.stop();
    expect((await queue.getProperties()).approximateMessagesCount).toBe(1);
    expect(await texts(queue)).toEqual([]);
  });
});

describe('a retry policy', () => {
  it('of a queue function is ignored, and that is said once', async () => {
    const entries: HostLogEntry[] = [];
    let runs = 0;
    const fail = () => {
      runs += 1;
      throw new Error('no');
    };
    const retry = { strategy: 'fixedDelay', maxRetryCount: 3, delayInterval: 10 } as const;
    const trigger = { type: 'queueTrigger', name: 'entry', queueName: queue.name, connection: 'Lake' };
    await serve(
      () => app.generic('onQueue', { trigger, retry, handler: fail }),
      { maxDequeueCount: 1 },
      { log: (entry) => entries.push(entry) },
    );
    await queue.sendMessage(base64('x'));
    await until(async () => (await texts(service.getQueueClient(`${queue.name}-poison`))).length === 1);
    expect(runs).toBe(1);
    expect(entries.filter(({ message }) => message.startsWith('The retry policy of function "onQueue" is ignored'))).toHaveLength(1);
  });
});

describe('a queue', () => {
  it('that is missing is created', async () => {
    await queue.delete();
    const seen: unknown[] = [];
    await serve(onQueue((entry) => seen.push(entry)));
    await until(() => queue.exists());
    await queue.sendMessage(base64('1'));
    await until(() => seen.length === 1);
  });

  it('is named by an app setting, its connection found under AzureWebJobs as well', async () => {
    const seen: unknown[] = [];
    const register = () =>
      app.storageQueue('named', { queueName: '%INBOX%', connection: 'Lake', handler: (entry) => void seen.push(entry) });
    await serve(register, {}, { env: { AzureWebJobsLake: inject('storage'), INBOX: queue.name } });
    await queue.sendMessage(base64('"x"'));
    await until(() => seen.length === 1);
  });

  it('never has more messages in work than batch and threshold allow', async () => {
    let now = 0;
    let most = 0;
    const busy = async () => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setTimeout(resolve, 30));
      now -= 1;
    };
    for (let index = 0; index < 20; index += 1) await queue.sendMessage(base64(String(index)));
    await serve(onQueue(busy), { batchSize: 4, newBatchThreshold: 2 });
    await until(isEmpty);
    await until(() => now === 0);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(6);
  });

  it('that cannot be reached is reported once, and once more when it can', async () => {
    const port = await freePort();
    const entries: HostLogEntry[] = [];
    const connection = inject('storage').replace(/QueueEndpoint=http:\/\/127\.0\.0\.1:\d+/, `QueueEndpoint=http://127.0.0.1:${port}`);
    const seen: unknown[] = [];
    await serve(
      onQueue((entry) => seen.push(entry)),
      {},
      { env: { Lake: connection }, log: (entry) => entries.push(entry) },
    );
    const lines = (level: string) =>
      entries.filter((entry) => entry.source === 'Host.Triggers.Queue' && entry.level === level).map(({ message }) => message);
    await until(() => lines('debug').length >= 2);
    expect(lines('warning')).toEqual([
      expect.stringMatching(/^Queue "q-.*" of function "onQueue" cannot be reached: .*ECONNREFUSED.*Trying again until it can\.$/),
    ]);
    const target = Number(/QueueEndpoint=http:\/\/127\.0\.0\.1:(\d+)/.exec(inject('storage'))?.[1]);
    const proxy = await passThrough(port, target);
    try {
      await until(() => lines('information').length === 1);
      expect(lines('information')[0]).toMatch(/can be reached again \(after \d+ failed attempts\)/);
      await queue.sendMessage(base64('1'));
      await until(() => seen.length === 1);
      expect(lines('warning')).toHaveLength(1);
    } finally {
      await host?.stop();
      proxy();
    }
  });
});

describe('a host that was killed', () => {
  it('gets the messages it had in work again at once', async () => {
    await queue.sendMessage(base64('"left"'));
    const [taken] = (await queue.receiveMessages({ visibilityTimeout: 600 })).receivedMessageItems;
    const dataDir = mkdtempSync(join(tmpdir(), 'host-queue-'));
    const record = { connection: 'Lake', queue: queue.name, id: taken?.messageId, popReceipt: taken?.popReceipt };
    const other = { ...record, id: 'elsewhere', queue: 'another-queue' };
    writeFileSync(join(dataDir, 'queue-in-flight.ndjson'), `${JSON.stringify(other)}\n${JSON.stringify(record)}\n{"connection":"La`);
    const seen: unknown[] = [];
    await serve(
      onQueue((entry, context) => seen.push([entry, context.triggerMetadata?.['dequeueCount']])),
      {},
      { dataDir },
    );
    await until(() => seen.length === 1);
    expect(seen).toEqual([['left', 2]]);
    await until(isEmpty);
  });
});

describe('stopping', () => {
  it('waits for the message in work and deletes it', async () => {
    let begun: () => void = () => undefined;
    let finish: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (begun = resolve));
    const work = new Promise<void>((resolve) => (finish = resolve));
    await serve(
      onQueue(async () => {
        begun();
        await work;
      }),
    );
    await queue.sendMessage(base64('x'));
    await started;
    const stopped = host?.stop();
    finish();
    await stopped;
    expect(await isEmpty()).toBe(true);
  });
});

describe('queue outputs', () => {
  it('send what a function returned or set, one message for each element of an array', async () => {
    const second = service.getQueueClient(`${queue.name}-b`);
    await serve(() => {
      const extra = output.storageQueue({ queueName: second.name, connection: 'Lake' });
      app.timer('tick', {
        schedule: '0 0 0 1 1 *',
        return: output.storageQueue({ queueName: queue.name, connection: 'Lake' }),
        extraOutputs: [extra],
        handler: (_timer, context) => {
          context.extraOutputs.set(extra, 'one text');
          return [{ a: 1 }, 'two', 3];
        },
      });
    });
    host?.runByHand('tick');
    await host?.stop();
    expect((await texts(queue)).map((text) => Buffer.from(text, 'base64').toString())).toEqual(['{"a":1}', 'two', '3']);
    expect((await texts(second)).map((text) => Buffer.from(text, 'base64').toString())).toEqual(['one text']);
  });
});

/** Forwards HTTP from one port to another. Returns what ends it. */
async function passThrough(port: number, target: number): Promise<() => void> {
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const { host: _host, connection: _connection, 'content-length': _length, ...headers } = incoming.headers;
      const answer = await fetch(`http://127.0.0.1:${target}${incoming.url}`, {
        method: incoming.method ?? 'GET',
        headers: { ...(headers as Record<string, string>) },
        ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
      });
      outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
      outgoing.end(Buffer.from(await answer.arrayBuffer()));
    })();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return () => {
    server.close();
    server.closeAllConnections();
  };
}
