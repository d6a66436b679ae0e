// The ARM stand-in, read by the real SDK with tokens of the local issuer.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureMachineLearningWorkspaces } from '@azure/arm-machinelearning';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAzureMlCloud, type AzureMlCloud, type AzureMlOptions } from '../../../../local/cloud/azureml/azureml-cloud.ts';
import { createEntraCloud } from '../../../../local/cloud/entra/entra-cloud.ts';
import { freePort } from '../../../../local/cloud/kit/process.ts';
import { serve, type CloudServer } from '../../../../local/cloud/kit/server.ts';

const SUBSCRIPTION = '00000000-0000-4000-8000-000000000001';
const TENANT = 'tests';
const READER = { clientId: 'reader', objectId: 'oid-reader', name: 'reader', secret: 's' };
const LATE = { clientId: 'late', objectId: 'oid-late', name: 'late', secret: 's', tokenLifetimeSeconds: -60 };

let issuer: CloudServer;
let arm: CloudServer;
let cloud: AzureMlCloud;
let path: string;

async function start(extra: Partial<AzureMlOptions> = {}): Promise<void> {
  cloud = createAzureMlCloud({
    subscriptionId: SUBSCRIPTION,
    resourceGroup: 'rg-ml',
    workspaces: [{ name: 'mlw-closed', location: 'westeurope' }],
    issuer: `${issuer.url}/${TENANT}/`,
    jwksUri: `${issuer.url}/${TENANT}/discovery/v2.0/keys`,
    tenant: TENANT,
    ...extra,
  });
  arm = await serve((request) => cloud.fetch(request));
}

beforeEach(async () => {
  const port = await freePort();
  const entra = await createEntraCloud({
    dataDir: mkdtempSync(join(tmpdir(), 'entra-')),
    baseUrl: `http://127.0.0.1:${port}`,
    tenant: TENANT,
    clients: [READER, LATE],
  });
  issuer = await serve((request) => entra.fetch(request), { port });
  await start();
  path = `/subscriptions/${SUBSCRIPTION}/resourceGroups/rg-ml/providers/Microsoft.MachineLearningServices/workspaces/mlw-closed`;
});
afterEach(async () => {
  await arm.close();
  await cloud.close();
  await issuer.close();
});

async function token(scope = 'https://management.azure.com/.default', client = READER): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.secret, scope });
  const answer = await fetch(`${issuer.url}/${TENANT}/oauth2/v2.0/token`, { method: 'POST', body });
  return ((await answer.json()) as { access_token: string }).access_token;
}

/** The SDK refuses to send a token over http, so it is told https and a last policy takes the s away. */
function sdk(): AzureMachineLearningWorkspaces {
  const credential = { getToken: async () => ({ token: await token(), expiresOnTimestamp: Date.now() + 600_000 }) };
  return new AzureMachineLearningWorkspaces(credential, SUBSCRIPTION, {
    endpoint: arm.url.replace('http:', 'https:'),
    $host: arm.url.replace('http:', 'https:'),
    credentialScopes: ['https://management.azure.com/.default'],
    retryOptions: { maxRetries: 0 },
    additionalPolicies: [
      {
        position: 'perRetry',
        policy: {
          name: 'plainLoopback',
          sendRequest: (request, next) => {
            request.url = request.url.replace(/^https:/, 'http:');
            request.allowInsecureConnection = true;
            return next(request);
          },
        },
      },
    ],
  });
}

async function get(query: string, bearer?: string, target = path): Promise<{ status: number; code: string | undefined; headers: Headers }> {
  const answer = await fetch(`${arm.url}${target}${query}`, bearer === undefined ? {} : { headers: { authorization: `Bearer ${bearer}` } });
  const body = (await answer.json()) as { error?: { code: string } };
  return { status: answer.status, code: body.error?.code, headers: answer.headers };
}

test('the SDK reads a private workspace', async () => {
  const workspace = await sdk().workspaces.get('RG-ML', 'mlw-closed');

  expect(workspace).toMatchObject({
    id: path,
    name: 'mlw-closed',
    location: 'westeurope',
    publicNetworkAccess: 'Disabled',
    provisioningState: 'Succeeded',
    v1LegacyMode: false,
    mlFlowTrackingUri: `azureml://westeurope.api.azureml.ms/mlflow/v1.0${path}`,
  });
  expect(workspace.workspaceId).toMatch(/^[0-9a-f-]{36}$/);
  expect(workspace.privateEndpointConnections?.[0]?.privateLinkServiceConnectionState?.status).toBe('Approved');
});

test('the SDK gets ARM’s error for a workspace that does not exist', async () => {
  await expect(sdk().workspaces.get('rg-ml', 'other')).rejects.toMatchObject({ statusCode: 404, code: 'ResourceNotFound' });
});

test('a caller without a good token is told what is wrong with it', async () => {
  const query = '?api-version=2025-12-01';

  expect(await get(query)).toMatchObject({ status: 401, code: 'AuthenticationFailed' });
  expect(await get(query, 'not-a-token')).toMatchObject({ status: 401, code: 'InvalidAuthenticationToken' });
  expect(await get(query, await token('https://storage.azure.com/.default'))).toMatchObject({
    status: 401,
    code: 'InvalidAuthenticationTokenAudience',
  });
  expect(await get(query, await token(undefined, LATE))).toMatchObject({ status: 401, code: 'ExpiredAuthenticationToken' });
  expect((await get(query)).headers.get('www-authenticate')).toMatch(/^Bearer authorization_uri=/);
});

test('a good token without the role is forbidden', async () => {
  await arm.close();
  await cloud.close();
  await start({ readers: ['somebody-else'] });

  expect(await get('?api-version=2025-12-01', await token())).toMatchObject({ status: 403, code: 'AuthorizationFailed' });
});

test.each([
  ['without an api-version', '', undefined, 400, 'MissingApiVersionParameter'],
  ['with an api-version that does not exist', '?api-version=1999-01-01', undefined, 400, 'NoRegisteredProviderFound'],
  [
    'of another subscription',
    '?api-version=2025-12-01',
    [SUBSCRIPTION, 'ffffffff-0000-4000-8000-000000000001'],
    404,
    'SubscriptionNotFound',
  ],
  ['of another resource group', '?api-version=2025-12-01', ['rg-ml', 'rg-other'], 404, 'ResourceGroupNotFound'],
  ['of another kind', '?api-version=2025-12-01', ['/workspaces/', '/registries/'], 404, 'InvalidResourceType'],
])('a call %s is refused', async (_, query, change, status, code) => {
  const target = change ? path.replace(change[0] ?? '', change[1] ?? '') : path;

  expect(await get(query, await token(), target)).toMatchObject({ status, code });
});
