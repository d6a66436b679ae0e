// Who calls, and may they: TokenReview with an audience, then a role binding per namespace (facts/kubeflow.md §1, Auth).
// Only Bearer tokens are taken; the service also trusts a `kubeflow-userid` header blindly (stricter).
import { createHash, timingSafeEqual } from 'node:crypto';
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { systemClock } from '../../kit/clock.ts';
import type { KubeflowOptions } from '../options.ts';
import { ApiError } from './errors.ts';

/** A caller that was recognised; in single-user mode nobody is asked. */
export interface Caller {
  readonly user: string;
}

/** What a call does, in the words of a role. */
export interface Action {
  readonly verb: string;
  readonly resource: 'pipelines' | 'experiments' | 'runs';
  readonly namespace: string;
}

/** Checks callers. */
export interface Authorizer {
  readonly multiUser: boolean;
  /** Rejects with `unauthenticated` (401) when the token is missing, not valid, or for another audience. */
  authenticate(request: Request): Promise<Caller>;
  /** Throws `permission-denied` (403) when no role binding covers the action. */
  authorize(caller: Caller, action: Action): void;
}

const DEFAULT_AUDIENCE = 'pipelines.kubeflow.org';
/** Namespace whose roles cover pipelines shared by all. */
const SYSTEM_NAMESPACE = 'kubeflow';

/** The checks of a stand-in. */
export function createAuthorizer(options: KubeflowOptions): Authorizer {
  const auth = options.auth ?? { mode: 'none' };
  if (auth.mode === 'none') return { multiUser: false, authenticate: async () => ({ user: '' }), authorize: () => undefined };
  const audience = auth.audience ?? DEFAULT_AUDIENCE;
  const clock = options.clock ?? systemClock;
  const keysOf = new Map<string, JWTVerifyGetKey>(
    (auth.issuers ?? []).map(({ issuer, jwks, jwksUri }) => [
      issuer,
      jwks
        ? createLocalJWKSet(jwks)
        : createRemoteJWKSet(new URL(jwksUri ?? `${issuer.replace(/\/$/, '')}/openid/v1/jwks`), { timeoutDuration: 5_000 }),
    ]),
  );
  const refused = (reason: string) =>
    new ApiError('unauthenticated', `Request header error: there is no user identity header. Token review failed: ${reason}`);

  return {
    multiUser: true,
    async authenticate(request) {
      const token = /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
      if (!token) throw refused('no bearer token');
      const opaque = auth.tokens?.find((known) => same(known.token, token));
      if (opaque) {
        if (!opaque.audiences.includes(audience)) throw refused(`the token is not for audience ${audience}`);
        return { user: opaque.user };
      }
      for (const [issuer, keys] of keysOf) {
        try {
          const { payload } = await jwtVerify(token, keys, {
            issuer,
            audience,
            currentDate: new Date(clock.now()),
            algorithms: ['RS256', 'ES256'],
          });
          if (payload.sub) return { user: payload.sub };
        } catch (error) {
          if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'iss') continue;
          throw refused(error instanceof Error ? error.message : 'the token is not valid');
        }
      }
      throw refused('the token is not known');
    },
    authorize(caller, action) {
      const namespace = action.namespace || SYSTEM_NAMESPACE;
      // Pipelines shared by all may be read by everybody who was recognised.
      if (action.namespace === '' && action.resource === 'pipelines' && (action.verb === 'get' || action.verb === 'list')) return;
      const bound = auth.grants.some(
        (grant) => grant.user === caller.user && grant.namespace === namespace && (grant.verbs?.includes(action.verb) ?? true),
      );
      if (!bound) {
        throw new ApiError(
          'permission-denied',
          `User '${caller.user}' is not authorized with reason:  (request: Namespace:${namespace} Verb:${action.verb} Group:pipelines.kubeflow.org Version:v1beta1 Resource:${action.resource})`,
        );
      }
    },
  };
}

function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
