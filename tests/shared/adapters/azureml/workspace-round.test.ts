// One round through the stand-in: data in by datastore path, results where the job said, metrics, assets, a registry, a search, a logged run.
import { randomBytes } from 'node:crypto';
import { ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createAzureMlApi } from '../../../../shared/adapters/azureml/api.ts';
import { createAssetRegistry } from '../../../../shared/adapters/azureml/assets.ts';
import { createMlflow } from '../../../../shared/adapters/azureml/mlflow.ts';
import { createRunLogger } from '../../../../shared/adapters/azureml/run-logger.ts';
import { createAzureMlSweeps } from '../../../../shared/adapters/azureml/sweep.ts';
import { isTerminal, JobSpec, type JobSpecInput } from '../../../../shared/contracts/training.ts';
import { STEP_IMAGE } from '../../../contracts/training-backend.suite.ts';
import { localAzureMl, type LocalAzureMl, SUBSCRIPTION } from './local-azureml.ts';

let local: LocalAzureMl;
/** The container of the store, in a real storage service. */
const container = new ContainerClient(inject('storage'), `round${randomBytes(6).toString('hex')}`);
beforeAll(async () => {
  await container.create();
  const stored = { accountName: 'devstoreaccount1', container: container.containerName, connectionString: inject('storage') };
  local = await localAzureMl({
    registries: [{ name: 'shared-models' }],
    workspaces: [{ name: 'ws', computes: [{ name: 'cpu', type: 'AmlCompute' }], datastores: [{ name: 'sluice', ...stored }] }],
  });
  const files = { 'staged/abc/part-0.csv': 'a\n1\n', 'staged/abc/part-1.csv': 'a\n2\n', 'staged/else/x.csv': 'a\n3\n' };
  await Promise.all(Object.entries(files).map(([path, text]) => container.getBlockBlobClient(path).upload(text, text.length)));
});
afterAll(async () => {
  await local.close();
  await container.deleteIfExists();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
async function eventually<Value>(look: () => Promise<Value>, reached: (value: Value) => boolean): Promise<Value> {
  for (let turn = 0; turn < 400; turn += 1) {
    const value = await look();
    if (reached(value)) return value;
    await pause(20);
  }
  throw new Error('it did not get there');
}
const kept = async (path: string) => (await container.getBlobClient(path).downloadToBuffer()).toString('utf8');
const isKept = (path: string) => container.getBlobClient(path).exists();
const file = (name: string, storePath: string) => ({ name, storePath, sha256: '0'.repeat(64), bytes: 4, url: 'https://x.example/?sig=S' });
const out = (step: string, name: string, storePath: string, optional = false) => ({
  step,
  output: 'result',
  file: name,
  storePath,
  url: 'u',
  readUrl: 'r',
  optional,
});

/** Reads all files of its inputs, writes what it read, a report and a model. */
const WORK = `
const fs = require('fs'), path = require('path');
const [, ...words] = process.argv;
const out = words.at(-1), params = JSON.parse(words.at(-2));
fs.mkdirSync(out);
const read = (word) => { const at = word.slice(word.indexOf('=') + 1); return fs.readdirSync(at).sort().map((name) => name + ':' + fs.readFileSync(path.join(at, name), 'utf8').trim().split('\\n').at(-1)).join(' '); };
fs.writeFileSync(path.join(out, 'seen.txt'), words.slice(0, -2).map(read).join(' | '));
fs.writeFileSync(path.join(out, 'run-report.json'), JSON.stringify({ params }));
fs.writeFileSync(path.join(out, 'model.tar.gz'), 'a model');
if (params.fail) { console.error('as it was told to'); process.exit(4); }
`;
const step = (name: string, args: JobSpecInput['steps'][number]['args']) => ({
  name,
  image: STEP_IMAGE,
  command: ['node', '-e', WORK],
  args: [...args, { parameter: 'params' }, { output: 'result' }],
  cpu: 1,
  memoryGiB: 1,
});
const jobOf = (name: string, more: Partial<JobSpecInput>): JobSpec =>
  JobSpec.parse({
    name,
    graph: 'round-train',
    steps: [],
    parameters: { params: '{"alpha":0.5}' },
    labels: {},
    inputs: { gold: [file('part-0.csv', 'staged/abc/part-0.csv'), file('part-1.csv', 'staged/abc/part-1.csv')] },
    ...more,
  });
const ended = (name: string) =>
  eventually(
    () => local.backend().get(name),
    ({ state }) => isTerminal(state),
  );

describe('files', () => {
  it('of a job of one step come in by path and are found where the job said', async () => {
    const exports = [
      out('train', 'model.tar.gz', 'runs/one/model.tar.gz'),
      out('train', 'seen.txt', 'runs/one/files/train/seen.txt', true),
      out('train', 'run-report.json', 'runs/one/run-report.json'),
    ];
    await local.backend().submit(jobOf('train-round-1', { steps: [step('train', [{ input: 'gold', prefix: 'gold=' }])], exports }));

    await expect(ended('train-round-1')).resolves.toMatchObject({ state: 'succeeded', reason: null });
    expect(await kept('runs/one/files/train/seen.txt')).toBe('part-0.csv:1 part-1.csv:2');
    expect(JSON.parse(await kept('runs/one/run-report.json'))).toEqual({ params: { alpha: 0.5 } });
    expect(await kept('runs/one/model.tar.gz')).toBe('a model');
  });

  it('of a graph pass from step to step, files of several folders lie together, and each step leaves its own', async () => {
    const inputs = {
      gold: [file('part-0.csv', 'staged/abc/part-0.csv')],
      extra: [file('renamed.csv', 'staged/else/x.csv'), file('part-1.csv', 'staged/abc/part-1.csv')],
    };
    const steps = [
      step('make-set', [{ input: 'extra' }]),
      step('train', [
        { from: 'make-set', output: 'result', prefix: 'set=' },
        { input: 'extra', prefix: 'extra=' },
      ]),
    ];
    const exports = [
      out('make-set', 'run-report.json', 'runs/two/steps/make-set/run-report.json', true),
      out('train', 'seen.txt', 'runs/two/files/train/seen.txt', true),
      out('train', 'run-report.json', 'runs/two/run-report.json'),
    ];
    await local.backend().submit(jobOf('train-round-2', { steps, exports, inputs }));

    await expect(ended('train-round-2')).resolves.toMatchObject({ state: 'succeeded' });
    expect(await kept('runs/two/files/train/seen.txt')).toMatch(
      /^model\.tar\.gz:a model run-report\.json:.* seen\.txt:part-1\.csv:2 renamed\.csv:3 \| part-1\.csv:2 renamed\.csv:3$/,
    );
    expect(await isKept('runs/two/steps/make-set/run-report.json')).toBe(true);
  });

  it('of a graph under an identity of its own, with a limit of time', async () => {
    const backend = local.backend({ clientId: '99999999-0000-4000-8000-000000000009' });
    const steps = [step('make-set', []), step('train', [{ from: 'make-set', output: 'result', prefix: 'set=' }])];
    await backend.submit(jobOf('train-round-5', { steps, inputs: {}, timeoutSeconds: 600, parameters: { params: '{}' } }));

    await expect(ended('train-round-5')).resolves.toMatchObject({ state: 'succeeded' });
  });

  it('of a step that failed: its own report is there, the report of the run is not', async () => {
    const exports = [
      out('train', 'run-report.json', 'runs/three/steps/train/run-report.json', true),
      out('train', 'run-report.json', 'runs/three/run-report.json'),
    ];
    await local
      .backend()
      .submit(jobOf('train-round-3', { steps: [step('train', [{ input: 'gold' }])], exports, parameters: { params: '{"fail":true}' } }));

    await expect(ended('train-round-3')).resolves.toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/step train.*4.*as it was told to/) as string,
    });
    expect(await isKept('runs/three/steps/train/run-report.json')).toBe(true);
    expect(await isKept('runs/three/run-report.json')).toBe(false);
  });
});

/** Logs a metric as MLflow's client does inside a job. */
const LOG = `
const [, params] = process.argv;
const base = process.env.MLFLOW_TRACKING_URI.replace('azureml://', 'http://') + '/api/2.0/mlflow/';
const { alpha, kind } = JSON.parse(params);
const value = kind === 'good' ? 1 - alpha : 0.1;
const metrics = [{ key: 'auc', value, timestamp: Date.now(), step: 0 }, { key: 'loss', value: 'NaN', timestamp: Date.now(), step: 0 }];
fetch(base + 'runs/log-batch', { method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer ' + process.env.MLFLOW_TRACKING_TOKEN }, body: JSON.stringify({ run_id: process.env.MLFLOW_RUN_ID, metrics, params: [], tags: [] }) }).then((answer) => { if (!answer.ok) { console.error(answer.status); process.exit(1); } });
`;
const logging = (name: string, params: string) =>
  jobOf(name, { steps: [{ ...step('train', []), command: ['node', '-e', LOG], args: [{ parameter: 'params' }] }], parameters: { params } });

it('metrics that a job logged are read, but for those that are not numbers', async () => {
  await local.backend().submit(logging('train-round-4', '{"alpha":0.25,"kind":"good"}'));
  await ended('train-round-4');

  await expect(local.backend().readMlflowMetrics('train-round-4')).resolves.toEqual({ metrics: { auc: 0.75 }, notFinite: ['loss'] });
});

it('a search tries values, and its best trial is told with them', async () => {
  const sweeps = createAzureMlSweeps(local.options());
  const objective = { metric: 'auc', goal: 'maximize' as const };
  const space = { alpha: { uniform: [0.1, 0.4] as [number, number] }, kind: { choice: ['good', 'bad'] }, fast: { choice: [true, false] } };
  await sweeps.submit({ job: logging('sweep-round-1', '{"depth":3}'), space, objective, trials: 5, parallel: 3, seed: 4 });

  const { state, trials } = await eventually(
    () => sweeps.get('sweep-round-1', objective),
    (sweep) => sweep.state !== 'pending' && sweep.state !== 'running',
  );

  expect(state).toBe('succeeded');
  expect(trials).toHaveLength(5);
  for (const { params, metric } of trials) {
    expect(typeof params['fast']).toBe('boolean');
    expect(metric).toBeCloseTo(params['kind'] === 'good' ? 1 - Number(params['alpha']) : 0.1, 9);
  }
  for (const { startedAt, endedAt, metrics } of trials) {
    expect(Date.parse(endedAt ?? '')).toBeGreaterThan(Date.parse(startedAt ?? ''));
    expect(Object.keys(metrics)).toEqual(['auc']);
  }
  expect(trials.map(({ metric }) => metric)).toEqual(trials.map(({ metric }) => metric).sort((a, b) => Number(b) - Number(a)));
});

it('a search compares components that only write a run report', async () => {
  const sweeps = createAzureMlSweeps(local.options());
  const objective = { metric: 'top1', goal: 'maximize' as const };
  const write = `const fs = require('fs'); const [, params, out] = process.argv; const { alpha } = JSON.parse(params); fs.mkdirSync(out);
    fs.writeFileSync(out + '/run-report.json', JSON.stringify({ metrics: { top1: 1 - alpha, "it's %": 2, none: null } }))`;
  const job = jobOf('sweep-round-2', {
    steps: [{ ...step('train', []), command: ['node', '-e', write], args: [{ parameter: 'params' }, { output: 'result' }] }],
    parameters: { params: '{}' },
    inputs: {},
    exports: [out('train', 'run-report.json', 'runs/search/run-report.json')],
  });
  await sweeps.submit({ job, space: { alpha: { choice: [0.1, 0.25, 0.5] } }, objective, trials: 3, parallel: 3, seed: 1 });

  const { trials } = await eventually(
    () => sweeps.get('sweep-round-2', objective),
    (sweep) => sweep.state !== 'pending' && sweep.state !== 'running',
  );

  expect(trials).toHaveLength(3);
  for (const { params, metric, metrics } of trials) {
    expect(metric).toBe(1 - Number(params['alpha']));
    expect(metrics).toEqual({ top1: metric, 'it_s _': 2 });
  }
});

describe('assets', () => {
  const registry = { subscriptionId: SUBSCRIPTION, resourceGroup: 'rg', registry: 'shared-models' };
  const assets = () => createAssetRegistry({ ...local.options(), registry });

  it('data, model and environment are versions that a repeat finds', async () => {
    const data = { table: 'gold_round', goldVersion: 3, goldDigest: 'b'.repeat(64), path: 'staged/abc' };
    const first = await assets().data(data);

    expect(await assets().data(data)).toEqual(first);
    expect((await assets().environment(STEP_IMAGE)).version).toBe('1'.repeat(32));
  });

  it('a model gets into the registry by a long operation, and its digest is read back', async () => {
    const model = await assets().model({ name: 'round', modelDigest: 'd'.repeat(64), path: 'staged/abc/part-0.csv' });
    const publication = JSON.parse(
      JSON.stringify(await assets().publish({ name: model.name, version: model.version, modelDigest: 'd'.repeat(64) })),
    ) as Awaited<ReturnType<ReturnType<typeof assets>['publish']>>;

    const done = await eventually(
      () => assets().poll(publication),
      ({ state }) => state === 'succeeded',
    );

    expect(done).toMatchObject({
      state: 'succeeded',
      id: expect.stringContaining('/registries/shared-models/models/round/versions/') as string,
    });
    await expect(assets().publish({ name: model.name, version: model.version, modelDigest: 'd'.repeat(64) })).resolves.toMatchObject({
      operation: null,
    });
    await expect(assets().publish({ name: model.name, version: model.version, modelDigest: 'e'.repeat(64) })).rejects.toMatchObject({
      code: 'registry-mismatch',
    });
  });
});

it('a run of another backend is logged once, whoever logs it again', async () => {
  const logger = () => createRunLogger({ arm: local.arm(), resourceGroup: 'rg', workspace: 'ws' });
  const run = {
    runId: 'train-diabetes-0123456789abcdef-a1',
    experiment: 'diabetes',
    pipeline: 'diabetes',
    params: { alpha: 0.03 },
    metrics: { mse: 3424.8567, broken: Number.NaN },
    tags: { backend: 'kubeflow' },
    startedAt: '2026-11-22T10:00:00.000Z',
    finishedAt: '2026-11-22T10:05:00.000Z',
    status: 'succeeded' as const,
  };
  const first = await logger().log(run);

  await expect(logger().log(run)).resolves.toEqual(first);
  const seen = await local.backend().readMlflowMetrics(first.mlflowRunId);
  expect(seen).toEqual({ metrics: { mse: 3424.8567 }, notFinite: [] });
});

it('trials are logged below the run of their search, which is open until it has ended', async () => {
  const logger = () => createRunLogger({ arm: local.arm(), resourceGroup: 'rg', workspace: 'ws' });
  const search = {
    runId: 'sweep-diabetes-0123456789abcdef-a1',
    experiment: 'diabetes-search',
    pipeline: 'diabetes',
    params: { folds: 5 },
    metrics: {},
    tags: { backend: 'local' },
    startedAt: '2026-11-22T10:00:00.000Z',
    finishedAt: null,
    status: 'running' as const,
  };
  const parent = await logger().log(search);
  const trial = (number: number, status: 'succeeded' | 'failed' | 'cancelled') => ({
    ...search,
    runId: `${search.runId}-t${number}`,
    params: { folds: 5, alpha: number / 10 },
    metrics: status === 'succeeded' ? { mse: number } : {},
    finishedAt: '2026-11-22T10:01:00.000Z',
    status,
    parentRunId: parent.mlflowRunId,
  });
  const mlflow = createMlflow(createAzureMlApi(local.options()));
  expect((await mlflow.run(parent.mlflowRunId))?.info.status).toBe('RUNNING');

  for (const one of [trial(1, 'succeeded'), trial(2, 'failed'), trial(3, 'cancelled'), trial(1, 'succeeded')]) await logger().log(one);
  const ended = { ...search, status: 'succeeded' as const, metrics: { mse: 1 }, finishedAt: '2026-11-22T10:02:00.000Z' };
  await expect(logger().log(ended)).resolves.toEqual(parent);

  const experiment = await mlflow.experiment('diabetes-search');
  const children = await mlflow.search(experiment, `tags.mlflow.parentRunId = '${parent.mlflowRunId}'`, 50);
  const shown = children.map(({ info, data }) => [info.run_name, info.status, data?.params?.find(({ key }) => key === 'alpha')?.value]);
  expect(shown.sort()).toEqual([
    [`${search.runId}-t1`, 'FINISHED', '0.1'],
    [`${search.runId}-t2`, 'FAILED', '0.2'],
    [`${search.runId}-t3`, 'KILLED', '0.3'],
  ]);
  const whole = await mlflow.run(parent.mlflowRunId);
  expect(whole?.info.status).toBe('FINISHED');
  expect(whole?.data?.metrics).toMatchObject([{ key: 'mse', value: 1 }]);
});
