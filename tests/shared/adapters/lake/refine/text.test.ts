// Text survives: whatever a CSV value holds arrives in the table, with the right physical line, also where DuckDB reads in parallel.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeTable } from '../delta/checker.ts';
import { makeRig, pipelineOf } from '../rig.ts';

const pipeline = pipelineOf({
  source: { columns: { a: 'string', b: 'string' } },
  silver: 'SELECT _row AS line, a, b FROM bronze ORDER BY _row',
  gold: 'SELECT count(*) AS n FROM silver',
});

/** Quotes where the form needs it, and empty text, which without quotes would be null. */
const csv = (value: string | null) =>
  value === null ? '' : value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;

/** Lands the rows and gives what the table holds: [line, a, b]. */
async function through(rows: [string | null, string | null][], end: string): Promise<unknown[][]> {
  const rig = await makeRig();
  const { silver } = await rig.refine(pipeline, 'bronze/p/x.csv', `a,b${end}${rows.map((row) => row.map(csv).join(',') + end).join('')}`);
  const judged = await judgeTable(rig.container, silver.path);
  expect(judged.problems).toEqual([]);
  return judged.rows.map((row) => [Number(row['line']), row['a'] ?? null, row['b'] ?? null]);
}

function expected(rows: [string | null, string | null][]): unknown[][] {
  let line = 2;
  return rows.map(([a, b]) => {
    const at = line;
    line += 1 + [...(a ?? ''), ...(b ?? '')].filter((letter) => letter === '\n').length;
    return [at, a, b];
  });
}

describe('values of text columns', () => {
  it('arrive as they were written', async () => {
    // No U+FEFF: the judge's decoder drops it at the start of a text.
    const letters = fc.constantFrom(
      '"',
      ',',
      '\n',
      '\r\n',
      ' ',
      "'",
      '\\',
      '\\N',
      'NULL',
      'ü',
      '測',
      '😀',
      '\u2028',
      '\t',
      'a',
      ';',
      '\u001f',
      '%',
    );
    const value = fc.oneof(
      fc.constant(null),
      fc.array(letters, { maxLength: 6 }).map((parts) => parts.join('')),
      fc.string({ maxLength: 10 }).map((text) => text.replaceAll(/[\0\uFEFF]/g, '')),
    );
    // A row of two nulls is `,`: a row like others.
    const rows = fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom('\n', '\r\n'), async (values, end) => {
        expect(await through(values, end)).toEqual(expected(values));
      }),
      { numRuns: 12 },
    );
  });

  it('arrive on their lines in a file of several blocks full of quoted line breaks', async () => {
    const rows = Array.from({ length: 40_000 }, (_, n): [string, string] => [
      n % 3 === 0 ? `row ${n},\n"second" line ${'x'.repeat(n % 400)}\r\n` : `row ${n} ${'y'.repeat(n % 300)}`,
      n % 5 === 0 ? '"' : `${n}`,
    ]);

    expect(await through(rows, '\n')).toEqual(expected(rows));
  });
});
