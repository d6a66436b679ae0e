// Gold, models and the registry as the activities keep them in Azure ML, through the real adapter against the stand-in: what is registered can be read.
import { randomBytes } from 'node:crypto';
import { InvocationContext } from '@azure/functions';
import { ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { trackingActivities } from '../../../functions/activities/tracking.ts';
import { createAssetRegistry } from '../../../shared/adapters/azureml/assets.ts';
import { createMemoryStores } from '../../../shared/adapters/memory/stores.ts';
import { digest, modelOf } from '../../contracts/samples.ts';
import { localAzureMl, type LocalAzureMl, SUBSCRIPTION } from '../../shared/adapters/azureml/local-azureml.ts';

const API = { apiVersion: '2025-12-01' };
const WORKSPACE = `/subscriptions/${SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws`;
const GOLD = { table: 'training', path: 'gold/ble-location/training/', version: 3, digest: digest('gold 3') };
const STAGED = `staging/ble-location/${GOLD.digest}/`;
const { models, pipelines } = createMemoryStores();
const model = modelOf('one', { archive: { storePath: 'runs/one/model.tar.gz', sha256: digest('archive'), bytes: 7 } });
const container = new ContainerClient(inject('storage'), `assets${randomBytes(6).toString('hex')}`);
let local: LocalAzureMl;
let act: (name: string, input: unknown) => Promise<unknown>;
beforeAll(async () => {
  await container.create();
  await container.getBlockBlobClient(`${STAGED}part-00000.csv`).upload('a\n1\n', 4);
  await container.getBlockBlobClient(model.archive.storePath).upload('archive', 7);
  await models.register(model);
  const stored = { accountName: 'devstoreaccount1', container: container.containerName, connectionString: inject('storage') };
  local = await localAzureMl({
    registries: [{ name: 'shared' }],
    workspaces: [{ name: 'ws', computes: [], datastores: [{ name: 'sluice', ...stored }] }],
  });
  const registry = { subscriptionId: SUBSCRIPTION, resourceGroup: 'rg', registry: 'shared' };
  const assets = createAssetRegistry({ arm: local.arm(), resourceGroup: 'rg', workspace: 'ws', datastore: 'sluice', registry });
  const activities = trackingActivities({ pipelines, models, assets, runLogger: null });
  act = async (name, input) => {
    const context = new InvocationContext({ logHandler: () => undefined });
    const answer = (await activities.find((one) => one.name === name)?.handler(input, context)) as { ok: true; value: unknown };
    if (!answer.ok) throw new Error(JSON.stringify(answer));
    return answer.value;
  };
});
afterAll(async () => {
  await local.close();
  await container.deleteIfExists();
});

const read = async (path: string) => (await local.arm().request('GET', path, API)).json as { properties: Record<string, never> };
/** Path below the datastore of an address. */
const pathIn = (uri: unknown): string => /\/datastores\/sluice\/paths\/(.*)$/.exec(String(uri))?.[1] ?? 'no path of the datastore';

test('a gold commit is one data asset, whose address leads to that commit’s rows', async () => {
  const input = { pipeline: 'ble-location', gold: GOLD, staged: STAGED };
  const first = (await act('register-data-asset', input)) as { asset: string };
  expect(await act('register-data-asset', input)).toEqual(first);
  const [name, version] = first.asset.split(':');

  const { properties } = await read(`${WORKSPACE}/data/${name}/versions/${version}`);

  expect(properties['tags']).toMatchObject({
    sha256: GOLD.digest,
    'sluice.goldVersion': '3',
    goldTable: GOLD.path,
    pipeline: 'ble-location',
  });
  const rows = await container.getBlobClient(`${pathIn(properties['dataUri'])}part-00000.csv`).downloadToBuffer();
  expect(rows.toString('utf8')).toBe('a\n1\n');
  const next = { ...GOLD, version: 4, digest: digest('gold 4') };
  expect(await act('register-data-asset', { ...input, gold: next, staged: `staging/ble-location/${next.digest}/` })).not.toEqual(first);
});

test('a model is carried over to the registry by name and version, and is believed by the digest that the registry says', async () => {
  const { asset } = (await act('register-model-asset', { pipeline: 'ble-location', modelDigest: model.modelDigest })) as { asset: string };
  const [name = '', version = ''] = asset.split(':');
  const { properties } = await read(`${WORKSPACE}/models/${name}/versions/${version}`);
  expect(pathIn(properties['modelUri'])).toBe(model.archive.storePath);

  const { publication } = (await act('publish-model-asset', { name, version, modelDigest: model.modelDigest })) as { publication: object };
  let state = (await act('read-publication', { publication })) as { state: string; id?: string };
  for (let look = 0; state.state === 'running' && look < 200; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    state = (await act('read-publication', { publication })) as typeof state;
  }

  expect(state).toEqual({
    state: 'succeeded',
    id: expect.stringContaining(`/registries/shared/models/${name}/versions/${version}`) as string,
  });
  expect((await read(state.id ?? '')).properties['tags']).toMatchObject({ sha256: model.modelDigest });
  // Somebody else's model under that name is not ours, whatever the registry answers.
  await expect(act('publish-model-asset', { name, version, modelDigest: digest('another') })).rejects.toThrow('registry-mismatch');
});
