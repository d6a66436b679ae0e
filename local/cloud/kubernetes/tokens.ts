// Tokens of the cluster's service accounts: signed, bound to audiences, with a life; and the keys by which others check them.
// Claims as a bound token of Kubernetes has them (facts/kubeflow.md §1 Auth).
import { createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { createLocalJWKSet, errors, type JWK, jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../kit/clock.ts';

export interface ServiceAccountTokens {
  readonly issuer: string;
  /** Keys for those who check tokens. */
  readonly jwks: { readonly keys: JWK[] };
  mint(
    account: { namespace: string; name: string },
    audiences: readonly string[],
    seconds: number,
  ): Promise<{ token: string; expiresAt: number }>;
  /** `system:serviceaccount:<namespace>:<name>` of a valid token for the audience; null for another issuer's. Throws for one of ours that is not valid. */
  user(token: string, audience: string): Promise<string | null>;
}

export function createServiceAccountTokens(issuer: string, clock: Clock): ServiceAccountTokens {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const kid = randomUUID();
  const key: JWK = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' };
  const keys = createLocalJWKSet({ keys: [key] });
  return {
    issuer,
    jwks: { keys: [key] },
    async mint(account, audiences, seconds) {
      const now = Math.floor(clock.now() / 1000);
      const token = await new SignJWT({ 'kubernetes.io': { namespace: account.namespace, serviceaccount: { name: account.name } } })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setIssuer(issuer)
        .setSubject(`system:serviceaccount:${account.namespace}:${account.name}`)
        .setAudience([...audiences])
        .setIssuedAt(now)
        .setNotBefore(now)
        .setExpirationTime(now + seconds)
        .setJti(randomUUID())
        .sign(privateKey);
      return { token, expiresAt: (now + seconds) * 1000 };
    },
    async user(token, audience) {
      try {
        const { payload } = await jwtVerify(token, keys, { issuer, audience, currentDate: new Date(clock.now()), algorithms: ['ES256'] });
        return payload.sub ?? null;
      } catch (error) {
        if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'iss') return null;
        if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JWSInvalid)
          return null;
        throw error;
      }
    },
  };
}
