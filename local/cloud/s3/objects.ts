// Put, get, head and delete of one object.
// What an upload may say about itself is a closed list: a header that would change its meaning and is not known is refused.
import { rm } from 'node:fs/promises';
import type { Verified } from '../sts/signature.ts';
import type { Address } from './address.ts';
import { checksumHeaders } from './checksums.ts';
import type { ObjectStore, StoredObject, WriteCondition } from './object-store.ts';
import { receiveBody } from './receive.ts';
import { notImplemented, S3Error } from './s3-error.ts';

/** What the handlers work with. */
export interface ObjectContext {
  readonly store: ObjectStore;
  readonly now: () => number;
  readonly maxObjectBytes: number;
}

/** Kept with the object and given back. */
const KEPT = ['content-type', 'cache-control', 'content-disposition', 'content-language', 'expires'];
/** Stored and given back, but nothing is encrypted on this machine. */
const KEPT_AMZ = ['x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id'];
/** Of the protocol itself. */
const PROTOCOL = new Set([
  ...['x-amz-content-sha256', 'x-amz-date', 'x-amz-security-token', 'x-amz-user-agent', 'x-amz-trailer', 'x-amz-decoded-content-length'],
  ...['x-amz-sdk-checksum-algorithm', 'x-amz-expected-bucket-owner', 'x-amz-mp-object-size'],
]);
const MAX_METADATA = 2_048;

/** Refuses `x-amz-*` headers that this stand-in does not act on. */
export function refuseUnknownHeaders(headers: Headers): void {
  headers.forEach((_, name) => {
    const known = !name.startsWith('x-amz-') || /^x-amz-(meta|checksum)-/.test(name) || PROTOCOL.has(name) || KEPT_AMZ.includes(name);
    if (!known) throw notImplemented(`The header ${name}`);
  });
}

/** The headers that are kept with an object. */
export function keptHeaders(headers: Headers): Record<string, string> {
  const kept: [string, string][] = [];
  let metadata = 0;
  headers.forEach((value, name) => {
    if (name.startsWith('x-amz-meta-')) metadata += name.length - 'x-amz-meta-'.length + value.length;
    if (name.startsWith('x-amz-meta-') || KEPT.includes(name) || KEPT_AMZ.includes(name)) kept.push([name, value]);
  });
  if (metadata > MAX_METADATA) {
    throw new S3Error('MetadataTooLarge', 400, 'Your metadata headers exceed the maximum allowed metadata size', {
      Size: String(metadata),
      MaxSizeAllowed: String(MAX_METADATA),
    });
  }
  const encoding = (headers.get('content-encoding') ?? '').split(',').map((part) => part.trim());
  const plain = encoding.filter((part) => part !== '' && part !== 'aws-chunked').join(',');
  if (plain !== '') kept.push(['content-encoding', plain]);
  return Object.fromEntries(kept);
}

/** The preconditions of a write. */
export function writeCondition(headers: Headers): WriteCondition {
  const ifNoneMatch = headers.get('if-none-match');
  const ifMatch = headers.get('if-match');
  return { ...(ifNoneMatch === null ? {} : { ifNoneMatch }), ...(ifMatch === null ? {} : { ifMatch }) };
}

/** PutObject. */
export async function putObject(request: Request, address: Address, verified: Verified, context: ObjectContext): Promise<Response> {
  const { bucket, key } = address;
  const ticket = context.store.begin(bucket, key);
  const headers = keptHeaders(request.headers);
  const condition = writeCondition(request.headers);
  const received = await receiveBody(request, verified, context.store.incomingFile(), context.maxObjectBytes);
  const object = {
    key,
    size: received.size,
    etag: received.md5,
    lastModified: wholeSecond(context.now()),
    checksums: received.checksums,
    checksumType: 'FULL_OBJECT' as const,
    headers,
  };
  try {
    context.store.commit(bucket, object, received.file, condition, ticket);
  } catch (error) {
    await rm(received.file, { force: true });
    throw error;
  }
  return new Response(null, { headers: { etag: `"${object.etag}"`, ...checksumHeaders(object.checksums, object.checksumType) } });
}

/** GetObject and HeadObject. `mayList` decides between 404 and 403 for a key that is not there, as S3 does. */
export async function getObject(request: Request, address: Address, context: ObjectContext, mayList: () => boolean): Promise<Response> {
  const object = context.store.get(address.bucket, address.key);
  if (!object) {
    // Documented for HeadObject and GetObject: without s3:ListBucket, absence is not told.
    if (!mayList()) throw new S3Error('AccessDenied', 403, 'Access Denied');
    throw new S3Error('NoSuchKey', 404, 'The specified key does not exist.', { Key: address.key });
  }
  checkReadCondition(request.headers, object);
  const range = parseRange(request.headers.get('range'), object.size);
  const withChecksums = request.headers.get('x-amz-checksum-mode') === 'ENABLED' || address.query.get('x-amz-checksum-mode') === 'ENABLED';
  const headers: Record<string, string> = {
    'content-type': 'binary/octet-stream',
    ...object.headers,
    'accept-ranges': 'bytes',
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.lastModified).toUTCString(),
    'content-length': String(range ? range.to - range.from + 1 : object.size),
    ...(range ? { 'content-range': `bytes ${range.from}-${range.to}/${object.size}` } : {}),
    ...(withChecksums && !range ? checksumHeaders(object.checksums, object.checksumType) : {}),
  };
  const status = range ? 206 : 200;
  if (request.method === 'HEAD') return new Response(null, { status, headers });
  return new Response(await context.store.content(address.bucket, object, range?.from, range?.to), { status, headers });
}

/** DeleteObject: also 204 when there was none. */
export function deleteObject(address: Address, context: ObjectContext): Response {
  context.store.delete(address.bucket, address.key);
  return new Response(null, { status: 204 });
}

/** Time as S3 keeps it. */
export function wholeSecond(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}

function checkReadCondition(headers: Headers, object: StoredObject): void {
  const names = (value: string | null) => value?.split(',').map((tag) => tag.trim().replaceAll('"', ''));
  const match = names(headers.get('if-match'));
  if (match && !match.includes(object.etag) && !match.includes('*')) {
    throw new S3Error('PreconditionFailed', 412, 'At least one of the pre-conditions you specified did not hold', {
      Condition: 'If-Match',
    });
  }
  const none = names(headers.get('if-none-match'));
  if (none && (none.includes(object.etag) || none.includes('*'))) throw new S3Error('NotModified', 304, 'Not Modified');
}

/** One byte range; several ranges or another unit are answered with the whole object, as S3 does. */
function parseRange(header: string | null, size: number): { from: number; to: number } | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const from = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const to = match[1] === '' || match[2] === '' ? size - 1 : Math.min(size - 1, Number(match[2]));
  if (from >= size || from > to) {
    throw new S3Error('InvalidRange', 416, 'The requested range is not satisfiable', { ActualObjectSize: String(size) });
  }
  return { from, to };
}
