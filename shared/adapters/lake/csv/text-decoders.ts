// Decoders from a stream of bytes to UTF-8, strict: a byte that is no character is refused with its place.
// Lines are not counted on the way (that would cost as much as the rest): whoever has the text so far counts them when needed.
import { RejectedError } from '../../../errors/errors.ts';
import { Utf8Check } from './utf8.ts';

/** Something is wrong in a block of text, after its part `before`. */
export class Misplaced extends Error {
  constructor(
    readonly before: Buffer,
    /** The rejection, once the physical line is known. */
    readonly rejection: (line: number) => RejectedError,
  ) {
    super('the text breaks a rule');
  }
}

export interface TextDecoding {
  /** The block as UTF-8; a character that it only begins comes with the next. `last`: nothing follows. */
  take(block: Buffer, last: boolean): Buffer;
}

const byteText = (byte: number) => `0x${byte.toString(16).padStart(2, '0')}`;

/** `skipped`: bytes of the mark before the text. Throws `Misplaced` with `not-utf8`. */
export function createUtf8Decoder(path: string, skipped: number): TextDecoding {
  const check = new Utf8Check();
  return {
    take(block, last) {
      const malformed = check.take(block, last);
      if (malformed === null) return block;
      const latin = malformed.byte >= 0xa0 ? '; a file in latin-1 needs "encoding: latin-1" in sluice.yaml' : '';
      throw new Misplaced(
        malformed.before,
        (line) =>
          new RejectedError(
            'not-utf8',
            `${path}, line ${line}: byte ${byteText(malformed.byte)} at offset ${malformed.offset + skipped} is not UTF-8 (rule encoding). ` +
              `Mend: save the file as UTF-8 and drop it again${latin}.`,
          ),
      );
    },
  };
}

/** ISO 8859-1. Bytes 0x80 to 0x9F are no characters there: a file that has them is Windows-1252 or something else. */
export function createLatin1Decoder(path: string): TextDecoding {
  let offset = 0;
  return {
    take(block) {
      let high = false;
      for (let n = 0; n < block.length; n += 1) {
        const byte = block[n]!;
        if (byte < 0x80) continue;
        high = true;
        if (byte < 0xa0) throw foreignToLatin1(path, byte, offset + n, block.subarray(0, n));
      }
      offset += block.length;
      return high ? Buffer.from(block.toString('latin1'), 'utf8') : block;
    },
  };
}

function foreignToLatin1(path: string, byte: number, offset: number, before: Buffer): Misplaced {
  return new Misplaced(
    before,
    (line) =>
      new RejectedError(
        'wrong-encoding',
        `${path}, line ${line}: byte ${byteText(byte)} at offset ${offset} is no character of latin-1 (Windows-1252 or UTF-8?) (rule encoding). ` +
          'Mend: save the file as UTF-8, drop it again, and set "encoding: utf-8" in sluice.yaml.',
      ),
  );
}

/** `skipped`: bytes of the mark before the text. */
export function createUtf16Decoder(path: string, order: 'utf-16le' | 'utf-16be', skipped: number): TextDecoding {
  const decoder = new TextDecoder(order, { fatal: true, ignoreBOM: true });
  let offset = skipped;
  let carry: Buffer = Buffer.alloc(0);
  return {
    take(block, last) {
      const bytes = Buffer.concat([carry, block]);
      // Whole units only, and no high surrogate at the end: it waits for its other half.
      let end = bytes.length - (bytes.length % 2);
      if (!last && end >= 2 && isHigh(unit(bytes, end - 2, order))) end -= 2;
      const whole = last ? bytes : bytes.subarray(0, end);
      let text: string;
      try {
        text = decoder.decode(whole);
      } catch (error) {
        const at = firstBad(whole, order);
        const place = offset + at;
        throw new Misplaced(
          Buffer.from(new TextDecoder(order).decode(whole.subarray(0, at)), 'utf8'),
          (line) =>
            new RejectedError(
              'wrong-encoding',
              `${path}, line ${line}: the bytes at offset ${place} are no character of UTF-16 (rule encoding). Mend: save the file as UTF-8 and drop it again.`,
              { cause: error },
            ),
        );
      }
      carry = Buffer.from(bytes.subarray(whole.length));
      offset += whole.length;
      return Buffer.from(text, 'utf8');
    },
  };
}

function unit(bytes: Buffer, at: number, order: 'utf-16le' | 'utf-16be'): number {
  return order === 'utf-16le' ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
}
const isHigh = (value: number) => value >= 0xd800 && value <= 0xdbff;
const isLow = (value: number) => value >= 0xdc00 && value <= 0xdfff;

/** Offset of the first unit that is half a character, or of the odd byte at the end. */
function firstBad(bytes: Buffer, order: 'utf-16le' | 'utf-16be'): number {
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const value = unit(bytes, at, order);
    if (isLow(value)) return at;
    if (!isHigh(value)) continue;
    if (at + 3 >= bytes.length || !isLow(unit(bytes, at + 2, order))) return at;
    at += 2;
  }
  return bytes.length - (bytes.length % 2);
}
