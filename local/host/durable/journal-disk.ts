// The few things that the journal does with files, so that a test can fail or watch each of them.
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';

/** A file that grows at its end. */
export interface AppendFile {
  /** Writes all bytes at `at`; rejects on a full disk, perhaps after writing a part. */
  write(bytes: Buffer, at: number): Promise<void>;
  /** Resolves when the bytes survive a power cut. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export interface DiskPort {
  openAppend(path: string): Promise<AppendFile>;
  readAt(place: { path: string; at: number; length: number }): Promise<Buffer>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes a rename or a new file in the folder survive a power cut. */
  syncFolder(dir: string): Promise<void>;
}

export const nodeDisk: DiskPort = {
  async openAppend(path) {
    const handle = await open(path, 'a+').then(async (made) => {
      await made.close();
      return open(path, 'r+');
    });
    return {
      async write(bytes, at) {
        let done = 0;
        while (done < bytes.length) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done);
          done += bytesWritten;
        }
      },
      sync: () => handle.datasync(),
      truncate: (length) => handle.truncate(length),
      close: () => handle.close(),
    };
  },
  async readAt({ path, at, length }) {
    const handle = await open(path, 'r');
    try {
      const bytes = Buffer.alloc(length);
      await handle.read(bytes, 0, length, at);
      return bytes;
    } finally {
      await handle.close();
    }
  },
  rename,
  unlink,
  syncFolder(dir) {
    const handle = openSync(dir, 'r');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    return Promise.resolve();
  },
};
