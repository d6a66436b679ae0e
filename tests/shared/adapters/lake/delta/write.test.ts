// Rows written to tables: partitions, merges, plans and races of them; every table ends before the checker.
import { randomUUID } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';
import { describe, expect, inject, it } from 'vitest';
import { readSnapshot } from '../../../../../shared/adapters/lake/delta/snapshot.ts';
import { selectFiles } from '../../../../../shared/adapters/lake/delta/table-files.ts';
import { blobStorage } from '../../../../../shared/adapters/lake/delta/table-storage.ts';
import { judgeTable } from './checker.ts';
import { seededTurns } from './memory-storage.ts';
import { rows, tableRig } from './table-rig.ts';

const rig = tableRig();
const rejects = (code: string, words: RegExp) => ({ name: 'RejectedError', code, message: expect.stringMatching(words) as string });

describe('partitions', () => {
  const SQL = rows(
    'id, day, region, n',
    "1, DATE '2024-01-31', 'a/b c%=é', 1.5",
    "2, DATE '2024-01-31', NULL, 2.5",
    "3, NULL, 'a/b c%=é', 3.5",
    "4, DATE '2024-01-31', 'a/b c%=é', 4.5",
    "5, DATE '2024-02-01', '..', 5.5",
  );

  it('are split into folders, with values in the log alone, and read back as they were', async () => {
    const table = rig.table();

    await rig.write(table, SQL, { partitionBy: ['day', 'region'] });
    await rig.write(table, rows('id, day, region, n', "6, DATE '2024-02-01', 'x', 6.5"));

    const judged = await rig.judge(table);
    expect(judged.partitionColumns).toEqual(['day', 'region']);
    expect(judged.files.map((file) => file.path.split('/').slice(0, -1).join('/'))).toEqual([
      'day=2024-01-31/region=a%252Fb%2520c%2525%253D%25C3%25A9',
      'day=2024-01-31/region=__HIVE_DEFAULT_PARTITION__',
      'day=2024-02-01/region=..',
      'day=__HIVE_DEFAULT_PARTITION__/region=a%252Fb%2520c%2525%253D%25C3%25A9',
      'day=2024-02-01/region=x',
    ]);
    expect(judged.rows).toHaveLength(6);
    expect(await rig.read(table)).toEqual(
      (await rig.duck.rows(`${SQL} UNION ALL SELECT 6, DATE '2024-02-01', 'x', 6.5 ORDER BY ALL NULLS FIRST`)).map((row) => row),
    );
  });

  it.each([
    ['TIMESTAMP', "TIMESTAMP '2024-01-01 10:00:00.5'", '2024-01-01T10:00:00.500000Z'],
    ['DECIMAL', 'CAST(234 AS DECIMAL(10,5))', '234.00000'],
    ['BOOLEAN', 'true', 'true'],
    ['BIGINT', '-9007199254740993', '-9007199254740993'],
    ['HUGEINT', '170141183460469231731::HUGEINT', '170141183460469231731'],
    ['a long text', `repeat('ü', 300)`, 'ü'.repeat(300)],
    ['the text null', `'null'`, 'null'],
  ])('of %s are written as the protocol has them', async (_, value, text) => {
    const table = rig.table();

    await rig.write(table, `SELECT 1 AS id, ${value} AS p`, { partitionBy: ['p'] });

    const { files } = await rig.judge(table);
    expect(files.map((file) => file.partitionValues)).toEqual([{ p: text }]);
    expect(await rig.duck.rows(`SELECT count(*)::INT AS n FROM (${await all(table)}) WHERE p = ${value}`)).toEqual([{ n: 1 }]);
  });

  const all = async (table: ReturnType<typeof rig.table>) => {
    const snapshot = (await readSnapshot(table))!;
    return selectFiles(table, { fields: await fieldsOf(table), partitionColumns: snapshot.metaData.partitionColumns }, [
      ...snapshot.files.values(),
    ]);
  };
  const fieldsOf = async (table: ReturnType<typeof rig.table>) =>
    (JSON.parse((await readSnapshot(table))!.metaData.schemaString) as { fields: Parameters<typeof selectFiles>[1]['fields'] }).fields;

  it.each([
    ['an unknown column', ['x'], 'bad-partition', /no such column/],
    ['every column', ['id', 'day', 'region', 'n'], 'bad-partition', /every column/],
    ['a column twice', ['day', 'day'], 'bad-partition', /twice/],
  ])('of %s are refused', async (_, partitionBy, code, words) => {
    await expect(rig.write(rig.table(), SQL, { partitionBy })).rejects.toMatchObject(rejects(code, words));
  });

  it('of floating point, of lists, and of empty texts are refused', async () => {
    const bad = async (value: string) => rig.write(rig.table(), `SELECT 1 AS id, ${value} AS p`, { partitionBy: ['p'] });

    await expect(bad('1.5::DOUBLE')).rejects.toMatchObject(rejects('bad-partition', /double values/));
    await expect(bad('[1]')).rejects.toMatchObject(rejects('bad-partition', /array values/));
    await expect(bad("''")).rejects.toMatchObject(rejects('bad-partition-value', /nullif/));
    await expect(rig.write(rig.table(), 'SELECT range AS p, 1 AS v FROM range(2001)', { partitionBy: ['p'] })).rejects.toMatchObject(
      rejects('too-many-partitions', /more than 2000/),
    );
  });

  it('are fixed by the first commit', async () => {
    const table = rig.table();
    await rig.write(table, SQL, { partitionBy: ['day'] });

    await expect(rig.write(table, SQL, { partitionBy: ['region'] })).rejects.toMatchObject(
      rejects('bad-partition', /partitioned by day, and sluice.yaml says partitioned by region/),
    );
    await expect(rig.write(table, SQL, { partitionBy: [] })).rejects.toMatchObject(rejects('bad-partition', /says not partitioned/));
  });

  it('are replaced by an overwrite', async () => {
    const table = rig.table();
    await rig.write(table, SQL, { partitionBy: ['day', 'region'] });

    await rig.write(table, rows('id, day, region, n', "9, DATE '2024-01-31', NULL::VARCHAR, 9.5"), { mode: 'overwrite' });

    expect((await rig.judge(table)).files).toHaveLength(1);
    expect(await rig.read(table)).toMatchObject([{ id: 9 }]);
  });

  it('pass through blob storage with names of any kind', async () => {
    const service = BlobServiceClient.fromConnectionString(inject('storage'));
    const container = service.getContainerClient(`delta-${randomUUID()}`);
    await container.create();
    const table = rig.at(blobStorage(container));

    await rig.write(table, SQL, { partitionBy: ['day', 'region'] });
    table.local.clear();

    expect((await judgeTable(container, table.root)).problems).toEqual([]);
    expect(await rig.read(table)).toHaveLength(5);
  });
});

describe('a merge', () => {
  const FIRST = "SELECT range AS k, range % 3 AS p, 'old ' || range AS v FROM range(0, 9)";

  it('replaces rows with these keys, rewrites only the files that hold them, and adds the others', async () => {
    const table = rig.table();
    await rig.write(table, 'SELECT range AS k, range AS v FROM range(0, 10)');
    await rig.write(table, 'SELECT range AS k, range AS v FROM range(10, 20)');
    await rig.write(table, 'SELECT range AS k, range AS v FROM range(20, 30)');
    const untouched = (await rig.judge(table)).files.map((file) => file.path);

    const { plan, state } = await rig.write(table, 'SELECT k::BIGINT AS k, -1::BIGINT AS v FROM (VALUES (12), (15), (99)) t(k)', {
      mode: 'merge',
      keys: ['k'],
    });

    const judged = await rig.judge(table);
    expect([state, plan.rewritten!.dropped, plan.rewritten!.copied]).toEqual(['committed', 2, 8]);
    expect(judged.operations.at(-1)).toBe('MERGE');
    expect(judged.files.map((file) => file.path).filter((path) => untouched.includes(path))).toEqual([untouched[0], untouched[2]]);
    const found = await rig.read(table);
    expect(found).toHaveLength(31);
    expect(found.filter((row) => row['v'] === '-1').map((row) => row['k'])).toEqual(['12', '15', '99']);
  });

  it('by several keys, one of them a partition, touches the partitions of its rows alone', async () => {
    const table = rig.table();
    await rig.write(table, FIRST, { partitionBy: ['p'] });

    const { plan } = await rig.write(table, rows('k, p, v', "1::BIGINT, 1::BIGINT, 'new'", "2::BIGINT, 1::BIGINT, 'added'"), {
      mode: 'merge',
      keys: ['k', 'p'],
    });

    expect(plan.rewritten!.removes.map((file) => file.partitionValues)).toEqual([{ p: '1' }]);
    await rig.judge(table);
    const found = await rig.read(table);
    expect(found.filter((row) => row['p'] === '1')).toEqual([
      { k: '1', p: '1', v: 'new' },
      { k: '2', p: '1', v: 'added' },
      { k: '4', p: '1', v: 'old 4' },
      { k: '7', p: '1', v: 'old 7' },
    ]);
    expect(found).toHaveLength(10);
  });

  it('of a new table adds, and a file whose rows are all replaced is only removed', async () => {
    const table = rig.table();

    await rig.write(table, FIRST, { mode: 'merge', keys: ['k'], partitionBy: ['p'] });
    await rig.write(table, FIRST.replace('old', 'new'), { mode: 'merge', keys: ['k'] });

    const judged = await rig.judge(table);
    expect(judged.files).toHaveLength(3);
    expect((await rig.read(table)).map((row) => row['v'])).toEqual(Array.from({ length: 9 }, (_, n) => `new ${n}`));
  });

  it('compares long texts, 64-bit numbers, decimals and times without rounding', async () => {
    const table = rig.table();
    const long = `repeat('x', 40)`;
    const key = (n: number) =>
      `(${long} || '${n}', 9007199254740992::BIGINT + ${n}, CAST('1234567890123456.${String(n).padStart(10, '0')}' AS DECIMAL(26,10)), TIMESTAMPTZ '2024-01-01 00:00:00.00000${n}+00')`;
    const sql = (v: string, ...all: number[]) => `SELECT *, '${v}' AS v FROM (VALUES ${all.map(key).join(', ')}) t(s, l, d, t)`;
    await rig.write(table, sql('old', 1));
    await rig.write(table, sql('old', 2));

    const { plan } = await rig.write(table, sql('new', 2, 3), { mode: 'merge', keys: ['s', 'l', 'd', 't'] });

    await rig.judge(table);
    expect(plan.rewritten!.dropped).toBe(1);
    expect((await rig.read(table)).map((row) => row['v'])).toEqual(['old', 'new', 'new']);
  });

  it('keeps rows of the table whose key is null, and reads files without statistics', async () => {
    const table = rig.table();
    await rig.write(table, rows('k, v', "NULL::INT, 'none'", "1, 'old'"));
    const name = `${table.root}_delta_log/00000000000000000000.json`;
    const text = table.storage.text(name).replace(/"stats":"(?:[^"\\]|\\.)*",/, '');
    await table.storage.put(name, Buffer.from(text), 'application/json');

    await rig.write(table, rows('k, v', "1, 'new'"), { mode: 'merge', keys: ['k'] });

    expect(await rig.read(table)).toEqual([
      { k: null, v: 'none' },
      { k: 1, v: 'new' },
    ]);
  });

  it.each([
    ['the same key twice', rows('k, v', "1, 'a'", "1, 'b'"), ['k'], 'merge-duplicate-key', /the same key \("k"\).*\{"k":1,"_n":"2"\}/],
    ['no key', rows('k, v', "NULL::INT, 'a'", "1, 'b'"), ['k'], 'merge-null-key', /1 row\(s\) have null/],
    ['an unknown key', rows('k, v', "1, 'a'"), ['x'], 'bad-key', /"x" is no column/],
    ['a list as key', 'SELECT 1 AS k, [1] AS v', ['v'], 'bad-key', /"v" cannot be a key/],
    ['no key column', rows('k, v', "1, 'a'"), [], 'bad-key', /at least one key/],
  ])('of rows with %s is refused', async (_, sql, keys, code, words) => {
    await expect(rig.write(rig.table(), sql, { mode: 'merge', keys })).rejects.toMatchObject(rejects(code, words));
  });
});

describe('a plan', () => {
  it('shows the table as it will be, and nobody else sees it before its commit', async () => {
    const table = rig.table();
    await rig.write(table, 'SELECT 1 AS k, 10 AS v UNION ALL SELECT 2, 20');

    const plan = await rig.plan(table, 'SELECT 2 AS k, 21 AS v', { mode: 'merge', keys: ['k'] });
    const seen = await rig.duck.rows(`SELECT * FROM (${await selectFiles(table, plan.shape, plan.after)}) ORDER BY k`);

    expect(seen).toEqual([
      { k: 1, v: 10 },
      { k: 2, v: 21 },
    ]);
    expect([...table.storage.files.keys()].filter((name) => name.endsWith('.json'))).toHaveLength(1);
    await rig.commit(table, plan);
    expect(await rig.read(table)).toEqual(seen);
    await rig.judge(table);
  });

  it('that a matching commit spoiled is made again for a merge; other rows do not matter to it', async () => {
    const table = rig.table();
    await rig.write(table, 'SELECT range AS k, 0 AS v FROM range(10)');
    const plan = await rig.plan(table, 'SELECT 3::BIGINT AS k, 1 AS v', { mode: 'merge', keys: ['k'] });
    await rig.write(table, 'SELECT 100::BIGINT AS k, 0 AS v');
    const calm = await rig.commit(table, plan);
    const spoiled = await rig.plan(table, 'SELECT 4::BIGINT AS k, 2 AS v', { mode: 'merge', keys: ['k'] });
    await rig.write(table, 'SELECT 4::BIGINT AS k, 9 AS v');

    const again = await rig.commit(table, spoiled);

    expect([calm.plan === plan, again.plan === spoiled]).toEqual([true, false]);
    await rig.judge(table);
    expect((await rig.read(table)).filter((row) => row['k'] === '4')).toEqual([{ k: '4', v: 2 }]);
  });

  it('of an overwrite that read the table is refused by name, or computed again by its caller', async () => {
    const table = rig.table();
    await rig.write(table, 'SELECT 1 AS v');
    const request = { mode: 'overwrite' as const, basis: 0 };
    const plan = await rig.plan(table, 'SELECT 10 AS v', request);
    await rig.write(table, 'SELECT 2 AS v');

    await expect(rig.commit(table, plan)).rejects.toMatchObject({
      name: 'TransientError',
      code: 'delta-conflict',
      message: expect.stringContaining('version 1 (WRITE) changed the table since version 0 was read') as string,
    });
    const done = await rig.commit(table, plan, {
      recompute: async (snapshot) => ({ ...plan.request, ...(await rig.content('SELECT 30 AS v')), basis: snapshot.version }),
    });

    expect(done.state).toBe('committed');
    await rig.judge(table);
    expect(await rig.read(table)).toEqual([{ v: 30 }]);
  });

  it('of a transaction that is in the table writes nothing', async () => {
    const table = rig.table();
    const once = { appId: 'sluice-once', chain: ['p@run-1'], runId: 'refine-p-1', facts: { readRows: 1 } };
    await rig.write(table, 'SELECT 1 AS v', once);
    const names = [...table.storage.files.keys()];

    const again = await rig.write(table, 'SELECT 1 AS v', once);
    const next = await rig.write(table, 'SELECT 2 AS v', { ...once, txnVersion: 2 });

    expect([again.state, next.state]).toEqual(['found', 'committed']);
    expect(JSON.parse(table.storage.text(names.find((name) => name.endsWith('.json'))!).split('\n')[0]!)).toMatchObject({
      commitInfo: { operation: 'WRITE', sluice: { readRows: 1, chain: ['p@run-1'], runId: 'refine-p-1' } },
    });
    expect((await rig.judge(table)).rows).toHaveLength(2);
  });
});

describe('merges at once', () => {
  it.each([1, 2, 3, 4, 5])('leave each key once, in some order of theirs (seed %i)', async (seed) => {
    const table = rig.table();
    await rig.write(table, 'SELECT range AS k, -1::BIGINT AS v FROM range(6)');
    const turns = seededTurns(seed);
    table.storage.turn = turns.turn;

    const writers = [0, 1, 2].map(async (n) => {
      const plan = await rig.plan(table, `SELECT range AS k, ${n}::BIGINT AS v FROM range(${n}, ${n + 4})`, { mode: 'merge', keys: ['k'] });
      return rig.commit(table, plan, { pause: turns.pause });
    });
    const answers = await turns.run(Promise.all(writers));

    table.storage.turn = async () => Promise.resolve();
    expect(answers.map((answer) => answer.state)).toEqual(['committed', 'committed', 'committed']);
    const judged = await rig.judge(table);
    const order = judged.transactions.slice(1).map((appId) => answers.findIndex((answer) => answer.plan.request.appId === appId));
    const model = new Map<number, number>(Array.from({ length: 6 }, (_, k) => [k, -1]));
    for (const n of order) for (let k = n; k < n + 4; k += 1) model.set(k, n);
    expect(await rig.read(table)).toEqual([...model].map(([k, v]) => ({ k: String(k), v: String(v) })));
  });
});
