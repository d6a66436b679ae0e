// Port LakeListing over the lake's container: one call of List Blobs for a page, flat, so that it works with and without
// hierarchical namespace (facts/azure.md §7).
import type { BlobServiceClient } from '@azure/storage-blob';
import { RejectedError } from '../../errors/errors.ts';
import type { LakeListing, ListedFile } from '../../ports/listing.ts';
import { CALL_MS, storageAnswer, storageError } from './storage.ts';

/** The service gives at most so many names in one answer. */
const MAX_PAGE = 5000;

export function createLakeListing(blobService: BlobServiceClient, lake: { account: string; container: string }): LakeListing {
  const client = blobService.getContainerClient(lake.container);
  return {
    async page({ folder, continuation, limit }) {
      const pages = client
        // Folders of a hierarchical namespace are listed as empty blobs that only their metadata tells apart.
        .listBlobsFlat({ prefix: folder, includeMetadata: true, abortSignal: AbortSignal.timeout(CALL_MS) })
        .byPage({ maxPageSize: Math.min(limit, MAX_PAGE), ...(continuation === null ? {} : { continuationToken: continuation }) });
      try {
        for await (const { segment, continuationToken } of pages) {
          const files = segment.blobItems.filter(isFile).map((item) => listedFile(lake, item));
          return { files, continuation: continuationToken || null };
        }
        return { files: [], continuation: null };
      } catch (error) {
        // The only thing in this call that can be wrong is where it goes on.
        if (continuation !== null && storageAnswer(error).status === 400) {
          const what = `${lake.container}/${folder}: storage does not know any more where this listing was; begin it again.`;
          throw new RejectedError('listing-expired', what, { cause: error });
        }
        throw storageError(error, `${lake.container}/${folder}`);
      }
    },
  };
}

interface Item {
  name: string;
  metadata?: Record<string, string> | undefined;
  properties: { etag?: string | undefined; contentLength?: number | undefined; lastModified: Date };
}

function isFile({ metadata = {} }: Item): boolean {
  return !Object.entries(metadata).some(([key, value]) => key.toLowerCase() === 'hdi_isfolder' && value === 'true');
}

function listedFile(lake: { account: string; container: string }, { name, properties }: Item): ListedFile {
  const { etag = '', contentLength = 0, lastModified } = properties;
  return { ...lake, path: name, eTag: etag.replace(/^"(.*)"$/, '$1'), bytes: contentLength, lastModified: lastModified.toISOString() };
}
