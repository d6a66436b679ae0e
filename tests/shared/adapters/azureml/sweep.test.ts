// A search as Azure ML's Sweep job: its encoding, the JSON that each trial gets, and the table of trials.
import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeTrial, encodeSpace, paramsTemplate } from '../../../../shared/adapters/azureml/search-space.ts';
import { createAzureMlSweeps } from '../../../../shared/adapters/azureml/sweep.ts';
import type { SearchSpace } from '../../../../shared/contracts/training.ts';
import type { SweepSpec } from '../../../../shared/ports/sweep-backend.ts';
import { answer } from '../../clients/arm/scripted.ts';
import { oneStep, scriptedWorkspace, type ScriptedWorkspace, threeSteps, type Twist } from './scripted-workspace.ts';

const opened: ScriptedWorkspace[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});
async function over(twist?: Twist) {
  const one = await scriptedWorkspace(twist);
  opened.push(one);
  return { one, sweeps: createAzureMlSweeps(one.options) };
}
const SPACE: SearchSpace = {
  alpha: { logUniform: [0.001, 1] },
  share: { uniform: [0.1, 0.5] },
  rounds: { choice: [100, 500] },
  booster: { choice: ['gbtree', 'dart'] },
  fast: { choice: [true, false] },
  odd: { choice: ["it's", 5, 'a "b"'] },
};
const spec = (more: Partial<SweepSpec> = {}): SweepSpec => ({
  job: oneStep({ parameters: { params: JSON.stringify({ depth: 10, alpha: 9, note: "it's $x" }) } }),
  space: SPACE,
  objective: { metric: 'auc', goal: 'maximize' },
  trials: 8,
  parallel: 20,
  seed: 42,
  ...more,
});

describe('a search space', () => {
  it('has the array encoding; log bounds are logarithms', () => {
    expect(encodeSpace(SPACE)).toEqual({
      alpha: ['loguniform', [Math.log(0.001), 0]],
      share: ['uniform', [0.1, 0.5]],
      rounds: ['choice', [[100, 500]]],
      booster: ['choice', [['gbtree', 'dart']]],
      fast: ['choice', [['true', 'false']]],
      odd: ['choice', [['"it\'s"', '5', '"a \\"b\\""']]],
    });
  });

  it('gives each trial JSON of the right types, which come back as they were', () => {
    const template = paramsTemplate(JSON.stringify({ depth: 10, alpha: 9, note: "it's" }), SPACE);
    const drawn: Record<string, string | number> = {
      alpha: 0.25,
      share: 0.3,
      rounds: 500,
      booster: 'dart',
      fast: 'false',
      odd: '"a \\"b\\""',
    };
    const text = template.replace(/\$\{\{search_space\.(\w+)\}\}/g, (_, name: string) => String(drawn[name]));

    const values = { alpha: 0.25, share: 0.3, rounds: 500, booster: 'dart', fast: false, odd: 'a "b"' };
    expect(JSON.parse(text)).toEqual({ depth: 10, note: "it's", ...values });
    expect(decodeTrial(JSON.stringify({ ...drawn, alpha: '0.25', foreign: 1 }), SPACE)).toEqual(values);
    expect(decodeTrial('not json', SPACE)).toEqual({});
    expect(decodeTrial(null, SPACE)).toEqual({});
  });

  it.each([
    [{}, /empty/],
    [{ alpha: { uniform: [2, 1] } }, /wrong way round/],
    [{ 'a b': { choice: [1] } }, /letters, digits and underscores/],
  ] as const)('that makes no sense is refused %#', (space, message) => {
    expect(() => encodeSpace(space as never)).toThrow(message);
  });
});

it('is one Sweep job: random by seed, stopped by the median, adopted by a repeat', async () => {
  const { one, sweeps } = await over();

  await expect(sweeps.submit(spec())).resolves.toEqual({ jobId: oneStep().name, adopted: false });
  await expect(sweeps.submit(spec())).resolves.toEqual({ jobId: oneStep().name, adopted: true });
  await expect(sweeps.submit(spec({ seed: 7 }))).rejects.toMatchObject({ code: 'job-conflict' });

  const sent = one.kept.get(`/jobs/${oneStep().name}`)?.properties as { trial: { command: string }; inputs: object; outputs: object };
  expect(sent).toMatchObject({
    jobType: 'Sweep',
    objective: { goal: 'Maximize', primaryMetric: 'auc' },
    samplingAlgorithm: { samplingAlgorithmType: 'Random', seed: 42 },
    limits: { jobLimitsType: 'Sweep', maxTotalTrials: 8, maxConcurrentTrials: 8, timeout: 'PT7800S', trialTimeout: 'PT7800S' },
    earlyTermination: { policyType: 'MedianStopping', evaluationInterval: 1, delayEvaluation: 5 },
    computeId: expect.stringContaining('/computes/cpu') as string,
  });
  expect(sent).not.toHaveProperty('command');
  // Trials must not write over the run's own files.
  expect(Object.keys(sent.outputs)).toEqual(['result']);
  expect(Object.keys(sent.inputs)).toEqual(['sluice_in_gold']);
  const drawn: Record<string, string> = { alpha: '0.5', share: '0.1', rounds: '100', booster: 'dart', fast: 'true', odd: '"it\'s"' };
  const command = sent.trial.command
    .replace(/\$\{\{search_space\.(\w+)\}\}/g, (_, name: string) => drawn[name] ?? '')
    .replace(/\$\{\{(inputs|outputs)\.\w+\}\}/g, '/tmp')
    .replace(/^'python3'/m, 'printf "%s\\n"');
  const lines = spawnSync('/bin/sh', ['-c', command], { encoding: 'utf8', timeout: 20_000 }).stdout.split('\n');
  expect(JSON.parse(lines[lines.indexOf('--params-json') + 1] ?? '')).toMatchObject({
    depth: 10,
    alpha: 0.5,
    fast: true,
    odd: "it's",
    note: "it's $x",
  });
});

it('shows its trials, best first, and those without a value last', async () => {
  const run = (name: string, status: string, auc: number | string | null, values: object) => ({
    info: { run_id: name, status, start_time: 1_000, end_time: status === 'RUNNING' ? 0 : 61_000 },
    data: { metrics: auc === null ? [] : [{ key: 'auc', value: auc }], tags: [{ key: 'hyperparameters', value: JSON.stringify(values) }] },
  });
  const { one, sweeps } = await over((seen, below) => {
    if (below.endsWith('/runs/get')) return answer({ run: { info: { run_id: oneStep().name, experiment_id: '3' } } });
    if (!below.endsWith('/runs/search')) return undefined;
    expect(seen.body).toMatchObject({ experiment_ids: ['3'], filter: `tags.mlflow.parentRunId = '${oneStep().name}'` });
    return answer({
      runs: [
        run('s_0', 'FINISHED', 0.8, { alpha: 0.1, fast: 'true' }),
        run('s_1', 'KILLED', 'NaN', { alpha: 0.2 }),
        run('s_2', 'RUNNING', 0.9, { alpha: 0.3 }),
        run('s_3', 'SCHEDULED', null, {}),
        run('s_4', 'FAILED', null, { alpha: 0.5 }),
      ],
    });
  });
  await sweeps.submit(spec());
  const kept = one.kept.get(`/jobs/${oneStep().name}`);
  if (kept) kept.properties['status'] = 'Running';

  const { state, trials } = await sweeps.get(oneStep().name, spec().objective);

  expect(state).toBe('running');
  expect(trials.map(({ name, state: its, metric }) => [name, its, metric])).toEqual([
    ['s_2', 'running', 0.9],
    ['s_0', 'succeeded', 0.8],
    ['s_1', 'cancelled', null],
    ['s_3', 'pending', null],
    ['s_4', 'failed', null],
  ]);
  expect(trials[1]).toMatchObject({
    params: { alpha: 0.1, fast: true },
    metrics: { auc: 0.8 },
    startedAt: '1970-01-01T00:00:01.000Z',
    endedAt: '1970-01-01T00:01:01.000Z',
  });
  expect(trials[0]).toMatchObject({ startedAt: '1970-01-01T00:00:01.000Z', endedAt: null });
  // A run that waits has a start in MLflow: when it was made. It has not worked.
  expect(trials[3]).toMatchObject({ state: 'pending', startedAt: null });
  await expect(sweeps.get('nobody', spec().objective)).resolves.toMatchObject({ state: 'absent', trials: [] });
});

it.each([
  ['of a graph', { job: threeSteps() }, /one step/],
  ['without params', { job: oneStep({ steps: [{ ...oneStep().steps[0], args: [] } as never] }) }, /no parameter "params"/],
  ['of params that are no object', { job: oneStep({ parameters: { params: '[1]' } }) }, /not a JSON object/],
])('a search %s is refused', async (_what, more, message) => {
  const { sweeps } = await over();

  await expect(sweeps.submit(spec(more))).rejects.toMatchObject({
    code: 'backend-refused',
    message: expect.stringMatching(message) as string,
  });
});
