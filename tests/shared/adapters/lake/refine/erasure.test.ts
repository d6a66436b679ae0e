// Erasure and retention: a person's rows leave every place, the record keeps no value, and nothing else moves.
import { describe, expect, it } from 'vitest';
import { createErasureEngine } from '../../../../../shared/adapters/lake/refine/erasure.ts';
import { concerns } from '../../../../../shared/adapters/lake/refine/erase-quarantine.ts';
import { isTheirs } from '../../../../../shared/adapters/lake/refine/erase-files.ts';
import { createWorkshop } from '../../../../../shared/adapters/lake/refine/workshop.ts';
import { createStore } from '../../../../../shared/adapters/lake/store.ts';
import { ErasureRecord } from '../../../../../shared/contracts/erasure.ts';
import { judgeTable } from '../delta/checker.ts';
import { HEADER, makeRig, pipelineOf, rowsOf, sha256, type Rig } from '../rig.ts';

const DAY = 24 * 3600 * 1000;
const SECRET = 'Erika Mustermann';
const CONTENT = `${HEADER}${rowsOf(2)}50,${SECRET},2024-01-01T10:00:00Z,12.25\n51,other,2024-01-01T10:00:00Z,1\n`;
const BAD = `x,${SECRET},,1\n52,${SECRET}\n53,"  ${SECRET} ",,oops\ny,someone,,1\n`;
const asked = { requestId: 'r-1', column: 'name', value: SECRET, by: 'ada', at: '2026-11-22T10:00:00.000Z', reason: 'asked by the person' };

async function world(pipeline = pipelineOf({ source: { badRows: 'quarantine' } }), clock: () => number = Date.now) {
  const rig = await makeRig({ clock });
  const { containerClient } = await rig.service.createContainer('store');
  const store = createStore(rig.service, 'store');
  const engine = rig.another({ store, clock });
  const files = [await rig.land('bronze/p/a.csv', CONTENT + BAD)];
  const refined = await engine.refine({ pipeline, key: sha256('k'), container: rig.name, files });
  const options = { blobService: rig.service, lakeContainer: rig.name, workDir: rig.workDir, memoryLimit: '256MB', threads: 1, clock };
  const erasure = () => createErasureEngine({ workshop: createWorkshop(options), store: containerClient });
  return { rig, pipeline, engine, refined, store, erasure };
}

/** Every blob of the lake and the store whose bytes hold the text, landed files aside. Parquet is looked at as rows. */
async function whereabouts(rig: Rig, text: string): Promise<string[]> {
  const found: string[] = [];
  for (const container of [rig.container, rig.service.getContainerClient('store')])
    for await (const { name } of container.listBlobsFlat()) {
      if (name.startsWith('bronze/')) continue;
      const content = await container.getBlobClient(name).downloadToBuffer();
      if (content.includes(text)) found.push(name);
    }
  return found;
}

describe('an erasure', () => {
  it('takes the rows from every table and file, keeps all others, and leaves a record without the value', async () => {
    const { rig, pipeline, engine, refined, store, erasure } = await world();
    await engine.stage({ pipeline, gold: refined.gold });
    await store.create('quarantine/q-p-0123456789abcdef/fix.csv', Buffer.from(`_row\n1,${SECRET}\n`), 'text/csv');
    await store.create('quarantine/q-p-more-0123456789abcdef/fix.csv', Buffer.from('keep'), 'text/csv');
    const golden = {
      rows: [
        [12.25, 50],
        [0.5, 51],
      ],
      predictions: [{ label: 'a' }, { label: 'b' }],
      tolerance: 0.1,
    };
    const report = `runs/train-p-0123456789abcdef-a1/run-report.json`;
    await store.create(report, Buffer.from(JSON.stringify({ protocol: 1, golden })), 'application/json');
    await store.create('runs/train-q-0123456789abcdef-a1/run-report.json', Buffer.from(JSON.stringify({ golden })), 'application/json');
    expect((await whereabouts(rig, SECRET)).length).toBeGreaterThan(3);

    const record = await erasure().erase({ ...asked, pipeline });

    expect(ErasureRecord.parse(record)).toEqual(record);
    expect(JSON.stringify(record)).not.toContain('Erika');
    expect(record).toMatchObject({ valueSha256: sha256(SECRET), by: 'ada', retrain: 'pending' });
    expect(record.places.map(({ place, rows, version }) => [place, rows, version])).toEqual([
      ['silver', 1, 1],
      ['gold', 1, 1],
      ['quarantine', 3, 1],
      ['corrections', null, null],
      ['staged', null, null],
      ['golden', 1, null],
    ]);
    // Runs that come later find their way in the trimmed logs.
    const files = [await rig.land('bronze/p/later.csv', HEADER + rowsOf(1, 70))];
    const later = await engine.refine({ pipeline, key: sha256('later'), container: rig.name, files });
    expect([later.silver.rows, later.gold.rows]).toEqual([4, 4]);
    const [staged] = await engine.stage({ pipeline, gold: later.gold });
    const csv = Buffer.from((await store.read(staged!.path, 10_000))!).toString();
    expect(csv.split('\n').map((line) => line.split(',')[1])).toEqual(['name', 'name 1', 'name 2', 'other', 'name 70', undefined]);
    expect(await whereabouts(rig, 'Erika')).toEqual([]);
    const kept = JSON.parse(Buffer.from((await store.read(report, 10_000))!).toString()) as { golden: unknown };
    expect(kept.golden).toEqual({ ...golden, rows: [[0.5, 51]], predictions: [{ label: 'b' }] });
    const foreign = await store.read('runs/train-q-0123456789abcdef-a1/run-report.json', 10_000);
    expect(Buffer.from(foreign!).toString()).toBe(JSON.stringify({ golden }));
    expect(await store.read('quarantine/q-p-more-0123456789abcdef/fix.csv', 100)).not.toBeNull();
  });

  it('is done once for one request, and goes on where it was cut off', async () => {
    const { rig, pipeline, erasure } = await world();
    // The record is written last: without it the same request goes through every step again.
    const first = await erasure().erase({ ...asked, pipeline });
    const again = await erasure().erase({ ...asked, pipeline, by: 'somebody else' });
    await rig.service.getContainerClient('store').deleteBlob(`erasures/p/${first.id}.json`);
    const resumed = await erasure().erase({ ...asked, pipeline });

    expect(again).toEqual(first);
    expect(resumed.places.map(({ place, rows }) => [place, rows])).toEqual([
      ['silver', null],
      ['gold', null],
      ['quarantine', 0],
      ['corrections', null],
      ['staged', null],
      ['golden', 0],
    ]);
    expect(resumed.retrain).toBe('pending');
    expect(await rig.engine.readGold({ pipeline })).toMatchObject({ version: 3 });
    expect(await erasure().erasures('p', 10)).toEqual([resumed]);
    expect(await erasure().erasures('q', 10)).toEqual([]);
  });

  it('computes gold again where gold does not know the person', async () => {
    const pipeline = pipelineOf({ source: { badRows: 'quarantine' }, gold: 'SELECT count(*) AS n, sum(amount) AS total FROM silver' });
    const { rig, erasure } = await world(pipeline);

    const record = await erasure().erase({ ...asked, pipeline });

    expect(record.places[1]).toMatchObject({ place: 'gold', rows: null, version: 1, note: 'computed again from silver' });
    expect((await judgeTable(rig.container, 'gold/p/training/')).rows).toEqual([{ n: 3n, total: 1.5 + 2.5 + 1 }]);
    expect((await rig.names('gold/p/training/')).filter((name) => name.endsWith('.parquet'))).toHaveLength(1);
  });

  it('reaches tables that the pipeline had under other names, and names those in which nobody can be found', async () => {
    const { rig, refined, erasure } = await world(
      pipelineOf({ source: { badRows: 'quarantine' }, gold: 'SELECT count(*) AS n, sum(amount) AS total FROM silver' }),
    );
    const renamed = pipelineOf({
      source: { badRows: 'quarantine' },
      tables: { silver: { name: 'rows2' }, gold: { name: 'training2' } },
    });
    await rig.container.getBlockBlobClient('silver/p/notes/readme.txt').upload('no table', 8);

    const record = await erasure().erase({ ...asked, pipeline: renamed });
    const rows = (place: string) => record.places.filter((one) => one.place === place).map(({ path, rows: gone }) => [path, gone]);

    expect(ErasureRecord.parse(record)).toEqual(record);
    expect(refined.silver.rows).toBe(4);
    expect(rows('silver')).toEqual([['silver/p/rows/', 1]]);
    expect(rows('quarantine')).toEqual([['quarantine/p/rows/', 3]]);
    expect(record.notCovered).toContainEqual(expect.stringContaining('gold/p/training/: a table that sluice.yaml names no more'));
    expect(await whereabouts(rig, SECRET)).toEqual([]);
    expect((await rig.names('silver/p/rows/')).filter((name) => name.endsWith('.parquet') && !name.includes('_log'))).toHaveLength(1);
  });

  it('of somebody who is not there changes nothing and asks nothing', async () => {
    const { rig, pipeline, erasure } = await world();
    const before = [await rig.names('silver/'), await rig.names('gold/'), await rig.names('quarantine/')];

    const record = await erasure().erase({ ...asked, pipeline, value: 'nobody' });

    expect(record).toMatchObject({ retrain: 'not-asked' });
    expect([await rig.names('silver/'), await rig.names('gold/'), await rig.names('quarantine/')]).toEqual(before);
  });

  it('is refused before anything changes when it could not be whole', async () => {
    const growing = pipelineOf({
      source: { badRows: 'quarantine' },
      gold: 'SELECT count(*) AS n FROM silver',
      tables: { gold: { mode: 'append' } },
    });
    const { rig, pipeline, erasure } = await world(growing);

    await expect(erasure().erase({ ...asked, pipeline })).rejects.toMatchObject({ code: 'erase-incomplete' });
    await expect(erasure().erase({ ...asked, pipeline, column: 'nothing' })).rejects.toMatchObject({ code: 'bad-key' });

    expect((await judgeTable(rig.container, 'silver/p/rows/')).versions).toBe(1);
  });
});

describe('whether a kept row speaks of a person', () => {
  const { sources } = pipelineOf().spec;
  it.each([
    ['its value', '1,Erika,2,3', true],
    ['another value', '1,Erik,2,3', false],
    ['the text in another column', 'Erika,x,2,3', false],
    ['a row of the wrong form with it', '1,"Erika', true],
    ['an output row', '{"name":"Erika","n":1}', true],
    ['an output row without that column', '{"who":"Erika"}', true],
    ['another output row', '{"name":"Erik","who":"Erika"}', false],
  ])('%s', (_, raw, expected) => {
    expect(concerns(sources, { file: null, raw }, 'name', 'Erika')).toBe(expected);
  });

  it('golden values are theirs when a row of gold has them all', () => {
    expect(isTheirs([1, 2, 2], [2, 1, 5, 2])).toBe(true);
    expect(isTheirs([1, 2, 2], [1, 2, 3])).toBe(false);
    expect(isTheirs(['RENT', null, 1, true], [true, 1.0000000001, 'x', 'RENT'])).toBe(true);
    expect(isTheirs(['RENT', 1], ['1', 'OWN'])).toBe(false);
    expect(isTheirs([null, null], [1, 2])).toBe(false);
  });
});

describe('retention', () => {
  it('removes what no version within it needs, keeps versions that are read, and only tells when it is asked to', async () => {
    let now = Date.now();
    const pipeline = pipelineOf({ source: { badRows: 'quarantine' }, tables: { gold: { retention: { history: '7d' } } } });
    const { rig, engine, erasure } = await world(pipeline, () => now);
    now += 1 * DAY;
    await engine.refine({
      pipeline,
      key: sha256('2'),
      container: rig.name,
      files: [await rig.land('bronze/p/b.csv', HEADER + rowsOf(3, 90))],
    });
    now += 20 * DAY;
    const parquet = async () => (await rig.names('gold/p/training/')).filter((name) => name.endsWith('.parquet')).length;

    const told = await erasure().vacuum({ pipeline, keepGold: [], dryRun: true });
    const kept = await erasure().vacuum({ pipeline, keepGold: [0], dryRun: false });
    expect([told.find(({ layer }) => layer === 'gold')?.files, kept.find(({ layer }) => layer === 'gold')?.files, await parquet()]).toEqual(
      [1, 0, 2],
    );
    const gone = await erasure().vacuum({ pipeline, keepGold: [], dryRun: false });

    expect(gone.map(({ layer, retention, files }) => [layer, retention, files])).toEqual([
      ['silver', '30d', 0],
      ['gold', '7d', 1],
      ['quarantine', '30d', 0],
    ]);
    expect(await parquet()).toBe(1);
    expect((await judgeTable(rig.container, 'gold/p/training/')).problems).toEqual([]);
  });
});
