// A push of training code: it trains where the image of a training component is another one, and is a duplicate where gold and images are as they were.
import { expect, test } from 'vitest';
import { sha256Hex } from '../../shared/decisions/digest.ts';
import { exampleBundle } from '../support/example-pipeline.ts';
import { type Bench, storyBench } from '../support/story-bench.ts';
import { PIPELINE } from '../support/story-host.ts';

const bench = storyBench();
const push = (at: Bench, id: string) => at.signal({ kind: 'code', subject: 'contoso/ble-location', id, data: { pipeline: PIPELINE } });

/** What a push tells, once its story has ended. */
async function pushed(at: Bench, id: string) {
  const { entryId, instanceId } = await push(at, id);
  await at.host.finished(instanceId ?? '');
  return at.world.ledger.find(entryId);
}

/** A version that differs from the current one by the image of one component, as a push leaves it. */
async function withImage(at: Bench, component: string, content: string): Promise<void> {
  const { world } = at;
  const images = { ...world.version.images, [component]: `registry.test/${component}@sha256:${sha256Hex(content)}` };
  const version = { ...world.version, images, digest: sha256Hex(JSON.stringify(images)) };
  await world.pipelines.put(version, { ...exampleBundle(), images }, 'ci', new Date(world.now()).toISOString());
}

test('over gold and images that are as they were is a duplicate that names the run', async () => {
  const at = await bench();
  const { train } = await at.story();

  const entry = await pushed(at, 'push-1');

  expect(entry).toMatchObject({ event: { kind: 'code' }, verdict: { kind: 'duplicate', rule: 'unchanged-gold' }, runId: train?.runId });
  expect(await at.world.runsOf('train')).toHaveLength(1);
});

test('over the same gold trains when the image of the training component is another one: the digest is part of the identity', async () => {
  const at = await bench();
  const { train } = await at.story();
  const { component = '' } = at.world.version.spec.train;
  // What is registered was read a moment before; the push comes as soon as its images are.
  await push(at, 'push-1');
  await withImage(at, component, 'pushed code');

  const entry = await pushed(at, 'push-2');

  const [first, second, ...others] = await at.world.runsOf('train');
  expect(others).toEqual([]);
  expect(first?.runId).toBe(train?.runId);
  expect(entry).toMatchObject({ verdict: { kind: 'accepted', rule: 'signal' }, runId: second?.runId });
  expect(second).toMatchObject({ status: 'succeeded', cause: { kind: 'event', ref: entry?.entryId } });
  expect(second?.key).not.toBe(first?.key);
  expect(second?.trained?.goldDigest).toBe(first?.trained?.goldDigest);
  expect(second?.trained?.specDigest).not.toBe(first?.trained?.specDigest);
  const jobs = [...at.world.training.specs.values()].filter(({ name }) => name.startsWith('train-') && !name.endsWith('-publish'));
  expect(new Set(jobs.map(({ steps }) => steps[0]?.image)).size).toBe(2);

  // The same image again is no other training.
  expect(await pushed(at, 'push-3')).toMatchObject({ verdict: { kind: 'duplicate', rule: 'unchanged-gold' }, runId: second?.runId });
});

test('an image that training does not use changes nothing about it', async () => {
  const at = await bench();
  await at.story();
  const other = Object.keys(at.world.version.images).find((name) => name !== at.world.version.spec.train.component) ?? '';
  await withImage(at, other, 'another server');

  expect(await pushed(at, 'push-4')).toMatchObject({ verdict: { kind: 'duplicate', rule: 'unchanged-gold' } });
  expect(await at.world.runsOf('train')).toHaveLength(1);
});
