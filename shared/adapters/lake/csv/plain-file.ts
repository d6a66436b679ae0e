// Whether a local CSV file is plain: its header is the contract's, and every row passes the plain check.
import { open, type FileHandle } from 'node:fs/promises';
import type { Source } from '../../../contracts/pipeline.ts';
import { splitRecord } from './header.ts';
import { PlainCheck, plainForm } from './plain-check.ts';

/** Longest header of a plain file. */
const HEADER = 64 * 1024;
const LF = 10;

export type LineEnd = '\n' | '\r\n';

/** How the header line of a file ends; null when it does not end within a block, or is not the contract's header. */
export async function plainHeader(file: string, columns: readonly string[]): Promise<LineEnd | null> {
  const handle = await open(file, 'r');
  try {
    const block = Buffer.allocUnsafe(HEADER);
    const { bytesRead } = await handle.read(block, 0, block.length, 0);
    const end = block.subarray(0, bytesRead).indexOf(LF);
    if (end === -1) return null;
    const crlf = end > 0 && block[end - 1] === 13;
    const names = splitRecord(block.subarray(0, crlf ? end - 1 : end).toString('utf8'));
    const same = names.length === columns.length && names.every((name, n) => name === columns[n]);
    return same ? (crlf ? '\r\n' : '\n') : null;
  } finally {
    await handle.close();
  }
}

/**
 * Rows of a plain file; null when it is not plain. Lets other work of this process go on between blocks; `stopped` ends it early (null).
 * The file's header is `plainHeader`'s business.
 */
export async function plainRows(file: string, source: Source, lineEnd: LineEnd, stopped: () => boolean): Promise<number | null> {
  const form = plainForm(source, lineEnd);
  if (form === null) return null;
  const handle = await open(file, 'r');
  try {
    const check = new PlainCheck(form);
    let at = await headerLength(handle);
    for (;;) {
      const { space } = check;
      const { bytesRead } = await handle.read(space, 0, space.length, at);
      if (bytesRead === 0) return check.end() ? check.rows : null;
      at += bytesRead;
      if (stopped() || !check.took(bytesRead)) return null;
    }
  } finally {
    await handle.close();
  }
}

async function headerLength(handle: FileHandle): Promise<number> {
  const block = Buffer.allocUnsafe(HEADER);
  const { bytesRead } = await handle.read(block, 0, HEADER, 0);
  return block.subarray(0, bytesRead).indexOf(LF) + 1;
}
