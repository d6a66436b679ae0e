// Columns, types and statistics of written tables, their checkpoints, and files that are not what the log says.
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readSnapshot } from '../../../../../shared/adapters/lake/delta/snapshot.ts';
import { findTransaction } from '../../../../../shared/adapters/lake/delta/table-files.ts';
import { tableRig } from './table-rig.ts';

const rig = tableRig();
const rejects = (code: string, words: RegExp) => ({ name: 'RejectedError', code, message: expect.stringMatching(words) as string });

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
