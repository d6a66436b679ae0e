// What datasets are made of: many files, several sources joined, Parquet, commits of Delta tables.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDuck } from '../../../../../shared/adapters/lake/refine/duck.ts';
import type { PipelineVersion } from '../../../../../shared/contracts/pipeline.ts';
import type { DatasetFile } from '../../../../../shared/ports/lake.ts';
import { judgeTable } from '../delta/checker.ts';
import { HEADER, makeRig, pipelineOf, rowsOf, type Rig } from '../rig.ts';

const SILVER = 'silver/p/rows/';
const KEY = 'a'.repeat(64);
const GOLD = 'SELECT count(*) AS n FROM silver';

/** A Parquet file with the result of a query. */
async function parquet(rig: Rig, sql: string): Promise<Buffer> {
  const duck = await openDuck(rig.workDir, { memoryLimit: '256MB', threads: 1, diskLimit: '1GB', statementSeconds: 60 });
  try {
    const file = join(rig.workDir, 'made.parquet');
    await duck.run(`COPY (${sql}) TO '${file}' (FORMAT parquet)`);
    return await readFile(file);
  } finally {
    duck.close();
    await rm(join(rig.workDir, 'spill'), { recursive: true });
  }
}

async function rejection(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error: unknown = await work.then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'RejectedError' });
  return error as { code: string; message: string };
}

describe('many files', () => {
  it('are one dataset in the order of their paths, also when they come in pages', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({ silver: 'SELECT CAST(id AS BIGINT) AS id, _row AS line, _file AS file FROM bronze', gold: GOLD });
    const files: DatasetFile[] = [];
    for (let n = 0; n < 300; n += 1) files.push(await rig.land(`bronze/p/${String(n).padStart(4, '0')}.csv`, HEADER + rowsOf(2, n * 2)));
    async function* pages() {
      for (const file of [...files].reverse()) yield await Promise.resolve(file);
    }

    const refined = await rig.engine.refine({ pipeline, key: KEY, container: rig.name, files: pages() });

    expect(refined).toMatchObject({ readRows: 600, silver: { rows: 600 } });
    const { rows } = await judgeTable(rig.container, SILVER);
    expect(rows.map((row) => Number(row['id']))).toEqual(Array.from({ length: 600 }, (_, n) => n));
    expect(rows[401]).toMatchObject({ line: 3n, file: 'bronze/p/0200.csv' });
    expect(await rig.leftovers()).toEqual([]);
  });

  it('are traced to their file when a row breaks a rule', async () => {
    const rig = await makeRig();
    const expect2 = { expect: [{ name: 'small', check: 'amount < 11', onFail: 'quarantine' }] };
    const pipeline = pipelineOf({ source: { badRows: 'quarantine' }, tables: { silver: expect2 } });
    const files = [
      await rig.land('bronze/p/b.csv', `${HEADER}${rowsOf(1, 20)}x,bad,,1\n`),
      await rig.land('bronze/p/a.csv', `${HEADER}1,"a\nb",,1\n${rowsOf(1, 30)}`),
    ];

    await rig.engine.refine({ pipeline, key: KEY, container: rig.name, files });

    const { rows } = await judgeTable(rig.container, 'quarantine/p/rows/');
    expect(rows.map(({ rule, file, line, raw }) => [rule, file, line, raw])).toEqual([
      ['type:id', 'bronze/p/b.csv', 3n, 'x,bad,,1'],
      ['small', 'bronze/p/a.csv', 4n, rowsOf(1, 30).trimEnd()],
      ['small', 'bronze/p/b.csv', 2n, rowsOf(1, 20).trimEnd()],
    ]);
  });

  it('are counted and summed without being read', async () => {
    const rig = await makeRig();
    const files = [await rig.land('bronze/p/a.csv.gz', 'abc'), await rig.land('bronze/p/b.csv', 'de')];

    expect(await rig.engine.size({ container: rig.name, files })).toEqual({ files: 2, bytes: 5, packedBytes: 3 });

    await rig.land('bronze/p/b.csv', 'changed');
    expect(await rejection(rig.engine.size({ container: rig.name, files }))).toMatchObject({ code: 'blob-changed' });
  });

  it('must be in the folder of a source', async () => {
    const rig = await makeRig();

    expect(await rejection(rig.refine(pipelineOf(), 'bronze/q/a.csv', HEADER + rowsOf(1)))).toMatchObject({ code: 'no-source' });
    expect(await rejection(rig.engine.refine({ pipeline: pipelineOf(), key: KEY, container: rig.name, files: [] }))).toMatchObject({
      code: 'no-files',
    });
  });
});

/** Two sources: orders in CSV, customers as given. */
function joined(customers: Record<string, unknown> = { format: 'csv' }, silver?: string): PipelineVersion {
  const pipeline = pipelineOf({
    silver:
      silver ??
      'SELECT CAST(o.id AS BIGINT) AS id, c.name AS customer FROM bronze_orders o JOIN bronze_key_customers c ON c.id = o.customer ORDER BY id',
    gold: GOLD,
  });
  const orders = {
    ...pipeline.spec.sources[0]!,
    name: 'orders',
    path: 'bronze/orders/',
    columns: { id: 'integer' as const, customer: 'string' as const },
  };
  const own = {
    ...orders,
    name: 'key-customers',
    path: 'bronze/customers/',
    columns: { id: 'string' as const, name: 'string' as const },
    ...customers,
  };
  return { ...pipeline, spec: { ...pipeline.spec, sources: [orders, own] } };
}

describe('several sources', () => {
  it('are views of their own, joined by the SQL', async () => {
    const rig = await makeRig();
    const files = [
      await rig.land('bronze/orders/a.csv', 'id,customer\n1,x\n2,y\n3,x\n'),
      await rig.land('bronze/customers/a.csv', 'id,name\nx,Xaver\ny,Yvonne\n'),
    ];

    const refined = await rig.engine.refine({ pipeline: joined(), key: KEY, container: rig.name, files });

    expect(refined).toMatchObject({ readRows: 5, silver: { rows: 3 } });
    const { rows } = await judgeTable(rig.container, SILVER);
    expect(rows.map((row) => [row['id'], row['customer']])).toEqual([
      [1n, 'Xaver'],
      [2n, 'Yvonne'],
      [3n, 'Xaver'],
    ]);
  });

  it('set bad rows of each aside, with its own lines, and trace a rule to the one that silver reads', async () => {
    const rig = await makeRig();
    const pipeline = joined({ badRows: 'quarantine' }, 'SELECT CAST(id AS BIGINT) AS id FROM bronze_orders');
    pipeline.spec.sources[0]!.badRows = 'quarantine';
    pipeline.spec.tables.silver.expect = [{ name: 'small', check: 'id < 3', onFail: 'quarantine' }];
    const files = [
      await rig.land('bronze/orders/a.csv', 'id,customer\n1,x\noops,y\n3,x\n'),
      await rig.land('bronze/customers/a.csv', 'id,name\nx\n'),
    ];
    files.push(await rig.land('bronze/customers/b.csv', 'id,name\nx,Xaver\n'));

    const refined = await rig.engine.refine({ pipeline, key: KEY, container: rig.name, files });

    expect(refined).toMatchObject({ readRows: 5, quarantinedRows: 3, silver: { rows: 1 } });
    const { rows } = await judgeTable(rig.container, 'quarantine/p/rows/');
    expect(rows.map(({ rule, file, line, raw }) => [rule, file, line, raw])).toEqual([
      ['type:id', 'bronze/orders/a.csv', 3n, 'oops,y'],
      ['row-shape', 'bronze/customers/a.csv', 2n, 'x'],
      ['small', 'bronze/orders/a.csv', 4n, '3,x'],
    ]);
  });

  it('must all be there', async () => {
    const rig = await makeRig();
    const files = [await rig.land('bronze/orders/a.csv', 'id,customer\n1,x\n')];

    const { code, message } = await rejection(rig.engine.refine({ pipeline: joined(), key: KEY, container: rig.name, files }));

    expect([code, message]).toEqual([
      'source-missing',
      expect.stringMatching(/source "key-customers" has no file in this dataset\. Mend: /),
    ]);
  });
});

const PARQUET = { format: 'parquet', columns: { id: 'integer', name: 'string', at: 'timestamp', amount: 'number' } };
const rows = (extra = '') =>
  `SELECT i::INTEGER AS id, 'n' || i AS name, TIMESTAMP '2024-01-01 10:00:00' + INTERVAL (i) MINUTE AS at, (i / 2)::DECIMAL(10,2) AS amount${extra} FROM range(1, 4) t(i)`;

describe('a Parquet source', () => {
  const pipeline = pipelineOf({ source: PARQUET, silver: 'SELECT id, name, "at", amount, _row AS line FROM bronze', gold: GOLD });

  it('is read with its types, times without a zone as UTC, decimals as they are', async () => {
    const rig = await makeRig();

    const refined = await rig.refine(pipeline, 'bronze/p/a.parquet', await parquet(rig, rows()));

    expect(refined).toMatchObject({ readRows: 3, silver: { rows: 3 } });
    const judged = await judgeTable(rig.container, SILVER);
    expect(judged.problems).toEqual([]);
    expect(judged.schema.map(({ name, type }) => [name, type])).toEqual([
      ['id', 'long'],
      ['name', 'string'],
      ['at', 'timestamp'],
      ['amount', 'decimal(10,2)'],
      ['line', 'long'],
    ]);
    expect(judged.rows[2]).toMatchObject({ id: 3n, name: 'n3', line: 3n });
  });

  it.each([
    ['a missing column', 'SELECT id, name, "at" FROM', /column "amount" \(number\) is missing/],
    ['another type', 'SELECT id::VARCHAR AS id, name, "at", amount FROM', /column "id" is VARCHAR, declared is integer/],
    ['a type too wide', 'SELECT id::UBIGINT AS id, name, "at", amount FROM', /column "id" is UBIGINT, declared is integer/],
    ['a nested column', 'SELECT id, [name] AS name, "at", amount FROM', /column "name" is nested \(VARCHAR\[\]\)/],
    ['a column too many', 'SELECT *, 1 AS more FROM', /column "more" is not declared/],
  ])('is refused by column: %s', async (_, select, words) => {
    const rig = await makeRig();

    const { code, message } = await rejection(rig.refine(pipeline, 'bronze/p/a.parquet', await parquet(rig, `${select} (${rows()})`)));

    expect(code).toBe('wrong-schema');
    expect(message).toMatch(words);
    expect(message).toMatch(/^bronze\/p\/a\.parquet: .*Mend: write the file with the columns of the source/);
    expect(await rig.names('silver/')).toEqual([]);
  });

  it('has one type for a column in all its files', async () => {
    const rig = await makeRig();
    const files = [
      await rig.land('bronze/p/a.parquet', await parquet(rig, rows())),
      await rig.land('bronze/p/b.parquet', await parquet(rig, rows().replace('DECIMAL(10,2)', 'DOUBLE'))),
    ];

    const { message } = await rejection(rig.engine.refine({ pipeline, key: KEY, container: rig.name, files }));

    expect(message).toMatch(/b\.parquet: column "amount" is DOUBLE, in bronze\/p\/a\.parquet it is DECIMAL\(10,2\)/);
  });

  it.each([
    ['no Parquet at all', 'id,name,at,amount\n', 'bad-parquet'],
    ['nothing', '', 'empty-file'],
  ])('is refused by name: %s', async (_, content, expected) => {
    const { code } = await rejection((await makeRig()).refine(pipeline, 'bronze/p/a.parquet', content));

    expect(code).toBe(expected);
  });

  it('traces a row that breaks a rule to its number in the file', async () => {
    const rig = await makeRig();
    const small = { expect: [{ name: 'small', check: 'id < 3', onFail: 'quarantine' }] };
    const strict = pipelineOf({ source: PARQUET, silver: 'SELECT id, name FROM bronze', gold: GOLD, tables: { silver: small } });

    await rig.refine(strict, 'bronze/p/a.parquet', await parquet(rig, rows()));

    const [row] = (await judgeTable(rig.container, 'quarantine/p/rows/')).rows;
    expect(row).toMatchObject({ rule: 'small', file: 'bronze/p/a.parquet', line: 3n });
    expect(JSON.parse(row!['raw'] as string)).toMatchObject({ id: 3, name: 'n3' });
  });
});

describe('a Delta source', () => {
  /** The silver table of a first pipeline is the source of a second one. */
  async function chained(mode: string) {
    const rig = await makeRig();
    const first = pipelineOf({ silver: 'SELECT CAST(id AS BIGINT) AS id, name FROM bronze', gold: GOLD });
    const base = pipelineOf({
      source: { format: 'delta', path: SILVER, columns: { id: 'integer', name: 'string' } },
      silver: 'SELECT id, name, _file AS file FROM bronze ORDER BY id',
      gold: GOLD,
      tables: { silver: { mode } },
    });
    const second = { ...base, name: 'q' };
    await rig.refine(first, 'bronze/p/a.csv', HEADER + rowsOf(2));
    await rig.refine(first, 'bronze/p/b.csv', HEADER + rowsOf(2, 10));
    const follow = async (version: number) =>
      rig.engine.refine({
        pipeline: second,
        key: String(version).repeat(64),
        container: rig.name,
        files: [],
        commit: { source: 'in', path: SILVER, version },
      });
    const ids = async () => (await judgeTable(rig.container, 'silver/q/rows/')).rows.map((row) => Number(row['id']));
    return { rig, first, follow, ids };
  }

  it('gives an appending silver the rows that each commit added', async () => {
    const { follow, ids } = await chained('append');

    await follow(0);
    const refined = await follow(1);

    expect(refined).toMatchObject({ readRows: 2, silver: { version: 1, rows: 4 } });
    expect(await ids()).toEqual([1, 2, 10, 11]);
  });

  it('gives a silver that is replaced the whole version', async () => {
    const { follow, ids } = await chained('overwrite');

    expect(await follow(1)).toMatchObject({ readRows: 4 });
    expect(await ids()).toEqual([1, 2, 10, 11]);
  });

  it('refuses what appending cannot follow, and columns that are not declared', async () => {
    const { rig, first, follow } = await chained('append');
    const replaced = {
      ...first,
      spec: { ...first.spec, tables: { ...first.spec.tables, silver: { ...first.spec.tables.silver, mode: 'overwrite' } } },
    };
    await rig.refine(replaced, 'bronze/p/c.csv', HEADER + rowsOf(1));
    const other = pipelineOf({ source: { format: 'delta', path: SILVER, columns: { id: 'integer' } } });

    expect(await rejection(follow(2))).toMatchObject({ code: 'delta-rewrites' });
    const commit = { source: 'in', path: SILVER, version: 1 };
    const { code, message } = await rejection(rig.engine.refine({ pipeline: other, key: KEY, container: rig.name, files: [], commit }));
    expect([code, message]).toEqual(['wrong-schema', expect.stringMatching(/^silver\/p\/rows\/ version 1: column "name" is not declared/)]);
    expect(await rejection(rig.refine(other, `${SILVER}a.parquet`, 'x'))).toMatchObject({ code: 'not-a-commit' });
  });
});

describe('values that were set aside', () => {
  it('are out of reach of every expression of the SQL', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({
      source: { badRows: 'quarantine' },
      silver: 'SELECT CAST(id AS BIGINT) AS id FROM bronze WHERE CAST(id AS BIGINT) > 1 AND CAST(amount AS DOUBLE) < 100',
      gold: GOLD,
    });

    const refined = await rig.refine(pipeline, 'bronze/p/a.csv', `${HEADER}${rowsOf(3)}oops,a,,x\n`);

    expect(refined).toMatchObject({ quarantinedRows: 1, silver: { rows: 2 } });
  });
});
