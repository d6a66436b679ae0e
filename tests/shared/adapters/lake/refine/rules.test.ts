// Rules on rows and tables: quarantine of whole rows, expectations, minimum rows, types, schema, and what owners' SQL may not do.
import { describe, expect, it } from 'vitest';
import { judgeTable } from '../delta/checker.ts';
import { HEADER, makeRig, pipelineOf, rowsOf, type Rig } from '../rig.ts';

const PATH = 'bronze/p/input.csv';
const SILVER = 'silver/p/rows/';
const QUARANTINE = 'quarantine/p/rows/';

async function rejected(
  rig: Rig,
  pipeline: ReturnType<typeof pipelineOf>,
  content = HEADER + rowsOf(5),
): Promise<{ code: string; message: string }> {
  const error: unknown = await rig.refine(pipeline, PATH, content).then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'RejectedError' });
  return error as { code: string; message: string };
}

describe('bad rows that are set aside', () => {
  it('go whole into the quarantine table, with rule, file and physical line; the others go on', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({ source: { badRows: 'quarantine' } });
    const bad = [
      '2,cut short',
      'x,"a ""quoted"", name\r\nover two lines",2024-01-01T10:00:00Z,oops',
      '4,d,2024-01-01T10:00:00Z,4,5,6',
      '5,"never closed,2024-01-01T10:00:00Z,5',
    ];
    const lines = ['id,name,at,amount', rowsOf(1).trimEnd(), bad[0], '', bad[1], bad[2], bad[3], rowsOf(1, 9).trimEnd()];

    const refined = await rig.refine(pipeline, PATH, `${lines.join('\n')}\n`);

    expect(refined).toMatchObject({ readRows: 6, quarantinedRows: 4, silver: { rows: 2 } });
    expect(refined.findings).toEqual([
      { rule: 'row-shape', action: 'quarantine', rows: 3, lines: [3, 7, 8] },
      { rule: 'type:id', action: 'quarantine', rows: 1, lines: [5] },
      { rule: 'type:amount', action: 'quarantine', rows: 1, lines: [5] },
    ]);
    const { rows, problems } = await judgeTable(rig.container, QUARANTINE);
    expect(problems).toEqual([]);
    expect(rows.map(({ layer, rule, file, line, raw }) => [layer, rule, file, line, raw])).toEqual([
      ['bronze', 'row-shape', PATH, 3n, bad[0]],
      ['bronze', 'row-shape', PATH, 7n, bad[2]],
      ['bronze', 'row-shape', PATH, 8n, bad[3]],
      ['bronze', 'type:id', PATH, 5n, bad[1]],
    ]);
    expect(rows[0]!['reason']).toBe('the row has 2 values instead of 4');
    expect(rows[3]!['reason']).toMatch(/column "id" holds "x".*; column "amount" holds "oops"/);
    expect((await judgeTable(rig.container, SILVER)).rows.map((row) => row['id'])).toEqual([1n, 9n]);
  });

  it('are never sampled: thousands of them arrive', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({ source: { badRows: 'quarantine' } });
    const content = Array.from({ length: 9000 }, (_, n) =>
      n % 3 === 0 ? `x${n},a,2024-01-01T10:00:00Z,1\n` : `${n},"a\n${n}",2024-01-01T10:00:00Z,1\n`,
    ).join('');

    const refined = await rig.refine(pipeline, PATH, HEADER + content);

    expect(refined).toMatchObject({ readRows: 9000, quarantinedRows: 3000, silver: { rows: 6000 } });
    const { rows } = await judgeTable(rig.container, QUARANTINE);
    // Every good row takes two physical lines.
    expect(rows.map((row) => [row['line'], row['raw']])).toEqual(
      Array.from({ length: 3000 }, (_, n) => [BigInt(2 + n * 5), `x${n * 3},a,2024-01-01T10:00:00Z,1`]),
    );
  });

  it('may be all of them: then nothing is left and the run is refused', async () => {
    const rig = await makeRig();

    const { code, message } = await rejected(rig, pipelineOf({ source: { badRows: 'quarantine' } }), `${HEADER}a\nb\n`);

    expect(code).toBe('too-few-rows');
    expect(message).toMatch(/table "rows" \(silver\): 0 rows left .* at least 1 /);
    expect(await rig.names('silver/')).toEqual([]);
  });
});

describe('expectations', () => {
  const expecting = (onFail: string, check = 'amount < 4', extra: object = {}) =>
    pipelineOf({ tables: { silver: { expect: [{ name: 'small', check, onFail }], ...extra } } });

  it('warn: every row stays, the finding names the lines', async () => {
    const rig = await makeRig();

    const refined = await rig.refine(expecting('warn'), PATH, HEADER + rowsOf(5));

    expect(refined).toMatchObject({
      quarantinedRows: 0,
      silver: { rows: 5 },
      findings: [{ rule: 'small', action: 'warn', rows: 2, lines: [5, 6] }],
    });
  });

  it('quarantine: the row as the file holds it is set aside, the others go on', async () => {
    const rig = await makeRig();

    const refined = await rig.refine(expecting('quarantine'), PATH, HEADER + rowsOf(5));

    expect(refined).toMatchObject({ readRows: 5, quarantinedRows: 2, silver: { rows: 3 }, gold: { rows: 3 } });
    expect(refined.findings).toEqual([{ rule: 'small', action: 'quarantine', rows: 2, lines: [5, 6] }]);
    const { rows } = await judgeTable(rig.container, QUARANTINE);
    expect(rows.map(({ layer, rule, file, line, raw, reason }) => ({ layer, rule, file, line, raw, reason }))).toEqual(
      [4, 5].map((n) => ({
        layer: 'silver',
        rule: 'small',
        file: PATH,
        line: BigInt(n + 1),
        raw: rowsOf(1, n).trimEnd(),
        reason: 'not true: amount < 4',
      })),
    );
  });

  it('fail: nothing is committed, and the message names file, lines, rule and mend', async () => {
    const rig = await makeRig();

    const { code, message } = await rejected(rig, expecting('fail'));

    expect(code).toBe('expectation-failed');
    expect(message).toMatch(/input\.csv, lines 5, 6: 2 rows of silver break the expectation "small" \(amount < 4\)\. Mend: /);
    expect(await rig.names('')).toEqual([PATH]);
  });

  it('take null for broken', async () => {
    const rig = await makeRig();

    const refined = await rig.refine(expecting('quarantine', 'amount > 0'), PATH, `${HEADER}1,a,2024-01-01T10:00:00Z,\n${rowsOf(2)}`);

    expect(refined.findings).toEqual([{ rule: 'small', action: 'quarantine', rows: 1, lines: [2] }]);
  });

  it('set the output row aside as JSON where no line of the file is behind it', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({
      silver: 'SELECT name, sum(CAST(id AS BIGINT)) AS total FROM bronze GROUP BY name',
      tables: { silver: { expect: [{ name: 'small', check: 'total < 4', onFail: 'quarantine' }] } },
      gold: 'SELECT * FROM silver ORDER BY name',
    });

    const refined = await rig.refine(pipeline, PATH, HEADER + rowsOf(5));

    expect(refined.findings).toEqual([{ rule: 'small', action: 'quarantine', rows: 2, lines: [] }]);
    const { rows } = await judgeTable(rig.container, QUARANTINE);
    expect(rows.map((row) => [row['file'] ?? null, row['line'] ?? null, JSON.parse(row['raw'] as string) as unknown])).toEqual([
      [null, null, { name: 'name 4', total: 4 }],
      [null, null, { name: 'name 5', total: 5 }],
    ]);
  });

  it('of gold are judged before silver is committed: a rejected dataset leaves no trace', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({ tables: { gold: { expect: [{ name: 'small', check: 'amount < 4', onFail: 'fail' }] } } });

    const { code, message } = await rejected(rig, pipeline);

    expect(code).toBe('expectation-failed');
    expect(message).toContain('table training: 2 rows of gold break the expectation "small"');
    expect(await rig.names('')).toEqual([PATH]);
  });

  it.each([
    ['no column of that name', 'nonsense > 1', /nonsense/],
    ['two expressions', 'true), (false', /is not one SQL expression/],
    ['a statement', 'true; DROP VIEW bronze', /is not one SQL expression/],
    ['a broken one', 'amount >', /is not one SQL expression/],
    ['a file', "(SELECT count(*) FROM read_text('/etc/passwd')) > 0", /Permission Error|file system operations are disabled/],
  ])('that are no expression over the row are refused: %s', async (_, check, words) => {
    const { code, message } = await rejected(await makeRig(), expecting('warn', check));

    expect(code).toBe('bad-expectation');
    expect(message).toMatch(words);
  });

  it('may carry a comment', async () => {
    const refined = await (await makeRig()).refine(expecting('warn', 'amount < 4 -- small ones'), PATH, HEADER + rowsOf(5));

    expect(refined.findings).toMatchObject([{ rows: 2 }]);
  });
});

describe('minRows', () => {
  it('refuses a dataset of which too little is left, saying why', async () => {
    const silver = { minRows: 4, expect: [{ name: 'small', check: 'amount < 4', onFail: 'quarantine' }] };

    const { code, message } = await rejected(await makeRig(), pipelineOf({ tables: { silver } }));

    expect(code).toBe('too-few-rows');
    expect(message).toMatch(
      /table "rows" \(silver\): 3 rows left of 5 after expectations, at least 4 are needed \(rule minRows\)\. Mend: look at the rows that were set aside/,
    );
  });

  it('of 0 allows an empty gold, which is then a table without files', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({ gold: 'SELECT * FROM silver WHERE id < 0', tables: { gold: { minRows: 0 } } });

    const refined = await rig.refine(pipeline, PATH, HEADER + rowsOf(2));

    expect(refined.gold).toMatchObject({ rows: 0, addedRows: 0 });
    expect(await judgeTable(rig.container, 'gold/p/training/')).toMatchObject({ problems: [], files: [] });
    expect((await rig.refine(pipeline, 'bronze/p/b.csv', HEADER + rowsOf(2))).gold).toMatchObject({ version: 1, rows: 0 });
  });
});

describe('types', () => {
  const one = (expression: string) => pipelineOf({ silver: `SELECT ${expression} AS v FROM bronze`, gold: 'SELECT * FROM silver' });

  it.each([
    ['CAST(id AS TINYINT)', 'byte'],
    ['CAST(id AS SMALLINT)', 'short'],
    ['CAST(id AS INTEGER)', 'integer'],
    ['CAST(id AS BIGINT)', 'long'],
    ['CAST(id AS FLOAT)', 'float'],
    ['CAST(id AS DOUBLE)', 'double'],
    ['CAST(id AS DECIMAL(20,3))', 'decimal(20,3)'],
    ["id = '1'", 'boolean'],
    ['name', 'string'],
    ['encode(name)', 'binary'],
    ['CAST("at" AS DATE)', 'date'],
    ['CAST("at" AS TIMESTAMPTZ)', 'timestamp'],
    ['[name]', { type: 'array', elementType: 'string', containsNull: true }],
    ["{'a': name}", { type: 'struct', fields: [{ name: 'a', type: 'string', nullable: true, metadata: {} }] }],
    ["MAP {'a': name}", { type: 'map', keyType: 'string', valueType: 'string', valueContainsNull: true }],
    ['CAST(id AS HUGEINT)', 'decimal(38,0)'],
  ])('%s becomes %j', async (expression, type) => {
    const rig = await makeRig();

    await rig.refine(one(expression), PATH, HEADER + rowsOf(3));

    expect(await judgeTable(rig.container, SILVER)).toMatchObject({ problems: [], schema: [{ name: 'v', type }] });
  });

  it('a sum of integers is exact: no silent DOUBLE', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({ gold: 'SELECT sum(id) AS total FROM silver' });

    await rig.refine(pipeline, PATH, `${HEADER}9007199254740993,a,2024-01-01T10:00:00Z,1\n0,a,2024-01-01T10:00:00Z,1\n`);

    const { schema, files } = await judgeTable(rig.container, 'gold/p/training/');
    expect(schema).toMatchObject([{ name: 'total', type: 'decimal(38,0)' }]);
    const log = await rig.text('gold/p/training/_delta_log/00000000000000000000.json');
    expect(log).toContain('\\"maxValues\\":{\\"total\\":9007199254740993}');
    expect(files).toHaveLength(1);
  });

  it.each([
    ['CAST(id AS UBIGINT)', /is UBIGINT: CAST it to DECIMAL\(20,0\) or BIGINT/],
    ['CAST(id AS UTINYINT)', /CAST it to SMALLINT/],
    ['CAST("at" AS TIMESTAMP_NS)', /CAST it to TIMESTAMPTZ/],
    ["CAST('10:00' AS TIME)", /CAST it to VARCHAR, or give seconds/],
    ['INTERVAL 1 DAY', /seconds or days as BIGINT/],
    ['uuid()', /CAST it to VARCHAR/],
    ["CAST('a' AS ENUM('a'))", /CAST it to VARCHAR/],
    ["CAST('{}' AS JSON)", /it is JSON: CAST it to VARCHAR/],
    ['CAST([1, 2] AS INTEGER[2])', /CAST it to a list/],
    ["{'a': CAST(id AS HUGEINT)}", /CAST it to BIGINT or DECIMAL/],
    ['hash(id)', /no unsigned/],
  ])('%s is refused with the mend', async (expression, words) => {
    const { code, message } = await rejected(await makeRig(), one(expression), HEADER + rowsOf(2));

    expect(code).toBe('bad-type');
    expect(message).toMatch(/^silver\.sql: column "v"/);
    expect(message).toMatch(words);
  });

  it.each([
    ["DATE 'infinity'", /column "v" holds .* outside the years 0001 to 9999/],
    ["TIMESTAMPTZ '-infinity'", /outside the years/],
    ["DATE '0044-03-15 (BC)'", /outside the years/],
  ])('%s is refused by value', async (expression, words) => {
    const { code, message } = await rejected(await makeRig(), one(expression));

    expect(code).toBe('value-out-of-range');
    expect(message).toMatch(words);
  });

  it('bounds in the statistics hold for long texts, negative zero, NaN, nulls and fractions of a second', async () => {
    const rig = await makeRig();
    const long = `${'ä'.repeat(40)}z`;
    const pipeline = pipelineOf({
      silver: `SELECT name AS long, CAST("at" AS TIMESTAMPTZ) AS seen, CASE id WHEN '1' THEN 'nan'::DOUBLE ELSE -0.0 END AS f,
        CASE id WHEN '1' THEN NULL ELSE CAST(amount AS DECIMAL(30,10)) END AS d, CASE WHEN false THEN 1 END AS nothing FROM bronze`,
      gold: 'SELECT * FROM silver',
    });

    await rig.refine(
      pipeline,
      PATH,
      `${HEADER}1,${long},2024-01-01T10:00:00.123456Z,1\n2,${'😀'.repeat(33)},2023-01-01T10:00:00.999999Z,-12345678901234567890.5\n`,
    );

    const { problems, files } = await judgeTable(rig.container, SILVER);
    expect(problems).toEqual([]);
    expect(files[0]!.stats).toMatchObject({
      numRecords: 2,
      minValues: { long: 'ä'.repeat(32), seen: '2023-01-01T10:00:00.999Z' },
      maxValues: { long: `${'😀'.repeat(32)}\u{10ffff}`, seen: '2024-01-01T10:00:00.123Z' },
      nullCount: { d: 1, nothing: 2 },
    });
    expect(Object.keys(files[0]!.stats['minValues'] as object)).toEqual(['long', 'seen', 'd']);
    expect(await rig.text(`${SILVER}_delta_log/00000000000000000000.json`)).toContain('\\"d\\":-12345678901234567890.5000000000');
  });
});

describe('the schema of a table', () => {
  it.each([
    ['a new column', 'SELECT CAST(id AS BIGINT) AS id, name AS extra, name FROM bronze', /"extra" \(string\) is new/],
    ['a lost column', 'SELECT CAST(id AS BIGINT) AS id FROM bronze', /"name" \(string\) is gone/],
    ['another type', 'SELECT CAST(id AS INTEGER) AS id, name FROM bronze', /"id" was long and is integer/],
    [
      'other capitals',
      'SELECT CAST(id AS BIGINT) AS ID, name FROM bronze',
      /"ID" differs from the table's "id" in capitals only; "id" \(long\) is gone/,
    ],
  ])('does not change undeclared: %s', async (_, silver, words) => {
    const rig = await makeRig();
    const gold = 'SELECT id FROM silver';
    await rig.refine(pipelineOf({ silver: 'SELECT CAST(id AS BIGINT) AS id, name FROM bronze', gold }), PATH, HEADER + rowsOf(2));

    const { code, message } = await rejected(rig, pipelineOf({ silver, gold }), HEADER + rowsOf(3));

    expect(code).toBe('schema-changed');
    expect(message).toMatch(words);
    expect(message).toMatch(/^silver\.sql: .* the table silver\/p\/rows\/.*Mend: /);
    expect((await judgeTable(rig.container, SILVER)).versions).toBe(1);
  });

  it('may come in another order', async () => {
    const rig = await makeRig();
    const gold = 'SELECT * FROM silver ORDER BY id';
    await rig.refine(pipelineOf({ silver: 'SELECT CAST(id AS BIGINT) AS id, name FROM bronze', gold }), PATH, HEADER + rowsOf(2));

    const refined = await rig.refine(
      pipelineOf({ silver: 'SELECT name, CAST(id AS BIGINT) AS id FROM bronze', gold }),
      'bronze/p/b.csv',
      HEADER + rowsOf(2, 7),
    );

    expect(refined.silver.rows).toBe(4);
    expect((await judgeTable(rig.container, 'gold/p/training/')).rows).toEqual(
      [1, 2, 7, 8].map((n) => ({ id: BigInt(n), name: `name ${n}` })),
    );
  });
});

describe('the order and mode of tables', () => {
  const content = `${HEADER}${[3, 1, 2].map((n) => rowsOf(1, n)).join('')}`;

  it("keeps the file's order without ORDER BY, as long as nothing mixes the rows", async () => {
    const rig = await makeRig();
    const silver = 'SELECT CAST(id AS BIGINT) AS id, upper(name) AS name FROM bronze WHERE id <> 7';

    await rig.refine(pipelineOf({ silver, gold: 'SELECT id FROM silver' }), PATH, content);

    for (const root of [SILVER, 'gold/p/training/'])
      expect((await judgeTable(rig.container, root)).rows.map((row) => row['id'])).toEqual([3n, 1n, 2n]);
  });

  it('sorts by all columns where a query mixes the rows and has no order of its own', async () => {
    const rig = await makeRig();

    await rig.refine(pipelineOf({ gold: 'SELECT name, max(id) AS id FROM silver GROUP BY name' }), PATH, content);

    expect((await judgeTable(rig.container, 'gold/p/training/')).rows.map((row) => row['id'])).toEqual([1n, 2n, 3n]);
  });

  it('overwrite replaces what was there and leaves the older version readable', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({ tables: { silver: { mode: 'overwrite' } } });
    const first = await rig.refine(pipeline, PATH, HEADER + rowsOf(5));

    const second = await rig.refine(pipeline, 'bronze/p/b.csv', HEADER + rowsOf(2, 10));

    expect(second).toMatchObject({ silver: { version: 1, rows: 2 }, gold: { version: 1, rows: 2 } });
    const [old, now] = [await judgeTable(rig.container, SILVER, 0), await judgeTable(rig.container, SILVER)];
    expect([old.problems, now.problems, old.digest, now.digest]).toEqual([[], [], first.silver.digest, second.silver.digest]);
    expect(now.operations).toEqual(['WRITE Overwrite', 'WRITE Overwrite']);
  });

  it('several files are one dataset, read by name and not by the order of their events', async () => {
    const [rig, other] = [await makeRig(), await makeRig()];
    const silver = 'SELECT CAST(id AS BIGINT) AS id, name FROM bronze';
    const pipeline = pipelineOf({ silver, gold: 'SELECT * FROM silver' });
    const refine = async (by: Rig, names: string[]) => {
      const files = [];
      for (const name of names) files.push(await by.land(`bronze/p/${name}.csv`, HEADER + rowsOf(2, name === 'a' ? 1 : 50)));
      return by.engine.refine({ pipeline, key: 'f'.repeat(64), container: by.name, files });
    };

    const answers = [await refine(rig, ['a', 'b']), await refine(other, ['b', 'a'])];

    expect(answers[0]).toMatchObject({ readRows: 4, silver: { rows: 4 } });
    expect(answers[1]!.silver.digest).toBe(answers[0]!.silver.digest);
    expect((await judgeTable(rig.container, SILVER)).rows.map((row) => row['id'])).toEqual([1n, 2n, 50n, 51n]);
  });
});

describe("the owner's SQL", () => {
  it.each([
    ['two statements', 'SELECT 1 AS a; SELECT 2 AS a', 'sql-not-select', /expected exactly one SELECT/],
    ['another statement', 'CREATE TABLE x AS SELECT 1', 'sql-not-select', /Only SELECT/],
    ['COPY', "COPY (SELECT 1) TO 'x.csv'", 'sql-not-select', /SELECT/],
    ['a syntax error', 'SELEC 1', 'sql-not-select', /syntax error/],
    ['nothing', '-- later', 'sql-not-select', /one SELECT/],
    ['an unknown column', 'SELECT nope FROM bronze', 'sql-failed', /silver\.sql: .*nope/],
    ['a cast that fails', 'SELECT CAST(name AS INTEGER) AS v FROM bronze', 'sql-failed', /Could not convert string/],
    ['a file outside', "SELECT * FROM read_text('/etc/passwd')", 'sql-failed', /Permission Error/],
    ['another machine', "SELECT * FROM read_csv('https://example.com/x.csv')", 'sql-failed', /disabled|Permission|extension/i],
    ['an extension', "SELECT * FROM delta_scan('x')", 'sql-failed', /delta/],
    ['a column without a name', 'SELECT count(*) FROM bronze', 'bad-column-name', /"count_star\(\)" is not allowed/],
    ['a name with a space', 'SELECT id AS "a b" FROM bronze', 'bad-column-name', /"a b"/],
    ['a name with a space inside', "SELECT {'a b': id} AS s FROM bronze", 'bad-column-name', /"s\.a b"/],
  ])('is refused: %s', async (_, silver, code, words) => {
    const found = await rejected(await makeRig(), pipelineOf({ silver, gold: 'SELECT 1 AS v' }));

    expect(found.code).toBe(code);
    expect(found.message).toMatch(words);
  });

  it('is stopped when it runs too long', async () => {
    const rig = await makeRig({ statementSeconds: 1 });
    const silver = 'SELECT sum(a.range * b.range) AS v FROM range(1000000) a, range(1000000) b';

    expect(await rejected(rig, pipelineOf({ silver, gold: 'SELECT 1 AS v' }))).toMatchObject({ code: 'refine-too-slow' });
  });

  it('does not get more memory and disk than it is given', async () => {
    const rig = await makeRig({ memoryLimit: '100MB', diskLimit: '50MB' });
    const silver = 'SELECT a.range AS v FROM range(30000000) a ORDER BY hash(a.range)';

    const { code, message } = await rejected(rig, pipelineOf({ silver, gold: 'SELECT 1 AS v' }));

    expect(code).toBe('refine-too-big');
    expect(message).toMatch(/memory \(100MB\) and spill space \(50MB\)/);
  });
});
