// A table's storage in memory that keeps the same promises as blob storage. Every call first waits for its turn, so that a test
// decides in which order the calls of several writers happen; files carry the time of a clock that the test sets.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { TableStorage } from '../../../../../shared/adapters/lake/delta/table-storage.ts';
import { RejectedError } from '../../../../../shared/errors/errors.ts';

export interface MemoryStorage extends TableStorage {
  files: Map<string, { content: Buffer; modified: number }>;
  /** Milliseconds since the epoch that files written from now on carry. */
  now: number;
  /** Awaited before each call; may throw in its place. */
  turn: (call: string) => Promise<void>;
  text(name: string): string;
}

export const sha256 = (content: Uint8Array | string) => createHash('sha256').update(content).digest('hex');

export function memoryStorage(): MemoryStorage {
  const files: MemoryStorage['files'] = new Map();
  const found = (content: Buffer) => ({ sha256: sha256(content), bytes: content.length });
  const storage: MemoryStorage = {
    name: 'memory',
    files,
    now: Date.UTC(2026, 0, 1),
    turn: async () => Promise.resolve(),
    text: (name) => files.get(name)!.content.toString('utf8'),
    async *list(prefix) {
      await storage.turn(`LIST ${prefix}`);
      for (const name of [...files.keys()].filter((each) => each.startsWith(prefix)).sort()) {
        const file = files.get(name);
        if (file) yield { name, bytes: file.content.length, modified: file.modified };
      }
    },
    async read(name) {
      await storage.turn(`GET ${name}`);
      return files.get(name)?.content ?? null;
    },
    async create(name, content) {
      await storage.turn(`PUT ${name}`);
      if (files.has(name)) return 'exists';
      files.set(name, { content, modified: storage.now });
      return 'created';
    },
    async put(name, content) {
      await storage.turn(`PUT ${name}`);
      files.set(name, { content, modified: storage.now });
    },
    async download(name, file) {
      await storage.turn(`GET ${name}`);
      const there = files.get(name);
      if (!there) throw new RejectedError('blob-gone', `${name}: the blob does not exist any more.`);
      await writeFile(file, there.content, { flag: 'wx' });
      return found(there.content);
    },
    async upload(name, file, { sha256: expected }) {
      await storage.turn(`PUT ${name}`);
      const content = await readFile(file);
      const there = files.get(name);
      if (there && sha256(there.content) !== expected)
        throw new RejectedError('file-differs', `${name}: another content has this name already.`);
      if (!there) files.set(name, { content, modified: storage.now });
    },
    async remove(name) {
      await storage.turn(`DELETE ${name}`);
      files.delete(name);
    },
  };
  return storage;
}

/** Lets waiting calls go on one at a time, in an order that only the seed decides. */
export function seededTurns(seed: number): { turn: () => Promise<void>; pause: () => Promise<void>; run<T>(work: Promise<T>): Promise<T> } {
  const waiting: (() => void)[] = [];
  let state = seed * 2654435761 + 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const turn = async () => new Promise<void>((go) => void waiting.push(go));
  return {
    turn,
    pause: turn,
    async run(work) {
      let open = true;
      const closing = work.finally(() => (open = false));
      closing.catch(() => undefined);
      while (open) {
        // Everything that can run without a turn runs first.
        await new Promise((calm) => setImmediate(calm));
        if (waiting.length > 0) waiting.splice(random(waiting.length), 1)[0]!();
      }
      return closing;
    },
  };
}
