// Files that are not what the contract says: each is rejected with file, line, rule and mend, and leaves the tables as they were.
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { judgeTable } from '../delta/checker.ts';
import { HEADER, makeRig, pipelineOf, rowsOf, type Rig } from '../rig.ts';

const PATH = 'bronze/p/input.csv';

/** Refines and gives the rejection; no table may have come into being. */
async function rejection(
  rig: Rig,
  content: Buffer | string,
  pipeline = pipelineOf(),
  path = PATH,
): Promise<{ code: string; message: string }> {
  const error: unknown = await rig.refine(pipeline, path, content).then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'RejectedError' });
  for (const root of ['silver/', 'gold/', 'quarantine/']) expect(await rig.names(root)).toEqual([]);
  expect(await rig.leftovers()).toEqual([]);
  return error as { code: string; message: string };
}

describe('a file with another header', () => {
  it.each([
    [
      'a misspelt name',
      'id,name,at,amuont\n',
      /input\.csv, line 1: .*Found: "id", "name", "at", "amuont"\. Expected: .*column 4 is "amuont" \(is "amount" meant\?\)/,
    ],
    ['another order', 'id,at,name,amount\n', /the names are right and their order is not: column 2 is "at" instead of "name"/],
    ['a missing column', 'id,name,at\n', /missing: "amount"/],
    ['a column too many', 'id,name,at,amount,extra\n', /column 5 is "extra", which is not expected/],
    ['a name twice', 'id,name,name,amount\n', /named twice: "name"/],
    ['blanks and capitals', 'ID, name,at,amount\n', /column 1 is "ID" \(is "id" meant\?\).*column 2 is " name" \(is "name" meant\?\)/],
    ['no header', '1,a,2024-01-01T10:00:00Z,2\n', /missing: "id", "name", "at", "amount"/],
    ['semicolons', 'id;name;at;amount\n', /column 1 is "id;name;at;amount"/],
  ])('is refused: %s', async (_, header, words) => {
    const { code, message } = await rejection(await makeRig(), header + rowsOf(2));

    expect(code).toBe('wrong-header');
    expect(message).toMatch(words);
    expect(message).toMatch(/Mend: write the header as expected, or change "columns"/);
  });

  it('is accepted with quotes, a byte order mark and CRLF, which change nothing', async () => {
    const rig = await makeRig();

    const refined = await rig.refine(pipelineOf(), PATH, `\uFEFF"id",name,"at",amount\r\n1,"a ""b"", c",2024-01-01T10:00:00Z,2\r\n`);

    expect(refined.readRows).toBe(1);
    expect((await judgeTable(rig.container, refined.silver.path)).rows[0]).toMatchObject({ name: 'a "b", c' });
  });
});

describe('a file without rows', () => {
  it.each([
    ['nothing at all', '', 'empty-file', /input\.csv: the file is empty.*Mend: drop a file with a header/],
    ['a byte order mark', '\uFEFF', 'empty-file', /empty/],
    ['empty lines', '\n\r\n\n', 'empty-file', /empty/],
    ['a header', HEADER, 'no-rows', /a header and no rows.*Mend: drop a file with at least one row/],
    ['a header and empty lines', `${HEADER}\n\n`, 'no-rows', /no rows/],
  ])('is refused: %s', async (_, content, expected, words) => {
    const { code, message } = await rejection(await makeRig(), content);

    expect(code).toBe(expected);
    expect(message).toMatch(words);
  });
});

describe('a file in another encoding', () => {
  const text = `${HEADER}1,"Größe, 測\n😀",2024-01-01T10:00:00Z,2\n`;
  const latin = `${HEADER}1,Größe,2024-01-01T10:00:00Z,2\n`;
  const swapped = (bytes: Buffer) => Buffer.from(bytes).swap16();
  const declared = (encoding: string) => pipelineOf({ source: { encoding, badRows: 'fail' } });

  it.each([
    ['UTF-16 with a mark, little-endian', 'utf-8', Buffer.from(`\uFEFF${text}`, 'utf16le'), 'Größe, 測\n😀'],
    ['UTF-16 with a mark, big-endian', 'utf-8', swapped(Buffer.from(`\uFEFF${text}`, 'utf16le')), 'Größe, 測\n😀'],
    ['UTF-16 as declared, little-endian', 'utf-16', Buffer.from(text, 'utf16le'), 'Größe, 測\n😀'],
    ['UTF-16 as declared, big-endian', 'utf-16', swapped(Buffer.from(text, 'utf16le')), 'Größe, 測\n😀'],
    ['UTF-8 with a mark, declared as something else', 'utf-16', Buffer.from(`\uFEFF${text}`), 'Größe, 測\n😀'],
    ['latin-1 as declared', 'latin-1', Buffer.from(latin, 'latin1'), 'Größe'],
  ])('is read: %s', async (_, encoding, content, name) => {
    const rig = await makeRig();

    const refined = await rig.refine(declared(encoding), PATH, content);

    expect((await judgeTable(rig.container, refined.silver.path)).rows[0]).toMatchObject({ name });
  });

  it.each([
    [
      'latin-1 that is not declared',
      'utf-8',
      Buffer.from(latin, 'latin1'),
      /line 2: byte 0xf6 at offset 22 is not UTF-8.*needs "encoding: latin-1"/,
    ],
    ['latin-1 after UTF-8', 'utf-8', Buffer.concat([Buffer.from(text), Buffer.from('2,ö', 'latin1')]), /line 4: byte 0xf6 .* is not UTF-8/],
    [
      'Windows-1252',
      'latin-1',
      Buffer.from([...Buffer.from(HEADER), 0x31, 0x2c, 0x93]),
      /line 2: byte 0x93 .* no character of latin-1 \(Windows-1252/,
    ],
    [
      'half a character of UTF-16',
      'utf-16',
      Buffer.from(`${HEADER}a\ud800b`, 'utf16le'),
      /line 2: the bytes at offset 38 are no character of UTF-16/,
    ],
    ['UTF-16 that is not declared', 'utf-8', Buffer.from(text, 'utf16le'), /looks like UTF-16 without a byte order mark/],
    ['UTF-8 declared as UTF-16', 'utf-16', Buffer.from(text), /"encoding: utf-16" is declared, and the file begins neither/],
    ['UTF-32', 'utf-8', Buffer.from([0xff, 0xfe, 0, 0, 0x69, 0, 0, 0]), /begins like UTF-32/],
    ['a workbook', 'utf-8', Buffer.from('PK\u0003\u0004...'), /a ZIP archive or a workbook/],
    ['gzip under a plain name', 'utf-8', gzipSync(text), /must be named \.csv\.gz/],
  ])('is refused by name: %s', async (_, encoding, content, words) => {
    const { code, message } = await rejection(await makeRig(), content, declared(encoding));

    expect(code).toBe(/is not UTF-8/.test(message) ? 'not-utf8' : 'wrong-encoding');
    expect(message).toMatch(words);
    expect(message).toMatch(/Mend: save the file as UTF-8/);
  });
});

describe('a packed file', () => {
  const GZ = `${PATH}.gz`;

  it('is unpacked as it is read, in whatever encoding it holds', async () => {
    const rig = await makeRig();
    const utf16 = pipelineOf({ source: { encoding: 'utf-16' } });

    const plain = await rig.refine(pipelineOf(), GZ, gzipSync(HEADER + rowsOf(3)));
    const other = await rig.refine(utf16, `${PATH}-2.GZ`, gzipSync(Buffer.from(HEADER + rowsOf(2), 'utf16le')));

    expect([plain.readRows, other.readRows]).toEqual([3, 2]);
  });

  it('is refused by name when it is a bomb, long before it is unpacked', async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from(HEADER), Buffer.alloc(40 * 1024 * 1024, '1,a,,\n')]));

    const byRatio = await rejection(await makeRig(), bomb, pipelineOf(), GZ);
    const bySize = await rejection(await makeRig({ maxUnpackedBytes: 1_000_000 }), bomb, pipelineOf(), GZ);

    expect([byRatio.code, bySize.code]).toEqual(['gzip-bomb', 'gzip-bomb']);
    expect(byRatio.message).toMatch(/more than 200 times its packed size \(1\d{7} bytes from/);
    expect(bySize.message).toMatch(/unpacks to more than 1000000 bytes/);
  });

  it.each([
    ['cut short', gzipSync(HEADER + rowsOf(500)).subarray(0, 500), /it ends too early/],
    ['not packed at all', Buffer.from(HEADER + rowsOf(2)), /incorrect header check/],
    ['damaged', damaged(gzipSync(HEADER + rowsOf(500))), /cannot be unpacked as gzip/],
  ])('is refused by name: %s', async (_, content, words) => {
    const { code, message } = await rejection(await makeRig(), content, pipelineOf(), GZ);

    expect(code).toBe('bad-gzip');
    expect(message).toMatch(words);
  });
});

function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length - 6]! ^= 0xff;
  return copy;
}

describe('a line without end', () => {
  it('is refused by name with its physical line, without being held or kept', async () => {
    const line = Buffer.concat([Buffer.from(`${HEADER}1,"a\nb",2024-01-01T10:00:00Z,2\n`), Buffer.alloc(24 * 1024 * 1024, 'x')]);

    const plain = await rejection(await makeRig(), line, pipelineOf({ source: { badRows: 'quarantine' } }));
    const packed = await rejection(await makeRig(), gzipSync(line, { level: 1 }), pipelineOf(), `${PATH}.gz`);

    expect([plain.code, packed.code]).toEqual(['line-too-long', 'line-too-long']);
    expect(plain.message).toMatch(/input\.csv, line 4: the line is longer than 1048576 bytes \(rule row-shape\)\. Mend: /);
  });
});

describe('a row of another shape', () => {
  it.each([
    [
      'cut short at the end of the file',
      `${HEADER}${rowsOf(2)}3,na`,
      /input\.csv, line 4: the row has 2 values instead of 4 \(rule row-shape\)/,
    ],
    ['a value too many', `${HEADER}1,a,2024-01-01T10:00:00Z,2,9\n`, /line 2: the row has 5 values instead of 4/],
    ['a trailing comma', `${HEADER}1,a,2024-01-01T10:00:00Z,2,\n`, /line 2: the row has 5 values/],
    [
      'an unclosed quote, after a quoted line break',
      `${HEADER}1,"a\nb",2024-01-01T10:00:00Z,2\n2,"x,2024-01-01T10:00:00Z,2\n`,
      /line 4: a quote is opened and not closed/,
    ],
    ['several', `${HEADER}1\n2\n${rowsOf(3)}`, /line 2: .*; 1 more bad row in this dataset/],
  ])('fails the dataset: %s', async (_, content, words) => {
    const { code, message } = await rejection(await makeRig(), content);

    expect(code).toBe('bad-rows');
    expect(message).toMatch(words);
    expect(message).toMatch(/Mend: correct the file and drop it again, or set "badRows: quarantine"/);
  });
});

describe('a value that is not of its type', () => {
  const types = { source: { columns: { v: 'string' as string } }, silver: 'SELECT v FROM bronze', gold: 'SELECT * FROM silver' };
  const bad: [string, string[]][] = [
    ['integer', ['1.5', '1e3', '1_000', '0x1F', ' 2', '2 ', 'NaN', 'abc', '+1', '9223372036854775808', '１']],
    ['number', ['1,5', '1.2.3', 'inf', '-Infinity', 'nan', '1e', '0x1', '1e999', '1 000', '.']],
    ['boolean', ['1', '0', 'yes', 't', 'wahr']],
    ['date', ['2020/1/5', '2020-1-5', '2020-02-30', '01.02.2020', 'today', 'infinity', 'epoch', '2020-01-01T00:00:00Z']],
    [
      'timestamp',
      ['2020-01-01', 'now', 'infinity', 'epoch', '2020-01-01T25:00:00Z', '2020-02-30T10:00:00Z', '10-18-2016 11:15:21', '1577836800'],
    ],
  ];
  it.each(bad)('%s does not take what DuckDB or another lenient reader would', async (type, values) => {
    const rig = await makeRig();
    const pipeline = pipelineOf({
      ...types,
      source: { columns: { v: type }, badRows: 'quarantine' },
      tables: { silver: { minRows: 0 }, gold: { minRows: 0 } },
    });
    const quoted = values.map((value) => (value.includes(',') ? `"${value}"` : value));

    const refined = await rig.refine(pipeline, PATH, `v\n${quoted.join('\n')}\n`);

    expect(refined.quarantinedRows).toBe(values.length);
    const { rows } = await judgeTable(rig.container, 'quarantine/p/rows/');
    expect(rows.map((row) => [row['raw'], row['rule']])).toEqual(quoted.map((raw) => [raw, 'type:v']));
    for (const [n, row] of rows.entries()) expect(row['reason']).toContain(`column "v" holds ${JSON.stringify(values[n])}, which is not `);
  });

  it('fails the dataset, naming file, line, column, value, rule and mend', async () => {
    const { code, message } = await rejection(await makeRig(), `${HEADER}${rowsOf(2)}3,c,2024-01-01T10:00:00Z,12;5\n`);

    expect(code).toBe('bad-rows');
    expect(message).toContain(
      `${PATH}, line 4: column "amount" holds "12;5", which is not a finite number (such as -12.5 or 1e-3) (rule type:amount). Mend: `,
    );
  });

  const good: [string, string[]][] = [
    ['integer', ['0', '-5', '007', '9223372036854775807', '-9223372036854775808']],
    ['number', ['0', '-1.5', '.5', '5.', '1e-3', '-2E+10', '1.7976931348623157e308']],
    ['boolean', ['true', 'FALSE', 'True']],
    ['date', ['2020-02-29', '0001-01-01', '9999-12-31']],
    ['timestamp', ['2020-01-01T10:00:00Z', '2020-01-01 10:00', '2020-01-01T10:00:00.123456+05:30', '2020-01-01T10:00:00-08']],
    ['string', ['NULL', ' x ', 'nan']],
  ];
  it.each(good)('%s takes what is proper, and no value at all', async (type, values) => {
    const rig = await makeRig();
    const pipeline = pipelineOf({ ...types, source: { columns: { v: type, other: 'string' } } });

    const refined = await rig.refine(pipeline, PATH, `v,other\n${values.map((value) => `${value},x\n`).join('')},x\n`);

    const { rows, problems } = await judgeTable(rig.container, refined.silver.path);
    expect(problems).toEqual([]);
    expect(rows.map((row) => row['v'] ?? null)).toEqual([...values, null]);
  });

  it('takes timestamps of the declared format and nothing else', async () => {
    const source = { columns: { v: 'timestamp' }, timestampFormat: '%m-%d-%Y %H:%M:%S' };
    const pipeline = pipelineOf({ ...types, source });
    const lines = [
      '10-18-2016 11:15:21',
      '9-9-2016 1:02:03',
      '13-18-2016 11:15:21',
      '02-30-2016 10:00:00',
      ' 10-18-2016 11:15:21',
      'infinity',
      'epoch',
      '2016-10-18T11:15:21Z',
    ];
    const rig = await makeRig();

    const refined = await rig.refine(
      pipelineOf({ ...types, source: { ...source, badRows: 'quarantine' } }),
      PATH,
      `v\n${lines.join('\n')}\n`,
    );

    expect(refined).toMatchObject({
      readRows: 8,
      quarantinedRows: 6,
      findings: [{ rule: 'type:v', action: 'quarantine', rows: 6, lines: [4, 5, 6, 7, 8, 9] }],
    });
    expect((await rejection(await makeRig(), 'v\nyesterday\n', pipeline)).message).toContain(
      'which is not a timestamp of the format "%m-%d-%Y %H:%M:%S"',
    );
  });

  it('names the first bad value and says how many rows more are bad; long values are cut and control characters shown', async () => {
    const { message } = await rejection(
      await makeRig(),
      `${HEADER}${rowsOf(3)}x${'y'.repeat(500)},a,2024-01-01T10:00:00Z,2\n5,"a",never,"1\t2"\n`,
    );

    expect(message).toMatch(
      /input\.csv, line 5: column "id" holds "xy{59}…", which is not a whole number .*\(rule type:id\); 1 more bad row in this dataset\. Mend:/,
    );
    expect(message.length).toBeLessThan(600);
  });

  it('counts physical lines, quoted line breaks included', async () => {
    const { message } = await rejection(await makeRig(), `${HEADER}1,"a\nb\r\nc",2024-01-01T10:00:00Z,2\n\nx,b,2024-01-01T10:00:00Z,3\n`);

    expect(message).toContain('line 6: column "id" holds "x"');
  });

  it('is refused by name when the format itself does not exist', async () => {
    const pipeline = pipelineOf({ ...types, source: { columns: { v: 'timestamp' }, timestampFormat: '%Q' } });

    expect(await rejection(await makeRig(), 'v\n2020\n', pipeline)).toMatchObject({ code: 'bad-timestamp-format' });
  });
});

describe('a file that is not the one of the event', () => {
  it('is refused when it was overwritten, when it is gone, and when its content is another', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf();
    const old = await rig.land(PATH, HEADER + rowsOf(1));
    const now = await rig.land(PATH, HEADER + rowsOf(2));
    const refine = (file: typeof old, container = rig.name) =>
      rig.engine.refine({ pipeline, key: 'a'.repeat(64), container, files: [file] });

    await expect(refine(old)).rejects.toMatchObject({ name: 'RejectedError', code: 'blob-changed' });
    await expect(refine({ ...now, sha256: old.sha256 })).rejects.toMatchObject({
      code: 'blob-changed',
      message: expect.stringContaining(now.sha256) as string,
    });
    await expect(refine({ ...now, path: 'bronze/p/none.csv' })).rejects.toMatchObject({ code: 'blob-gone' });
    await expect(refine(now, 'somewhere-else')).rejects.toMatchObject({ code: 'container-foreign' });
    expect(await rig.names('silver/')).toEqual([]);
  });
});

describe('names', () => {
  it.each(['with space.csv', '100%.csv', 'a%20b.csv', 'Größe-測定.csv', 'it\'s, "quoted".csv', 'a+b&c#d?e.csv', 'semi;colon\ttab.csv'])(
    'of files may be anything: %j',
    async (name) => {
      const rig = await makeRig();
      const pipeline = pipelineOf({ source: { badRows: 'quarantine' } });

      const refined = await rig.refine(pipeline, `bronze/p/${name}`, `${HEADER}${rowsOf(2)}x,a,2024-01-01T10:00:00Z,2\n`);

      expect(refined.quarantinedRows).toBe(1);
      const { rows, problems } = await judgeTable(rig.container, 'quarantine/p/rows/');
      expect(problems).toEqual([]);
      expect(rows[0]).toMatchObject({ file: `bronze/p/${name}`, line: 4n });
    },
  );

  it.each([
    [{ id: 'string', ID: 'string' }, 'ambiguous-column'],
    [{ _row: 'string' }, 'reserved-column'],
    [{ _AT: 'string' }, 'reserved-column'],
  ])('of columns must not collide: %j', async (columns, code) => {
    const pipeline = pipelineOf({ source: { columns }, silver: 'SELECT 1 AS a FROM bronze', gold: 'SELECT * FROM silver' });

    expect(await rejection(await makeRig(), `${Object.keys(columns).join()}\n1,2\n`, pipeline)).toMatchObject({ code });
  });
});

describe('a path that climbs', () => {
  it.each(['bronze/p/../../other/secret.csv', 'bronze/p/./a.csv', 'bronze/p//a.csv', 'bronze/p/..\\..\\a.csv'])(
    'is refused before storage is asked: %s',
    async (path) => {
      const rig = await makeRig();
      const files = [{ path, sha256: 'a'.repeat(64), eTag: '0x1' }];
      const refused = { name: 'RejectedError', code: 'path-not-plain' };

      await expect(rig.engine.refine({ pipeline: pipelineOf(), key: 'k'.repeat(64), container: rig.name, files })).rejects.toMatchObject(
        refused,
      );
      await expect(rig.engine.size({ container: rig.name, files })).rejects.toMatchObject(refused);
      expect(await rig.engine.preview({ pipeline: pipelineOf(), files: [{ path }] })).toMatchObject({
        refused: { code: 'path-not-plain' },
      });
    },
  );
});
