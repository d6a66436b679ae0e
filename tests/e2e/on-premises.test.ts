// Data that stays where it is: a manifest lands, refining and training run at the site, the model serves; everything that crosses the
// border of the site is looked through for its rows. A component that leaks shows that the look finds them.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Followed } from '../../cli/follow.ts';
import type { Explanation, Plan } from '../../shared/contracts/http-api.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import { exampleBundle, type ExampleFile, generated } from '../support/example-bundle.ts';
import { landingFolder } from '../support/pipeline-variant.ts';
import { ROOT, runOf, startTestStack, type TestStack } from '../support/test-stack.ts';

const EXAMPLE = 'ble-location-onprem';
const REAL = resolve(ROOT, '../shared/data/iBeacon_RSSI_Labeled.csv');
const URI = 'site://ble/readings.csv';

interface Leak {
  row: string;
  via: string;
  url: string;
}
interface Crossing {
  direction: string;
  via: string;
  url: string;
  text: string;
}

let at: TestStack;
let content: Buffer;
/** What a reading looks like when it leaves: whole, without its date, and where it tells enough, its signals alone. */
let wanted: string[];
let good: Followed;
let wrong: Followed;
let bad: Followed;

const manifestOf = (sha256: string, dataset = 'ble'): string =>
  JSON.stringify({ dataset, files: [{ uri: URI, bytes: content.byteLength, sha256, rows: 1420 }] });
const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const digest = (): string => digestOf(content);
/** A reading that is not as declared; its text is nowhere else. */
const BROKEN = `Z99,10-18-2016 11:15:21,loud-and-clear${',-200'.repeat(12)}`;
async function register(name: string, change: (file: ExampleFile) => void = () => undefined): Promise<void> {
  await at.api.send('PUT', `/pipelines/${name}`, await exampleBundle(ROOT, at.stack.images, EXAMPLE, name, change));
}
const tell = async (name: string, file: string, manifest: string): Promise<Followed> => at.follow(await at.land(name, file, manifest));
/** The logs of a run's jobs are fetched from the site, as a person would have them. */
const logsOf = (run: { runId: string }) => at.api.get<{ jobs: { steps: { text: string }[] }[] }>(`/runs/${run.runId}/logs`);

async function border<Answer>(path: string, body?: object): Promise<Answer> {
  const sent = body ? { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {};
  const answer = await fetch(`${at.stack.cloud.kubeflow}/_admin/crossings${path}`, { ...sent, signal: AbortSignal.timeout(60_000) });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Answer;
}
const leaks = async (): Promise<Leak[]> => (await border<{ leaks: Leak[] }>('/search', { rows: wanted })).leaks;

function writings(line: string): string[] {
  const [cell = '', , ...signals] = line.split(',');
  const heard = signals.filter((signal) => signal !== '-200').length;
  return [line, [cell, ...signals].join(','), ...(heard >= 3 ? [signals.join(',')] : [])];
}

beforeAll(async () => {
  at = await startTestStack({
    inspectSite: true,
    components: { 'leaky-train': join(ROOT, 'tests/e2e/components/leaky-train') },
  });
  content = existsSync(REAL) ? await readFile(REAL) : await generated(ROOT, at.stack.python, 'ble-location', 1420, at.dataDir);
  const [, ...lines] = content.toString('utf8').trimEnd().split(/\r?\n/);
  wanted = lines.flatMap(writings);
  await mkdir(join(at.stack.site, 'ble'));
  await writeFile(join(at.stack.site, 'ble/readings.csv'), content);
  await register('plant');
  await register('plant-wrong');
  await register('plant-bad', ({ sources }) => void ((sources[0] as Record<string, unknown>)['badRows'] = 'fail'));
  const broken = Buffer.concat([content, Buffer.from(`${BROKEN}\n`)]);
  await writeFile(join(at.stack.site, 'ble/broken.csv'), broken);
  const file = { uri: URI.replace('readings', 'broken'), bytes: broken.byteLength, sha256: digestOf(broken) };
  [good, wrong, bad] = await Promise.all([
    tell('plant', 'day-1.json', manifestOf(digest())),
    tell('plant-wrong', 'day-1.json', manifestOf('0'.repeat(64))),
    tell('plant-bad', 'day-1.json', JSON.stringify({ dataset: 'ble', files: [file] })),
  ]);
});

afterAll(() => at?.stop());

describe('readings that stay at the site', () => {
  test('become a served model, compared on rows that were declared releasable', async () => {
    const refine = runOf(good, 'refine');
    const train = await at.api.get<Run>(`/runs/${runOf(good, 'train').runId}`);
    const promote = runOf(good, 'promote');

    expect(refine.refined).toMatchObject({ onPremises: true, readRows: 1, gold: { rows: 1 } });
    expect(train.status, JSON.stringify(train.failure)).toBe('succeeded');
    expect(train.trained?.metrics).toMatchObject({ rows: 1420, leakedRows: 0 });
    expect(train.jobs).toMatchObject([{ stage: 'train', backend: 'kubeflow' }]);
    expect(promote.promoted?.parity).toEqual({ rowsChecked: 32, rowsAgreeing: 32, worst: null });
    expect(promote.promoted?.artifactUri).toMatch(/^s3:\/\/.*\/models\/[0-9a-f]{64}\/model\.tar\.gz$/);
  });

  test('leave no row: not in a body, an address, a header or a log, either way, however it is packed', async () => {
    for (const run of [...good.runs, ...wrong.runs, ...bad.runs]) if (run.story !== 'refine') await logsOf(run);
    const { crossings } = await border<{ crossings: Crossing[] }>('');

    expect(await leaks()).toEqual([]);
    // It was looked at what matters: what the site sent, and what it was asked and told.
    const seen = (via: string, url: string) => crossings.some((one) => one.via === via && one.direction === 'out' && one.url.includes(url));
    expect(seen('proxy', 'model.tar.gz')).toBe(true);
    expect(seen('proxy', '/steps/refine/run-report.json')).toBe(true);
    expect(seen('kubeflow api', '/runs/') && seen('kubernetes api', '/pods')).toBe(true);
    expect(crossings.some(({ url, text }) => url.includes('run-report.json') && text.includes('"golden"'))).toBe(true);
  });

  test('are nowhere in the lake: a manifest landed, and tables of manifests were made of it', async () => {
    const names: string[] = [];
    for await (const { name } of at.lake.listBlobsFlat()) names.push(name);
    const landed = names.filter((name) => name.startsWith('bronze/'));

    expect(landed).toEqual(['plant-bad', 'plant-wrong', 'plant'].map((name) => `${landingFolder(name)}day-1.json`));
    expect(names.every((name) => /^(bronze|silver|gold)\/plant(-wrong|-bad)?\//.test(name))).toBe(true);
  });

  test('are told truly by why and plan, and are the same data under another manifest', async () => {
    const before = (await at.kubeflowRuns()).length;
    const again = manifestOf(digest(), 'the same, called otherwise');
    const plan = await at.api.send<Plan>('POST', '/pipelines/plant/plan?as=day-2.json', JSON.parse(again));
    const second = await tell('plant', 'day-2.json', `${again}\n`);
    const why = await at.api.get<Explanation>(`/why?subject=${encodeURIComponent(`${landingFolder('plant')}day-1.json`)}`);

    expect(plan).toMatchObject({ starts: false, doneBy: runOf(good, 'refine').runId, refine: { files: 1 } });
    expect(plan.notes.join()).toContain('stay on the premises');
    expect(second.entry.verdict).toMatchObject({ kind: 'duplicate', rule: 'same-content' });
    expect((await at.kubeflowRuns()).length).toBe(before);
    expect(why.runs.map(({ story, status }) => `${story} ${status}`)).toEqual(['refine succeeded', 'train succeeded', 'promote succeeded']);
  });

  test('are not trained on when they are not what the manifest says', async () => {
    const train = await at.api.get<Run>(`/runs/${runOf(wrong, 'train').runId}`);

    expect(train).toMatchObject({ status: 'failed', failure: { message: expect.stringContaining('sha256-mismatch') as string } });
    expect(train.failure?.message).toContain(URI);
    expect(wrong.runs.some(({ story }) => story === 'promote')).toBe(false);
  });

  test('are told of by place and not by value when they are not as declared, in the report of the failure too', async () => {
    const { failure } = await at.api.get<Run>(`/runs/${runOf(bad, 'train').runId}`);
    const { crossings } = await border<{ crossings: Crossing[] }>('');
    const reports = crossings.filter(
      ({ via, direction, url }) => via === 'proxy' && direction === 'out' && url.endsWith('/run-report.json'),
    );

    expect(failure?.message).toContain('bad-rows: 1 of 1421 rows are not as declared: type:b3001: 1 (broken.csv:1422)');
    expect(reports.some(({ text }) => text.includes('"bad-rows"'))).toBe(true);
    expect(crossings.some(({ text }) => text.includes('loud-and-clear') || text.includes('Z99'))).toBe(false);
  });

  test('are found when a component leaks them: in its log, in its report, and packed into its model', async () => {
    await fetch(`${at.stack.cloud.kubeflow}/_admin/crossings`, { method: 'DELETE', signal: AbortSignal.timeout(10_000) });
    await register('leaky', ({ train }) => {
      const [refine] = train['steps'] as object[];
      train['steps'] = [refine, { name: 'train', component: 'leaky-train', inputs: { gold: 'refine' } }];
      delete train['releasable'];
    });
    await logsOf(runOf(await tell('leaky', 'day-1.json', manifestOf(digest())), 'train'));

    const found = await leaks();
    const rowsIn = (crossing: (leak: Leak) => boolean) => new Set(found.filter(crossing).map(({ row }) => row)).size;
    expect(rowsIn(({ via, url }) => via === 'proxy' && url.endsWith('/model.tar.gz'))).toBeGreaterThan(1000);
    expect(rowsIn(({ via, url }) => via === 'proxy' && url.endsWith('/run-report.json'))).toBeGreaterThan(0);
    // A log is fetched through an API of the site.
    expect(rowsIn(({ via }) => via !== 'proxy')).toBeGreaterThan(0);
  });
});
