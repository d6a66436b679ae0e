// The budget of calls to Azure Resource Manager as it is wired: two instances of the product draw from one bucket in the table.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createTrainingPlaces } from '../../functions/backends.ts';
import { createResourceManager } from '../../functions/resource-manager.ts';
import { openTables, type Tables } from '../../shared/adapters/tables/open-tables.ts';
import type { Entra } from '../../shared/clients/entra.ts';
import type { Config } from '../../shared/config/config.ts';
import { answer, refusal, type Script, type Scripted, scripted, SUBSCRIPTION, TOKEN } from '../shared/clients/arm/scripted.ts';

const WORKSPACE = { name: 'ws', location: 'westeurope', properties: {} };
let tables: Tables;
let server: Scripted;
let script: Script;
beforeEach(async () => {
  tables = openTables({ connectionString: inject('storage') }, `t${randomBytes(6).toString('hex')}`);
  await tables.rates.ensure();
  script = () => answer(WORKSPACE);
  server = await scripted((seen, number) => script(seen, number));
});
afterEach(() => server.close());

/** The places that train as one instance of the product has them. */
function instance() {
  const entra = async () =>
    ({ credential: { getToken: async () => ({ token: TOKEN, expiresOnTimestamp: Date.now() + 3_600_000 }) } }) as unknown as Entra;
  const azureml = {
    armEndpoint: server.url,
    subscriptionId: SUBSCRIPTION,
    resourceGroup: 'rg',
    workspace: 'ws',
    datastore: 'sluice',
    compute: 'serverless',
    jobClientId: null,
    apiVersion: '2025-12-01',
    registry: null,
  };
  const config = { azureml, kubeflow: null, databricks: null, local: null, events: {} } as unknown as Config;
  const arm = createResourceManager({ clientId: null }, entra, async () => tables.rates);
  const { backends } = createTrainingPlaces(config, entra, arm);
  const backend = backends['azureml'];
  if (!backend) throw new Error('Azure ML is not among the backends');
  return backend;
}
const bucket = () => tables.rates.get(`arm-${SUBSCRIPTION}-own`, 'read');

test('two instances draw from one bucket', async () => {
  const [here, there] = [instance(), instance()];
  await here.probe();
  // The clock of whoever wrote last ran ahead, so nothing comes back meanwhile.
  const row = await bucket();
  await tables.rates.replace(
    { partitionKey: `arm-${SUBSCRIPTION}-own`, rowKey: 'read', tokens: '50', at: String(Date.now() + 55_000) },
    row?.etag ?? '',
  );

  await Promise.all([here.probe(), there.probe(), there.probe()]);

  expect(Number((await bucket())?.['tokens'])).toBe(47);
  expect(server.seen).toHaveLength(4);
});

test('a 429 with Retry-After to one instance holds the other back, too', async () => {
  const [here, there] = [instance(), instance()];
  await there.probe();
  script = () => refusal(429, 'TooManyRequests', 'slow down', { 'retry-after': '3600' });

  await expect(here.probe()).rejects.toMatchObject({ name: 'TransientError', code: 'backend-throttled' });
  script = () => answer(WORKSPACE);
  const sent = server.seen.length;
  const empty = {
    name: 'TransientError',
    code: 'backend-throttled',
    message: expect.stringContaining('that all instances share') as string,
  };
  await expect(there.probe()).rejects.toMatchObject(empty);
  await expect(here.probe()).rejects.toMatchObject(empty);

  expect(server.seen).toHaveLength(sent);
});
