// What a table needs of the place where it is kept: reads, one conditional create that decides every race, and a listing in order.
// Blob storage is the real one; whatever keeps these promises can stand in for it.
import type { ContainerClient } from '@azure/storage-blob';
import { RejectedError } from '../../../errors/errors.ts';
import { CALL_MS, createBlob, downloadBlob, putBlob, readBlob, storageError, uploadFile, type Streamed } from '../storage.ts';

/** A file below the table's root. */
export interface StoredFile {
  name: string;
  bytes: number;
  /** When it was last written, milliseconds since the epoch. */
  modified: number;
}

/** Names are whole names in the container. Errors are ours (`blob-gone`, `storage-…`). */
export interface TableStorage {
  /** For messages. */
  readonly name: string;
  /** Files whose names begin with `prefix`, in the order of their names. */
  list(prefix: string): AsyncIterable<StoredFile>;
  /** The whole of a small file; null when absent. */
  read(name: string, maxBytes: number): Promise<Buffer | null>;
  /** Writes unless the name is taken; readers see all of it or nothing. */
  create(name: string, content: Buffer, contentType: string): Promise<'created' | 'exists'>;
  put(name: string, content: Buffer, contentType: string): Promise<void>;
  /** Copies into a new local file. Rejects `blob-gone`. */
  download(name: string, file: string): Promise<Streamed>;
  /** Uploads a local file unless this very content is there. Rejects `file-differs`. */
  upload(name: string, file: string, found: Streamed): Promise<void>;
  /** Removes a file; absent is fine. */
  remove(name: string): Promise<void>;
}

/** Whole listings of large tables take many pages. */
const LIST_MS = 5 * CALL_MS;

/** Tables in a blob container. */
export function blobStorage(container: ContainerClient): TableStorage {
  return {
    name: container.containerName,
    async *list(prefix) {
      try {
        for await (const blob of container.listBlobsFlat({ prefix, abortSignal: AbortSignal.timeout(LIST_MS) }))
          yield { name: blob.name, bytes: blob.properties.contentLength ?? 0, modified: blob.properties.lastModified.getTime() };
      } catch (error) {
        throw storageError(error, `${container.containerName}/${prefix}`);
      }
    },
    read: async (name, maxBytes) => readBlob(container, name, maxBytes),
    create: async (name, content, contentType) => createBlob(container, name, content, contentType),
    put: async (name, content, contentType) => putBlob(container, name, content, contentType),
    download: async (name, file) => downloadBlob(container, name, null, file),
    upload: async (name, file, found) => uploadFile(container, name, file, found),
    async remove(name) {
      try {
        await container.getBlobClient(name).deleteIfExists({ abortSignal: AbortSignal.timeout(CALL_MS) });
      } catch (error) {
        const translated = storageError(error, `${container.containerName}/${name}`);
        if (!(translated instanceof RejectedError && translated.code === 'blob-gone')) throw translated;
      }
    },
  };
}
