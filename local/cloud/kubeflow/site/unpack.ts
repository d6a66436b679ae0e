// Everything that can be read in a body: its text, and what is inside of it, however often it was packed or written otherwise:
// gzip, tar, zip, base64, hexadecimal, percent signs. For a search only: what is found is not put together again.
import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';

/** How deep is looked: a base64 text in a file of an archive in a request is four. */
const MAX_DEPTH = 6;
/** Unpacked bytes of one body; beyond that a test is told instead of shown a part. */
const MAX_UNPACKED = 256 * 1_048_576;
const BASE64 = /[A-Za-z0-9+/_-]{24,}(?:\r?\n[A-Za-z0-9+/_-]+)*={0,2}/g;
const HEX = /(?:[0-9a-fA-F]{2}){36,}/g;
const TAR_BLOCK = 512;

/** The texts of a body and of everything in it. Bytes that are no text are Latin-1, so that rows within them are still found. */
export function textsOf(body: Uint8Array): string[] {
  const texts: string[] = [];
  let left = MAX_UNPACKED;
  const look = (bytes: Buffer, depth: number): void => {
    left -= bytes.byteLength;
    if (left < 0) throw new Error(`More than ${MAX_UNPACKED} bytes are packed into one body; it was not looked through.`);
    const inner = depth < MAX_DEPTH ? unpacked(bytes) : [];
    for (const part of inner) look(part, depth + 1);
    // The archive's own bytes say nothing that its files do not; one that could not be read is looked at as it is.
    if (inner.length > 0) return;
    const text = decoded(bytes);
    texts.push(text);
    if (depth >= MAX_DEPTH) return;
    for (const written of rewritten(text)) look(written, depth + 1);
  };
  look(Buffer.from(body), 0);
  return texts;
}

function decoded(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.toString('utf16le');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

/** The files of an archive, or the one that is packed; none where it is not packed. */
function unpacked(bytes: Buffer): Buffer[] {
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) return [gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED })];
    if (bytes.subarray(0, 4).equals(ZIP_LOCAL)) return zipped(bytes);
    if (bytes.subarray(257, 262).toString('latin1') === 'ustar') return tarred(bytes);
    if (bytes[0] === 0x78 && [0x01, 0x5e, 0x9c, 0xda].includes(bytes[1] ?? -1)) {
      return [inflateSync(bytes, { maxOutputLength: MAX_UNPACKED })];
    }
  } catch {
    // Not packed after all, or cut off.
  }
  return [];
}

function tarred(bytes: Buffer): Buffer[] {
  const files: Buffer[] = [];
  for (let at = 0; at + TAR_BLOCK <= bytes.length;) {
    const header = bytes.subarray(at, at + TAR_BLOCK);
    if (header[0] === 0) break;
    const size = parseInt(header.subarray(124, 136).toString('latin1').replace(/\0.*$/, '').trim(), 8) || 0;
    // Names may hold rows, too.
    files.push(Buffer.from(header.subarray(0, 100)), bytes.subarray(at + TAR_BLOCK, at + TAR_BLOCK + size));
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return files;
}

const ZIP_LOCAL = Buffer.from('PK\u0003\u0004', 'latin1');
const ZIP_CENTRAL = Buffer.from('PK\u0001\u0002', 'latin1');

/** By the directory at the end: only that has the sizes for certain. */
function zipped(bytes: Buffer): Buffer[] {
  const files: Buffer[] = [];
  for (let at = bytes.indexOf(ZIP_CENTRAL); at >= 0; at = bytes.indexOf(ZIP_CENTRAL, at + 4)) {
    const [method, size, local] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 42)];
    if (!bytes.subarray(local, local + 4).equals(ZIP_LOCAL)) continue;
    const name = bytes.subarray(at + 46, at + 46 + bytes.readUInt16LE(at + 28));
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const content = bytes.subarray(start, start + size);
    files.push(Buffer.from(name), method === 8 ? inflateRawSync(content, { maxOutputLength: MAX_UNPACKED }) : content);
  }
  return files;
}

/** What parts of a text say in another writing. */
function rewritten(text: string): Buffer[] {
  const found = [
    ...(text.match(BASE64) ?? []).map((run) => Buffer.from(run.replace(/\s/g, ''), 'base64')),
    ...(text.match(HEX) ?? []).map((run) => Buffer.from(run, 'hex')),
  ].filter(isTelling);
  if (!/%[0-9a-fA-F]{2}/.test(text)) return found;
  const bytes = text.replace(/\+/g, ' ').replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return [...found, Buffer.from(bytes, 'latin1')];
}

/** Random bytes (a digest, a signature, a word that looks like base64) are no text and no archive. */
function isTelling(bytes: Buffer): boolean {
  if (bytes[0] === 0x1f || bytes[0] === 0x78 || bytes.subarray(0, 2).toString('latin1') === 'PK') return true;
  if (bytes.subarray(257, 262).toString('latin1') === 'ustar') return true;
  const start = bytes.subarray(0, 200);
  const plain = start.filter((byte) => byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte < 127)).length;
  return plain / start.length > 0.9;
}
