// A table's past: versions by time and by number, what each commit did, and what a watcher reads of one commit.
import fc from 'fast-check';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readCommitEntry } from '../../../../../shared/adapters/lake/delta/commit-entry.ts';
import { history, versionAt } from '../../../../../shared/adapters/lake/delta/history.ts';
import { intervalMs } from '../../../../../shared/adapters/lake/delta/retention.ts';
import { readBounds } from '../../../../../shared/adapters/lake/delta/stats.ts';
import { RejectedError } from '../../../../../shared/errors/errors.ts';
import { memoryStorage } from './memory-storage.ts';
import { tableRig } from './table-rig.ts';

const GOLDEN = '../shared/data/delta-golden';
const present = existsSync(GOLDEN);
const HOUR = 3_600_000;
const rig = tableRig();

async function hourly(many: number) {
  const table = rig.table();
  const start = table.storage.now;
  for (let n = 0; n < many; n += 1) {
    await rig.write(table, `SELECT ${n} AS v`, { appId: `sluice-${n}`, chain: [`p@${n}`], runId: `land-p-${n}` });
    table.storage.now += HOUR;
  }
  return { table, start };
}

describe('time travel', () => {
  it('gives the last version that was committed by then', async () => {
    const { table, start } = await hourly(4);

    const at = async (ms: number) => versionAt(table, start + ms);

    expect([await at(0), await at(HOUR - 1), await at(HOUR), await at(2.5 * HOUR), await at(99 * HOUR)]).toEqual([0, 0, 1, 2, 3]);
    expect(await rig.read(table, await at(HOUR))).toHaveLength(2);
    await expect(at(-1)).rejects.toMatchObject({ code: 'version-gone', message: expect.stringContaining('the log begins at 0') as string });
    await expect(versionAt(rig.table(), start)).rejects.toMatchObject({ code: 'table-gone' });
    for (const version of [4, -1, 1.5]) await expect(rig.read(table, version)).rejects.toMatchObject({ code: 'version-unknown' });
  });

  it('forces times upward where a copy of the log put them out of order', async () => {
    const { table, start } = await hourly(3);
    const first = `${table.root}_delta_log/00000000000000000000.json`;
    table.storage.files.get(first)!.modified = start + 10 * HOUR;

    expect(await versionAt(table, start + 10 * HOUR)).toBe(0);
    expect(await versionAt(table, start + 10 * HOUR + 2)).toBe(2);
  });

  it.skipIf(!present)(
    `goes by in-commit timestamps where the table has them${present ? '' : ' (skipped: the golden tables are not on this machine)'}`,
    async () => {
      const storage = memoryStorage();
      const log = 'cdc_ict_table/_delta_log';
      for (const name of readdirSync(`${GOLDEN}/${log}`).filter((each) => each.endsWith('.json')))
        storage.files.set(`${log}/${name}`, { content: readFileSync(`${GOLDEN}/${log}/${name}`), modified: 0 });
      const table = { ...rig.at(storage), root: 'cdc_ict_table/' };
      const times = [0, 1, 2, 3].map((n) => {
        const info = JSON.parse(storage.text(`${log}/${String(n).padStart(20, '0')}.json`).split('\n')[0]!) as {
          commitInfo: { inCommitTimestamp: number };
        };
        return info.commitInfo.inCommitTimestamp;
      });

      // Version 1 carries an earlier time than version 0: the last version whose own time has come is the one.
      expect(await versionAt(table, times[3]!)).toBe(3);
      expect(await versionAt(table, times[3]! - 1)).toBe(times[2]! < times[3]! ? 2 : 1);
      expect(await versionAt(table, times[1]!)).toBe(1);
      await expect(versionAt(table, times[1]! - 1)).rejects.toMatchObject({ code: 'version-gone' });
      expect((await history(table, 9)).map((entry) => Date.parse(entry.at))).toEqual([...times].reverse());
    },
  );
});

describe('the history', () => {
  it('tells the newest commits first, as many as asked', async () => {
    const { table, start } = await hourly(3);

    const told = await history(table, 2);

    expect(told.map((entry) => entry.version)).toEqual([2, 1]);
    expect(told[0]).toMatchObject({
      at: new Date(start + 2 * HOUR).toISOString(),
      operation: 'WRITE',
      chain: ['p@2'],
      runId: 'land-p-2',
      txns: [{ appId: 'sluice-2', version: 1 }],
      dataChange: true,
      blindAppend: true,
      addedFiles: 1,
      removedFiles: 0,
      parameters: { mode: 'Append', partitionBy: '[]' },
      engine: 'Sluice',
    });
    expect(Number(told[0]!.metrics['numOutputRows'])).toBe(1);
    expect(await history(table, -1)).toEqual([]);
  });
});

describe('a commit entry', () => {
  const line = (action: unknown) => `${JSON.stringify(action)}\n`;
  const add = { path: 'a', partitionValues: {}, size: 1, modificationTime: 1, dataChange: true };

  it("of another client says what it says, and takes on no chain that is not of our writers' form", () => {
    const info = { operation: 'OPTIMIZE', sluice: { chain: [1, 2], runId: 7 }, timestamp: 'yesterday' };
    const entry = readCommitEntry(
      line({ commitInfo: info }) + line({ add: { ...add, dataChange: false } }) + line({ remove: { path: 'b', dataChange: false } }),
    );

    expect(entry).toEqual({
      txns: [],
      operation: 'OPTIMIZE',
      chain: [],
      runId: null,
      dataChange: false,
      blindAppend: false,
      addedFiles: 1,
      removedFiles: 1,
    });
    expect(readCommitEntry(line({ add })).dataChange).toBe(true);
    expect(readCommitEntry(line({ commitInfo: { sluice: { chain: Array.from({ length: 33 }, () => 'x') } } })).chain).toEqual([]);
    expect(readCommitEntry(line({ commitInfo: { sluice: { chain: ['x'.repeat(201)] } } })).chain).toEqual([]);
    expect(readCommitEntry(line({ commitInfo: { operation: 'x'.repeat(999) } })).operation).toHaveLength(200);
  });

  it('that is torn, empty or no commit is refused by name', () => {
    expect(() => readCommitEntry(line({ add }) + '{"add":{"pa')).toThrow(expect.objectContaining({ code: 'delta-log-corrupt' }) as Error);
    expect(() => readCommitEntry('\n \n')).toThrow(expect.objectContaining({ code: 'delta-log-corrupt' }) as Error);
    expect(() => readCommitEntry('[]\n')).toThrow(expect.objectContaining({ code: 'table-invalid' }) as Error);
  });

  it('of any text gives a bounded answer or one of our refusals', () => {
    const json = fc.jsonValue({ maxDepth: 4 });
    const action = fc.oneof(
      json,
      fc.record({ commitInfo: fc.record({ sluice: json, operation: json, timestamp: json }) }),
      fc.record({ txn: fc.record({ appId: fc.string(), version: fc.integer() }) }),
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(action, { maxLength: 6 }).map((actions) => actions.map((each) => JSON.stringify(each)).join('\n')),
    );
    fc.assert(
      fc.property(text, (each) => {
        try {
          const entry = readCommitEntry(each);
          expect(entry.chain.length).toBeLessThanOrEqual(32);
          expect(entry.chain.every((link) => typeof link === 'string')).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(RejectedError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what a table says of itself as text', () => {
  it('intervals are read without guessing', () => {
    expect(
      [
        'interval 30 days',
        'interval 1 week 2 days',
        '12 hours',
        'interval 1 month',
        'interval',
        '',
        'interval x days',
        'interval 1 constructor',
      ].map(intervalMs),
    ).toEqual([30 * 24 * HOUR, 9 * 24 * HOUR, 12 * HOUR, null, null, null, null, null]);
  });

  it('statistics are read with every digit, and broken ones are as good as none', () => {
    const stats =
      '{"numRecords":1,"minValues":{"d":-9999999999.9999999999,"s":"a \\"1.5\\" b","__proto__":1},"maxValues":{"d":0E-10,"l":9007199254740993}}';

    expect(Object.fromEntries(readBounds(stats, ['d', 's', 'l', 'x']))).toEqual({
      d: { min: '-9999999999.9999999999', max: '0E-10' },
      s: { min: 'a "1.5" b', max: null },
      l: { min: null, max: '9007199254740993' },
      x: { min: null, max: null },
    });
    for (const broken of ['{', 'null', '[]', '{"minValues":3}', `{"minValues":"${'x'.repeat(100_000)}`])
      expect(readBounds(broken, ['a']).get('a')).toEqual({ min: null, max: null });
  });
});
