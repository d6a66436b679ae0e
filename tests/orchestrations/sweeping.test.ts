// Searches by trials of ours: round by round, each a job of its own; what ends them early; the best trained as a run.
import { describe, expect, test } from 'vitest';
import type { JobSpec } from '../../shared/contracts/training.ts';
import { trainingBench, type TrainingWorldOptions } from '../support/training-world.ts';
import { reportOf } from '../support/training-side.ts';

const bench = trainingBench();
const METRICS = reportOf('any')['metrics'] as Record<string, number>;
const epochsOf = (job: JobSpec): number => (JSON.parse(String(job.parameters['params'])) as { epochs: number }).epochs;
/** The more epochs, the better. */
const learning = (more: object = {}): TrainingWorldOptions => ({
  backends: { kubeflow: { report: (name, job) => reportOf(name, { metrics: { ...METRICS, top1: epochsOf(job) / 100 } }), ...more } },
});

describe('a search by trials of ours', () => {
  test('tries each set of parameters in a job of its own, side by side, and says which was best', async () => {
    const { world, startSweep, ended } = await bench(learning());

    const run = await ended(await startSweep());

    expect(run).toMatchObject({
      status: 'succeeded',
      phase: 'searched',
      swept: { metric: 'top1', searchedBy: 'trials', best: { params: { epochs: 40 }, metric: 0.4 }, goldVersion: 1 },
      next: [],
    });
    expect(run.swept?.trials.map(({ state, metric, params }) => [state, metric, params['epochs']])).toEqual(
      expect.arrayContaining([10, 20, 30, 40].map((epochs) => ['succeeded', epochs / 100, epochs])) as unknown[],
    );
    expect([...world.training.specs.values()].map(({ name }) => name).sort()).toEqual(
      [1, 2, 3, 4].map((trial) => `${run.runId}-t${trial}`),
    );
    expect(world.callsOf('read-job').length).toBeGreaterThan(0);
    expect(run.jobs.map(({ stage, executionSeconds }) => [stage, executionSeconds])).toEqual(Array(4).fill(['trial', 2]));
    expect(await world.models.list('ble-location', 10)).toEqual([]);
  });

  test('leaves the reports of its trials, and no models', async () => {
    const { world, startSweep, ended } = await bench(learning());
    const { runId } = await ended(await startSweep());

    const job = [...world.training.specs.values()].find(({ name }) => name.endsWith('-t1'));

    expect(job?.exports.map(({ storePath }) => storePath.replace(runId, 'RUN'))).toEqual([
      'runs/RUN/trials/1/steps/train/run-report.json',
      'runs/RUN/trials/1/run-report.json',
    ]);
  });

  test('trains on the best parameters as a run of its own where that was asked for', async () => {
    const { world, startSweep, ended } = await bench(learning());

    const run = await ended(await startSweep({ train: true }));

    const [trained] = await world.runsOf('train');
    expect(run.next).toEqual([trained?.runId]);
    expect(trained).toMatchObject({ status: 'succeeded', cause: { kind: 'run', ref: run.runId }, trained: { metrics: { top1: 0.4 } } });
    expect(await world.models.list('ble-location', 10)).toMatchObject([{ runId: trained?.runId }]);
  });

  test('goes on when a trial fails, and fails when all do: with the words of the first', async () => {
    const oneFails = learning({
      outcome: (job: JobSpec) => (epochsOf(job) === 40 ? { state: 'failed', reason: 'exit 1' } : { state: 'succeeded' }),
    });
    const allFail = learning({ outcome: () => ({ state: 'failed', reason: 'exit 1' }) });
    const first = await bench(oneFails);
    const second = await bench(allFail);

    const one = await first.ended(await first.startSweep());
    const all = await second.ended(await second.startSweep());

    expect(one).toMatchObject({ status: 'succeeded', swept: { best: { metric: 0.3 } } });
    expect(one.swept?.trials.find(({ params }) => params['epochs'] === 40)).toMatchObject({ state: 'failed', metric: null });
    expect(one.swept?.trials.find(({ params }) => params['epochs'] === 40)?.reason).toMatch(
      /^job-failed: The trial job .* is failed: exit 1$/,
    );
    expect(all).toMatchObject({ status: 'failed', failure: { code: 'search-empty' } });
    expect(all.failure?.message).toContain('exit 1');
    expect(second.world.training.specs.size).toBe(2);
  });

  test('says of a trial without the metric which ones it has', async () => {
    const { startSweep, ended } = await bench(learning());

    const run = await ended(await startSweep({ metric: 'auc' }));

    expect(run.failure?.message).toContain('its report has no metric "auc"; it has leakedRows, top1, top5, meanErrorCells');
  });

  test('begins no more rounds when two in a row brought nothing better than the median of those before', async () => {
    let jobs = 0;
    const falling = learning({ report: (name: string) => reportOf(name, { metrics: { ...METRICS, top1: 0.9 - (jobs += 1) / 100 } }) });
    const { world, startSweep, ended } = await bench(falling);

    const run = await ended(await startSweep({ space: { epochs: { uniform: [1, 10_000] } }, trials: 12, parallel: 1 }));

    expect(run).toMatchObject({ status: 'succeeded', swept: { best: { trial: 1 } } });
    expect(world.training.specs.size).toBe(4);
    const stopped = run.swept?.trials.filter(({ state }) => state === 'stopped');
    expect(stopped).toHaveLength(8);
    expect(stopped?.[0]?.reason).toBe('2 rounds in a row brought nothing better than the median of those before (0.885)');
  });

  test('the same search again finds its jobs and makes none', async () => {
    const { world, startSweep, ended, host } = await bench(learning());
    const runId = await startSweep();
    await host.advance(1_000);
    expect(world.training.specs.size).toBe(2);

    const answers = await Promise.all(
      world.callsOf('submit-training').map((input) => world.act('submit-training', input) as Promise<{ value: { adopted: boolean } }>),
    );
    await ended(runId);

    expect(answers.map(({ value }) => value.adopted)).toEqual([true, true]);
    expect(world.training.specs.size).toBe(4);
  });

  test('a person ends it: the trials at work are cancelled, none begins any more', async () => {
    const { world, host, startSweep, ended } = await bench(learning({ workingSeconds: 3600 }));
    const runId = await startSweep();
    await host.advance(120_000);

    await host.raise(runId, 'cancel', { by: 'ada', reason: 'enough' });
    const run = await ended(runId);

    expect(run).toMatchObject({ status: 'cancelled', swept: { trials: [{ state: 'cancelled' }, { state: 'cancelled' }] } });
    expect(run.failure?.message).toBe('Cancelled by ada (enough) while its trials were working; they are cancelled');
    expect(world.training.cancels.length).toBeGreaterThanOrEqual(2);
    expect(world.training.specs.size).toBe(2);
  });

  test('a person who ends it just when its trials are being made is heard by each of them', async () => {
    const at = await bench({
      ...learning({ workingSeconds: 3600 }),
      around: async (call, act) => {
        const answer = await act();
        if (call.name === 'submit-training') await at.host.raise(String(call.input['runId']), 'cancel', { by: 'ada', reason: 'enough' });
        return answer;
      },
    });

    const run = await at.ended(await at.startSweep());

    expect(run.status).toBe('cancelled');
    expect(at.world.now() - Date.parse(run.startedAt)).toBeLessThan(600_000);
    for (const { jobId } of run.jobs) expect(await at.world.training.get(jobId)).toMatchObject({ state: 'cancelled' });
  });

  test('spends no more than its run may cost, trials together', async () => {
    const { world, startSweep, ended } = await bench({
      ...learning({ workingSeconds: 1800 }),
      edit: (spec) => {
        spec.train.budget = { costPerHour: 10, perRun: 12 };
      },
    });

    const run = await ended(await startSweep({ space: { epochs: { uniform: [1, 10_000] } }, trials: 8 }));

    expect(run.budget).toMatchObject({ limit: 12, reserved: 0 });
    expect(run.budget?.spent).toBeLessThanOrEqual(12.2);
    expect(run.swept?.trials.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', ...Array<string>(6).fill('stopped')]);
    expect(world.announced.filter(({ type }) => type === 'budget.low')).toHaveLength(1);
    // Two were at work when the money was used up: they are cancelled where they work, and the table says so of them.
    expect(world.training.cancels.map(({ jobId }) => jobId)).toEqual([3, 4].map((trial) => `memory/${run.runId}-t${trial}`));
    expect(run.swept?.trials[2]?.reason).toMatch(/^budget-reached: .*it is cancelled/);
    expect(run.swept?.trials[4]?.reason).toBe('the search has used up what it may cost');
  });

  test('goes on with more rounds when an approver has topped it up', async () => {
    const at = await bench({
      ...learning({ workingSeconds: 1800 }),
      edit: (spec) => {
        spec.train.budget = { costPerHour: 10, perRun: 12 };
      },
    });
    const runId = await at.startSweep({ space: { epochs: { uniform: [1, 10_000] } }, trials: 4 });
    await at.host.advance(60_000);

    await at.world.budgets.topUp({ pipeline: 'ble-location', month: '2026-01' }, runId, {
      id: 'one',
      amount: 10,
      by: 'grace',
      reason: 'go on',
      at: '2026-01-01T00:01:00.000Z',
    });
    const run = await at.ended(runId);

    expect(run).toMatchObject({ status: 'succeeded', budget: { limit: 22, spent: 20 } });
    expect(run.swept?.trials.map(({ state }) => state)).toEqual(Array(4).fill('succeeded'));
  });
});
