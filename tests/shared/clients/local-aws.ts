// An Entra tenant with a managed identity and a keyless AWS account (STS, S3) on ports, with the environment that points the SDKs at them.
// Adapters and clients are tested against these stand-ins, so every signature, checksum and token is checked for real.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEntraCloud, type EntraCloud } from '../../../local/cloud/entra/entra-cloud.ts';
import type { EntraClient } from '../../../local/cloud/entra/options.ts';
import { createShiftedClock, type ManualClock } from '../../../local/cloud/kit/clock.ts';
import type { Faults } from '../../../local/cloud/kit/faults.ts';
import { freePort } from '../../../local/cloud/kit/process.ts';
import { type CloudServer, type Handler, serve } from '../../../local/cloud/kit/server.ts';
import { createS3Cloud, type S3Cloud } from '../../../local/cloud/s3/s3.ts';
import { type Authority, createAuthority, type RoleOptions } from '../../../local/cloud/sts/authority.ts';
import { createStsCloud } from '../../../local/cloud/sts/sts.ts';

export const ACCOUNT_ID = '123456789012';
export const TENANT = '99999999-8888-4777-8666-555555555555';
export const REGION = 'eu-central-1';
export const AUDIENCE = 'api://aws-sagemaker';
export const BUCKET = 'models-of-the-test';
export const ROLE = `arn:aws:iam::${ACCOUNT_ID}:role/promoter`;
export const IDENTITY: EntraClient = {
  clientId: '7a5c2f7e-0c3e-4c6e-9b0e-0d6a2f1b9c11',
  objectId: '11111111-2222-4333-8444-555555555555',
  name: 'sluice',
  roles: ['AssumeRoleWithWebIdentity'],
};

export interface LocalAws {
  readonly folder: string;
  readonly clock: ManualClock;
  readonly authority: Authority;
  readonly s3: S3Cloud;
  readonly entra: EntraCloud;
  /** Calls that STS has seen, by action, and that the identity endpoint has seen, by resource. */
  readonly seen: { sts: string[]; identity: string[] };
  readonly stsFaults: Faults;
  /** Puts a further service on a port and gives its address. */
  host(handler: Handler): Promise<string>;
  /** Sets a variable of the environment until `close`. */
  setEnvironment(name: string, value: string | undefined): void;
  /** Answers for the identity endpoint from now on; undefined = as it should. */
  answerIdentity(handler: Handler | undefined): void;
  close(): Promise<void>;
}

/**
 * Starts everything; `role` changes what the promoter role may do. Once per test file: the identity library keeps tokens and the endpoint's
 * address for the whole process.
 */
export async function startLocalAws(role: Partial<RoleOptions> = {}): Promise<LocalAws> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-aws-'));
  const clock = createShiftedClock();
  const servers: CloudServer[] = [];
  const before = new Map<string, string | undefined>();
  const setEnvironment = (name: string, value: string | undefined) => {
    if (!before.has(name)) before.set(name, process.env[name]);
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  };
  const host = async (handler: Handler) => {
    const server = await serve(handler);
    servers.push(server);
    return server.url;
  };

  const seen: LocalAws['seen'] = { sts: [], identity: [] };
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const header = 'identity-header-of-the-test';
  const entra = await createEntraCloud({
    dataDir: join(folder, 'entra'),
    baseUrl,
    tenant: TENANT,
    clients: [IDENTITY],
    managedIdentity: { clientId: IDENTITY.clientId, header },
    clock,
  });
  let identity: Handler | undefined;
  const watched: Handler = (request) => {
    const url = new URL(request.url);
    if (url.pathname !== '/msi/token') return entra.fetch(request);
    seen.identity.push(url.searchParams.get('resource') ?? '');
    return (identity ?? ((asked) => entra.fetch(asked)))(request);
  };
  servers.push(await serve(watched, { port }));

  const authority = createAuthority({
    stateFile: join(folder, 'authority.json'),
    accountId: ACCOUNT_ID,
    region: REGION,
    clock,
    roles: [{ arn: ROLE, subjects: [IDENTITY.objectId], audiences: [AUDIENCE], ...role }],
  });
  const providers = [{ issuer: entra.issuerV1, jwksUri: entra.jwksUri, audiences: [AUDIENCE] }];
  const sts = await createStsCloud({ authority, providers });
  const stsUrl = await host(async (request) => {
    seen.sts.push(new URLSearchParams(await request.clone().text()).get('Action') ?? '');
    return sts.fetch(request);
  });
  const s3 = await createS3Cloud({ dataDir: join(folder, 's3'), authority, buckets: [BUCKET] });
  const s3Url = await host((request) => s3.fetch(request));

  setEnvironment('IDENTITY_ENDPOINT', `${baseUrl}/msi/token`);
  setEnvironment('IDENTITY_HEADER', header);
  setEnvironment('AWS_ENDPOINT_URL_STS', stsUrl);
  setEnvironment('AWS_ENDPOINT_URL_S3', s3Url);
  // Nothing of the developer's own account may leak in.
  for (const name of ['AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) setEnvironment(name, undefined);
  setEnvironment('AWS_CONFIG_FILE', join(folder, 'none'));
  setEnvironment('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'none'));

  return {
    folder,
    clock,
    authority,
    s3,
    entra,
    seen,
    stsFaults: sts.faults,
    host,
    setEnvironment,
    answerIdentity: (handler) => {
      identity = handler;
    },
    async close() {
      for (const [name, value] of before) {
        if (value === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = value;
      }
      await Promise.all(servers.map((server) => server.close()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
