// Nodes of computes: a job waits, first come first served, until one is free.
/** Waits for nodes. */
export interface Slots {
  /** Resolves to a function that frees the node; to undefined when `signal` ended the wait. */
  take(compute: string, limit: number | undefined, signal: AbortSignal): Promise<(() => void) | undefined>;
}

/** Opens the queues. */
export function createSlots(): Slots {
  const queues = new Map<string, { used: number; waiting: (() => void)[] }>();
  return {
    async take(compute, limit, signal) {
      const queue = queues.get(compute) ?? { used: 0, waiting: [] };
      queues.set(compute, queue);
      let freed = false;
      const free = () => {
        if (freed) return;
        freed = true;
        queue.used -= 1;
        queue.waiting.shift()?.();
      };
      if (signal.aborted) return undefined;
      if (limit === undefined || queue.used < limit) {
        queue.used += 1;
        return free;
      }
      return new Promise((resolve) => {
        const abort = () => {
          queue.waiting = queue.waiting.filter((waiter) => waiter !== go);
          resolve(undefined);
        };
        const go = () => {
          signal.removeEventListener('abort', abort);
          queue.used += 1;
          resolve(free);
        };
        signal.addEventListener('abort', abort, { once: true });
        queue.waiting.push(go);
      });
    },
  };
}
