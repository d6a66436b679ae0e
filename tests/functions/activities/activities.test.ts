// Steps by themselves: which version of a pipeline they follow, what a lost champion means, how much of a component's words is kept.
import { InvocationContext } from '@azure/functions';
import { expect, test } from 'vitest';
import { dataActivities } from '../../../functions/activities/data.ts';
import type { Activity } from '../../../functions/activities/kit.ts';
import { runActivities } from '../../../functions/activities/runs.ts';
import { trainingActivities } from '../../../functions/activities/training.ts';
import { createMemoryStore } from '../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../shared/adapters/memory/stores.ts';
import type { RefineEngine } from '../../../shared/ports/lake.ts';
import { digest, minute, runIdOf, servingOf } from '../../contracts/samples.ts';
import { exampleVersion } from '../../support/example-pipeline.ts';
import { reportOf } from '../../support/training-side.ts';

const context = new InvocationContext({ logHandler: () => undefined });

function step(activities: Activity[], name: string): (input: unknown) => Promise<unknown> {
  const found = activities.find((one) => one.name === name);
  if (!found) throw new Error(`there is no activity ${name}`);
  return (input) => found.handler(input, context);
}

test('data is staged by the version that the run was started with, whatever is registered meanwhile', async () => {
  const { pipelines, ledger, caseStore } = createMemoryStores();
  const { version, bundle } = exampleVersion();
  await pipelines.put(version, bundle, 'ada', minute(1));
  const newer = { ...version, digest: digest('newer'), spec: { ...version.spec, complete: 'files 1' as const } };
  await pipelines.put(newer, bundle, 'ada', minute(2));
  const staged: string[] = [];
  const engine = {
    stage: async ({ pipeline }: Parameters<RefineEngine['stage']>[0]) => {
      staged.push(pipeline.digest);
      return [{ path: 'staging/a.csv', sha256: digest('a'), bytes: 1 }];
    },
  } as unknown as RefineEngine;
  const stage = step(
    dataActivities({ pipelines, ledger, engine, caseStore, lake: undefined as never, store: undefined as never }),
    'stage-training-data',
  );

  const gold = { path: 'gold/x/', version: 1, digest: digest('gold') };
  await stage({ pipeline: version.name, contractDigest: version.digest, gold });

  expect(staged).toEqual([version.digest]);
});

test('a dataset that set rows aside opens one case, however often the step is done', async () => {
  const { pipelines, ledger, caseStore } = createMemoryStores();
  const { version, bundle } = exampleVersion();
  await pipelines.put(version, bundle, 'ada', minute(1));
  const commit = { layer: 'gold', table: 'training', path: 'gold/x/', version: 0, rows: 5, addedRows: 5, digest: digest('g') };
  const findings = [{ rule: 'type:a', action: 'quarantine', rows: 2, lines: [3, 4] }];
  const engine = {
    refine: async ({ key }: { key: string }) => ({
      silver: commit,
      gold: commit,
      readRows: 7,
      quarantinedRows: key === digest('bad') ? 2 : 0,
      findings,
    }),
  } as unknown as RefineEngine;
  const refine = step(
    dataActivities({ pipelines, ledger, engine, caseStore, lake: undefined as never, store: undefined as never }),
    'refine-dataset',
  );
  const asked = (key: string) => ({
    pipeline: version.name,
    contractDigest: version.digest,
    key: digest(key),
    runId: runIdOf('refine', version.name, digest(key)),
    dataset: { container: 'data', files: [{ path: 'a.csv', sha256: digest('a'), eTag: '0x1' }] },
    chain: [],
  });

  for (const key of ['bad', 'good', 'bad']) expect(await refine(asked(key))).toMatchObject({ ok: true });

  expect(await caseStore.list({ limit: 10 })).toMatchObject([
    {
      pipeline: version.name,
      key: digest('bad'),
      runId: asked('bad').runId,
      state: 'open',
      openRows: 2,
      rules: [{ rule: 'type:a', rows: 2 }],
    },
  ]);
});

test('a champion whose record is lost has no numbers, and is not taken for none', async () => {
  const stores = createMemoryStores();
  const champion = step(runActivities({ ...stores, announcer: { publish: async () => undefined } }), 'read-champion');

  expect(await champion({ pipeline: 'ble-location' })).toEqual({ ok: true, value: { champion: null } });
  const serving = servingOf('one');
  await stores.serving.record(serving);
  expect(await champion({ pipeline: serving.pipeline })).toEqual({
    ok: true,
    value: { champion: { modelDigest: serving.modelDigest, metrics: {} } },
  });
});

test("a component's endless error is cut before it goes into history and log", async () => {
  const store = createMemoryStore();
  const runId = runIdOf('train', 'ble-location', digest('k'), 1);
  const report = { ...reportOf(runId), status: 'failed', error: { code: 'bad', message: 'x'.repeat(1_000_000) } };
  await store.create(`runs/${runId}/run-report.json`, Buffer.from(JSON.stringify(report)), 'application/json');
  const ports = { ...createMemoryStores(), store, backends: {}, artifacts: undefined as never };

  const answer = (await step(trainingActivities(ports), 'read-report')({ runId })) as { rejection: { code: string; message: string } };

  expect(answer.rejection.code).toBe('component-failed');
  expect(answer.rejection.message.length).toBe(4000);
});
