// A landed file in the work folder: proved to be the version of the event with the content of the ledger; CSV as UTF-8 text.
// Rows are read back from it by their place, so that what is set aside is what the file holds.
import type { ContainerClient } from '@azure/storage-blob';
import { open, type FileHandle } from 'node:fs/promises';
import { RejectedError } from '../../errors/errors.ts';
import { writeBytes, writeText, type Encoding } from './csv/decode.ts';
import type { UnpackLimits } from './csv/gunzip.ts';
import { readingBlob, type BlobReading } from './storage.ts';

/** A landed file as the ledger knows it; null where nobody knows (a file that is only looked at). */
export interface LandedFile {
  path: string;
  sha256: string | null;
  eTag: string | null;
  /** Whose it is, where a pipeline has several sources. */
  source?: string | undefined;
}

/** Opens a landed file: a blob of the lake, or what a caller brought along. */
export type ReadLanded = (file: LandedFile) => BlobReading;

/** Reads from the lake's container. */
export function readFrom(container: ContainerClient): ReadLanded {
  return (file) => readingBlob(container, file.path, file.eTag);
}

/** Copies the file to `local` byte for byte; gives its length. Rejects `blob-gone`, `blob-changed`. */
export async function fetchLanded(read: ReadLanded, file: LandedFile, local: string): Promise<number> {
  const reading = read(file);
  const bytes = await writeBytes(reading.chunks, local);
  refuseOther(file, reading.streamed().sha256);
  return bytes;
}

/**
 * Writes the text of a CSV file to `local` as UTF-8 without a byte order mark, unpacked when its name ends with `.gz`; gives the length
 * of the text. Rejects `blob-gone`, `blob-changed`, and what `writeText` refuses.
 */
export async function fetchText(
  read: ReadLanded,
  file: LandedFile,
  encoding: Encoding,
  limits: UnpackLimits,
  local: string,
): Promise<number> {
  const reading = read(file);
  const bytes = await writeText(reading.chunks, { path: file.path, encoding }, limits, local);
  refuseOther(file, reading.streamed().sha256);
  return bytes;
}

function refuseOther(file: LandedFile, sha256: string): void {
  if (file.sha256 === null || sha256 === file.sha256) return;
  throw new RejectedError('blob-changed', `${file.path}: SHA-256 is ${sha256}, the event's was ${file.sha256}. The newer event decides.`);
}

/** Reads rows of local files by their place. */
export interface RowReader {
  read(file: number, offset: number, length: number): Promise<string>;
  close(): Promise<void>;
}

/** Open files at one time: a dataset may have ten thousand. */
const MAX_OPEN = 16;

/** Reads from `files` by number; keeps the few that were used last open. */
export function createRowReader(files: (n: number) => string): RowReader {
  const handles = new Map<number, FileHandle>();
  async function handleOf(file: number): Promise<FileHandle> {
    const known = handles.get(file);
    // Taken out and put back: the map's order is the order of use.
    if (known) handles.delete(file);
    const handle = known ?? (await open(files(file), 'r'));
    handles.set(file, handle);
    if (handles.size > MAX_OPEN) {
      const [oldest, idle] = handles.entries().next().value!;
      handles.delete(oldest);
      await idle.close();
    }
    return handle;
  }
  return {
    async read(file, offset, length) {
      const handle = await handleOf(file);
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
