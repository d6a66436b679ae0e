// The files of a dataset: brought together from a list or from pages, and their size as storage tells it, without reading them.
import type { ContainerClient } from '@azure/storage-blob';
import { RejectedError } from '../../../errors/errors.ts';
import type { DatasetSize } from '../../../contracts/hand-over.ts';
import type { DatasetFile, DatasetFiles } from '../../../ports/lake.ts';
import { CALL_MS, refuseClimbing, storageError } from '../storage.ts';

/** A dataset of more files than this is a mistake: names alone would take the memory that the work needs. */
const MOST_FILES = 100_000;
const ASK_AT_ONCE = 8;

function refuseMore(files: number): void {
  if (files > MOST_FILES)
    throw new RejectedError(
      'too-many-files',
      `the dataset has more than ${MOST_FILES} files. Mend: drop fewer and larger files, or let "complete" close it sooner.`,
    );
}

/** All files, once. Rejects `no-files`, `too-many-files`. */
export async function allOf(files: DatasetFiles): Promise<DatasetFile[]> {
  const all: DatasetFile[] = [];
  for await (const file of files) {
    all.push(file);
    refuseMore(all.length);
  }
  if (all.length === 0) throw new RejectedError('no-files', 'the dataset has no file.');
  return all;
}

/** Number and bytes as they are stored: packed files count packed. A few requests at one time; no content is read. */
export async function sizeOf(container: ContainerClient, files: DatasetFiles): Promise<DatasetSize> {
  const all = await allOf(files);
  let bytes = 0;
  let packedBytes = 0;
  let next = 0;
  const worker = async () => {
    while (next < all.length) {
      const file = all[next]!;
      next += 1;
      const found = await bytesOf(container, file);
      bytes += found;
      if (/\.gz$/i.test(file.path)) packedBytes += found;
    }
  };
  await Promise.all(Array.from({ length: ASK_AT_ONCE }, worker));
  return { files: all.length, bytes, packedBytes };
}

async function bytesOf(container: ContainerClient, file: DatasetFile): Promise<number> {
  refuseClimbing(file.path);
  try {
    const properties = await container
      .getBlobClient(file.path)
      .getProperties({ conditions: { ifMatch: `"${file.eTag}"` }, abortSignal: AbortSignal.timeout(CALL_MS) });
    return properties.contentLength ?? 0;
  } catch (error) {
    throw storageError(error, `${container.containerName}/${file.path}`);
  }
}
