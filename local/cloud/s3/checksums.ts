// The object checksums of S3 that this stand-in verifies, computed while the bytes pass.
// Source: AWS documentation, "Checking object integrity in Amazon S3"; CRC32C is RFC 3720 (Castagnoli).
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { S3Error } from './s3-error.ts';

/** Algorithms by the ending of their header `x-amz-checksum-…`. CRC64NVME and younger ones are refused, not ignored. */
export const ALGORITHMS = ['crc32', 'crc32c', 'sha1', 'sha256'] as const;
/** One of them. */
export type Algorithm = (typeof ALGORITHMS)[number];
/** Base64 values by algorithm. */
export type Checksums = Partial<Record<Algorithm, string>>;

/** A digest over bytes as they pass. */
export interface RunningDigest {
  update(bytes: Uint8Array): void;
  /** The raw digest; big-endian for the CRCs. */
  digest(): Buffer;
}

const BYTES: Readonly<Record<Algorithm, number>> = { crc32: 4, crc32c: 4, sha1: 20, sha256: 32 };

/** Whether a header ending names an algorithm that is verified here. */
export function isAlgorithm(name: string): name is Algorithm {
  return (ALGORITHMS as readonly string[]).includes(name);
}

/** A fresh digest. */
export function startDigest(algorithm: Algorithm | 'md5'): RunningDigest {
  if (algorithm === 'crc32') return crc((bytes, value) => crc32(bytes, value));
  if (algorithm === 'crc32c') return crc(crc32c);
  const hash = createHash(algorithm);
  return {
    update: (bytes) => {
      hash.update(bytes);
    },
    digest: () => hash.digest(),
  };
}

function crc(step: (bytes: Uint8Array, value: number) => number): RunningDigest {
  let value = 0;
  return {
    update: (bytes) => {
      value = step(bytes, value);
    },
    digest: () => {
      const buffer = Buffer.alloc(4);
      buffer.writeUInt32BE(value >>> 0);
      return buffer;
    },
  };
}

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0x82f63b78 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

/** CRC32C of `bytes`, going on from `value`. */
export function crc32c(bytes: Uint8Array, value = 0): number {
  let register = ~value >>> 0;
  for (const byte of bytes) register = (TABLE[(register ^ byte) & 0xff] ?? 0) ^ (register >>> 8);
  return ~register >>> 0;
}

/** What the caller says the content's checksum is: one algorithm, its value known now or only in the trailer. */
export interface ExpectedChecksum {
  readonly algorithm: Algorithm;
  /** Undefined: comes as a trailer. */
  readonly value: string | undefined;
}

const PREFIX = 'x-amz-checksum-';
/** Headers with the prefix that are not checksums. */
const NOT_VALUES = ['mode', 'type', 'algorithm'];

/** Reads the checksum headers of an upload; refuses two of them, unknown ones and values of the wrong length. */
export function expectedChecksum(headers: Headers): ExpectedChecksum | undefined {
  const values = [...headers.keys()]
    .filter((name) => name.startsWith(PREFIX) && !NOT_VALUES.includes(name.slice(PREFIX.length)))
    .map((name) => ({ name: name.slice(PREFIX.length), value: headers.get(name) ?? undefined }));
  const trailer = headers.get('x-amz-trailer')?.trim().toLowerCase();
  if (trailer?.startsWith(PREFIX) === true) values.push({ name: trailer.slice(PREFIX.length), value: undefined });
  const [first, second] = values;
  if (second)
    throw new S3Error('InvalidRequest', 400, 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.');
  if (!first) return undefined;
  if (!isAlgorithm(first.name))
    throw new S3Error('InvalidRequest', 400, `${PREFIX}${first.name} is not verified by this stand-in (stricter than the service).`);
  if (first.value !== undefined) checkFormat(first.name, first.value);
  return { algorithm: first.name, value: first.value };
}

/** Refuses what cannot be a base64 digest of this algorithm. */
export function checkFormat(algorithm: Algorithm, value: string): void {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== BYTES[algorithm] || bytes.toString('base64') !== value) {
    throw new S3Error('InvalidRequest', 400, `Value for ${PREFIX}${algorithm} header is invalid.`);
  }
}

/** Response headers for stored checksums. */
export function checksumHeaders(checksums: Checksums, type: string): Record<string, string> {
  const entries = Object.entries(checksums).map(([algorithm, value]) => [`${PREFIX}${algorithm}`, value] as const);
  return entries.length === 0 ? {} : { ...Object.fromEntries(entries), 'x-amz-checksum-type': type };
}
