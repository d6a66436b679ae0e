// Gold alone after somebody else's commit of silver, what commits say of where they came from, and the look before landing.
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Preview } from '../../../../../shared/contracts/tables.ts';
import { judgeTable } from '../delta/checker.ts';
import { HEADER, makeRig, pipelineOf, rowsOf, sha256, type Rig } from '../rig.ts';

const PATH = 'bronze/p/input.csv';
const GOLD = 'gold/p/training/';

async function noted(rig: Rig, root: string, version: number): Promise<Record<string, unknown>> {
  const [line = ''] = (await rig.text(`${root}_delta_log/${String(version).padStart(20, '0')}.json`)).split('\n');
  return (JSON.parse(line) as { commitInfo: { sluice: Record<string, unknown> } }).commitInfo.sluice;
}

describe('the gold step', () => {
  /** Silver of two commits; the second is as a foreign writer leaves it: without gold. */
  async function foreign() {
    const rig = await makeRig();
    const pipeline = pipelineOf();
    await rig.refine(pipeline, PATH, HEADER + rowsOf(3));
    const refusing = pipelineOf({ gold: 'SELECT * FROM silver WHERE id < 0' });
    const other = {
      ...refusing,
      spec: { ...refusing.spec, tables: { ...refusing.spec.tables, gold: { ...refusing.spec.tables.gold, name: 'other', minRows: 0 } } },
    };
    await rig.refine(other, 'bronze/p/b.csv', HEADER + rowsOf(2, 10));
    return { rig, pipeline };
  }

  it('makes gold of the version that somebody committed, once per key, with the chain', async () => {
    const { rig, pipeline } = await foreign();
    const request = { pipeline, key: sha256('gold step'), silver: { version: 1 }, chain: ['p@v1'], runId: 'refine-p-0123456789abcdef-a1' };

    const first = await rig.engine.refineGold(request);
    const again = await rig.another().refineGold(request);

    expect(first).toMatchObject({ readRows: 0, silver: { version: 1, rows: 5, addedRows: 0 }, gold: { version: 1, rows: 5 } });
    expect(again).toEqual(first);
    expect((await judgeTable(rig.container, GOLD)).versions).toBe(2);
    expect(await noted(rig, GOLD, 1)).toMatchObject({ chain: ['p@v1'], runId: 'refine-p-0123456789abcdef-a1', silverVersion: 1 });
  });

  it('sets rows of gold aside that break a rule', async () => {
    const { rig } = await foreign();
    const strict = pipelineOf({ tables: { gold: { expect: [{ name: 'small', check: 'id < 10', onFail: 'quarantine' }] } } });

    const refined = await rig.engine.refineGold({ pipeline: strict, key: sha256('strict'), silver: { version: 1 } });

    expect(refined).toMatchObject({ quarantinedRows: 2, gold: { rows: 3 } });
    const { rows } = await judgeTable(rig.container, 'quarantine/p/rows/');
    expect(rows.map((row) => [row['layer'], row['rule'], (JSON.parse(row['raw'] as string) as { id: number }).id])).toEqual([
      ['gold', 'small', 10],
      ['gold', 'small', 11],
    ]);
  });

  it('refuses a version of silver that is not there', async () => {
    const { rig, pipeline } = await foreign();

    await expect(rig.engine.refineGold({ pipeline, key: sha256('x'), silver: { version: 7 } })).rejects.toMatchObject({
      code: 'version-unknown',
    });
  });

  it('is told apart from gold that is there, now or at a version', async () => {
    const { rig, pipeline } = await foreign();
    await rig.engine.refineGold({ pipeline, key: sha256('y'), silver: { version: 1 } });
    const { digest } = await judgeTable(rig.container, GOLD);

    expect(await rig.engine.readGold({ pipeline })).toEqual({ table: 'training', path: GOLD, version: 1, digest });
    expect(await rig.engine.readGold({ pipeline, version: 0 })).toMatchObject({ version: 0 });
    expect(await rig.engine.readGold({ pipeline: { ...pipeline, name: 'nobody' } })).toBeNull();
  });
});

describe('commits of refining', () => {
  it('carry the chain and the run in every table', async () => {
    const rig = await makeRig();
    const pipeline = pipelineOf({ source: { badRows: 'quarantine' } });
    const files = [await rig.land(PATH, `${HEADER}${rowsOf(2)}bad\n`)];

    await rig.engine.refine({ pipeline, key: sha256('k'), container: rig.name, files, chain: ['q@1', 'p@2'], runId: 'r' });

    for (const root of ['silver/p/rows/', GOLD, 'quarantine/p/rows/'])
      expect(await noted(rig, root, 0)).toMatchObject({ chain: ['q@1', 'p@2'], runId: 'r' });
  });
});

describe('a look before landing', () => {
  const pipeline = pipelineOf({
    source: { badRows: 'quarantine' },
    tables: { silver: { expect: [{ name: 'small', check: 'amount < 100', onFail: 'quarantine' }] } },
  });

  /** Every blob with its eTag, and what is left in the work folder. */
  async function everything(rig: Rig): Promise<unknown> {
    const blobs = [];
    for await (const { name, properties } of rig.container.listBlobsFlat()) blobs.push([name, properties.etag, properties.contentLength]);
    return [blobs, await rig.leftovers()];
  }

  it('says what refining would do, row by row, and writes nothing', async () => {
    const rig = await makeRig();
    await rig.refine(pipeline, 'bronze/p/before.csv', HEADER + rowsOf(4));
    const before = await everything(rig);
    const content = `${HEADER}${rowsOf(3, 50)}x,bad,,1\n9,large,,1000\n`;

    const preview = await rig.engine.preview({ pipeline, files: [{ path: PATH, content: Readable.from([Buffer.from(content)]) }] });

    expect(Preview.parse(preview)).toEqual(preview);
    expect(preview).toMatchObject({ refused: null, readRows: 5, quarantinedRows: 2 });
    expect(preview.findings.map(({ rule, lines }) => [rule, lines])).toEqual([
      ['type:id', [5]],
      ['small', [6]],
    ]);
    expect(preview.quarantined.map(({ rule, file, line, raw }) => [rule, file, line, raw])).toEqual([
      ['type:id', PATH, 5, 'x,bad,,1'],
      ['small', PATH, 6, '9,large,,1000'],
    ]);
    expect(preview.layers).toMatchObject([
      { layer: 'silver', mode: 'append', version: 1, rowsBefore: 4, newRows: 3, rowsAfter: 7 },
      { layer: 'gold', mode: 'overwrite', version: 1, rowsBefore: 4, newRows: 7, rowsAfter: 7 },
    ]);
    expect(preview.layers[0]!.columns).toContainEqual({ name: 'seen', type: 'timestamp' });
    expect(await everything(rig)).toEqual(before);
  });

  it('agrees with what refining then does', async () => {
    const rig = await makeRig();
    const content = HEADER + rowsOf(6);

    const preview = await rig.engine.preview({ pipeline, files: [{ path: PATH, content: Buffer.from(content) }] });
    const { silver, gold, ...refined } = await rig.refine(pipeline, PATH, content);

    expect(preview).toMatchObject(refined);
    expect(preview.layers.map(({ version, rowsAfter }) => [version, rowsAfter])).toEqual(
      [silver, gold].map(({ version, rows }) => [version, rows]),
    );
  });

  it('looks at a file that landed, and answers with the refusal that refining would end with', async () => {
    const rig = await makeRig();
    await rig.land(PATH, 'id,nome,at,amount\n1,a,,1\n');
    const before = await everything(rig);

    const preview = await rig.engine.preview({ pipeline, files: [{ path: PATH }] });

    expect(preview).toMatchObject({ refused: { code: 'wrong-header' }, layers: [] });
    expect(preview.refused!.message).toMatch(/is "name" meant\?/);
    expect(await everything(rig)).toEqual(before);
  });
});
