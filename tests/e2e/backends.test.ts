// The published reference pipelines on the places that train: the same data, component and numbers on Databricks, Azure ML and this machine;
// seven steps on Kubeflow's SGX machines; and what each run leaves where people look for it.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Followed } from '../../cli/follow.ts';
import { LOCAL } from '../../local/stack/cloud-config.ts';
import type { AskedRun } from '../../shared/contracts/http/training.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import { exampleBundle, type ExampleFile, generated } from '../support/example-bundle.ts';
import { ROOT, REGION, runOf, startTestStack, type TestStack } from '../support/test-stack.ts';

const REAL_LOANS = resolve(ROOT, '../shared/data/credit_risk_dataset.csv');
const onReal = existsSync(REAL_LOANS);
const NAMES = ['ridge-databricks', 'ridge-azureml', 'ridge-local'] as const;

let at: TestStack;
const told: Record<string, Followed> = {};

const trainedOn = (backend: string) => (file: ExampleFile) => {
  file.train['backend'] = [backend];
  file.train['budget'] = { costPerHour: 3600, perRun: 100_000 };
};
async function tell(name: string, data: Buffer): Promise<void> {
  told[name] = await at.follow(await at.land(name, 'data.csv', data));
}
const trainRun = (name: string): Promise<Run> => at.api.get<Run>(`/runs/${runOf(told[name] as Followed, 'train').runId}`);

beforeAll(async () => {
  at = await startTestStack();
  const { images, python } = at.stack;
  for (const name of NAMES) {
    const bundle = await exampleBundle(ROOT, images, 'diabetes', name, trainedOn(name.replace('ridge-', '')));
    await at.api.send('PUT', `/pipelines/${name}`, bundle);
  }
  await at.api.send('PUT', '/pipelines/loans', await exampleBundle(ROOT, images, 'credit-risk', 'loans'));
  const patients = await generated(ROOT, python, 'diabetes', 442, at.dataDir);
  const loans = onReal ? await readFile(REAL_LOANS) : await generated(ROOT, python, 'credit-risk', 3000, at.dataDir);
  await Promise.all([...NAMES.map((name) => tell(name, patients)), tell('loans', loans)]);
});

afterAll(() => at?.stop());

describe('ridge regression on the diabetes data', () => {
  test.each(NAMES)('%s: the published numbers, a model that serves, and every golden row alike', async (name) => {
    const run = await trainRun(name);

    expect(run.status, JSON.stringify(run.failure)).toBe('succeeded');
    expect(run.trained?.metrics['mse']).toBeCloseTo(3424.8567, 3);
    expect(run.trained?.metrics['r2']).toBeCloseTo(0.332117, 5);
    expect(run.jobs[0]).toMatchObject({ stage: 'train', backend: name.replace('ridge-', ''), adopted: false });
    expect(run.jobs[0]?.executionSeconds).toBeGreaterThan(0);
    expect(runOf(told[name] as Followed, 'promote').promoted?.parity).toMatchObject({ rowsChecked: 32, rowsAgreeing: 32 });
  });

  test('is one model wherever it was trained', async () => {
    const digests = await Promise.all(NAMES.map(async (name) => (await trainRun(name)).trained?.modelDigest));

    expect(new Set(digests).size).toBe(1);
  });

  test('answers three patients as published, at the endpoint', async () => {
    const request = JSON.parse(await readFile(join(ROOT, 'examples/diabetes/request.json'), 'utf8')) as { data: number[][] };
    const predictions = await at.serving.invoke({ region: REGION, endpoint: 'ridge-databricks-dev' }, request.data);

    const published = [235.1124, 246.7987, 163.6878];
    expect(predictions).toEqual(published.map((value) => ({ value: expect.closeTo(value, 3) as number })));
  });

  test('is searched by Azure ML itself: each trial is in the table, in the experiment, and paid for', async () => {
    const space = { alpha: { choice: [0.01, 0.03, 0.3] } };
    const { runId } = await at.api.send<AskedRun>('POST', '/pipelines/ridge-azureml/sweep', {
      ...{
        space,
        trials: 3,
        parallel: 3,
        seed: 7,
        params: {},
        train: false,
        metric: 'mse',
        direction: 'lower-is-better',
        reason: 'a better alpha',
      },
    });
    let run = await at.api.get<Run>(`/runs/${runId}`);
    for (const giveUp = Date.now() + 60_000; run.status === 'running' && Date.now() < giveUp; run = await at.api.get<Run>(`/runs/${runId}`))
      await new Promise((resolve) => setTimeout(resolve, 500));

    expect(run.status, JSON.stringify(run.failure)).toBe('succeeded');
    expect(run).toMatchObject({ swept: { searchedBy: 'backend', metric: 'mse' }, tracked: { url: expect.any(String) as string } });
    expect(run.warnings).toBeUndefined();
    const trials = run.swept?.trials ?? [];
    expect(trials).toHaveLength(3);
    for (const { params, metric } of trials) if (params['alpha'] === 0.03) expect(metric).toBeCloseTo(3424.8567, 3);
    expect(run.swept?.best?.metric).toBe(Math.min(...trials.map(({ metric }) => metric ?? Infinity)));
    const worked = trials.reduce((sum, { executionSeconds }) => sum + (executionSeconds ?? 0), 0);
    expect(worked).toBeGreaterThan(0);
    expect(run.budget?.spent).toBeCloseTo(worked, 3);
    const children = await runsBelow(run.tracked?.mlflowRunId ?? '');
    expect(children.map(({ info }) => info.status)).toEqual(['FINISHED', 'FINISHED', 'FINISHED']);
    expect(children.map(({ data }) => data.metrics.find(({ key }) => key === 'mse')?.value).sort()).toEqual(
      trials.map(({ metric }) => metric).sort(),
    );
  });

  test('from Databricks is tracked in the Azure ML workspace, by the step itself and by Sluice, with the picture', async () => {
    const runs = await loggedRuns();
    const ours = await trainRun('ridge-databricks');
    const digest = ours.trained?.modelDigest;
    const tagged = (key: string, value: string | undefined) =>
      runs.filter((run) => run.data.tags.some((tag) => tag.key === key && tag.value === value));
    const [byStep] = tagged('sluice.modelDigest', digest);

    expect(tagged('sluice.runId', ours.runId)).toHaveLength(1);
    expect(byStep?.info.status).toBe('FINISHED');
    expect(Object.fromEntries(byStep?.data.metrics.map(({ key, value }) => [key, value]) ?? [])).toMatchObject({ alpha: 0.03 });
    const { files } = (await mlflow('GET', `artifacts/list?run_id=${byStep?.info.run_id ?? ''}`)) as { files: { path: string }[] };
    expect(files.map(({ path }) => path)).toContain('actuals_vs_predictions.png');
  });
});

describe('credit risk in seven steps', () => {
  test('runs on SGX machines, says that it was in no enclave, and serves', async () => {
    const run = await trainRun('loans');

    expect(run.status, JSON.stringify(run.failure)).toBe('succeeded');
    expect(run.trained?.metrics['auc']).toBeGreaterThan(0.85);
    expect(runOf(told['loans'] as Followed, 'promote').promoted?.parity).toMatchObject({ rowsChecked: 32, rowsAgreeing: 32 });
    const placements = run.jobs[0]?.placements ?? [];
    const steps = ['load', 'split', 'preprocess', 'train', 'convert', 'infer', 'roc'];
    expect(placements.filter(({ step }) => steps.includes(step))).toHaveLength(7);
    for (const { labels, enclave } of placements.filter(({ step }) => steps.includes(step))) {
      expect(labels['intelvm']).toBe('sgx');
      expect(enclave).toBe('none');
    }
  });

  test.skipIf(!onReal)(`reproduces the published figures${onReal ? '' : ' (skipped: real data absent)'}`, async () => {
    const { trained } = await trainRun('loans');

    expect(trained?.metrics['auc']).toBeCloseTo(0.9466, 4);
    expect(trained?.metrics['accuracy']).toBeCloseTo(0.9358, 4);
  });
});

interface LoggedRun {
  info: { run_id: string; status: string };
  data: { metrics: { key: string; value: number }[]; tags: { key: string; value: string }[] };
}

/** One call of the workspace's MLflow, as somebody who may read it. */
async function mlflow(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const token = await at.token({ clientId: LOCAL.tracking.clientId, secret: await trackingSecret() }, 'https://management.azure.com');
  const scope = `subscriptions/${LOCAL.subscriptionId}/resourceGroups/${LOCAL.resourceGroup}/providers/Microsoft.MachineLearningServices/workspaces/${LOCAL.workspace}`;
  const answer = await fetch(`${at.stack.cloud.azureml}/mlflow/v2.0/${scope}/api/2.0/mlflow/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Record<string, unknown>;
}

/** The runs of the experiment. */
async function loggedRuns(): Promise<LoggedRun[]> {
  const { experiment } = (await mlflow('GET', 'experiments/get-by-name?experiment_name=diabetes')) as {
    experiment: { experiment_id: string };
  };
  return ((await mlflow('POST', 'runs/search', { experiment_ids: [experiment.experiment_id], max_results: 100 })) as { runs: LoggedRun[] })
    .runs;
}

/** Those that name a run as their parent. */
async function runsBelow(parent: string): Promise<LoggedRun[]> {
  return (await loggedRuns()).filter(({ data }) => data.tags.some(({ key, value }) => key === 'mlflow.parentRunId' && value === parent));
}

async function trackingSecret(): Promise<string> {
  const { trackingSecret: secret } = JSON.parse(await readFile(join(at.dataDir, 'secrets.json'), 'utf8')) as { trackingSecret: string };
  return secret;
}
