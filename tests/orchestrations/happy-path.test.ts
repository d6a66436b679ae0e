// The whole way of one file through the real stories: order of phases, records, ledger link, serving entry, announcements.
import { describe, expect, test } from 'vitest';
import { storyBench } from '../support/story-bench.ts';
import { ENDPOINT, LOCK_KEY } from '../support/story-host.ts';

const bench = storyBench();

function must<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('there is no such run');
  return value;
}

describe.each(['bundle', 'ext-3.14'] as const)('one file on %s', (profile) => {
  test('becomes a served model', async () => {
    const { world, host, story } = await bench({ profile });

    const { status, entryId, ...told } = await story();

    const [refine, train, promote] = [must(told.refine), must(told.train), must(told.promote)];
    expect(status).toMatchObject({ status: 'Completed', output: { status: 'succeeded', runId: refine.runId } });
    expect([refine.status, train.status, promote.status]).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect([refine.next, train.next, promote.next]).toEqual([[train.runId], [promote.runId], []]);
    expect(await world.ledger.find(entryId)).toMatchObject({ verdict: { kind: 'accepted' }, runId: refine.runId });
    expect(await world.models.list('ble-location', 10)).toMatchObject([{ modelDigest: train.trained?.modelDigest, runId: train.runId }]);
    const configName = promote.promoted?.configName;
    const modelDigest = train.trained?.modelDigest;
    expect(await world.serving.current()).toMatchObject([{ modelDigest, configName, promotionId: promote.runId }]);
    expect(await world.platform.read(ENDPOINT)).toMatchObject({ status: 'in-service', configName });
    expect(promote.promoted).toMatchObject({ previousConfig: null, parity: { rowsChecked: 3, rowsAgreeing: 3 } });
    expect(await world.promotions.find(promote.runId ?? '')).toMatchObject({ environment: 'dev', request: 0, modelDigest });
    expect(await host.entity('endpoint-lock', LOCK_KEY)).toBeNull();
  });

  test('goes through its phases in order', async () => {
    const { world, story } = await bench({ profile });

    const { refine, train, promote } = await story();

    expect(world.phasesOf(refine?.runId ?? '')).toEqual(['refining', 'refined']);
    expect(world.phasesOf(train?.runId ?? '')).toEqual(['staging', 'training', 'judged', 'registered']);
    const phases = ['locking', 'publishing', 'published', 'staging', 'deploying', 'checking', 'serving'];
    expect(world.phasesOf(promote?.runId ?? '')).toEqual(phases);
  });

  test('announces each transition exactly once', async () => {
    const { world, story } = await bench({ profile });

    const { refine, train, promote } = await story();

    expect(world.announced.map(({ id }) => id)).toEqual([
      `${refine?.runId}/run.started`,
      `${refine?.runId}/run.succeeded`,
      `${train?.runId}/run.started`,
      `${train?.runId}/run.succeeded`,
      `${train?.runId}/model.registered`,
      `${promote?.runId}/run.started`,
      `${promote?.runId}/run.succeeded`,
      `${promote?.runId}/endpoint.promoted`,
    ]);
  });

  test('has jobs with both of their times, and stages with their seconds', async () => {
    const { story } = await bench({ profile, training: { pendingSeconds: 30, workingSeconds: 300 } });

    const { refine, train, promote } = await story();

    expect(train?.jobs).toMatchObject([{ stage: 'train', adopted: false, queuedSeconds: 30, executionSeconds: 300 }]);
    expect(promote?.jobs).toMatchObject([{ stage: 'publish', adopted: false, queuedSeconds: 30, executionSeconds: 300 }]);
    expect(Object.keys(refine?.seconds ?? {})).toEqual(['refine']);
    expect(train?.seconds).toMatchObject({ 'train.queued': 30, 'train.working': 300 });
    expect(Object.keys(promote?.seconds ?? {}).sort()).toEqual(['deploy', 'promote', 'publish', 'publish.queued', 'publish.working']);
  });
});

describe('a second file', () => {
  test('moves the endpoint to its own model and remembers what served before', async () => {
    const { world, story } = await bench();
    const first = await story();

    const second = await story('bronze/ble-location/b.csv', 'rows of b');

    expect(second.promote?.status).toBe('succeeded');
    expect(second.promote?.promoted?.previousConfig).toBe(first.promote?.promoted?.configName);
    const history = await world.serving.history('sagemaker/eu-central-1/ble-location-dev', 10);
    expect(history.map(({ promotionId }) => promotionId)).toEqual([second.promote?.runId, first.promote?.runId]);
  });
});
