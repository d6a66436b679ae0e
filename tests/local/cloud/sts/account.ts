// A local account for tests: an OIDC issuer with real keys on a port, an authority with roles, and an STS on a port.
// Closed by `close()`; everything durable is in a temporary folder.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { createShiftedClock, type ManualClock } from '../../../../local/cloud/kit/clock.ts';
import { json, readText } from '../../../../local/cloud/kit/body.ts';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { type Authority, createAuthority, type RoleOptions } from '../../../../local/cloud/sts/authority.ts';
import { createStsCloud } from '../../../../local/cloud/sts/sts.ts';

export const ACCOUNT_ID = '123456789012';
export const REGION = 'eu-central-1';
export const AUDIENCE = 'api://aws-sagemaker';
export const SUBJECT = '11111111-2222-3333-4444-555555555555';

/** The ARN of a role of the test account. */
export const roleArn = (name: string) => `arn:aws:iam::${ACCOUNT_ID}:role/${name}`;

/** Credentials in the form that the SDK takes. */
export interface TestCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
}

export interface TestAccount {
  readonly folder: string;
  readonly clock: ManualClock;
  readonly authority: Authority;
  /** The issuer's address, as in `iss`. */
  readonly issuer: string;
  /** Requests that STS has seen, by action. */
  readonly seen: string[];
  readonly stsUrl: string;
  /** A token of the issuer (default: a good one); `otherKey` signs it with a key that is not published. */
  token(claims?: JWTPayload, options?: { otherKey?: boolean; expiresAt?: number; alg?: 'none' }): Promise<string>;
  /** Credentials without the detour over a token. */
  credentials(role?: string, policy?: object, durationSeconds?: number): TestCredentials;
  /** Stops serving the issuer's keys. */
  loseIssuer(): Promise<void>;
  close(): Promise<void>;
}

/** Starts the account with a role `promoter` (all allowed) and the roles given. */
export async function startAccount(roles: readonly RoleOptions[] = []): Promise<TestAccount> {
  const folder = mkdtempSync(join(tmpdir(), 'aws-account-'));
  const clock = createShiftedClock();
  const published = await generateKeyPair('RS256');
  const other = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(published.publicKey)), kid: 'key-1', alg: 'RS256', use: 'sig' };
  const keys: CloudServer = await serve(() => json({ keys: [jwk] }));
  const issuer = `${keys.url}/`;
  const authority = createAuthority({
    stateFile: join(folder, 'authority.json'),
    accountId: ACCOUNT_ID,
    region: REGION,
    clock,
    roles: [{ arn: roleArn('promoter'), subjects: [SUBJECT], maxSessionSeconds: 43_200 }, ...roles],
  });
  const sts = await createStsCloud({
    authority,
    providers: [{ issuer, jwksUri: `${keys.url}/keys`, audiences: [AUDIENCE, 'caller-app'] }],
  });
  const seen: string[] = [];
  const server = await serve(async (request) => {
    if (new URL(request.url).pathname !== '/') return sts.fetch(request);
    const body = await readText(request, 100_000);
    seen.push(new URLSearchParams(body).get('Action') ?? '');
    return sts.fetch(new Request(request.url, { method: request.method, headers: request.headers, body }));
  });
  return {
    folder,
    clock,
    authority,
    issuer,
    seen,
    stsUrl: server.url,
    token: (claims = {}, options = {}) =>
      new SignJWT({ iss: issuer, aud: AUDIENCE, sub: SUBJECT, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'key-1' })
        .setIssuedAt(Math.floor(clock.now() / 1_000))
        .setExpirationTime(options.expiresAt ?? Math.floor(clock.now() / 1_000) + 3_600)
        .sign(options.otherKey === true ? other.privateKey : published.privateKey),
    credentials: (role = 'promoter', policy = undefined, durationSeconds = 3_600) => {
      const { accessKeyId, secretAccessKey, sessionToken } = authority.issue({
        roleArn: roleArn(role),
        sessionName: 'test-session',
        durationSeconds,
        ...(policy === undefined ? {} : { policy: JSON.stringify(policy) }),
      });
      return { accessKeyId, secretAccessKey, sessionToken };
    },
    loseIssuer: () => keys.close(),
    close: async () => {
      await Promise.all([server.close(), keys.close(), sts.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
