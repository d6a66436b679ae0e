// The first story's data through the first story's SQL, on a storage account: one commit per table, whatever is repeated.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Pipeline, type PipelineVersion } from '../../../../../shared/contracts/pipeline.ts';
import { judgeTable } from '../delta/checker.ts';
import { makeRig, sha256 } from '../rig.ts';

const REAL = '../shared/data/iBeacon_RSSI_Labeled.csv';
const EXAMPLE = 'examples/ble-location';
const present = existsSync(REAL);

function example(): PipelineVersion {
  const text = (name: string) => readFileSync(`${EXAMPLE}/${name}`, 'utf8');
  const spec = Pipeline.parse(parse(text('sluice.yaml')));
  const sql = { silver: text(spec.tables.silver.sql), gold: text(spec.tables.gold.sql) };
  return { name: spec.pipeline, digest: sha256(JSON.stringify([spec, sql])), spec, sql, images: {} };
}

describe(`refining the real BLE readings${present ? '' : ' (skipped: the data set is not on this machine)'}`, () => {
  it.skipIf(!present)('gives silver and gold once, however often it is asked', async () => {
    const rig = await makeRig();
    const pipeline = example();
    const content = readFileSync(REAL);

    const first = await rig.refine(pipeline, 'bronze/ble-location/readings.csv', content);
    const again = await rig.refine(pipeline, 'bronze/ble-location/readings.csv', content);

    expect(again).toEqual(first);
    expect(first).toMatchObject({ readRows: 1420, quarantinedRows: 0 });
    expect(first.silver).toMatchObject({ layer: 'silver', version: 0, rows: 1420, addedRows: 1420, path: 'silver/ble-location/readings/' });
    expect(first.gold).toMatchObject({ layer: 'gold', version: 0, rows: 1420, path: 'gold/ble-location/training/' });
    for (const commit of [first.silver, first.gold]) {
      const judged = await judgeTable(rig.container, commit.path);
      expect(judged.problems).toEqual([]);
      expect([judged.versions, judged.rows.length, judged.digest]).toEqual([1, 1420, commit.digest]);
    }
    expect(await rig.leftovers()).toEqual([]);
  });

  it.skipIf(!present)('stages gold as CSV that says what the file said', async () => {
    const rig = await makeRig();
    const pipeline = example();
    const { gold } = await rig.refine(pipeline, 'bronze/ble-location/readings.csv', readFileSync(REAL));

    const staged = await rig.engine.stage({ pipeline, gold });

    const csv = Buffer.from((await rig.store.read(staged[0]!.path, 10_000_000))!).toString('utf8');
    expect(staged).toEqual([{ path: `staging/ble-location/${gold.digest}/part-00000.csv`, sha256: sha256(csv), bytes: csv.length }]);
    const key = (line: string) => line.split(',');
    const source = readFileSync(REAL, 'utf8').trimEnd().split(/\r?\n/).slice(1);
    const expected = source.map(key).map(([location, date, ...signals]) => {
      const [, month, day, year, time] = /^(\d+)-(\d+)-(\d+) (\d+:\d+:\d+)$/.exec(date!)!;
      return [location, ...signals, `${year}-${month!.padStart(2, '0')}-${day!.padStart(2, '0')}T${time!.padStart(8, '0')}.000000Z`].join();
    });
    const [header, ...rows] = csv.trimEnd().split('\n');
    expect(header!.split(',').at(-1)).toBe('seen_at');
    expect(rows.sort()).toEqual(expected.sort());
  });
});
