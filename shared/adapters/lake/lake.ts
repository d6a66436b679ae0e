// Port `Lake`: reads landed files of one container, one stream at a time, never more than a few chunks in memory.
// Another container is refused: an event must not be able to make Sluice read from elsewhere.
import type { BlobServiceClient } from '@azure/storage-blob';
import { RejectedError } from '../../errors/errors.ts';
import type { Lake } from '../../ports/lake.ts';
import { readCommitFacts, readSmall } from './commit-reader.ts';
import { CALL_MS, storageError, streamBlob } from './storage.ts';

/** The container that files land in; `container-foreign` when a request names another. */
export function refuseForeignContainer(asked: string, own: string): void {
  if (asked === own) return;
  throw new RejectedError('container-foreign', `container ${JSON.stringify(asked)} is not the lake's; only files in "${own}" are read.`);
}

/** Makes the port `Lake` over the container `options.container`. */
export function createLake(blobService: BlobServiceClient, options: { container: string }): Lake {
  return {
    async fingerprint(container, path, eTag) {
      refuseForeignContainer(container, options.container);
      return streamBlob(blobService.getContainerClient(container), path, eTag, () => undefined);
    },
    async readCommit(container, path, eTag) {
      refuseForeignContainer(container, options.container);
      return readCommitFacts(blobService.getContainerClient(container), path, eTag);
    },
    async readSmall(container, path, eTag, maxBytes) {
      refuseForeignContainer(container, options.container);
      return readSmall(blobService.getContainerClient(container), path, eTag, maxBytes);
    },
    async probe() {
      const container = blobService.getContainerClient(options.container);
      const abortSignal = AbortSignal.timeout(CALL_MS);
      const there = await container.exists({ abortSignal }).catch((error: unknown) => {
        throw storageError(error, `the lake's container "${options.container}"`);
      });
      if (!there)
        throw new RejectedError(
          'container-missing',
          `the lake has no container "${options.container}"; create it, or correct SLUICE_LAKE_CONTAINER`,
        );
    },
  };
}
