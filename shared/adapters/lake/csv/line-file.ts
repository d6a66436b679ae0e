// Appends lines to a local file through one buffer: synchronous appends while a block is scanned, one write between blocks.
import { open, type FileHandle } from 'node:fs/promises';

export interface LineFile {
  readonly file: string;
  readonly lines: number;
  /** Adds `prefix`, the bytes and a line feed. */
  append(prefix: string, bytes: Uint8Array): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export async function createLineFile(file: string): Promise<LineFile> {
  const handle: FileHandle = await open(file, 'wx', 0o600);
  let buffer = Buffer.allocUnsafe(2 * 1024 * 1024);
  let used = 0;
  let lines = 0;
  const flush = async () => {
    if (used > 0) await handle.write(buffer, 0, used);
    used = 0;
  };
  return {
    file,
    get lines() {
      return lines;
    },
    append(prefix, bytes) {
      const needed = used + Buffer.byteLength(prefix) + bytes.length + 1;
      if (needed > buffer.length) {
        const larger = Buffer.allocUnsafe(Math.max(needed, buffer.length * 2));
        buffer.copy(larger, 0, 0, used);
        buffer = larger;
      }
      used += buffer.write(prefix, used);
      buffer.set(bytes, used);
      used += bytes.length;
      buffer[used] = 10;
      used += 1;
      lines += 1;
    },
    flush,
    async close() {
      try {
        await flush();
      } finally {
        await handle.close();
      }
    },
  };
}
