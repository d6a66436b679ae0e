// Small durable state of a stand-in: one JSON file, replaced by rename, so that a kill at any moment leaves the old or the new state.
// For kilobytes, not for data: every save writes the whole document.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** A document in memory that is on disk after every `save()`. */
export interface State<T> {
  /** The live document: change it in place, then `save()`. */
  readonly value: T;
  /** Writes the document (synchronously: when it returns, a kill loses nothing). */
  save(): void;
  /** Changes the document and saves it; returns what the change returns. */
  update<R>(change: (value: T) => R): R;
}

/**
 * Opens the document in `file`, or starts with `initial` where there is no file yet.
 * Throws when the file exists but is not JSON: a stand-in must not forget silently.
 */
export function openState<T>(file: string, initial: T): State<T> {
  const path = resolve(file);
  mkdirSync(dirname(path), { recursive: true });
  const value = load(path, initial);
  const save = () => {
    write(path, JSON.stringify(value, null, 1));
  };
  return {
    value,
    save,
    update(change) {
      const result = change(value);
      save();
      return result;
    },
  };
}

/** Replaces a file as a whole: other readers see the old or the new content, never a part. */
export function write(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  const handle = openSync(temporary, 'w', 0o600);
  try {
    let written = 0;
    while (written < bytes.length) written += writeSync(handle, bytes, written);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(temporary, path);
}

function load<T>(path: string, initial: T): T {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return structuredClone(initial);
    throw error;
  }
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(`The state file ${path} is not JSON. Move it away to start empty.`, { cause: error });
  }
}
