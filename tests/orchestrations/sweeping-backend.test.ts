// Searches that a backend does by itself: one job, paid for by the trials that work at once, its trials in the record whichever way it ends.
import { describe, expect, test } from 'vitest';
import type { SweepBackend, SweepSpec } from '../../shared/ports/sweep-backend.ts';
import { START, trainingBench, type TrainingWorldOptions } from '../support/training-world.ts';

const bench = trainingBench();
const HOUR = 3_600_000;
const MONTH = { pipeline: 'ble-location', month: '2026-01' };
const iso = (ms: number): string => new Date(START.getTime() + ms).toISOString();

interface Script {
  /** When its trials begin to work and end, milliseconds after the start of the test. */
  begins?: number;
  ends?: number;
}

/** A backend with a search of two trials that work side by side; time is the host's. */
function searching({ begins = 0, ends = 60_000 }: Script = {}) {
  const specs: SweepSpec[] = [];
  let cancelledAt: number | null = null;
  let now = (): number => START.getTime();
  const own: SweepBackend = {
    submit: async (spec) => (specs.push(spec), { jobId: 'sweep-1', adopted: false }),
    get: async () => {
      const at = Math.min(cancelledAt ?? Infinity, now() - START.getTime());
      const [begun, ended] = [at >= begins, at >= ends];
      const times = { startedAt: begun ? iso(begins) : null };
      const endedAt = ended ? iso(ends) : cancelledAt === null ? null : iso(cancelledAt);
      const working = cancelledAt === null ? 'running' : 'cancelled';
      return {
        state: ended ? 'succeeded' : cancelledAt === null ? 'running' : 'cancelled',
        reason: null,
        trials: [
          // The first is quick, the second works until the end.
          {
            name: 'sweep-1_1',
            params: { epochs: 40 },
            state: begun ? 'succeeded' : 'pending',
            metric: 0.7,
            metrics: { top1: 0.7, loss: 1 },
            ...times,
            endedAt,
          },
          {
            name: 'sweep-1_2',
            params: { epochs: 20 },
            state: ended ? 'succeeded' : begun ? working : 'pending',
            metric: ended ? 0.2 : null,
            metrics: {},
            ...times,
            endedAt,
          },
        ],
      };
    },
    cancel: async () => void (cancelledAt ??= now() - START.getTime()),
  };
  return {
    specs,
    cancelledAt: () => cancelledAt,
    follow: (clock: () => number) => void (now = clock),
    ports: { sweeps: { kubeflow: own } } satisfies TrainingWorldOptions['ports'],
  };
}
const priced: NonNullable<TrainingWorldOptions['edit']> = (spec) => {
  spec.train.deadline = '6h';
  spec.train.budget = { costPerHour: 10, perRun: 30, perMonth: 500 };
};
async function opened(script: Script, options: TrainingWorldOptions = {}) {
  const backend = searching(script);
  const at = await bench({ ...options, ports: { ...options.ports, ...backend.ports } });
  backend.follow(at.world.now);
  return { backend, ...at };
}

test('gets the whole search as one job, and its trials are in the record', async () => {
  const { backend, world, startSweep, ended } = await opened({});

  const run = await ended(await startSweep());

  expect(run).toMatchObject({
    status: 'succeeded',
    swept: { searchedBy: 'backend', best: { trial: 1, params: { epochs: 40 }, metric: 0.7 } },
  });
  expect(run.swept?.trials).toMatchObject([
    { state: 'succeeded', metrics: { top1: 0.7, loss: 1 }, jobName: 'sweep-1_1', executionSeconds: 60 },
    { state: 'succeeded', metric: 0.2, executionSeconds: 60 },
  ]);
  expect(backend.specs).toMatchObject([
    { objective: { metric: 'top1', goal: 'maximize' }, trials: 4, parallel: 2, seed: 1, job: { name: run.runId } },
  ]);
  expect(run.jobs).toMatchObject([{ jobId: 'sweep-1', executionSeconds: 60, queuedSeconds: expect.any(Number) as number }]);
  expect(world.training.specs.size).toBe(0);
});

test('a trial that the backend ended early is shown as stopped', async () => {
  const own: SweepBackend = {
    submit: async () => ({ jobId: 's', adopted: false }),
    get: async () => ({
      state: 'succeeded',
      reason: null,
      trials: [
        { name: 's_0', params: { epochs: 40 }, state: 'succeeded', metric: 0.7, metrics: {}, startedAt: iso(0), endedAt: iso(1_000) },
        { name: 's_1', params: { epochs: 10 }, state: 'cancelled', metric: 0.1, metrics: {}, startedAt: iso(0), endedAt: iso(500) },
      ],
    }),
    cancel: async () => undefined,
  };
  const { startSweep, ended } = await bench({ ports: { sweeps: { kubeflow: own } } });

  const run = await ended(await startSweep());

  expect(run.swept?.trials[1]).toMatchObject({ state: 'stopped', reason: expect.stringContaining('median') as string });
});

describe('what it may cost', () => {
  test('is reserved before it is submitted, for the trials that may work at once', async () => {
    const { world, startSweep, ended } = await opened(
      { ends: HOUR },
      {
        edit: (spec) => {
          priced(spec);
          spec.train.budget = { costPerHour: 10, perRun: 1_000, perMonth: 150 };
        },
        around: async (call, act) => {
          // Two at once for six hours, though four trials were asked for.
          if (call.name === 'submit-search') expect(await world.budgets.taken(MONTH)).toBe(120);
          return act();
        },
      },
    );

    const run = await ended(await startSweep());

    expect(run).toMatchObject({ status: 'succeeded', budget: { limit: 120, reserved: 0, spent: 20 } });
    expect(world.calls.map(({ name }) => name).filter((name) => /budget|submit/.test(name))).toEqual([
      'reserve-budget',
      'submit-search',
      'settle-budget',
    ]);
    expect(await world.budgets.taken(MONTH)).toBe(20);
  });

  test('ends it at the limit, counted twice as fast as one trial; what it had found counts', async () => {
    const { backend, startSweep, ended, world } = await opened({ ends: 5 * HOUR }, { edit: priced });

    const run = await ended(await startSweep());

    // 30 at 2 × 10 an hour: an hour and a half.
    expect(backend.cancelledAt()).toBeGreaterThanOrEqual(1.5 * HOUR - 2_000);
    expect(backend.cancelledAt()).toBeLessThan(1.5 * HOUR + 60_000);
    expect(run).toMatchObject({
      status: 'succeeded',
      swept: { best: { trial: 1 }, trials: [{ state: 'succeeded' }, { state: 'stopped' }] },
    });
    expect(run.swept?.trials[1]?.reason).toContain('had used up the 30 that its run may cost');
    expect(run.warnings?.[0]).toMatch(/^The search was stopped before its end: .*used up the 30/);
    expect(run.budget?.spent).toBeCloseTo(30, 0);
    expect(world.announced.filter(({ type }) => type === 'budget.low')).toHaveLength(1);
  });

  test('costs nothing while its trials wait for machines', async () => {
    const { startSweep, ended } = await opened({ begins: 2 * HOUR, ends: 3 * HOUR }, { edit: priced });

    await expect(ended(await startSweep())).resolves.toMatchObject({ status: 'succeeded', budget: { spent: 20 } });
  });

  test('may be topped up while it works', async () => {
    const { world, host, backend, startSweep, ended } = await opened({ ends: 2 * HOUR }, { edit: priced });
    const runId = await startSweep();
    await host.advance(HOUR);

    await world.budgets.topUp(MONTH, runId, { id: 'one', amount: 15, by: 'grace', reason: 'nearly there', at: iso(HOUR) });
    const run = await ended(runId);

    expect(run).toMatchObject({ status: 'succeeded', budget: { limit: 45, spent: 40 } });
    expect(backend.cancelledAt()).toBeNull();
  });

  test('without a result is an end without success, and is settled all the same', async () => {
    const { world, startSweep, ended } = await opened({ begins: 7 * HOUR, ends: 8 * HOUR }, { edit: priced });

    const run = await ended(await startSweep());

    expect(run).toMatchObject({ status: 'failed', failure: { code: 'job-late' }, budget: { spent: 0, reserved: 0 } });
    expect(await world.budgets.taken(MONTH)).toBe(0);
  });

  test('is settled by the time since its submission when its end cannot be seen', async () => {
    const { startSweep, ended } = await opened(
      {},
      {
        edit: priced,
        around: async (call, act) =>
          call.name === 'read-job' ? { ok: false, rejection: { code: 'backend-forbidden', message: 'no' } } : act(),
      },
    );

    await expect(ended(await startSweep())).resolves.toMatchObject({
      status: 'failed',
      failure: { code: 'backend-forbidden' },
      budget: { reserved: 0 },
    });
  });
});

test('trials that cannot be read afterwards cost the time since the submission, and the end of the search is told', async () => {
  const unread = { ok: false, rejection: { code: 'backend-forbidden', message: 'no' } };
  const { startSweep, ended } = await opened(
    { ends: 5 * HOUR },
    { edit: priced, around: async (call, act) => (call.name === 'read-trials' ? unread : act()) },
  );

  const run = await ended(await startSweep());

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'budget-reached' }, budget: { reserved: 0 } });
  expect(run.budget?.spent).toBeGreaterThan(29);
});

test('a person ends it as one: its trials are cancelled, and the record has them', async () => {
  const { backend, host, startSweep, ended } = await opened({ ends: 5 * HOUR }, { edit: priced });
  const runId = await startSweep();
  await host.advance(HOUR / 2);

  await host.raise(runId, 'cancel', { by: 'ada', reason: 'enough' });
  const run = await ended(runId);

  expect(run).toMatchObject({ status: 'cancelled', swept: { trials: [{ state: 'succeeded' }, { state: 'cancelled' }] } });
  expect(backend.cancelledAt()).not.toBeNull();
  expect(run.budget?.spent).toBeGreaterThan(9.9);
});
