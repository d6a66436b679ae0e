// Strict UTF-8: the place of the first malformed byte, also where blocks end inside a character.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findMalformed } from '../../../../../shared/adapters/lake/csv/utf8.ts';

const dir = mkdtempSync(join(tmpdir(), 'sluice-utf8-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const BLOCK = 1024 * 1024;

async function find(content: Buffer) {
  const file = join(dir, 'a');
  writeFileSync(file, content);
  return findMalformed(file);
}

describe('UTF-8', () => {
  it.each(['', 'plain', 'é 測 😀', '\uFEFFa', `${'x'.repeat(BLOCK - 1)}é`, `${'x'.repeat(BLOCK - 2)}😀`, `${'測'.repeat(BLOCK)}`])(
    'accepts well-formed text (case %#)',
    async (text) => {
      expect(await find(Buffer.from(text))).toBeNull();
    },
  );

  it.each([
    ['latin-1', Buffer.from('a\nbä\n', 'latin1'), { offset: 3, line: 2, byte: 0xe4 }],
    ['an overlong form', Buffer.from([0x61, 0xc0, 0xaf]), { offset: 1, line: 1, byte: 0xc0 }],
    ['a surrogate', Buffer.from([0x0a, 0xed, 0xa0, 0x80]), { offset: 1, line: 2, byte: 0xed }],
    ['beyond the last character', Buffer.from([0xf4, 0x90, 0x80, 0x80]), { offset: 0, line: 1, byte: 0xf4 }],
    ['a lone continuation', Buffer.from([0x61, 0x80]), { offset: 1, line: 1, byte: 0x80 }],
    ['a character cut short at the end', Buffer.from([0x61, 0x0a, 0xe6, 0xb8]), { offset: 2, line: 2, byte: 0xe6 }],
    ['UTF-16', Buffer.from('\uFEFFab\n', 'utf16le'), { offset: 0, line: 1, byte: 0xff }],
    [
      'a bad byte after a block',
      Buffer.concat([Buffer.alloc(BLOCK + 5, '\n'), Buffer.from([0xff])]),
      { offset: BLOCK + 5, line: BLOCK + 6, byte: 0xff },
    ],
  ])('names the place of %s', async (_, content, place) => {
    expect(await find(content)).toEqual(place);
  });
});
