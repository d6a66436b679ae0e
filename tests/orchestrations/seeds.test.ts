// Whatever the order in which things complete: twenty seeds, one outcome.
import { describe, expect, test } from 'vitest';
import type { TestHost } from '../../local/host/testing/test-host.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import { storyBench } from '../support/story-bench.ts';
import { ENDPOINT, LOCK_KEY, type StoryWorld } from '../support/story-host.ts';

const bench = storyBench();
const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);

describe('files that land at the same moment', () => {
  // a and b are different; c is a copy of a under another name: its gold is a's.
  const FILES = [
    ['bronze/ble-location/a.csv', 'rows of a'],
    ['bronze/ble-location/b.csv', 'rows of b'],
    ['bronze/ble-location/c.csv', 'rows of a'],
  ] as const;

  test.each(SEEDS)('are each refined, trained once per gold, and promoted one after the other (seed %i)', async (seed) => {
    const { world, host, drop } = await bench({ seed });
    const dropped = [];
    for (const [path, content] of FILES) dropped.push(await drop(path, content));

    for (const { instanceId } of dropped) expect((await host.finished(instanceId ?? '')).output).toMatchObject({ status: 'succeeded' });

    const [refines, trains, promotes] = [await world.runsOf('refine'), await world.runsOf('train'), await world.runsOf('promote')];
    expect(refines.map(statusOf)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(trains.map(statusOf)).toEqual(['succeeded', 'succeeded']);
    expect(promotes.map(statusOf)).toEqual(['succeeded', 'succeeded']);
    expect(new Set(refines.map(({ next }) => next[0]))).toEqual(new Set(trains.map(({ runId }) => runId)));
    expect(world.announced.map(({ id }) => id).length).toBe(new Set(world.announced.map(({ id }) => id)).size);
    await expectOneAtATime(world, host);
  });
});

async function expectOneAtATime(world: StoryWorld, host: TestHost): Promise<void> {
  const owners = world.calls.flatMap(({ name, input }) => {
    if (name === 'apply-serving') return [(input['tags'] as Record<string, string>)['sluice:run']];
    return name === 'record-serving' ? [String(input['promotionId'])] : [];
  });
  expect([owners[0], owners[2]]).toEqual([owners[1], owners[3]]);
  expect(owners[0]).not.toBe(owners[2]);
  const history = await world.serving.history('sagemaker/eu-central-1/ble-location-dev', 10);
  expect(history.map(({ promotionId }) => promotionId)).toEqual([owners[2], owners[0]]);
  expect(await world.platform.read(ENDPOINT)).toMatchObject({ configName: history[0]?.configName, status: 'in-service' });
  expect(await host.entity('endpoint-lock', LOCK_KEY)).toBeNull();
}

const statusOf = ({ status }: Run): string => status;

test('one file gives the same records and the same calls with every seed', async () => {
  const traces = new Set<string>();
  for (const seed of SEEDS) {
    const { world, story } = await bench({ seed });
    const { status } = await story();
    const runs = (await world.runs.list({}, 10)).items;
    traces.add(JSON.stringify([status.output, runs, world.calls.map(({ name }) => name), world.announced.map(({ id }) => id)]));
  }

  expect(traces.size).toBe(1);
}, 60_000);
