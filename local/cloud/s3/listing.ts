// ListObjectsV2 and ListBuckets.
// Order is that of the keys' UTF-8 bytes; pages continue after the last key or common prefix given.
import { xml, type XmlElements } from '../sts/xml.ts';
import type { Address } from './address.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';
import { S3Error } from './s3-error.ts';

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
const LARGEST_PAGE = 1_000;

interface Entry {
  /** Key or common prefix: what the next page starts after. */
  readonly name: string;
  readonly object?: StoredObject;
}

/** ListBuckets. */
export function listBuckets(store: ObjectStore): Response {
  const buckets = store.buckets().map(({ name, createdAt }) => ({ Name: name, CreationDate: new Date(createdAt).toISOString() }));
  return document('ListAllMyBucketsResult', { Buckets: { Bucket: buckets } });
}

/** ListObjectsV2. */
export function listObjects(address: Address, store: ObjectStore): Response {
  const { query } = address;
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const token = query.get('continuation-token');
  const after = token === undefined ? (query.get('start-after') ?? '') : readToken(token);
  const maxKeys = pageSize(query.get('max-keys'));
  const encoding = query.get('encoding-type');
  const shown = (text: string) => (encoding === 'url' ? encodeURIComponent(text).replaceAll('%2F', '/') : text);

  const rest = entries(store.list(address.bucket), prefix, delimiter).filter(({ name }) => after === '' || bytewise(name, after) > 0);
  const page = rest.slice(0, maxKeys);
  const truncated = rest.length > page.length;
  return document('ListBucketResult', {
    Name: address.bucket,
    Prefix: shown(prefix),
    Delimiter: delimiter === '' ? undefined : shown(delimiter),
    EncodingType: encoding,
    MaxKeys: maxKeys,
    KeyCount: page.length,
    IsTruncated: truncated,
    ContinuationToken: token,
    NextContinuationToken: truncated ? Buffer.from(page.at(-1)?.name ?? '', 'utf8').toString('base64url') : undefined,
    Contents: page.flatMap(({ object }) => (object ? [contents(object, shown)] : [])),
    CommonPrefixes: page.flatMap(({ name, object }) => (object ? [] : [{ Prefix: shown(name) }])),
  });
}

function contents(object: StoredObject, shown: (text: string) => string): XmlElements {
  const [algorithm] = Object.keys(object.checksums);
  return {
    Key: shown(object.key),
    LastModified: new Date(object.lastModified).toISOString(),
    ETag: `"${object.etag}"`,
    ChecksumAlgorithm: algorithm?.toUpperCase(),
    Size: object.size,
    StorageClass: 'STANDARD',
  };
}

function entries(objects: readonly StoredObject[], prefix: string, delimiter: string): Entry[] {
  const result: Entry[] = [];
  for (const object of objects) {
    if (!object.key.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length);
    if (cut < 0) result.push({ name: object.key, object });
    else {
      const name = object.key.slice(0, cut + delimiter.length);
      if (result.at(-1)?.name !== name) result.push({ name });
    }
  }
  return result;
}

function pageSize(text: string | undefined): number {
  const size = Number(text ?? LARGEST_PAGE);
  if (!Number.isInteger(size) || size < 0)
    throw new S3Error('InvalidArgument', 400, 'Provided max-keys not an integer or within integer range');
  return Math.min(size, LARGEST_PAGE);
}

function readToken(token: string): string {
  const name = Buffer.from(token, 'base64url').toString('utf8');
  if (name === '') throw new S3Error('InvalidArgument', 400, 'The continuation token provided is incorrect');
  return name;
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

function document(root: string, elements: XmlElements): Response {
  return new Response(xml(root, elements, NAMESPACE), { headers: { 'content-type': 'application/xml' } });
}
