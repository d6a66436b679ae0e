// Tokens: only those that the issuer signed, for us, now. A local server publishes the keys.
import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTokenVerifier } from '../../../../shared/adapters/entra/verify.ts';

const ISSUER = 'https://login.test/tenant/v2.0';
const AUDIENCE = 'api://sluice';
const NOW = new Date('2026-11-22T12:00:00Z');
const seconds = Math.floor(NOW.getTime() / 1000);

let server: Server;
let jwksUri = '';
let fetches = 0;
let answer: { status: number; body: string };
let goodKeys = '';
let key: CryptoKey;
let otherKey: CryptoKey;
let publicPem = '';

beforeAll(async () => {
  const pair = await generateKeyPair('RS256', { extractable: true });
  key = pair.privateKey;
  publicPem = await exportSPKI(pair.publicKey);
  otherKey = (await generateKeyPair('RS256')).privateKey;
  goodKeys = JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', use: 'sig' }] });
  server = createServer((_, response) => {
    fetches += 1;
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  jwksUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
});
afterAll(() => server.close());
beforeEach(() => {
  fetches = 0;
  answer = { status: 200, body: goodKeys };
});

const claims: JWTPayload = { iss: ISSUER, aud: AUDIENCE, sub: 'sub-1', exp: seconds + 600, nbf: seconds - 60, roles: ['reader'] };
const verifier = (more = {}) =>
  createTokenVerifier({ issuer: ISSUER, audience: AUDIENCE, jwksUri, clockToleranceSeconds: 0, now: () => NOW, ...more });
const sign = (change: Record<string, unknown> = {}, signer = key, kid = 'k1') =>
  new SignJWT(JSON.parse(JSON.stringify({ ...claims, ...change })) as JWTPayload).setProtectedHeader({ alg: 'RS256', kid }).sign(signer);
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

it('gives subject, name and roles of a good token', async () => {
  const token = await sign({ oid: 'oid-1', preferred_username: 'ada@example.org', roles: ['operator:ble-location', 7, 'reader'] });

  expect(await verifier().verify(token)).toEqual({ subject: 'oid-1', name: 'ada@example.org', roles: ['operator:ble-location', 'reader'] });
});

it('falls back to the subject, and to no roles', async () => {
  expect(await verifier().verify(await sign({ roles: undefined }))).toEqual({ subject: 'sub-1', name: 'sub-1', roles: [] });
  expect(await verifier().verify(await sign({ roles: 'admin' }))).toMatchObject({ roles: [] });
});

it('takes each of several issuers and audiences', async () => {
  const several = verifier({ issuer: ['https://a.test', ISSUER], audience: ['x', AUDIENCE] });

  await expect(several.verify(await sign())).resolves.toMatchObject({ subject: 'sub-1' });
});

describe('refuses', () => {
  it.each<[string, () => Promise<string>, string]>([
    ['an expired token', () => sign({ exp: seconds - 1 }), 'expired'],
    ['a token without expiry', () => sign({ exp: undefined }), '"exp"'],
    ['a token that is not valid yet', () => sign({ nbf: seconds + 30 }), 'not valid yet'],
    ['another audience', () => sign({ aud: 'api://other' }), 'another audience'],
    ['another issuer', () => sign({ iss: 'https://login.test/other/v2.0' }), 'another issuer'],
    ['an issuer that only begins alike', () => sign({ iss: `${ISSUER}.evil.test` }), 'another issuer'],
    ['a token without a subject', () => sign({ sub: undefined }), '"sub"'],
    ['another key under the same id', () => sign({}, otherKey), 'signature'],
    ['a key that is not published', () => sign({}, otherKey, 'k2'), 'does not publish'],
    ['alg none', async () => `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`, 'RS256'],
    ['a changed payload', async () => tampered(await sign()), 'signature'],
    ['HS256 with the public key as secret', async () => hmacToken(publicPem), 'RS256'],
    ['HS256 with the public key set as secret', async () => hmacToken(goodKeys), 'RS256'],
    ['no token at all', async () => '', 'not a signed token'],
    ['something else', async () => 'a.b.c', 'not a signed token'],
    ['an endless token', async () => 'a'.repeat(20_000), 'longer'],
  ])('%s', async (_, make, reason) => {
    const refusal = verifier().verify(await make());

    await expect(refusal).rejects.toMatchObject({ name: 'UserError', status: 401, code: 'token-refused' });
    await expect(refusal).rejects.toThrow(reason);
  });

  function tampered(token: string): string {
    const [head, , signature] = token.split('.');
    return `${head}.${encode({ ...claims, roles: ['admin'] })}.${signature}`;
  }

  function hmacToken(secret: string): string {
    const signed = `${encode({ alg: 'HS256', typ: 'JWT', kid: 'k1' })}.${encode(claims)}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }
});

describe('clocks', () => {
  it('may differ by the tolerance and no more', async () => {
    const lenient = verifier({ clockToleranceSeconds: 60 });

    await expect(lenient.verify(await sign({ exp: seconds - 59 }))).resolves.toBeDefined();
    await expect(lenient.verify(await sign({ exp: seconds - 61 }))).rejects.toMatchObject({ status: 401 });
  });
});

describe('keys', () => {
  it('are fetched once for many tokens', async () => {
    const one = verifier();
    for (const token of [await sign(), await sign({ sub: 'b' }), await sign({ sub: 'c' })]) await one.verify(token);

    expect(fetches).toBe(1);
  });

  it('are not fetched again for every unknown key id', async () => {
    const one = verifier();
    await one.verify(await sign());
    for (let n = 0; n < 5; n += 1)
      await expect(one.verify(await sign({}, otherKey, `unknown-${n}`))).rejects.toMatchObject({ status: 401 });

    expect(fetches).toBe(1);
  });

  it.each([
    [500, 'oops'],
    [200, 'no json'],
    [200, '{"keys":"x"}'],
  ])('that cannot be read (%i %j) refuse nobody for good', async (status, body) => {
    answer = { status, body };

    await expect(verifier().verify(await sign())).rejects.toMatchObject({ name: 'TransientError', code: 'keys-unreachable' });
  });

  it('behind a closed port refuse nobody for good', async () => {
    await expect(verifier({ jwksUri: 'http://127.0.0.1:9/keys' }).verify(await sign())).rejects.toMatchObject({ name: 'TransientError' });
  });
});
