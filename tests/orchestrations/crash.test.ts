// The host dies before or after any step of the happy path and is started again on what was on disk: the story ends as if
// nothing had happened, and nothing is there twice.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openJournalStore } from '../../local/host/durable/journal-store.ts';
import { createStoryWorld, ENDPOINT, openStoryHost, type StoryWorld } from '../support/story-host.ts';

/** The activities of the happy path; the first test holds the list against it. */
const STEPS = [
  'fingerprint-file',
  'open-run',
  'amend-verdict',
  'announce',
  'record-run',
  'refine-dataset',
  'read-plan',
  'check-backends',
  'stage-training-data',
  'register-data-asset',
  'submit-training',
  'read-job',
  'read-report',
  'read-champion',
  'register-model',
  'register-model-asset',
  'read-model',
  'record-promotion',
  'submit-publication',
  'verify-artifact',
  'read-endpoint',
  'stage-serving',
  'apply-serving',
  'check-parity',
  'record-serving',
];

const folders: string[] = [];
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sluice-crash-'));
  folders.push(made);
  return made;
}
afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
});

/** Tells one story in a host that dies at a call of an activity, before or after its effect; then goes on in another host. */
async function tellWithCrash(step: string, nth: number, moment: 'before' | 'after'): Promise<StoryWorld> {
  const [first, second] = [folder(), folder()];
  let dead = false;
  let seen = 0;
  let died = (): void => undefined;
  const death = new Promise<void>((resolve) => (died = resolve));
  const world = await createStoryWorld({
    around: async (call, act) => {
      if (dead) throw new Error('this host is dead');
      if (call.name !== step || (seen += 1) !== nth) return act();
      if (moment === 'after') await act();
      dead = true;
      // What is on disk now is what a killed process leaves.
      cpSync(first, second, { recursive: true, filter: (source) => !source.endsWith('lock') });
      died();
      throw new Error('this host dies');
    },
  });
  const doomed = await openStoryHost(world, { store: openJournalStore({ dir: first }) });
  const { instanceId } = await doomed.drop('bronze/ble-location/a.csv', 'rows of a');
  const telling = doomed.host.finished(instanceId ?? '').catch(() => undefined);
  await Promise.race([death, telling]);
  const at = world.now();
  world.follow({ nowMs: () => at });
  await doomed.host.stop();
  await telling;
  expect(dead, `${step} was called fewer than ${nth} times`).toBe(true);

  dead = false;
  const reborn = await openStoryHost(world, { store: openJournalStore({ dir: second }), seed: 2 });
  const ended = await reborn.host.finished(instanceId ?? '');
  await reborn.host.stop();
  await world.store.close();
  expect(ended).toMatchObject({ status: 'Completed', output: { status: 'succeeded' } });
  return world;
}

async function expectOnce(world: StoryWorld): Promise<void> {
  const runs = (await world.runs.list({}, 100)).items;
  expect(runs.map(({ story, status, attempt }) => `${story} ${status} ${attempt}`).sort()).toEqual([
    'promote succeeded 1',
    'refine succeeded 1',
    'train succeeded 1',
  ]);
  expect(world.engine.commits).toHaveLength(1);
  expect(world.engine.staged).toHaveLength(1);
  expect([...world.training.specs.keys()]).toHaveLength(2);
  expect(await world.models.list('ble-location', 10)).toHaveLength(1);
  expect(await world.serving.history('sagemaker/eu-central-1/ble-location-dev', 10)).toHaveLength(1);
  expect(await world.platform.read(ENDPOINT)).toMatchObject({ status: 'in-service', pendingConfig: null });
  expect(new Set(world.announced.map(({ id }) => id)).size).toBe(8);
  // At least once is what an engine can promise; the id lets the receiver drop the second.
  expect(world.announced.length).toBeLessThanOrEqual(9);
}

test('the steps below are those of the happy path', async () => {
  const world = await createStoryWorld();
  const { host, tell } = await openStoryHost(world);
  await tell();
  await host.stop();
  await world.store.close();

  expect([...new Set(world.calls.map(({ name }) => name))].sort()).toEqual([...STEPS].sort());
});

describe.each(['before', 'after'] as const)('a host that dies %s', (moment) => {
  test.each(STEPS)('the first %s', async (step) => {
    await expectOnce(await tellWithCrash(step, 1, moment));
  });

  test.each([
    ['read-job', 2],
    ['read-job', 4],
    ['read-endpoint', 2],
    ['announce', 4],
    ['record-run', 10],
  ])('%s, call %i', async (step, nth) => {
    await expectOnce(await tellWithCrash(step, nth, moment));
  });
});
