// A table's storage that remembers commit files for the time of one piece of work: they never change once they are written, and a
// piece of work looks at the log many times.
import type { TableStorage } from '../delta/table-storage.ts';

const COMMIT = /_delta_log\/\d{20}\.json$/;
/** Larger ones are rare, and memory is for rows. */
const MOST_BYTES = 1024 * 1024;

/** Whether the last line is whole: a writer without conditional puts may still be writing. */
function isWhole(content: Buffer): boolean {
  const text = content.toString('utf8').trimEnd();
  try {
    JSON.parse(text.slice(text.lastIndexOf('\n') + 1));
    return true;
  } catch {
    return false;
  }
}

export function rememberCommits(storage: TableStorage): TableStorage {
  const known = new Map<string, Buffer>();
  return {
    ...storage,
    async read(name, maxBytes) {
      const before = known.get(name);
      if (before) return before;
      const content = await storage.read(name, maxBytes);
      if (content !== null && COMMIT.test(name) && content.length <= MOST_BYTES && isWhole(content)) known.set(name, content);
      return content;
    },
  };
}
