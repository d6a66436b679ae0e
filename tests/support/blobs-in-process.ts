// A blob account inside this process, behind the SDK's own pipeline: no socket, no other process. For tests whose point is not storage
// and for benches that measure what is ours. It knows the calls that the lake makes and answers them as storage does; what storage
// itself promises is proved against Azurite (tests/shared/adapters/lake/blobs-in-process.test.ts holds both to the same cases).
import { AnonymousCredential, BlobServiceClient, type StoragePipelineOptions } from '@azure/storage-blob';
import { createReadStream } from 'node:fs';
import { copyFile, open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';

type HttpClient = NonNullable<StoragePipelineOptions['httpClient']>;
type HttpRequest = Parameters<HttpClient['sendRequest']>[0];
type HttpAnswer = Awaited<ReturnType<HttpClient['sendRequest']>>;

interface Blob {
  bytes: number;
  eTag: string;
  modified: Date;
  metadata: Record<string, string>;
  /** Content in memory, or where it is on disk. */
  content: Buffer | string;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: Readable | string;
}

export interface BlobsInProcess {
  service: BlobServiceClient;
  /** Takes a file that is in the folder already (`fileOf`) as a blob; gives its eTag. */
  adopt: (container: string, path: string) => Promise<string>;
}

/**
 * Keeps blobs in memory, or as files of `folder`, which exists. Containers exist as soon as they are named. `told` hears of the
 * beginning of each request and of its end, which is the end of its body.
 */
export function blobsInProcess(folder: string | null = null, told?: (request: string, what: 'begin' | 'end') => void): BlobsInProcess {
  const account = new Account(folder);
  const httpClient: HttpClient = {
    async sendRequest(request) {
      const what = `${request.method} ${new URL(request.url).pathname}`;
      told?.(what, 'begin');
      const answer = await account.answer(request);
      if (answer.body instanceof Readable) answer.body.once('close', () => told?.(what, 'end'));
      else told?.(what, 'end');
      return answerOf(request, answer);
    },
  };
  const options = { httpClient, retryOptions: { maxTries: 1 } };
  return {
    service: new BlobServiceClient('http://in-process.invalid', new AnonymousCredential(), options),
    adopt: async (container, path) => account.adopt(container, path),
  };
}

/** The file that holds a blob of an account with a folder. */
export const fileOf = (folder: string, path: string): string => join(folder, encodeURIComponent(path));

function answerOf(request: HttpRequest, { status, headers = {}, body }: Answer): HttpAnswer {
  const all = { 'x-ms-request-id': 'in-process', 'x-ms-version': '2025-01-05', date: new Date(0).toUTCString(), ...headers };
  const streamed = request.method === 'GET' && status === 200 && body instanceof Readable;
  return {
    request,
    status,
    headers: {
      toJson: () => all,
      get: (name: string) => (all as Record<string, string>)[name.toLowerCase()],
    } as unknown as HttpAnswer['headers'],
    ...(streamed ? { readableStreamBody: body } : { bodyAsText: typeof body === 'string' ? body : '' }),
  };
}

const failed = (status: number, code: string): Answer => ({
  status,
  headers: { 'x-ms-error-code': code, 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`,
});

async function bytesOf(body: unknown): Promise<Buffer> {
  const content: unknown = typeof body === 'function' ? (body as () => unknown)() : body;
  if (content === undefined || content === null) return Buffer.alloc(0);
  if (typeof content === 'string' || content instanceof Uint8Array) return Buffer.from(content as string);
  const parts: Buffer[] = [];
  for await (const part of content as AsyncIterable<Uint8Array>) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

const xml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

class Account {
  private readonly blobs = new Map<string, Blob>();
  private readonly blocks = new Map<string, Map<string, Buffer | string>>();
  private writes = 0;

  constructor(private readonly folder: string | null) {}

  async answer(request: HttpRequest): Promise<Answer> {
    const url = new URL(request.url);
    const [, container = '', ...rest] = url.pathname.split('/');
    const path = decodeURIComponent(rest.join('/'));
    const operation = url.searchParams.get('comp');
    if (path === '') return this.container(request.method, container, url.searchParams);
    const name = `${container}/${path}`;
    switch (`${request.method} ${operation ?? ''}`.trim()) {
      case 'PUT':
        return this.refusal(request, name) ?? this.put(request, name, await bytesOf(request.body));
      case 'PUT block':
        return this.stage(name, url.searchParams.get('blockid')!, await bytesOf(request.body));
      case 'PUT blocklist':
        return this.refusal(request, name) ?? this.join(request, name, (await bytesOf(request.body)).toString('utf8'));
      case 'GET':
      case 'HEAD':
        return this.refusal(request, name) ?? this.read(request, name);
      case 'DELETE':
        return this.blobs.delete(name) ? { status: 202 } : failed(404, 'BlobNotFound');
      default:
        return failed(400, 'InvalidQueryParameterValue');
    }
  }

  private container(method: string, container: string, query: URLSearchParams): Answer {
    if (method === 'PUT' || method === 'HEAD' || query.get('comp') === null) return { status: method === 'PUT' ? 201 : 200 };
    const prefix = query.get('prefix') ?? '';
    const own = [...this.blobs].filter(([name]) => name.startsWith(`${container}/${prefix}`)).sort(([a], [b]) => (a < b ? -1 : 1));
    // With a delimiter, what goes on after it is one entry.
    const delimiter = query.get('delimiter');
    const rest = (name: string): number => (delimiter === null ? -1 : name.indexOf(delimiter, container.length + 1 + prefix.length));
    const folders = new Set(own.flatMap(([name]) => (rest(name) < 0 ? [] : [name.slice(container.length + 1, rest(name) + 1)])));
    const prefixes = [...folders].map((name) => `<BlobPrefix><Name>${xml(name)}</Name></BlobPrefix>`);
    const items = own
      .filter(([name]) => rest(name) < 0)
      .map(
        ([name, blob]) =>
          `<Blob><Name>${xml(name.slice(container.length + 1))}</Name><Properties><Last-Modified>${blob.modified.toUTCString()}</Last-Modified>` +
          `<Etag>${blob.eTag}</Etag><Content-Length>${blob.bytes}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>`,
      );
    const head = `<EnumerationResults ServiceEndpoint="http://in-process.invalid/" ContainerName="${container}">`;
    const body = `<?xml version="1.0" encoding="utf-8"?>${head}<Prefix>${xml(prefix)}</Prefix><Blobs>${items.join('')}${prefixes.join('')}</Blobs><NextMarker /></EnumerationResults>`;
    return { status: 200, headers: { 'content-type': 'application/xml' }, body };
  }

  /** Conditions of a request, as storage answers them. */
  private refusal(request: HttpRequest, name: string): Answer | null {
    const blob = this.blobs.get(name);
    if (request.headers.get('if-none-match') === '*' && blob && request.method === 'PUT') return failed(409, 'BlobAlreadyExists');
    const match = request.headers.get('if-match');
    if (match !== undefined && blob && match !== `"${blob.eTag}"`) return failed(412, 'ConditionNotMet');
    return blob || request.method === 'PUT' ? null : failed(404, 'BlobNotFound');
  }

  private async put(request: HttpRequest, name: string, content: Buffer): Promise<Answer> {
    return this.keep(request, name, await this.stored(name, content), content.length);
  }

  private async stored(name: string, content: Buffer): Promise<Buffer | string> {
    if (this.folder === null) return content;
    const file = fileOf(this.folder, name.slice(name.indexOf('/') + 1));
    await writeFile(file, content);
    return file;
  }

  private async stage(name: string, id: string, content: Buffer): Promise<Answer> {
    const staged = this.blocks.get(name) ?? new Map<string, Buffer | string>();
    this.blocks.set(name, staged);
    staged.set(id, await this.stored(`/${name}.${id}.block`, content));
    return { status: 201 };
  }

  private async join(request: HttpRequest, name: string, list: string): Promise<Answer> {
    const staged = this.blocks.get(name) ?? new Map<string, Buffer | string>();
    const parts = [...list.matchAll(/<(?:Latest|Uncommitted)>([^<]+)</g)].map((match) => staged.get(match[1]!));
    if (parts.some((part) => part === undefined)) return failed(400, 'InvalidBlockList');
    this.blocks.delete(name);
    if (this.folder === null) return this.put(request, name, Buffer.concat(parts as Buffer[]));
    const file = fileOf(this.folder, name.slice(name.indexOf('/') + 1));
    await copyFile(parts[0] as string, file);
    const handle = await open(file, 'a');
    for (const part of (parts as string[]).slice(1)) for await (const chunk of createReadStream(part)) await handle.write(chunk as Buffer);
    await handle.close();
    for (const part of parts as string[]) await rm(part);
    return this.keep(request, name, file, (await stat(file)).size);
  }

  private keep(request: HttpRequest, name: string, content: Buffer | string, bytes: number): Answer {
    const metadata = Object.entries(request.headers.rawHeaders()).filter(([header]) => header.startsWith('x-ms-meta-'));
    const blob = this.set(name, content, bytes, Object.fromEntries(metadata));
    return { status: 201, headers: { etag: `"${blob.eTag}"`, 'last-modified': blob.modified.toUTCString() } };
  }

  private read(request: HttpRequest, name: string): Answer {
    const blob = this.blobs.get(name)!;
    const headers = {
      etag: `"${blob.eTag}"`,
      'last-modified': blob.modified.toUTCString(),
      'content-length': String(blob.bytes),
      'content-type': 'application/octet-stream',
      'x-ms-blob-type': 'BlockBlob',
      ...blob.metadata,
    };
    if (request.method === 'HEAD') return { status: 200, headers };
    const { content } = blob;
    const body = typeof content === 'string' ? createReadStream(content, { highWaterMark: 256 * 1024 }) : Readable.from([content]);
    return { status: 200, headers, body };
  }

  async adopt(container: string, path: string): Promise<string> {
    const file = fileOf(this.folder!, path);
    const name = `${container}/${path}`;
    this.set(name, file, (await stat(file)).size, {});
    return this.blobs.get(name)!.eTag;
  }

  private set(name: string, content: Buffer | string, bytes: number, metadata: Record<string, string>): Blob {
    this.writes += 1;
    const eTag = `0x${this.writes.toString(16).toUpperCase().padStart(15, '0')}`;
    const blob = { bytes, content, metadata, modified: new Date(), eTag };
    this.blobs.set(name, blob);
    return blob;
  }
}
