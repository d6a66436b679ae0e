// What the desk tells of a foreign commit: from its log alone, over all files, and nothing where a file does not say it.
import { expect, test } from 'vitest';
import { createHandOverDesk } from '../../../../../shared/adapters/lake/refine/hand-over-desk.ts';
import { createWorkshop } from '../../../../../shared/adapters/lake/refine/workshop.ts';
import { HEADER, makeRig, pipelineOf, type Rig, rowsOf, sha256 } from '../rig.ts';

const KEY = sha256('work');
const pipeline = pipelineOf();
const SILVER = 'silver/p/rows/';

interface File {
  stats: object | null;
  partition?: string | null;
}

/** A commit of silver by hand: its files exist in the log only. */
async function committed(files: readonly File[], more: { partitioned?: boolean; commitInfo?: object } = {}): Promise<Rig> {
  const rig = await makeRig();
  const fields = ['id', 'amount', 'region'].map((name) => ({
    name,
    type: name === 'region' ? 'string' : 'long',
    nullable: true,
    metadata: {},
  }));
  const adds = files.map(({ stats, partition = null }, n) => ({
    add: {
      path: `part-${n}.parquet`,
      partitionValues: more.partitioned ? { region: partition } : {},
      size: 100 + n,
      modificationTime: 1000,
      dataChange: true,
      ...(stats ? { stats: JSON.stringify(stats) } : {}),
    },
  }));
  const actions = [
    { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
    {
      metaData: {
        id: 'x',
        format: { provider: 'parquet', options: {} },
        schemaString: JSON.stringify({ type: 'struct', fields }),
        partitionColumns: more.partitioned ? ['region'] : [],
        configuration: {},
      },
    },
    { txn: { appId: `sluice-${KEY}`, version: 1 } },
    ...adds,
    { commitInfo: { operation: 'WRITE', ...more.commitInfo } },
  ];
  await rig.land(`${SILVER}_delta_log/${'0'.padStart(20, '0')}.json`, actions.map((action) => JSON.stringify(action)).join('\n'));
  return rig;
}

async function told(rig: Rig) {
  const workshop = createWorkshop({
    blobService: rig.service,
    lakeContainer: rig.name,
    workDir: rig.workDir,
    memoryLimit: '256MB',
    threads: 1,
  });
  return (await createHandOverDesk({ workshop, lake: 'http://lake/' }).committed({ pipeline, key: KEY })).silver;
}

const stats = (numRecords: number, min: number | null, max: number | null, nulls = 0) => ({
  numRecords,
  minValues: min === null ? {} : { amount: min },
  maxValues: max === null ? {} : { amount: max },
  nullCount: { id: 0, amount: nulls },
});

test('facts are of all files together; a file of nulls alone needs no bounds', async () => {
  const silver = await told(
    await committed([{ stats: stats(5, 9, 10) }, { stats: stats(3, -2, 4, 1) }, { stats: stats(2, null, null, 2) }]),
  );

  expect(silver).toMatchObject({ commit: { version: 0, rows: 10, addedRows: 10 }, readRows: null });
  expect(silver?.added).toMatchObject({ amount: { nulls: 3, min: '-2', max: '10' }, id: { nulls: 0, min: null } });
  expect(silver?.columns.map(({ name, type }) => `${name} ${type}`)).toEqual(['id long', 'amount long', 'region string']);
});

test('one file that does not say it leaves it unknown', async () => {
  const without = { numRecords: 3 };

  const silver = await told(await committed([{ stats: stats(5, 9, 10) }, { stats: without }]));

  expect(silver?.added['amount']).toEqual({ nulls: null, min: null, max: null });
});

test('a partition column is told by the log', async () => {
  const files = [
    { stats: stats(5, 1, 1), partition: 'north' },
    { stats: stats(2, 1, 1), partition: null },
  ];

  expect((await told(await committed(files, { partitioned: true })))?.added['region']).toMatchObject({ nulls: 2 });
});

test('files whose rows are not counted are refused, with what to do', async () => {
  await expect(committed([{ stats: null }]).then(told)).rejects.toMatchObject({
    code: 'hand-over-unjudged',
    message: expect.stringContaining('part-0.parquet has no statistics') as string,
  });
});

test('the digest of silver follows its files without reading them', async () => {
  const [one, same, other] = [
    [{ stats: stats(1, 1, 1) }],
    [{ stats: stats(1, 2, 2) }],
    [{ stats: stats(1, 1, 1) }, { stats: stats(1, 1, 1) }],
  ];
  const digests = await Promise.all([one, same, other].map(async (files) => (await told(await committed(files)))?.commit.digest));

  expect(digests[0]).toBe(digests[1]);
  expect(digests[0]).not.toBe(digests[2]);
});

test('what the engine notes is taken only in its form', async () => {
  const noted = async (userMetadata: string) =>
    (await told(await committed([{ stats: stats(1, 1, 1) }], { commitInfo: { userMetadata } })))?.readRows;

  expect(await noted('{"sluice":{"readRows":7}}')).toBe(7);
  for (const odd of ['{"sluice":{"readRows":-1}}', '{"sluice":7}', '{"sluice":', 'null', '{"__proto__":{"readRows":1}}'])
    expect(await noted(odd)).toBeNull();
});

test('the embedded engine’s own commit is told as well: a retry may meet it', async () => {
  const rig = await makeRig();
  const file = await rig.land('bronze/p/a.csv', HEADER + rowsOf(4));
  const refined = await rig.engine.refine({ pipeline, key: KEY, container: rig.name, files: [file] });

  expect((await told(rig))?.commit).toMatchObject(refined.silver);
});
