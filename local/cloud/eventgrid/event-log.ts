// What a topic has accepted: one JSON line per event, on disk before the publisher hears of it.
// It grows without limit, as a record that people read; remove the file to start anew.
import { closeSync, createReadStream, fsyncSync, ftruncateSync, fstatSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { CloudEvent } from './cloud-event.ts';

/** One accepted event. */
export interface Accepted {
  /** ISO 8601. */
  readonly acceptedAt: string;
  /** Object id of the principal that sent it. */
  readonly publisher: string;
  readonly event: CloudEvent;
}

/** An open log. */
export interface EventLog {
  /** All of them or none: when it returns they survive a kill, when it throws the file is as before. */
  append(accepted: readonly Accepted[]): void;
  /** The last `limit` of them, oldest first. */
  read(limit: number): Promise<Accepted[]>;
  close(): void;
}

/** Opens the file, or makes it. A line that a kill cut off was never acknowledged and is taken away. */
export function openEventLog(file: string): EventLog {
  mkdirSync(dirname(file), { recursive: true });
  const handle = openSync(file, 'a+', 0o600);
  ftruncateSync(handle, endOfLastLine(handle));
  return {
    append(accepted) {
      if (accepted.length === 0) return;
      const before = fstatSync(handle).size;
      const bytes = Buffer.from(accepted.map((one) => `${JSON.stringify(one)}\n`).join(''), 'utf8');
      try {
        let written = 0;
        while (written < bytes.length) written += writeSync(handle, bytes, written);
        fsyncSync(handle);
      } catch (error) {
        ftruncateSync(handle, before); // half a line would spoil the next one
        throw error;
      }
    },
    async read(limit) {
      const last: string[] = [];
      for await (const line of createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity })) {
        last.push(line);
        if (last.length > limit) last.shift();
      }
      return last.map((line) => JSON.parse(line) as Accepted);
    },
    close() {
      closeSync(handle);
    },
  };
}

function endOfLastLine(handle: number): number {
  const step = 65_536;
  const buffer = Buffer.alloc(step);
  for (let end = fstatSync(handle).size; end > 0; end -= Math.min(step, end)) {
    const start = Math.max(0, end - step);
    const read = readSync(handle, buffer, 0, end - start, start);
    const newline = buffer.subarray(0, read).lastIndexOf(0x0a);
    if (newline >= 0) return start + newline + 1;
  }
  return 0;
}
