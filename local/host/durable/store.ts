// What the engine asks of its storage: the state of every instance, changed by transactions that are durable before anybody sees their effects.
// Two implementations: memory (here), and an append-only journal with snapshots on disk (journal-store.ts).
import type { HistoryEvent } from './history-events.ts';
import { applyPatch, type InstancePatch, type InstanceState } from './instance-state.ts';

/** All changes of one step; they become durable together or not at all. */
export type Transaction = readonly InstancePatch[];

export interface Store {
  /** Reads everything and takes ownership. Called once, first. */
  open(): Promise<void>;
  get(id: string): InstanceState | undefined;
  /** All instances, in order of creation. */
  all(): Iterable<InstanceState>;
  /** The history of an orchestration; that of a finished one may be read from disk. Empty for an unknown id. */
  history(id: string): Promise<readonly HistoryEvent[]>;
  /** Applies the changes at once in memory; the promise resolves when they are durable. Order of calls = order on disk. */
  commit(transaction: Transaction): Promise<void>;
  /** Resolves when everything committed so far is durable. */
  flushed(): Promise<void>;
  /** Why nothing can be stored at present (disk full); undefined = all is well. */
  blocked(): string | undefined;
  close(): Promise<void>;
}

/** Keeps everything in memory: for tests, and for measuring what the disk costs. */
export function createMemoryStore(): Store {
  const instances = new Map<string, InstanceState>();
  const durable = Promise.resolve();
  return {
    open: () => durable,
    get: (id) => instances.get(id),
    all: () => instances.values(),
    history: (id) => Promise.resolve(historyOf(instances.get(id)) ?? []),
    commit(transaction) {
      applyAll(instances, transaction);
      return durable;
    },
    flushed: () => durable,
    blocked: () => undefined,
    close: () => durable,
  };
}

/** Applies a transaction to a map of states. */
export function applyAll(instances: Map<string, InstanceState>, transaction: Transaction): void {
  for (const patch of transaction) {
    const next = applyPatch(instances.get(patch.id), patch);
    if (next) instances.set(patch.id, next);
    else instances.delete(patch.id);
  }
}

/** The history in memory; undefined for an entity, an unknown instance, or one whose history lies on disk. */
export const historyOf = (state: InstanceState | undefined): HistoryEvent[] | undefined =>
  state?.kind === 'orchestration' ? state.history : undefined;
