// The API with the real verifier: signed tokens from a local issuer decide who may do what.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTokenVerifier } from '../../../../shared/adapters/entra/verify.ts';
import { runOf } from '../../../contracts/samples.ts';
import { createApi } from './harness.ts';

const ISSUER = 'https://login.test/v2.0';
const AUDIENCE = 'api://sluice';
let server: Server;
let key: CryptoKey;
let jwksUri = '';

beforeAll(async () => {
  const pair = await generateKeyPair('RS256', { extractable: true });
  key = pair.privateKey;
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1' }] });
  server = createServer((_, response) => response.setHeader('content-type', 'application/json').end(keys));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  jwksUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
});
afterAll(() => server.close());

const api = () => createApi({ verifier: createTokenVerifier({ issuer: ISSUER, audience: AUDIENCE, jwksUri, clockToleranceSeconds: 0 }) });
const tokenOf = (roles: string[], { audience = AUDIENCE, expiry = '5m' } = {}) =>
  new SignJWT({ roles, preferred_username: 'rita@example.org' })
    .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
    .setIssuer(ISSUER)
    .setAudience(audience)
    .setSubject('sub-rita')
    .setExpirationTime(expiry)
    .sign(key);
const wish = { body: { model: 'abcdef01', environment: 'dev', reason: 'x' }, headers: { 'idempotency-key': 'k' } };

it('lets a reader read and not promote', async () => {
  const { send, deps, started } = api();
  const run = runOf('train', 'k');
  await deps.runs.open(run);
  const token = await tokenOf(['reader']);

  expect(await send('GET', `runs/${run.runId}`, { token })).toMatchObject({ status: 200, body: { runId: run.runId } });
  expect(await send('POST', 'promotions', { token, ...wish })).toMatchObject({
    status: 403,
    body: { code: 'role-missing', detail: 'This needs the role "operator"; rita@example.org has "reader"' },
  });
  expect(started).toEqual([]);
});

it('says who the token names', async () => {
  const reply = await api().send('GET', 'whoami', { token: await tokenOf(['operator:ble-location']) });

  expect(reply.body).toEqual({ subject: 'sub-rita', name: 'rita@example.org', roles: ['operator:ble-location'] });
});

it.each([
  ['an expired token', { expiry: '-1m' }, 'expired'],
  ['a token for another service', { audience: 'api://other' }, 'another audience'],
])('refuses %s with the reason', async (_, change, reason) => {
  const reply = await api().send('POST', 'promotions', { token: await tokenOf(['admin'], change), ...wish });

  expect(reply.status).toBe(401);
  expect(reply.headers['www-authenticate']).toContain(reason);
});

it('cannot check a token while the keys are away, and says so', async () => {
  const away = createApi({
    verifier: createTokenVerifier({ issuer: ISSUER, audience: AUDIENCE, jwksUri: 'http://127.0.0.1:9/k', clockToleranceSeconds: 0 }),
  });

  expect(await away.send('GET', 'runs', { token: await tokenOf(['admin']) })).toMatchObject({
    status: 503,
    body: { code: 'keys-unreachable' },
  });
});
