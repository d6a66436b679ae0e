// A search in the experiment of its pipeline: one run for the search, and below it one run for each of its trials, by whomever they were tried.
import { describe, expect, test } from 'vitest';
import { logRun } from '../../shared/contracts/activities/tracking.ts';
import type { JobSpec } from '../../shared/contracts/training.ts';
import { TransientError } from '../../shared/errors/errors.ts';
import type { LoggedRun } from '../../shared/ports/run-logger.ts';
import { reportOf } from '../support/training-side.ts';
import { START, trainingBench, type TrainingWorldOptions } from '../support/training-world.ts';

const bench = trainingBench();
const METRICS = reportOf('any')['metrics'] as Record<string, number>;
const epochsOf = (job: JobSpec): number => (JSON.parse(String(job.parameters['params'])) as { epochs: number }).epochs;

/** What the tracker was told, in order; a repeat of a run replaces what was told before. */
function tracker(fails: (run: LoggedRun) => boolean = () => false) {
  const told: LoggedRun[] = [];
  const log = async (run: LoggedRun) => {
    if (fails(run)) throw new TransientError('backend-failing', 'away');
    told.push(run);
    return { mlflowRunId: `mlflow-of-${run.runId}`, url: 'https://ml.example/1' };
  };
  const last = (runId: string) => told.findLast((run) => run.runId === runId);
  return { told, last, runLogger: { log } };
}
const options = (more: Partial<TrainingWorldOptions> = {}): TrainingWorldOptions => ({
  edit: (spec) => {
    spec.train.mlflow = { experiment: 'indoor' };
  },
  backends: {
    kubeflow: {
      workingSeconds: 120,
      report: (name, job) => reportOf(name, { metrics: { ...METRICS, top1: epochsOf(job) / 100 } }),
      outcome: (job) => (epochsOf(job) === 30 ? { state: 'failed', reason: 'exit 1' } : { state: 'succeeded' }),
    },
  },
  ...more,
});

describe('trials of ours', () => {
  test('are runs below the search’s, each with its parameters, metrics and end', async () => {
    const { told, last, runLogger } = tracker();
    const { startSweep, ended } = await bench(options({ ports: { runLogger } }));

    const run = await ended(await startSweep());

    const children = told.filter((one) => one.parentRunId !== undefined);
    expect(children.map(({ runId }) => runId)).toEqual([1, 2, 3, 4].map((trial) => `${run.runId}-t${trial}`));
    for (const child of children) {
      const epochs = Number(child.params['epochs']);
      const failed = epochs === 30;
      expect(child).toMatchObject({
        experiment: 'indoor',
        parentRunId: `mlflow-of-${run.runId}`,
        status: failed ? 'failed' : 'succeeded',
        params: { testShare: '0.25' },
        metrics: failed ? {} : { ...METRICS, top1: epochs / 100 },
        tags: { 'sluice.backend': 'kubeflow', 'sluice.job': child.runId, 'sluice.gold': run.swept?.goldDigest },
      });
      expect(Date.parse(child.finishedAt ?? '') - Date.parse(child.startedAt)).toBe(120_000);
    }
    // The search's own run is there before its trials, and is ended with the best of them. What they vary is no parameter of it.
    expect(told[0]).toMatchObject({ runId: run.runId, status: 'running', finishedAt: null });
    expect(told[0]?.params).not.toHaveProperty('epochs');
    expect(told[0]?.params).toHaveProperty('testShare');
    expect(last(run.runId)).toMatchObject({ status: 'succeeded', metrics: { top1: 0.4 } });
    expect(last(run.runId)?.tags['sluice.best']).toBe(`trial ${run.swept?.best?.trial}`);
    expect(run.tracked).toEqual({ mlflowRunId: `mlflow-of-${run.runId}`, url: 'https://ml.example/1' });
  });

  test('of a search that a person ended are there as cancelled, and so is the search', async () => {
    const { last, runLogger } = tracker();
    const at = await bench(options({ ports: { runLogger }, backends: { kubeflow: { outcome: () => ({ state: 'never' }) } } }));
    const runId = await at.startSweep();
    await at.host.advance(120_000);

    await at.host.raise(runId, 'cancel', { by: 'ada', reason: 'enough' });
    await at.ended(runId);

    expect([last(`${runId}-t1`)?.status, last(`${runId}-t2`)?.status, last(runId)?.status]).toEqual([
      'cancelled',
      'cancelled',
      'cancelled',
    ]);
  });

  test('a tracker that was away at first gets the search with the next round; one that stays away is a warning', async () => {
    let calls = 0;
    const late = tracker(() => (calls += 1) <= logRun.retry.attempts);
    const gone = tracker(() => true);
    const first = await bench(options({ ports: { runLogger: late.runLogger } }));
    const second = await bench(options({ ports: { runLogger: gone.runLogger } }));

    const one = await first.ended(await first.startSweep());
    const two = await second.ended(await second.startSweep());

    expect(late.told.filter(({ parentRunId }) => parentRunId !== undefined).length).toBeGreaterThan(0);
    expect(one.warnings).toHaveLength(1);
    expect(two).toMatchObject({
      status: 'succeeded',
      warnings: [expect.stringMatching(/^The run was not logged to the workspace: .*away/)],
    });
  });

  test('are not logged where the pipeline names no experiment', async () => {
    const { told, runLogger } = tracker();
    const { startSweep, ended } = await bench({ ports: { runLogger } });

    await ended(await startSweep());

    expect(told).toEqual([]);
  });
});

test('trials of the backend’s own search are runs below the search’s, too', async () => {
  const { told, runLogger } = tracker();
  const at = (seconds: number): string => new Date(START.getTime() + seconds * 1000).toISOString();
  const trial = (number: number, state: 'succeeded' | 'cancelled') => ({
    name: `s_${number}`,
    params: { epochs: number },
    state,
    metric: number / 10,
    metrics: { top1: number / 10, loss: 3 },
    startedAt: at(10),
    endedAt: at(40),
  });
  const trials = Array.from({ length: 25 }, (_, index) => trial(index + 1, index === 24 ? 'cancelled' : 'succeeded'));
  const own = {
    submit: async () => ({ jobId: 's', adopted: false }),
    get: async () => ({ state: 'succeeded' as const, reason: null, trials }),
    cancel: async () => undefined,
  };
  const { world, startSweep, ended } = await bench(options({ ports: { runLogger, sweeps: { kubeflow: own } } }));

  const run = await ended(await startSweep({ trials: 25 }));

  const children = told.filter((one) => one.parentRunId === `mlflow-of-${run.runId}`);
  expect(children).toHaveLength(25);
  expect(world.callsOf('log-trials').map(({ trials: part }) => (part as unknown[]).length)).toEqual([20, 5]);
  expect(children[0]).toMatchObject({
    runId: `${run.runId}-t1`,
    status: 'succeeded',
    params: { epochs: '1', testShare: '0.25' },
    metrics: { top1: 0.1, loss: 3 },
    tags: { 'sluice.job': 's_1' },
    startedAt: at(10),
    finishedAt: at(40),
  });
  expect(children[24]?.status).toBe('cancelled');
});
