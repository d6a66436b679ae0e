// Splits a CSV file into records without keeping more than about two megabytes of it: RFC 4180 with LF or CRLF.
// A record that breaks the form costs its own physical line only: an unclosed quote does not swallow the good rows after it.
import { open } from 'node:fs/promises';

/** Longest record, its quoted line breaks included. */
export const MAX_RECORD = 1024 * 1024;
const BLOCK = 1024 * 1024;
const [NUL, LF, CR, QUOTE, COMMA] = [0, 10, 13, 34, 44];

/** One record; `bytes` is valid only while the visitor runs. */
export interface CsvRecord {
  /** Without the line end. Of a bad record: its first physical line. */
  bytes: Buffer;
  /** Where it starts, in bytes from the start of the file. */
  offset: number;
  /** Physical line on which it starts; the first line of the file is 1. */
  line: number;
  fields: number;
  /** What is wrong with its form, or null. */
  problem: string | null;
}

interface Found {
  end: number;
  next: number;
  fields: number;
  problem: string | null;
}

/** A record without any quote: up to `lineEnd`. */
function plainRecord(buffer: Buffer, start: number, lineEnd: number, next: number): Found {
  const end = lineEnd > start && buffer[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
  let fields = 1;
  let problem: string | null = null;
  for (let i = start; i < end; i += 1) {
    const byte = buffer[i]!;
    if (byte === COMMA) fields += 1;
    else if (byte === CR) problem = 'a carriage return stands inside the row';
    else if (byte === NUL) problem = 'a NUL byte stands inside the row';
  }
  return { end, next, fields, problem };
}

/** Position after the closing quote of the field that opens at `start`; -1 when it is not in the buffer. */
function closingQuote(buffer: Buffer, start: number, atEnd: boolean): number {
  let from = start + 1;
  for (;;) {
    const quote = buffer.indexOf(QUOTE, from);
    if (quote === -1 || (quote + 1 >= buffer.length && !atEnd)) return -1;
    if (buffer[quote + 1] !== QUOTE) return quote + 1;
    from = quote + 2;
  }
}

/** A record with quotes; null when the buffer ends before it does. */
function quotedRecord(buffer: Buffer, start: number, atEnd: boolean): Found | null {
  let fields = 1;
  let at = start;
  const broken = (problem: string): Found => ({ end: at, next: at, fields, problem });
  for (;;) {
    if (buffer[at] === QUOTE) {
      at = closingQuote(buffer, at, atEnd);
      if (at === -1) return null;
    } else {
      while (at < buffer.length && buffer[at] !== COMMA && buffer[at] !== LF && buffer[at] !== CR) {
        if (buffer[at] === QUOTE) return broken('a quote stands inside a value that does not begin with one');
        if (buffer[at] === NUL) return broken('a NUL byte stands inside the row');
        at += 1;
      }
    }
    if (at >= buffer.length) return atEnd ? { end: at, next: at, fields, problem: null } : null;
    if (buffer[at] === COMMA) {
      fields += 1;
      at += 1;
    } else if (buffer[at] === LF) return { end: at, next: at + 1, fields, problem: null };
    else if (buffer[at] === CR) {
      if (at + 1 >= buffer.length) return atEnd ? { end: at, next: at + 1, fields, problem: null } : null;
      if (buffer[at + 1] === LF) return { end: at, next: at + 2, fields, problem: null };
      return broken('a carriage return stands inside the row');
    } else return broken('text follows a closing quote');
  }
}

/** What is wrong with a record whose first physical line ends at `lineEnd`. What goes wrong on a later line began with an open quote. */
function problemOf(found: Found | null, at: number, lineEnd: number): string | null {
  if (found === null || (found.problem !== null && found.end > lineEnd)) return 'a quote is opened and not closed';
  if (found.problem !== null) return found.problem;
  return found.end - at > MAX_RECORD ? `the row is longer than ${MAX_RECORD} bytes; only its beginning is kept` : null;
}

function countLines(buffer: Buffer, from: number, to: number): number {
  let lines = 0;
  for (let at = buffer.indexOf(LF, from); at !== -1 && at < to; at = buffer.indexOf(LF, at + 1)) lines += 1;
  return lines;
}

/**
 * Visits every record of the local `file` in order, empty lines too (no bytes, one field). `flush` runs between blocks.
 * Reading on from the line after an unclosed quote costs each byte at most twice: a second open quote would have closed the first.
 */
export async function scanCsv(
  file: string,
  visit: (record: CsvRecord) => void,
  flush: () => Promise<void> = async () => undefined,
): Promise<void> {
  const handle = await open(file, 'r');
  try {
    const scanner = new Scanner(visit);
    const block = Buffer.allocUnsafe(BLOCK);
    for (;;) {
      const { bytesRead } = await handle.read(block, 0, BLOCK);
      scanner.take(block.subarray(0, bytesRead), bytesRead === 0);
      await flush();
      if (bytesRead === 0) return;
    }
  } finally {
    await handle.close();
  }
}

class Scanner {
  private buffer: Buffer = Buffer.alloc(0);
  private line = 1;
  /** Offset of the buffer's first byte in the file. */
  private base = 0;
  private first = true;
  /** Inside a physical line that was too long: drop the rest of it. */
  private skipping = false;

  constructor(private readonly visit: (record: CsvRecord) => void) {}

  take(block: Buffer, atEnd: boolean): void {
    this.buffer = this.buffer.length === 0 ? Buffer.from(block) : Buffer.concat([this.buffer, block]);
    let at = this.skipping ? this.skipped() : 0;
    if (this.first) {
      // The byte order mark is no part of the first name.
      if (this.buffer.length >= 3 && this.buffer[0] === 0xef && this.buffer[1] === 0xbb && this.buffer[2] === 0xbf) at = 3;
      this.first = false;
    }
    let quote = this.buffer.indexOf(QUOTE, at);
    while (at < this.buffer.length) {
      const newline = this.buffer.indexOf(LF, at);
      if (newline === -1 && !atEnd && this.buffer.length - at <= MAX_RECORD) break;
      const lineEnd = newline === -1 ? this.buffer.length : newline;
      if (quote !== -1 && quote < at) quote = this.buffer.indexOf(QUOTE, at);
      const next = this.one(at, lineEnd, newline === -1 ? lineEnd : newline + 1, quote !== -1 && quote < lineEnd, atEnd);
      if (next === null) break;
      at = next;
    }
    this.buffer = this.buffer.subarray(at);
    this.base += at;
  }

  /** Where the physical line that is being dropped ends. */
  private skipped(): number {
    const newline = this.buffer.indexOf(LF);
    if (newline === -1) return this.buffer.length;
    this.skipping = false;
    this.line += 1;
    return newline + 1;
  }

  /** Visits the record at `at`; gives where the next one starts, or null when more bytes are needed. */
  private one(at: number, lineEnd: number, nextLine: number, hasQuote: boolean, atEnd: boolean): number | null {
    const found = hasQuote ? quotedRecord(this.buffer, at, atEnd) : plainRecord(this.buffer, at, lineEnd, nextLine);
    if (found === null && !atEnd && this.buffer.length - at <= MAX_RECORD) return null;
    const problem = problemOf(found, at, lineEnd);
    if (found === null || problem !== null) {
      const end = lineEnd > at && this.buffer[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
      this.visit({ bytes: this.buffer.subarray(at, end), offset: this.base + at, line: this.line, fields: found?.fields ?? 0, problem });
      if (nextLine === lineEnd && !atEnd) this.skipping = true;
      else this.line += 1;
      return nextLine;
    }
    this.visit({
      bytes: this.buffer.subarray(at, found.end),
      offset: this.base + at,
      line: this.line,
      fields: found.fields,
      problem: null,
    });
    this.line += found.next <= nextLine ? 1 : countLines(this.buffer, at, found.next);
    return found.next;
  }
}
