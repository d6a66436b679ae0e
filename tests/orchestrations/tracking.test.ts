// Runs in the connected Azure ML workspace, runs with other parameters, and retries: what is shown, what is registered, which gates judge.
import { describe, expect, test } from 'vitest';
import { RejectedError, TransientError } from '../../shared/errors/errors.ts';
import type { LoggedRun } from '../../shared/ports/run-logger.ts';
import { openedRun, START, trainingBench, trainInput, type TrainingWorldOptions } from '../support/training-world.ts';
import { exampleVersion } from '../support/example-pipeline.ts';
import { reportOf } from '../support/training-side.ts';

const bench = trainingBench();
const asset = async (name: string) => ({ name, version: '1', id: `azureml:${name}:1` });

function workspace() {
  const logged: LoggedRun[] = [];
  const registered: string[] = [];
  const ports: TrainingWorldOptions['ports'] = {
    runLogger: { log: async (run) => (logged.push(run), { mlflowRunId: `mlflow-${logged.length}`, url: 'https://ml.example/1' }) },
    assets: {
      data: async (data) => (registered.push(`data ${data.table} ${data.goldVersion} ${data.path}`), asset(data.table)),
      model: async (model) => (registered.push(`model ${model.name} ${model.path}`), asset(model.name)),
    },
  };
  return { logged, registered, ports };
}
const inExperiment: TrainingWorldOptions['edit'] = (spec) => {
  spec.train.mlflow = { experiment: 'indoor' };
};

describe('with train.mlflow', () => {
  test('a run of any backend is logged with parameters, metrics and lineage, and its gold and model are registered', async () => {
    const { logged, registered, ports } = workspace();
    const { train } = await bench({ ports: ports ?? {}, edit: inExperiment });

    const run = await train();

    expect(logged).toMatchObject([
      {
        runId: run.runId,
        experiment: 'indoor',
        pipeline: 'ble-location',
        status: 'succeeded',
        params: { testShare: '0.25', hiddenLayers: '[64]' },
        metrics: run.trained?.metrics,
        tags: { 'sluice.backend': 'kubeflow', 'sluice.gold': run.trained?.goldDigest, 'sluice.model': run.trained?.modelDigest },
      },
    ]);
    expect(registered).toEqual([
      `data ble-location-training 1 staged/${run.trained?.goldDigest}/`,
      `model ble-location runs/${run.runId}/model.tar.gz`,
    ]);
    expect(run.tracked).toEqual({
      mlflowRunId: 'mlflow-1',
      url: 'https://ml.example/1',
      dataAsset: 'ble-location-training:1',
      modelAsset: 'ble-location:1',
    });
    expect(run.warnings).toBeUndefined();
  });

  test('a candidate that fails its gates is logged as failed, with its numbers', async () => {
    const { logged, ports } = workspace();
    const { train } = await bench({
      ports: ports ?? {},
      edit: inExperiment,
      backends: { kubeflow: { report: (name) => reportOf(name, { metrics: { top1: 0.01 } }) } },
    });

    const run = await train();

    expect(run).toMatchObject({ status: 'failed', tracked: { mlflowRunId: 'mlflow-1' } });
    expect(logged).toMatchObject([{ status: 'failed', metrics: { top1: 0.01 } }]);
  });

  test.each([
    ['refuses', new RejectedError('workspace-forbidden', 'The identity may not write runs'), 'The identity may not write runs'],
    ['is away', new TransientError('workspace-unreachable', 'connection refused'), 'connection refused (after the last try)'],
  ])('a workspace that %s is a warning in the record, no failure', async (_case, error, words) => {
    const fail = () => Promise.reject(error);
    const { train } = await bench({ edit: inExperiment, ports: { runLogger: { log: fail }, assets: { data: fail, model: fail } } });

    const run = await train();

    expect(run.status).toBe('succeeded');
    expect(run.warnings).toHaveLength(3);
    expect(run.warnings?.find((warning) => warning.startsWith('The run was not logged'))).toContain(words);
  });

  test('and no workspace, the warning says what to set', async () => {
    const { train } = await bench({ edit: inExperiment });

    const run = await train();

    expect(run).toMatchObject({ status: 'succeeded' });
    expect(run.warnings?.[0]).toMatch(/^The run was not logged to the workspace: This deployment is connected to no Azure ML workspace/);
  });
});

describe('a gate on a number that the report lacks', () => {
  const without = { leakedRows: 0, top5: 0.8, meanErrorCells: 1.5 };
  const world = (read: (jobName: string) => Promise<Record<string, number> | null>): TrainingWorldOptions => ({
    backends: { kubeflow: { report: (name) => reportOf(name, { metrics: without }) } },
    ports: { jobMetrics: { kubeflow: { read } } },
  });

  test('is judged by what the job itself logged, which the record says; the report’s own numbers stand', async () => {
    const asked: string[] = [];
    const { train } = await bench(world(async (jobName) => (asked.push(jobName), { top1: 0.4, leakedRows: 99, other: 1 })));

    const run = await train();

    expect(run).toMatchObject({ status: 'succeeded', trained: { metrics: { ...without, top1: 0.4 } } });
    expect(run.trained?.metrics).not.toHaveProperty('other');
    expect(asked).toEqual([run.runId]);
    expect(run.warnings).toEqual(['The run report has no top1; what the job logged to kubeflow is judged instead']);
  });

  test.each([
    ['logged nothing', async () => null],
    ['does not let us look', () => Promise.reject(new RejectedError('backend-forbidden', 'no'))],
  ])('stays open where the job %s', async (_case, read) => {
    const { train } = await bench(world(read));

    await expect(train()).resolves.toMatchObject({ status: 'failed', failure: { code: 'gate-inconclusive' } });
  });

  test('asks nobody where the report says it all', async () => {
    const read = () => Promise.reject(new Error('nobody is to be asked'));
    const { train } = await bench({ ports: { jobMetrics: { kubeflow: { read } } } });

    await expect(train()).resolves.toMatchObject({ status: 'succeeded' });
  });
});

describe('with a registry that production reads', () => {
  /** A registry that copies for so long, and then has the model under a digest. */
  function registry(looks: number, end: { id: string } | RejectedError = { id: '/registries/shared/models/ble-location/versions/m1' }) {
    const published: unknown[] = [];
    const assets: NonNullable<NonNullable<TrainingWorldOptions['ports']>['assets']> = {
      data: async (data) => asset(data.table),
      model: async (model) => asset(model.name),
      publish: async (model) => (published.push(model), { ...model, operation: { kind: 'location', url: 'https://arm.example/1' } }),
      poll: async () => {
        if ((looks -= 1) >= 0) return { state: 'running', waitMs: 5_000 };
        if (end instanceof Error) throw end;
        return { state: 'succeeded', ...end };
      },
    };
    return { published, assets };
  }

  test('a model that passed its gates is carried over, by name, version and digest, and waited for', async () => {
    const { published, assets } = registry(4);
    const { world, train } = await bench({ ports: { assets } });

    const run = await train();

    expect(published).toEqual([{ name: 'ble-location', version: '1', modelDigest: run.trained?.modelDigest }]);
    expect(run.tracked?.registryModel).toBe('/registries/shared/models/ble-location/versions/m1');
    expect(world.callsOf('read-publication')).toHaveLength(5);
  });

  test('one that did not pass is not', async () => {
    const { published, assets } = registry(0);
    const report = (name: string) => reportOf(name, { metrics: { top1: 0.01 } });
    const { train } = await bench({ ports: { assets }, backends: { kubeflow: { report } } });

    await expect(train()).resolves.toMatchObject({ status: 'failed' });
    expect(published).toEqual([]);
  });

  test.each([
    ['that is refused', 1, new RejectedError('registry-mismatch', 'It must not be served'), 'It must not be served'],
    ['that takes too long', 1_000, undefined, 'after 30 minutes it was still being copied'],
  ])('a copy %s is a warning in the record', async (_case, looks, end, words) => {
    const { assets } = registry(looks, end);
    const { train } = await bench({ ports: { assets } });

    const run = await train();

    expect(run).toMatchObject({ status: 'succeeded', tracked: { modelAsset: 'ble-location:1' } });
    expect(run.warnings).toEqual([expect.stringMatching(`^The model was not carried over to the registry: .*${words}`)]);
  });

  test('and none in this deployment, nothing is copied', async () => {
    const { assets } = registry(0);
    const publish = () => Promise.reject(new RejectedError('registry-unknown', 'no registry'));
    const { train } = await bench({ ports: { assets: { ...assets, publish } } });

    const run = await train();

    expect(run.warnings).toBeUndefined();
    expect(run.tracked).not.toHaveProperty('registryModel');
  });
});

describe('a run with other parameters', () => {
  test('trains the same gold with them, registers, and moves no traffic by itself', async () => {
    const { world, train } = await bench({
      edit: (spec) => {
        for (const environment of Object.values(spec.environments)) environment.start = 'run';
      },
    });

    const run = await train({ overrides: { epochs: 5 } });

    const [job] = [...world.training.specs.values()];
    expect(run).toMatchObject({ status: 'succeeded', next: [] });
    expect(JSON.parse(String(job?.parameters['params']))).toMatchObject({ epochs: 5, testShare: 0.25 });
    expect(await world.models.list('ble-location', 1)).toMatchObject([{ runId: run.runId }]);
  });

  test('has an identity of its own: the same parameters again are the same run', () => {
    const world = { version: exampleVersion().version, policy: { pollFirstSeconds: 1, pollMaxSeconds: 1, signedUrlSeconds: 60 } };
    const plain = trainInput(world, {});
    const other = trainInput(world, { overrides: { epochs: 5 } });

    expect(other.key).not.toBe(plain.key);
    expect(trainInput(world, { overrides: { epochs: 5 } }).runId).toBe(other.runId);
    expect(trainInput(world, { overrides: { epochs: 80 } }).key).toBe(plain.key);
  });
});

describe('a retry', () => {
  const weak = {
    backends: {
      kubeflow: { report: (name: string) => reportOf(name, { metrics: { leakedRows: 0, top1: 0.05, top5: 0.5, meanErrorCells: 1 } }) },
    },
  };

  test('of a run that failed a gate is judged by the gates of today, where it would train the same', async () => {
    const { world, train } = await bench(weak);
    expect(await train()).toMatchObject({ status: 'failed', failure: { code: 'gate-fail' } });
    const newer = { ...world.version, digest: 'a'.repeat(64), spec: { ...world.version.spec, gates: [{ metric: 'top1', atLeast: 0.01 }] } };
    await world.pipelines.put(newer, world.bundle, 'grace', START.toISOString());

    const again = await train({ attempt: 2 });

    expect(again).toMatchObject({ status: 'succeeded', contractDigest: world.version.digest, trained: { followed: newer.digest } });
    expect(await world.models.list('ble-location', 1)).toMatchObject([{ contractDigest: newer.digest }]);
  });

  test('follows its own version where today’s would train something else', async () => {
    const { world, train } = await bench(weak);
    await train();
    const spec = {
      ...world.version.spec,
      gates: [{ metric: 'top1', atLeast: 0.01 }],
      train: { ...world.version.spec.train, params: { epochs: 1 } },
    };
    await world.pipelines.put({ ...world.version, digest: 'b'.repeat(64), spec }, world.bundle, 'grace', START.toISOString());

    expect(await train({ attempt: 2 })).toMatchObject({ status: 'failed', failure: { code: 'gate-fail' } });
  });
});

test('work that only gave way may be opened again; other work is taken', async () => {
  const { world } = await bench();
  const input = trainInput(world, {});
  const opened = openedRun('train', input, world.now());
  await world.runs.open({ ...opened, status: 'skipped', finishedAt: opened.startedAt });
  const { status: _status, phase: _phase, finishedAt: _finishedAt, failure: _failure, jobs: _jobs, refined: _refined, ...rest } = opened;
  const { trained: _trained, promoted: _promoted, next: _next, seconds: _seconds, ...fresh } = rest;

  const answers = await world.act('open-run', { ...fresh, owner: 'refine-other' });
  const again = await world.act('open-run', { ...fresh, owner: 'refine-other' });
  const third = await world.act('open-run', { ...fresh, owner: 'refine-third' });

  const second = input.runId.replace(/-a1$/, '-a2');
  expect(answers).toEqual({ ok: true, value: { state: 'opened', runId: second, status: 'running' } });
  expect(again).toEqual(answers);
  expect(third).toEqual({ ok: true, value: { state: 'taken', runId: second, status: 'running' } });
  expect(await world.runs.find(second)).toMatchObject({ attempt: 2, instanceId: second, input: { runId: second } });
});
