// Access tokens of the local tenant in Entra's two shapes.
// v1 (`ver` 1.0): appid, issuer with a trailing slash; v2 (`ver` 2.0): azp, issuer ending in /v2.0 (facts/sagemaker.md §3).
import { randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import { TokenError } from './errors.ts';
import type { SigningKey } from './keys.ts';
import type { EntraApi, EntraClient, EntraOptions } from './options.ts';

/** A signed token and its times (seconds since 1970). */
export interface IssuedToken {
  readonly token: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** `iss` of v1 tokens. */
export const issuerV1 = (options: EntraOptions): string => `${options.baseUrl}/${options.tenant}/`;
/** `iss` of v2 tokens. */
export const issuerV2 = (options: EntraOptions): string => `${options.baseUrl}/${options.tenant}/v2.0`;

/** Signs a token of `client` for `api`. `proof` says how the client authenticated: a secret (1) or a managed identity (2). */
export async function issueToken(
  options: EntraOptions,
  key: SigningKey,
  client: EntraClient,
  api: EntraApi,
  nowMs: number,
  proof: '1' | '2',
): Promise<IssuedToken> {
  const roles = (client.roles ?? []).filter((role) => api.roles?.includes(role));
  if (api.assignmentRequired && roles.length === 0) {
    throw new TokenError(
      400,
      'invalid_grant',
      501051,
      `Application '${client.clientId}'(${client.name}) is not assigned to a role for the application '${api.uri}'. Grant it one of: ${(api.roles ?? []).join(', ')}.`,
    );
  }
  const issuedAt = Math.floor(nowMs / 1000);
  const lifetime = client.tokenLifetimeSeconds ?? options.tokenLifetimeSeconds ?? 3600;
  // A token that has expired was valid once: it starts before it ends.
  const notBefore = lifetime > 0 ? issuedAt : issuedAt + lifetime - 3600;
  const expiresAt = issuedAt + lifetime;
  const v2 = api.tokenVersion === 2;
  const issuer = v2 ? issuerV2(options) : issuerV1(options);
  const claims = {
    ...(v2 ? { azp: client.clientId, azpacr: proof } : { appid: client.clientId, appidacr: proof, idp: issuerV1(options) }),
    idtyp: 'app',
    oid: client.objectId,
    ...(roles.length > 0 ? { roles } : {}),
    tid: options.tenant,
    uti: randomBytes(16).toString('base64url'),
    ver: v2 ? '2.0' : '1.0',
  };
  const token = await new SignJWT(claims)
    .setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid: key.kid })
    .setIssuer(issuer)
    .setAudience(api.audience ?? api.uri)
    .setSubject(client.objectId)
    .setIssuedAt(notBefore)
    .setNotBefore(notBefore)
    .setExpirationTime(expiresAt)
    .sign(key.privateKey);
  return { token, issuedAt, expiresAt };
}
