// The plain check against the exact one: what it accepts, the exact way accepts too; what it does not is only slower.
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { columnChecks } from '../../../../../shared/adapters/lake/csv/column-checks.ts';
import { PlainCheck, plainForm, type PlainForm } from '../../../../../shared/adapters/lake/csv/plain-check.ts';
import { openDuck, sqlText, type Duck } from '../../../../../shared/adapters/lake/refine/duck.ts';
import type { Source } from '../../../../../shared/contracts/pipeline.ts';

type Type = Source['columns'][string];
let dir = '';
let duck: Duck;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-plain-'));
  duck = await openDuck(dir, { memoryLimit: '512MB', threads: 1, diskLimit: '1GB', statementSeconds: 60 });
});
afterAll(async () => {
  duck.close();
  await rm(dir, { recursive: true, force: true });
});

const columnsOf = (...types: Type[]) => Object.fromEntries(types.map((type, n) => [`c${n}`, type]));

type Options = { format?: string; end?: '\n' | '\r\n' };

/** Rows when the text is plain, else null; the bytes come in blocks. */
function plain(types: Type[], text: string, { block, format, end = '\n' }: Options & { block?: number } = {}): number | null {
  const form = formOf(types, { ...(format === undefined ? {} : { format }), end });
  if (form === null) return null;
  const check = new PlainCheck(form);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + Math.min(block ?? bytes.length, check.space.length));
    piece.copy(check.space);
    at += piece.length;
    if (!check.took(piece.length)) return null;
  }
  return check.end() ? check.rows : null;
}

function formOf(types: Type[], { format, end = '\n' }: Options = {}): PlainForm | null {
  return plainForm({ columns: columnsOf(...types), ...(format === undefined ? {} : { timestampFormat: format }) }, end);
}

/** The automaton alone, for thousands of short texts. */
function accepts({ table, classes }: PlainForm, text: string): boolean {
  let state = 0;
  for (const byte of Buffer.from(text)) state = table[state + classes[byte]!]!;
  return state === 0;
}

describe('the plain check', () => {
  it.each<[string, Type[], string, number]>([
    ['rows of every type', ['integer', 'number', 'boolean', 'date', 'string'], '1,2.5,true,2024-02-29,x\n-2,1e3,FALSE,1900-01-31,\n', 2],
    ['no value at all', ['integer', 'date', 'string'], ',,\n"","",""\n', 2],
    ['quotes with separators and quotes in them', ['string', 'integer'], '"a, ""b""","12"\n"""",3\n', 2],
    ['a last row without line end', ['string', 'integer'], 'a,1\nb,2', 2],
    ['letters beyond ASCII', ['string'], 'ü測😀\n', 1],
    ['times with fractions and zones', ['timestamp'], '2024-01-31T23:59:59.123456+01:30\n2024-01-31 10:00\n2000-02-29T00:00:00Z\n', 3],
    ['nothing', ['string'], '', 0],
  ])('takes %s', (_, types, text, rows) => {
    expect(plain(types, text)).toBe(rows);
    expect(plain(types, text, { block: 1 })).toBe(rows);
    expect(plain(types, text.replaceAll('\n', '\r\n'), { end: '\r\n' })).toBe(rows);
  });

  it.each<[string, Type[], string]>([
    ['a row too short', ['string', 'string'], 'a\n'],
    ['a row too long', ['string', 'string'], 'a,b,\n'],
    ['an empty line', ['string', 'string'], 'a,b\n\nc,d\n'],
    ['an empty line of one column', ['string'], 'a\n\nb\n'],
    ['a quoted line break', ['string', 'string'], '"a\nb",c\n'],
    ['a quote inside', ['string', 'string'], 'a"b,c\n'],
    ['text after a quote', ['string', 'string'], '"a"b,c\n'],
    ['an open quote', ['string', 'string'], 'a,"b\n'],
    ['other line ends', ['string', 'string'], 'a,b\r\nc,d\n'],
    ['a NUL byte', ['string', 'string'], 'a,b\0\n'],
    ['a day that does not exist', ['date'], '2023-02-29\n'],
    ['a century that does not leap', ['date'], '1900-02-29\n'],
    ['an hour that does not exist', ['timestamp'], '2024-01-01T24:00:00Z\n'],
  ])('leaves %s to the exact way', (_, types, text) => {
    expect(plain(types, text)).toBeNull();
    expect(plain(types, text, { block: 1 })).toBeNull();
  });

  it('judges files of many blocks and all their parts as it judges one row', () => {
    const rows = Array.from({ length: 120_000 }, (_, n) =>
      `${n},"x, ${'y'.repeat(n % 40)}",2024-02-${1 + (n % 29)}`.replace(/-(\d)$/, '-0$1'),
    );
    const text = `${rows.join('\n')}\n`;
    const types: Type[] = ['integer', 'string', 'date'];

    expect(plain(types, text)).toBe(rows.length);
    for (const at of [0, 1, 30_000, 59_999, 90_001, 119_999]) {
      const spoilt = [...rows.slice(0, at), `${at},x,2024-02-30`, ...rows.slice(at + 1)];
      expect(plain(types, `${spoilt.join('\n')}\n`)).toBeNull();
    }
    // Enough columns for entries of 32 bits.
    const wide = Array.from({ length: 60 }, () => 'timestamp' as const);
    const line = wide.map(() => '2024-02-29T10:00:00Z').join(',');
    expect(plain(wide, `${line}\n${line}\n`)).toBe(2);
    expect(plain(wide, `${line}\n${line.slice(0, -3)}\n`)).toBeNull();
  });

  it('reads formats of plain directives, and leaves the others to the exact way', () => {
    expect(plain(['timestamp'], '10-18-2016 11:15:21\n', { format: '%m-%d-%Y %H:%M:%S' })).toBe(1);
    expect(plain(['timestamp'], '02-29-2015 11:15:21\n', { format: '%m-%d-%Y %H:%M:%S' })).toBeNull();
    expect(plain(['timestamp'], '18 Oct 2016\n', { format: '%d %b %Y' })).toBeNull();
  });

  const near: Record<Exclude<Type, 'string'>, fc.Arbitrary<string>> = {
    integer: fc.stringMatching(/^[-+ ]?[0-9]{1,21}[._xe]?[0-9]{0,2}$/),
    number: fc.stringMatching(/^[-+ ]?[0-9]{0,12}[._,]?[0-9]{0,12}([eE][-+]?[0-9]{0,4})?$/),
    boolean: fc.constantFrom('true', 'TRUE', 'False', 't', 'yes', '1', 'tru', 'truee', 'ＴＲＵＥ'),
    date: fc.stringMatching(/^[0-2][0-9]{3}-[01]?[0-9]-[0-3]?[0-9][ Z]?$/),
    timestamp: fc.stringMatching(
      /^[12][09][0-9]{2}-[01][0-9]-[0-3][0-9][ Tt][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{0,8})?)?(Z|[-+][01][0-9](:?[0-6][0-9])?)?$/,
    ),
  };
  it.each(Object.keys(near) as (keyof typeof near)[])('accepts no %s that the exact check would not', async (type) => {
    const values = fc.sample(near[type], { numRuns: 4000, seed: 7 });

    const form = formOf([type])!;
    const accepted = [...new Set(values.filter((value) => value !== '' && accepts(form, `"${value}"\n`)))];

    const [check] = columnChecks({ columns: { c0: type } } as unknown as Source);
    const list = accepted.map((value) => `(${sqlText(value)})`).join(', ');
    const bad = await duck.rows(`SELECT c0 FROM (VALUES ${list}) t(c0) WHERE ${check!.bad}`);
    expect(bad).toEqual([]);
    // Not by refusing everything: the check would be of no use.
    expect(accepted.length).toBeGreaterThan(type === 'boolean' ? 2 : 100);
  });

  it('accepts no time of a declared format that the exact check would not', async () => {
    const format = '%d/%m/%Y %H:%M:%S';
    const values = fc.sample(fc.stringMatching(/^[0-3]?[0-9]\/[01]?[0-9]\/[12][0-9]{3} [0-2][0-9]:[0-6][0-9]:[0-6][0-9]$/), {
      numRuns: 4000,
      seed: 7,
    });

    const form = formOf(['timestamp'], { format })!;
    const accepted = values.filter((value) => accepts(form, `${value}\n`));

    const [check] = columnChecks({ columns: { c0: 'timestamp' }, timestampFormat: format } as unknown as Source);
    const bad = await duck.rows(
      `SELECT c0 FROM (VALUES ${accepted.map((value) => `(${sqlText(value)})`).join(', ')}) t(c0) WHERE ${check!.bad}`,
    );
    expect(bad).toEqual([]);
    expect(accepted.length).toBeGreaterThan(100);
  });
});
