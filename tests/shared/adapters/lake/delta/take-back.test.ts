// Taking a commit back: its rows and its columns are gone, everybody else's stay, and what was built upon is left to a person.
import { describe, expect, it } from 'vitest';
import { takeBack } from '../../../../../shared/adapters/lake/delta/take-back.ts';
import type { WorkTable } from '../../../../../shared/adapters/lake/delta/table-files.ts';
import { eraseRows } from '../../../../../shared/adapters/lake/delta/erase.ts';
import type { MemoryStorage } from './memory-storage.ts';
import { rows, tableRig } from './table-rig.ts';

type Table = WorkTable & { storage: MemoryStorage };
const rig = tableRig();
const optionsOf = (table: Table) => ({ now: () => table.storage.now, warn: (message: string) => void rig.warnings.push(message) });
const back = async (table: Table, appId = 'bad') => takeBack(table, { appId, reason: 'hand-over-values' }, optionsOf(table));
const names = async (table: Table) => (await rig.read(table)).map((row) => row['person']);

async function people(): Promise<Table> {
  const table = rig.table();
  await rig.write(table, rows('person, n', "'ada', 1", "'bob', 2"));
  return table;
}

describe('a commit', () => {
  it('that added rows is taken back once, and what came after it stays', async () => {
    const table = await people();
    await rig.write(table, rows('person, n', "'mallory', 3"), { appId: 'bad' });
    await rig.write(table, rows('person, n', "'cyd', 4"));

    expect(await back(table)).toEqual({ state: 'taken-back', version: 3 });
    expect(await back(table)).toEqual({ state: 'taken-back', version: 3 });

    expect(await names(table)).toEqual(['ada', 'bob', 'cyd']);
    expect((await rig.judge(table)).operations.at(-1)).toBe('RESTORE');
  });

  it('that replaced everything brings back what was there, digests and all', async () => {
    const table = await people();
    const before = (await rig.judge(table)).files;
    await rig.write(table, rows('person, n', "'mallory', 3"), { appId: 'bad', mode: 'overwrite' });

    await back(table);

    expect((await rig.judge(table)).files).toEqual(before);
    expect(await names(table)).toEqual(['ada', 'bob']);
  });

  it('that widened the columns takes them along', async () => {
    const table = await people();
    await rig.write(table, rows('person, n, extra', "'mallory', 3, 'x'"), { appId: 'bad', evolve: 'add-columns' });

    await back(table);

    expect(await rig.read(table)).toEqual([
      { person: 'ada', n: 1 },
      { person: 'bob', n: 2 },
    ]);
  });

  it('that made the table leaves it empty', async () => {
    const table = rig.table();
    await rig.write(table, rows('person, n', "'mallory', 3"), { appId: 'bad' });

    expect(await back(table)).toEqual({ state: 'taken-back', version: 1 });
    expect(await rig.read(table)).toEqual([]);
  });

  it('that the table does not know is nothing to take back', async () => {
    expect(await back(await people(), 'unknown')).toEqual({ state: 'taken-back', version: null });
    expect(await back(rig.table())).toEqual({ state: 'taken-back', version: null });
  });

  it('whose files were rewritten since is left to a person, and the table is as it was', async () => {
    const table = await people();
    await rig.write(table, rows('person, n', "'mallory', 3", "'eve', 4"), { appId: 'bad' });
    await eraseRows(table, { appId: 'erase-1', column: 'person', values: ['eve'] }, optionsOf(table));

    expect(await back(table)).toMatchObject({ state: 'built-upon', reason: expect.stringContaining('was changed since') as string });
    expect(await names(table)).toEqual(['ada', 'bob', 'mallory']);
  });
});
