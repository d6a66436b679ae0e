// What a training may cost: reserved before its job, stopped at the limit, topped up while it works, settled at the end.
import { describe, expect, test } from 'vitest';
import { monthOf } from '../../shared/decisions/budget.ts';
import { START, trainingBench, type TrainingWorldOptions } from '../support/training-world.ts';

const bench = trainingBench();
const HOUR = 3600;
const MONTH = { pipeline: 'ble-location', month: monthOf(START.toISOString()) };

/** Ten an hour; a run may cost 20, the month 50, unless the test says otherwise. */
const priced = (
  working: number,
  budget: { perRun?: number; perMonth?: number } = {},
  more: TrainingWorldOptions = {},
): TrainingWorldOptions => ({
  backends: { kubeflow: { workingSeconds: working, pendingSeconds: 600 } },
  edit: (spec) => {
    spec.train.deadline = '6h';
    spec.train.budget = { costPerHour: 10, perRun: 20, perMonth: 50, ...budget };
  },
  ...more,
});

test('a run reserves what it may cost before its job is made, and gives back what it did not spend', async () => {
  const { world, train } = await bench(
    priced(
      HOUR,
      {},
      {
        around: async (call, act) => {
          if (call.name === 'submit-training') expect(await world.budgets.taken(MONTH)).toBe(20);
          return act();
        },
      },
    ),
  );

  const run = await train();

  expect(run).toMatchObject({ status: 'succeeded', budget: { month: '2026-01', costPerHour: 10, limit: 20, reserved: 0, spent: 10 } });
  expect(await world.budgets.taken(MONTH)).toBe(10);
  const order = world.calls.map(({ name }) => name).filter((name) => /budget|submit-training|cancel/.test(name));
  expect(order).toEqual(['reserve-budget', 'submit-training', 'settle-budget']);
});

test('a run reserves no more than the time until its deadline can cost', async () => {
  const { world, start, host } = await bench(priced(HOUR, { perRun: 500, perMonth: 100 }));

  await start();
  await host.advance(60_000);

  expect(await world.budgets.taken(MONTH)).toBe(60);
});

test('a month that has not that much left lets no job be made', async () => {
  const { world, train } = await bench(priced(HOUR, { perMonth: 25 }));
  await train();

  const run = await train({ gold: 2 });

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'budget-exhausted' } });
  expect(run.failure?.message).toContain('This run may cost 20, and ble-location has 15 left of its 25 for 2026-01. No job was made');
  expect(world.training.specs.size).toBe(1);
  expect(await world.budgets.taken(MONTH)).toBe(10);
});

describe('a run that reaches its limit', () => {
  test('is stopped there, not before and not much later; the queue costs nothing', async () => {
    const { world, train } = await bench(priced(5 * HOUR));

    const run = await train();

    expect(run).toMatchObject({ status: 'failed', failure: { code: 'budget-reached' } });
    expect(run.failure?.message).toContain('had used up the 20 that its run may cost and was cancelled');
    const [job] = run.jobs;
    expect(job?.queuedSeconds).toBe(600);
    expect(job?.executionSeconds).toBeGreaterThanOrEqual(2 * HOUR - 2);
    expect(job?.executionSeconds).toBeLessThan(2 * HOUR + 60);
    expect(run.budget?.spent).toBeCloseTo(20, 0);
    expect(await world.budgets.taken(MONTH)).toBe(run.budget?.spent);
    expect(world.training.cancels).toHaveLength(1);
  });

  test('was announced when most of it was spent, once', async () => {
    const { world, train } = await bench(priced(5 * HOUR));

    const { runId } = await train();

    const low = world.announced.filter(({ type }) => type === 'budget.low');
    expect(low).toMatchObject([{ id: `${runId}/budget.low/20`, data: { limit: 20, costPerHour: 10 } }]);
    const after = (Date.parse(low[0]?.at ?? '') - START.getTime()) / 1000;
    expect(after).toBeGreaterThan(0.8 * 2 * HOUR);
    expect(after).toBeLessThan(2 * HOUR);
  });

  test('goes on when an approver has topped it up', async () => {
    const at = await bench(priced(2.5 * HOUR));
    const runId = await at.start();
    await at.host.advance(2 * HOUR * 1000);

    await at.world.budgets.topUp(MONTH, runId, { id: 'one', amount: 10, by: 'grace', reason: 'nearly there', at: START.toISOString() });
    const run = await at.ended(runId);

    expect(run).toMatchObject({ status: 'succeeded', budget: { limit: 30, spent: 25 } });
    expect(at.world.training.cancels).toEqual([]);
  });
});

describe('money is settled', () => {
  test('when a person cancels: what the job worked until then', async () => {
    const { world, host, start, ended } = await bench(priced(5 * HOUR));
    const runId = await start();
    await host.advance(HOUR * 1000 + 600_000);

    await host.raise(runId, 'cancel', { by: 'ada', reason: 'no' });
    const run = await ended(runId);

    expect(run.status).toBe('cancelled');
    expect(run.budget?.spent).toBeGreaterThan(9.9);
    expect(run.budget?.spent).toBeLessThan(10.5);
    expect(await world.budgets.taken(MONTH)).toBe(run.budget?.spent);
  });

  test('with nothing when no job could be made', async () => {
    const { world, train } = await bench(
      priced(
        HOUR,
        {},
        {
          around: async (call, act) =>
            call.name === 'submit-training' ? { ok: false, rejection: { code: 'backend-refused', message: 'no' } } : act(),
        },
      ),
    );

    expect(await train()).toMatchObject({ status: 'failed', failure: { code: 'backend-refused' }, budget: { spent: 0 } });
    expect(await world.budgets.taken(MONTH)).toBe(0);
  });

  test('with the time since submission when the end of the job cannot be seen', async () => {
    const { train } = await bench(
      priced(
        HOUR,
        {},
        {
          around: async (call, act) =>
            call.name === 'read-job' ? { ok: false, rejection: { code: 'backend-forbidden', message: 'no' } } : act(),
        },
      ),
    );

    expect(await train()).toMatchObject({ status: 'failed', failure: { code: 'backend-forbidden' }, budget: { reserved: 0 } });
  });
});
