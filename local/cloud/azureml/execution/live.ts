// A job that is being run: how it is stopped, what it waits for, and its process.
import type { Clock } from '../../kit/clock.ts';
import type { ManagedProcess } from '../../kit/process.ts';

/** How a job ended. */
export interface Outcome {
  readonly status: 'Completed' | 'Failed' | 'Canceled';
  readonly reason?: string;
}

export const failed = (reason: string): Outcome => ({ status: 'Failed', reason });
export const COMPLETED: Outcome = { status: 'Completed' };

/** A live job. The first stop counts. */
export interface Live {
  readonly signal: AbortSignal;
  /** Why it is being stopped, if it is. */
  stopped(): Outcome | undefined;
  stop(outcome: Outcome): void;
  /** SIGKILL to its process, as the kernel does when memory is out; false when there is none. */
  kill(): boolean;
  /** Binds the process while it lives; gives back how it ends to `stop`. */
  attach(process: ManagedProcess): void;
  detach(): void;
  /** Waits on the stand-in's clock; ends early when the job is stopped. */
  sleep(clock: Clock, ms: number): Promise<void>;
}

/** Opens a live job; it is stopped together with its parent. */
export function createLive(graceMs: number | undefined, parent?: Live): Live {
  const controller = new AbortController();
  let outcome: Outcome | undefined;
  let process: ManagedProcess | undefined;
  const live: Live = {
    signal: controller.signal,
    stopped: () => outcome,
    stop(why) {
      if (outcome) return;
      outcome = why;
      controller.abort();
      void process?.stop(graceMs);
    },
    kill() {
      if (process?.pid === undefined || process.end()) return false;
      try {
        globalThis.process.kill(-process.pid, 'SIGKILL');
        return true;
      } catch {
        return false; // it ended in this moment
      }
    },
    attach(started) {
      process = started;
      if (outcome) void started.stop(graceMs);
    },
    detach() {
      process = undefined;
    },
    async sleep(clock, ms) {
      const until = clock.now() + ms;
      while (clock.now() < until && !outcome) await new Promise((resolve) => setTimeout(resolve, Math.min(until - clock.now(), 25)));
    },
  };
  if (parent) {
    const inherit = () => {
      live.stop(parent.stopped() ?? { status: 'Canceled' });
    };
    if (parent.stopped()) inherit();
    else parent.signal.addEventListener('abort', inherit, { once: true });
  }
  return live;
}
