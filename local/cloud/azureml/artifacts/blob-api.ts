// The blobs behind `contentUri`: Put Blob, Put Block, Put Block List, Get Blob, with the signature of the address as the only right.
// As much of the Blob API as clients of artifacts use (facts/mlflow.md §9).
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readText } from '../../kit/body.ts';
import type { CloudContext } from '../api/context.ts';
import { StoreError } from '../execution/stores.ts';
import { makeFolder, UPLOADS, type ArtifactFiles } from './artifact-files.ts';
import type { BlobName, SignedUrls } from './signed-urls.ts';

/** What the blobs need of the stand-in. */
export interface BlobParts {
  readonly context: CloudContext;
  readonly urls: SignedUrls;
  readonly artifactsOf: (workspace: string) => ArtifactFiles | undefined;
}

const XML = '<?xml version="1.0" encoding="utf-8"?>';

function refused(status: number, code: string, message: string): Response {
  return new Response(`${XML}<Error><Code>${code}</Code><Message>${message}</Message></Error>`, {
    status,
    headers: { 'content-type': 'application/xml', 'x-ms-error-code': code },
  });
}

/** Answers a call below `/azureml-blobs`. */
export async function answerBlob(parts: BlobParts, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const reading = request.method === 'GET' || request.method === 'HEAD';
  if (!reading && request.method !== 'PUT') return refused(405, 'UnsupportedHttpVerb', 'The resource does not support the HTTP verb.');
  const name = parts.urls.check(url, reading ? 'r' : 'w');
  const artifacts = name && parts.artifactsOf(name.workspace);
  if (!name || !artifacts)
    return refused(403, 'AuthenticationFailed', 'Server failed to authenticate the request. Check the signature of the address.');
  try {
    return reading ? await read(parts, artifacts, name) : await put(artifacts, name, url, request);
  } catch (error) {
    if (error instanceof StoreError) return refused(400, 'InvalidResourceName', 'The specified resource name contains invalid characters.');
    throw error;
  }
}

async function read({ context }: BlobParts, artifacts: ArtifactFiles, name: BlobName): Promise<Response> {
  const { origin, container, path } = name;
  const file = artifacts.file(origin, container, path);
  const registered = artifacts.registered(origin, container, path);
  const workspace = context.workspaces.find(({ options }) => options.name === name.workspace);
  if (registered && workspace) {
    // A copy of the blob, fetched anew each time.
    await workspace.files.fetch(
      workspace.files.open({ kind: 'datastore', datastore: registered.datastore, path: registered.relativePath }),
      file,
    );
  }
  if (!existsSync(file)) return refused(404, 'BlobNotFound', 'The specified blob does not exist.');
  return new Response(Readable.toWeb(createReadStream(file)) as ReadableStream, {
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(statSync(file).size), 'x-ms-blob-type': 'BlockBlob' },
  });
}

async function put(artifacts: ArtifactFiles, { origin, container, path }: BlobName, url: URL, request: Request): Promise<Response> {
  const file = artifacts.file(origin, container, path);
  makeFolder(file);
  const comp = url.searchParams.get('comp');
  const staging = join(dirname(file), `${UPLOADS}${createHash('sha256').update(path).digest('hex').slice(0, 12)}`);
  const blockFile = (id: string) => join(staging, createHash('sha256').update(id).digest('hex'));
  mkdirSync(staging, { recursive: true });
  if (comp === 'block') {
    await save(request, blockFile(url.searchParams.get('blockid') ?? ''), staging);
  } else if (comp === 'blocklist') {
    const ids = [...(await readText(request, 4 * 1_048_576)).matchAll(/<(?:Latest|Uncommitted)>([^<]+)<\//g)].map(([, id = '']) => id);
    if (!ids.every((id) => existsSync(blockFile(id)))) return refused(400, 'InvalidBlockList', 'The specified block list is invalid.');
    const whole = join(staging, `${randomUUID()}.whole`);
    await appendFile(whole, '');
    for (const id of ids) await appendFile(whole, await readFile(blockFile(id)));
    renameSync(whole, file);
    rmSync(staging, { recursive: true, force: true });
  } else {
    if (request.headers.get('x-ms-blob-type') !== 'BlockBlob')
      return refused(400, 'MissingRequiredHeader', 'An HTTP header that is mandatory for this request is not specified: x-ms-blob-type.');
    await save(request, file, staging);
    rmSync(staging, { recursive: true, force: true });
  }
  return new Response(null, { status: 201, headers: { 'x-ms-request-server-encrypted': 'true' } });
}

async function save(request: Request, file: string, staging: string): Promise<void> {
  const part = join(staging, `${randomUUID()}.part`);
  if (request.body) await pipeline(Readable.fromWeb(request.body), createWriteStream(part));
  else await appendFile(part, '');
  renameSync(part, file);
}
