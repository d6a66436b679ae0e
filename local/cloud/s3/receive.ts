// Takes the body of an upload to a file, verifying on the way everything that the caller has promised about it.
// Nothing of a body that fails a check remains.
import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { BodyTooLargeError, readBytes } from '../kit/body.ts';
import type { Verified } from '../sts/signature.ts';
import { decodeAwsChunked, malformedTrailer } from './aws-chunked.ts';
import { checkFormat, type Checksums, expectedChecksum, type ExpectedChecksum, type RunningDigest, startDigest } from './checksums.ts';
import { notImplemented, S3Error } from './s3-error.ts';

/** A body that has been received and verified. */
export interface Received {
  readonly file: string;
  readonly size: number;
  /** Hex. */
  readonly md5: string;
  /** The one checksum that the caller named, if any. */
  readonly checksums: Checksums;
}

const HEX_SHA256 = /^[0-9a-f]{64}$/;
const TRAILER_PAYLOAD = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

/** Receives into `file` (which must not exist); on any refusal the file is gone again. */
export async function receiveBody(request: Request, verified: Verified, file: string, maxBytes: number): Promise<Received> {
  const expected = expectedChecksum(request.headers);
  const trailers = new Map<string, string>();
  const chunked = isChunked(verified.payloadHash);
  if (expected && expected.value === undefined && !chunked) throw malformedTrailer();
  const announced = announcedLength(request.headers, chunked);
  if (announced > maxBytes) throw tooLarge(announced, maxBytes);

  const raw = (request.body as AsyncIterable<Uint8Array> | null) ?? noBytes();
  const content = chunked ? decodeAwsChunked(raw, trailers) : raw;
  const digests = new Map<string, RunningDigest>([['md5', startDigest('md5')]]);
  if (HEX_SHA256.test(verified.payloadHash)) digests.set('payload', startDigest('sha256'));
  if (expected) digests.set('expected', startDigest(expected.algorithm));

  const handle = await open(file, 'wx', 0o600);
  try {
    let size = 0;
    for await (const bytes of content) {
      size += bytes.byteLength;
      if (size > maxBytes) throw tooLarge(size, maxBytes);
      for (const digest of digests.values()) digest.update(bytes);
      for (let at = 0; at < bytes.byteLength;) at += (await handle.write(bytes, at)).bytesWritten;
    }
    if (size !== announced) throw new S3Error('IncompleteBody', 400, `The content has ${size} bytes, ${announced} were announced.`);
    const results = new Map([...digests].map(([name, digest]) => [name, digest.digest()]));
    verifyPayload(request.headers, verified.payloadHash, results);
    const checksums = expected ? verifyChecksum(expected, trailers, results.get('expected')) : {};
    return { file, size, md5: results.get('md5')?.toString('hex') ?? '', checksums };
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Stricter than the service: chunks that are signed one by one are not taken; the SDK for JavaScript does not send them. */
function isChunked(payloadHash: string): boolean {
  if (payloadHash.startsWith('STREAMING-') && payloadHash !== TRAILER_PAYLOAD) throw notImplemented(`x-amz-content-sha256: ${payloadHash}`);
  return payloadHash === TRAILER_PAYLOAD;
}

function announcedLength(headers: Headers, chunked: boolean): number {
  const text = headers.get(chunked ? 'x-amz-decoded-content-length' : 'content-length');
  const length = text !== null && /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(length)) throw new S3Error('MissingContentLength', 411, 'You must provide the Content-Length HTTP header.');
  return length;
}

function verifyPayload(headers: Headers, payloadHash: string, results: ReadonlyMap<string, Buffer>): void {
  const payload = results.get('payload');
  if (payload && HEX_SHA256.test(payloadHash) && payload.toString('hex') !== payloadHash) {
    throw new S3Error('XAmzContentSHA256Mismatch', 400, "The provided 'x-amz-content-sha256' header does not match what was computed.");
  }
  const md5 = headers.get('content-md5');
  if (md5 === null || !results.has('md5')) return;
  if (Buffer.from(md5, 'base64').length !== 16) throw new S3Error('InvalidDigest', 400, 'The Content-MD5 you specified is not valid.');
  if (results.get('md5')?.toString('base64') !== md5) {
    throw new S3Error('BadDigest', 400, 'The Content-MD5 you specified did not match what we received.');
  }
}

function verifyChecksum(expected: ExpectedChecksum, trailers: ReadonlyMap<string, string>, computed: Buffer | undefined): Checksums {
  const value = expected.value ?? trailers.get(`x-amz-checksum-${expected.algorithm}`);
  if (value === undefined) throw malformedTrailer();
  checkFormat(expected.algorithm, value);
  if (computed?.toString('base64') !== value) {
    throw new S3Error('BadDigest', 400, `The ${expected.algorithm.toUpperCase()} you specified did not match the calculated checksum.`);
  }
  return { [expected.algorithm]: value };
}

/** A small body as text, after its hash has been compared with the signed one. */
export async function readSignedText(request: Request, verified: Verified, maxBytes: number): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readBytes(request, maxBytes);
  } catch (error) {
    if (error instanceof BodyTooLargeError) throw new S3Error('MaxMessageLengthExceeded', 400, 'Your request was too big.');
    throw error;
  }
  verifyPayload(request.headers, verified.payloadHash, new Map([['payload', createHash('sha256').update(bytes).digest()]]));
  return Buffer.from(bytes).toString('utf8');
}

function tooLarge(size: number, maxBytes: number): S3Error {
  return new S3Error('EntityTooLarge', 400, 'Your proposed upload exceeds the maximum allowed size', {
    ProposedSize: String(size),
    MaxSizeAllowed: String(maxBytes),
  });
}

async function* noBytes(): AsyncGenerator<Uint8Array> {
  // An upload of nothing.
}
