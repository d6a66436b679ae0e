// The writing end of the journal: group commit. While one frame is on its way to the disk, the next one gathers.
// A full disk loses nothing: the frame stays in memory, the file is cut back to its good length, and writing is tried again.
import { join } from 'node:path';
import type { AppendFile, DiskPort } from './journal-disk.ts';
import { encodeFrame, magic } from './journal-frames.ts';

/** One transaction: its number and its patches as JSON text. */
export interface JournalRecord {
  lsn: number;
  text: string;
}

export const journalName = (number: number): string => `journal-${String(number).padStart(8, '0')}.log`;
const retryMs = 500;

interface Waiting {
  record: JournalRecord;
  resolve: () => void;
}

export class JournalWriter {
  readonly #disk: DiskPort;
  readonly #dir: string;
  #file: AppendFile;
  #number: number;
  #length: number;
  /** Bytes of all journals since the last snapshot. */
  #bytes: number;
  #firstNumber: number;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #problem: string | undefined;
  #stopping = false;

  private constructor(disk: DiskPort, dir: string, file: AppendFile, at: { number: number; length: number; bytes: number; first: number }) {
    this.#disk = disk;
    this.#dir = dir;
    this.#file = file;
    this.#number = at.number;
    this.#length = at.length;
    this.#bytes = at.bytes;
    this.#firstNumber = at.first;
  }

  /** Continues the last journal, cut back to its good length, or begins the first. */
  static async open(
    disk: DiskPort,
    dir: string,
    at: { number: number; length: number; bytes: number; first: number },
  ): Promise<JournalWriter> {
    const { file, length } = await begin(disk, dir, at.number, at.length);
    return new JournalWriter(disk, dir, file, { ...at, length });
  }

  /** Resolves when the record is durable. */
  append(record: JournalRecord): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ record, resolve });
      this.#flushing ??= this.#flush();
    });
  }

  async flushed(): Promise<void> {
    while (this.#flushing) await this.#flushing;
  }

  bytesInJournal(): number {
    return this.#bytes;
  }

  blocked(): string | undefined {
    return this.#problem;
  }

  async #flush(): Promise<void> {
    // Everything that is committed in this turn of the event loop shares the frame.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      const frame = encodeFrame(
        Buffer.from(`[${batch.map(({ record }) => `{"lsn":${record.lsn},"tx":${record.text}}`).join(',')}]`, 'utf8'),
      );
      await this.#writeUntilDone(frame);
      this.#length += frame.length;
      this.#bytes += frame.length;
      for (const { resolve } of batch) resolve();
      // Those who waited may have more to commit; give them a turn before the journal goes idle.
      if (this.#waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#flushing = undefined;
  }

  async #writeUntilDone(frame: Buffer): Promise<void> {
    for (;;) {
      try {
        await this.#file.write(frame, this.#length);
        await this.#file.sync();
        this.#problem = undefined;
        return;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        this.#problem = `the journal in ${this.#dir} cannot be written (${message}). Nothing is lost; make room on the disk and the host goes on by itself.`;
        if (this.#stopping) throw new Error(this.#problem, { cause: error });
        await this.#file.truncate(this.#length).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  /** Begins a new journal; returns its number. What was appended before is durable in the old ones. */
  async rotate(): Promise<number> {
    while (this.#flushing) await this.#flushing;
    // Nothing may be appended to the old file from here on: writes gather until the new one is ready.
    let release: () => void = () => undefined;
    this.#flushing = new Promise((resolve) => (release = resolve));
    try {
      const next = this.#number + 1;
      const { file, length } = await begin(this.#disk, this.#dir, next, 0);
      await this.#file.close();
      this.#file = file;
      this.#number = next;
      this.#length = length;
      this.#bytes = length;
      return next;
    } finally {
      this.#flushing = this.#waiting.length > 0 ? this.#flush() : undefined;
      release();
    }
  }

  /** Deletes journals (and older snapshots) that a snapshot has made superfluous. */
  async dropBefore(number: number): Promise<void> {
    for (let old = this.#firstNumber; old < number; old += 1) {
      for (const name of [journalName(old), snapshotName(old)]) {
        await this.#disk.unlink(join(this.#dir, name)).catch((error: unknown) => {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        });
      }
    }
    this.#firstNumber = number;
  }

  async close(): Promise<void> {
    this.#stopping = true;
    await this.flushed().catch(() => undefined);
    await this.#file.close();
  }
}

async function begin(disk: DiskPort, dir: string, number: number, length: number): Promise<{ file: AppendFile; length: number }> {
  const file = await disk.openAppend(join(dir, journalName(number)));
  await file.truncate(length);
  if (length === 0) await file.write(magic, 0);
  await file.sync();
  await disk.syncFolder(dir);
  return { file, length: Math.max(length, magic.length) };
}

/** The snapshot that replaces every journal before this number. */
export const snapshotName = (number: number): string => `snapshot-${String(number).padStart(8, '0')}.snap`;
