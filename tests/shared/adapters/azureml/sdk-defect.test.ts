// Why jobs do not go through @azure/arm-machinelearning (facts/azure.md §1.1), proved against the installed version.
// The day the first test fails the package sends `uri` and `mode`: then try whether it also keeps properties that it does not know
// (queueSettings, assetName, …) and knows registries; if so submit.ts and assets.ts may use it, and this file may go.
import { AzureMachineLearningWorkspaces } from '@azure/arm-machinelearning';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createArm } from '../../../../shared/clients/arm.ts';
import { reach } from '../../../../shared/clients/loopback.ts';
import { answer, type Scripted, scripted, SUBSCRIPTION } from '../../clients/arm/scripted.ts';

const job = {
  properties: {
    jobType: 'Command' as const,
    command: 'python train.py',
    environmentId: '/environments/e/versions/1',
    inputs: {
      folder: { jobInputType: 'uri_folder' as const, mode: 'ReadOnlyMount' as const, uri: 'azureml://subscriptions/s/…/paths/gold/' },
      file: { jobInputType: 'uri_file' as const, mode: 'Download' as const, uri: 'azureml://subscriptions/s/…/paths/a.csv' },
      rounds: { jobInputType: 'literal' as const, value: '20' },
    },
    outputs: {
      model: { jobOutputType: 'uri_folder' as const, mode: 'ReadWriteMount' as const, uri: 'azureml://subscriptions/s/…/paths/runs/' },
    },
  },
};
let server: Scripted;
beforeEach(async () => {
  server = await scripted(({ method }) =>
    method === 'PUT'
      ? answer({ name: 'j', properties: job.properties })
      : answer({
          id: '/w',
          name: 'ws',
          location: 'westeurope',
          properties: {
            publicNetworkAccess: 'Disabled',
            mlFlowTrackingUri: 'azureml://host/mlflow/v1.0/x',
            workspaceId: 'guid',
            unknownToOldMappers: { a: 1 },
          },
        }),
  );
});
afterEach(() => server.close());

function sdk() {
  const { endpoint, policies } = reach('the test', server.url, true);
  const credential = { getToken: async () => ({ token: 't', expiresOnTimestamp: Date.now() + 3_600_000 }) };
  return new AzureMachineLearningWorkspaces(credential, SUBSCRIPTION, { endpoint, $host: endpoint, additionalPolicies: policies });
}
const sent = () => (server.seen[0]?.body as typeof job).properties;

it('the package still drops uri and mode of job inputs and outputs; literals survive', async () => {
  await sdk().jobs.createOrUpdate('rg', 'ws', 'j', job);

  expect(sent().inputs).toEqual({
    folder: { jobInputType: 'uri_folder' },
    file: { jobInputType: 'uri_file' },
    rounds: { jobInputType: 'literal', value: '20' },
  });
  expect(sent().outputs).toEqual({ model: { jobOutputType: 'uri_folder' } });
});

it('the package still drops properties of a job that it does not know, without a word', async () => {
  const newer = { ...job.properties, queueSettings: { jobTier: 'Standard' }, notificationSetting: { emails: ['ops@contoso.example'] } };
  await sdk().jobs.createOrUpdate('rg', 'ws', 'j', { properties: newer });

  expect(Object.keys(sent()).sort()).toEqual(Object.keys(job.properties).sort());
});

it('the package knows no registries, which models go to production by', () => {
  expect(Object.keys(sdk()).filter((group) => /registr/i.test(group))).toEqual([]);
});

it('a thin call on the same pipeline sends them as they are', async () => {
  await server.arm.request('PUT', '/subscriptions/s/jobs/j', { apiVersion: '2025-12-01', body: job });

  expect(sent()).toEqual(job.properties);
});

it('for reading a workspace the package is right', async () => {
  const credential = { getToken: async () => ({ token: 't', expiresOnTimestamp: Date.now() + 3_600_000 }) };
  const arm = createArm({ credential, endpoint: server.url, subscriptionId: SUBSCRIPTION, allowInsecureLoopback: true });

  await expect(arm.workspaces.get('rg', 'ws')).resolves.toEqual({
    name: 'ws',
    location: 'westeurope',
    publicNetworkAccess: 'Disabled',
    mlFlowTrackingUri: 'azureml://host/mlflow/v1.0/x',
  });
});
