// The whole of a training on this machine: the pipeline's own job, the real component, its report and archive as the story reads them.
import { InvocationContext } from '@azure/functions';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { trainingActivities } from '../../../../functions/activities/training.ts';
import { createLocalBackend, type LocalBackend } from '../../../../shared/adapters/local/backend.ts';
import { createMemoryStore, type MemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import { isTerminal, type JobState } from '../../../../shared/contracts/training.ts';
import { sha256Hex } from '../../../../shared/decisions/digest.ts';
import { instanceId, trainKey } from '../../../../shared/decisions/identity.ts';
import { specDigestOf } from '../../../../shared/decisions/train-spec.ts';
import { exampleVersion } from '../../../support/example-pipeline.ts';

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const BEACONS = Array.from({ length: 13 }, (_, index) => `b${3001 + index}`);
/** Rows whose loudest beacon says the cell: easy to learn, the same at each run. */
function goldCsv(rows: number): string {
  const lines = Array.from({ length: rows }, (_, row) => {
    const cell = row % 6;
    const heard = BEACONS.map((_name, beacon) => (beacon === cell ? -50 - (row % 7) : -200 + ((row * 7 + beacon * 13) % 40)));
    return [`${'ABCDEF'[cell]}0${cell + 1}`, ...heard].join(',');
  });
  return [['location', ...BEACONS].join(','), ...lines].join('\n');
}

async function trained(csv: string): Promise<{
  state: JobState;
  runId: string;
  store: MemoryStore;
  act: (name: string, input: object) => Promise<unknown>;
  backend: LocalBackend;
}> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-local-ble-'));
  const store = createMemoryStore();
  const stores = createMemoryStores();
  const { version, bundle } = exampleVersion();
  version.spec.train = { ...version.spec.train, backend: ['local'], params: { ...version.spec.train.params, epochs: 5 } };
  await stores.pipelines.put(version, bundle, 'ada', '2026-01-01T00:00:00.000Z');
  const backend = createLocalBackend({
    root,
    components: { 'ble-train': { folder: resolve('components/ble-train'), pythonPath: ['.', '../protocol'] } },
    programs: { python3: '/usr/bin/python3' },
    now: Date.now,
    tickMs: 20,
  });
  cleanUps.push(async () => {
    await backend.close();
    await store.close();
    await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  });
  const activities = trainingActivities({ ...stores, store, backends: { local: backend }, artifacts: undefined as never });
  const act = async (name: string, input: object): Promise<unknown> => {
    const found = activities.find((one) => one.name === name);
    return found?.handler(input, new InvocationContext({ logHandler: () => undefined }));
  };

  await store.create('staged/part-0.csv', Buffer.from(csv), 'text/csv');
  const gold = { table: 'training', version: 1, digest: sha256Hex(csv) };
  const specDigest = specDigestOf(version.spec.train, version.images);
  const runId = instanceId('train', version.name, trainKey({ pipeline: version.name, goldDigest: gold.digest, specDigest }), 1);
  const plan = { pipeline: version.name, contractDigest: version.digest };
  expect(await act('check-backends', plan)).toEqual({ ok: true, value: { checks: [{ backend: 'local', missing: null }] } });
  const files = [{ path: 'staged/part-0.csv', sha256: sha256Hex(csv), bytes: Buffer.byteLength(csv) }];
  expect(await act('submit-training', { ...plan, backend: 'local', runId, gold, specDigest, files })).toMatchObject({
    ok: true,
    value: { jobId: runId, adopted: false },
  });
  let state = await backend.get(runId);
  while (!isTerminal(state.state)) {
    await new Promise((done) => setTimeout(done, 25));
    state = await backend.get(runId);
  }
  return { state, runId, store, act, backend };
}

test('a component trains, and its report and archive are read as of any other backend', async () => {
  const { state, runId, store, act } = await trained(goldCsv(300));

  expect(state).toMatchObject({ state: 'succeeded', reason: null });
  const answer = (await act('read-report', { runId })) as { value: { metrics: Record<string, number>; model: { digest: string } } };
  expect(answer).toMatchObject({ ok: true, value: { metrics: { leakedRows: 0 } } });
  expect(answer.value.metrics['top1']).toBeGreaterThan(0);
  expect(answer.value.model.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(await store.digest(`runs/${runId}/steps/train/run-report.json`)).toEqual(await store.digest(`runs/${runId}/run-report.json`));
});

test('a component that refuses its data says in its own report why, and leaves no other', async () => {
  const { state, runId, store, act } = await trained(goldCsv(300).replace(/,-50\b/, ',loud'));

  expect(state).toMatchObject({ state: 'failed', reason: expect.stringMatching(/^step train ended with exit code 1/) as string });
  const { pipeline, contractDigest } = { pipeline: 'ble-location', contractDigest: exampleVersion().version.digest };
  const said = (await act('explain-failure', { pipeline, contractDigest, runId })) as { value: { said: string } };
  expect(said.value.said).toMatch(/^ble-train: gold-value: part-0\.csv line \d+.*loud/);
  expect(await store.read(`runs/${runId}/run-report.json`, 100_000)).toBeNull();
});
