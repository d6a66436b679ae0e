// Data in and results out through the transfer component, and the border of a site: what leaves is model, metrics and report, never a row.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Border, openBorder } from '../../../../local/cloud/kubeflow/site/border.ts';
import { createCrossingLog } from '../../../../local/cloud/kubeflow/site/crossings.ts';
import { rowsIn } from '../../../../local/cloud/kubeflow/site/leaks.ts';
import { awsPodDefault } from '../../../../shared/adapters/kubeflow/platform.ts';
import type { JobSpec, JobSpecInput } from '../../../../shared/contracts/training.ts';
import { openSite, openStore, scripts, type SiteOptions, type SiteRig, TRANSFER_IMAGE } from './site-rig.ts';

const ROWS = 'location,b3001,b3002,b3003\nO02,-75,-200,-61\nP01,-63,-200,-80\n';
const OUT = [{ output: 'result' }] as const;
/** Packs a text in several ways, each in base64. */
const PACKS = `
import base64, io, json, sys, tarfile, zipfile, zlib
text = sys.argv[1].encode()
def zipped(method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', method) as archive:
        archive.writestr('readme', b'nothing here')
        archive.writestr('arrays/rows.csv', text)
    return buffer.getvalue()
def tarred(mode, content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in (('model.json', b'{}'), ('deep/rows.csv', content)):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
ways = {'tar': tarred('w', text), 'tgz': tarred('w:gz', text), 'zip': tarred('w:gz', zipped(zipfile.ZIP_DEFLATED)), 'stored': zipped(zipfile.ZIP_STORED), 'zlib': zlib.compress(text)}
print(json.dumps({name: base64.b64encode(content).decode() for name, content in ways.items()}))
`;
let store: Awaited<ReturnType<typeof openStore>>;
let folder = '';
let site: SiteRig | undefined;
let border: Border | undefined;

beforeAll(async () => {
  store = await openStore();
  folder = mkdtempSync(join(tmpdir(), 'sluice-data-'));
  mkdirSync(join(folder, 'ble'));
  writeFileSync(join(folder, 'ble/rows.csv'), ROWS);
});
afterAll(async () => {
  await store.server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => store.objects.clear());
afterEach(async () => {
  await site?.close();
  await border?.close();
  site = undefined;
  border = undefined;
});
const open = (options: SiteOptions = {}): SiteRig => (site = openSite(options));

const input = (url: string, name = 'rows.csv') => ({
  name,
  storePath: name,
  sha256: createHash('sha256').update(ROWS).digest('hex'),
  bytes: ROWS.length,
  url,
});
const leaves = (step: string, file: string, path: string, optional = false) => ({
  ...{ step, output: 'result', file, storePath: path, optional },
  ...{ url: store.url(path), readUrl: store.url(path) },
});
/** Writes files into its output folder; `read` is put before, with the folder of its inputs as `data`. */
const writes = (files: Record<string, string>, before = '') =>
  `const fs = require('fs'); const [, out, data] = process.argv; fs.mkdirSync(out, { recursive: true }); ${before}
   for (const [name, text] of Object.entries(${JSON.stringify(files)})) fs.writeFileSync(out + '/' + name, text);`;
const COUNT = `const rows = fs.readFileSync(data + '/rows.csv', 'utf8').trim().split('\\n').length - 1; fs.writeFileSync(out + '/rows.json', JSON.stringify({ rows }));`;

function job(name: string, steps: Parameters<typeof scripts>[1], more: Partial<JobSpecInput>): JobSpec {
  return scripts(name, steps, { transferImage: TRANSFER_IMAGE, ...more });
}

describe('a neutral job on Kubeflow', () => {
  it('gets its inputs by name, works in branches, and leaves every export at its place', async () => {
    store.objects.set('/in/rows.csv', ROWS);
    const { backend, end } = open();
    const steps = {
      left: { script: writes({ 'left.txt': 'L', 'run-report.json': '{"step":"left"}' }, COUNT), args: [...OUT, { input: 'gold' }] },
      right: { script: writes({ 'right.txt': 'R' }), args: [...OUT, { input: 'gold' }] },
      join: {
        script: writes({ 'model.tar.gz': 'M', 'run-report.json': '{"step":"join"}' }),
        args: [...OUT, { from: 'left', output: 'result' }, { from: 'right', output: 'result' }],
      },
    };
    const { jobId } = await backend.submit(
      job('train-a-1', steps, {
        inputs: { gold: [input(store.url('in/rows.csv'))] },
        exports: [
          leaves('left', 'rows.json', 'r/files/left/rows.json', true),
          leaves('left', 'absent.png', 'r/files/left/absent.png', true),
          leaves('left', 'run-report.json', 'r/steps/left/run-report.json', true),
          leaves('join', 'run-report.json', 'r/steps/join/run-report.json', true),
          leaves('join', 'model.tar.gz', 'r/model.tar.gz'),
          leaves('join', 'run-report.json', 'r/run-report.json'),
        ],
      }),
    );

    expect(await end(jobId)).toMatchObject({ state: 'succeeded' });
    expect(Object.fromEntries(store.objects)).toEqual({
      '/in/rows.csv': ROWS,
      '/r/files/left/rows.json': '{"rows":2}',
      '/r/steps/left/run-report.json': '{"step":"left"}',
      '/r/steps/join/run-report.json': '{"step":"join"}',
      '/r/model.tar.gz': 'M',
      '/r/run-report.json': '{"step":"join"}',
    });
    // The last report says that everything else is there.
    expect([...store.objects.keys()].at(-1)).toBe('/r/run-report.json');
  });

  it('still leaves what was made when another branch failed, and names the step that failed first', async () => {
    const { backend, end } = open();
    const { jobId } = await backend.submit(
      job(
        'train-b-1',
        {
          good: { script: writes({ 'run-report.json': '{"step":"good"}' }), args: [...OUT] },
          bad: {
            script: `console.error('the disk is made of cheese'); process.exit(3)`,
            args: [...OUT, { from: 'good', output: 'result' }],
          },
        },
        {
          exports: [
            leaves('good', 'run-report.json', 'r/steps/good/run-report.json', true),
            leaves('bad', 'run-report.json', 'r/steps/bad/run-report.json', true),
            leaves('bad', 'model.tar.gz', 'r/model.tar.gz'),
          ],
        },
      ),
    );
    const { state, reason } = await end(jobId);

    expect([state, [...store.objects.keys()]]).toEqual(['failed', ['/r/steps/good/run-report.json']]);
    expect(reason).toMatch(/^step bad: .*the disk is made of cheese/);
  });
});

describe('data that must not leave its site', () => {
  const guarded = async (): Promise<SiteRig> => {
    const opened = (border = await openBorder());
    return open({
      around: (cloud, via) => opened.around(cloud, via),
      kubeflow: { volumes: { 'site-data': folder }, stepEnv: opened.stepEnv },
      backend: { pods: { site: { claim: 'site-data', mountPath: '/data' } } },
    });
  };
  const rows = ROWS.trim().split('\n').slice(1);
  const leaks = () => rowsIn(border?.crossings.list() ?? [], rows);
  const training = (name: string, before: string) =>
    job(
      name,
      {
        train: {
          script: writes({ 'run-report.json': '{"metrics":{"top1":0.15}}', 'model.tar.gz': 'weights' }, before),
          args: [...OUT, { input: 'gold' }],
        },
      },
      {
        inputs: { gold: [input('site://ble/rows.csv')] },
        exports: [leaves('train', 'model.tar.gz', 'r/model.tar.gz'), leaves('train', 'run-report.json', 'r/run-report.json')],
      },
    );

  it('is read beside it; model, metrics and report go out through the border, and no row does', async () => {
    const { backend, end } = await guarded();
    const { jobId } = await backend.submit(training('train-a-1', COUNT));
    const { state } = await end(jobId);
    await backend.logs(jobId, 10_000);
    const out = border?.crossings.list().filter(({ direction, via }) => direction === 'out' && via === 'proxy');

    expect(state).toBe('succeeded');
    expect(store.objects.get('/r/model.tar.gz')).toBe('weights');
    expect(out?.map(({ url, text }) => [new URL(url).pathname, text])).toEqual([
      ['/r/model.tar.gz', 'weights'],
      ['/r/run-report.json', '{"metrics":{"top1":0.15}}'],
    ]);
    expect(new Set(border?.crossings.list().map(({ via }) => via))).toEqual(new Set(['kubeflow api', 'kubernetes api', 'proxy']));
    expect(leaks()).toEqual([]);
  });

  it.each([
    ['a log line', `console.log(fs.readFileSync(data + '/rows.csv', 'utf8').split('\\n')[1]);`, 'kubeflow api'],
    [
      'the run report',
      `setTimeout(() => fs.writeFileSync(out + '/run-report.json', JSON.stringify({ golden: { rows: [['O02', -75, -200, -61.0]] } })));`,
      'proxy',
    ],
  ])('is found out when it leaves in %s', async (_name, leak, via) => {
    const { backend, end } = await guarded();
    const { jobId } = await backend.submit(training('train-b-1', leak));
    await end(jobId);
    await backend.logs(jobId, 10_000);

    expect(leaks().map((found) => found.via)).toContain(via);
  });

  it('is looked for by the admin route too', async () => {
    const { kubeflowCloud, backend, end } = await guarded();
    const { jobId } = await backend.submit(training('train-c-1', `console.log(fs.readFileSync(data + '/rows.csv', 'utf8'));`));
    await end(jobId);
    await backend.logs(jobId, 10_000);
    const ask = async (method: string, path: string, body?: object) => {
      const headers = { 'content-type': 'application/json' };
      return kubeflowCloud.fetch(new Request(`http://kfp${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) }));
    };
    const found = (await (await ask('POST', '/_admin/crossings/search', { rows })).json()) as { leaks: { row: string }[] };

    expect(new Set(found.leaks.map(({ row }) => row))).toEqual(new Set(rows));
    expect((await ask('POST', '/_admin/crossings/search', { rows: ['a,b'] })).status).toBe(400);
    expect((await ask('DELETE', '/_admin/crossings')).status).toBe(204);
    expect(await (await ask('GET', '/_admin/crossings')).json()).toEqual({ crossings: [] });
  });

  it('that is not what the manifest says is refused beside it', async () => {
    const { backend, end } = await guarded();
    const { jobId } = await backend.submit({
      ...training('train-d-1', COUNT),
      inputs: { gold: [{ ...input('site://ble/rows.csv'), sha256: '0'.repeat(64) }] },
    });

    expect(await end(jobId)).toMatchObject({ state: 'failed', reason: expect.stringContaining('sha256-mismatch') as string });
  });
});

describe('rows are found however they are written', () => {
  const found = (text: string) =>
    rowsIn([{ direction: 'out', via: 'x', method: 'GET', url: '/', bytes: 1, text }], ['O02,-75,-200,-61']).length;

  it.each([
    'O02,-75,-200,-61',
    'x\nO02;-75;-200;-61\n',
    '["O02", -75, -200.0, -61]',
    '{"location":"O02","b1":-75,"b2":-200,"b3":-61}',
    'O02\t-75\t-200\t-61',
    '"log":"O02,-75,-200,-61\\n"',
    'row 7 is O02,-75,-200,-61.',
    "Error: could not convert ('O02', -75.0, -200, -61): bad row",
    'O02 -75 -200 -61',
  ])('%j', (text) => {
    expect(found(text)).toBe(1);
  });

  const ROW = 'P01,-63,-200,-80';
  const packed = JSON.parse(execFileSync('/usr/bin/python3', ['-c', PACKS, `x\n${ROW}\n`], { encoding: 'utf8' })) as Record<
    'tar' | 'tgz' | 'zip' | 'stored' | 'zlib',
    string
  >;
  const sent = (body: Uint8Array | string, more: { url?: string; headers?: Record<string, string> } = {}) => {
    const log = createCrossingLog();
    const way = { direction: 'out', via: 'proxy', method: 'PUT', url: 'http://x/model.tar.gz?sig=SECRET' } as const;
    log.add({ ...way, body: Buffer.from(body), ...more });
    return rowsIn(log.list(), [ROW]);
  };

  it.each([
    ['a tar', Buffer.from(packed.tar, 'base64')],
    ['a packed tar', Buffer.from(packed.tgz, 'base64')],
    ['a zip in a packed tar in base64 in JSON', JSON.stringify({ model: packed.zip })],
    ['a zip that only stores', Buffer.from(packed.stored, 'base64')],
    ['a zlib stream', Buffer.from(packed.zlib, 'base64')],
    ['base64', Buffer.from(`{"x":"${Buffer.from(`some rows\n${ROW}\nand more`).toString('base64')}"}`)],
    [
      'base64 over lines',
      Buffer.from(`some rows before this one\n${ROW}\nand more`)
        .toString('base64')
        .replace(/(.{30})/g, '$1\n'),
    ],
    ['hexadecimal', Buffer.from(`rows of the site: \n${ROW}\n and others`).toString('hex')],
    ['percent signs', `rows=${encodeURIComponent(`\n${ROW}\n`)}`],
    ['two bytes a character', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(`\n${ROW}\n`, 'utf16le')])],
  ])('also within %s', (_name, body) => {
    expect(sent(body)).toMatchObject([{ row: ROW, url: 'http://x/model.tar.gz' }]);
  });

  it('also in an address, its query and a header, which are not shown', () => {
    expect(sent('x', { url: `http://x/put?row=${encodeURIComponent(ROW)}` })).toHaveLength(1);
    expect(sent('', { headers: { 'x-row': ROW } })).toHaveLength(1);
    expect(sent('x', { url: `http://x/${encodeURIComponent(ROW)}/a` })).toHaveLength(1);
    expect(sent('nothing but words')).toEqual([]);
  });

  it('and what passed is counted by kind', async () => {
    const log = createCrossingLog();
    const put = (url: string, body: string) => log.add({ direction: 'out', via: 'proxy', method: 'PUT', url, body: Buffer.from(body) });
    put('http://x/a/model.tar.gz?sig=1', 'four');
    put('http://x/b/model.tar.gz?sig=2', 'five5');
    put('http://x/runs/0123456789abcdef', 'x');

    expect(await (await log.administer(new Request('http://x/_admin/crossings/summary')))?.json()).toEqual({
      kinds: [
        { direction: 'out', via: 'proxy', what: 'PUT model.tar.gz', bodies: 2, bytes: 9 },
        { direction: 'out', via: 'proxy', what: 'PUT …', bodies: 1, bytes: 1 },
      ],
    });
  });

  it('also within what is packed once', () => {
    const log = createCrossingLog();
    log.add({
      direction: 'out',
      via: 'proxy',
      method: 'PUT',
      url: 'http://x/model.tar.gz?sig=SECRET',
      body: gzipSync('x\nP01;-63;-200;-80\n'),
    });

    expect(rowsIn(log.list(), ['P01,-63,-200,-80'])).toMatchObject([{ url: 'http://x/model.tar.gz' }]);
  });

  it.each(['O02,-75,-200', 'O02,-75,-200,-612', 'XO02,-75,-200,-61', '-61,-200,-75,O02', ''])('and %j is none', (text) => {
    expect(found(text)).toBe(0);
  });
});

it('a step that sends has an AWS identity of its own: a projected token for one audience, and no key', async () => {
  const aws = { roleArn: 'arn:aws:iam::123456789012:role/train', audience: 'sts.amazonaws.com', region: 'eu-central-1' };
  const { backend, kubernetesCloud, end } = open({ backend: { pods: { aws } } });
  const path = 'http://k8s/apis/kubeflow.org/v1alpha1/namespaces/ml/poddefaults';
  const headers = { authorization: 'Bearer of-sluice', 'content-type': 'application/json' };
  await kubernetesCloud.fetch(new Request(path, { method: 'POST', headers, body: JSON.stringify(awsPodDefault('ml', aws)) }));
  const tell = `const token = process.env.AWS_WEB_IDENTITY_TOKEN_FILE; const { sub, aud, exp, iat } = token ? JSON.parse(Buffer.from(require('fs').readFileSync(token, 'utf8').split('.')[1], 'base64url')) : {};
    console.log(JSON.stringify({ sub, aud, life: exp - iat, role: process.env.AWS_ROLE_ARN, key: process.env.AWS_SECRET_ACCESS_KEY }));`;
  const { jobId } = await backend.submit(scripts('promote-a-1', { publish: { script: tell }, other: { script: tell } }));
  await end(jobId);
  const sending = { ...scripts('promote-b-1', { publish: { script: tell } }) };
  const { jobId: second } = await backend.submit({ ...sending, steps: sending.steps.map((step) => ({ ...step, component: 'transfer' })) });
  await end(second);
  const said = async (id: string) => (await backend.logs(id, 10_000)).map(({ text }) => JSON.parse(text) as unknown);

  expect(await said(jobId)).toEqual([{ life: null }, { life: null }]);
  expect(await said(second)).toEqual([
    { sub: 'system:serviceaccount:ml:default-editor', aud: ['sts.amazonaws.com'], life: 3600, role: aws.roleArn },
  ]);
});
