// Strict UTF-8: finds the first byte of a local file that is not part of a well-formed character.
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';

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

function newlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}

/** Where a file stops being UTF-8, or null. `offset` counts bytes from 0, `line` physical lines from 1. */
export interface Malformed {
  offset: number;
  line: number;
  byte: number;
}

export async function findMalformed(file: string): Promise<Malformed | null> {
  let carry: Buffer = Buffer.alloc(0);
  let offset = 0;
  let line = 1;
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    const bytes: Buffer = carry.length === 0 ? (chunk as Buffer) : Buffer.concat([carry, chunk as Buffer]);
    const whole = bytes.subarray(0, bytes.length - unfinished(bytes));
    if (!isUtf8(whole)) return at(whole);
    carry = Buffer.from(bytes.subarray(whole.length));
    offset += whole.length;
    line += newlines(whole);
  }
  return carry.length > 0 ? at(carry) : null;

  function at(bytes: Buffer): Malformed {
    const inside = offsetIn(bytes);
    return { offset: offset + inside, line: line + newlines(bytes.subarray(0, inside)), byte: bytes[inside]! };
  }
}
