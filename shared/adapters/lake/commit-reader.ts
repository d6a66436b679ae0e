// One commit of a Delta table, read for its verdict: the file alone, no table is opened.
import type { ContainerClient } from '@azure/storage-blob';
import { RejectedError } from '../../errors/errors.ts';
import type { CommitFacts, Lake } from '../../ports/lake.ts';
import { readCommitEntry } from './delta/commit-entry.ts';
import { streamBlob } from './storage.ts';

/** A commit of a hundred thousand files; a larger one is not read into a trigger. */
const MAX_COMMIT_BYTES = 64 * 1024 * 1024;

/** All of a small file at one version, with its digest. */
export async function readSmall(
  container: ContainerClient,
  path: string,
  eTag: string | null,
  maxBytes: number,
): ReturnType<Lake['readSmall']> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const { sha256 } = await streamBlob(container, path, eTag, (chunk) => {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new RejectedError(
        'file-too-large',
        `${container.containerName}/${path}: larger than the ${maxBytes} bytes that are read here.`,
      );
    parts.push(chunk);
  });
  return { content: Buffer.concat(parts), sha256 };
}

/** Rejects `commit-unreadable` for what is no commit, half of one, or too large to be looked at. */
export async function readCommitFacts(container: ContainerClient, path: string, eTag: string | null): Promise<CommitFacts> {
  const [, version] = /\/_delta_log\/([0-9]{20})\.json$/.exec(path) ?? [];
  if (version === undefined)
    throw new RejectedError('commit-unreadable', `${path} is not the name of a commit (_delta_log/<20 digits>.json).`);
  try {
    const { content } = await readSmall(container, path, eTag, MAX_COMMIT_BYTES);
    const entry = readCommitEntry(Buffer.from(content).toString('utf8'), path);
    return {
      version: Number(version),
      operation: entry.operation,
      appIds: entry.txns.map(({ appId }) => appId),
      chain: entry.chain,
      runId: entry.runId,
      changesData: entry.dataChange,
    };
  } catch (error) {
    if (!(error instanceof RejectedError) || ['blob-gone', 'blob-changed', 'storage-denied', 'container-missing'].includes(error.code))
      throw error;
    throw new RejectedError('commit-unreadable', error.message, { cause: error });
  }
}
