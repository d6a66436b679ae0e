// Who may do what: roles of a token against the role that an operation needs, for a pipeline and an environment.
// A grant is `<role>[:<pipeline>][@<environment>]`, e.g. `operator`, `operator:ble-location`, `approver@prod`, `operator:ble-location@dev`.
// Without a suffix it holds everywhere; with one it holds only for requests about exactly that pipeline and that environment.
import type { Role } from '../contracts/access.ts';

/** What a request is about; an absent part means: not about one in particular. */
export interface Scope {
  pipeline?: string | undefined;
  environment?: string | undefined;
}

export interface Grant {
  role: Role;
  pipeline: string | null;
  environment: string | null;
}

export type Allowed = { allowed: true; by: string } | { allowed: false; missing: string };

const IMPLIED: Record<Role, readonly Role[]> = {
  reader: ['reader'],
  operator: ['operator', 'reader'],
  approver: ['approver', 'reader'],
  admin: ['admin', 'approver', 'operator', 'reader'],
};

/** null for a text that is no grant of ours: tokens carry the roles of other applications too. */
export function parseGrant(text: string): Grant | null {
  const match = /^(reader|operator|approver|admin)(?::([a-z][a-z0-9-]{0,39}))?(?:@([a-z][a-z0-9-]{0,39}))?$/.exec(text);
  if (!match) return null;
  return { role: match[1] as Role, pipeline: match[2] ?? null, environment: match[3] ?? null };
}

/** Whether any of the roles grants `needed` for this scope; `missing` names the smallest grant that would. */
export function allowed(roles: readonly string[], needed: Role, scope: Scope): Allowed {
  const by = roles.find((text) => {
    const grant = parseGrant(text);
    return (
      grant !== null &&
      IMPLIED[grant.role].includes(needed) &&
      covers(grant.pipeline, scope.pipeline) &&
      covers(grant.environment, scope.environment)
    );
  });
  return by === undefined ? { allowed: false, missing: grantText(needed, scope) } : { allowed: true, by };
}

/** Whether any of the roles grants `needed` somewhere: the first check, before it is known what a request is about. */
export function allowedSomewhere(roles: readonly string[], needed: Role): Allowed {
  const by = roles.find((text) => {
    const grant = parseGrant(text);
    return grant !== null && IMPLIED[grant.role].includes(needed);
  });
  return by === undefined ? { allowed: false, missing: needed } : { allowed: true, by };
}

function covers(granted: string | null, asked: string | undefined): boolean {
  return granted === null || granted === asked;
}

function grantText(role: Role, { pipeline, environment }: Scope): string {
  return `${role}${pipeline === undefined ? '' : `:${pipeline}`}${environment === undefined ? '' : `@${environment}`}`;
}
