// The store on disk: an append-only journal of transactions with group commit and fsync, and snapshots that keep restarts short.
// Waiting transactions share one frame, one write and one fsync; memory changes at once, promises resolve when the disk has it.
import { mkdirSync } from 'node:fs';
import { lockFolder } from './folder-lock.ts';
import { type HistoryEvent } from './history-events.ts';
import type { InstanceState } from './instance-state.ts';
import { type DiskPort, nodeDisk } from './journal-disk.ts';
import { loadFolder, type Located } from './journal-load.ts';
import { JournalWriter, type JournalRecord } from './journal-writer.ts';
import { writeSnapshot } from './snapshot.ts';
import { applyAll, historyOf, type Store, type Transaction } from './store.ts';

export interface JournalOptions {
  /** The data folder; made if missing. One host owns it at a time. */
  dir: string;
  /** A new snapshot is written when the journal since the last one exceeds this, and the last snapshot's size. Default 16 MiB. */
  compactBytes?: number;
  /** Files and fsync; tests make them fail. */
  disk?: DiskPort;
}

/** Opens a data folder. Nothing is read before `open()`. */
export function openJournalStore(options: JournalOptions): Store {
  return new JournalStore(options);
}

class JournalStore implements Store {
  readonly #options: JournalOptions;
  readonly #disk: DiskPort;
  #instances = new Map<string, InstanceState>();
  /** Last transaction that touched an instance: a snapshot taken while work goes on must not apply it twice. */
  #touched = new Map<string, number>();
  /** Where the history of a finished instance lies, once a snapshot holds it. */
  #located = new Map<string, Located>();
  #lsn = 0;
  #writer: JournalWriter | undefined;
  #unlock: (() => void) | undefined;
  #snapshotBytes = 0;
  #compacting: Promise<void> | undefined;
  #closed = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#disk = options.disk ?? nodeDisk;
  }

  async open(): Promise<void> {
    mkdirSync(this.#options.dir, { recursive: true });
    this.#unlock = lockFolder(this.#options.dir);
    try {
      const loaded = await loadFolder(this.#options.dir);
      this.#instances = loaded.instances;
      this.#touched = loaded.touched;
      this.#located = loaded.located;
      this.#lsn = loaded.lsn;
      this.#snapshotBytes = loaded.snapshotBytes;
      this.#writer = await JournalWriter.open(this.#disk, this.#options.dir, loaded.journal);
    } catch (error) {
      this.#unlock();
      throw error;
    }
  }

  get(id: string): InstanceState | undefined {
    return this.#instances.get(id);
  }

  all(): Iterable<InstanceState> {
    return this.#instances.values();
  }

  async history(id: string): Promise<readonly HistoryEvent[]> {
    const inMemory = historyOf(this.#instances.get(id));
    if (inMemory) return inMemory;
    const located = this.#located.get(id);
    return located ? (JSON.parse((await this.#disk.readAt(located)).toString('utf8')) as HistoryEvent[]) : [];
  }

  commit(transaction: Transaction): Promise<void> {
    const writer = this.#open();
    const lsn = ++this.#lsn;
    const record: JournalRecord = { lsn, text: JSON.stringify(transaction) };
    applyAll(this.#instances, transaction);
    for (const patch of transaction) {
      if (this.#instances.has(patch.id)) this.#touched.set(patch.id, lsn);
      else this.#touched.delete(patch.id);
      if (historyOf(this.#instances.get(patch.id)) || !this.#instances.has(patch.id)) this.#located.delete(patch.id);
    }
    const durable = writer.append(record);
    void this.#compactIfLarge();
    return durable;
  }

  flushed(): Promise<void> {
    return this.#open().flushed();
  }

  blocked(): string | undefined {
    return this.#writer?.blocked();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#compacting?.catch(() => undefined);
    await this.#writer?.close();
    this.#unlock?.();
  }

  #open(): JournalWriter {
    if (!this.#writer || this.#closed) throw new Error(`the data folder ${this.#options.dir} is not open.`);
    return this.#writer;
  }

  /** Cost is spread: a snapshot as large as N bytes is written again only after as many bytes of journal. */
  #compactIfLarge(): Promise<void> | undefined {
    const writer = this.#open();
    const limit = Math.max(this.#options.compactBytes ?? 16 * 1024 * 1024, this.#snapshotBytes);
    if (this.#compacting || writer.bytesInJournal() < limit || writer.blocked() !== undefined) return undefined;
    this.#compacting = this.#compact(writer).finally(() => {
      this.#compacting = undefined;
    });
    // A failed snapshot loses nothing (the journals stay); the next commit tries again.
    return this.#compacting.catch(() => undefined);
  }

  async #compact(writer: JournalWriter): Promise<void> {
    const number = await writer.rotate();
    const written = await writeSnapshot(this.#disk, this.#options.dir, number, {
      instances: this.#instances,
      lsnOf: (id) => this.#touched.get(id) ?? 0,
      locate: (id) => this.#located.get(id),
      lsn: () => this.#lsn,
    });
    this.#snapshotBytes = written.bytes;
    for (const [id, { located, lsn }] of written.histories) {
      const state = this.#instances.get(id);
      if (this.#touched.get(id) !== lsn || state?.kind !== 'orchestration') continue;
      state.history = undefined;
      this.#located.set(id, located);
    }
    await writer.dropBefore(number);
  }
}
