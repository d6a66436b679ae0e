// Checks Entra access tokens: signature (RS256 only, by the issuer's published keys), issuer, audience, expiry, not-before.
// Nothing of a token is believed, logged or answered before its signature is checked.
import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload } from 'jose';
import { TransientError, UserError } from '../../errors/errors.ts';
import type { Caller, TokenVerifier } from '../../ports/access.ts';

export interface TokenRules {
  /** One or more accepted issuers, compared exactly. */
  issuer: string | string[];
  audience: string | string[];
  jwksUri: string;
  /** Allowed difference between clocks; 60 in production, 0 in tests. */
  clockToleranceSeconds: number;
  now?: () => Date;
}

const MAX_TOKEN_CHARS = 16_384;
const KEYS_TIMEOUT_MS = 5_000;
/** A token with an unknown key id makes us fetch the keys at most this often. */
const KEYS_COOLDOWN_MS = 30_000;
const KEYS_MAX_AGE_MS = 10 * 60_000;
const MAX_ROLES = 100;

export function createTokenVerifier(rules: TokenRules): TokenVerifier {
  const keys = createRemoteJWKSet(new URL(rules.jwksUri), {
    timeoutDuration: KEYS_TIMEOUT_MS,
    cooldownDuration: KEYS_COOLDOWN_MS,
    cacheMaxAge: KEYS_MAX_AGE_MS,
  });
  return {
    async verify(token) {
      if (token.length > MAX_TOKEN_CHARS) throw refused('the token is longer than any that is issued for this service');
      try {
        const { payload } = await jwtVerify(token, keys, {
          issuer: rules.issuer,
          audience: rules.audience,
          algorithms: ['RS256'],
          requiredClaims: ['exp', 'sub'],
          clockTolerance: rules.clockToleranceSeconds,
          ...(rules.now ? { currentDate: rules.now() } : {}),
        });
        return callerOf(payload);
      } catch (error) {
        throw translated(error);
      }
    },
  };
}

/** `oid` is the same for one identity in every application, `sub` is not: prefer it for the audit log. */
function callerOf(payload: JWTPayload): Caller {
  const text = (claim: string): string | undefined => {
    const value = payload[claim];
    return typeof value === 'string' && value !== '' ? value.slice(0, 200) : undefined;
  };
  const subject = text('oid') ?? text('sub') ?? '';
  const roles = Array.isArray(payload['roles']) ? payload['roles'].filter((role) => typeof role === 'string').slice(0, MAX_ROLES) : [];
  return { subject, name: text('preferred_username') ?? text('name') ?? text('appid') ?? subject, roles };
}

function translated(error: unknown): Error {
  if (error instanceof errors.JWTExpired) return refused('the token has expired; get a new one');
  if (error instanceof errors.JWTClaimValidationFailed) return refused(claimSentence(error.claim), error);
  if (error instanceof errors.JOSEAlgNotAllowed) return refused('the token is not signed with RS256', error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused('the signature does not match', error);
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return refused('the token is signed with a key that the issuer does not publish', error);
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid || error instanceof errors.JOSENotSupported) {
    return refused('this is not a signed token', error);
  }
  // What is left is the way to the keys: timeout, refused connection, an answer that is no key set.
  return new TransientError('keys-unreachable', "The issuer's signing keys cannot be read now, so no token can be checked", {
    cause: error,
  });
}

function claimSentence(claim: string): string {
  switch (claim) {
    case 'iss':
      return 'the token is from another issuer';
    case 'aud':
      return 'the token is for another audience';
    case 'nbf':
      return 'the token is not valid yet';
    default:
      return `the token's claim "${claim}" is missing or wrong`;
  }
}

function refused(reason: string, cause?: unknown): UserError {
  return new UserError(401, 'token-refused', `The token was refused: ${reason}`, [], { cause });
}
