// A person cancels a promotion at each of its steps: what was begun is undone, wherever the event comes.
import { expect, test } from 'vitest';
import { storyBench } from '../support/story-bench.ts';
import { ENDPOINT, LOCK_KEY } from '../support/story-host.ts';

const bench = storyBench();

test.each([
  ['submit-publication', 1, /while the publish job .* the job is cancelled$/],
  ['read-job', 2, /while the publish job .* the job is cancelled$/],
  ['verify-artifact', 1, /before anything was deployed$/],
  ['stage-serving', 1, /before any traffic was moved$/],
  ['apply-serving', 1, /while ble-location-dev was being deployed; the endpoint was restored$/],
  // The first look is before the deployment; the later ones are between two timers that a person's event must not slip through.
  ['read-endpoint', 2, /while ble-location-dev was being deployed; the endpoint was restored$/],
  ['read-endpoint', 3, /while ble-location-dev was being deployed; the endpoint was restored$/],
  ['check-parity', 1, /while ble-location-dev was being checked; the endpoint was restored$/],
])('at %s (call %i)', async (step, nth, message) => {
  let seen = 0;
  const at = await bench({
    training: { workingSeconds: 60 },
    serving: { changeSeconds: 120 },
    around: async (call, act) => {
      const [promote] = await at.world.runsOf('promote');
      if (promote && call.name === step && (seen += 1) === nth) {
        await at.host.raise(promote.runId, 'cancel', { by: 'ada', reason: 'wrong model' });
      }
      return act();
    },
  });

  const { promote, train } = await at.story();

  expect(seen).toBeGreaterThanOrEqual(nth);
  expect(train?.status).toBe('succeeded');
  expect(promote).toMatchObject({ status: 'cancelled', failure: { code: 'cancelled' }, promoted: null });
  expect(promote?.failure?.message).toMatch(/^Cancelled by ada \(wrong model\) /);
  expect(promote?.failure?.message).toMatch(message);
  expect(await at.world.platform.read(ENDPOINT)).toMatchObject({ status: 'absent' });
  if (step === 'stage-serving') expect(at.world.callsOf('apply-serving')).toEqual([]);
  expect(await at.world.serving.current()).toEqual([]);
  expect(await at.host.entity('endpoint-lock', LOCK_KEY)).toBeNull();
});

test('while the endpoint is polled, at a moment when nothing is in flight', async () => {
  const { world, host, drop } = await bench({ serving: { changeSeconds: 300 } });
  const { instanceId } = await drop('bronze/ble-location/a.csv', 'rows');
  await host.advance(120_000);
  const [running] = await world.runsOf('promote');
  expect(running).toMatchObject({ phase: 'deploying' });

  await host.raise(running?.runId ?? '', 'cancel', { by: 'ada', reason: 'no' });
  await host.finished(instanceId ?? '');

  expect(await world.runsOf('promote')).toMatchObject([{ status: 'cancelled' }]);
  expect(await world.platform.read(ENDPOINT)).toMatchObject({ status: 'absent' });
});

test.each(['record-run', 'refine-dataset'])('at %s of a refinement: the commit stays, nothing is trained', async (step) => {
  let raised = false;
  const at = await bench({
    around: async (call, act) => {
      const [refine] = await at.world.runsOf('refine');
      if (refine && call.name === step && !raised) await at.host.raise(refine.runId, 'cancel', { by: 'ada', reason: 'no' });
      raised ||= call.name === step;
      return act();
    },
  });

  const { refine } = await at.story();

  expect(refine).toMatchObject({ status: 'cancelled', next: [] });
  expect(refine?.failure?.message).toMatch(/^Cancelled by ada \(no\) while the data was being refined/);
  expect(at.world.engine.commits).toHaveLength(1);
  expect(await at.world.runsOf('train')).toEqual([]);
});

test('twice is once', async () => {
  const { world, host, drop } = await bench({ training: { outcome: () => ({ state: 'never' }) } });
  const { instanceId } = await drop('bronze/ble-location/a.csv', 'rows');
  await host.advance(120_000);
  const [running] = await world.runsOf('train');

  await host.raise(running?.runId ?? '', 'cancel', { by: 'ada', reason: 'no' });
  await host.raise(running?.runId ?? '', 'cancel', { by: 'bob', reason: 'no' });
  await host.finished(instanceId ?? '');

  const [train] = await world.runsOf('train');
  expect(train).toMatchObject({ status: 'cancelled' });
  expect(world.training.cancels).toHaveLength(1);
  expect(world.announced.filter(({ type }) => type === 'run.failed')).toHaveLength(1);
});
