// Strict UTF-8: the place of the first malformed byte, also where blocks end inside a character.
import { describe, expect, it } from 'vitest';
import { Utf8Check } from '../../../../../shared/adapters/lake/csv/utf8.ts';

const BLOCK = 1024;

/** Offset and byte of the first fault, and the line that follows from what came before it. */
function find(content: Buffer): { offset: number; line: number; byte: number } | null {
  const check = new Utf8Check();
  let line = 1;
  for (let at = 0; at === 0 || at < content.length; at += BLOCK) {
    const block = content.subarray(at, at + BLOCK);
    const found = check.take(block, at + BLOCK >= content.length);
    if (found) return { offset: found.offset, line: line + lines(found.before), byte: found.byte };
    line += lines(block);
  }
  return null;
}
const lines = (bytes: Buffer) => bytes.toString('latin1').split('\n').length - 1;

describe('UTF-8', () => {
  it.each(['', 'plain', 'é 測 😀', '\uFEFFa', `${'x'.repeat(BLOCK - 1)}é`, `${'x'.repeat(BLOCK - 2)}😀`, `${'測'.repeat(BLOCK)}`])(
    'accepts well-formed text (case %#)',
    (text) => {
      expect(find(Buffer.from(text))).toBeNull();
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
  ])('names the place of %s', (_, content, place) => {
    expect(find(content)).toEqual(place);
  });
});
