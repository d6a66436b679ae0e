// Brings a model's archive into a private folder, as SageMaker does into /opt/ml/model.
// The archive is hostile until every entry has been looked at: no link, no path that leaves, no flood.
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, list, type ReadEntry } from 'tar';

/** Reads an object of the account; undefined when there is none. */
export type ReadObject = (bucket: string, key: string) => Promise<ReadableStream<Uint8Array> | undefined>;

/** The model cannot be brought; the message becomes the endpoint's FailureReason. */
export class ModelDataError extends Error {
  override readonly name = 'ModelDataError';
}

/** Limits of an unpacked model. */
export interface ModelLimits {
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** 10 GB in 10 000 entries: far above what one machine serves. */
export const MODEL_LIMITS: ModelLimits = { maxBytes: 10_000_000_000, maxEntries: 10_000 };

/** `s3://bucket/key` → its parts; undefined when it is not such an address. */
export function parseS3Url(url: string): { readonly bucket: string; readonly key: string } | undefined {
  const match = /^s3:\/\/([^/]+)\/(.+)$/.exec(url);
  return match ? { bucket: match[1] ?? '', key: match[2] ?? '' } : undefined;
}

/** Downloads and unpacks into `folder` (made anew). */
export async function bringModel(url: string, folder: string, read: ReadObject, limits: ModelLimits = MODEL_LIMITS): Promise<void> {
  const address = parseS3Url(url);
  const stream = address && (await read(address.bucket, address.key));
  if (!stream) throw new ModelDataError(`Could not find model data at ${url}.`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const archive = `${folder}.tar.gz`;
  try {
    await pipeline(Readable.fromWeb(stream as Parameters<typeof Readable.fromWeb>[0]), createWriteStream(archive, { mode: 0o600 }));
    await inspect(archive, url, limits);
    await extract({ file: archive, cwd: folder, strict: true, preserveOwner: false });
  } catch (error) {
    if (error instanceof ModelDataError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new ModelDataError(
      `Failed to extract model data archive from ${url}: ${why}. Please ensure that it is a gzip-compressed tar archive.`,
    );
  } finally {
    await rm(archive, { force: true });
  }
}

/** Looks at every entry before the first is written. */
async function inspect(archive: string, url: string, limits: ModelLimits): Promise<void> {
  let entries = 0;
  let bytes = 0;
  let problem: string | undefined;
  const look = (entry: ReadEntry) => {
    entries += 1;
    bytes += entry.size;
    // facts/sagemaker.md §1.1: one gzip tar, no symlinks.
    if (
      entry.type !== 'File' &&
      entry.type !== 'OldFile' &&
      entry.type !== 'ContiguousFile' &&
      entry.type !== 'Directory' &&
      entry.type !== 'GNUDumpDir'
    ) {
      problem ??= `it holds ${entry.path}, a ${entry.type}; only files and folders are allowed`;
    } else if (leaves(entry.path)) {
      problem ??= `the entry ${entry.path} leads out of the model folder`;
    } else if (entries > limits.maxEntries || bytes > limits.maxBytes) {
      problem ??= `it is larger than ${limits.maxBytes} bytes or ${limits.maxEntries} entries`;
    }
  };
  await list({ file: archive, strict: true, onReadEntry: look });
  if (entries === 0) problem = 'it is empty';
  if (problem !== undefined) throw new ModelDataError(`Failed to extract model data archive from ${url}: ${problem}.`);
}

function leaves(path: string): boolean {
  const absolute = path.startsWith('/') || path.startsWith('\\') || /^[a-zA-Z]:/.test(path);
  return absolute || path.includes('\0') || path.split(/[/\\]/).includes('..');
}
