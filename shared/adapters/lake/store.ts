// Port `Store` over one container: files that Sluice and components leave for each other.
// Nothing is ever overwritten; signed URLs are the only way in for a component.
import type { BlobServiceClient } from '@azure/storage-blob';
import { RejectedError } from '../../errors/errors.ts';
import type { Store } from '../../ports/lake.ts';
import { createSigner } from './blob-signing.ts';
import { createBlob, hashBlob, readBlob } from './storage.ts';

/** Refuses what is not a plain relative path: `bad-path`. */
function plain(path: string): string {
  const parts = path.split('/');
  if (path.length > 900 || /[\\\u0000-\u001f\u007f]/.test(path) || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new RejectedError('bad-path', `${JSON.stringify(path.slice(0, 200))} is not a plain relative path of the store.`);
  return path;
}

/** Makes the port `Store` over `container`. `clock` gives milliseconds since the epoch. */
export function createStore(blobService: BlobServiceClient, container: string, clock: () => number = Date.now): Store {
  const client = blobService.getContainerClient(container);
  const sign = createSigner(blobService, container, clock);
  return {
    read: async (path, maxBytes) => readBlob(client, plain(path), maxBytes),
    async digest(path) {
      try {
        return await hashBlob(client, plain(path));
      } catch (error) {
        if (error instanceof RejectedError && error.code === 'blob-gone') return null;
        throw error;
      }
    },
    create: async (path, content, contentType) => createBlob(client, plain(path), content, contentType),
    signRead: async (path, seconds) => sign(plain(path), 'r', seconds),
    signCreate: async (path, seconds) => sign(plain(path), 'c', seconds),
  };
}
