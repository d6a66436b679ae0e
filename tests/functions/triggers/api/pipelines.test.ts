// Registering pipelines over HTTP: what is kept, and what is refused with file, line and mend.
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Problem } from '../../../../shared/contracts/http-api.ts';
import type { PipelineBundle } from '../../../../shared/contracts/pipeline.ts';
import { digestOf } from '../../../../shared/decisions/digest.ts';
import { digest, minute } from '../../../contracts/samples.ts';
import { createApi } from './harness.ts';

let file = '';
beforeAll(async () => {
  file = await readFile(new URL('../../../../examples/ble-location/sluice.yaml', import.meta.url), 'utf8');
});

const image = (name: string) => `registry.test/${name}@sha256:${digest(name)}`;
const bundle = (change: Partial<PipelineBundle> = {}): PipelineBundle => ({
  file,
  sql: { 'silver.sql': 'select * from bronze', 'gold.sql': 'select * from silver' },
  images: { 'ble-train': image('ble-train'), serve: image('serve'), transfer: image('transfer') },
  ...change,
});
const put = (api: ReturnType<typeof createApi>, body: PipelineBundle, token = 'ola/operator', name = 'ble-location') =>
  api.send('PUT', `pipelines/${name}`, { token, body });
const problemsOf = (reply: { body: unknown }) => (reply.body as Problem).problems;

describe('a registration', () => {
  it('is created, then unchanged, then updated; the digest is that of the bundle', async () => {
    const api = createApi();
    const changed = bundle({ sql: { 'silver.sql': 'select 1', 'gold.sql': 'select 2' } });

    expect(await put(api, bundle())).toMatchObject({
      status: 201,
      body: { name: 'ble-location', digest: digestOf(bundle()), result: 'created' },
    });
    expect(await put(api, bundle())).toMatchObject({ status: 200, body: { result: 'unchanged' } });
    expect(await put(api, changed)).toMatchObject({ status: 200, body: { result: 'updated', digest: digestOf(changed) } });

    expect(await api.send('GET', 'pipelines')).toMatchObject({
      body: { items: [{ name: 'ble-location', digest: digestOf(changed), updatedBy: 'ola' }] },
    });
    const current = await api.send('GET', 'pipelines/ble-location');
    expect(current.body).toMatchObject({ sql: { silver: 'select 1', gold: 'select 2' }, spec: { pipeline: 'ble-location' } });
    const first = await api.send('GET', `pipelines/ble-location?digest=${digestOf(bundle())}`);
    expect(first.body).toMatchObject({ sql: { silver: 'select * from bronze' } });
  });

  it('of data on the premises comes with its releasable rows, and with SQL over manifests', async () => {
    const api = createApi();
    const folder = new URL('../../../../examples/ble-location-onprem/', import.meta.url);
    const read = (name: string) => readFile(new URL(name, folder), 'utf8');
    const sql = { 'silver.sql': await read('silver.sql'), 'gold.sql': await read('gold.sql') };
    const images = Object.fromEntries(['csv-refine', 'ble-train', 'serve', 'transfer'].map((name) => [name, image(name)]));
    const whole = { file: await read('sluice.yaml'), sql, images, releasable: await read('releasable.csv') };
    const { releasable, ...without } = whole;
    const sent = (body: PipelineBundle) => put(api, body, 'ola/operator', 'ble-location-onprem');

    expect(await sent(whole)).toMatchObject({ status: 201, body: { digest: digestOf(whole) } });
    expect((await api.send('GET', 'pipelines/ble-location-onprem')).body).toMatchObject({ releasable });
    expect(problemsOf(await sent(without))).toMatchObject([
      { where: 'train.releasable', problem: 'the file "releasable.csv" was not sent' },
    ]);
    expect(problemsOf(await sent({ ...whole, sql: { ...sql, 'silver.sql': 'select * from bronze' } }))).toMatchObject([
      { file: 'silver.sql', problem: expect.stringContaining('does not read "manifest"') as string },
    ]);
    expect(problemsOf(await put(api, { ...bundle(), releasable: 'a\n1\n' }))).toMatchObject([{ where: 'releasable' }]);
  });

  it('is in the audit log when it changed something', async () => {
    const api = createApi();
    await put(api, bundle());
    await put(api, bundle());

    const entries = await api.deps.audit.list(minute(1001).slice(0, 10), 10);

    expect(entries).toMatchObject([{ actor: 'ola', action: 'pipeline.created', subject: 'ble-location' }]);
  });

  it('needs the role for this pipeline', async () => {
    const api = createApi();

    expect(await put(api, bundle(), 'ola/operator:other')).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('operator:ble-location') as string },
    });
    expect(await put(api, bundle(), 'rita/reader')).toMatchObject({ status: 403 });
    expect(await put(api, bundle(), 'abe/approver')).toMatchObject({ status: 403 });
    expect(await put(api, bundle(), 'ola/operator:ble-location')).toMatchObject({ status: 201 });
    expect(await api.deps.audit.list(minute(1001).slice(0, 10), 10)).toHaveLength(1);
  });
});

describe('is refused with', () => {
  it('file, line, column and mend of every mistake', async () => {
    const broken = file.replace('memoryGiB: 2', 'memoryGib: 2').replace('mode: overwrite', 'mode: overwrit');

    const reply = await put(createApi(), bundle({ file: broken }));

    expect(reply).toMatchObject({ status: 422, body: { code: 'pipeline-invalid' } });
    const line = broken.split('\n').findIndex((text) => text.includes('memoryGib')) + 1;
    expect(problemsOf(reply)).toContainEqual({
      file: 'sluice.yaml',
      line,
      column: 3,
      where: 'train.memoryGib',
      problem: 'unknown key "memoryGib"',
      mend: 'did you mean "memoryGiB"?',
    });
    expect(problemsOf(reply)).toContainEqual(
      expect.objectContaining({ where: 'tables.silver.mode', problem: 'expected "append", "overwrite" or "merge(KEY, …)"' }),
    );
  });

  it('the first mistake in the detail, for those who read no further', async () => {
    const reply = await put(createApi(), bundle({ file: 'pipeline: [' }));

    expect((reply.body as Problem).detail).toMatch(/^The pipeline was not registered\. sluice\.yaml:\d+:\d+ /);
  });

  it('a name that is not the one in the path', async () => {
    expect(problemsOf(await put(createApi(), bundle(), 'root/admin', 'other'))).toMatchObject([{ where: 'pipeline' }]);
  });

  it('SQL that is missing, empty or of no table', async () => {
    const reply = await put(createApi(), bundle({ sql: { 'silver.sql': ' ', 'gold_.sql': 'x' } }));

    expect(problemsOf(reply)).toEqual([
      { file: 'sluice.yaml', where: 'tables.gold.sql', problem: 'the file "gold.sql" was not sent', mend: 'put it beside sluice.yaml' },
      { file: 'silver.sql', where: 'tables.silver.sql', problem: 'the file is empty', mend: 'write the SELECT that makes the table' },
      { file: 'gold_.sql', where: 'sql', problem: 'no table uses this file', mend: 'did you mean "gold.sql"?' },
    ]);
  });

  it('images that are missing or of no step', async () => {
    const reply = await put(createApi(), bundle({ images: { 'ble-train': image('a'), serv: image('b') } }));

    expect(problemsOf(reply)).toMatchObject([
      { where: 'environments.dev.targets[0].component', problem: 'no image was sent for component "serve"' },
      { where: 'images.serv', mend: 'did you mean "serve"?' },
    ]);
  });

  it('a landing folder that another pipeline has', async () => {
    const api = createApi();
    await put(api, bundle());

    const reply = await put(api, bundle({ file: file.replace('pipeline: ble-location', 'pipeline: second') }), 'root/admin', 'second');

    expect(reply).toMatchObject({ status: 409, body: { code: 'landing-folder-taken', problems: [{ where: 'sources[0].path' }] } });
    expect(await api.deps.pipelines.current('second')).toBeNull();
  });
});

describe('a weaker gate', () => {
  const weaker = () => bundle({ file: file.replace('atLeast: 0.08', 'atLeast: 0.05') });

  it('needs an approver', async () => {
    const api = createApi();
    await put(api, bundle());

    const reply = await put(api, weaker());

    expect(reply).toMatchObject({
      status: 403,
      body: { code: 'gate-weakened', problems: [{ problem: 'weaker than before: top1 >= 0.08' }] },
    });
    expect(await put(api, weaker(), 'ann/operator,approver:ble-location')).toMatchObject({ status: 200, body: { result: 'updated' } });
    const [entry] = await api.deps.audit.list(minute(1001).slice(0, 10), 1);
    expect(entry?.detail).toContain('weakened gate: top1 >= 0.08');
  });

  it('is also one that is left out', async () => {
    const api = createApi();
    await put(api, bundle());

    expect(await put(api, bundle({ file: file.replace('  - metric: leakedRows\n    atMost: 0\n', '') }))).toMatchObject({ status: 403 });
    expect(await put(api, bundle({ file: file.replace('atLeast: 0.08', 'atLeast: 0.2') }))).toMatchObject({ status: 200 });
  });
});

describe('reading', () => {
  it('says that a pipeline is not there', async () => {
    expect(await createApi().send('GET', 'pipelines/none')).toMatchObject({ status: 404, body: { code: 'pipeline-unknown' } });
    expect(await createApi().send('GET', `pipelines/none?digest=${digest('x')}`)).toMatchObject({ status: 404 });
  });

  it('shows a narrowed reader their own pipeline only', async () => {
    const api = createApi();
    await put(api, bundle());

    expect(await api.send('GET', 'pipelines', { token: 'rita/reader:other' })).toMatchObject({ status: 200, body: { items: [] } });
    expect(await api.send('GET', 'pipelines/ble-location', { token: 'rita/reader:other' })).toMatchObject({ status: 403 });
    expect(await api.send('GET', 'pipelines', { token: 'rita/reader:ble-location' })).toMatchObject({
      body: { items: [{ name: 'ble-location' }] },
    });
  });
});
