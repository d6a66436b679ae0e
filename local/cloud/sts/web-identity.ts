// Checks a web identity token as IAM's OIDC providers do, and says in STS's own words what is wrong with it.
// The azp rule of facts/sagemaker.md §3 is kept: a token that carries `azp` is matched by it and not by `aud`.
import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../kit/clock.ts';

/** An OIDC provider that the local account trusts. */
export interface OidcProviderOptions {
  /** Exactly as in the token's `iss`, trailing slash included (facts/sagemaker.md §3). */
  readonly issuer: string;
  /** Where its public keys are. */
  readonly jwksUri: string;
  /** The provider's client-id list. */
  readonly audiences: readonly string[];
}

/** A refusal in the service's words. */
export class StsError extends Error {
  override readonly name = 'StsError';
  constructor(
    readonly code: string,
    message: string,
    readonly status = 400,
  ) {
    super(message);
  }
}

/** What a good token says. */
export interface WebIdentity {
  readonly issuer: string;
  readonly subject: string;
  /** The value that was matched: `azp` where present, else the matching `aud`. */
  readonly audience: string;
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];
const KEYS_TIMEOUT_MS = 5_000;

/** Makes the check for these providers; it throws `StsError`. */
export function createWebIdentityCheck(providers: readonly OidcProviderOptions[], clock: Clock): (token: string) => Promise<WebIdentity> {
  const keys = new Map<string, JWTVerifyGetKey>(
    providers.map((provider) => [
      provider.issuer,
      createRemoteJWKSet(new URL(provider.jwksUri), { timeoutDuration: KEYS_TIMEOUT_MS, cooldownDuration: 0 }),
    ]),
  );
  return async (token) => {
    const issuer = claimedIssuer(token);
    const provider = providers.find((candidate) => candidate.issuer === issuer);
    const getKey = keys.get(issuer);
    if (!provider || !getKey) throw new StsError('InvalidIdentityToken', `No OpenIDConnect provider found in your account for ${issuer}`);
    const payload = await verify(token, getKey, clock);
    for (const claim of ['sub', 'aud', 'exp', 'iat'] as const) {
      if (payload[claim] === undefined) throw new StsError('InvalidIdentityToken', `Missing a required claim: ${claim}`);
    }
    return { issuer, subject: String(payload.sub), audience: matchAudience(payload, provider) };
  };
}

function claimedIssuer(token: string): string {
  try {
    const { iss } = decodeJwt(token);
    if (typeof iss === 'string') return iss;
  } catch {
    throw new StsError(
      'InvalidIdentityToken',
      'The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)',
    );
  }
  throw new StsError('InvalidIdentityToken', 'Missing a required claim: iss');
}

async function verify(token: string, getKey: JWTVerifyGetKey, clock: Clock): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, getKey, { algorithms: ALGORITHMS, currentDate: new Date(clock.now()) });
    return payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) {
      const expiry = typeof error.payload.exp === 'number' ? new Date(error.payload.exp * 1_000).toISOString() : 'unknown';
      const now = new Date(clock.now()).toISOString();
      throw new StsError(
        'ExpiredTokenException',
        `Token expired: current date/time ${now} must be before the expiration date/time ${expiry}`,
      );
    }
    if (error instanceof errors.JWKSNoMatchingKey) {
      throw new StsError(
        'InvalidIdentityToken',
        "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
      );
    }
    if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JOSEAlgNotAllowed) {
      throw new StsError('InvalidIdentityToken', 'The ID Token provided could not be validated: its signature is not valid');
    }
    if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid) {
      throw new StsError('InvalidIdentityToken', `The ID Token provided is not valid: ${error.message}`);
    }
    // The SDK retries this one three times (facts/sagemaker.md §3.4).
    throw new StsError('IDPCommunicationError', "Couldn't connect to the identity provider to retrieve its keys");
  }
}

/** facts/sagemaker.md §3.2: `azp` replaces `aud` as soon as it is there. */
function matchAudience(payload: JWTPayload, provider: OidcProviderOptions): string {
  const azp = payload['azp'];
  const offered = typeof azp === 'string' ? [azp] : Array.isArray(payload.aud) ? payload.aud : [payload.aud ?? ''];
  const audience = offered.find((candidate) => provider.audiences.includes(candidate));
  if (audience === undefined) throw new StsError('InvalidIdentityToken', 'Incorrect token audience');
  return audience;
}
