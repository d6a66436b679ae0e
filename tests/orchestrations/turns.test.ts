// One training of a pipeline at a time, and what happens to those that wait: they queue, they give way to newer gold, or they do not wait.
import { describe, expect, test } from 'vitest';
import { START, trainingBench, type TrainingWorld } from '../support/training-world.ts';

const bench = trainingBench();
const busy = (whenBusy: 'queue' | 'latest-wins' | 'parallel', workingSeconds = 1200) => ({
  backends: { kubeflow: { workingSeconds } },
  edit: (spec: TrainingWorld['version']['spec']) => {
    spec.train.whenBusy = whenBusy;
  },
});
const statuses = async (world: TrainingWorld): Promise<string[]> => (await world.runsOf('train')).map(({ status }) => status);

describe('queue', () => {
  test('trainings follow each other in the order in which they came', async () => {
    const { world, host, start, ended } = await bench(busy('queue'));
    const ids = [];
    for (const gold of [1, 2, 3]) {
      ids.push(await start({ gold }));
      await host.advance(30_000);
    }
    expect(world.training.specs.size).toBe(1);

    for (const id of ids) expect(await ended(id)).toMatchObject({ status: 'succeeded' });

    expect([...world.training.specs.values()].map(({ name }) => name)).toEqual(ids);
    expect(await host.entity('training-turn', 'ble-location')).toMatchObject({ holder: null, waiting: [] });
  });

  test('a wait of many hours keeps a short history, and the place in the queue', async () => {
    const { world, host, start, ended, historyLength } = await bench({
      ...busy('queue', 12 * 3600),
      policy: { pollFirstSeconds: 3600, pollMaxSeconds: 3600 },
      edit: (spec) => {
        spec.train.deadline = '1d';
      },
    });
    await start({ gold: 1 });
    await host.advance(10_000);
    const second = await start({ gold: 2 });
    let longest = 0;
    for (let hour = 0; hour < 11; hour += 1) {
      await host.advance(3_600_000);
      longest = Math.max(longest, await historyLength(`${second}-turn`));
    }

    expect(longest).toBeGreaterThan(50);
    expect(longest).toBeLessThan(200);
    expect(await historyLength(second)).toBeLessThan(60);
    expect(await ended(second)).toMatchObject({ status: 'succeeded' });
    expect(world.now() - START.getTime()).toBeGreaterThan(24 * 3_600_000);
  });

  test('a failed training lets the next one begin', async () => {
    const { start, ended } = await bench({ ...busy('queue'), backends: { kubeflow: { outcome: () => ({ state: 'failed' }) } } });
    const ids = [await start({ gold: 1 }), await start({ gold: 2 })];

    for (const id of ids) expect(await ended(id)).toMatchObject({ status: 'failed', failure: { code: 'job-failed' } });
  });

  test('a person who cancels a waiting run takes it out of the queue for good', async () => {
    const { world, host, start, ended } = await bench(busy('queue'));
    const [first, second] = [await start({ gold: 1 }), await start({ gold: 2 })];
    await host.advance(60_000);
    const [waiting] = (await world.runsOf('train')).filter(({ phase }) => phase === 'opened');
    const [other] = [first, second].filter((id) => id !== waiting?.runId);

    await host.raise(waiting?.runId ?? '', 'cancel', { by: 'ada', reason: 'not needed' });
    const run = await ended(waiting?.runId ?? '');

    expect(run).toMatchObject({ status: 'cancelled' });
    expect(run.failure?.message).toBe(`Cancelled by ada (not needed) while it waited for its turn behind ${other ?? ''}`);
    expect(await ended(other ?? '')).toMatchObject({ status: 'succeeded' });
    await host.finished(`${waiting?.runId ?? ''}-turn`);
    expect(await host.entity('training-turn', 'ble-location')).toMatchObject({ holder: null, waiting: [] });
    expect(world.training.specs.size).toBe(1);
  });

  test('a holder that was terminated by hand blocks the next one no longer than its lease', async () => {
    const { host, start, ended } = await bench(busy('queue', 600));
    const killed = await start({ gold: 1 });
    await host.advance(30_000);
    await host.terminate(killed, 'the operator gave up');
    await host.finished(killed);

    const run = await ended(await start({ gold: 2 }));

    expect(run.status).toBe('succeeded');
    const waited = (Date.parse(run.finishedAt ?? '') - Date.parse(run.startedAt)) / 3_600_000;
    expect(waited).toBeGreaterThan(6);
    expect(waited).toBeLessThan(8);
  });
});

describe('latest-wins', () => {
  test('a waiting training gives way to newer gold, with a record that says to which; the one at work goes on', async () => {
    const { world, host, start, ended } = await bench(busy('latest-wins'));
    const first = await start({ gold: 1 });
    await host.advance(30_000);
    const second = await start({ gold: 2 });
    await host.advance(30_000);
    const third = await start({ gold: 3 });

    const gaveWay = await ended(second);

    expect(gaveWay).toMatchObject({ status: 'skipped', phase: 'skipped', failure: { code: 'gave-way' }, next: [third] });
    expect(gaveWay.failure?.message).toBe(`It waited for its turn and gave way to ${third}, which trains on newer data`);
    expect(await ended(first)).toMatchObject({ status: 'succeeded' });
    expect(await ended(third)).toMatchObject({ status: 'succeeded' });
    expect(world.announced.filter(({ type }) => type === 'run.skipped').map(({ id }) => id)).toEqual([`${second}/run.skipped`]);
    expect(world.announced.filter(({ type }) => type === 'run.failed')).toEqual([]);
  });

  test('older gold that comes late gives way at once, also to one at work', async () => {
    const { host, start, ended } = await bench(busy('latest-wins'));
    const newer = await start({ gold: 2 });
    await host.advance(30_000);

    const older = await start({ gold: 1 });

    expect(await ended(older)).toMatchObject({ status: 'skipped', next: [newer] });
  });

  test('a run with other parameters waits and gives way to nobody, and nobody to it', async () => {
    const { host, start, ended } = await bench(busy('latest-wins'));
    await start({ gold: 1 });
    await host.advance(30_000);
    const mine = await start({ gold: 1, overrides: { epochs: 5 } });
    await host.advance(30_000);
    const newer = await start({ gold: 2 });

    expect(await ended(mine)).toMatchObject({ status: 'succeeded' });
    expect(await ended(newer)).toMatchObject({ status: 'succeeded' });
  });
});

test('parallel: nobody waits', async () => {
  const { world, host, start } = await bench(busy('parallel'));
  for (const gold of [1, 2, 3]) await start({ gold });

  await host.advance(60_000);

  expect(world.training.specs.size).toBe(3);
  expect(await statuses(world)).toEqual(['running', 'running', 'running']);
});
