// What people read of a training: `runs show` and `compare` over the real handlers, as a picture of text.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { heightAt, inColumn, places, pointsOf, wrapped } from '../../cli/figures.ts';
import type { Comparison } from '../../shared/contracts/http/training.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import type { Store } from '../../shared/ports/lake.ts';
import { digest, minute, runOf, versionOf } from '../contracts/samples.ts';
import { reportOf } from '../support/training-side.ts';
import { servedApi } from './served-api.ts';

const CURVE = [
  [0, 0],
  [0, 0.7],
  [0.1, 0.9],
  [1, 1],
];
const LOWER = [
  [0, 0],
  [0.5, 0.8],
  [1, 1],
];
const TABLE = {
  name: 'per-class',
  kind: 'table',
  columns: ['class', 'precision', 'recall', 'f1', 'support'],
  rows: [
    ['Non-Default', 0.931124, 0.992749, 0.96095, 6482],
    ['Default', 0.961943, 0.713942, 0.819593, 1664],
    ['accuracy', null, null, 0.935797, 8146],
  ],
};
const SLICES = [
  { name: 'loan_grade=A', n: 2688, metrics: { accuracy: 0.97, auc: 0.9435 } },
  { name: 'loan_grade=G', n: 16, metrics: { accuracy: 0.75 } },
];
const roc = (points: number[][]) => ({ name: 'roc', kind: 'line', x: 'false positive rate', y: 'true positive rate', points });
const report = { metrics: { auc: 0.946643, accuracy: 0.935797, trueNegatives: 6435 }, slices: SLICES, plots: [TABLE, roc(CURVE)] };
const placed = (step: string, node: string) => ({ step, node, labels: { intelvm: 'sgx' }, enclave: 'none' as const });

/** A pipeline of two steps with a run of each name; `leave` writes what a run left. */
async function credit(...names: string[]) {
  const served = await servedApi();
  const { version, bundle } = versionOf('credit-risk', 'v');
  version.spec.train.steps = [
    { name: 'train', component: 'credit-train', inputs: { gold: 'gold' }, params: {}, keep: [] },
    { name: 'roc', component: 'credit-roc', inputs: { model: 'train' }, params: {}, keep: ['roc.png', 'per-class.csv'] },
  ] as unknown as NonNullable<typeof version.spec.train.steps>;
  await served.deps.pipelines.put(version, bundle, 'ada', minute(0));
  const runs = names.map((name, index) => trained(name, version.digest, index + 1));
  for (const run of runs) await served.deps.runs.open(run);
  const store = served.deps.store as unknown as Store;
  const leave = async (run: Run, path: string, more: object) =>
    store.create(`runs/${run.runId}/${path}`, Buffer.from(JSON.stringify({ ...reportOf(run.runId), ...more })), 'application/json');
  return { ...served, runs, leave };
}

function trained(name: string, contractDigest: string, gold: number): Run {
  const run = runOf('train', name, { pipeline: 'credit-risk' });
  return {
    ...run,
    contractDigest,
    status: 'succeeded',
    phase: 'registered',
    finishedAt: minute(9),
    trained: {
      goldTable: 'training',
      goldVersion: gold,
      goldDigest: digest(`gold ${gold}`),
      specDigest: digest('spec'),
      metrics: { auc: 0.5 },
      gates: [
        { gate: 'auc >= 0.85', result: 'pass', reason: 'auc is 0.946643' },
        {
          gate: 'auc not worse than the champion by more than 0.02',
          result: 'pass',
          reason: 'nothing is served yet, so there is no champion to compare with',
        },
      ],
      modelDigest: digest(`model ${name}`),
      archiveSha256: digest('archive'),
      archiveBytes: 1,
    },
    jobs: [
      {
        stage: 'train',
        backend: 'kubeflow',
        jobName: run.runId,
        jobId: 'j',
        adopted: false,
        queuedSeconds: 0.3,
        executionSeconds: 61,
        placements: [placed('train', 'sgx-1'), placed('roc', 'sgx-1'), placed('export-roc', 'sgx-2')],
      },
    ],
  };
}

describe('runs show', () => {
  test('a training: metrics, table, curve, slices, files, gates, machines; aligned, and below 100 characters', async () => {
    const { runs, leave, sluice } = await credit('one');
    const [run] = runs as [Run];
    await leave(run, 'run-report.json', report);

    const { code, out } = await sluice('runs', 'show', run.runId);

    expect(code).toBe(0);
    const lines = out.split('\n');
    expect(
      lines.slice(
        lines.findIndex((line) => line.startsWith('  metric')),
        lines.findIndex((line) => line.startsWith('  job ')) - 1,
      ),
    ).toEqual([
      '  metric               value',
      '  auc               0.946643',
      '  accuracy          0.935797',
      '  trueNegatives  6435',
      '',
      '  class        precision  recall      f1  support',
      '  Non-Default     0.9311  0.9927  0.9609     6482',
      '  Default         0.9619  0.7139  0.8196     1664',
      '  accuracy                        0.9358     8146',
      '',
      '  roc: false positive rate  0.01  0.02  0.05  0.1  0.2     0.5',
      '  true positive rate        0.72  0.74  0.8   0.9  0.9111  0.9444',
      '  all 4 points with --json',
      '',
      '  slice         rows  accuracy     auc',
      '  loan_grade=A  2688    0.9700  0.9435',
      '  loan_grade=G    16    0.7500  -',
      '',
      `  file           runs/${run.runId}/files/roc/roc.png`,
      `  file           runs/${run.runId}/files/roc/per-class.csv`,
      `                 fetch them with: sluice runs files ${run.runId} --out DIR`,
      '',
      '  gate                                               result  reason',
      '  auc >= 0.85                                        pass    auc is 0.946643',
      '  auc not worse than the champion by more than 0.02  pass    nothing is served yet, so there is no',
      '                                                             champion to compare with',
      '',
      '  machine        2 steps on sgx-1 (intelvm=sgx): on an SGX machine, not in an enclave',
      '                 train, roc',
      '  machine        export-roc on sgx-2 (intelvm=sgx): on an SGX machine, not in an enclave',
    ]);
    expect(lines.filter((line) => line.length >= 100)).toEqual([]);
  });

  test('for machines holds the report with every point of the curve, and where the files are', async () => {
    const { runs, leave, sluice } = await credit('one');
    const [run] = runs as [Run];
    await leave(run, 'run-report.json', report);

    const found = JSON.parse((await sluice('runs', 'show', run.runId, '--json')).out) as Record<string, unknown>;

    expect(found).toMatchObject({ runId: run.runId, report: { metrics: report.metrics, plots: [TABLE, { points: CURVE }] } });
    expect(found['files']).toEqual(
      ['roc.png', 'per-class.csv'].map((file) => ({ step: 'roc', file, path: `runs/${run.runId}/files/roc/${file}` })),
    );
    expect(JSON.stringify(found)).not.toContain('golden');
  });

  test('without a report shows what the run itself remembers; plots that are none are passed over', async () => {
    const { runs, leave, sluice } = await credit('one', 'two');
    const [bare, odd] = runs as [Run, Run];
    const plots = [
      { name: 'x', kind: 'table', columns: 'a', rows: 3 },
      { name: 'y', kind: 'line', points: 'none' },
      { name: 'z', kind: 'pie' },
    ];
    await leave(odd, 'run-report.json', { ...report, slices: [], plots });

    expect((await sluice('runs', 'show', bare.runId)).out).toContain('  metric  value\n  auc       0.5\n');
    const { code, out } = await sluice('runs', 'show', odd.runId);
    expect([code, out.includes('points with'), out.includes('trueNegatives  6435')]).toEqual([0, false, true]);
  });
});

test('a search: trials best first, each failure in its own words, and how to train with the best', async () => {
  const { deps, sluice } = await servedApi();
  const run = runOf('sweep' as 'train', 'search', {
    status: 'succeeded',
    phase: 'searched',
    finishedAt: minute(9),
    input: { overrides: { seed: 7 } },
  });
  const trial = (n: number, alpha: number, metric: number | null, reason: string | null) => ({
    ...{ trial: n, params: { alpha }, state: metric === null ? ('failed' as const) : ('succeeded' as const), metric, metrics: {} },
    ...{ jobName: `${run.runId}-t${n}`, executionSeconds: 1, reason },
  });
  const long = `job-failed: The trial job ${run.runId}-t1 is failed: step train ended with exit code 1; it said: params: alpha is -1, expected 0 or more`;
  const swept = {
    ...{ goldTable: 'training', goldVersion: 1, goldDigest: digest('gold'), metric: 'mse', direction: 'lower-is-better' as const, seed: 0 },
    ...{ searchedBy: 'trials' as const, best: { trial: 3, params: { alpha: 0.5 }, metric: 3 } },
    trials: [trial(1, -1, null, long), trial(2, 0.1, 4, null), trial(3, 0.5, 3, null)],
  };
  await deps.runs.open({ ...run, swept });

  const { code, out } = await sluice('runs', 'show', run.runId);

  expect(code).toBe(0);
  expect(out.split('\n').flatMap((line) => /^ {2}(\d)/.exec(line)?.[1] ?? [])).toEqual(['3', '2', '1']);
  expect(out.replace(/\s+/g, ' ')).toContain('step train ended with exit code 1; it said: params: alpha is -1, expected 0 or more');
  expect(out).not.toContain('The trial job');
  expect(out).toContain(`sluice train ${run.pipeline} --set seed=7 alpha=0.5 --like ${run.runId} --reason TEXT`);
});

describe('compare', () => {
  async function two() {
    const at = await credit('one', 'two');
    const [a, b] = at.runs as [Run, Run];
    await at.leave(a, 'run-report.json', { ...report, params: { goldenRows: 32 } });
    await at.leave(b, 'run-report.json', {
      ...report,
      params: { goldenRows: 32 },
      metrics: { auc: 0.884308, accuracy: 0.935797, falsePositives: 94 },
      slices: [SLICES[0], { name: 'loan_grade=G', n: 18, metrics: { accuracy: 0.5 } }],
      plots: [roc(LOWER)],
    });
    for (const [run, rounds] of [
      [a, 500],
      [b, 60],
    ] as const) {
      await at.leave(run, 'steps/train/run-report.json', { params: { rounds, maxDepth: 10 } });
      await at.leave(run, 'steps/roc/run-report.json', { params: { goldenRows: 32 } });
    }
    return { ...at, a, b };
  }

  test('lists what differs, of every step, and counts what does not', async () => {
    const { a, b, sluice } = await two();

    const { code, out } = await sluice('compare', a.runId, b.runId);

    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      `  a              ${a.runId}  succeeded on kubeflow`,
      `  b              ${b.runId}  succeeded on kubeflow`,
      '  data           versions 1 and 2 of training',
      `  model          ${digest('model one').slice(0, 12)} and ${digest('model two').slice(0, 12)}`,
      '',
      '  parameter     a    b',
      '  train.rounds  500  60',
      '  2 parameters are equal',
      '',
      '  metric                    a          b     b - a',
      '  auc                0.946643   0.884308  -0.06234',
      '  falsePositives     -         94          -',
      '  trueNegatives   6435          -          -',
      '  1 metric is equal',
      '',
      '  slice         rows    metric       a    b  b - a',
      '  loan_grade=G  16, 18  accuracy  0.75  0.5  -0.25',
      '  1 slice is equal in every metric',
      '',
      '  roc at  0.01    0.02    0.05   0.1    0.2      0.5',
      '  a       0.72    0.74    0.8    0.9    0.9111   0.9444',
      '  b       0.016   0.032   0.08   0.16   0.32     0.8',
      '  b - a   -0.704  -0.708  -0.72  -0.74  -0.5911  -0.1444',
      '  all 4 and 3 points with --json',
      '',
    ]);
  });

  test('of a run with itself says so', async () => {
    const { a, sluice } = await two();

    const { out } = await sluice('compare', a.runId, a.runId);

    expect(out).toContain('  model          the same: ');
    expect(out).toContain('  3 parameters are equal, none differs\n');
    expect(out).toContain('  3 metrics are equal, none differs\n');
    expect(out).toContain('  2 slices are equal in every metric\n');
  });

  test('with a run that left nothing lists what was asked of both, and no column of dashes', async () => {
    const { a, b, deps, sluice } = await two();
    const bare = trained('bare', a.contractDigest, 1);
    await deps.runs.open({ ...bare, status: 'failed', trained: null, input: { overrides: { nothing: 1 } } } as unknown as Run);

    const { code, out } = await sluice('compare', b.runId, bare.runId);

    expect(code).toBe(0);
    expect(out).toContain('  a left 3, b left no metrics\n');
    expect(out).toContain('  only a has slices\n  roc: only a has this curve\n');
    expect(out).not.toContain('goldenRows');
  });

  test('for machines gives every value', async () => {
    const { a, b, sluice } = await two();

    const found = JSON.parse((await sluice('compare', a.runId, b.runId, '--json')).out) as Comparison;

    expect(found.params).toEqual([{ name: 'train.rounds', a: 500, b: 60 }]);
    expect(found.curves).toEqual([{ name: 'roc', kind: 'line', a: CURVE, b: LOWER }]);
  });
});

describe('runs files', () => {
  test('fetches what is there and says of the rest that it is not', async () => {
    const { runs, deps, sluice } = await credit('one');
    const [run] = runs as [Run];
    await (deps.store as unknown as Store).create(`runs/${run.runId}/files/roc/per-class.csv`, Buffer.from('a,b\n'), 'text/csv');
    const dir = await mkdtemp(join(tmpdir(), 'files-'));
    onTestFinished(() => rm(dir, { recursive: true }));

    const { code, out, err } = await sluice('runs', 'files', run.runId, '--out', dir, '--json');

    expect([code, err.includes('roc.png: the step did not leave it')]).toEqual([0, true]);
    expect(JSON.parse(out.trim().split('\n').at(-1) ?? '')).toMatchObject({ written: [join(dir, 'per-class.csv')] });
    expect(await readFile(join(dir, 'per-class.csv'), 'utf8')).toBe('a,b\n');
  });
});

describe('runs top-up', () => {
  test('raises the limit once for each request', async () => {
    const { deps, sluice } = await servedApi();
    const month = '2026-11';
    const run = runOf('train', 'dear', { budget: { month, costPerHour: 10, limit: 20, reserved: 20, spent: null } });
    await deps.runs.open(run);
    await deps.budgets.reserve({ pipeline: run.pipeline, month }, { holder: run.runId, amount: 20, perMonth: 50, at: minute(0) });

    const first = await sluice('runs', 'top-up', run.runId, '5', '--reason', 'nearly there', '--request', 'one');
    const again = await sluice('runs', 'top-up', run.runId, '5', '--reason', 'nearly there', '--request', 'one');
    const more = await sluice('runs', 'top-up', run.runId, '5', '--reason', 'nearly there');

    expect([first.code, again.code, more.code]).toEqual([0, 0, 0]);
    expect([first.out, again.out, more.out]).toEqual([25, 25, 30].map((limit) => `${run.runId} is stopped at ${limit} now\n`));
    expect(await sluice('runs', 'top-up', run.runId, 'much', '--reason', 'x')).toMatchObject({ code: 2 });
  });
});

describe('figures', () => {
  test('points stand one below the other', () => {
    expect(inColumn([0.5, 12, null, -3.25])).toEqual([' 0.5 ', '12   ', ' -   ', '-3.25']);
    expect(inColumn([])).toEqual([]);
    expect(inColumn([3424.856712, 0.33211712, 1e-7, 442])).toEqual(['3424.8567  ', '   0.332117', '1e-7       ', ' 442       ']);
  });

  test('a curve is read between its points, at steps from the upper end, and nowhere else', () => {
    const curve = pointsOf([[0, 0], [0, 0.5], [0.5, 0.7], 'x', [Number.NaN, 1], [1]]);

    expect(curve).toHaveLength(3);
    expect([0, 0.25, 0.5, 0.6, -1].map((x) => heightAt(curve, x))).toEqual([0.5, 0.6, 0.7, null, null]);
    expect(heightAt([], 0)).toBeNull();
  });

  test('a loss is looked at from its first epoch to its last', () => {
    const loss = Array.from({ length: 80 }, (_, n) => [n + 1, 1 / (n + 1)] as const);

    expect(places('training-loss', [loss.slice(0, 3), loss])).toEqual([1, 12, 24, 35, 46, 57, 69, 80]);
    expect(places('training-loss', [[]])).toEqual([]);
    expect(places('training-loss', [loss.slice(0, 1)])).toEqual([1]);
  });

  test('sentences break between words', () => {
    expect(wrapped('one two three a-word-that-is-longer', 8)).toEqual(['one two', 'three', 'a-word-that-is-longer']);
  });
});
