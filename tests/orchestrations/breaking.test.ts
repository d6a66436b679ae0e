// Outages of what a story reports to: announcements and records. The work goes on, or ends with a record that is true.
import { expect, test } from 'vitest';
import { storyBench } from '../support/story-bench.ts';
import { ENDPOINT, LOCK_KEY } from '../support/story-host.ts';

const bench = storyBench();

test('announcements that cannot be delivered do not fail the work', async () => {
  const at = await bench({
    around: async (call, act) => {
      if (call.name === 'announce') throw new Error('the topic is away');
      return act();
    },
  });

  const { refine, train, promote } = await at.story();

  expect([refine?.status, train?.status, promote?.status]).toEqual(['succeeded', 'succeeded', 'succeeded']);
  expect(at.world.announced).toEqual([]);
});

test.each(['promote', 'train'] as const)(
  'a %s story that cannot even record its failure is recorded as failed by the one before',
  async (broken) => {
    let failures = 12;
    const at = await bench({
      around: async (call, act) => {
        const mine = call.name === 'record-run' && String(call.input['runId']).startsWith(`${broken}-`);
        if (mine && (failures -= 1) >= 0) throw new Error('tables are away');
        return act();
      },
    });

    const told = await at.story();

    expect(told.status).toMatchObject({ status: 'Completed', output: { status: 'succeeded' } });
    expect(told.refine?.status).toBe('succeeded');
    expect(told[broken]).toMatchObject({ status: 'failed', failure: { code: 'step-failed' } });
    expect(told[broken]?.failure?.message).toContain("Activity function 'record-run' failed:  tables are away");
    expect(await at.world.platform.read(ENDPOINT)).toMatchObject({ status: 'absent' });
    expect(await at.host.entity('endpoint-lock', LOCK_KEY)).toBeFalsy();
  },
);

test.each(['bundle', 'ext-3.14'] as const)('refining that fails to its last try fails its run on %s', async (profile) => {
  const at = await bench({
    profile,
    around: async (call, act) => {
      if (call.name === 'refine-dataset') throw new Error('the work folder is full');
      return act();
    },
  });

  const { refine } = await at.story();

  expect(refine).toMatchObject({ status: 'failed', failure: { code: 'step-failed' } });
  expect(refine?.failure?.message).toContain('the work folder is full (after the last try)');
  expect(at.world.callsOf('refine-dataset')).toHaveLength(8);
});

test('an activity whose answer is lost is done again and nothing is there twice', async () => {
  const lost = new Set<string>();
  const at = await bench({
    around: async (call, act) => {
      const answer = await act();
      if (lost.has(call.name)) return answer;
      lost.add(call.name);
      throw new Error('the worker went away');
    },
  });

  const { refine, train, promote } = await at.story();

  expect([refine?.status, train?.status, promote?.status]).toEqual(['succeeded', 'succeeded', 'succeeded']);
  expect(at.world.engine.commits).toHaveLength(1);
  expect(at.world.engine.staged).toHaveLength(1);
  expect(at.world.training.specs.size).toBe(2);
  expect(train?.jobs).toMatchObject([{ adopted: true }]);
  expect(await at.world.serving.history('sagemaker/eu-central-1/ble-location-dev', 10)).toHaveLength(1);
  expect(new Set(at.world.announced.map(({ id }) => id)).size).toBe(8);
  expect(lost.size).toBeGreaterThan(15);
});

test('a landed file that cannot be read to the last try is refused, and the ledger says so', async () => {
  const at = await bench({
    around: async (call, act) => {
      if (call.name === 'fingerprint-file') throw new Error('the lake is away');
      return act();
    },
  });

  const { entryId, status } = await at.story();

  expect(status.output).toMatchObject({ status: 'failed', failure: { code: 'step-failed' } });
  expect(await at.world.ledger.find(entryId)).toMatchObject({ verdict: { kind: 'refused', rule: 'step-failed' } });
  expect((await at.world.ledger.find(entryId))?.verdict.reason).toMatch(/the lake is away .* write the file again$/);
});
