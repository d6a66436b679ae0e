// Erasure and vacuum: the rows are gone from the table, then from the folder; nothing that a version or a reader needs goes with them.
import { describe, expect, it } from 'vitest';
import { eraseRows, type EraseRequest } from '../../../../../shared/adapters/lake/delta/erase.ts';
import { cleanLog } from '../../../../../shared/adapters/lake/delta/log-cleanup.ts';
import { history } from '../../../../../shared/adapters/lake/delta/history.ts';
import { readSnapshot } from '../../../../../shared/adapters/lake/delta/snapshot.ts';
import type { WorkTable } from '../../../../../shared/adapters/lake/delta/table-files.ts';
import { vacuum, type VacuumRequest } from '../../../../../shared/adapters/lake/delta/vacuum.ts';
import type { MemoryStorage } from './memory-storage.ts';
import { rows, tableRig } from './table-rig.ts';

type Table = WorkTable & { storage: MemoryStorage };
const DAY = 86_400_000;
const rig = tableRig();
const rejects = (code: string, words: RegExp) => ({ name: 'RejectedError', code, message: expect.stringMatching(words) as string });

const erase = async (table: Table, request: Partial<EraseRequest>) =>
  eraseRows(
    table,
    { appId: 'erase-1', column: 'person', values: ['ada lovelace'], ...request },
    { now: () => table.storage.now, warn: (message) => rig.warnings.push(message) },
  );
const clean = async (table: Table, request: Partial<VacuumRequest> = {}) =>
  vacuum(table, { retentionMs: 7 * DAY, dryRun: false, ...request }, () => table.storage.now);
const dataFiles = (table: Table) =>
  [...table.storage.files.keys()]
    .filter((name) => name.endsWith('.parquet') && !name.includes('_delta_log'))
    .map((name) => name.slice(table.root.length))
    .sort();

/** Three files; ada is in the first two. */
async function people(parts: object = {}): Promise<Table> {
  const table = rig.table();
  await rig.write(table, rows('person, n', "'ada lovelace', 1", "'bob', 2", 'NULL, 3'), parts);
  await rig.write(table, rows('person, n', "'ada lovelace', 4", "'ada lovelace', 5"));
  await rig.write(table, rows('person, n', "'cyd', 6", "'dan', 7"));
  return table;
}

describe('an erasure', () => {
  it('takes the rows out, rewrites only files that hold them, and says nothing of the value', async () => {
    const table = await people();
    const [, , third] = (await rig.judge(table)).files;

    const erased = await erase(table, { chain: ['p@run'], runId: 'land-p-1' });

    const judged = await rig.judge(table);
    expect(erased).toMatchObject({ version: 3, rows: 3, found: false });
    expect(erased.removedFiles).toHaveLength(2);
    expect(judged.files.map((file) => file.path)).toContain(third!.path);
    expect(judged.files).toHaveLength(2);
    expect((await rig.read(table)).map((row) => row['person'])).toEqual([null, 'bob', 'cyd', 'dan']);
    expect(judged.operations.at(-1)).toBe('DELETE');
    expect(table.storage.text(`${table.root}_delta_log/00000000000000000003.json`)).not.toContain('ada lovelace');
  });

  it('happens once, and commits nothing where no row has the value or no table is', async () => {
    const table = await people();
    await erase(table, {});

    expect(await erase(table, {})).toEqual({ version: 3, rows: 0, removedFiles: [], found: true });
    expect(await erase(table, { appId: 'erase-2', values: ['eve', 'ada lovelace'] })).toEqual({
      version: 3,
      rows: 0,
      removedFiles: [],
      found: false,
    });
    expect(await erase(rig.table(), {})).toEqual({ version: null, rows: 0, removedFiles: [], found: false });
  });

  it('removes whole partitions by their value, with many values at once', async () => {
    const table = await people({ partitionBy: ['person'] });

    const erased = await erase(table, { values: ['ada lovelace', 'cyd', 'nobody'] });

    expect(erased.rows).toBe(4);
    await rig.judge(table);
    expect((await rig.read(table)).map((row) => row['n'])).toEqual([3, 2, 7]);
  });

  it('takes in rows that another writer appends at the same moment', async () => {
    const table = await people();
    let met = false;
    table.storage.turn = async (call) => {
      if (met || !call.endsWith('PUT silver/p/t/_delta_log/00000000000000000003.json')) return;
      met = true;
      await rig.write(rig.at(table.storage), rows('person, n', "'ada lovelace', 8", "'eve', 9"));
    };

    const erased = await erase(table, {});

    expect([met, erased.version, erased.rows]).toEqual([true, 4, 4]);
    await rig.judge(table);
    expect((await rig.read(table)).map((row) => row['person'])).toEqual([null, 'bob', 'cyd', 'dan', 'eve']);
  });

  it.each([
    ['an unknown column', { column: 'x' }, 'bad-key', /"x" is no column/],
    ['no value', { values: [] }, 'bad-value', /0 values/],
    ['a number that a cast would round', { column: 'n', values: ['1.5'] }, 'bad-value', /is no integer/],
    ['a number in blanks', { column: 'n', values: [' 1'] }, 'bad-value', /is no integer/],
    ['a number that does not fit', { column: 'n', values: ['99999999999'] }, 'bad-value', /is no INTEGER/],
  ])('of %s is refused, and the value is not told', async (_, request, code, words) => {
    const table = await people();

    await expect(erase(table, request)).rejects.toMatchObject(rejects(code, words));
    await expect(erase(table, request)).rejects.not.toThrow(/1\.5|99999/);
  });

  it('in an append-only table is refused', async () => {
    const table = await people();
    const name = `${table.root}_delta_log/00000000000000000000.json`;
    const text = table.storage.text(name).replace('"configuration":{}', '"configuration":{"delta.appendOnly":"true"}');
    await table.storage.put(name, Buffer.from(text), 'application/json');

    await expect(erase(table, {})).rejects.toMatchObject({ code: 'append-only' });
  });

  it('is followed by a vacuum that removes the old files at once and leaves a record', async () => {
    const table = await people();
    const { removedFiles } = await erase(table, {});
    await table.storage.put(`${table.root}part-in-flight.parquet`, Buffer.from('x'), 'x');

    const plan = await clean(table, { erasure: { id: 'erase-1', reason: 'asked by the person' }, dryRun: true });
    const before = dataFiles(table);
    const done = await clean(table, { erasure: { id: 'erase-1', reason: 'asked by the person' } });

    expect(plan).toMatchObject({ files: [...removedFiles].sort(), version: null });
    expect(before).toHaveLength(5);
    expect(done.files).toEqual(plan.files);
    expect(dataFiles(table)).toEqual([...(await rig.judge(table)).files.map((file) => file.path), 'part-in-flight.parquet'].sort());
    const [end, start] = await history(table, 2);
    expect([start!.operation, end!.operation, end!.version]).toEqual(['VACUUM START', 'VACUUM END', done.version]);
    expect(end).toMatchObject({
      parameters: { erasure: 'erase-1', reason: 'asked by the person', status: 'COMPLETED' },
      dataChange: false,
    });
    for (const { content } of table.storage.files.values())
      expect(content.toString('latin1').startsWith('PAR1') && content.includes('ada lovelace')).toBe(false);
    table.local.clear();
    await expect(rig.read(table, 2)).rejects.toMatchObject({ code: 'file-gone' });
    table.storage.now += 2 * DAY;
    expect((await clean(table, { erasure: { id: 'erase-1', reason: 'again' } })).files).toEqual(['part-in-flight.parquet']);
  });
});

describe('a vacuum', () => {
  /** One overwrite a day: version n holds the row n. */
  async function daily(days: number, checkpointEvery = 100, historySeconds = 7 * 86_400): Promise<Table> {
    const table = rig.table();
    for (let n = 0; n < days; n += 1) {
      await rig.write(table, `SELECT ${n} AS v`, { mode: 'overwrite', retention: { historySeconds, checkpointEvery } });
      table.storage.now += DAY;
    }
    return table;
  }

  it('removes what no version of the last seven days needs, and every younger version stays readable', async () => {
    const table = await daily(12);

    const dry = await clean(table, { dryRun: true });
    const listed = dataFiles(table).length;
    const done = await clean(table);

    // It is day 12: seven days ago version 5 was the newest, so 0 to 4 go.
    expect([dry.files.length, listed, done.files, done.version]).toEqual([5, 12, dry.files, 13]);
    expect(done.bytes).toBeGreaterThan(0);
    table.local.clear();
    for (let version = 5; version < 12; version += 1) expect(await rig.read(table, version)).toEqual([{ v: version }]);
    await expect(rig.read(table, 4)).rejects.toMatchObject({ code: 'file-gone' });
    await rig.judge(table);
    expect(await clean(table)).toEqual({ files: [], bytes: 0, version: null });
  });

  it.each([1, 3, 5])('keeps them too when checkpoints every %i commits are all that is left of the log before', async (every) => {
    const table = await daily(12, every);
    for (let n = 0; n < 5; n += 1) table.storage.files.delete(`${table.root}_delta_log/${String(n).padStart(20, '0')}.json`);

    await clean(table);

    table.local.clear();
    // With one every three commits, version 5 needs the commit 4, which is gone: 6 is the first that can be read.
    for (let version = every === 3 ? 6 : 5; version < 12; version += 1) expect(await rig.read(table, version)).toEqual([{ v: version }]);
  });

  it('keeps files as long as the table says, files of versions in use, young orphans, and what is not data', async () => {
    const [long, table] = [await daily(12, 100, 30 * 86_400), await daily(12)];
    const others = ['_staging/x.parquet', '.hidden/y', 'part-young.parquet'];
    for (const name of others) await table.storage.put(table.root + name, Buffer.from('x'), 'x');
    table.storage.files.set(`${table.root}part-old-orphan.parquet`, { content: Buffer.from('x'), modified: 0 });
    table.storage.files.set(`${table.root}_staging/old`, { content: Buffer.from('x'), modified: 0 });

    const kept = (await readSnapshot(table, 2))!;
    const done = await clean(table, { keepVersions: [2] });

    expect((await clean(long)).files).toEqual([]);
    expect(done.files).toHaveLength(5);
    expect(done.files).toContain('part-old-orphan.parquet');
    expect(done.files).not.toContain([...kept.files.keys()][0]);
    expect(others.every((name) => table.storage.files.has(table.root + name))).toBe(true);
    table.local.clear();
    expect(await rig.read(table, 2)).toEqual([{ v: 2 }]);
  });

  it('keeps a file that was removed and came back', async () => {
    const table = await daily(2);
    const name = (version: number) => `${table.root}_delta_log/${String(version).padStart(20, '0')}.json`;
    const add = table.storage
      .text(name(0))
      .split('\n')
      .find((line) => line.startsWith('{"add"'))!;
    await table.storage.put(name(2), Buffer.from(`{"commitInfo":{"operation":"RESTORE"}}\n${add}\n`), 'application/json');
    table.storage.now += 30 * DAY;

    expect((await clean(table, { dryRun: true })).files).toEqual([]);
    expect((await clean(table, { erasure: { id: 'e', reason: 'r' }, dryRun: true })).files).toEqual([]);
  });

  it('sooner than seven days, of no table, or of a version that is gone is refused', async () => {
    const table = await daily(2);

    await expect(clean(table, { retentionMs: 6.9 * DAY })).rejects.toMatchObject(
      rejects('retention-too-short', /at least 7 days, not 166 hours/),
    );
    await expect(clean(table, { retentionMs: Number.NaN })).rejects.toMatchObject({ code: 'retention-too-short' });
    await expect(clean(rig.table())).rejects.toMatchObject({ code: 'table-gone' });
    await expect(clean(table, { keepVersions: [9] })).rejects.toMatchObject({ code: 'version-unknown' });
  });
});

describe('cleaning up the log', () => {
  const names = (table: Table) =>
    [...table.storage.files.keys()].filter((name) => name.includes('/_delta_log/')).map((name) => name.split('/').at(-1)!);

  it('of an erasure leaves no trace of the value, and the table and its transactions stay', async () => {
    const table = await people();
    await erase(table, {});
    const before = await rig.read(table);
    await clean(table, { erasure: { id: 'erase-1', reason: 'asked' } });

    const dry = await cleanLog(table, { what: 'all', dryRun: true }, () => table.storage.now);
    const untouched = names(table);
    const done = await cleanLog(table, { what: 'all', dryRun: false }, () => table.storage.now);

    expect([untouched.length, done.oldest, done.files]).toEqual([6, 5, dry.files]);
    expect(names(table).sort()).toEqual(['00000000000000000005.checkpoint.parquet', '00000000000000000005.json', '_last_checkpoint']);
    for (const { content } of table.storage.files.values()) expect(content.includes('lovelace')).toBe(false);
    table.local.clear();
    expect(await rig.read(table)).toEqual(before);
    expect((await erase(table, {})).found).toBe(true);
    expect((await rig.write(table, rows('person, n', "'eve', 9"))).snapshot.version).toBe(6);
  });

  it('goes by the retention, and never before there is a checkpoint to go on from', async () => {
    const table = rig.table();
    for (let n = 0; n < 12; n += 1) {
      await rig.write(table, `SELECT ${n} AS v`, { retention: { historySeconds: 7 * 86_400, checkpointEvery: n < 2 ? 100 : 2 } });
      table.storage.now += DAY;
    }

    const done = await cleanLog(table, { what: 'retention', dryRun: false }, () => table.storage.now);

    // Day 12 less seven days: version 5 was the newest, and 4 is the checkpoint before it.
    expect([done.oldest, done.files]).toEqual([
      4,
      [
        '00000000000000000000.json',
        '00000000000000000001.json',
        '00000000000000000002.checkpoint.parquet',
        '00000000000000000002.json',
        '00000000000000000003.json',
      ],
    ]);
    table.local.clear();
    expect(await rig.read(table, 4)).toHaveLength(5);
    expect(await rig.read(table)).toHaveLength(12);
    await expect(readSnapshot(table, 3)).rejects.toMatchObject({ code: 'version-gone' });
    expect(await cleanLog(await people(), { what: 'retention', dryRun: false }, () => table.storage.now + 99 * DAY)).toEqual({
      files: [],
      oldest: null,
    });
  });
});
