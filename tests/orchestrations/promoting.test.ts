// Promotions that do not arrive: whatever fails is undone, and what served before goes on serving.
import { describe, expect, test } from 'vitest';
import type { ServingPlatform } from '../../shared/ports/serving-platform.ts';
import { personPromotion } from '../support/person-promotion.ts';
import { type Bench, storyBench, type Told } from '../support/story-bench.ts';
import { ENDPOINT, LOCK_KEY } from '../support/story-host.ts';
import { answerTo, reportOf } from '../support/training-side.ts';

const bench = storyBench();
const B = 'bronze/ble-location/b.csv';
const HISTORY = 'sagemaker/eu-central-1/ble-location-dev';

/** The run failed by this code, its model is registered, the endpoint is back, and the lock is free. */
async function expectUndone({ world, host }: Bench, told: Told, before: Told | null): Promise<void> {
  expect(told.train?.status).toBe('succeeded');
  expect(told.promote).toMatchObject({ promoted: null });
  const configName = before?.promote?.promoted?.configName ?? null;
  const status = before ? 'in-service' : 'absent';
  expect(await world.platform.read(ENDPOINT)).toMatchObject({ status, configName, pendingConfig: null });
  const history = await world.serving.history(HISTORY, 10);
  expect(history.map(({ promotionId }) => promotionId)).toEqual(before ? [before.promote?.runId] : []);
  expect(await host.entity('endpoint-lock', LOCK_KEY)).toBeNull();
  expect(world.announced.filter(({ id }) => id.startsWith(told.promote?.runId ?? '?')).map(({ type }) => type)).toEqual([
    'run.started',
    'run.failed',
  ]);
}

describe('an endpoint', () => {
  test('that comes into service with the old configuration has not arrived', async () => {
    let sick = false;
    const at = await bench({ serving: { unhealthy: () => (sick ? 'the container does not answer /ping' : null) } });
    const first = await at.story();
    sick = true;

    const second = await at.story(B, 'rows of b');

    expect(second.promote).toMatchObject({ status: 'failed', failure: { code: 'endpoint-not-healthy' } });
    expect(second.promote?.failure?.message).toContain(
      `went back to ${first.promote?.promoted?.configName}: the container does not answer`,
    );
    await expectUndone(at, second, first);
  });

  test('that fails at its creation is deleted again', async () => {
    const at = await bench({ serving: { unhealthy: () => 'the image cannot be pulled' } });

    const told = await at.story();

    expect(told.promote).toMatchObject({ status: 'failed', failure: { code: 'endpoint-not-healthy' } });
    expect(told.promote?.failure?.message).toContain('the image cannot be pulled');
    await expectUndone(at, told, null);
  });

  test('that does not arrive within healthyWithin is put back once it can be, in a short history', async () => {
    const late = slow(20 * 60);
    const at = await bench({ platform: (platform) => late.around(platform, () => at.world.now()) });
    const first = await at.story();
    late.on = true;

    const second = await at.story(B, 'rows of b');

    expect(second.promote).toMatchObject({ status: 'failed', failure: { code: 'endpoint-not-healthy' } });
    expect(second.promote?.failure?.message).toMatch(/was not in service with ble-location-dev-\w+ within 10m$/);
    expect(at.world.phasesOf(second.promote?.runId ?? '').slice(-2)).toEqual(['deploying', 'restoring']);
    expect(Date.parse(second.promote?.finishedAt ?? '') - Date.parse(second.promote?.startedAt ?? '')).toBeGreaterThan(20 * 60_000);
    expect(await at.historyLength(second.promote?.runId ?? '')).toBeLessThan(400);
    await expectUndone(at, second, first);
  });

  test('that cannot be put back is named with both reasons', async () => {
    const late = slow(Infinity);
    const at = await bench({ platform: (platform) => late.around(platform, () => at.world.now()) });
    await at.story();
    late.on = true;

    const { promote } = await at.story(B, 'rows of b');

    expect(promote).toMatchObject({ status: 'failed', failure: { code: 'endpoint-not-restored' } });
    expect(promote?.failure?.message).toMatch(
      /within 10m\. Then ble-location-dev could not be put back .* still changing after 90 minutes/,
    );
  });

  test('that somebody else is changing is left to them first, and goes back to what they made of it', async () => {
    let wrong = false;
    let foreign = '';
    const at = await bench({
      serving: {
        changeSeconds: 120,
        predict: (_request, rows) => rows.map((row) => (wrong ? { label: '?', probability: null } : answerTo(row))),
      },
      around: async (call, act) => {
        if (call.name === 'verify-artifact' && wrong) await at.world.platform.apply(ENDPOINT, foreign, {});
        return act();
      },
    });
    const first = await at.story();
    const request = at.world.callsOf('stage-serving')[0] as Parameters<ServingPlatform['stage']>[0];
    foreign = (await at.world.platform.stage({ ...request, modelDigest: 'f'.repeat(64) })).configName;
    wrong = true;

    const { promote } = await at.story(B, 'rows of b');

    expect(foreign).not.toBe(first.promote?.promoted?.configName);
    expect(promote).toMatchObject({ status: 'failed', failure: { code: 'parity-failed' } });
    expect(await at.world.platform.read(ENDPOINT)).toMatchObject({ status: 'in-service', configName: foreign });
  });
});

describe('answers that differ from the training side', () => {
  const wrong = { label: 'elsewhere', probability: 0.75 };

  test('undo the promotion: back to what served before', async () => {
    let right = true;
    const at = await bench({ serving: { predict: (_request, rows) => rows.map((row) => (right ? answerTo(row) : wrong)) } });
    const first = await at.story();
    right = false;

    const second = await at.story(B, 'rows of b');

    expect(second.promote).toMatchObject({ status: 'failed', failure: { code: 'parity-failed' } });
    expect(second.promote?.failure?.message).toContain('0 of 3 golden rows; row 0: expected cell-1, the endpoint says elsewhere');
    await expectUndone(at, second, first);
  });

  test('undo the first promotion: no endpoint again', async () => {
    const at = await bench({ serving: { predict: (_request, rows) => rows.map(() => wrong) } });

    const told = await at.story();

    expect(told.promote).toMatchObject({ failure: { code: 'parity-failed' } });
    await expectUndone(at, told, null);
  });

  test('in fewer rows than the environment allows do no harm', async () => {
    const at = await bench({
      serving: { predict: (_request, rows) => rows.map((row, index) => (index === 0 ? wrong : answerTo(row))) },
      edit: (spec) => {
        for (const environment of Object.values(spec.environments)) environment.parity = 0.6;
      },
    });

    const { promote } = await at.story();

    expect(promote).toMatchObject({ status: 'succeeded', promoted: { parity: { rowsChecked: 3, rowsAgreeing: 2 } } });
  });

  test('is not asked for where no row may leave the premises: the endpoint answers a made-up one, and the run says so', async () => {
    const at = await bench({
      edit: (spec) => void (spec.data = 'on-premises'),
      report: (runId) => reportOf(runId, { golden: undefined, data: { exampleRow: [1, -60] } }),
    });
    const files = [{ uri: 'site://plant/a.csv', bytes: 1, sha256: 'a'.repeat(64) }];

    const { promote } = await at.story(undefined, JSON.stringify({ dataset: 'd', files }));

    expect(promote).toMatchObject({
      status: 'succeeded',
      promoted: { parity: { rowsChecked: 0, shapeOnly: 'no releasable rows: endpoint checked by shape only' } },
    });
  });

  test('cannot be told without golden rows, which undoes the promotion too', async () => {
    const at = await bench({ report: (runId) => reportOf(runId, { golden: undefined }) });

    const told = await at.story();

    expect(told.promote).toMatchObject({ failure: { code: 'golden-missing' } });
    await expectUndone(at, told, null);
  });
});

describe('the archive', () => {
  test('that is there already is not sent again', async () => {
    const { world, host, story } = await bench();
    await story();
    const jobs = world.training.specs.size;
    const input = await personPromotion(world, 1);

    const ended = await host.run('promote', input, { instanceId: input.runId });

    expect(ended.output).toMatchObject({ status: 'succeeded' });
    expect(world.training.specs.size).toBe(jobs);
    expect(await world.runs.find(input.runId)).toMatchObject({ status: 'succeeded', jobs: [] });
  });

  test.each([
    ['artifact-missing', () => null],
    ['artifact-mismatch', () => ({ sha256: 'e'.repeat(64), bytes: 2048 })],
    ['artifact-mismatch', (asked: { sha256: string }) => ({ ...asked, bytes: 1 })],
  ])('that is not what training reported stops the promotion before anything is deployed: %s (%#)', async (code, upload) => {
    const at = await bench({ upload });

    const told = await at.story();

    expect(told.promote).toMatchObject({ status: 'failed', failure: { code }, phase: 'publishing' });
    expect(at.world.callsOf('stage-serving')).toEqual([]);
    await expectUndone(at, told, null);
  });
});

describe('a serving record that cannot be written', () => {
  test('undoes the promotion, because nothing may serve that is not remembered', async () => {
    const at = await bench({
      around: async (call, act) => {
        if (call.name === 'record-serving') throw new Error('tables are away');
        return act();
      },
    });

    const told = await at.story();

    expect(told.promote).toMatchObject({ status: 'failed', failure: { code: 'step-failed' } });
    await expectUndone(at, told, null);
  });
});

/** A platform whose endpoint, once `on`, shows a change that goes on for some seconds after each `apply`. */
function slow(seconds: number) {
  const state = { on: false, until: -Infinity };
  return Object.assign(state, {
    around: (platform: ServingPlatform, now: () => number): ServingPlatform => ({
      ...platform,
      apply: async (place, configName, tags) => {
        if (state.on) state.until = now() + seconds * 1000;
        return platform.apply(place, configName, tags);
      },
      read: async (place) => {
        const seen = await platform.read(place);
        return now() < state.until ? { ...seen, status: 'changing' as const, pendingConfig: 'somewhere' } : seen;
      },
    }),
  });
}
