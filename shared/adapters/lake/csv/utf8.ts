// Strict UTF-8: finds the first byte of a text, given in blocks, that is not part of a well-formed character.
import { isUtf8 } from 'node:buffer';

/** Length of the character that `lead` opens: 0 when no character begins so. */
function lengthOf(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/** Bytes at the end that begin a character which continues after the end (0..3). */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back]!;
    if (byte >= 0xc0) return lengthOf(byte) > back ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

/** Offset of the first malformed byte in `bytes`, which holds at least one. */
function offsetIn(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    const length = lengthOf(bytes[at]!);
    if (length === 0 || !isUtf8(bytes.subarray(at, at + length)) || at + length > bytes.length) return at;
    at += length;
  }
  return at;
}

/** Where a text stops being UTF-8. `offset` counts bytes from 0; `before` is the good part of the block. */
export interface Malformed {
  offset: number;
  byte: number;
  before: Buffer;
}

/** Judges a text block by block; a character may begin in one block and end in the next. */
export class Utf8Check {
  private carry: Buffer = Buffer.alloc(0);
  private offset = 0;

  /** null while all is well-formed. `last`: nothing follows. */
  take(block: Buffer, last = false): Malformed | null {
    const bytes = this.carry.length === 0 ? block : Buffer.concat([this.carry, block]);
    const whole = last ? bytes : bytes.subarray(0, bytes.length - unfinished(bytes));
    if (!isUtf8(whole)) return this.at(whole);
    this.carry = Buffer.from(bytes.subarray(whole.length));
    this.offset += whole.length;
    return null;
  }

  private at(bytes: Buffer): Malformed {
    const inside = offsetIn(bytes);
    return { offset: this.offset + inside, byte: bytes[inside]!, before: bytes.subarray(0, inside) };
  }
}
