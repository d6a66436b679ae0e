// Files of a site as the command line describes them, and what it asks the border of the local one.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { manifest } from '../../cli/commands/manifest.ts';
import { createContext } from '../../cli/context.ts';
import type { Output } from '../../cli/output.ts';
import { parityWords, contentWords } from '../../cli/result-words.ts';
import { lookAtBorder, putAtSite } from '../../cli/site-data.ts';
import { createCrossingLog } from '../../local/cloud/kubeflow/site/crossings.ts';
import { serve } from '../../local/cloud/kit/server.ts';
import { DataManifest } from '../../shared/contracts/data-manifest.ts';

const CSV = 'location,date,b3001\nK04,10-18-2016 11:15:21,-70\nK05,10-18-2016 11:15:23,-71\n';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
let folder: string;
const output = { line: () => undefined, result: () => undefined, paint: { bold: String } } as unknown as Output;
const context = createContext({ output, environment: {}, root: process.cwd(), dataDir: '/nowhere' });

beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'sluice-manifest-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

test('a manifest names the files of a folder by address, size and digest', async () => {
  await mkdir(join(folder, 'ble/.cache'), { recursive: true });
  await writeFile(join(folder, 'ble/b.csv'), CSV);
  await writeFile(join(folder, 'ble/a.csv'), 'x\n');
  await writeFile(join(folder, 'ble/.hidden'), 'no');
  const out = join(folder, 'm.json');

  expect(await manifest.run(context, [join(folder, 'ble')], { at: 'site://ble/', out })).toBe(0);

  expect(JSON.parse(await readFile(out, 'utf8'))).toEqual({
    dataset: 'ble',
    files: [
      { uri: 'site://ble/a.csv', bytes: 2, sha256: sha256('x\n') },
      { uri: 'site://ble/b.csv', bytes: CSV.length, sha256: sha256(CSV) },
    ],
  });
});

test.each([
  ['a credential in the address', 'https://user:secret@minio.plant/x', 'a.csv', CSV],
  ['a place of no kind', 'ble', 'a.csv', CSV],
  ['an empty file', 'site://ble', 'a.csv', ''],
  ['nothing there', 'site://ble', 'b.csv', CSV],
  ['a name that a site does not read', 'site://ble', 'of may.csv', CSV],
])('a manifest is not written of %s', async (_what, at, name, content) => {
  await writeFile(join(folder, name === 'b.csv' ? 'a.csv' : name), content);
  const out = join(folder, 'm.json');

  await expect(manifest.run(context, [join(folder, name)], { at, out })).rejects.toMatchObject({ name: 'CommandError', exitCode: 2 });
  await expect(readFile(out)).rejects.toThrow();
});

test('a file of the demo goes to the site, and its manifest is what lands', async () => {
  const file = join(folder, 'my readings.csv');
  await writeFile(file, CSV);

  const put = await putAtSite({ site: join(folder, 'site'), dataset: 'ble', file, workDir: folder });

  expect(await readFile(join(folder, 'site/ble/my_readings.csv'), 'utf8')).toBe(CSV);
  const landed = DataManifest.parse(JSON.parse(await readFile(put.manifest, 'utf8')));
  expect(landed.files).toEqual([{ uri: 'site://ble/my_readings.csv', bytes: CSV.length, sha256: sha256(CSV), rows: 2 }]);
  expect(put.rows).toEqual(['K04,10-18-2016 11:15:21,-70', 'K05,10-18-2016 11:15:23,-71']);
});

test('the border is asked what passed and whether rows are in it', async () => {
  const log = createCrossingLog();
  const put = (body: string) =>
    log.add({ direction: 'out', via: 'proxy', method: 'PUT', url: 'http://x/report.json', body: Buffer.from(body) });
  const server = await serve(async (request) => (await log.administer(request)) ?? new Response(null, { status: 404 }));
  const rows = ['K04,10-18-2016 11:15:21,-70', 'K05,10-18-2016 11:15:23,-71'];
  try {
    put('{"top1":0.5}');
    expect(await lookAtBorder(server.url, rows)).toMatchObject({ rowsLookedFor: 2, rowsFound: 0, kinds: [{ what: 'PUT report.json' }] });
    put('{"rows":[["K05","10-18-2016 11:15:23",-71]]}');
    expect(await lookAtBorder(server.url, rows)).toMatchObject({ rowsFound: 1, kinds: [{ bodies: 2 }] });
  } finally {
    await server.close();
  }
});

test('what a run came to is said in words that are true of it', () => {
  expect([contentWords({}, 400), contentWords({ onPremises: true }, 1), contentWords({ onPremises: true }, 2)]).toEqual([
    '400 rows',
    '1 file on the premises',
    '2 files on the premises',
  ]);
  expect(parityWords({ rowsChecked: 32, rowsAgreeing: 31, worst: 'row 3' })).toBe('31 of 32 golden rows agree');
  const shapeOnly = 'no releasable rows: endpoint checked by shape only';
  expect(parityWords({ rowsChecked: 0, rowsAgreeing: 0, worst: null, shapeOnly })).toBe(shapeOnly);
});
