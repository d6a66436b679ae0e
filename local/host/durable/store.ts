// What the engine asks of its storage: the state of every instance, changed by transactions that are durable before anybody sees their effects.
// Two implementations: memory, and an append-only journal with snapshots on disk.
import type { InstanceState, InstancePatch } from './instance-state.ts';

/** All changes of one step; they become durable together or not at all. */
export type Transaction = readonly InstancePatch[];

export interface Store {
  /** Reads everything and takes ownership. Called once, first. */
  open(): Promise<void>;
  get(id: string): InstanceState | undefined;
  /** All instances, in order of creation. */
  all(): Iterable<InstanceState>;
  /** The history of an instance as JSON texts, one per event; finished instances' histories may be read from disk. */
  history(id: string): Promise<readonly string[]>;
  /** Applies the changes at once in memory; the promise resolves when they are durable. Order of calls = order on disk. */
  commit(transaction: Transaction): Promise<void>;
  /** Resolves when everything committed so far is durable. */
  flushed(): Promise<void>;
  close(): Promise<void>;
}
