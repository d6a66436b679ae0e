// Exactly once: repeats, crashes at every border, lost answers and other writers, on a storage account.
import { describe, expect, it } from 'vitest';
import { judgeTable } from '../delta/checker.ts';
import { makeFaultyStorage } from '../faulty-storage.ts';
import { HEADER, makeStorageRig, pipelineOf, rowsOf, type Rig } from '../rig.ts';

const PATH = 'bronze/p/input.csv';
const SILVER = 'silver/p/rows/';
const GOLD = 'gold/p/training/';
const log = (root: string, version: number) => new RegExp(`PUT .*/${root}_delta_log/${String(version).padStart(20, '0')}\\.json$`);

async function sound(rig: Rig, root: string, versions: number, rows: number): Promise<void> {
  const judged = await judgeTable(rig.container, root);
  expect(judged.problems).toEqual([]);
  expect([root, judged.versions, judged.rows.length]).toEqual([root, versions, rows]);
  expect(new Set(judged.transactions).size).toBe(judged.transactions.length);
}

describe('refining the same dataset again', () => {
  it('answers with the commits that are there, findings included', async () => {
    const rig = await makeStorageRig();
    const pipeline = pipelineOf({ source: { badRows: 'quarantine' } });
    const content = `${HEADER}${rowsOf(5)}bad\n`;

    const first = await rig.refine(pipeline, PATH, content);
    const other = await rig.refine(pipeline, 'bronze/p/second.csv', HEADER + rowsOf(3, 100));
    const again = await rig.refine(pipeline, PATH, content, rig.another());

    expect(again).toEqual(first);
    expect(first).toMatchObject({ readRows: 6, quarantinedRows: 1, silver: { version: 0, rows: 5 }, gold: { version: 0, rows: 5 } });
    expect(other).toMatchObject({ silver: { version: 1, rows: 8, addedRows: 3 }, gold: { version: 1, rows: 8 } });
    await sound(rig, SILVER, 2, 8);
    await sound(rig, GOLD, 2, 8);
    await sound(rig, 'quarantine/p/rows/', 1, 1);
  });

  it('needs neither the landed file nor its sight once the commits are there', async () => {
    const rig = await makeStorageRig();
    const pipeline = pipelineOf();
    const file = await rig.land(PATH, HEADER + rowsOf(5));
    const request = { pipeline, key: 'b'.repeat(64), container: rig.name, files: [file] };
    const first = await rig.engine.refine(request);
    await rig.container.deleteBlob(PATH);

    expect(await rig.engine.refine(request)).toEqual(first);
  });

  it('gives equal content the same gold digest in a lake of its own', async () => {
    const [one, two] = [await makeStorageRig(), await makeStorageRig()];
    const gold = 'SELECT name, count(*) AS n, sum(id) AS total FROM silver GROUP BY name';
    const content = HEADER + Array.from({ length: 3000 }, (_, n) => `${n},g${n % 700},2024-01-01T10:00:00Z,${n}\n`).join('');

    const commits = [await one.refine(pipelineOf({ gold }), PATH, content), await two.refine(pipelineOf({ gold }), PATH, content)];

    expect(commits[0]!.gold.digest).toBe(commits[1]!.gold.digest);
    expect((await judgeTable(one.container, GOLD)).digest).toBe(commits[0]!.gold.digest);
  });

  it('keeps equal rows of two datasets apart in a table that grows, and the digest of gold when its rows stay', async () => {
    const rig = await makeStorageRig();
    const pipeline = pipelineOf({ gold: 'SELECT DISTINCT id FROM silver ORDER BY id' });
    const first = await rig.refine(pipeline, 'bronze/p/a.csv', HEADER + rowsOf(4));
    const second = await rig.refine(pipeline, 'bronze/p/b.csv', HEADER + rowsOf(4));

    expect([first.silver.rows, second.silver.rows]).toEqual([4, 8]);
    expect(second.gold).toMatchObject({ version: 1, rows: 4, addedRows: 0, digest: first.gold.digest });
    await sound(rig, SILVER, 2, 8);
    await sound(rig, GOLD, 2, 4);
  });
});

describe('a crash', () => {
  const content = `${HEADER}${rowsOf(5)}bad\n`;
  it.each([
    ['before the first upload', /PUT .*\/quarantine\/p\/rows\/part-/],
    ['between upload and commit of quarantine', log('quarantine/p/rows/', 0)],
    ['between quarantine and silver', /PUT .*\/silver\/p\/rows\/part-/],
    ['between upload and commit of silver', log(SILVER, 0)],
    ['between silver and gold', /PUT .*\/gold\/p\/training\/part-/],
    ['between upload and commit of gold', log(GOLD, 0)],
  ])('%s costs nothing: the next try commits each table once', async (_, border) => {
    const storage = await makeFaultyStorage();
    const rig = await makeStorageRig({ blobService: storage.service });
    const pipeline = pipelineOf({ source: { badRows: 'quarantine' } });
    const file = await rig.land(PATH, content);
    const request = { pipeline, key: 'c'.repeat(64), container: rig.name, files: [file] };
    const crash = storage.once(border, 'refuse');

    await expect(rig.engine.refine(request)).rejects.toMatchObject({ name: 'TransientError', code: 'storage-unavailable' });
    const refined = await rig.another().refine(request);

    expect(crash.met).toBe(1);
    expect(refined).toMatchObject({ readRows: 6, quarantinedRows: 1, silver: { version: 0, addedRows: 5 }, gold: { version: 0, rows: 5 } });
    await sound(rig, 'quarantine/p/rows/', 1, 1);
    await sound(rig, SILVER, 1, 5);
    await sound(rig, GOLD, 1, 5);
    expect(await rig.leftovers()).toEqual([]);
  });
});

describe('an answer that gets lost', () => {
  it.each([
    ['of a commit, repeated by the SDK', 3, log(SILVER, 0)],
    ['of an upload, repeated by the SDK', 3, /PUT .*\/silver\/p\/rows\/part-/],
  ])('%s, is known as our own write', async (_, tries, what) => {
    const storage = await makeFaultyStorage(tries);
    const rig = await makeStorageRig({ blobService: storage.service });
    const lost = storage.once(what, 'lose');

    const refined = await rig.refine(pipelineOf(), PATH, HEADER + rowsOf(5));

    expect(lost.met).toBe(1);
    expect(refined).toMatchObject({ silver: { version: 0, rows: 5 }, gold: { version: 0, rows: 5 } });
    await sound(rig, SILVER, 1, 5);
    await sound(rig, GOLD, 1, 5);
  });

  it('of a commit, with no second try, is found by the next run', async () => {
    const storage = await makeFaultyStorage();
    const rig = await makeStorageRig({ blobService: storage.service });
    storage.once(log(SILVER, 0), 'lose');

    await expect(rig.refine(pipelineOf(), PATH, HEADER + rowsOf(5))).rejects.toMatchObject({ name: 'TransientError' });
    await rig.engine.refine({
      pipeline: pipelineOf(),
      key: 'd'.repeat(64),
      container: rig.name,
      files: [await rig.land('bronze/p/b.csv', HEADER + rowsOf(2, 50))],
    });
    const again = await rig.refine(pipelineOf(), PATH, HEADER + rowsOf(5));

    expect(again.silver).toMatchObject({ version: 0, rows: 5 });
    await sound(rig, SILVER, 2, 7);
    await sound(rig, GOLD, 2, 7);
  });
});

describe('another writer in between', () => {
  it('makes silver re-base and gold be computed again from both', async () => {
    const storage = await makeFaultyStorage();
    const rig = await makeStorageRig({ blobService: storage.service });
    const pipeline = pipelineOf();
    const other = rig.another({ blobService: rig.service });
    const race = storage.once(log(SILVER, 0), async () => {
      const quiet = await makeFaultyStorage();
      await rig.refine(pipeline, 'bronze/p/other.csv', HEADER + rowsOf(3, 100), rig.another({ blobService: quiet.service }));
    });

    const refined = await rig.refine(pipeline, PATH, HEADER + rowsOf(5), other);

    expect(race.met).toBe(1);
    expect(refined).toMatchObject({ silver: { version: 1, rows: 8, addedRows: 5 }, gold: { version: 1, rows: 8 } });
    await sound(rig, SILVER, 2, 8);
    await sound(rig, GOLD, 2, 8);
  });

  it('that dies between silver and gold makes gold be computed again, with its rows too', async () => {
    const storage = await makeFaultyStorage();
    const rig = await makeStorageRig({ blobService: storage.service });
    const pipeline = pipelineOf();
    const race = storage.once(log(SILVER, 0), async () => {
      const dying = await makeFaultyStorage();
      dying.once(log(GOLD, 0), 'refuse');
      const other = rig.refine(pipeline, 'bronze/p/other.csv', HEADER + rowsOf(3, 100), rig.another({ blobService: dying.service }));
      await expect(other).rejects.toMatchObject({ name: 'TransientError' });
    });

    const refined = await rig.refine(pipeline, PATH, HEADER + rowsOf(5));

    expect(race.met).toBe(1);
    expect(refined).toMatchObject({ silver: { version: 1, rows: 8, addedRows: 5 }, gold: { version: 0, rows: 8 } });
    await sound(rig, GOLD, 1, 8);
  });

  it('that replaces gold while it is computed makes it be computed again: nothing newer is overwritten by older', async () => {
    const storage = await makeFaultyStorage();
    const rig = await makeStorageRig({ blobService: storage.service });
    const pipeline = pipelineOf();
    const race = storage.once(log(GOLD, 0), async () => {
      const quiet = await makeFaultyStorage();
      await rig.refine(pipeline, 'bronze/p/other.csv', HEADER + rowsOf(3, 100), rig.another({ blobService: quiet.service }));
    });

    const refined = await rig.refine(pipeline, PATH, HEADER + rowsOf(5));

    expect(race.met).toBe(1);
    expect(refined.gold).toMatchObject({ version: 1, rows: 8 });
    await sound(rig, GOLD, 2, 8);
  });

  it('with the same key, at the same time, commits nothing twice', async () => {
    const rig = await makeStorageRig();
    const pipeline = pipelineOf({ source: { badRows: 'quarantine' } });
    const file = await rig.land(PATH, `${HEADER}${rowsOf(5)}bad\n`);
    const request = { pipeline, key: 'e'.repeat(64), container: rig.name, files: [file] };

    const answers = await Promise.all([rig.engine, rig.another(), rig.another()].map((engine) => engine.refine(request)));

    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    await sound(rig, SILVER, 1, 5);
    await sound(rig, GOLD, 1, 5);
    await sound(rig, 'quarantine/p/rows/', 1, 1);
  });
});
