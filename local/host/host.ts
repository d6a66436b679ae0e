// The host as a library: one Functions app, served on one port, with its Durable engine, triggers and data folder.
// `main.ts` is the same as a process.
import { join } from 'node:path';
import type { Clock } from './clock/clock.ts';
import { createSystemClock } from './clock/system-clock.ts';
import { entryFiles } from './config/app-folder.ts';
import { holdDataFolder } from './config/data-folder.ts';
import { hostSettingsOf, readHostSettings, type HostSettings } from './config/host-json.ts';
import type { HostLog } from './config/logging.ts';
import { resolveSettingNames, type AppSettings } from './config/setting-names.ts';
import { HostStartError } from './config/start-error.ts';
import { loadFunctionApp, type FunctionApp } from './core/function-app.ts';
import { createDurableEngine, type DurableEngine, type Profile } from './durable/engine.ts';
import { openJournalStore } from './durable/journal-store.ts';
import { createMemoryStore, type Store } from './durable/store.ts';
import type { ParameterBinding } from './core/rpc.ts';
import { bodyLimitOf, durableSettings, exportHostName, once, within } from './start-parts.ts';
import { createFunctionRoutes } from './triggers/http/function-routes.ts';
import { loadKeyRing, openKeyRing } from './triggers/http/keys.ts';
import { listen } from './triggers/http/server.ts';
import { planFunctions, type Plan, type PlannedFunction } from './triggers/plan.ts';
import { createFileInFlight, createMemoryInFlight } from './triggers/queue/in-flight.ts';
import { createRunner, errorText } from './triggers/runner.ts';
import { createOutputs, createQueueConnections, createTriggers } from './triggers/start-triggers.ts';
import { withTimeLimit } from './triggers/time-limit.ts';
import { createFileStatusStore, createMemoryStatusStore } from './triggers/timer/status-store.ts';

/** What to run and where. Everything but `app` has a default. */
export interface HostOptions {
  /** Folder of a built app (package.json `main`, host.json), or an app that is loaded already. */
  readonly app: string | FunctionApp;
  /** Port on 127.0.0.1; 0 or absent = any free one. */
  readonly port?: number;
  /** Folder for history, timer status and keys. Absent = everything in memory, gone with the host. */
  readonly dataDir?: string;
  /** Where the engine keeps its history, instead of `<dataDir>/durable` or memory. */
  readonly store?: Store;
  readonly clock?: Clock;
  readonly profile?: Profile;
  /** `exact`: timers of orchestrations never fire early (see docs/local-host.md). */
  readonly timers?: 'as-observed' | 'exact';
  /** App settings: connections, `%NAME%`, overrides of host.json. Default: the process environment. The app itself always reads the process's. */
  readonly env?: AppSettings;
  /** Content of host.json for an app that is not a folder, or instead of the folder's. */
  readonly hostJson?: unknown;
  /** Settings read beforehand, instead of `hostJson`. */
  readonly settings?: HostSettings;
  readonly log?: HostLog;
  /** Ask for function keys (kept in the data folder). Default: every caller is admin, as under Core Tools. */
  readonly enableAuth?: boolean;
}

/** One function as the host serves it. */
export interface ServedFunction {
  readonly name: string;
  /** Type of its trigger, such as `httpTrigger`. */
  readonly trigger: string;
}

/** A running host. */
export interface Host {
  /** Origin, `http://localhost:<port>`. */
  readonly url: string;
  readonly port: number;
  readonly app: FunctionApp;
  readonly engine: DurableEngine;
  readonly clock: Clock;
  readonly functions: readonly ServedFunction[];
  /** Runs a timer function once now, or gives a text to a queue function as if it were a message. False when there is no such function. */
  runByHand(functionName: string, input?: string): boolean;
  /** Resolves when no invocation is in flight and the engine has nothing to do at present. */
  idle(): Promise<void>;
  /** Takes no new work, waits up to `drainMs` (10 s) for what is in flight, then ends. Idempotent. */
  stop(drainMs?: number): Promise<void>;
}

const DRAIN_MS = 10_000;
const silent: HostLog = () => undefined;

/** Starts a host. Throws `HostStartError` whose `kind` says whether app, port or data folder is the trouble; nothing is left behind then. */
export async function startHost(options: HostOptions): Promise<Host> {
  const log = options.log ?? silent;
  const undo: (() => unknown)[] = [];
  // Every step is taken, whatever became of the one before; the last thing started ends first.
  const cleanUp = async () => {
    for (const step of undo.reverse().splice(0)) {
      try {
        await step();
      } catch (error) {
        log({ level: 'error', category: 'system', message: `Stopping: ${errorText(error)}` });
      }
    }
  };
  try {
    return await start(options, log, undo, cleanUp);
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

async function start(options: HostOptions, log: HostLog, undo: (() => unknown)[], cleanUp: () => Promise<void>): Promise<Host> {
  const env = options.env ?? process.env;
  const say = (level: 'debug' | 'information' | 'warning', message: string) => log({ level, category: 'system', message });
  const settings = settingsOf(options, env);
  for (const warning of settings.warnings) say('warning', warning);
  for (const remark of settings.withoutEffect) say('debug', remark);

  if (options.dataDir !== undefined) {
    const folder = holdDataFolder(options.dataDir);
    undo.push(() => folder.release());
  }
  const front = await listen({ port: options.port ?? 0, bodyLimit: bodyLimitOf(env), log });
  undo.push(() => front.close());
  undo.push(exportHostName(front.port));

  const app = withTimeLimit(await loadApp(options.app, log), settings.functionTimeoutMs);
  const plan = planFunctions(app, env);
  const keys = options.enableAuth ? loadKeyRing(options.dataDir, [...app.functions.keys()]) : openKeyRing;
  const clock = options.clock ?? createSystemClock();
  if (!options.clock) undo.push(() => clock.close());

  const store =
    options.store ?? (options.dataDir === undefined ? createMemoryStore() : openJournalStore({ dir: join(options.dataDir, 'durable') }));
  const blocked = () => store.blocked();
  const engine = createDurableEngine({
    app,
    store,
    clock,
    settings: {
      ...durableSettings(settings.durableTask),
      ...(keys.systemKey ? { systemKey: keys.systemKey } : {}),
      ...(options.timers ? { timers: options.timers } : {}),
    },
    baseUrl: () => front.origin,
    log: (entry) => log({ source: 'Host.Triggers.DurableTask', ...entry }),
    ...(options.profile ? { profile: options.profile } : {}),
  });

  const extraInputs = (planned: PlannedFunction): ParameterBinding[] =>
    planned.clientInputs.map(({ name }) => ({ name, data: engine.clientBinding() }));
  const connections = createQueueConnections(env);
  const runner = createRunner({ app, clock, log, writeOutputs: createOutputs(plan, settings, env, connections) });
  const inFlight =
    options.dataDir === undefined
      ? createMemoryInFlight()
      : createFileInFlight(options.dataDir, (error) =>
          say('warning', `${error.message}: after a crash, messages in work come back only after ten minutes.`),
        );
  const statuses = options.dataDir === undefined ? createMemoryStatusStore() : createFileStatusStore(options.dataDir);
  const triggers = createTriggers({
    plan,
    settings,
    appSettings: env,
    clock,
    runner,
    log,
    inFlight,
    statuses,
    connections,
    blocked,
    extraInputs,
  });
  const listeners = [...triggers.queues.values(), ...triggers.timers.values()];
  const routes = createFunctionRoutes({
    ...{
      app,
      functions: plan.http,
      routePrefix: settings.routePrefix,
      customHeaders: settings.customHeaders,
      keys,
      runner,
      log,
      bodyLimit: bodyLimitOf(env),
    },
    extraInputs,
    blocked,
    resolve: (text, where) => resolveSettingNames(text, env, where),
  });

  const runByHand = (functionName: string, input = ''): boolean => {
    const timer = triggers.timers.get(functionName);
    timer?.runByHand();
    const queue = timer ? undefined : plan.queue.find((one) => one.registered.name === functionName);
    if (queue) {
      const inputs = [{ name: queue.trigger.name, data: { string: input } }, ...extraInputs(queue)];
      // The runner has logged a failure; nobody waits for the answer.
      runner.run(functionName, 'by hand', { inputs }).catch(() => undefined);
    }
    return timer !== undefined || queue !== undefined;
  };

  await app.start();
  undo.push(() => app.stop());
  undo.push(() => engine.stop());
  await startEngine(engine);
  const admin = { app, plan, routePrefix: settings.routePrefix, baseUrl: front.origin, runByHand };
  front.serve({ admin, routes, keys, engine: (request) => engine.fetch(request) });
  for (const listener of listeners) listener.start();
  for (const line of routes.describe(front.origin)) say('debug', line);
  const counts = `${plan.http.length} HTTP, ${plan.queue.length} queue, ${plan.timer.length} timer, ${plan.durable.length} Durable`;
  say('information', `Serving at ${front.origin}: ${counts} functions (list: ${front.origin}/admin/functions).`);
  if (plan.disabled.size > 0) say('information', `Disabled by app settings: ${[...plan.disabled].join(', ')}`);

  const stopOnce = once(async (drainMs: number) => {
    front.beginStop();
    await Promise.all(listeners.map((listener) => listener.stop()));
    const isDrained = await within(drainMs, async () => {
      await runner.drained();
      await Promise.all(listeners.map((listener) => listener.drained()));
      await front.drained();
    });
    if (!isDrained)
      say('warning', `Not everything in flight had ended after ${drainMs} ms (${runner.running} invocations still run); it was left.`);
    inFlight.close();
    await cleanUp();
  });

  return {
    url: front.origin,
    port: front.port,
    app,
    engine,
    clock,
    functions: servedFunctions(plan),
    runByHand,
    idle: async () => {
      do {
        await runner.drained();
        await engine.idle();
      } while (runner.running > 0);
    },
    stop: (drainMs = DRAIN_MS) => stopOnce(drainMs),
  };
}

function settingsOf(options: HostOptions, env: AppSettings): HostSettings {
  if (options.settings) return options.settings;
  if (options.hostJson !== undefined || typeof options.app !== 'string') return hostSettingsOf(options.hostJson ?? {}, 'host.json', env);
  return readHostSettings(options.app, env);
}

async function loadApp(app: string | FunctionApp, log: HostLog): Promise<FunctionApp> {
  if (typeof app !== 'string') return app;
  const files = entryFiles(app);
  try {
    return await loadFunctionApp(files, { log, appDirectory: app });
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    const stack = cause instanceof Error && cause.stack ? `\n${cause.stack}` : '';
    throw new HostStartError('app', `${(error as Error).message}${stack}`, { cause: error });
  }
}

async function startEngine(engine: DurableEngine): Promise<void> {
  try {
    await engine.start();
  } catch (error) {
    throw new HostStartError('app', `The Durable engine could not start: ${(error as Error).message}`, { cause: error });
  }
}

function servedFunctions(plan: Plan): ServedFunction[] {
  return [...plan.byName.values()].map(({ registered, trigger }) => ({ name: registered.name, trigger: trigger.type }));
}
