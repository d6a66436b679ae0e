// The Durable Functions engine: everything that the DurableTask extension is to a Functions app, in one process.
// This file holds its outer face; the parts live beside it, one protocol each.
import type { Clock } from '../clock/clock.ts';
import type { FunctionApp } from '../core/function-app.ts';
import type { LogSink } from '../core/log.ts';
import type { RpcTypedData } from '../core/rpc.ts';
import { ClientOperations } from './client-operations.ts';
import { clientBindingData } from './client-binding.ts';
import type { EngineTestHooks } from './engine-hooks.ts';
import { handleManagement } from './management-api.ts';
import { DurableRuntime } from './runtime.ts';
import type { Store } from './store.ts';

/** Which extension is imitated: `bundle` = 3.12 (schema 2, no locks, no failure details), `ext-3.14` = the recordings. */
export type Profile = 'bundle' | 'ext-3.14';

/** `extensions.durableTask` of host.json, as far as it applies. */
export interface DurableSettings {
  hubName: string;
  /** Version of new orchestrations and of this worker. Absent: unversioned. */
  defaultVersion?: string;
  versionMatchStrategy?: 'None' | 'Strict' | 'CurrentOrOlder';
  versionFailureStrategy?: 'Reject' | 'Fail';
  /** Default 10 × cores. */
  maxConcurrentActivityFunctions?: number;
  /** Default 10 × cores; orchestrators and entities together. */
  maxConcurrentOrchestratorFunctions?: number;
  /** `AnyState`: a start replaces a running instance of the same id. Default `NonRunningStates`: it is refused with 409. */
  overridableExistingInstanceStates?: 'NonRunningStates' | 'AnyState';
  /** The key that management URLs carry as `code`; absent = no code parameter. Checking it is the HTTP server's business. */
  systemKey?: string;
  /** `exact`: timers fire no earlier than asked. Default `as-observed`: up to one second early (facts/durable.md §2.9, 7). */
  timers?: 'as-observed' | 'exact';
}

export interface DurableEngineOptions {
  app: FunctionApp;
  store: Store;
  clock: Clock;
  profile?: Profile;
  settings: DurableSettings;
  /** Origin under which the host is reached, such as `http://localhost:7071`; asked when a URL is made. */
  baseUrl(): string;
  log?: LogSink;
}

export interface DurableEngine {
  /** Loads the store and continues whatever was unfinished. */
  start(): Promise<void>;
  /** Takes no new work, waits for running steps, flushes. Idempotent. Unfinished work continues at the next start. */
  stop(): Promise<void>;
  /**
   * Answers `/runtime/webhooks/durabletask/*` (management API) and `/durabletask/*` (the SDK's local RPC base).
   * Undefined when the path is not its own. Keys are not checked here.
   */
  fetch(request: Request): Promise<Response | undefined>;
  /** What a `durableClient` input binding receives: a JSON string with working URLs. */
  clientBinding(): RpcTypedData;
  /** Resolves when no orchestrator, entity or activity is running or ready to run (timers may be pending). */
  idle(): Promise<void>;
}

/** Makes an engine over an app and a store; nothing runs before `start`. `hooks` are for the test host. */
export function createDurableEngine(options: DurableEngineOptions, hooks: EngineTestHooks = {}): DurableEngine {
  const runtime = new DurableRuntime(options, hooks);
  const operations = new ClientOperations(runtime);
  const { settings } = options;
  const { tracker } = runtime;
  const management = {
    operations,
    settings,
    baseUrl: () => options.baseUrl(),
    async sleep(ms: number) {
      tracker.end();
      await new Promise((resolve) => setTimeout(resolve, ms));
      tracker.begin();
    },
  };
  return {
    start: () => runtime.start(),
    stop: () => runtime.stop(),
    fetch: (request) => tracker.during(() => handleManagement(request, management)),
    clientBinding: () => clientBindingData(options.baseUrl(), settings),
    idle: () => runtime.tracker.idle(),
  };
}
