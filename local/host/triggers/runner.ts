// Runs a function for a trigger: hold of the clock, output bindings, one log line per outcome, and the count of what is in flight.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock/clock.ts';
import type { HostLog } from '../config/logging.ts';
import type { FunctionApp, Invocation, InvocationRequest } from '../core/function-app.ts';

/** Takes what a function returned to output bindings before the invocation counts as done. */
export type OutputWriter = (functionName: string, invocation: Invocation) => Promise<void>;

/** Runs functions of one app. */
export interface Runner {
  /** Runs one invocation. `reason` says why, for the log. Rejects when the function or an output fails. */
  run(functionName: string, reason: string, request: InvocationRequest): Promise<Invocation>;
  /** Invocations that have begun and not ended. */
  readonly running: number;
  /** Resolves when nothing runs any more. */
  drained(): Promise<void>;
}

/** What a runner needs. */
export interface RunnerOptions {
  readonly app: FunctionApp;
  readonly clock: Clock;
  readonly log: HostLog;
  readonly writeOutputs: OutputWriter;
}

/** Creates a runner. */
export function createRunner(options: RunnerOptions): Runner {
  const { app, clock, log } = options;
  const running = new Set<Promise<unknown>>();

  async function run(functionName: string, reason: string, request: InvocationRequest): Promise<Invocation> {
    const invocationId = request.invocationId ?? randomUUID();
    const traceContext = request.traceContext ?? { traceParent: '', traceState: '', attributes: {} };
    const say = (level: 'debug' | 'information' | 'error', message: string) => {
      log({ level, category: 'system', functionName, invocationId, message });
    };
    const release = clock.hold(`function ${functionName}`);
    const started = performance.now();
    const took = () => `${Math.round(performance.now() - started)} ms`;
    say('debug', `Executing (${reason}, Id=${invocationId})`);
    try {
      const invocation = await app.invoke(functionName, { ...request, invocationId, traceContext });
      await options.writeOutputs(functionName, invocation);
      say('information', `Executed (Succeeded, ${reason}, Id=${invocationId}, ${took()})`);
      return invocation;
    } catch (error) {
      say('error', `Executed (Failed, ${reason}, Id=${invocationId}, ${took()}): ${errorText(error)}`);
      throw error;
    } finally {
      release();
    }
  }

  return {
    run(functionName, reason, request) {
      const invocation = run(functionName, reason, request);
      const settled = invocation.catch(() => undefined).finally(() => running.delete(settled));
      running.add(settled);
      return invocation;
    },
    get running() {
      return running.size;
    },
    async drained() {
      while (running.size > 0) await Promise.allSettled(running);
    },
  };
}

/** The stack of an error, or what was thrown, for the log. */
export function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : String(error);
}
