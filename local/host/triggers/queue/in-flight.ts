// Remembers on disk which messages are being worked on, so that a host that was killed gives them back at its next start
// instead of leaving them hidden until their visibility runs out (ten minutes). One host owns the data folder, so they are surely its own.
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A message that was taken and not finished. */
export interface Taken {
  readonly connection: string | undefined;
  readonly queue: string;
  readonly id: string;
  readonly popReceipt: string;
}

/** The messages in work. */
export interface InFlight {
  /** What the host before this one left unfinished in a queue; empty after a clean stop. Each is to be ended once it was given back. */
  takeLeftOver(queue: string, connection: string | undefined): Taken[];
  begin(message: Taken): void;
  /** Replaces the receipt after the visibility was prolonged. */
  renew(message: Taken): void;
  end(id: string): void;
  /** Removes the file when nothing is in work. */
  close(): void;
}

/** Lines in the file before it is written anew. */
const REWRITE_AFTER = 2000;

/** In memory only: nothing survives. */
export function createMemoryInFlight(): InFlight {
  return { takeLeftOver: () => [], begin: () => undefined, renew: () => undefined, end: () => undefined, close: () => undefined };
}

/**
 * Kept as lines in `<dataFolder>/queue-in-flight.ndjson`. Losing a line (power cut, full disk) only costs the ten minutes,
 * so nothing is flushed and a failed write is reported once and otherwise let be.
 */
export function createFileInFlight(dataFolder: string, onError: (error: Error) => void): InFlight {
  const file = join(dataFolder, 'queue-in-flight.ndjson');
  let leftOver = [...readLines(file).values()];
  const current = new Map<string, Taken>();
  // A rewrite at the first message drops what earlier hosts ended.
  let lines = REWRITE_AFTER;
  let hasFailed = false;
  const write = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      if (!hasFailed) onError(error as Error);
      hasFailed = true;
    }
  };
  const append = (line: Taken | { end: string }): void => {
    write(() => {
      lines += 1;
      if (lines < REWRITE_AFTER) appendFileSync(file, `${JSON.stringify(line)}\n`, { mode: 0o600 });
      else writeFileSync(file, [...leftOver, ...current.values()].map((taken) => `${JSON.stringify(taken)}\n`).join(''), { mode: 0o600 });
      if (lines >= REWRITE_AFTER) lines = leftOver.length + current.size;
    });
  };
  const put = (message: Taken) => {
    current.set(message.id, message);
    append(message);
  };
  return {
    takeLeftOver(queue, connection) {
      const isOf = (taken: Taken) => taken.queue === queue && taken.connection === connection;
      const found = leftOver.filter(isOf);
      leftOver = leftOver.filter((taken) => !isOf(taken));
      for (const taken of found) current.set(taken.id, taken);
      return found;
    },
    begin: put,
    renew: put,
    end(id) {
      current.delete(id);
      append({ end: id });
    },
    close: () => {
      if (leftOver.length + current.size === 0) write(() => rmSync(file, { force: true }));
    },
  };
}

function readLines(file: string): Map<string, Taken> {
  const found = new Map<string, Taken>();
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return found;
  }
  for (const line of text.split('\n')) {
    const entry = parse(line);
    if (entry?.end !== undefined) found.delete(entry.end);
    else if (entry?.id !== undefined && entry.queue !== undefined && entry.popReceipt !== undefined) {
      found.set(entry.id, { connection: entry.connection, queue: entry.queue, id: entry.id, popReceipt: entry.popReceipt });
    }
  }
  return found;
}

/** The last line may be cut short. */
function parse(line: string): (Partial<Taken> & { end?: string }) | undefined {
  try {
    return JSON.parse(line) as Partial<Taken> & { end?: string };
  } catch {
    return undefined;
  }
}
