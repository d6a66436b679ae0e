// The text of a landed CSV file as UTF-8 without a byte order mark, whatever of UTF-8, UTF-16 and latin-1 it was written in.
// Anything else is refused by name; so is a physical line that no part of the engine could hold.
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { RejectedError, TransientError } from '../../../errors/errors.ts';
import { gunzip, type UnpackLimits } from './gunzip.ts';
import { MAX_RECORD } from './scan.ts';
import { createLatin1Decoder, createUtf16Decoder, createUtf8Decoder, Misplaced, type TextDecoding } from './text-decoders.ts';

/** What a source declares; a byte order mark is believed before it. */
export type Encoding = 'utf-8' | 'utf-16' | 'latin-1';

/** Byte order marks, longest first. The text after the colon is the name of what is refused. */
const MARKS: [number[], 'utf-8' | 'utf-16le' | 'utf-16be' | { refused: string }][] = [
  [[0xff, 0xfe, 0, 0], { refused: 'UTF-32 (little-endian)' }],
  [[0, 0, 0xfe, 0xff], { refused: 'UTF-32 (big-endian)' }],
  [[0x84, 0x31, 0x95, 0x33], { refused: 'GB 18030' }],
  [[0xdd, 0x73, 0x66, 0x73], { refused: 'UTF-EBCDIC' }],
  [[0x2b, 0x2f, 0x76], { refused: 'UTF-7' }],
  [[0x0e, 0xfe, 0xff], { refused: 'SCSU' }],
  [[0x1f, 0x8b, 0x08], { refused: 'gzip; a packed file must be named .csv.gz' }],
  [[0x28, 0xb5, 0x2f, 0xfd], { refused: 'Zstandard; pack with gzip and name it .csv.gz' }],
  [[0x50, 0x4b, 0x03, 0x04], { refused: 'a ZIP archive or a workbook' }],
  [[0x50, 0x41, 0x52, 0x31], { refused: 'Parquet; declare "format: parquet"' }],
  [[0xef, 0xbb, 0xbf], 'utf-8'],
  [[0xfe, 0xff], 'utf-16be'],
  [[0xff, 0xfe], 'utf-16le'],
];

export interface LandedText {
  path: string;
  encoding: Encoding;
}

/** Streams the text. Rejects `wrong-encoding`, `gzip-bomb`, `bad-gzip`; throws `Misplaced` for what has a place. */
export async function* decodeText(chunks: AsyncIterable<Buffer>, file: LandedText, limits: UnpackLimits): AsyncGenerator<Buffer> {
  const bytes = /\.gz$/i.test(file.path) ? gunzip(chunks, file.path, limits) : chunks;
  const lines = new LineBound(file.path);
  let decoder: TextDecoding | null = null;
  let head: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    let block = chunk;
    if (decoder === null) {
      head = Buffer.concat([head, chunk]);
      if (head.length < 4) continue;
      [decoder, block] = begin(head, file);
    }
    const text = decoder.take(block, false);
    lines.take(text);
    yield text;
  }
  let rest: Buffer = Buffer.alloc(0);
  if (decoder === null) [decoder, rest] = begin(head, file);
  const text = decoder.take(rest, true);
  lines.take(text);
  yield text;
}

/** The decoder for a text that begins with `head`, and `head` without its mark. */
function begin(head: Buffer, file: LandedText): [TextDecoding, Buffer] {
  for (const [mark, meaning] of MARKS) {
    if (head.length < mark.length || !mark.every((byte, n) => head[n] === byte)) continue;
    if (typeof meaning === 'object') throw wrongEncoding(file.path, `the file begins like ${meaning.refused}`);
    return [decoderOf(meaning, file.path, mark.length), head.subarray(mark.length)];
  }
  const [first, second] = [head[0], head[1]];
  const order = first === 0 && second !== 0 ? 'utf-16be' : first !== 0 && second === 0 ? 'utf-16le' : null;
  if (head.length < 2 || order === null) {
    if (file.encoding === 'utf-16' && head.length > 0)
      throw wrongEncoding(
        file.path,
        '"encoding: utf-16" is declared, and the file begins neither with a byte order mark nor with a Latin letter in UTF-16',
      );
    return [decoderOf(file.encoding === 'utf-16' ? 'utf-16le' : file.encoding, file.path, 0), head];
  }
  if (file.encoding !== 'utf-16')
    throw wrongEncoding(file.path, `the file looks like UTF-16 without a byte order mark, and "encoding: ${file.encoding}" is declared`);
  return [decoderOf(order, file.path, 0), head];
}

function decoderOf(encoding: 'utf-8' | 'utf-16le' | 'utf-16be' | 'latin-1', path: string, skipped: number): TextDecoding {
  if (encoding === 'utf-8') return createUtf8Decoder(path, skipped);
  return encoding === 'latin-1' ? createLatin1Decoder(path) : createUtf16Decoder(path, encoding, skipped);
}

function wrongEncoding(path: string, why: string): RejectedError {
  return new RejectedError(
    'wrong-encoding',
    `${path}: ${why}. UTF-8, UTF-16 and latin-1 are read (rule encoding). Mend: save the file as UTF-8 and drop it again, or correct "encoding" in sluice.yaml.`,
  );
}

/** Refuses a physical line longer than a row may be, as soon as it is: the rest of it is not even fetched. */
class LineBound {
  private length = 0;

  constructor(private readonly path: string) {}

  take(text: Buffer): void {
    let at = 0;
    // Only the last line end within what a line may have is looked for.
    while (text.length - at > MAX_RECORD - this.length) {
      const end = at + MAX_RECORD - this.length;
      const newline = text.lastIndexOf(10, end);
      if (newline < at) throw new Misplaced(text.subarray(0, at), (line) => this.tooLong(line));
      at = newline + 1;
      this.length = 0;
    }
    const newline = text.lastIndexOf(10);
    this.length = newline < at ? this.length + text.length - at : text.length - newline - 1;
  }

  private tooLong(line: number): RejectedError {
    return new RejectedError(
      'line-too-long',
      `${this.path}, line ${line}: the line is longer than ${MAX_RECORD} bytes (rule row-shape). Mend: write shorter rows, each on a line of its own, and drop the file again.`,
    );
  }
}

/** Bytes that are written at once. */
const WRITE = 1024 * 1024;

/** Writes a stream to the new local file `local` (mode 0600) and gives its length in bytes. */
export async function writeBytes(chunks: AsyncIterable<Buffer>, local: string): Promise<number> {
  const handle = await open(local, 'wx', 0o600);
  let bytes = 0;
  let waiting: Buffer[] = [];
  let size = 0;
  const flush = async () => {
    if (size === 0) return;
    const { bytesWritten } = await handle.writev(waiting);
    if (bytesWritten !== size) throw new TransientError('disk-full', 'the work folder has no space left.');
    [waiting, size, bytes] = [[], 0, bytes + size];
  };
  try {
    for await (const chunk of chunks) {
      waiting.push(chunk);
      size += chunk.length;
      if (size >= WRITE) await flush();
    }
    return bytes + size;
  } finally {
    // What came before an error is written too: it tells on which line the error is.
    await flush().finally(() => handle.close());
  }
}

/** Writes the text to the local file `local` and gives its length in bytes. Rejects as `decodeText`, with the physical line. */
export async function writeText(chunks: AsyncIterable<Buffer>, file: LandedText, limits: UnpackLimits, local: string): Promise<number> {
  try {
    return await writeBytes(decodeText(chunks, file, limits), local);
  } catch (error) {
    if (!(error instanceof Misplaced)) throw error;
    let line = 1 + newlines(error.before);
    for await (const block of createReadStream(local, { highWaterMark: WRITE })) line += newlines(block as Buffer);
    throw error.rejection(line);
  }
}

function newlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}
