import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManagedIdentityCredential } from '@azure/identity';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createEntraCloud } from '../../../../local/cloud/entra/entra-cloud.ts';
import type { EntraOptions } from '../../../../local/cloud/entra/options.ts';
import { freePort } from '../../../../local/cloud/kit/process.ts';
import { serve, type CloudServer } from '../../../../local/cloud/kit/server.ts';

const TENANT = '72f988bf-0000-4000-8000-2d7cd011db47';
const ROBOT = {
  clientId: '11111111-1111-4111-8111-111111111111',
  objectId: '22222222-2222-4222-8222-222222222222',
  name: 'operator-robot',
  secret: 's3cret',
  roles: ['reader', 'operator', 'Unrelated.Role'],
};
const FUNCTION = {
  clientId: '33333333-3333-4333-8333-333333333333',
  objectId: '44444444-4444-4444-8444-444444444444',
  name: 'sluice-function',
  roles: ['AssumeRoleWithWebIdentity'],
};

let server: CloudServer;
let options: EntraOptions;

async function start(extra: Partial<EntraOptions> = {}): Promise<void> {
  const port = await freePort();
  options = {
    dataDir: mkdtempSync(join(tmpdir(), 'entra-')),
    baseUrl: `http://127.0.0.1:${port}`,
    tenant: TENANT,
    clients: [ROBOT, FUNCTION],
    managedIdentity: { clientId: FUNCTION.clientId, header: 'header-secret' },
    ...extra,
  };
  const entra = await createEntraCloud(options);
  server = await serve((request) => entra.fetch(request), { port });
}

beforeEach(() => start());
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

async function askToken(fields: Record<string, string>, tenant = TENANT): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(`${server.url}/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: ROBOT.clientId,
      client_secret: 's3cret',
      scope: 'api://sluice/.default',
      ...fields,
    }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

describe('client credentials', () => {
  test('give a v2 token that verifies through discovery and carries the roles of that API', async () => {
    const { status, body } = await askToken({});
    const discovery = (await (await fetch(`${server.url}/${TENANT}/v2.0/.well-known/openid-configuration`)).json()) as {
      issuer: string;
      jwks_uri: string;
    };

    const { payload, protectedHeader } = await jwtVerify(body['access_token'] as string, createRemoteJWKSet(new URL(discovery.jwks_uri)), {
      issuer: discovery.issuer,
      audience: 'api://sluice',
    });

    expect(status).toBe(200);
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 3600 });
    expect(protectedHeader.alg).toBe('RS256');
    expect(discovery.issuer).toBe(`${server.url}/${TENANT}/v2.0`);
    expect(payload).toMatchObject({
      ver: '2.0',
      azp: ROBOT.clientId,
      oid: ROBOT.objectId,
      sub: ROBOT.objectId,
      tid: TENANT,
      roles: ['reader', 'operator'],
    });
  });

  test.each([
    ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
    ['an unknown application', { client_id: 'nobody' }, 400, 'unauthorized_client', 700016],
    ['a principal without a secret', { client_id: FUNCTION.clientId, client_secret: '' }, 400, 'invalid_request', 900144],
    ['a managed identity that tries a secret', { client_id: FUNCTION.clientId, client_secret: 'guess' }, 401, 'invalid_client', 7000215],
    ['a scope without .default', { scope: 'api://sluice/read' }, 400, 'invalid_scope', 1002012],
    ['an API that is not registered', { scope: 'api://elsewhere/.default' }, 400, 'invalid_resource', 500011],
    ['another grant', { grant_type: 'password' }, 400, 'unsupported_grant_type', 70003],
    ['an API that wants an assignment', { scope: 'api://aws-sagemaker/.default' }, 400, 'invalid_grant', 501051],
  ])('refuse %s as Entra words it', async (_, fields, status, error, code) => {
    const answer = await askToken(fields);

    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ error, error_codes: [code] });
    expect(answer.body['error_description']).toMatch(new RegExp(`^AADSTS${code}: .+ Trace ID: .+ Correlation ID: .+ Timestamp: `));
    expect(JSON.stringify(answer.body)).not.toContain('s3cret');
  });

  test('refuse another tenant', async () => {
    expect(await askToken({}, 'other-tenant')).toMatchObject({ status: 400, body: { error: 'invalid_tenant', error_codes: [90002] } });
  });

  test('refuse a body without end', async () => {
    const answer = await fetch(`${server.url}/${TENANT}/oauth2/v2.0/token`, { method: 'POST', body: 'x'.repeat(100_000) });

    expect(answer.status).toBe(413);
  });

  test('can make tokens that have expired', async () => {
    await server.close();
    await start({ clients: [{ ...ROBOT, tokenLifetimeSeconds: -60 }] });

    const { body } = await askToken({});
    const keys = createRemoteJWKSet(new URL(`${server.url}/${TENANT}/discovery/v2.0/keys`));

    await expect(jwtVerify(body['access_token'] as string, keys)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });
  });
});

describe('the managed identity endpoint', () => {
  test('works with ManagedIdentityCredential and gives AWS a v1 token', async () => {
    vi.stubEnv('IDENTITY_ENDPOINT', `${server.url}/msi/token`);
    vi.stubEnv('IDENTITY_HEADER', 'header-secret');

    const { token, expiresOnTimestamp } = await new ManagedIdentityCredential({ clientId: FUNCTION.clientId }).getToken(
      'api://aws-sagemaker/.default',
    );
    const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(`${server.url}/${TENANT}/discovery/v2.0/keys`)), {
      issuer: `${server.url}/${TENANT}/`,
      audience: 'api://aws-sagemaker',
    });

    expect(payload).toMatchObject({ ver: '1.0', appid: FUNCTION.clientId, sub: FUNCTION.objectId, roles: ['AssumeRoleWithWebIdentity'] });
    expect(expiresOnTimestamp).toBe((payload.exp ?? 0) * 1000);
  });

  test.each([
    ['without the header', {}, '', 401],
    ['with a wrong header', { 'x-identity-header': 'guess' }, '', 401],
    ['for another identity', { 'x-identity-header': 'header-secret' }, '&client_id=someone-else', 400],
  ])('refuses a call %s', async (_, headers, query, status) => {
    const answer = await fetch(`${server.url}/msi/token?resource=api://sluice&api-version=2019-08-01${query}`, { headers });

    expect(answer.status).toBe(status);
    expect(await answer.text()).not.toContain('access_token');
  });
});

test('the signing key survives a restart', async () => {
  const before = (await (await fetch(`${server.url}/discovery/v2.0/keys`)).json()) as { keys: { kid: string }[] };

  const again = await createEntraCloud(options);
  const after = (await (await again.fetch(new Request(`${server.url}/discovery/v2.0/keys`))).json()) as { keys: { kid: string }[] };

  expect(after.keys[0]?.kid).toBe(before.keys[0]?.kid);
  expect(JSON.stringify(after)).not.toContain('"d"');
});
