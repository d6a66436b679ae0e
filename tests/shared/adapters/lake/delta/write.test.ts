// Rows written to tables: partitions, merges, added columns, types, statistics, checkpoints; every table ends before the checker.
import { randomUUID } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';
import { describe, expect, inject, it } from 'vitest';
import { readSnapshot } from '../../../../../shared/adapters/lake/delta/snapshot.ts';
import { findTransaction, selectFiles } from '../../../../../shared/adapters/lake/delta/table-files.ts';
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

describe('columns', () => {
  it('are added at the end where that is declared, and old rows have null there', async () => {
    const table = rig.table();
    await rig.write(table, 'SELECT 1 AS a, 2 AS b');

    await rig.write(table, "SELECT 'x' AS c, 3 AS b, 4 AS a, {'d': 1} AS s", { evolve: 'add-columns' });
    await rig.write(table, "SELECT 1 AS a, 9 AS b, 'm' AS c, NULL::STRUCT(d INT) AS s", {
      mode: 'merge',
      keys: ['a'],
      evolve: 'add-columns',
    });

    const judged = await rig.judge(table);
    expect(judged.schema.map((field) => field.name)).toEqual(['a', 'b', 'c', 's']);
    expect(await rig.read(table)).toEqual([
      { a: 1, b: 9, c: 'm', s: null },
      { a: 4, b: 3, c: 'x', s: { d: 1 } },
    ]);
  });

  it.each([
    ['a new one without the declaration', 'SELECT 1 AS a, 2 AS b, 3 AS c', 'none', /"c" \(integer\) is new.*declare "evolve: add-columns"/],
    ['one that is gone', 'SELECT 1 AS a, 3 AS c', 'add-columns', /"b" \(integer\) is gone/],
    ['another type', "SELECT 1 AS a, 'x' AS b", 'add-columns', /"b" was integer and is string/],
    ['a wider type', 'SELECT 1 AS a, 2::BIGINT AS b', 'add-columns', /"b" was integer and is long/],
    ['one that differs in capitals', 'SELECT 1 AS a, 2 AS b, 3 AS "B2", 4 AS "A3", 5 AS c', 'none', /"B2".*"A3".*"c"/],
  ] as const)('that change otherwise are refused: %s', async (_, sql, evolve, words) => {
    const table = rig.table();
    await rig.write(table, 'SELECT 1 AS a, 2 AS b');

    await expect(rig.write(table, sql, { evolve })).rejects.toMatchObject(rejects('schema-changed', words));
  });

  it('that may not be null hold no null', async () => {
    const table = rig.table();
    await rig.write(table, 'SELECT 1 AS a, 2 AS b');
    const name = `${table.root}_delta_log/00000000000000000000.json`;
    await table.storage.put(
      name,
      Buffer.from(table.storage.text(name).replace('\\"nullable\\":true', '\\"nullable\\":false')),
      'application/json',
    );

    await expect(rig.write(table, 'SELECT NULL::INT AS a, 2 AS b')).rejects.toMatchObject(rejects('null-not-allowed', /"a" of the table/));
    expect((await rig.write(table, 'SELECT 3 AS a, NULL::INT AS b')).state).toBe('committed');
  });
});

describe('types', () => {
  const AT = "TIMESTAMP '2024-03-01 10:00:00.123456'";

  it('without a time zone are UTC instants, or declared timestamp_ntz with the protocol that says so', async () => {
    const [utc, ntz] = [rig.table(), rig.table()];

    await rig.write(utc, `SELECT ${AT} AS t`, { timestamps: 'utc' });
    await rig.write(ntz, `SELECT ${AT} AS t, [${AT}] AS l, {'x': ${AT}} AS s, 1 AS p`, { timestamps: 'ntz', partitionBy: ['t'] });

    const [plain, declared] = [await rig.judge(utc), await rig.judge(ntz)];
    expect([plain.schema[0]!.type, plain.protocol['minReaderVersion']]).toEqual(['timestamp', 1]);
    expect([declared.schema[0]!.type, declared.protocol]).toEqual([
      'timestamp_ntz',
      { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['timestampNtz'], writerFeatures: ['timestampNtz'] },
    ]);
    expect(declared.files[0]!.partitionValues).toEqual({ t: '2024-03-01 10:00:00.123456' });
    expect(await rig.read(utc)).toEqual([{ t: '2024-03-01 10:00:00.123456+00' }]);
    expect(await rig.read(ntz)).toMatchObject([{ t: '2024-03-01 10:00:00.123456', s: { x: '2024-03-01 10:00:00.123456' } }]);
    await expect(
      rig.write(utc, `SELECT ${AT}::TIMESTAMPTZ AS t, ${AT} AS n`, { timestamps: 'ntz', evolve: 'add-columns' }),
    ).rejects.toMatchObject(rejects('table-invalid', /"n" is timestamp_ntz, which the table's protocol does not announce/));
  });

  it('wider than Delta has are refused, never made DOUBLE; sums of integers fit or say that they do not', async () => {
    const table = rig.table();
    await rig.write(table, 'SELECT sum(range) AS s FROM range(10)');

    expect((await rig.judge(table)).schema).toMatchObject([{ type: 'decimal(38,0)' }]);
    await expect(rig.content('SELECT 170141183460469231731687303715884105727::HUGEINT AS s')).rejects.toThrow(/DECIMAL\(38,0\)/);
    for (const type of ['UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'UHUGEINT'])
      await expect(rig.content(`SELECT 1::${type} AS u`)).rejects.toMatchObject(rejects('bad-type', /Delta has no unsigned types/));
    await expect(rig.content(`SELECT [${AT}] AS t`)).rejects.toMatchObject(rejects('bad-type', /AT TIME ZONE 'UTC'/));
    await expect(rig.content('SELECT [1::HUGEINT] AS t')).rejects.toMatchObject(rejects('bad-type', /CAST it to BIGINT or DECIMAL/));
  });

  it('of every kind have statistics that a stranger recomputes', async () => {
    const table = rig.table();
    const wide = Array.from({ length: 30 }, (_, n) => `range AS w${n}`).join(', ');

    await rig.write(
      table,
      `SELECT range::TINYINT AS b, (range - 5)::SMALLINT AS s, (range - 5) * 1000000000000000000 AS l, range / 3.0::FLOAT AS f,
        CASE WHEN range = 3 THEN 'nan'::DOUBLE ELSE range END AS nan, range::DECIMAL(30,10) / 7 AS q, CAST(range AS DECIMAL(30,10)) AS d,
        DATE '1969-12-30' + range::INT AS day, TIMESTAMPTZ '1969-12-31 23:59:59.999+00' + INTERVAL (range) HOUR AS t,
        TIMESTAMPTZ '2024-12-31 23:59:59.9999+00' + INTERVAL (range) MICROSECOND AS micros,
        repeat('é😀', range::INT * 10) || range AS huge, repeat('é😀', range::INT * 4) || range AS text, NULL::VARCHAR AS nothing, range % 2 = 0 AS flag, range::VARCHAR::BLOB AS bin,
        [range] AS list, MAP {'k': range} AS m, CASE WHEN range % 4 = 0 THEN NULL ELSE {'x': range, 'y': {'z': range::VARCHAR}, 'w': [1]} END AS st
        FROM range(10)`,
    );
    await rig.write(rig.table(), `SELECT ${wide}, {'x': range, 'y': range, 'z': range} AS s, range AS last FROM range(3)`);

    const { files, schema } = await rig.judge(table);
    expect(schema.map((field) => field.name)).toContain('st');
    expect(files[0]!.stats).toMatchObject({
      numRecords: 10,
      minValues: {
        b: 0,
        s: -5,
        day: '1969-12-30',
        t: '1969-12-31T23:59:59.999Z',
        micros: '2024-12-31T23:59:59.999Z',
        st: { x: 1, y: { z: '1' } },
      },
      maxValues: { b: 9, st: { x: 9, y: { z: '9' } } },
      nullCount: { nothing: 10, st: { x: 3 } },
    });
    expect(Object.keys(files[0]!.stats['maxValues'] as object)).not.toContain('nan');
  });
});

describe('checkpoints', () => {
  it('come every so many commits, say what the log says, and are enough when the commits before are gone', async () => {
    const table = rig.table();
    const retention = { historySeconds: 30 * 86_400, checkpointEvery: 3 };
    for (let n = 0; n < 8; n += 1)
      await rig.write(table, `SELECT ${n} AS k, ${n % 2} AS p`, { partitionBy: ['p'], retention, mode: n === 5 ? 'overwrite' : 'append' });

    expect((await rig.judge(table)).checkpoints).toEqual([3, 6]);
    expect((await readSnapshot(table))!.metaData.configuration).toEqual({
      'delta.deletedFileRetentionDuration': 'interval 2592000 seconds',
      'delta.logRetentionDuration': 'interval 2592000 seconds',
      'delta.checkpointInterval': '3',
    });
    const before = await rig.read(table);
    for (let n = 0; n < 6; n += 1) table.storage.files.delete(`${table.root}_delta_log/${String(n).padStart(20, '0')}.json`);
    await table.storage.put(`${table.root}_delta_log/_last_checkpoint`, Buffer.from('{"version":'), 'application/json');

    expect(await rig.read(table)).toEqual(before);
    expect([...(await readSnapshot(table))!.tombstones.keys()]).toHaveLength(5);
    await rig.write(table, 'SELECT 9 AS k, 1 AS p');
    expect(await rig.read(table)).toHaveLength(4);
    await expect(readSnapshot(table, 5)).rejects.toMatchObject({ code: 'version-gone' });
    table.storage.files.delete(`${table.root}_delta_log/00000000000000000006.checkpoint.parquet`);
    await expect(readSnapshot(table)).rejects.toMatchObject({ code: 'version-gone' });
  });

  it('keep transactions when the commits that brought them are gone: known ones are found, forgotten ones never committed again', async () => {
    const table = rig.table();
    for (let n = 0; n < 4; n += 1)
      await rig.write(table, `SELECT ${n} AS k`, { appId: `sluice-${n}`, retention: { historySeconds: 604_800, checkpointEvery: 2 } });
    for (let n = 0; n < 2; n += 1) table.storage.files.delete(`${table.root}_delta_log/${String(n).padStart(20, '0')}.json`);

    const found = await findTransaction(table, 'sluice-3');

    expect([found!.snapshot.version, found!.actions.adds.length]).toEqual([3, 1]);
    await expect(findTransaction(table, 'sluice-0')).rejects.toMatchObject(rejects('version-gone', /Nothing is committed again/));
    expect(await findTransaction(table, 'sluice-9')).toBeNull();
    expect((await rig.write(table, 'SELECT 0 AS k', { appId: 'sluice-0' })).state).toBe('found');
  });

  it('that cannot be written fail nothing and are told', async () => {
    const table = rig.table();
    await rig.write(table, 'SELECT 1 AS k');
    table.storage.turn = async (call) => (call.includes('.checkpoint.') ? Promise.reject(new Error('disk on fire')) : Promise.resolve());

    const { state } = await rig.write(table, 'SELECT 2 AS k', { retention: { historySeconds: 604_800, checkpointEvery: 1 } });

    expect(state).toBe('committed');
    expect(rig.warnings.at(-1)).toMatch(/checkpoint at version 1 was not written: disk on fire/);
    expect((await rig.judge(table)).checkpoints).toEqual([]);
  });

  it('of the kind that we do not read are refused by the name of their feature', async () => {
    const table = rig.table();
    await rig.write(table, 'SELECT 1 AS k');
    table.storage.files.set(
      `${table.root}_delta_log/00000000000000000005.json`,
      table.storage.files.get(`${table.root}_delta_log/00000000000000000000.json`)!,
    );
    await table.storage.put(`${table.root}_delta_log/00000000000000000004.checkpoint.${randomUUID()}.parquet`, Buffer.from('x'), 'x');

    await expect(readSnapshot(table)).rejects.toMatchObject(rejects('table-unsupported', /v2Checkpoint/));
  });
});

describe('a data file of the wrong length', () => {
  it('is found by its size when it is read, and fewer rows are never given', async () => {
    const table = rig.table();
    await rig.write(table, 'SELECT range AS k FROM range(100)');
    const [name, file] = [...table.storage.files].find(([each]) => each.endsWith('.parquet'))!;
    table.storage.files.set(name, { ...file, content: file.content.subarray(0, file.content.length - 1) });
    table.local.clear();

    await expect(rig.read(table)).rejects.toMatchObject(rejects('file-damaged', /part-[0-9a-f]{32}\.parquet: \d+ bytes/));
  });
});
