// Contracts of columns, keys of merges, bounds on rows: each rule with each of its actions.
import { describe, expect, it } from 'vitest';
import { judgeTable } from '../delta/checker.ts';
import { HEADER, makeRig, pipelineOf, rowsOf, type Rig } from '../rig.ts';

const PATH = 'bronze/p/input.csv';
const SILVER = 'silver/p/rows/';
const GOLD = 'SELECT count(*) AS n FROM silver';
const typed = 'SELECT CAST(id AS BIGINT) AS id, name, CAST("at" AS DATE) AS day, CAST(amount AS DOUBLE) AS amount FROM bronze';
/** Lines 2 to 6. */
const DATA = `${HEADER}1,a,2024-01-01T10:00:00Z,1\n2,b,2024-01-01T10:00:00Z,\n2,c,,-5\n3,,2024-01-02T10:00:00Z,50\n,d,2024-01-03T10:00:00Z,7\n`;

const pipeline = (silver: Record<string, unknown>, sql = typed) => pipelineOf({ silver: sql, gold: GOLD, tables: { silver } });

async function rejected(rig: Rig, silver: Record<string, unknown>, content = DATA): Promise<{ code: string; message: string }> {
  const error: unknown = await rig.refine(pipeline(silver), PATH, content).then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'RejectedError' });
  expect(await rig.names('silver/')).toEqual([]);
  return error as { code: string; message: string };
}

/** What broke, by rule: rows and lines. */
async function found(contract: Record<string, unknown>, action: string) {
  const rig = await makeRig();
  const columns = Object.fromEntries(Object.entries(contract).map(([name, rules]) => [name, { ...(rules as object), onFail: action }]));
  const refined = await rig.refine(pipeline({ columns }), PATH, DATA);
  const aside = refined.quarantinedRows === 0 ? [] : (await judgeTable(rig.container, 'quarantine/p/rows/')).rows;
  return { findings: refined.findings.map(({ rule, rows, lines }) => [rule, rows, lines]), rows: refined.silver.rows, aside };
}

describe('the contract of a column', () => {
  it.each<[string, Record<string, unknown>, unknown[]]>([
    ['required', { amount: { required: true } }, [['required:amount', 1, [3]]]],
    ['a lower bound', { amount: { min: 0 } }, [['min:amount', 1, [4]]]],
    ['an upper bound', { amount: { max: 10 } }, [['max:amount', 1, [5]]]],
    ['allowed texts', { name: { values: ['a', 'b', 'd'] } }, [['values:name', 1, [4]]]],
    ['allowed numbers', { id: { values: [1, 2] } }, [['values:id', 1, [5]]]],
    ['allowed days', { day: { values: ['2024-01-01', '2024-01-02'] } }, [['values:day', 1, [6]]]],
    ['uniqueness, in every row of a value', { id: { unique: true } }, [['unique:id', 2, [3, 4]]]],
    [
      'several',
      { id: { required: true }, amount: { required: true, max: 10 } },
      [
        ['required:id', 1, [6]],
        ['required:amount', 1, [3]],
        ['max:amount', 1, [5]],
      ],
    ],
    ['what holds', { id: { type: 'long', min: 1, max: 3 }, amount: { type: 'double', min: -5 } }, []],
  ])('finds the rows that break it: %s', async (_, contract, findings) => {
    const warned = await found(contract, 'warn');
    const aside = await found(contract, 'quarantine');

    expect(warned).toEqual({ findings, rows: 5, aside: [] });
    expect(aside.findings).toEqual(findings);
    const lines = new Set((findings as [string, number, number[]][]).flatMap(([, , each]) => each));
    expect(aside.rows).toBe(5 - lines.size);
    expect(aside.aside.map((row) => [Number(row['line']), row['raw']])).toEqual(
      [...lines].sort().map((line) => [line, DATA.split('\n')[line - 1]]),
    );
  });

  it('fails the dataset where that is its action, naming file, line, rule and mend', async () => {
    const { code, message } = await rejected(await makeRig(), { columns: { amount: { required: true } } });

    expect(code).toBe('contract-broken');
    expect(message).toMatch(/input\.csv, line 3: 1 row of silver breaks the rule required:amount \(column "amount" is null\)\. Mend: /);
  });

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    [
      'a missing column',
      { nothing: {} },
      'missing-column',
      /silver\.sql: its result has no column "nothing".*It has: id, name, day, amount/,
    ],
    ['another type', { amount: { type: 'decimal(10, 2)' } }, 'wrong-type', /column "amount" is double, .* says decimal\(10, 2\)/],
    ['a bound on text', { name: { min: 1 } }, 'bad-contract', /column "name" \(string\): min and max are for numbers/],
    ['a text among numbers', { id: { values: ['1'] } }, 'bad-contract', /"1" is text/],
    ['a number among texts', { name: { values: [1] } }, 'bad-contract', /1 is no string/],
  ])('is refused when it cannot hold: %s', async (_, columns, code, words) => {
    const error = await rejected(await makeRig(), { columns });

    expect([error.code, error.message]).toEqual([code, expect.stringMatching(words)]);
  });
});

describe('the number of rows', () => {
  it('has an upper bound too', async () => {
    const { code, message } = await rejected(await makeRig(), { maxRows: 4 });

    expect([code, message]).toEqual(['too-many-rows', expect.stringMatching(/table "rows" \(silver\): 5 rows, at most 4 are allowed/)]);
  });
});

describe('a table that is merged', () => {
  const merge = { mode: 'merge(id)' };
  const ids = async (rig: Rig) =>
    (await judgeTable(rig.container, SILVER)).rows
      .map((row) => [Number(row['id']), row['name']])
      .sort((a, b) => Number(a[0]) - Number(b[0]));

  it('replaces rows with the keys that come, keeps the others, and shows gold the outcome', async () => {
    const rig = await makeRig();
    await rig.refine(pipeline(merge), PATH, HEADER + rowsOf(3));

    const second = await rig.refine(pipeline(merge), 'bronze/p/b.csv', `${HEADER}2,changed,,9\n7,new,,9\n`);

    expect(second.silver).toMatchObject({ version: 1, rows: 4 });
    expect(await ids(rig)).toEqual([
      [1, 'name 1'],
      [2, 'changed'],
      [3, 'name 3'],
      [7, 'new'],
    ]);
    expect((await judgeTable(rig.container, 'gold/p/training/')).rows).toEqual([{ n: 4n }]);
  });

  it('commits once per key, whatever is repeated', async () => {
    const rig = await makeRig();
    await rig.refine(pipeline(merge), PATH, HEADER + rowsOf(3));
    const second = await rig.refine(pipeline(merge), 'bronze/p/b.csv', HEADER + rowsOf(2, 3));

    const again = await rig.refine(pipeline(merge), 'bronze/p/b.csv', HEADER + rowsOf(2, 3), rig.another());

    expect(again).toEqual(second);
    expect((await judgeTable(rig.container, SILVER)).versions).toBe(2);
  });

  it('needs keys that are there and tell rows apart', async () => {
    const { code, message } = await rejected(await makeRig(), merge, `${HEADER}1,a,,1\n1,b,,2\n`);
    const nulls = await rejected(await makeRig(), merge, `${HEADER}1,a,,1\n,b,,2\n`);
    const missing = await rejected(await makeRig(), { mode: 'merge(nothing)' });

    expect([code, message]).toEqual([
      'contract-broken',
      expect.stringMatching(/lines 2, 3: 2 rows of silver break the rule key-unique \(the key \(id\)/),
    ]);
    expect(nulls.message).toMatch(/line 3: 1 row of silver breaks the rule key-required/);
    expect(missing.code).toBe('missing-column');
  });

  it('takes several columns for a key', async () => {
    const twice = `${HEADER}1,a,,1\n1,b,,2\n1,a,,3\n`;

    const { message } = await rejected(await makeRig(), { mode: 'merge(id, name)' }, twice);

    expect(message).toMatch(/lines 2, 4: 2 rows of silver break the rule key-unique \(the key \(id, name\) occurs more than once/);
  });

  it('sets rows with bad keys aside where the contract of a key says so', async () => {
    const rig = await makeRig();
    const silver = { ...merge, columns: { id: { onFail: 'quarantine' } } };

    const refined = await rig.refine(pipeline(silver), PATH, `${HEADER}1,a,,1\n1,b,,2\n,c,,3\n4,d,,4\n`);

    expect(refined).toMatchObject({ quarantinedRows: 3, silver: { rows: 1 } });
    expect(await ids(rig)).toEqual([[4, 'd']]);
  });
});

describe('tables as sluice.yaml declares them', () => {
  it('are partitioned, keep times without a zone, and take new columns', async () => {
    const rig = await makeRig();
    const silver = { partitionBy: ['country'], timestamps: 'ntz', evolve: 'add-columns' };
    const sql = `SELECT CAST(id AS BIGINT) AS id, CAST(replace("at", 'Z', '') AS TIMESTAMP) AS seen, left(name, 1) AS country FROM bronze`;
    await rig.refine(pipeline(silver, sql), PATH, HEADER + rowsOf(2));

    const refined = await rig.refine(pipeline(silver, sql.replace(' FROM', ', 1 AS extra FROM')), 'bronze/p/b.csv', HEADER + rowsOf(1, 5));

    expect(refined.silver).toMatchObject({ version: 1, rows: 3 });
    const judged = await judgeTable(rig.container, SILVER);
    expect(judged.problems).toEqual([]);
    expect(judged.schema.map(({ name, type }) => [name, type])).toEqual([
      ['id', 'long'],
      ['seen', 'timestamp_ntz'],
      ['country', 'string'],
      ['extra', 'integer'],
    ]);
    expect((await rig.names(SILVER)).filter((name) => name.endsWith('.parquet')).every((name) => name.startsWith('country=n/'))).toBe(true);
  });
});
