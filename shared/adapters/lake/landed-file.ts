// A landed file in the work folder: proved to be the version of the event with the content of the ledger, and UTF-8.
// Rows are read back from it by their place, so that what is set aside is what the file holds.
import type { ContainerClient } from '@azure/storage-blob';
import { open, type FileHandle } from 'node:fs/promises';
import { RejectedError } from '../../errors/errors.ts';
import { downloadBlob } from './storage.ts';
import { findMalformed } from './csv/utf8.ts';

/** A landed file as the ledger knows it. */
export interface LandedFile {
  path: string;
  sha256: string;
  eTag: string;
}

/** Copies the blob to `local`. Rejects `blob-gone`, `blob-changed`, `not-utf8`. */
export async function fetchLanded(container: ContainerClient, file: LandedFile, local: string): Promise<void> {
  const found = await downloadBlob(container, file.path, file.eTag, local);
  if (found.sha256 !== file.sha256)
    throw new RejectedError(
      'blob-changed',
      `${file.path}: SHA-256 is ${found.sha256}, the event's was ${file.sha256}. The newer event decides.`,
    );
  const malformed = await findMalformed(local);
  if (malformed === null) return;
  const utf16 = malformed.offset === 0 && (malformed.byte === 0xff || malformed.byte === 0xfe);
  throw new RejectedError(
    'not-utf8',
    `${file.path}, line ${malformed.line}: byte 0x${malformed.byte.toString(16).padStart(2, '0')} at offset ${malformed.offset} is not UTF-8` +
      `${utf16 ? ' (the file begins like UTF-16)' : ''} (rule encoding). Mend: save the file as UTF-8 and drop it again.`,
  );
}

/** Reads rows of local files by their place. */
export interface RowReader {
  read(file: number, offset: number, length: number): Promise<string>;
  close(): Promise<void>;
}

export function createRowReader(files: readonly string[]): RowReader {
  const handles = new Map<number, FileHandle>();
  return {
    async read(file, offset, length) {
      const handle = handles.get(file) ?? (await open(files[file]!, 'r'));
      handles.set(file, handle);
      const buffer = Buffer.alloc(length);
      await handle.read(buffer, 0, length, offset);
      return buffer.toString('utf8');
    },
    async close() {
      for (const handle of handles.values()) await handle.close();
      handles.clear();
    },
  };
}
