// What a genuine host sent to the worker for an HTTP request, a queue message and a timer, against what this host sends for the same.
// Normalised are only: binding names, invocation ids, port, times, message id and receipt, and the keys inside URLs.
import { request as httpRequest } from 'node:http';
import { QueueServiceClient } from '@azure/storage-queue';
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { createVirtualClock } from '../../../../local/host/clock/virtual-clock.ts';
import { loadFunctionApp, type FunctionApp, type InvocationRequest } from '../../../../local/host/core/function-app.ts';
import { startHost, type Host, type HostOptions } from '../../../../local/host/host.ts';
import { folder, readRecording } from '../durable/captures/recordings.ts';

interface Recorded {
  readonly inputData: { name: string; data: unknown }[];
  readonly triggerMetadata: Record<string, unknown>;
}

let host: Host | undefined;
afterEach(async () => {
  await host?.stop();
  host = undefined;
});

/** Starts a host whose invocations are recorded as they reach the worker. */
async function observe(register: () => void, options: Partial<HostOptions>): Promise<InvocationRequest[]> {
  const loaded = await loadFunctionApp(register);
  const seen: InvocationRequest[] = [];
  const observed: FunctionApp = {
    ...loaded,
    hooks: loaded.hooks,
    invoke(name, request) {
      if (name === 'recorded') seen.push(structuredClone(request));
      return loaded.invoke(name, request);
    },
  };
  host = await startHost({ app: observed, env: { Lake: inject('storage') }, ...options });
  return seen;
}

/** A recorded value without the names of the protocol's one-of fields (`data: 'string'`, `rpcData`, `string: 'value'`). */
function unwired(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwired);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, content]) => {
    const isOneOf = typeof content === 'string' && Object.hasOwn(value, content) && content !== key;
    return !(isOneOf && (key === 'data' || (key === 'string' && content === 'value'))) && key !== 'rpcData';
  });
  return Object.fromEntries(entries.map(([key, content]) => [key, unwired(content)]));
}

const values = (request: Pick<Recorded, 'inputData'>) => request.inputData.map(({ data }) => unwired(data));
const sent = (request: InvocationRequest | undefined) => request?.inputs.map(({ data }) => data) ?? [];
const json = (data: unknown) => JSON.parse((data as { json: string }).json) as unknown;

describe.skipIf(folder === undefined)(
  `the recorded triggers${folder === undefined ? ' (skipped: the recordings are not in this checkout)' : ''}`,
  () => {
    it('HTTP: identity, headers, params, query, metadata', async () => {
      const recorded = readRecording<Recorded>('http-and-durableClient');
      const register = () => df.app.client.http('recorded', { route: 'start/{name}', methods: ['POST'], handler: () => ({ status: 202 }) });
      const seen = await observe(register, {});
      const recordedHttp = (values(recorded)[0] as { http: Record<string, unknown> }).http;
      const recordedHost = '127.0.0.1:7071';
      const headers = Object.entries(recordedHttp['nullableHeaders'] as Record<string, { value: string }>).map(([name, { value }]) => [
        name,
        value,
      ]);
      await new Promise<void>((resolve, reject) => {
        const options = {
          host: '127.0.0.1',
          port: host?.port,
          path: '/api/start/types?id=y-types',
          method: 'POST',
          headers: Object.fromEntries(headers) as Record<string, string>,
        };
        const request = httpRequest(options, (answer) => answer.resume().once('end', resolve));
        request.once('error', reject).end();
      });
      const [http] = sent(seen[0]);
      expect(http).toEqual({ http: { ...recordedHttp, url: String(recordedHttp['url']) } });
      expect(seen[0]?.triggerMetadata).toMatchObject({ id: { string: 'y-types' }, name: { string: 'types' } });
      const metadata = unwired(recorded.triggerMetadata) as Record<string, unknown>;
      expect(Object.keys(seen[0]?.triggerMetadata ?? {}).sort()).toEqual(Object.keys(metadata).sort());
      for (const name of ['Query', 'Headers']) expect(json(seen[0]?.triggerMetadata?.[name])).toEqual(json(metadata[name]));
      expect(recordedHttp['url']).toContain(recordedHost);
    });

    it('queue: text, and metadata in the recorded order and forms', async () => {
      const recorded = readRecording<{ in: Recorded }>('queue').in;
      const queue = QueueServiceClient.fromConnectionString(inject('storage')).getQueueClient(`recorded-${process.pid}`);
      await queue.create();
      const register = () => app.storageQueue('recorded', { queueName: queue.name, connection: 'Lake', handler: () => undefined });
      const hostJson = { version: '2.0', extensions: { queues: { maxPollingInterval: '00:00:00.100' } } };
      const seen = await observe(register, { hostJson });
      await queue.sendMessage(Buffer.from('{"b64":1}').toString('base64'));
      await vi.waitFor(() => expect(seen).toHaveLength(1), { timeout: 15_000, interval: 20 });
      expect(sent(seen[0])).toEqual(values(recorded));
      const metadata = unwired(recorded.triggerMetadata) as Record<string, Record<string, string>>;
      const mine = (seen[0]?.triggerMetadata ?? {}) as Record<string, Record<string, string>>;
      expect(Object.keys(mine)).toEqual(Object.keys(metadata));
      const shape = (of: typeof mine) =>
        Object.entries(of).map(([name, data]) => [
          name,
          Object.entries(data).map(([form, text]) => [form, text.replace(/[\dA-Fa-f]/g, '0').length]),
        ]);
      const varying = new Set(['PopReceipt']);
      expect(shape(mine).filter(([name]) => !varying.has(String(name)))).toEqual(
        shape(metadata).filter(([name]) => !varying.has(String(name))),
      );
      for (const name of ['QueueTrigger', 'DequeueCount', 'b64']) expect(mine[name]).toEqual(metadata[name]);
      const lease = (of: typeof mine) => Date.parse(String(json(of['NextVisibleTime']))) - Date.parse(String(json(of['InsertionTime'])));
      // Ten minutes, plus the time until the message was taken (2 s in the recording).
      expect(lease(metadata)).toBe(602_000);
      expect(lease(mine) - 600_000).toBeLessThan(30_000);
      expect(lease(mine)).toBeGreaterThanOrEqual(600_000);
    });

    it('timer: data and metadata', async () => {
      const recorded = readRecording<{ in: Recorded }>('timer-trigger').in;
      const clock = createVirtualClock({ start: new Date('2026-11-22T14:34:05Z') });
      const register = () => app.timer('recorded', { schedule: '*/15 * * * * *', handler: () => undefined });
      const seen = await observe(register, { clock });
      await clock.advance(10_000);
      expect(sent(seen[0]).map(json)).toEqual(values(recorded).map(json));
      expect(seen[0]?.triggerMetadata).toEqual(unwired(recorded.triggerMetadata));
    });
  },
);
