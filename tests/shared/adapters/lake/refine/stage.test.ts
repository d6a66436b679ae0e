// Staging: one gold version as CSV, written once per digest, whatever the table became since.
import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../../../../shared/adapters/memory/store.ts';
import { HEADER, makeRig, pipelineOf, rowsOf, sha256, type Rig } from '../rig.ts';

const PATH = 'bronze/p/input.csv';

async function content(rig: Rig, path: string): Promise<string> {
  return Buffer.from((await rig.store.read(path, 200_000_000))!).toString('utf8');
}

describe('staging gold', () => {
  it('gives header, ISO timestamps, empty nulls and quoted text', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({
      gold: `SELECT id, name, seen, CAST(seen AS DATE) AS day, amount, id > 1 AS many, [id] AS list, encode(name) AS raw FROM silver ORDER BY id`,
    });
    const { gold } = await rig.refine(pipeline, PATH, `${HEADER}1,"a, ""b""\nc",2024-01-02T03:04:05.6+01:00,\n2,"",,1e300\n`);

    const [file] = await rig.engine.stage({ pipeline, gold });

    expect(await content(rig, file!.path)).toBe(
      'id,name,seen,day,amount,many,list,raw\n' +
        '1,"a, ""b""\nc",2024-01-02T02:04:05.600000Z,2024-01-02,,false,[1],YSwgImIiCmM=\n' +
        '2,"",,,1e+300,true,[2],""\n',
    );
  });

  it('reuses what is staged, and stages an older version as it was', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf();
    const first = (await rig.refine(pipeline, PATH, HEADER + rowsOf(3))).gold;
    const second = (await rig.refine(pipeline, 'bronze/p/b.csv', HEADER + rowsOf(2, 10))).gold;

    const newer = await rig.engine.stage({ pipeline, gold: second });
    const older = await rig.engine.stage({ pipeline, gold: first });
    const again = await rig.another().stage({ pipeline, gold: first });

    expect(again).toEqual(older);
    expect((await content(rig, older[0]!.path)).split('\n')).toHaveLength(5);
    expect((await content(rig, newer[0]!.path)).split('\n')).toHaveLength(7);
    expect(sha256(await content(rig, older[0]!.path))).toBe(older[0]!.sha256);
    expect(await rig.leftovers()).toEqual([]);
  });

  it('goes on after a crash between the file and its note', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf();
    const { gold } = await rig.refine(pipeline, PATH, HEADER + rowsOf(3));
    const half = createMemoryStore();
    const dying = {
      ...half,
      create: async (path: string, bytes: Uint8Array, type: string) =>
        path.endsWith('.json') ? Promise.reject(new Error('killed')) : half.create(path, bytes, type),
    };
    await expect(rig.another({ store: dying }).stage({ pipeline, gold })).rejects.toThrow('killed');

    const staged = await rig.another({ store: half }).stage({ pipeline, gold });

    expect(staged).toEqual(await rig.engine.stage({ pipeline, gold }));
  });

  it('cuts what is large at row borders, each part with the header', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({
      silver: "SELECT CAST(b.id AS BIGINT) * 1000 + r.range AS id, repeat('line' || chr(10), 400) AS text FROM bronze b, range(100) r",
      gold: 'SELECT * FROM silver ORDER BY id',
    });
    const { gold } = await rig.refine(pipeline, PATH, HEADER + rowsOf(200));

    const staged = await rig.engine.stage({ pipeline, gold });

    expect(staged.map((file) => file.path.slice(-14))).toEqual(['part-00000.csv', 'part-00001.csv']);
    const ids: string[] = [];
    for (const { path, sha256: sha, bytes } of staged) {
      const text = await content(rig, path);
      expect([sha256(text), Buffer.byteLength(text)]).toEqual([sha, bytes]);
      expect(text.startsWith('id,text\n')).toBe(true);
      ids.push(...[...text.matchAll(/^(\d+),"/gm)].map((match) => match[1]!));
    }
    expect(ids).toHaveLength(20_000);
    expect(ids[0]).toBe('1000');
    expect(ids.every((id, n) => n === 0 || Number(id) > Number(ids[n - 1]))).toBe(true);
  });

  it("refuses another pipeline's table, a version that is not there, and a digest that is another", async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf();
    const { gold, silver } = await rig.refine(pipeline, PATH, HEADER + rowsOf(3));
    const stage = (parts: Partial<typeof gold>) => rig.engine.stage({ pipeline, gold: { ...gold, ...parts } });

    await expect(stage({ path: 'gold/other/training/' })).rejects.toMatchObject({ code: 'table-foreign' });
    await expect(stage({ path: silver.path })).rejects.toMatchObject({ code: 'table-foreign' });
    await expect(stage({ version: 7, digest: 'a'.repeat(64) })).rejects.toMatchObject({ code: 'version-unknown' });
    await expect(stage({ digest: 'a'.repeat(64) })).rejects.toMatchObject({ code: 'gold-changed' });
  });

  it('says which data file is missing or damaged instead of giving fewer rows', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf();
    const first = (await rig.refine(pipeline, PATH, HEADER + rowsOf(3))).gold;
    const [name] = (await rig.names('gold/p/training/')).filter((each) => each.endsWith('.parquet'));
    const blob = rig.container.getBlockBlobClient(`gold/p/training/${name}`);
    const good = await blob.downloadToBuffer();

    const damaged = Buffer.from(good);
    damaged[50]! ^= 1;
    await blob.upload(damaged, damaged.length);
    await expect(rig.engine.stage({ pipeline, gold: first })).rejects.toMatchObject({
      code: 'file-damaged',
      message: expect.stringContaining(name!) as string,
    });
    await blob.delete();
    await expect(rig.engine.stage({ pipeline, gold: first })).rejects.toMatchObject({
      code: 'file-gone',
      message: expect.stringContaining(name!) as string,
    });
  });
});
