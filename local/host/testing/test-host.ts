// A host for tests: the real engine over memory, with time that can be skipped, activities that can be replaced, an order of
// completions that a seed chooses, and a check that every orchestration is deterministic.
import type { VirtualClock } from '../clock/clock.ts';
import { createSystemClock } from '../clock/system-clock.ts';
import { createVirtualClock } from '../clock/virtual-clock.ts';
import type { Clock } from '../clock/clock.ts';
import { type FunctionApp, loadFunctionApp } from '../core/function-app.ts';
import { type LogSink, silent } from '../core/log.ts';
import type { Action } from '../durable/actions.ts';
import { createDurableEngine, type DurableEngine, type DurableSettings, type Profile } from '../durable/engine.ts';
import { isTerminal, type OrchestrationState } from '../durable/instance-state.ts';
import { createMemoryStore, type Store } from '../durable/store.ts';
import { DeterminismCheck } from './determinism.ts';
import { SeededOrder, seededIds, seededRandom, shuffled } from './seeded.ts';

export type ActivitySubstitute = (input: unknown) => unknown;

export interface TestHostOptions {
  /** A built app's path(s), a function that registers functions, or an app that is loaded already. */
  app: string | readonly string[] | (() => unknown) | FunctionApp;
  /** `virtual` (default): time stands until `run`, `advance` or `jumpTo`. */
  clock?: 'virtual' | 'system';
  /** First instant of virtual time. Default 2026-01-01T00:00:00Z. */
  start?: Date;
  /** Same seed, same run: ids, order of turns and of completions. Default 1. */
  seed?: number;
  /** By name: answers instead of the app's activities. A throw fails the attempt. */
  activities?: Record<string, ActivitySubstitute>;
  profile?: Profile;
  settings?: Partial<DurableSettings>;
  /** Default: a fresh memory. */
  store?: Store;
  log?: LogSink;
  /** False: do not replay every orchestration after every step. Default true. */
  checkDeterminism?: boolean;
}

export interface TestStatus {
  id: string;
  name: string;
  status: OrchestrationState['status'];
  output: unknown;
  customStatus: unknown;
}

export interface StartOptions {
  instanceId?: string;
  version?: string;
}

export interface TestHost {
  readonly engine: DurableEngine;
  readonly app: FunctionApp;
  readonly clock: Clock;
  /** The commands of each finished turn, newest last, by instance id. */
  commands(instanceId: string): readonly Action[];
  /** Starts an orchestration; returns its id. Nothing runs before the next await. */
  start(name: string, input?: unknown, options?: StartOptions): Promise<string>;
  /** Starts an orchestration and lets time run until it has ended. */
  run(name: string, input?: unknown, options?: StartOptions): Promise<TestStatus>;
  /** Lets time run until the instance has ended. @throws DeterminismError; Error when it waits for something that time does not bring. */
  finished(instanceId: string): Promise<TestStatus>;
  raise(instanceId: string, event: string, data?: unknown): Promise<void>;
  terminate(instanceId: string, reason: string): Promise<void>;
  suspend(instanceId: string, reason: string): Promise<void>;
  resume(instanceId: string, reason: string): Promise<void>;
  signal(entity: string, key: string, operation: string, input?: unknown): Promise<void>;
  /** State of an entity; undefined when it does not exist. */
  entity(name: string, key: string): Promise<unknown>;
  status(instanceId: string): Promise<TestStatus>;
  /** Waits until everything that needs no time has happened. @throws DeterminismError. */
  settle(): Promise<void>;
  /** Passes virtual time. */
  advance(ms: number): Promise<void>;
  /** Passes virtual time up to an instant. */
  jumpTo(at: Date): Promise<void>;
  /** Time no longer jumps by itself while `run` and `finished` wait. */
  pause(): void;
  stop(): Promise<void>;
}

/** How much real time virtual time may need to find its next event. */
const patienceMs = 120_000;

export async function createTestHost(options: TestHostOptions): Promise<TestHost> {
  const given = options.app;
  const app = typeof given === 'object' && 'invoke' in given ? given : await loadFunctionApp(given, { log: options.log ?? silent });
  const virtual = options.clock === 'system' ? undefined : createVirtualClock(options.start ? { start: options.start } : {});
  const clock = virtual ?? createSystemClock();
  const random = seededRandom(options.seed ?? 1);
  const check = new DeterminismCheck();
  const commands = new Map<string, Action[]>();
  const engine = createDurableEngine(
    {
      app,
      clock,
      store: options.store ?? createMemoryStore(),
      profile: options.profile ?? 'bundle',
      settings: { hubName: 'TestHub', ...options.settings },
      baseUrl: () => 'http://localhost:7071',
      log: options.log ?? silent,
    },
    {
      order: new SeededOrder(random),
      arrange: (ready) => shuffled([...ready].sort(), random),
      newId: seededIds(random),
      substitute(name, input) {
        const own = Object.entries(options.activities ?? {}).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
        return own ? Promise.resolve().then(() => own(input)) : undefined;
      },
      turned: (state, _turn, answer) => void commands.set(state.id, answer.state.actions.flat()),
      ...(options.checkDeterminism === false ? {} : { verify: (state, turn, answer, again) => check.verify(state, turn, answer, again) }),
    },
  );
  await engine.start();
  return new Host({ engine, app, clock, virtual, check, commands });
}

interface Parts {
  engine: DurableEngine;
  app: FunctionApp;
  clock: Clock;
  virtual: VirtualClock | undefined;
  check: DeterminismCheck;
  commands: Map<string, Action[]>;
}

class Host implements TestHost {
  readonly engine: DurableEngine;
  readonly app: FunctionApp;
  readonly clock: Clock;
  readonly #virtual: VirtualClock | undefined;
  readonly #check: DeterminismCheck;
  readonly #commands: Map<string, Action[]>;
  #paused = false;

  constructor(parts: Parts) {
    this.engine = parts.engine;
    this.app = parts.app;
    this.clock = parts.clock;
    this.#virtual = parts.virtual;
    this.#check = parts.check;
    this.#commands = parts.commands;
  }

  commands(instanceId: string): readonly Action[] {
    return this.#commands.get(instanceId) ?? [];
  }

  async #call(method: string, path: string, body?: unknown): Promise<Response> {
    const init: RequestInit = { method };
    if (body !== undefined) Object.assign(init, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
    const response = await this.engine.fetch(new Request(`http://localhost:7071/runtime/webhooks/durabletask/${path}`, init));
    if (!response) throw new Error(`the engine does not know ${path}`);
    return response;
  }

  async #must(method: string, path: string, body?: unknown): Promise<Response> {
    const response = await this.#call(method, path, body);
    if (!response.ok) throw new Error(`${method} ${path} gave ${response.status} ${await response.text()}`);
    return response;
  }

  async start(name: string, input?: unknown, options: StartOptions = {}): Promise<string> {
    const id = options.instanceId === undefined ? '' : `/${encodeURIComponent(options.instanceId)}`;
    const version = options.version === undefined ? '' : `?version=${encodeURIComponent(options.version)}`;
    const response = await this.#must('POST', `orchestrators/${encodeURIComponent(name)}${id}${version}`, input);
    return ((await response.json()) as { id: string }).id;
  }

  async run(name: string, input?: unknown, options: StartOptions = {}): Promise<TestStatus> {
    return this.finished(await this.start(name, input, options));
  }

  async finished(instanceId: string): Promise<TestStatus> {
    const until = Date.now() + patienceMs;
    for (;;) {
      await this.settle();
      const status = await this.status(instanceId);
      if (isTerminal(status.status)) return status;
      const moved = this.#virtual && !this.#paused ? await this.#virtual.step() : await realPause(this.#virtual === undefined);
      if (!moved)
        throw new Error(
          `'${instanceId}' (${status.name}) is ${status.status} and waits for something that time does not bring: no timer is set. Raise its event first.`,
        );
      if (Date.now() > until)
        throw new Error(
          `'${instanceId}' (${status.name}) is still ${status.status} after ${patienceMs} ms of real time, at ${this.clock.now().toISOString()}.`,
        );
    }
  }

  async raise(instanceId: string, event: string, data: unknown = null): Promise<void> {
    await this.#must('POST', `instances/${encodeURIComponent(instanceId)}/raiseEvent/${encodeURIComponent(event)}`, data);
  }

  async terminate(instanceId: string, reason: string): Promise<void> {
    await this.#must('POST', `instances/${encodeURIComponent(instanceId)}/terminate?reason=${encodeURIComponent(reason)}`);
  }

  async suspend(instanceId: string, reason: string): Promise<void> {
    await this.#must('POST', `instances/${encodeURIComponent(instanceId)}/suspend?reason=${encodeURIComponent(reason)}`);
  }

  async resume(instanceId: string, reason: string): Promise<void> {
    await this.#must('POST', `instances/${encodeURIComponent(instanceId)}/resume?reason=${encodeURIComponent(reason)}`);
  }

  async signal(entity: string, key: string, operation: string, input?: unknown): Promise<void> {
    await this.#must(
      'POST',
      `entities/${encodeURIComponent(entity)}/${encodeURIComponent(key)}?op=${encodeURIComponent(operation)}`,
      input,
    );
  }

  async entity(name: string, key: string): Promise<unknown> {
    const response = await this.#call('GET', `entities/${encodeURIComponent(name)}/${encodeURIComponent(key)}`);
    return response.status === 404 ? undefined : await response.json();
  }

  async status(instanceId: string): Promise<TestStatus> {
    const response = await this.#call('GET', `instances/${encodeURIComponent(instanceId)}`);
    if (response.status === 404) throw new Error(`there is no instance '${instanceId}'`);
    const status = (await response.json()) as {
      name: string;
      instanceId: string;
      runtimeStatus: TestStatus['status'];
      output: unknown;
      customStatus: unknown;
    };
    return {
      id: status.instanceId,
      name: status.name,
      status: status.runtimeStatus,
      output: status.output,
      customStatus: status.customStatus,
    };
  }

  async settle(): Promise<void> {
    await (this.#virtual ? this.#virtual.idle(patienceMs) : this.engine.idle());
    const [problem] = this.#check.problems;
    if (problem) throw problem;
  }

  async advance(ms: number): Promise<void> {
    await this.#need('advance').advance(ms);
    await this.settle();
  }

  async jumpTo(at: Date): Promise<void> {
    await this.#need('jumpTo').jumpTo(at);
    await this.settle();
  }

  pause(): void {
    this.#paused = true;
  }

  #need(what: string): VirtualClock {
    if (this.#virtual) return this.#virtual;
    throw new Error(`${what} needs virtual time; this host runs on the system clock.`);
  }

  async stop(): Promise<void> {
    await this.engine.stop();
    this.clock.close();
  }
}

async function realPause(waiting: boolean): Promise<boolean> {
  if (waiting) await new Promise((resolve) => setTimeout(resolve, 2));
  return waiting;
}
