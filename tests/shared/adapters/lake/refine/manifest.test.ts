// Manifests of the premises as tables: what is committed, what the training side is told, and what is refused.
import { describe, expect, it } from 'vitest';
import type { RemoteFile } from '../../../../../shared/ports/lake.ts';
import { judgeTable } from '../delta/checker.ts';
import { makeRig, pipelineOf, type Rig, sha256 } from '../rig.ts';

const GOLD = 'gold/p/training/';
const file = (name: string, more: Partial<RemoteFile> = {}): RemoteFile => ({
  ...{ uri: `site://plant/${name}`, sha256: sha256(name), bytes: 1000 },
  ...{ dataset: 'day 1', rows: 20, ...more },
});

function premises(parts: Parameters<typeof pipelineOf>[0] = {}) {
  const pipeline = pipelineOf({
    silver: 'SELECT dataset, uri, bytes, sha256, rows FROM manifest',
    gold: 'SELECT uri, bytes, sha256, rows FROM silver ORDER BY uri',
    tables: { silver: { mode: 'overwrite' } },
    ...parts,
  });
  return { ...pipeline, spec: { ...pipeline.spec, data: 'on-premises' as const } };
}

const refine = (rig: Rig, remote: RemoteFile[], key = 'k', pipeline = premises()) =>
  rig.engine.refine({ pipeline, key: sha256(key), container: rig.name, files: [], remote });

async function rejection(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error: unknown = await work.then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'RejectedError' });
  return error as { code: string; message: string };
}

describe('a manifest', () => {
  it('becomes one commit in gold, once for its key, with addresses and digests and nothing else', async () => {
    const rig = await makeRig();

    const first = await refine(rig, [file('b.csv'), file('a.csv', { rows: undefined })]);
    const again = await refine(rig, [file('b.csv'), file('a.csv', { rows: undefined })]);

    expect(again).toEqual(first);
    expect(first).toMatchObject({ readRows: 2, gold: { path: GOLD, version: 0, rows: 2 } });
    const { rows } = await judgeTable(rig.container, GOLD);
    expect(rows).toEqual([
      { uri: 'site://plant/a.csv', bytes: 1000n, sha256: sha256('a.csv'), rows: null },
      { uri: 'site://plant/b.csv', bytes: 1000n, sha256: sha256('b.csv'), rows: 20n },
    ]);
    expect(await rig.names('bronze/')).toEqual([]);
    expect(await rig.leftovers()).toEqual([]);
  });

  it('gives gold the same digest in whatever order it names the files, and another for other content', async () => {
    const rig = await makeRig();

    const { gold } = await refine(rig, [file('a.csv'), file('b.csv')], 'one');
    const { gold: turned } = await refine(rig, [file('b.csv'), file('a.csv')], 'two');
    const { gold: other } = await refine(rig, [file('a.csv'), file('b.csv', { sha256: sha256('new') })], 'three');

    expect(turned).toMatchObject({ version: 1, digest: gold.digest });
    expect(other.digest).not.toBe(gold.digest);
  });

  it('is told to the training side as addresses; nothing is copied', async () => {
    const rig = await makeRig();
    const { gold } = await refine(rig, [file('b.csv'), file('a.csv')]);

    expect(await rig.engine.stage({ pipeline: premises(), gold })).toEqual([
      { path: 'site://plant/a.csv', sha256: sha256('a.csv'), bytes: 1000 },
      { path: 'site://plant/b.csv', sha256: sha256('b.csv'), bytes: 1000 },
    ]);
    expect(await rig.store.digest(`staging/p/${gold.digest}/staged.json`)).toBeNull();
    expect(await rejection(rig.engine.stage({ pipeline: premises(), gold: { ...gold, digest: sha256('x') } }))).toMatchObject({
      code: 'gold-changed',
    });
    expect(await rejection(rig.engine.stage({ pipeline: premises(), gold: { ...gold, path: 'gold/q/training/' } }))).toMatchObject({
      code: 'table-foreign',
    });
  });

  it('that names a place which nobody beside the data reads is refused before a job is made', async () => {
    const rig = await makeRig();
    const { gold } = await refine(rig, [file('a.csv', { uri: 's3://plant/a.csv' })]);

    const { code, message } = await rejection(rig.engine.stage({ pipeline: premises(), gold }));

    expect(code).toBe('data-unreachable');
    expect(message).toMatch(/^s3:\/\/plant\/a\.csv: .*site:\/\/DATASET\/FILE\.$/);
  });

  it('of more files than one job is told of is refused there, too', async () => {
    const rig = await makeRig();
    const files = (count: number) => Array.from({ length: count }, (_, n) => file(`part-${n}.csv`));
    const { gold } = await refine(rig, files(500), 'fits');
    const { gold: more } = await refine(rig, files(501), 'more');

    expect(await rig.engine.stage({ pipeline: premises(), gold })).toHaveLength(500);
    expect(await rejection(rig.engine.stage({ pipeline: premises(), gold: more }))).toMatchObject({ code: 'manifest-too-long' });
  });

  it('is judged by the rules of the tables, and gold must keep what finds the files', async () => {
    const rig = await makeRig();
    const small = premises({ tables: { silver: { expect: [{ name: 'small', check: 'bytes < 10', onFail: 'fail' }] } } });
    const lost = premises({ gold: 'SELECT uri, bytes FROM silver' });

    expect(await rejection(refine(rig, [file('a.csv')], 'k', small))).toMatchObject({ code: 'expectation-failed' });
    expect((await rejection(refine(rig, [file('a.csv')], 'k', lost))).message).toContain('sha256');
    const twice = await rejection(refine(rig, [file('a.csv'), file('a.csv', { sha256: sha256('other') })]));
    expect(twice).toMatchObject({ code: 'contract-broken', message: expect.stringContaining('uri') as string });
    expect(await rig.names('gold/')).toEqual([]);
  });

  it('can be looked at before it lands', async () => {
    const rig = await makeRig();

    const preview = await rig.engine.preview({ pipeline: premises(), files: [], remote: [file('a.csv')] });

    expect(preview).toMatchObject({ refused: null, readRows: 1, layers: [{ rowsAfter: 1 }, { path: GOLD, version: 0, rowsAfter: 1 }] });
    expect(await rig.names('gold/')).toEqual([]);
  });
});
