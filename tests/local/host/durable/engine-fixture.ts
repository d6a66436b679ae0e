// An engine over an app that the test registers itself, reachable by HTTP, with small helpers of a client.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../../../local/host/clock/clock.ts';
import { createSystemClock } from '../../../../local/host/clock/system-clock.ts';
import { type FunctionApp, loadFunctionApp } from '../../../../local/host/core/function-app.ts';
import type { LogEntry } from '../../../../local/host/core/log.ts';
import { createDurableEngine, type DurableEngine, type DurableSettings, type Profile } from '../../../../local/host/durable/engine.ts';
import type { EngineTestHooks } from '../../../../local/host/durable/engine-hooks.ts';
import { createMemoryStore, type Store } from '../../../../local/host/durable/store.ts';

export interface FixtureOptions {
  store?: Store;
  clock?: Clock;
  profile?: Profile;
  settings?: Partial<DurableSettings>;
  hooks?: EngineTestHooks;
  app?: FunctionApp;
}

export interface Status {
  name: string;
  instanceId: string;
  runtimeStatus: string;
  input: unknown;
  customStatus: unknown;
  output: unknown;
  createdTime: string;
  lastUpdatedTime: string;
  historyEvents?: Record<string, unknown>[];
}

export class Fixture {
  readonly engine: DurableEngine;
  readonly app: FunctionApp;
  readonly clock: Clock;
  readonly logs: LogEntry[];
  readonly baseUrl: string;
  readonly #server: Server;

  constructor(parts: { engine: DurableEngine; app: FunctionApp; clock: Clock; logs: LogEntry[]; baseUrl: string; server: Server }) {
    this.engine = parts.engine;
    this.app = parts.app;
    this.clock = parts.clock;
    this.logs = parts.logs;
    this.baseUrl = parts.baseUrl;
    this.#server = parts.server;
  }

  /** A call of the management API, without a socket. */
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.body = typeof body === 'string' ? body : JSON.stringify(body);
      init.headers = { 'content-type': 'application/json', ...headers };
    } else init.headers = headers;
    const response = await this.engine.fetch(new Request(`${this.baseUrl}/runtime/webhooks/durabletask/${path}`, init));
    if (!response) throw new Error(`the engine did not take ${path}`);
    return response;
  }

  async start(name: string, instanceId: string, input?: unknown, query = ''): Promise<string> {
    const response = await this.call(
      'POST',
      `orchestrators/${name}/${instanceId}${query}`,
      input === undefined ? undefined : JSON.stringify(input),
    );
    if (response.status !== 202) throw new Error(`start of ${name} gave ${response.status}: ${await response.text()}`);
    return instanceId;
  }

  async status(id: string, query = ''): Promise<Status> {
    const response = await this.call('GET', `instances/${id}${query}`);
    if (response.status === 404) throw new Error(`no instance ${id}`);
    return (await response.json()) as Status;
  }

  /** Waits until the instance has one of the statuses (default: any final one). */
  async until(id: string, statuses: string[] = ['Completed', 'Failed', 'Terminated'], timeoutMs = 15_000): Promise<Status> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const status = await this.status(id);
      if (statuses.includes(status.runtimeStatus)) return status;
      if (Date.now() > end) throw new Error(`${id} is still ${status.runtimeStatus} after ${timeoutMs} ms: ${JSON.stringify(status)}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async run(name: string, input?: unknown, instanceId = `${name}-${Math.random().toString(16).slice(2)}`): Promise<Status> {
    await this.start(name, instanceId, input);
    return this.until(instanceId);
  }

  raise(id: string, event: string, data: unknown): Promise<Response> {
    return this.call('POST', `instances/${id}/raiseEvent/${event}`, JSON.stringify(data));
  }

  async close(): Promise<void> {
    await this.engine.stop();
    this.clock.close();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
  }
}

/** Starts an engine. `register` registers functions with `@azure/functions` and `durable-functions` as an app does. */
export async function startFixture(register: () => unknown, options: FixtureOptions = {}): Promise<Fixture> {
  const logs: LogEntry[] = [];
  const app = options.app ?? (await loadFunctionApp(register, { log: (entry) => logs.push(entry) }));
  const clock = options.clock ?? createSystemClock();
  const holder: { engine?: DurableEngine } = {};
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      void (async () => {
        const body = Buffer.concat(chunks);
        const bare = request.method === 'GET' || request.method === 'HEAD';
        const answer = await holder.engine?.fetch(
          new Request(`http://${request.headers.host}${request.url}`, {
            method: request.method ?? 'GET',
            headers: Object.entries(request.headers).flatMap(([name, value]) =>
              typeof value === 'string' ? [[name, value] as [string, string]] : [],
            ),
            ...(bare || body.length === 0 ? {} : { body }),
          }),
        );
        response.writeHead(answer?.status ?? 404, Object.fromEntries(answer?.headers ?? []));
        response.end(answer ? Buffer.from(await answer.arrayBuffer()) : undefined);
      })();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const engine = createDurableEngine(
    {
      app,
      clock,
      store: options.store ?? createMemoryStore(),
      profile: options.profile ?? 'bundle',
      settings: { hubName: 'TestHub', ...options.settings },
      baseUrl: () => baseUrl,
      log: (entry) => logs.push(entry),
    },
    options.hooks,
  );
  holder.engine = engine;
  await engine.start();
  return new Fixture({ engine, app, clock, logs, baseUrl, server });
}
