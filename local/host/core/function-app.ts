// Loads a Functions v4 app unchanged and invokes its functions exactly as the Node worker would.
// The app sees the real `@azure/functions`; the host is the `@azure/functions-core` module behind it.
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { type AppRegistry, createRegistry, installCoreModule, programmingModel, withRegistry } from './functions-core.ts';
import { createInvoker, type Invocation, type InvocationRequest } from './invocation.ts';
import { type LogSink, silent } from './log.ts';
import type { RpcRetryContext } from './rpc.ts';

export type { Invocation, InvocationRequest } from './invocation.ts';

/** One binding of a function as it was registered: `type` such as `httpTrigger`, plus whatever the trigger needs (route, schedule …). */
export interface RegisteredBinding {
  readonly name: string;
  readonly type: string;
  readonly direction: 'in' | 'out' | 'inout';
  readonly [setting: string]: unknown;
}

/** Function-level retry policy; intervals are as the app gave them (milliseconds or a duration object with seconds). */
export interface RetryOptions {
  readonly strategy?: string;
  readonly retryStrategy?: string;
  readonly maxRetryCount?: number;
  readonly delayInterval?: unknown;
  readonly minimumInterval?: unknown;
  readonly maximumInterval?: unknown;
}

export interface RegisteredFunction {
  readonly name: string;
  readonly bindings: readonly RegisteredBinding[];
  readonly retryOptions?: RetryOptions;
}

export interface FunctionAppOptions {
  /** Receives `context.log` of every level, and the host's own remarks. Default: dropped. */
  log?: LogSink;
  /** What `appStart` hooks see as `functionAppDirectory`. Default: the entry's folder or the working directory. */
  appDirectory?: string;
}

export interface FunctionApp {
  /** By name as registered. Look up without regard to case by `find`. */
  readonly functions: ReadonlyMap<string, RegisteredFunction>;
  /** How many hooks of each kind the app registered. */
  readonly hooks: Readonly<Record<string, number>>;
  /** What the app told the host at `start` (`HttpUri`: where request streams are proxied to, with the header `x-ms-invocation-id`). */
  readonly capabilities: Readonly<Record<string, string>>;
  find(name: string): RegisteredFunction | undefined;
  /** Runs one function with its hooks. Rejects with the very error that the handler (or a hook) threw. */
  invoke(name: string, request: InvocationRequest): Promise<Invocation>;
  /** Runs the `appStart` hooks. */
  start(): Promise<void>;
  /** Runs the `appTerminate` hooks; later invocations are refused. */
  stop(): Promise<void>;
}

export type { RpcRetryContext };

let loads = 0;

/**
 * Imports an app and collects what it registers.
 * @param entry path(s) of the built app, or a function that registers functions itself (tests).
 * @throws Error naming the entry when the app throws at import, registers two functions of one name, or registers none.
 */
export async function loadFunctionApp(
  entry: string | readonly string[] | (() => unknown),
  options: FunctionAppOptions = {},
): Promise<FunctionApp> {
  installCoreModule();
  const registry = createRegistry(options.log ?? silent);
  const label = typeof entry === 'function' ? 'the app' : [entry].flat().join(', ');
  await withRegistry(registry, async () => {
    try {
      if (typeof entry === 'function') await entry();
      else for (const file of [entry].flat()) await importFresh(file);
    } catch (error) {
      throw new Error(`${label} could not be loaded: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  });
  if (registry.functions.size === 0) {
    throw new Error(`${label} registered no function. Check that package.json "main" names the built file that calls app.http, df.app.… .`);
  }
  return createApp(registry, options);
}

/** The second load in one process gets a query string, because Node would answer it from its module cache and register nothing. */
async function importFresh(file: string): Promise<void> {
  const url = pathToFileURL(resolve(file));
  if (loads++ > 0) url.searchParams.set('load', String(loads));
  await import(url.href);
}

function createApp(registry: AppRegistry, options: FunctionAppOptions): FunctionApp {
  const functions = new Map<string, RegisteredFunction>();
  const byLowerName = new Map<string, string>();
  for (const [name, held] of registry.functions) {
    functions.set(name, held.registered);
    byLowerName.set(name.toLowerCase(), name);
  }
  const invoke = createInvoker(registry);
  const capabilities: Record<string, string> = {};
  const appDirectory = options.appDirectory ?? process.cwd();
  let stopped = false;
  return {
    functions,
    capabilities,
    get hooks() {
      return Object.fromEntries([...registry.hooks].map(([kind, list]) => [kind, list.length]));
    },
    find: (name) => functions.get(byLowerName.get(name.toLowerCase()) ?? ''),
    invoke: (name, request) => {
      const known = byLowerName.get(name.toLowerCase());
      if (known === undefined)
        return Promise.reject(new Error(`no function is called '${name}'; there are: ${[...functions.keys()].join(', ')}`));
      if (stopped) return Promise.reject(new Error(`'${name}' was not run: the app has been stopped`));
      return invoke(known, request);
    },
    async start() {
      Object.assign(capabilities, await programmingModel()?.getCapabilities({ ...capabilities }));
      await registry.runHooks('appStart', { hookData: {}, appHookData: registry.appHookData, functionAppDirectory: appDirectory });
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      await registry.runHooks('appTerminate', { hookData: {}, appHookData: registry.appHookData });
    },
  };
}
