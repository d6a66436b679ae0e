// A step that failed says why in its own report, also where the launcher would not have kept it: through the real protocol package, the
// stand-in and the store, to what a run's record says.
import { InvocationContext } from '@azure/functions';
import { resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { trainingActivities } from '../../../../functions/activities/training.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import { JobSpec } from '../../../../shared/contracts/training.ts';
import { runFolder, trainingExports } from '../../../../shared/decisions/training-plan.ts';
import { digest, minute, runIdOf } from '../../../contracts/samples.ts';
import { exampleVersion } from '../../../support/example-pipeline.ts';
import { openSite, openStore, type SiteRig, TRANSFER_IMAGE } from './site-rig.ts';

const IMAGE = `registry.test/digger@sha256:${'3'.repeat(64)}`;
const COMPONENTS = resolve(import.meta.dirname, '../../../../components');
const DIG = `
import sys
from sluice_protocol import Component, ComponentError, run_component

def dig(arguments):
    raise ComponentError('sensor-broken', 'beacon b3004 gave the same value in every row; replace the beacon')

sys.exit(run_component(Component('digger', '0.1.0'), dig, sys.argv[1:]))
`;
const env = { PYTHONPATH: `${COMPONENTS}/transfer:${COMPONENTS}/protocol`, PYTHONDONTWRITEBYTECODE: '1' };
const python = { programs: { python3: '/usr/bin/python3' }, env };
let site: SiteRig;
let store: Awaited<ReturnType<typeof openStore>>;

beforeEach(async () => {
  store = await openStore();
  site = openSite({ kubeflow: { images: { 'registry.test/digger': python, 'registry.test/transfer': python } } });
});
afterEach(async () => {
  await site.close();
  await store.server.close();
});

it('has the component’s own code and sentence', async () => {
  const { version, bundle } = exampleVersion();
  const runId = runIdOf('train', version.name, digest('k'));
  const step = { name: 'train', image: IMAGE, command: ['python3', '-c', DIG], cpu: 1, memoryGiB: 1 };
  const job = JobSpec.parse({
    ...{ name: runId, graph: 'dig', labels: {}, transferImage: TRANSFER_IMAGE },
    steps: [{ ...step, args: ['--params-json', { parameter: 'params' }, '--out', { output: 'result' }] }],
    parameters: { params: '{}' },
    exports: trainingExports(runFolder(runId), version.spec.train).map((one) => {
      const url = store.url(one.storePath);
      return { ...one, url, readUrl: url };
    }),
  });
  const { jobId } = await site.backend.submit(job);
  const state = await site.end(jobId);
  const logs = await site.backend.logs(jobId, 10_000);

  const lake = createMemoryStore();
  for (const [path, text] of store.objects) await lake.create(path.slice(1), Buffer.from(text), 'application/json');
  const stores = createMemoryStores();
  await stores.pipelines.put(version, bundle, 'ada', minute(1));
  const explain = trainingActivities({ ...stores, store: lake, backends: {}, artifacts: undefined as never }).find(
    ({ name }) => name === 'explain-failure',
  );
  const asked = { pipeline: version.name, contractDigest: version.digest, runId };
  const said = await explain?.handler(asked, new InvocationContext({ logHandler: () => undefined }));

  expect(state.state).toBe('failed');
  expect(said).toEqual({
    ok: true,
    value: { said: 'digger: sensor-broken: beacon b3004 gave the same value in every row; replace the beacon' },
  });
  expect([...store.objects.keys()]).toEqual([`/${runFolder(runId)}/steps/train/run-report.json`]);
  expect(JSON.stringify({ state, logs })).not.toContain('TOPSECRET');
});
