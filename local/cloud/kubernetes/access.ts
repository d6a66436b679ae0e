// Who calls, and may they: bearer tokens (opaque, of an issuer, of the cluster's own service accounts), then rules per user.
// Anonymous callers are 401 here; a cluster may let them see a little (stricter than the service).
import { createHash, timingSafeEqual } from 'node:crypto';
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from 'jose';
import type { Cluster } from './cluster.ts';
import type { AccessOptions } from './options.ts';
import { StatusError } from './status.ts';

/** What a call does. `resource` holds the subresource: `pods/log`. Without namespace: at the cluster scope. */
export interface Action {
  verb: string;
  group: string;
  resource: string;
  namespace?: string | undefined;
}

export interface Access {
  /** The user, or 401. */
  authenticate(request: Request): Promise<string>;
  may(user: string, action: Action): boolean;
  /** 403 with the service's sentence. */
  require(user: string, action: Action): void;
}

export function createAccess(options: AccessOptions, cluster: Cluster): Access {
  const issuers = (options.issuers ?? []).map(({ issuer, audience, jwks, jwksUri }) => ({
    issuer,
    audience,
    keys: jwks
      ? createLocalJWKSet(jwks)
      : createRemoteJWKSet(new URL(jwksUri ?? `${issuer}/discovery/v2.0/keys`), { timeoutDuration: 5_000 }),
  }));
  const unauthorized = () => new StatusError(401, 'Unauthorized');

  const may = (user: string, { verb, resource, namespace }: Action): boolean =>
    options.rules.some(
      (rule) =>
        rule.user === user &&
        (rule.namespace === undefined || rule.namespace === namespace) &&
        (rule.verbs.includes('*') || rule.verbs.includes(verb)) &&
        (rule.resources.includes('*') || rule.resources.includes(resource)),
    );

  return {
    may,
    async authenticate(request) {
      const token = /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
      if (token === undefined) throw unauthorized();
      const opaque = options.tokens?.find((known) => same(known.token, token));
      if (opaque) return opaque.user;
      const own = await cluster.tokens.user(token, cluster.tokens.issuer).catch(() => {
        throw unauthorized();
      });
      if (own !== null) return own;
      for (const { issuer, audience, keys } of issuers) {
        const verified = await jwtVerify(token, keys, { issuer, audience, currentDate: new Date(cluster.clock.now()) }).catch(() => null);
        const user = verified?.payload['oid'] ?? verified?.payload.sub;
        if (typeof user === 'string') return user;
      }
      throw unauthorized();
    },
    require(user, action) {
      if (may(user, action)) return;
      const scope = action.namespace === undefined ? 'at the cluster scope' : `in the namespace "${action.namespace}"`;
      throw new StatusError(
        403,
        `${action.resource.split('/')[0] ?? ''} is forbidden: User "${user}" cannot ${action.verb} resource "${action.resource}" in API group "${action.group}" ${scope}`,
      );
    },
  };
}

function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
