// The Azure ML stand-in on a port with a tenant that signs real tokens, and clients for several identities: for tests over real HTTP.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import {
  type AzureMlCloud,
  type AzureMlOptions as CloudOptions,
  createAzureMlCloud,
} from '../../../../local/cloud/azureml/azureml-cloud.ts';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { type AzureMlOptions, createAzureMlBackend } from '../../../../shared/adapters/azureml/backend.ts';
import { type Arm, createArm } from '../../../../shared/clients/arm.ts';

export const SUBSCRIPTION = '11111111-2222-4333-8444-555555555555';
export const SLUICE = 'aaaaaaaa-0000-4000-8000-00000000000a';
export const READER = 'bbbbbbbb-0000-4000-8000-00000000000b';
const TENANT = '99999999-8888-4777-8666-555555555555';
const ISSUER = `https://sts.windows.net/${TENANT}/`;

export interface LocalAzureMl {
  cloud: AzureMlCloud;
  url: string;
  folder: string;
  arm(oid?: string): Arm;
  options(more?: Partial<AzureMlOptions>): AzureMlOptions;
  backend(more?: Partial<AzureMlOptions>): ReturnType<typeof createAzureMlBackend>;
  /** Names of the jobs that ARM lists under a name. */
  jobsNamed(name: string): Promise<string[]>;
  close(): Promise<void>;
}

const keys = await generateKeyPair('RS256', { extractable: true });
const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'test', alg: 'RS256', use: 'sig' };
const tokens = new Map<string, Promise<string>>();
const tokenOf = (oid: string): Promise<string> => {
  const known = tokens.get(oid);
  if (known) return known;
  const made = new SignJWT({ oid, sub: oid, appid: `app-of-${oid.slice(0, 8)}` })
    .setProtectedHeader({ alg: 'RS256', kid: 'test' })
    .setIssuer(ISSUER)
    .setAudience('https://management.azure.com')
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(keys.privateKey);
  tokens.set(oid, made);
  return made;
};

/** Images by name: what stands for them on this machine is `node`, python3 and the shell's own programs. */
const IMAGES: NonNullable<CloudOptions['images']> = { 'registry.test/': { programs: { node: process.execPath } } };

export async function localAzureMl(more: Partial<CloudOptions> = {}): Promise<LocalAzureMl> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-azureml-'));
  const jwks: CloudServer = await serve(
    () => new Response(JSON.stringify({ keys: [jwk] }), { headers: { 'content-type': 'application/json' } }),
  );
  const cloud = createAzureMlCloud({
    subscriptionId: SUBSCRIPTION,
    resourceGroup: 'rg',
    workspaces: [
      {
        name: 'ws',
        computes: [{ name: 'cpu', type: 'AmlCompute' }],
        datastores: [
          { name: 'workspaceblobstore', accountName: 'stws', container: 'azureml', isDefault: true },
          { name: 'sluice', accountName: 'stsluice', container: 'sluice' },
        ],
      },
    ],
    issuer: ISSUER,
    jwksUri: `${jwks.url}/keys`,
    tenant: TENANT,
    dataDir: folder,
    images: IMAGES,
    graceMs: 300,
    ...more,
  });
  const server = await serve((request) => cloud.fetch(request));
  cloud.reachableAt(server.url);

  const arms = new Map<string, Arm>();
  const arm = (oid = SLUICE): Arm => {
    const known = arms.get(oid);
    if (known) return known;
    const credential = { getToken: async () => ({ token: await tokenOf(oid), expiresOnTimestamp: Date.now() + 3_600_000 }) };
    const made = createArm({
      credential,
      endpoint: server.url,
      subscriptionId: SUBSCRIPTION,
      allowInsecureLoopback: true,
      // Waits are shortened, so that storms pass quickly.
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 5))),
    });
    arms.set(oid, made);
    return made;
  };
  const options = (extra: Partial<AzureMlOptions> = {}): AzureMlOptions => ({
    arm: arm(),
    resourceGroup: 'rg',
    workspace: 'ws',
    datastore: 'sluice',
    compute: 'cpu',
    pollSettings: { intervalMs: 10, totalMs: 60 },
    ...extra,
  });
  return {
    cloud,
    url: server.url,
    folder,
    arm,
    options,
    backend: (extra) => createAzureMlBackend(options(extra)),
    async jobsNamed(name) {
      const path = `/subscriptions/${SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws/jobs`;
      const { json } = await arm().request('GET', path, { apiVersion: '2025-12-01' });
      return (json as { value: { name: string }[] }).value.map((job) => job.name).filter((found) => found === name);
    },
    async close() {
      await cloud.close();
      await Promise.all([server.close(), jwks.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
