// The two ways to read CSV: DuckDB alone where a file is plain, our scanner where it is not. Nobody can tell them apart by the outcome.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeTable } from '../delta/checker.ts';
import { HEADER, makeRig, pipelineOf, rowsOf } from '../rig.ts';

const PATH = 'bronze/p/input.csv';
const SILVER = 'silver/p/rows/';
/** True where the scanner's relation is there. */
const EXACT = "(SELECT count(*) FROM duckdb_views() WHERE view_name = '_sluice_intake_0') > 0";
const typed = 'CAST(id AS BIGINT) AS id, name, CAST("at" AS TIMESTAMPTZ) AS seen, CAST(amount AS DOUBLE) AS amount';

type Outcome = { refined: unknown; rows: unknown } | { code: string; message: string };

async function outcome(pipeline: ReturnType<typeof pipelineOf>, content: string, plainFrom: number): Promise<Outcome> {
  const rig = await makeRig({ plainFrom });
  try {
    const { silver, gold, ...refined } = await rig.refine(pipeline, PATH, content);
    const quarantine = (await rig.names('quarantine/')).length > 0 ? (await judgeTable(rig.container, 'quarantine/p/rows/')).rows : [];
    return { refined: [refined, silver.digest, gold.digest], rows: [(await judgeTable(rig.container, SILVER)).rows, quarantine] };
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
}

describe('a file of many rows', () => {
  const marked = pipelineOf({ silver: `SELECT ${typed}, ${EXACT} AS exact FROM bronze`, gold: 'SELECT * FROM silver' });
  it.each([
    ['as they should be', HEADER + rowsOf(3), false],
    ['with CRLF and quotes', `${HEADER}1,"a, ""b""",2024-01-01T10:00:00Z,1\n`.replaceAll('\n', '\r\n'), false],
    ['with a mark', `\uFEFF${HEADER}${rowsOf(2)}`, false],
    ['with empty values', `${HEADER}1,,,\n2,"","",""\n`, false],
    ['with a quoted line break', `${HEADER}1,"a\nb",2024-01-01T10:00:00Z,1\n`, true],
    ['with an empty line', `${HEADER}${rowsOf(1)}\n${rowsOf(1)}`, true],
    ['with mixed line ends', `${HEADER}${rowsOf(1).trimEnd()}\r\n${rowsOf(1)}`, true],
    ['with a value that only the exact check knows', `${HEADER}9223372036854775807,a,2024-01-01T10:00:00Z,1\n`, true],
  ])('%s is read the way that fits', async (_, content, exact) => {
    const rig = await makeRig({ plainFrom: 0 });

    await rig.refine(marked, PATH, content);

    const { rows } = await judgeTable(rig.container, SILVER);
    expect(new Set(rows.map((row) => row['exact']))).toEqual(new Set([exact]));
    expect(rows).toHaveLength((await outcomeRows(content)) ?? 0);
  });

  /** Rows that the exact way finds. */
  async function outcomeRows(content: string): Promise<number | null> {
    const rig = await makeRig({ plainFrom: Infinity });
    return (await rig.refine(pipelineOf(), PATH, content)).readRows;
  }

  it('keeps the order of the file where the SQL asks for it, without numbering rows', async () => {
    const rig = await makeRig({ plainFrom: 0 });
    const order = pipelineOf({ silver: `SELECT ${typed}, ${EXACT} AS exact FROM bronze ORDER BY _row -- as landed` });

    await rig.refine(order, PATH, HEADER + rowsOf(3, 7) + rowsOf(3));

    const { rows } = await judgeTable(rig.container, SILVER);
    expect(rows.map((row) => [row['id'], row['exact']])).toEqual([7n, 8n, 9n, 1n, 2n, 3n].map((id) => [id, false]));
  });

  it.each([
    ['named', 'SELECT id, _row AS line, _file AS file FROM bronze', 'line', 'file'],
    ['in a star', 'SELECT * FROM bronze', '_row', '_file'],
    [
      'in a row as a whole',
      'SELECT b.id, s._row AS line, s._file AS file FROM (SELECT b FROM bronze b) t(s), bronze b WHERE b.id = s.id',
      'line',
      'file',
    ],
  ])('gives line and file to who asks for them: %s', async (_, silver, line, file) => {
    const rig = await makeRig({ plainFrom: 0 });
    const pipeline = pipelineOf({ silver, gold: 'SELECT * FROM silver' });
    const files = [await rig.land('bronze/p/b.csv', HEADER + rowsOf(2, 5)), await rig.land('bronze/p/a.csv', HEADER + rowsOf(2))];

    await rig.engine.refine({ pipeline, key: 'a'.repeat(64), container: rig.name, files });

    const { rows } = await judgeTable(rig.container, SILVER);
    const found = rows.map((row) => [Number(row['id']), Number(row[line]), row[file]]).sort((a, b) => Number(a[0]) - Number(b[0]));
    expect(found).toEqual([
      [1, 2, 'bronze/p/a.csv'],
      [2, 3, 'bronze/p/a.csv'],
      [5, 2, 'bronze/p/b.csv'],
      [6, 3, 'bronze/p/b.csv'],
    ]);
  });
});

describe('both ways', () => {
  const good = fc.tuple(
    fc.integer({ min: -5, max: 5000 }).map(String),
    fc.constantFrom('a', 'ü, b', '"', '', ' x '),
    fc.constantFrom('2024-01-31T10:00:00Z', '2024-02-29 23:59', ''),
    fc.double({ min: -1e6, max: 1e6, noNaN: true }).map(String),
  );
  const odd = fc.tuple(
    fc.constantFrom('1', 'x', '1.5'),
    fc.constantFrom('a\nb', 'plain'),
    fc.constantFrom('2023-02-29T10:00:00Z', '2024-01-31T10:00:00Z'),
    fc.constantFrom('nan', '1', '1e400'),
  );
  const quoted = (value: string) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const text = fc
    .tuple(fc.array(good, { minLength: 1, maxLength: 12 }), fc.array(odd, { maxLength: 2 }), fc.constantFrom('\n', '\r\n'), fc.boolean())
    .map(([rows, bad, end, cut]) => {
      const body = [...rows, ...bad].map((row) => row.map(quoted).join(','));
      return `${HEADER.trimEnd()}${end}${body.join(end)}${cut ? '' : end}`;
    });

  it.each([
    ['a projection', `SELECT ${typed} FROM bronze`, 'quarantine'],
    ['an order by row', `SELECT ${typed}, _row AS line FROM bronze ORDER BY _row`, 'fail'],
    ['groups', 'SELECT name, count(*) AS n, min(id) AS first FROM bronze GROUP BY name', 'quarantine'],
  ])('give the same rows, findings and refusals: %s', async (_, silver, badRows) => {
    const check = silver.includes('GROUP') ? 'n < 4' : 'amount > 0';
    const pipeline = pipelineOf({
      source: { badRows },
      silver,
      gold: 'SELECT count(*) AS n FROM silver',
      tables: { silver: { expect: [{ name: 'fine', check, onFail: 'quarantine' }], minRows: 0 }, gold: { minRows: 0 } },
    });
    await fc.assert(
      fc.asyncProperty(text, async (content) => {
        expect(await outcome(pipeline, content, 0)).toEqual(await outcome(pipeline, content, Infinity));
      }),
      { numRuns: 8 },
    );
  });
});
