// The record scanner against plain expectations and against files made of known records.
import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { splitRecord } from '../../../../../shared/adapters/lake/csv/header.ts';
import { MAX_RECORD, scanCsv } from '../../../../../shared/adapters/lake/csv/scan.ts';

const dir = mkdtempSync(join(tmpdir(), 'sluice-scan-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Seen {
  text: string;
  line: number;
  offset: number;
  fields: number;
  problem: string | null;
}

async function scan(content: string | Buffer): Promise<Seen[]> {
  const file = join(dir, 'a.csv');
  writeFileSync(file, content);
  const seen: Seen[] = [];
  await scanCsv(file, ({ bytes, line, offset, fields, problem }) => {
    seen.push({ text: bytes.toString('utf8'), line, offset, fields, problem });
  });
  return seen;
}

describe('scanning records', () => {
  it('takes LF and CRLF, a missing last line end, and counts every physical line', async () => {
    const seen = await scan('a,b\r\n1,2\n\n"x\r\ny",3\n4,5');

    expect(seen.map(({ text, line, fields }) => [text, line, fields])).toEqual([
      ['a,b', 1, 2],
      ['1,2', 2, 2],
      ['', 3, 1],
      ['"x\r\ny",3', 4, 2],
      ['4,5', 6, 2],
    ]);
  });

  it('does not take the byte order mark for a part of the first name', async () => {
    const seen = await scan('\uFEFFa,b\n1,2\n');

    expect(seen.map(({ text, offset }) => [text, offset])).toEqual([
      ['a,b', 3],
      ['1,2', 7],
    ]);
  });

  it.each([
    ['1,"abc', 'a quote is opened and not closed'],
    ['1,a"b', 'a quote stands inside a value that does not begin with one'],
    ['1,"a"b', 'text follows a closing quote'],
    ['1,a\rb', 'a carriage return stands inside the row'],
    ['1,a\0b', 'a NUL byte stands inside the row'],
  ])('finds what is wrong with %j, keeps the line and goes on with the next one', async (bad, problem) => {
    const seen = await scan(`0,x\n${bad}\n2,y\n3,"z"\n`);

    expect(seen.map(({ text, line, problem: found }) => [text, line, found])).toEqual([
      ['0,x', 1, null],
      [bad, 2, problem],
      ['2,y', 3, null],
      ['3,"z"', 4, null],
    ]);
  });

  it('costs only its own line when an unclosed quote meets a later one', async () => {
    const seen = await scan('1,"open\n2,b\n3,c\n4,"x",d\n5,e\n');

    expect(seen.filter((each) => each.problem !== null).map((each) => each.line)).toEqual([1]);
    expect(seen.map((each) => each.line)).toEqual([1, 2, 3, 4, 5]);
  });

  it('does not let a row of many megabytes into memory whole, and finds the rows after it on their lines', async () => {
    const seen = await scan(
      Buffer.concat([Buffer.from('a\n'), Buffer.alloc(5 * MAX_RECORD, 'x'), Buffer.from('\nb\n'), Buffer.from('c,"d"\n')]),
    );

    expect(seen.map(({ line, problem }) => [line, problem])).toEqual([
      [1, null],
      [2, `the row is longer than ${MAX_RECORD} bytes; only its beginning is kept`],
      [3, null],
      [4, null],
    ]);
    expect(seen[1]!.text.length).toBeLessThanOrEqual(3 * MAX_RECORD);
  });

  it('reads a file of nothing but unclosed quotes line by line', async () => {
    const seen = await scan(`"${'y'.repeat(40)}\n`.repeat(50_000));

    expect(seen.length).toBe(25_000 * 2);
    expect(seen.filter((each) => each.problem === null)).toEqual([]);
  });

  it('finds exactly the records that were written, whatever they hold and wherever blocks end', async () => {
    const value = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom('', '"', ',', '\n', '\r\n', 'ü', '測', '😀', 'a"b', ' x ', '""'),
      fc.string({ minLength: 200, maxLength: 400 }),
    );
    const quoted = (text: string) => (/[",\r\n\0]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const records = fc.array(fc.array(value, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(records, fc.constantFrom('\n', '\r\n'), fc.integer({ min: 0, max: 2000 }), async (rows, end, padding) => {
        const clean = rows.map((row) => row.map((text) => text.replaceAll('\0', '')));
        // A row before them that ends near the border of the first block.
        const first = 'p'.repeat(MAX_RECORD - padding);
        const text = [first, ...clean.map((row) => row.map(quoted).join(','))].map((row) => row + end).join('');

        const seen = (await scan(text)).slice(1);

        expect(seen.map((each) => each.problem)).toEqual(clean.map(() => null));
        expect(seen.map((each) => splitRecord(each.text))).toEqual(clean);
        const bytes = Buffer.from(text);
        for (const each of seen) {
          expect(bytes.subarray(each.offset, each.offset + Buffer.byteLength(each.text)).toString('utf8')).toBe(each.text);
          expect(each.line).toBe(bytes.subarray(0, each.offset).filter((byte) => byte === 10).length + 1);
        }
      }),
      { numRuns: 40 },
    );
  });
});
