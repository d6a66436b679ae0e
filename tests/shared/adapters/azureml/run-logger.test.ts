// Runs of any backend in the workspace's MLflow: one run each, within the server's limits, completed by a repeat.
import { afterEach, describe, expect, it } from 'vitest';
import { createRunLogger, entriesOf } from '../../../../shared/adapters/azureml/run-logger.ts';
import type { LoggedRun } from '../../../../shared/ports/run-logger.ts';
import { answer, refusal } from '../../clients/arm/scripted.ts';
import { scriptedWorkspace, type ScriptedWorkspace, type Twist } from './scripted-workspace.ts';

const opened: ScriptedWorkspace[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

const run = (more: Partial<LoggedRun> = {}): LoggedRun => ({
  runId: 'train-diabetes-0123456789abcdef-a1',
  experiment: 'team/diabetes',
  pipeline: 'diabetes',
  params: { alpha: 0.03, fast: true },
  metrics: { mse: 3424.8567, broken: Number.NaN, endless: Number.POSITIVE_INFINITY },
  tags: { backend: 'kubeflow' },
  startedAt: '2026-11-22T10:00:00.000Z',
  finishedAt: '2026-11-22T10:05:00.000Z',
  status: 'succeeded',
  ...more,
});

interface Kept {
  run: { info: Record<string, unknown>; data: Record<'metrics' | 'params' | 'tags', { key: string; value: unknown }[]> };
}

/** MLflow in a few lines: experiments by name, runs, search by the one filter that is used; refuses what the real one refuses. */
function mlflow(before: Twist = () => undefined) {
  const experiments = new Map<string, string>();
  const runs: Kept[] = [];
  const batches: Record<string, unknown[]>[] = [];
  const twist: Twist = (seen, below, number) => {
    const twisted = before(seen, below, number);
    if (twisted || !below.startsWith('mlflow')) return twisted;
    const call = below.slice(below.indexOf('/api/2.0/mlflow/') + '/api/2.0/mlflow/'.length);
    const body = seen.body as Record<string, never>;
    const text = (key: string) => String(body[key]);
    switch (call) {
      case 'experiments/get-by-name': {
        const id = experiments.get(seen.query['experiment_name'] ?? '');
        return id ? answer({ experiment: { experiment_id: id } }) : answer({ error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'no' }, 404);
      }
      case 'experiments/create':
        if (experiments.has(text('name'))) return answer({ error_code: 'RESOURCE_ALREADY_EXISTS', message: 'taken' }, 400);
        experiments.set(text('name'), String(experiments.size + 1));
        return answer({ experiment_id: experiments.get(text('name')) });
      case 'runs/search': {
        const [, key, value] = /^tags\.([\w.]+) = '([^']*)'$/.exec(text('filter')) ?? [];
        return answer({
          runs: runs.map((one) => one.run).filter((one) => one.data.tags.some((tag) => tag.key === key && tag.value === value)),
        });
      }
      case 'runs/create': {
        const info = {
          run_id: `m${runs.length + 1}`,
          experiment_id: text('experiment_id'),
          status: 'RUNNING',
          start_time: body['start_time'],
        };
        runs.push({ run: { info, data: { metrics: [], params: [], tags: [...(body['tags'] as unknown as [])] } } });
        return answer(runs.at(-1));
      }
      case 'runs/get':
        return answer(runs.find((one) => one.run.info['run_id'] === seen.query['run_id']));
      case 'runs/log-batch': {
        batches.push(body);
        const target = runs.find((one) => one.run.info['run_id'] === text('run_id'));
        for (const kind of ['metrics', 'params', 'tags'] as const) target?.run.data[kind].push(...(body[kind] as unknown as []));
        return answer({});
      }
      case 'runs/update': {
        const target = runs.find((one) => one.run.info['run_id'] === text('run_id'));
        Object.assign(target?.run.info ?? {}, { status: text('status'), end_time: body['end_time'] });
        return answer({ run_info: {} });
      }
      default:
        return refusal(404, 'ENDPOINT_NOT_FOUND', call);
    }
  };
  return { twist, experiments, runs, batches };
}
async function over(service: ReturnType<typeof mlflow>) {
  const one = await scriptedWorkspace(service.twist);
  opened.push(one);
  return createRunLogger({ arm: one.arm, resourceGroup: 'rg', workspace: 'ws' });
}

describe('a run', () => {
  it('is logged with parameters, finite metrics, tags and times, and has a page', async () => {
    const service = mlflow();
    const logger = await over(service);

    const logged = await logger.log(run());

    expect(logged).toEqual({
      mlflowRunId: 'm1',
      url: expect.stringMatching(/^https:\/\/ml\.azure\.com\/runs\/m1\?wsid=\/subscriptions\/.*\/workspaces\/ws$/) as string,
    });
    expect([...service.experiments.keys()]).toEqual(['team-diabetes']);
    const [kept] = service.runs;
    expect(kept?.run.info).toMatchObject({
      status: 'FINISHED',
      start_time: Date.parse('2026-11-22T10:00:00Z'),
      end_time: Date.parse('2026-11-22T10:05:00Z'),
    });
    expect(kept?.run.data.metrics).toEqual([{ key: 'mse', value: 3424.8567, timestamp: Date.parse('2026-11-22T10:05:00Z'), step: 0 }]);
    expect(kept?.run.data.params).toEqual([
      { key: 'alpha', value: '0.03' },
      { key: 'fast', value: 'true' },
    ]);
    expect(kept?.run.data.tags).toEqual(
      expect.arrayContaining([
        { key: 'sluice.runId', value: 'train-diabetes-0123456789abcdef-a1' },
        { key: 'backend', value: 'kubeflow' },
        { key: 'sluice.notLogged', value: 'metric broken (not a number), metric endless (not a number)' },
      ]),
    );
  });

  it('that is logged again changes nothing', async () => {
    const service = mlflow();
    const logger = await over(service);
    const first = await logger.log(run());
    const before = structuredClone(service.runs);

    await expect(logger.log(run())).resolves.toEqual(first);

    expect(service.runs).toEqual(before);
  });

  it('that was cut off in the middle is completed', async () => {
    let fail = true;
    const service = mlflow((seen, below) =>
      fail &&
      below.endsWith('runs/log-batch') &&
      'metrics' in (seen.body as object) &&
      (seen.body as { metrics: unknown[] }).metrics.length > 0
        ? refusal(500, 'INTERNAL_ERROR', 'oh')
        : undefined,
    );
    const logger = await over(service);

    await expect(logger.log(run())).rejects.toMatchObject({ name: 'TransientError', code: 'backend-failing' });
    fail = false;
    await logger.log(run());

    expect(service.runs).toHaveLength(1);
    expect(service.runs[0]?.run.info['status']).toBe('FINISHED');
    expect(service.runs[0]?.run.data.metrics).toHaveLength(1);
    expect(service.runs[0]?.run.data.params).toHaveLength(2);
  });

  it('goes into an experiment that somebody made at the same moment', async () => {
    let looked = 0;
    const service = mlflow((_, below) =>
      below.endsWith('experiments/get-by-name') && (looked += 1) === 1
        ? answer({ error_code: 'RESOURCE_DOES_NOT_EXIST', message: '' }, 404)
        : undefined,
    );
    service.experiments.set('team-diabetes', '77');
    const logger = await over(service);

    await logger.log(run());

    expect(service.runs[0]?.run.info['experiment_id']).toBe('77');
  });

  it.each([
    ['failed', 'FAILED'],
    ['cancelled', 'KILLED'],
  ] as const)('that %s is %s', async (status, expected) => {
    const service = mlflow();
    await (await over(service)).log(run({ status }));

    expect(service.runs[0]?.run.info['status']).toBe(expected);
  });
});

it('stays within what Azure ML takes, and names what it leaves out', () => {
  const many = (prefix: string, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`${prefix}${String(index).padStart(3, '0')}`, index]));
  const { metrics, params, tags } = entriesOf(
    run({
      metrics: many('m', 60),
      params: { ...many('p', 230), 'odd näme': 'x'.repeat(900) },
      tags: { long: 'y'.repeat(5_000), 'sluice.runId': 'stolen' },
    }),
  );

  expect(metrics).toHaveLength(50);
  expect(params).toHaveLength(200);
  expect(params.every(({ value }) => value.length <= 500)).toBe(true);
  expect(params[0]).toEqual({ key: 'odd n_me', value: `${'x'.repeat(499)}…` });
  expect(tags.length).toBeLessThanOrEqual(50);
  expect(tags.find(({ key }) => key === 'long')?.value).toHaveLength(1_000);
  expect(tags.filter(({ key }) => key === 'sluice.runId')).toEqual([{ key: 'sluice.runId', value: 'train-diabetes-0123456789abcdef-a1' }]);
  expect(tags.find(({ key }) => key === 'sluice.notLogged')?.value).toContain('metric m050');
});
