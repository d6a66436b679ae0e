// Files of a job, by the signed URLs that it came with: inputs are fetched and compared, exports are created once and never replaced.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { JobExport, JobFile } from '../../contracts/training.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import { isAbsent } from './job-folder.ts';

/** For the whole of one file. */
const TRANSFER_MS = 30 * 60_000;
/** Plain names only: a file lands beside its name, nowhere else. */
const PLAIN = /^(?!\.{1,2}$)[^/\\\u0000-\u001f]{1,200}$/;

export interface FileOptions {
  fetch: typeof fetch;
}

/** Brings a file into a folder unless it is there; what arrives must be what was announced. */
export async function fetchFile(file: JobFile, folder: string, options: FileOptions): Promise<void> {
  if (!PLAIN.test(file.name)) throw new RejectedError('input-name', `The input file ${JSON.stringify(file.name)} has no plain name`);
  const target = join(folder, file.name);
  if (await isFile(target)) return;
  await mkdir(folder, { recursive: true });
  const fresh = join(folder, `.${process.pid}-${Math.random().toString(36).slice(2)}`);
  try {
    const answer = await ask(file.url, { method: 'GET' }, file.storePath, options);
    if (answer.status !== 200 || !answer.body) throw refused(answer.status, file.storePath, 'read');
    const hash = createHash('sha256');
    const hashing = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(answer.body), hashing, createWriteStream(fresh)).catch((error: unknown) => {
      throw new TransientError('store-unreachable', `The transfer of ${file.storePath} broke off: ${wordsOf(error)}`, { cause: error });
    });
    const sha256 = hash.digest('hex');
    if (sha256 !== file.sha256) {
      throw new RejectedError(
        'input-digest',
        `${file.storePath} has SHA-256 ${sha256.slice(0, 12)}, the job expects ${file.sha256.slice(0, 12)}`,
      );
    }
    await rename(fresh, target);
  } finally {
    await rm(fresh, { force: true });
  }
}

/** Puts a file of a step to its place in the store; one that is there already must be the same. False: the step left no such file. */
export async function exportFile(file: JobExport, folder: string, options: FileOptions): Promise<boolean> {
  if (!PLAIN.test(file.file)) throw new RejectedError('export-name', `The export ${JSON.stringify(file.file)} has no plain name`);
  const path = join(folder, file.file);
  if (!(await isFile(path))) return false;
  const { size } = await stat(path);
  const headers = { 'x-ms-blob-type': 'BlockBlob', 'if-none-match': '*', 'content-length': String(size) };
  const body = Readable.toWeb(createReadStream(path)) as ReadableStream;
  const answer = await ask(file.url, { method: 'PUT', headers, body, duplex: 'half' }, file.storePath, options);
  await answer.body?.cancel();
  if (answer.status === 201 || answer.status === 200) return true;
  // Storage refuses to replace a file: as a conflict, or as a permission that a create-only signature does not have.
  if (![403, 409, 412].includes(answer.status)) throw refused(answer.status, file.storePath, 'written');
  if ((await digestAt(file, options)) !== (await digestOfFile(path))) {
    throw new RejectedError('export-conflict', `${file.storePath} could not be written (${answer.status}), and no equal file is there`);
  }
  return true;
}

async function digestAt(file: JobExport, options: FileOptions): Promise<string | null> {
  const answer = await ask(file.readUrl, { method: 'GET' }, file.storePath, options);
  if (answer.status !== 200 || !answer.body) return null;
  const hash = createHash('sha256');
  for await (const chunk of answer.body) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** URLs carry signatures: only the store's path is ever named. */
async function ask(url: string, init: RequestInit & { duplex?: 'half' }, what: string, options: FileOptions): Promise<Response> {
  try {
    return await options.fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TRANSFER_MS) });
  } catch (error) {
    throw new TransientError('store-unreachable', `The store does not answer for ${what}: ${wordsOf(error)}`, { cause: error });
  }
}

function refused(status: number, path: string, done: string): Error {
  const message = `${path} could not be ${done}: the store answered ${status}`;
  if (status === 408 || status === 429 || status >= 500) return new TransientError('store-busy', message);
  return new RejectedError('store-refused', `${message}; the URL may have expired, or nobody has written the file`);
}

/** The cause below "fetch failed"; never the error whole, because it may quote the request. */
function wordsOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = cause instanceof Error ? cause.message : String(cause);
  return withoutQueries(text).slice(0, 200);
}

/** The query of a URL is a key (SAS, pre-signed): it gets into no log and no record. */
export function withoutQueries(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/[^\s?#'"<>]*)[?#][^\s'"<>]*/gi, '$1?[redacted]');
}

/** Links are not followed: a component may only hand over what it has written. */
async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile() && dirname(path) !== path;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
