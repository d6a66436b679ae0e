// Tables written by Spark and delta-rs, read as their EXPECTED.json says: versions, files, rows, values, refusals by name.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeltaField, DeltaType } from '../../../../../shared/adapters/lake/delta/types.ts';
import { refuseUnwritable } from '../../../../../shared/adapters/lake/delta/protocol.ts';
import { readSnapshot, type Snapshot } from '../../../../../shared/adapters/lake/delta/snapshot.ts';
import { openDuck, sqlName, type Duck, type Row } from '../../../../../shared/adapters/lake/refine/duck.ts';
import { selectFiles, shapeOf, workTable, type WorkTable } from '../../../../../shared/adapters/lake/delta/table-files.ts';
import { writeParquet } from '../../../../../shared/adapters/lake/delta/parquet.ts';
import { commitWrite, planWrite } from '../../../../../shared/adapters/lake/delta/write.ts';
import { memoryStorage } from './memory-storage.ts';

const GOLDEN = '../shared/data/delta-golden';
const present = existsSync(GOLDEN);

interface ColumnFacts {
  non_null: number;
  distinct: number;
  min?: string;
  max?: string;
  sum?: string;
}
interface Expected {
  client_1_2: { read: 'open' | 'refuse' | 'error'; write: 'allow' | 'refuse' | 'error'; because?: string };
  latest: {
    version: number;
    protocol: { reader: number; writer: number };
    schema: Record<string, string>;
    partition_columns: string[];
    active_files: number;
    active_bytes: number;
    tombstones_in_log: number;
    rows_in_files: number | null;
    true_rows?: number;
    rows_content?: Row[];
    columns_check?: Record<string, ColumnFacts>;
    txn?: Record<string, number>;
  };
  versions?: Record<string, { active_files: number; rows: number | string }>;
}

const all = present ? (JSON.parse(readFileSync(`${GOLDEN}/EXPECTED.json`, 'utf8')) as Record<string, Expected>) : {};
/** Judged for a client 1/2 there; this one has the feature `timestampNtz` too. */
const NTZ = 'data-reader-timestamp_ntz';
const tables = Object.entries(all).filter(([name]) => !name.startsWith('_') && name !== NTZ);

/** Types in the words of EXPECTED.json. */
function words(type: DeltaType): string {
  if (typeof type === 'string') return type;
  if (type.type === 'array') return `array<${words(type.elementType)}>`;
  if (type.type === 'map') return `map<${words(type.keyType)},${words(type.valueType)}>`;
  return `struct<${type.fields.map((field: DeltaField) => `${field.name}:${words(field.type)}`).join(',')}>`;
}

describe(`golden tables${present ? '' : ' (skipped: they are not on this machine)'}`, () => {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-golden-'));
  const storage = memoryStorage();
  let duck: Duck;
  beforeAll(async () => {
    if (!present) return;
    for (const [name] of tables.concat([[NTZ, all[NTZ]!]]))
      for (const file of readdirSync(join(GOLDEN, name), { recursive: true, withFileTypes: true })) {
        if (!file.isFile()) continue;
        const path = join(file.parentPath, file.name);
        const { mtimeMs } = statSync(path);
        storage.files.set(path.slice(GOLDEN.length + 1), { content: readFileSync(path), modified: mtimeMs });
      }
    duck = await openDuck(dir, { memoryLimit: '512MB', threads: 2, diskLimit: '1GB', statementSeconds: 60 });
  });
  afterAll(() => {
    duck?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const open = (name: string): WorkTable => workTable(duck, storage, 'silver', 'x', `${name}/`);
  const select = async (table: WorkTable, snapshot: Snapshot) => selectFiles(table, shapeOf(table, snapshot), [...snapshot.files.values()]);
  const count = async (table: WorkTable, snapshot: Snapshot) =>
    Number((await duck.rows(`SELECT count(*) AS n FROM (${await select(table, snapshot)})`))[0]!['n']);

  const readable = tables.filter(([, expected]) => expected.client_1_2.read === 'open');
  it.each(readable)('%s: the newest version is what it should be', async (name, { latest }) => {
    const table = open(name);

    const snapshot = (await readSnapshot(table))!;

    expect(snapshot.version).toBe(latest.version);
    expect({ reader: snapshot.protocol.minReaderVersion, writer: snapshot.protocol.minWriterVersion }).toEqual({
      reader: latest.protocol.reader,
      writer: latest.protocol.writer,
    });
    const shape = shapeOf(table, snapshot);
    expect(Object.fromEntries(shape.fields.map((field) => [field.name, words(field.type)]))).toEqual(latest.schema);
    expect(shape.partitionColumns).toEqual(latest.partition_columns);
    expect(snapshot.files.size).toBe(latest.active_files);
    expect([...snapshot.files.values()].reduce((sum, file) => sum + file.size, 0)).toBe(latest.active_bytes);
    expect(snapshot.tombstones.size).toBe(latest.tombstones_in_log);
    if (latest.txn) expect(Object.fromEntries([...snapshot.txns].map(([appId, txn]) => [appId, txn.version]))).toEqual(latest.txn);
    if (latest.rows_in_files !== null) expect(await count(table, snapshot)).toBe(latest.rows_in_files);
  });

  it.each(readable.filter(([, { latest }]) => latest.rows_content))('%s: every value is what it should be', async (name, { latest }) => {
    const table = open(name);

    const rows = await duck.rows(`SELECT * FROM (${await select(table, (await readSnapshot(table))!)}) ORDER BY ALL NULLS FIRST`);

    expect(rows).toEqual(latest.rows_content);
  });

  it.each(readable.filter(([, { latest }]) => latest.columns_check))('%s: the columns add up', async (name, { latest }) => {
    const table = open(name);
    const rows = await select(table, (await readSnapshot(table))!);
    for (const [column, facts] of Object.entries(latest.columns_check!)) {
      const c = sqlName(column);
      const sum = facts.sum === undefined ? '' : `, sum(${c})::VARCHAR AS sum`;
      const [found] = await duck.rows(
        `SELECT count(${c})::INT AS non_null, count(DISTINCT ${c})::INT AS "distinct", min(${c})::VARCHAR AS min, max(${c})::VARCHAR AS max${sum} FROM (${rows})`,
      );
      expect(found).toMatchObject(facts);
    }
  });

  const versions = readable.flatMap(([name, { versions: each }]) =>
    Object.entries(each ?? {}).map(([version, facts]) => [name, Number(version), facts] as const),
  );
  it.each(versions)('%s, version %i, reads as it was or says which file is missing', async (name, version, facts) => {
    const table = open(name);

    const snapshot = (await readSnapshot(table, version))!;

    expect([snapshot.version, snapshot.files.size]).toEqual([version, facts.active_files]);
    if (typeof facts.rows === 'number') expect(await count(table, snapshot)).toBe(facts.rows);
    else
      await expect(count(table, snapshot)).rejects.toMatchObject({
        code: 'file-gone',
        message: expect.stringContaining(`${name}/`) as string,
      });
  });

  it.each(readable)('%s: may be written to only where nothing is asked that we cannot do', async (name, { client_1_2 }) => {
    const { protocol, metaData } = (await readSnapshot(open(name)))!;
    const write = () => refuseUnwritable(name, protocol, metaData, true);

    if (client_1_2.write === 'refuse') expect(write).toThrow(/writing it needs writer version/);
    else expect(write).not.toThrow();
  });

  const writable = readable.filter(([, { client_1_2, latest }]) => client_1_2.write === 'allow' && (latest.rows_in_files ?? 0) > 0);
  it.each(writable)('%s: a row of it, appended by us, is there once more', async (name, { latest }) => {
    const table = open(name);
    const before = (await readSnapshot(table))!;
    const { fields } = shapeOf(table, before);
    const row = `SELECT * FROM (${await select(table, before)}) LIMIT 1`;
    const content = await writeParquet(duck, row, join(dir, `one-${name}.parquet`), fields, null);
    const files = new Map(storage.files);

    const plan = await planWrite(table, { appId: 'ours', mode: 'append', fields: [...fields], content, origin: 'golden.sql' });
    const { state, snapshot } = await commitWrite(table, plan, { now: Date.now, warn: (message) => expect(message).toBe('') });

    expect([state, snapshot.version]).toEqual(['committed', latest.version + 1]);
    expect(await count(table, snapshot)).toBe(latest.rows_in_files! + 1);
    expect(snapshot.protocol).toEqual(before.protocol);
    storage.files.clear();
    for (const [path, file] of files) storage.files.set(path, file);
  });

  it.each(tables.filter(([, expected]) => expected.client_1_2.read === 'refuse'))(
    '%s is refused by the name of what it needs',
    async (name, { client_1_2 }) => {
      const needed = /columnMapping|deletionVectors|timestampNtz|v2Checkpoint|99/.exec(client_1_2.because!)![0];

      await expect(readSnapshot(open(name))).rejects.toMatchObject({
        code: 'table-unsupported',
        message: expect.stringContaining(needed) as string,
      });
    },
  );

  it.each(tables.filter(([, expected]) => expected.client_1_2.read === 'error'))('%s is an invalid table', async (name) => {
    await expect(readSnapshot(open(name))).rejects.toMatchObject({
      code: 'table-invalid',
      message: expect.stringContaining(name) as string,
    });
  });

  it.skipIf(!present)(`${NTZ} is read and written: the feature is built in`, async () => {
    const { latest } = all[NTZ]!;
    const table = open(NTZ);

    const snapshot = (await readSnapshot(table))!;

    expect(Object.fromEntries(shapeOf(table, snapshot).fields.map((field) => [field.name, words(field.type)]))).toEqual(latest.schema);
    expect([snapshot.version, snapshot.files.size]).toEqual([latest.version, latest.active_files]);
    expect(await count(table, snapshot)).toBe(latest.true_rows);
    expect(() => refuseUnwritable(NTZ, snapshot.protocol, snapshot.metaData, true)).not.toThrow();
    const [rows] = await duck.rows(
      `SELECT count("tsNtzPartition")::INT AS parts, min("tsNtz")::VARCHAR AS low, typeof(any_value("tsNtz")) AS type FROM (${await select(table, snapshot)})`,
    );
    expect(rows).toEqual({ parts: 6, low: '2013-07-05 17:01:00.123456', type: 'TIMESTAMP' });
  });

  it.skipIf(!present)('a checkpoint with a missing part is not used, and one that is cut short is an error, not fewer rows', async () => {
    const part = 'multi-part-checkpoint/_delta_log/00000000000000000001.checkpoint.0000000002.0000000002.parquet';
    const { content } = storage.files.get(part)!;
    const before = (await readSnapshot(open('multi-part-checkpoint')))!;

    storage.files.delete(part);
    const without = (await readSnapshot(open('multi-part-checkpoint')))!;
    await storage.put(part, content.subarray(0, content.length / 2), 'application/octet-stream');

    expect([...without.files.keys()].sort()).toEqual([...before.files.keys()].sort());
    await expect(readSnapshot(open('multi-part-checkpoint'))).rejects.toMatchObject({ name: 'RejectedError', code: 'table-invalid' });
  });
});
