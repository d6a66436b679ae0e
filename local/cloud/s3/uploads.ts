// The four calls of a multipart upload, and the list of its parts.
// The completed object is committed under the same conditions as a single put.
import { rm } from 'node:fs/promises';
import type { Verified } from '../sts/signature.ts';
import { elementsNamed, leaf, xml } from '../sts/xml.ts';
import type { Address } from './address.ts';
import { type Algorithm, ALGORITHMS, checksumHeaders, isAlgorithm } from './checksums.ts';
import type { ListedPart, Multipart } from './multipart.ts';
import { keptHeaders, type ObjectContext, wholeSecond, writeCondition } from './objects.ts';
import { readSignedText, receiveBody } from './receive.ts';
import { S3Error } from './s3-error.ts';

/** What the handlers work with. */
export interface UploadContext extends ObjectContext {
  readonly multipart: Multipart;
}

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
const LONGEST_LIST = 4_194_304;
const MAX_PART_NUMBER = 10_000;

/** CreateMultipartUpload. */
export function createUpload(request: Request, { bucket, key }: Address, { multipart, store }: UploadContext): Response {
  store.begin(bucket, key);
  const name = request.headers.get('x-amz-checksum-algorithm')?.toLowerCase();
  if (name !== undefined && !isAlgorithm(name)) {
    throw new S3Error(
      'InvalidRequest',
      400,
      `Checksum algorithm ${name.slice(0, 20)} is not verified by this stand-in (stricter than the service).`,
    );
  }
  const checksumType = request.headers.get('x-amz-checksum-type') === 'FULL_OBJECT' ? 'FULL_OBJECT' : 'COMPOSITE';
  if (checksumType === 'FULL_OBJECT' && name?.startsWith('sha') === true) {
    throw new S3Error('InvalidRequest', 400, `The FULL_OBJECT checksum type cannot be used with the ${name} checksum algorithm.`);
  }
  const headers = keptHeaders(request.headers);
  const upload = multipart.create({ bucket, key, headers, checksumType, ...(name === undefined ? {} : { algorithm: name }) });
  return document('InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId: upload.id });
}

/** UploadPart. */
export async function uploadPart(request: Request, address: Address, verified: Verified, context: UploadContext): Promise<Response> {
  const number = Number(address.query.get('partNumber'));
  if (!Number.isInteger(number) || number < 1 || number > MAX_PART_NUMBER) {
    throw new S3Error('InvalidArgument', 400, 'Part number must be an integer between 1 and 10000, inclusive');
  }
  const upload = context.multipart.get(address.query.get('uploadId') ?? '', address.bucket, address.key);
  const received = await receiveBody(request, verified, context.store.incomingFile(), context.maxObjectBytes);
  try {
    const part = context.multipart.addPart(upload, number, received);
    return new Response(null, { headers: { etag: `"${part.etag}"`, ...partChecksums(part.checksums) } });
  } catch (error) {
    await rm(received.file, { force: true });
    throw error;
  }
}

/** CompleteMultipartUpload. */
export async function completeUpload(request: Request, address: Address, verified: Verified, context: UploadContext): Promise<Response> {
  const { store, multipart } = context;
  const upload = multipart.get(address.query.get('uploadId') ?? '', address.bucket, address.key);
  const ticket = store.begin(address.bucket, address.key);
  const listed = parseParts(await readSignedText(request, verified, LONGEST_LIST));
  const joined = await multipart.join(upload, listed, store.incomingFile());
  const { key, headers, checksumType } = upload;
  const { size, etag, checksums, file } = joined;
  const lastModified = wholeSecond(context.now());
  try {
    if (size > context.maxObjectBytes) throw new S3Error('EntityTooLarge', 400, 'Your proposed upload exceeds the maximum allowed size');
    const object = { key, size, etag, lastModified, checksums, checksumType, headers };
    store.commit(address.bucket, object, file, writeCondition(request.headers), ticket);
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
  multipart.remove(upload);
  return document('CompleteMultipartUploadResult', {
    Bucket: address.bucket,
    Key: key,
    ETag: `"${etag}"`,
    ...Object.fromEntries(Object.entries(checksums).map(([name, value]) => [checksumElement(name), value])),
    ...(Object.keys(checksums).length > 0 ? { ChecksumType: checksumType } : {}),
  });
}

/** AbortMultipartUpload. */
export function abortUpload(address: Address, { multipart }: UploadContext): Response {
  multipart.remove(multipart.get(address.query.get('uploadId') ?? '', address.bucket, address.key));
  return new Response(null, { status: 204 });
}

/** ListParts (all at once: at most 10 000 short entries). */
export function listParts(address: Address, { multipart }: UploadContext): Response {
  const upload = multipart.get(address.query.get('uploadId') ?? '', address.bucket, address.key);
  const parts = multipart.parts(upload);
  return document('ListPartsResult', {
    Bucket: address.bucket,
    Key: address.key,
    UploadId: upload.id,
    MaxParts: MAX_PART_NUMBER,
    IsTruncated: false,
    Part: parts.map(({ number, size, etag, checksums }) => ({
      PartNumber: number,
      Size: size,
      ETag: `"${etag}"`,
      ...Object.fromEntries(Object.entries(checksums).map(([name, value]) => [checksumElement(name), value])),
    })),
  });
}

function parseParts(text: string): ListedPart[] {
  return elementsNamed(text, 'Part').map((part) => {
    const number = Number(leaf(part, 'PartNumber') ?? Number.NaN);
    const etag = leaf(part, 'ETag')?.replaceAll('"', '');
    if (!Number.isInteger(number) || etag === undefined) {
      throw new S3Error('MalformedXML', 400, 'The XML you provided was not well-formed or did not validate against our published schema');
    }
    const checksums = ALGORITHMS.map((algorithm): [Algorithm, string | undefined] => [algorithm, leaf(part, checksumElement(algorithm))]);
    return { number, etag, checksums: Object.fromEntries(checksums.filter(([, value]) => value !== undefined)) };
  });
}

const checksumElement = (algorithm: string) => `Checksum${algorithm.toUpperCase()}`;

/** A part's answer has no checksum type. */
function partChecksums(checksums: Parameters<typeof checksumHeaders>[0]): Record<string, string> {
  const { 'x-amz-checksum-type': _, ...headers } = checksumHeaders(checksums, '');
  return headers;
}

function document(root: string, elements: Parameters<typeof xml>[1]): Response {
  return new Response(xml(root, elements, NAMESPACE), { headers: { 'content-type': 'application/xml' } });
}
