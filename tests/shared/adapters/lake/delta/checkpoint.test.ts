// Checkpoints of our own tables: written after every tenth commit, read by a stranger, and enough to go on from.
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import type { Refined } from '../../../../../shared/contracts/tables.ts';
import { judgeTable } from './checker.ts';
import { makeFaultyStorage } from '../faulty-storage.ts';
import { HEADER, makeRig, pipelineOf, rowsOf, type Rig } from '../rig.ts';

const SILVER = 'silver/p/rows/';
const LOG = `${SILVER}_delta_log/`;
const CHECKPOINT = `${LOG}00000000000000000010.checkpoint.parquet`;
const pipeline = pipelineOf();

async function refineMany(rig: Rig, from: number, to: number): Promise<Refined[]> {
  const done: Refined[] = [];
  for (let n = from; n < to; n += 1) done.push(await rig.refine(pipeline, `bronze/p/${n}.csv`, HEADER + rowsOf(2, n * 10)));
  return done;
}

describe('after ten commits more', () => {
  it('a checkpoint holds the whole state, and the table goes on from it when the commits before are gone', async () => {
    const rig = await makeRig();
    const done = await refineMany(rig, 0, 12);

    // A stranger reads the checkpoint: the same files as the log gives, one protocol, one metaData, every transaction.
    const bytes = await rig.container.getBlobClient(CHECKPOINT).downloadToBuffer();
    const actions = (await parquetReadObjects({
      file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
    })) as Record<string, Record<string, unknown> | null>[];
    const judged = await judgeTable(rig.container, SILVER, 10);
    const adds = actions.flatMap((action) => (action['add'] ? [action['add']] : []));
    expect(adds.map((add) => add['path']).sort()).toEqual(judged.files.map((file) => file.path).sort());
    expect(adds.every((add) => add['dataChange'] === false && typeof add['stats'] === 'string')).toBe(true);
    expect(actions.filter((action) => action['protocol'])).toHaveLength(1);
    expect(actions.filter((action) => action['metaData'])).toHaveLength(1);
    expect(actions.flatMap((action) => (action['txn'] ? [action['txn']['appId']] : [])).sort()).toEqual(judged.transactions.sort());
    expect(JSON.parse(await rig.text(`${LOG}_last_checkpoint`))).toMatchObject({ version: 10, size: actions.length, numOfAddFiles: 11 });

    // As a clean-up of the log leaves it.
    for (let n = 0; n < 10; n += 1) await rig.container.deleteBlob(`${LOG}${String(n).padStart(20, '0')}.json`);
    const [next] = await refineMany(rig, 12, 13);
    const known = await rig.refine(pipeline, 'bronze/p/11.csv', HEADER + rowsOf(2, 110));
    const forgotten = rig.refine(pipeline, 'bronze/p/3.csv', HEADER + rowsOf(2, 30));

    expect(next!.silver).toMatchObject({ version: 12, rows: 26 });
    expect(known).toEqual(done[11]);
    // The transaction is known from the checkpoint, so nothing is committed twice; what it answered is no longer there.
    await expect(forgotten).rejects.toMatchObject({ name: 'RejectedError', code: 'version-gone' });
    expect(await rig.container.getBlobClient(`${LOG}00000000000000000013.json`).exists()).toBe(false);
  });

  it('a checkpoint that cannot be written fails nothing and is told', async () => {
    const told: string[] = [];
    const storage = await makeFaultyStorage();
    const rig = await makeRig({ blobService: storage.service, warn: (message) => told.push(message) });
    await refineMany(rig, 0, 10);
    const refusal = storage.once(/PUT .*\/silver\/.*checkpoint\.parquet/, 'refuse');

    const [tenth] = await refineMany(rig, 10, 11);

    expect(refusal.met).toBe(1);
    expect(tenth!.silver).toMatchObject({ version: 10, rows: 22 });
    expect(told).toEqual([expect.stringMatching(/^silver\/p\/rows\/: the checkpoint at version 10 was not written: /)]);
    expect(await rig.container.getBlobClient(CHECKPOINT).exists()).toBe(false);
  });
});
