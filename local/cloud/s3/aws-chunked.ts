// Decodes `content-encoding: aws-chunked` with trailing checksum, as SDKs send streams (STREAMING-UNSIGNED-PAYLOAD-TRAILER).
// Format: <hex size>CRLF <data>CRLF … 0CRLF <name>:<value>CRLF … CRLF. A server that stores the frame corrupts the object (facts/sagemaker.md §4).
import { S3Error } from './s3-error.ts';

const LONGEST_LINE = 8_192;
const EMPTY = new Uint8Array();

/** Yields the content; the trailers (names in lower case) are in `trailers` when it has ended. */
export async function* decodeAwsChunked(body: AsyncIterable<Uint8Array>, trailers: Map<string, string>): AsyncGenerator<Uint8Array> {
  const reader = new LineReader(body);
  for (;;) {
    const line = await reader.line();
    const size = line !== undefined && /^[0-9a-fA-F]{1,8}$/.test(line) ? Number.parseInt(line, 16) : Number.NaN;
    if (Number.isNaN(size)) {
      throw new S3Error('IncompleteBody', 400, 'The request body is not aws-chunked as announced, or it ended too early.');
    }
    if (size === 0) break;
    yield* reader.bytes(size);
    if ((await reader.line()) !== '')
      throw new S3Error('IncompleteBody', 400, 'A chunk of the request body is longer or shorter than it says.');
  }
  for (let line = await reader.line(); line !== undefined && line !== ''; line = await reader.line()) {
    const at = line.indexOf(':');
    if (at <= 0) throw malformedTrailer();
    trailers.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
}

/** The trailer that was announced did not come, or is not one. */
export function malformedTrailer(): S3Error {
  return new S3Error(
    'MalformedTrailerError',
    400,
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  );
}

/** Lines and counted bytes out of a byte stream. */
class LineReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = EMPTY;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#chunks = body[Symbol.asyncIterator]();
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value]);
    return true;
  }

  /** The next line without its CRLF; undefined at the end. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const at = Buffer.from(this.#rest.buffer, this.#rest.byteOffset, Math.min(this.#rest.length, LONGEST_LINE)).indexOf('\r\n');
      if (at >= 0) {
        const text = Buffer.from(this.#rest.subarray(0, at)).toString('latin1');
        this.#rest = this.#rest.subarray(at + 2);
        return text;
      }
      if (this.#rest.length >= LONGEST_LINE) throw new S3Error('InvalidRequest', 400, 'A line of the aws-chunked body is too long.');
      if (!(await this.#more())) {
        if (this.#rest.length > 0) throw new S3Error('IncompleteBody', 400, 'The request body ended in the middle of a line.');
        return undefined;
      }
    }
  }

  /** Exactly `count` bytes, in pieces as they arrive. */
  async *bytes(count: number): AsyncGenerator<Uint8Array> {
    let left = count;
    while (left > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) {
        throw new S3Error('IncompleteBody', 400, 'You did not provide the number of bytes specified by a chunk header.');
      }
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      if (piece.length > 0) yield piece;
    }
  }
}
