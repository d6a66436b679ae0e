// The large engine of this machine against the product's own: what one commits the other reads, and its log is enough to judge it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, onTestFinished, test } from 'vitest';
import { Manifest, withParameters } from '../../../../local/cloud/refiner/manifest.ts';
import { refine } from '../../../../local/cloud/refiner/refine.ts';
import { createHandOverDesk } from '../../../../shared/adapters/lake/refine/hand-over-desk.ts';
import { createWorkshop } from '../../../../shared/adapters/lake/refine/workshop.ts';
import type { PipelineVersion } from '../../../../shared/contracts/pipeline.ts';
import { manifestOf } from '../../../../shared/decisions/hand-over.ts';
import { judgeCommit } from '../../../../shared/decisions/judge-commit.ts';
import { HEADER, type Landed, makeRig, pipelineOf, type Rig, rowsOf, sha256 } from '../../../shared/adapters/lake/rig.ts';

const NOTE_CHAIN = ['refine-p-1'];

async function outside(
  rig: Rig,
  pipeline: PipelineVersion,
  files: readonly Landed[],
  change: (manifest: Manifest) => Manifest = (one) => one,
) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-refiner-test-'));
  onTestFinished(async () => rm(folder, { recursive: true, force: true }));
  const instance = await DuckDBInstance.create(':memory:');
  const duck = await instance.connect();
  const key = sha256(files.map((file) => file.sha256).join());
  const told = manifestOf({
    version: pipeline,
    runId: 'refine-p-0123456789abcdef-a1',
    key,
    lake: 'http://lake/',
    files,
    chain: NOTE_CHAIN,
  });
  const manifest = change(Manifest.parse(JSON.parse(JSON.stringify(told))));
  try {
    await refine({ lake: rig.container, duck, folder, now: Date.now }, manifest);
  } finally {
    duck.closeSync();
    instance.closeSync();
  }
  return key;
}

const deskOf = (rig: Rig) =>
  createHandOverDesk({
    workshop: createWorkshop({ blobService: rig.service, lakeContainer: rig.name, workDir: rig.workDir, memoryLimit: '256MB', threads: 1 }),
    lake: 'http://lake/',
  });

async function goldOf(rig: Rig, pipeline: PipelineVersion): Promise<string> {
  const gold = await rig.engine.readGold({ pipeline });
  const [file] = await rig.engine.stage({ pipeline, gold: gold! });
  return Buffer.from((await rig.store.read(file!.path, 1e6))!).toString('utf8');
}

const contract = { columns: { id: { type: 'long', required: true, min: 1, unique: true }, amount: { type: 'double', max: 100 } } };
const pipeline = pipelineOf({ tables: { silver: { mode: 'merge(id)' }, gold: contract } });

test('both engines make the same gold of the same files, in turns, on the same tables', async () => {
  const [one, other] = [await makeRig(), await makeRig()];
  for (const rig of [one, other]) await rig.refine(pipeline, 'bronze/p/a.csv', HEADER + rowsOf(20));

  await outside(one, pipeline, [await one.land('bronze/p/b.csv', HEADER + rowsOf(20, 11))]);
  await other.refine(pipeline, 'bronze/p/b.csv', HEADER + rowsOf(20, 11));
  expect(await goldOf(one, pipeline)).toBe(await goldOf(other, pipeline));

  for (const rig of [one, other]) await rig.refine(pipeline, 'bronze/p/c.csv', HEADER + rowsOf(5, 60));
  expect(await goldOf(one, pipeline)).toBe(await goldOf(other, pipeline));
  expect((await goldOf(one, pipeline)).trim().split('\n')).toHaveLength(36);
});

test('its commits are found by their transaction, once, and judged by their log', async () => {
  const rig = await makeRig();
  const files = [await rig.land('bronze/p/a.csv', HEADER + rowsOf(20))];
  const key = await outside(rig, pipeline, files);
  await outside(rig, pipeline, files);

  const { silver, gold } = await deskOf(rig).committed({ pipeline, key });

  expect(await rig.names('gold/p/training/_delta_log/')).toEqual(['00000000000000000000.json']);
  expect(silver).toMatchObject({ commit: { layer: 'silver', path: 'silver/p/rows/', version: 0, rows: 20, addedRows: 20 }, readRows: 20 });
  expect(gold?.commit).toMatchObject({ ...(await rig.engine.readGold({ pipeline })), rows: 20 });
  expect(gold?.added).toMatchObject({ id: { nulls: 0, min: '1', max: '20' }, amount: { nulls: 0, min: '1.5', max: '20.5' } });
  expect(judgeCommit(pipeline.spec.tables.gold, gold!)).toEqual({ refused: null, findings: [], unjudged: ['unique:id'] });
  expect(await deskOf(rig).committed({ pipeline, key: sha256('other') })).toEqual({ silver: null, gold: null });
});

test('the chain of its commits is read from what the engine notes', async () => {
  const rig = await makeRig();
  await outside(rig, pipeline, [await rig.land('bronze/p/a.csv', HEADER + rowsOf(3))]);
  const { createLake } = await import('../../../../shared/adapters/lake/lake.ts');

  const says = await createLake(rig.service, { container: rig.name }).readCommit(
    rig.name,
    'gold/p/training/_delta_log/00000000000000000000.json',
    null,
  );

  expect(says).toMatchObject({ chain: NOTE_CHAIN, runId: 'refine-p-0123456789abcdef-a1', changesData: true });
});

test.each([
  [
    'a file that is another than the manifest says',
    (one: Manifest) => ({ ...one, files: one.files.map((file) => ({ ...file, sha256: sha256('x') })) }),
    /SHA-256/,
  ],
  [
    'a rule that is broken',
    (one: Manifest) => withParameters(one, { ADF_GOLDSQL: 'SELECT id, name, seen, 101.0::DOUBLE AS amount FROM silver' }),
    /rule max:amount/,
  ],
  [
    'SQL that gives a type which Delta has not',
    (one: Manifest) => withParameters(one, { ADF_GOLDSQL: 'SELECT id, 1::DOUBLE AS amount, INTERVAL 1 DAY AS i FROM silver' }),
    /INTERVAL/,
  ],
])('%s fails before the first commit', async (_, change, said) => {
  const rig = await makeRig();
  const files = [await rig.land('bronze/p/a.csv', HEADER + rowsOf(20))];

  await expect(outside(rig, pipeline, files, change)).rejects.toThrow(said);

  expect(await rig.names('silver/')).toEqual([]);
  expect(await rig.names('gold/')).toEqual([]);
});

test('a manifest is left once; another under its name is refused', async () => {
  const rig = await makeRig();
  const desk = deskOf(rig);
  await desk.leave('hand-over/r/manifest.json', Buffer.from('{"a":1}'));
  await desk.leave('hand-over/r/manifest.json', Buffer.from('{"a":1}'));

  await expect(desk.leave('hand-over/r/manifest.json', Buffer.from('{"a":2}'))).rejects.toMatchObject({ code: 'hand-over-differs' });
  await expect(desk.leave('hand-over/r/manifest.json', Buffer.from('{}'))).rejects.toMatchObject({ code: 'hand-over-differs' });
  expect(await rig.text('hand-over/r/manifest.json')).toBe('{"a":1}');
});

test('a commit that was refused is taken back: gold is as it was before, and the next refining goes on from there', async () => {
  const rig = await makeRig();
  await rig.refine(pipeline, 'bronze/p/a.csv', HEADER + rowsOf(20));
  const before = { gold: await goldOf(rig, pipeline), named: await rig.engine.readGold({ pipeline }) };
  const key = await outside(rig, pipeline, [await rig.land('bronze/p/b.csv', HEADER + rowsOf(20, 11))]);
  expect(await goldOf(rig, pipeline)).not.toBe(before.gold);

  const said = await deskOf(rig).takeBack({ pipeline, key, reason: 'hand-over-values' });

  expect(said).toEqual(['taken back in gold/p/training/ by version 2', 'taken back in silver/p/rows/ by version 2']);
  expect(await goldOf(rig, pipeline)).toBe(before.gold);
  expect(await rig.engine.readGold({ pipeline })).toMatchObject({ version: 2, digest: before.named?.digest });
  expect(await deskOf(rig).takeBack({ pipeline, key, reason: 'hand-over-values' })).toEqual(said);

  await rig.refine(pipeline, 'bronze/p/c.csv', HEADER + rowsOf(5, 60));
  expect((await goldOf(rig, pipeline)).trim().split('\n')).toHaveLength(26);
});
