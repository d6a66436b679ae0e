// The workspace as ARM describes it, through the real SDK over http to this machine, and what becomes of refusals.
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { createAzureMlCloud } from '../../../../local/cloud/azureml/azureml-cloud.ts';
import { type CloudServer, cutConnection, type Handler, serve } from '../../../../local/cloud/kit/server.ts';
import { createWorkspace } from '../../../../shared/adapters/azureml/workspace.ts';
import { createArm } from '../../../../shared/clients/arm.ts';
import { createCredential } from '../../../../shared/clients/entra.ts';
import { IDENTITY, startLocalAws, TENANT } from '../../clients/local-aws.ts';

const servers: CloudServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const SUBSCRIPTION = '11111111-2222-4333-8444-555555555555';
const scopes: (string | string[])[] = [];
const credential = {
  getToken: async (scope: string | string[]) => {
    scopes.push(scope);
    return { token: 'SECRETTOKEN', expiresOnTimestamp: Date.now() + 3_600_000 };
  },
};

async function over(handler: Handler, timeoutMs = 20_000) {
  const server = await serve(handler);
  servers.push(server);
  const arm = createArm({ credential, endpoint: server.url, subscriptionId: SUBSCRIPTION, allowInsecureLoopback: true, timeoutMs });
  return createWorkspace({ arm, resourceGroup: 'rg-ml', workspace: 'ws' });
}
const described = {
  id: '/x',
  name: 'ws',
  location: 'westeurope',
  properties: {
    publicNetworkAccess: 'Disabled',
    mlFlowTrackingUri: 'azureml://westeurope.api.azureml.ms/mlflow/v1.0/x',
    unknownToOldMappers: true,
  },
};
const answer = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });

describe('workspace', () => {
  it('asks ARM for it and gives the parts that Sluice needs', async () => {
    let seen = '';
    let authorization: string | null = null;
    const workspace = await over((request) => {
      const url = new URL(request.url);
      seen = `${request.method} ${url.pathname}${url.search}`;
      authorization = request.headers.get('authorization');
      return answer(described);
    });

    await expect(workspace.read()).resolves.toEqual({
      name: 'ws',
      location: 'westeurope',
      publicNetworkAccess: 'Disabled',
      trackingUri: 'azureml://westeurope.api.azureml.ms/mlflow/v1.0/x',
    });

    expect(seen).toBe(
      `GET /subscriptions/${SUBSCRIPTION}/resourceGroups/rg-ml/providers/Microsoft.MachineLearningServices/workspaces/ws?api-version=2022-10-01`,
    );
    expect(authorization).toBe('Bearer SECRETTOKEN');
    expect(scopes[0]).toEqual(['https://management.azure.com/.default']);
  });

  it('takes a workspace that never set its network access for a public one', async () => {
    const workspace = await over(() => answer({ name: 'ws', location: 'westeurope', properties: {} }));

    await expect(workspace.read()).resolves.toMatchObject({ publicNetworkAccess: 'Enabled', trackingUri: null });
  });

  it.each([
    [404, 'RejectedError', 'workspace-unknown', /rg-ml\/ws/],
    [403, 'RejectedError', 'workspace-forbidden', /role Reader/],
    [401, 'RejectedError', 'workspace-forbidden', /role Reader/],
    [400, 'RejectedError', 'workspace-refused', /400/],
    [503, 'TransientError', 'arm-unavailable', /rg-ml\/ws/],
  ])('%d is a %s', async (status, name, code, message) => {
    const workspace = await over(() => answer({ error: { code: 'X', message: 'no' } }, status), 1_000);

    const error: unknown = await workspace.read().catch((reason: unknown) => reason);

    expect(error).toMatchObject({ name, code, message: expect.stringMatching(message) as string });
    expect(inspect(error, { depth: 10 })).not.toContain('SECRETTOKEN');
  });

  it('is unavailable for now when the connection is cut or nobody answers', async () => {
    const cut = await over(() => cutConnection(), 500);
    const silent = await over(() => new Promise<Response>(() => undefined), 100);

    await expect(cut.read()).rejects.toMatchObject({ code: 'arm-unavailable' });
    await expect(silent.read()).rejects.toMatchObject({ code: 'arm-unavailable' });
  });

  it('never sends a token over http to another machine', () => {
    const arm = { credential, subscriptionId: SUBSCRIPTION, allowInsecureLoopback: true };

    expect(() => createArm({ ...arm, endpoint: 'http://arm.example' })).toThrow(/must be https/);
  });

  it('is read with the token of the managed identity, and with nothing less', async () => {
    const local = await startLocalAws();
    const cloud = createAzureMlCloud({
      subscriptionId: SUBSCRIPTION,
      resourceGroup: 'rg-ml',
      workspaces: [{ name: 'ws', location: 'westeurope' }],
      issuer: local.entra.issuerV1,
      jwksUri: local.entra.jwksUri,
      tenant: TENANT,
    });
    const endpoint = await local.host((request) => cloud.fetch(request));
    const arm = { endpoint, subscriptionId: SUBSCRIPTION, allowInsecureLoopback: true };
    const place = { resourceGroup: 'rg-ml', workspace: 'ws' };
    const ours = createArm({ ...arm, credential: createCredential({ clientId: IDENTITY.clientId }).credential });

    await expect(createWorkspace({ arm: ours, ...place }).read()).resolves.toMatchObject({ name: 'ws', location: 'westeurope' });
    await expect(createWorkspace({ arm: ours, ...place, workspace: 'other' }).read()).rejects.toMatchObject({ code: 'workspace-unknown' });
    await expect(createWorkspace({ arm: createArm({ ...arm, credential }), ...place }).read()).rejects.toMatchObject({
      code: 'workspace-forbidden',
    });
    await local.close();
  });
});
