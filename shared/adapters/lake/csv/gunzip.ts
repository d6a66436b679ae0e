// Unpacks a gzip stream under two bounds: how large it may become, and how many times larger than what was packed.
// A bomb is refused while it unpacks, after little more than it was allowed.
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { RejectedError } from '../../../errors/errors.ts';

export interface UnpackLimits {
  /** Most bytes that one packed file may become. */
  maxUnpackedBytes: number;
  /** Most bytes per packed byte; real text rarely passes 20, zlib can reach 1,032. */
  maxRatio: number;
}

/** Below this size the ratio says nothing: a small file of equal rows packs very well. */
const RATIO_FROM = 16 * 1024 * 1024;
const ZLIB = /^(Z_|ERR_.*ZLIB)/;

/** Unpacks `chunks`. Rejects `gzip-bomb`, `bad-gzip`; `path` is for their messages. */
export async function* gunzip(chunks: AsyncIterable<Buffer>, path: string, limits: UnpackLimits): AsyncGenerator<Buffer> {
  let packed = 0;
  let unpacked = 0;
  const counted = async function* () {
    for await (const chunk of chunks) {
      packed += chunk.length;
      yield chunk;
    }
  };
  const unzip = createGunzip({ chunkSize: 256 * 1024 });
  const feeding = pipeline(Readable.from(counted(), { objectMode: false, highWaterMark: 256 * 1024 }), unzip);
  // Its error comes out of the loop below; awaited there, unhandled nowhere.
  feeding.catch(() => undefined);
  try {
    for await (const chunk of unzip) {
      unpacked += (chunk as Buffer).length;
      refuseBomb(path, packed, unpacked, limits);
      yield chunk as Buffer;
    }
    await feeding;
  } catch (error) {
    throw zipError(error, path);
  } finally {
    unzip.destroy();
  }
}

function refuseBomb(path: string, packed: number, unpacked: number, limits: UnpackLimits): void {
  const tooLarge = unpacked > limits.maxUnpackedBytes;
  if (!tooLarge && (unpacked <= RATIO_FROM || unpacked <= packed * limits.maxRatio)) return;
  const rule = tooLarge ? `more than ${limits.maxUnpackedBytes} bytes` : `more than ${limits.maxRatio} times its packed size`;
  throw new RejectedError(
    'gzip-bomb',
    `${path}: it unpacks to ${rule} (${unpacked} bytes from ${packed} so far), so it is not unpacked any further (rule gzip). ` +
      'Mend: drop the file in smaller parts or unpacked, or raise the limit of this deployment.',
  );
}

function zipError(error: unknown, path: string): unknown {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (error instanceof RejectedError || code === undefined || !ZLIB.test(code)) return error;
  const why = code === 'Z_BUF_ERROR' ? 'it ends too early' : (error as Error).message;
  return new RejectedError(
    'bad-gzip',
    `${path}: it cannot be unpacked as gzip: ${why} (rule gzip). Mend: pack the file again and drop it.`,
    {
      cause: error,
    },
  );
}
