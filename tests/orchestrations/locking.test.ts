// One promotion at a time per endpoint: waiting for the lock, giving up, leases, and what is let go when a story breaks down.
import { describe, expect, test } from 'vitest';
import { personPromotion } from '../support/person-promotion.ts';
import { storyBench } from '../support/story-bench.ts';
import { LOCK_KEY, START } from '../support/story-host.ts';

const bench = storyBench();
const A = 'bronze/ble-location/a.csv';
const OTHER = 'promote-other-0000000000000000-a1';
const at = (hours: number): string => new Date(START.getTime() + hours * 3_600_000).toISOString();

/** Another promotion has the lock until an instant. */
async function locked(until: string) {
  const opened = await bench();
  await opened.host.signal('endpoint-lock', LOCK_KEY, 'acquire', { owner: OTHER, now: START.toISOString(), until });
  return opened;
}

describe('a locked endpoint', () => {
  test('is waited for, and promoted to when it is released', async () => {
    const { world, host, drop } = await locked(at(24));
    const { instanceId } = await drop(A, 'rows');
    await host.advance(10 * 60_000);
    expect(await world.runsOf('promote')).toMatchObject([{ status: 'running', phase: 'locking' }]);
    expect(world.callsOf('submit-publication')).toEqual([]);

    await host.signal('endpoint-lock', LOCK_KEY, 'release', { owner: OTHER, now: world.now(), until: '' });
    await host.finished(instanceId ?? '');

    expect(await world.runsOf('promote')).toMatchObject([{ status: 'succeeded' }]);
    expect(await host.entity('endpoint-lock', LOCK_KEY)).toBeNull();
  });

  test('is given up after half an hour, naming who has it; the lock stays with them', async () => {
    const { world, host, story, historyLength } = await locked(at(24));

    const { promote } = await story();

    expect(promote).toMatchObject({ status: 'failed', failure: { code: 'endpoint-locked' } });
    expect(promote?.failure?.message).toContain(`is being promoted by ${OTHER}`);
    expect(world.now() - START.getTime()).toBeGreaterThan(30 * 60_000);
    expect(await host.entity('endpoint-lock', LOCK_KEY)).toEqual({ holder: OTHER, until: at(24) });
    expect(await historyLength(promote?.runId ?? '')).toBeLessThan(200);
  });

  test('is free when the lease of its holder has run out', async () => {
    const { world, host, story } = await locked(at(0.1));

    const { promote } = await story();

    expect(promote?.status).toBe('succeeded');
    expect(world.now()).toBeGreaterThan(Date.parse(at(0.1)));
    expect(await host.entity('endpoint-lock', LOCK_KEY)).toBeNull();
  });

  test('is not waited for any more when a person cancels', async () => {
    const { world, host, drop } = await locked(at(24));
    const { instanceId } = await drop(A, 'rows');
    await host.advance(60_000);

    await host.raise((await world.runsOf('promote'))[0]?.runId ?? '', 'cancel', { by: 'ada', reason: 'later' });
    await host.finished(instanceId ?? '');

    const [promote] = await world.runsOf('promote');
    expect(promote).toMatchObject({ status: 'cancelled', phase: 'locking' });
    expect(promote?.failure?.message).toBe(
      `Cancelled by ada (later) while it waited for ${OTHER}, which is promoting to sagemaker/eu-central-1/ble-location-dev`,
    );
    expect(await host.entity('endpoint-lock', LOCK_KEY)).toMatchObject({ holder: OTHER });
  });
});

describe('the lock', () => {
  test('cannot be released by somebody else, and is renewed for its holder', async () => {
    const { host } = await locked(at(24));

    await host.signal('endpoint-lock', LOCK_KEY, 'release', { owner: 'somebody', now: at(0), until: at(0) });
    await host.signal('endpoint-lock', LOCK_KEY, 'acquire', { owner: OTHER, now: at(1), until: at(25) });
    await host.signal('endpoint-lock', LOCK_KEY, 'acquire', { owner: 'somebody', now: at(2), until: at(26) });
    await host.settle();

    expect(await host.entity('endpoint-lock', LOCK_KEY)).toEqual({ holder: OTHER, until: at(25) });
  });

  test('takes a call without an input as a question', async () => {
    const { host } = await locked(at(24));

    await host.signal('endpoint-lock', LOCK_KEY, 'acquire');
    await host.settle();

    expect(await host.entity('endpoint-lock', LOCK_KEY)).toEqual({ holder: OTHER, until: at(24) });
  });

  test('of a promotion that was terminated by hand ends with its lease', async () => {
    const { world, host, story } = await bench({
      serving: { changeSeconds: 300 },
      edit: (spec) => {
        for (const environment of Object.values(spec.environments)) environment.start = 'manual';
      },
    });
    await story();
    const [killed, blocked, free] = [await personPromotion(world, 1), await personPromotion(world, 2), await personPromotion(world, 3)];
    await host.start('promote', killed, { instanceId: killed.runId });
    await host.advance(120_000);
    expect(await world.runs.find(killed.runId)).toMatchObject({ status: 'running', phase: 'deploying' });
    await host.terminate(killed.runId, 'the operator gave up');
    await host.finished(killed.runId);

    const second = await host.run('promote', blocked, { instanceId: blocked.runId });
    expect(await host.entity('endpoint-lock', LOCK_KEY)).toEqual({ holder: killed.runId, until: expect.any(String) as string });
    await host.advance(24.5 * 3_600_000);
    const third = await host.run('promote', free, { instanceId: free.runId });

    expect(second.output).toMatchObject({ status: 'failed', failure: { code: 'endpoint-locked' } });
    expect(third.output).toMatchObject({ status: 'succeeded' });
    expect(await host.entity('endpoint-lock', LOCK_KEY)).toBeNull();
  });
});
