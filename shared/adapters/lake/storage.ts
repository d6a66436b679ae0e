// Blob calls that the lake's parts share: bounded streaming with SHA-256, conditional writes, and the translation of
// storage errors into our own. Blob API only, also on hierarchical accounts (facts/azure.md §7, facts/delta.md §5.1).
import type { BlobDownloadResponseParsed, ContainerClient } from '@azure/storage-blob';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { once } from 'node:events';
import { RejectedError, TransientError } from '../../errors/errors.ts';

/** One call that moves little data; a stream may take longer but must keep moving (IDLE_MS between chunks). */
export const CALL_MS = 60_000;
const IDLE_MS = 60_000;
const UPLOAD_MS = 15 * 60_000;
const BLOCK = 8 * 1024 * 1024;

/** What the service said: HTTP status (0: no answer came) and its error code. */
export function storageAnswer(error: unknown): { status: number; code: string } {
  const fields: { statusCode?: unknown; code?: unknown } = typeof error === 'object' && error !== null ? error : {};
  const status = typeof fields.statusCode === 'number' ? fields.statusCode : 0;
  return { status, code: typeof fields.code === 'string' ? fields.code : '' };
}

/** Every storage error becomes one of ours. `what` names the blob or container and the attempted thing, without a signature. */
export function storageError(error: unknown, what: string): Error {
  if (error instanceof RejectedError || error instanceof TransientError) return error;
  const { status, code } = storageAnswer(error);
  const cause = { cause: error };
  if (status === 404 && code === 'ContainerNotFound')
    return new RejectedError(
      'container-missing',
      `${what}: the container does not exist. Create it or correct its name in the settings.`,
      cause,
    );
  if (status === 404) return new RejectedError('blob-gone', `${what}: the blob does not exist any more.`, cause);
  if (status === 412)
    return new RejectedError('blob-changed', `${what}: the blob was overwritten since its event; the newer event decides.`, cause);
  if (status === 401 || status === 403)
    return new RejectedError(
      'storage-denied',
      `${what}: storage refused it (${status} ${code}). Give this app's identity the role Storage Blob Data Contributor and check the account's network rules.`,
      cause,
    );
  if (status >= 400 && status < 500 && status !== 408 && status !== 429)
    return new RejectedError('storage-refused', `${what}: storage refused it (${status} ${code}).`, cause);
  return new TransientError(
    'storage-unavailable',
    `${what}: no usable answer from storage (${status === 0 ? code || 'no answer' : status}).`,
    cause,
  );
}

/** The chunks of a stream; fails when nothing arrives for a minute. */
async function* moving(stream: NodeJS.ReadableStream, what: string): AsyncGenerator<Buffer> {
  const readable = stream as NodeJS.ReadableStream & { destroy(error?: Error): void };
  const stalled = () => readable.destroy(new TransientError('storage-stalled', `${what}: no data for ${IDLE_MS / 1000} s.`));
  let timer = setTimeout(stalled, IDLE_MS);
  try {
    for await (const chunk of readable) {
      clearTimeout(timer);
      yield chunk as Buffer;
      timer = setTimeout(stalled, IDLE_MS);
    }
  } finally {
    clearTimeout(timer);
    readable.destroy();
  }
}

/** Opens a blob; with `eTag` (no quotes) only that version of it. The stream that follows is watched by `moving`. */
async function open(container: ContainerClient, path: string, eTag: string | null): Promise<BlobDownloadResponseParsed> {
  const conditions = eTag === null ? {} : { ifMatch: `"${eTag}"` };
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), CALL_MS);
  try {
    return await container.getBlobClient(path).download(0, undefined, { conditions, maxRetryRequests: 5, abortSignal: patience.signal });
  } finally {
    clearTimeout(timer);
  }
}

async function isThere(container: ContainerClient, path: string): Promise<boolean> {
  try {
    return await container.getBlobClient(path).exists({ abortSignal: AbortSignal.timeout(CALL_MS) });
  } catch (error) {
    throw storageError(error, `${container.containerName}/${path}`);
  }
}

export interface Streamed {
  sha256: string;
  bytes: number;
}

/** A blob being read. `chunks` is consumed once; what was read is known after its end. */
export interface BlobReading {
  chunks: AsyncGenerator<Buffer>;
  streamed(): Streamed;
}

/**
 * Refuses a name with an empty, `.` or `..` segment: in a URL such segments lead elsewhere, even into another container.
 * Rejects `path-not-plain`.
 */
export function refuseClimbing(path: string): void {
  if (!path.split(/[/\\]/).some((part) => part === '' || part === '.' || part === '..')) return;
  throw new RejectedError('path-not-plain', `${JSON.stringify(path.slice(0, 300))} has an empty, "." or ".." segment, so it is not read.`);
}

/** Reads a blob chunk by chunk. The chunks reject with `blob-gone`, `blob-changed`, or what storage answers. */
export function readingBlob(container: ContainerClient, path: string, eTag: string | null): BlobReading {
  const what = `${container.containerName}/${path}`;
  refuseClimbing(path);
  if (eTag !== null && !/^[0-9A-Za-z._-]+$/.test(eTag))
    throw new RejectedError('bad-etag', `${what}: ${JSON.stringify(eTag)} is not an eTag.`);
  const hash = createHash('sha256');
  let bytes = 0;
  let done: Streamed | null = null;
  const chunks = async function* () {
    try {
      const response = await open(container, path, eTag);
      for await (const chunk of moving(response.readableStreamBody!, what)) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
      if (bytes !== response.contentLength)
        throw new TransientError('storage-short', `${what}: ${bytes} of ${response.contentLength} bytes arrived.`);
      done = { sha256: hash.digest('hex'), bytes };
    } catch (error) {
      const translated = storageError(error, what);
      // A blob that is gone fails the condition too (Azurite answers 412 where storage answers 404): look which it is.
      if (translated instanceof RejectedError && translated.code === 'blob-changed' && !(await isThere(container, path)))
        throw new RejectedError('blob-gone', `${what}: the blob does not exist any more.`, { cause: error });
      throw translated;
    }
  };
  return {
    chunks: chunks(),
    streamed() {
      if (done === null) throw new TransientError('storage-short', `${what}: it was not read to its end.`);
      return done;
    },
  };
}

/** Streams a blob through `take` and gives its SHA-256 and length. Rejects `blob-gone`, `blob-changed`. */
export async function streamBlob(
  container: ContainerClient,
  path: string,
  eTag: string | null,
  take: (chunk: Buffer) => void | Promise<void>,
): Promise<Streamed> {
  const reading = readingBlob(container, path, eTag);
  for await (const chunk of reading.chunks) {
    const waiting = take(chunk);
    if (waiting) await waiting;
  }
  return reading.streamed();
}

/** Copies a blob into a local file (mode 0600) and gives what was copied. */
export async function downloadBlob(container: ContainerClient, path: string, eTag: string | null, file: string): Promise<Streamed> {
  const out = createWriteStream(file, { mode: 0o600, flags: 'wx' });
  const failed = new Promise<never>((_, reject) => out.once('error', reject));
  failed.catch(() => undefined);
  try {
    return await streamBlob(container, path, eTag, async (chunk) => {
      if (!out.write(chunk)) await Promise.race([once(out, 'drain'), failed]);
    });
  } finally {
    await new Promise((resolve) => out.end(resolve));
  }
}

/** The whole of a small blob; null when absent. Larger than `maxBytes`: `file-too-large`. */
export async function readBlob(container: ContainerClient, path: string, maxBytes: number): Promise<Buffer | null> {
  const what = `${container.containerName}/${path}`;
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    await streamBlob(container, path, null, (chunk) => {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new RejectedError('file-too-large', `${what}: larger than the ${maxBytes} bytes that are read here.`);
      parts.push(chunk);
    });
  } catch (error) {
    if (error instanceof RejectedError && error.code === 'blob-gone') return null;
    throw error;
  }
  return Buffer.concat(parts);
}

/** Writes a blob unless the name is taken (`If-None-Match: *`). One request: readers see all of it or nothing. */
export async function createBlob(
  container: ContainerClient,
  path: string,
  content: Uint8Array,
  contentType: string,
): Promise<'created' | 'exists'> {
  try {
    await container
      .getBlockBlobClient(path)
      .upload(Buffer.from(content.buffer, content.byteOffset, content.byteLength), content.byteLength, {
        conditions: { ifNoneMatch: '*' },
        blobHTTPHeaders: { blobContentType: contentType },
        abortSignal: AbortSignal.timeout(content.byteLength > BLOCK ? UPLOAD_MS : CALL_MS),
      });
    return 'created';
  } catch (error) {
    if (isTaken(error)) return 'exists';
    throw storageError(error, `${container.containerName}/${path}`);
  }
}

/** 409 when the name is taken; 412 is the answer of some operations to the same condition. */
function isTaken(error: unknown): boolean {
  const { status, code } = storageAnswer(error);
  return status === 412 || (status === 409 && code === 'BlobAlreadyExists');
}

/** Writes a blob, whatever is there. */
export async function putBlob(container: ContainerClient, path: string, content: Buffer, contentType: string): Promise<void> {
  try {
    const options = { blobHTTPHeaders: { blobContentType: contentType }, abortSignal: AbortSignal.timeout(CALL_MS) };
    await container.getBlockBlobClient(path).upload(content, content.length, options);
  } catch (error) {
    throw storageError(error, `${container.containerName}/${path}`);
  }
}

/** Uploads a local file in blocks unless it is there already; its SHA-256 goes along as metadata. Another content under the name: `file-differs`. */
export async function uploadFile(container: ContainerClient, path: string, file: string, found: Streamed): Promise<void> {
  const what = `${container.containerName}/${path}`;
  const blob = container.getBlockBlobClient(path);
  try {
    if (!(await isThere(container, path))) {
      await blob.uploadFile(file, {
        blockSize: BLOCK,
        maxSingleShotSize: BLOCK,
        concurrency: 2,
        conditions: { ifNoneMatch: '*' },
        metadata: { sha256: found.sha256 },
        blobHTTPHeaders: { blobContentType: 'application/vnd.apache.parquet' },
        abortSignal: AbortSignal.timeout(UPLOAD_MS),
      });
      return;
    }
  } catch (error) {
    if (!isTaken(error)) throw storageError(error, what);
  }
  // A crash between upload and commit leaves the very same file: take it.
  const there = await hashBlob(container, path);
  if (there.sha256 !== found.sha256)
    throw new RejectedError(
      'file-differs',
      `${what}: another content has this name already (SHA-256 ${there.sha256}). Mend: remove it; no table refers to it.`,
    );
}

/** SHA-256 and length of a blob, streamed. */
export async function hashBlob(container: ContainerClient, path: string): Promise<Streamed> {
  return streamBlob(container, path, null, () => undefined);
}

/** SHA-256 and length of a local file, through one buffer: a stream would leave a megabyte of garbage for each it reads. */
export async function hashFile(file: string): Promise<Streamed> {
  const hash = createHash('sha256');
  const handle = await openFile(file, 'r');
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  let bytes = 0;
  try {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return { sha256: hash.digest('hex'), bytes };
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await handle.close();
  }
}
