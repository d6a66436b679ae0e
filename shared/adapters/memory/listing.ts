// Ports LakeListing and DeadLetters in memory, under the same rules as those over storage.
import { RejectedError } from '../../errors/errors.ts';
import type { DeadLetters } from '../../ports/dead-letters.ts';
import type { LakeListing, ListedFile } from '../../ports/listing.ts';

/** A listing of the files that are put into it. */
export interface MemoryListing extends LakeListing {
  /** Writes a file or overwrites it. */
  put(path: string, file: Pick<ListedFile, 'eTag' | 'bytes' | 'lastModified'>): void;
  remove(path: string): void;
}

export function createMemoryListing(lake: { account: string; container: string }): MemoryListing {
  const files = new Map<string, ListedFile>();
  return {
    put: (path, file) => void files.set(path, { ...lake, path, ...file }),
    remove: (path) => void files.delete(path),
    async page({ folder, continuation, limit }) {
      if (continuation !== null && !continuation.startsWith('after ')) {
        throw new RejectedError('listing-expired', `${folder}: this is no place in the listing; begin it again.`);
      }
      const after = continuation?.slice('after '.length);
      const left = [...files.values()]
        .filter(({ path }) => path.startsWith(folder) && (after === undefined || path > after))
        .sort((a, b) => (a.path < b.path ? -1 : 1));
      const page = left.slice(0, limit);
      return { files: structuredClone(page), continuation: left.length > limit ? `after ${page.at(-1)?.path}` : null };
    },
  };
}

/** Dead letters that are put into it. */
export interface MemoryDeadLetters extends DeadLetters {
  put(name: string, content: string): void;
}

export function createMemoryDeadLetters(): MemoryDeadLetters {
  const letters = new Map<string, Uint8Array>();
  return {
    put: (name, content) => void letters.set(name, Buffer.from(content, 'utf8')),
    list: async (limit) =>
      [...letters]
        .map(([name, { byteLength }]) => ({ name, bytes: byteLength }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .slice(0, limit),
    async read(name, maxBytes) {
      const content = letters.get(name) ?? null;
      if (content && content.byteLength > maxBytes) {
        throw new RejectedError('file-too-large', `${name}: larger than the ${maxBytes} bytes that are read here.`);
      }
      return content;
    },
    remove: async (name) => void letters.delete(name),
  };
}
