// Port DeadLetters over a blob container: Event Grid writes `<SUBSCRIPTION>/YYYY/M/D/H/<guid>.json` (facts/azure.md §3.1).
import type { BlobServiceClient } from '@azure/storage-blob';
import { RejectedError } from '../../errors/errors.ts';
import type { DeadLetters } from '../../ports/dead-letters.ts';
import { CALL_MS, readBlob, storageError } from './storage.ts';

export function createDeadLetters(blobService: BlobServiceClient, container: string): DeadLetters {
  const client = blobService.getContainerClient(container);
  return {
    async list(limit) {
      const pages = client.listBlobsFlat({ abortSignal: AbortSignal.timeout(CALL_MS) }).byPage({ maxPageSize: limit });
      try {
        for await (const { segment } of pages) {
          return segment.blobItems.map(({ name, properties }) => ({ name, bytes: properties.contentLength ?? 0 }));
        }
        return [];
      } catch (error) {
        const translated = storageError(error, container);
        // Where no subscription has a dead-letter container nothing can be in it.
        if (translated instanceof RejectedError && translated.code === 'container-missing') return [];
        throw translated;
      }
    },

    read: (name, maxBytes) => readBlob(client, name, maxBytes),

    async remove(name) {
      try {
        await client.getBlobClient(name).deleteIfExists({ abortSignal: AbortSignal.timeout(CALL_MS) });
      } catch (error) {
        throw storageError(error, `${container}/${name}`);
      }
    },
  };
}
