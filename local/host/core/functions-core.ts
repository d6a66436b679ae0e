// The `@azure/functions-core` module that `@azure/functions` requires: a process-wide front with one registry per loaded app.
// It is a singleton because the SDK keeps the first module it gets; registries change behind it.
import Module from 'node:module';
import type { RegisteredBinding, RegisteredFunction } from './function-app.ts';
import type { LogLevel, LogSink } from './log.ts';
import type { ParameterBinding, RpcTypedData } from './rpc.ts';

const coreId = '@azure/functions-core';
/** Versions that the SDK sees; those of the recordings' host. */
const versions = { version: '3.13.0', hostVersion: '4.1048.200' };

export type Handler = (...args: unknown[]) => unknown;
export type HookCallback = (context: Record<string, unknown>) => unknown;

/** The SDK's model of one invocation: arguments in, handler, answer out. */
export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], handler: Handler): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<{ returnValue?: RpcTypedData; outputData?: ParameterBinding[] }>;
}

interface ProgrammingModel {
  getInvocationModel(coreContext: Record<string, unknown>): InvocationModel;
  getCapabilities(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

interface FunctionMetadata {
  name: string;
  bindings: Record<string, Record<string, unknown>>;
  retryOptions?: Record<string, unknown>;
}

/** What one app registered. */
export interface AppRegistry {
  readonly functions: Map<string, { registered: RegisteredFunction; metadata: FunctionMetadata; handler: Handler }>;
  readonly hooks: Map<string, HookCallback[]>;
  readonly appHookData: Record<string, unknown>;
  readonly log: LogSink;
  runHooks(kind: string, context: Record<string, unknown>): Promise<void>;
}

interface Shared {
  current: AppRegistry | undefined;
  model: ProgrammingModel | undefined;
  core: Record<string, unknown>;
}

/** Kept on globalThis so that a second copy of this file (a test runner's module graph) meets the same SDK. */
const sharedKey = Symbol.for('durable-local-host.functions-core');

function shared(): Shared {
  const holder = globalThis as unknown as Record<symbol, Shared | undefined>;
  return (holder[sharedKey] ??= createShared());
}

class Disposable {
  readonly #undo: () => void;
  constructor(undo: () => void) {
    this.#undo = undo;
  }
  dispose(): void {
    this.#undo();
  }
  static from(...disposables: { dispose(): void }[]): Disposable {
    return new Disposable(() => {
      for (const one of disposables) one.dispose();
    });
  }
}

function createShared(): Shared {
  const state: Shared = { current: undefined, model: undefined, core: {} };
  const registry = (what: string): AppRegistry => {
    if (state.current) return state.current;
    throw new Error(`${what} was called outside loadFunctionApp: register functions and hooks while the app's entry module loads.`);
  };
  state.core = {
    ...versions,
    Disposable,
    setProgrammingModel: (model: ProgrammingModel) => void (state.model = model),
    getProgrammingModel: () => state.model,
    registerFunction: (metadata: FunctionMetadata, handler: Handler) =>
      register(registry(`registering '${metadata.name}'`), metadata, handler),
    registerHook: (kind: string, callback: HookCallback) => {
      const { hooks } = registry(`registering a ${kind} hook`);
      const list = hooks.get(kind) ?? [];
      hooks.set(kind, list);
      list.push(callback);
      return new Disposable(() => void list.splice(list.indexOf(callback), 1));
    },
    log: (level: LogLevel, category: 'user' | 'system', message: string) => state.current?.log({ level, category, message }),
  };
  return state;
}

function register(registry: AppRegistry, metadata: FunctionMetadata, handler: Handler): Disposable {
  const { name } = metadata;
  for (const known of registry.functions.keys()) {
    if (known.toLowerCase() === name.toLowerCase()) {
      throw new Error(
        `two functions are called '${name}'${known === name ? '' : ` and '${known}' (case does not count)`}. Give each its own name.`,
      );
    }
  }
  const bindings = Object.entries(metadata.bindings).map(
    ([bindingName, binding]) => ({ ...binding, name: bindingName, direction: binding['direction'] ?? 'in' }) as RegisteredBinding,
  );
  const registered: RegisteredFunction = { name, bindings, ...(metadata.retryOptions ? { retryOptions: metadata.retryOptions } : {}) };
  registry.functions.set(name, { registered, metadata, handler });
  return new Disposable(() => void registry.functions.delete(name));
}

/** An empty registry whose hooks run in order of registration. */
export function createRegistry(log: LogSink): AppRegistry {
  const hooks = new Map<string, HookCallback[]>();
  return {
    functions: new Map(),
    hooks,
    appHookData: {},
    log,
    async runHooks(kind, context) {
      for (const callback of hooks.get(kind) ?? []) await callback(context);
    },
  };
}

/** Registrations made while `run` is pending go to `registry`. Loads of two apps must not overlap. */
export async function withRegistry(registry: AppRegistry, run: () => Promise<void>): Promise<void> {
  const state = shared();
  if (state.current) throw new Error('another app is being loaded in this process; load one after the other.');
  state.current = registry;
  try {
    await run();
  } finally {
    state.current = undefined;
  }
}

/** The SDK's programming model, once any app has registered something. */
export function programmingModel(): ProgrammingModel | undefined {
  return shared().model;
}

/**
 * Makes `require('@azure/functions-core')` answer with the front. Both ways are caught: a CommonJS `require` goes through
 * Module.prototype.require, the loader that runs CommonJS for an ESM import may go straight to Module._load.
 */
export function installCoreModule(): void {
  type Loader = { _load(id: string, ...rest: unknown[]): unknown; prototype: { require(id: string): unknown } };
  const loader = Module as unknown as Loader;
  const mark = Symbol.for('durable-local-host.installed');
  if ((loader as unknown as Record<symbol, unknown>)[mark] === true) return;
  (loader as unknown as Record<symbol, unknown>)[mark] = true;
  const { core } = shared();
  const load = loader._load.bind(loader);
  loader._load = (id, ...rest) => (id === coreId ? core : load(id, ...rest));
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
  const original = loader.prototype.require;
  loader.prototype.require = function (this: unknown, id: string) {
    if (id === coreId) return core;
    const loaded: unknown = original.call(this, id);
    return loaded;
  };
}
