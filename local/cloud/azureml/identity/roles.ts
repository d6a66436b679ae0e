// What an identity may do, in ARM's words: `Microsoft.MachineLearningServices/workspaces/jobs/write`.
// Actions of the built-in roles as their documentation lists them; for MLflow facts/azure.md §2 names `workspaces/experiments/*`.
import { ArmError } from '../api/arm-error.ts';
import type { AzureMlOptions, RoleAssignment } from '../options.ts';
import type { Caller } from './tokens.ts';

const PROVIDER = 'Microsoft.MachineLearningServices';

const ROLES: Readonly<Record<RoleAssignment['role'], { readonly may: readonly string[]; readonly not?: readonly string[] }>> = {
  Reader: { may: ['*/read'] },
  Contributor: { may: ['*'] },
  'AzureML Data Scientist': {
    may: ['workspaces/*/read', 'workspaces/*/action', 'workspaces/*/delete', 'workspaces/*/write'],
    not: ['workspaces/delete', 'workspaces/write', 'workspaces/computes/*/write', 'workspaces/computes/*/delete'],
  },
  'AzureML Compute Operator': { may: ['workspaces/read', 'workspaces/computes/*'] },
  'AzureML Registry User': { may: ['registries/read', 'registries/assets/*'] },
};

/** Refuses what no role covers. */
export interface Roles {
  /**
   * `action` without the provider, e.g. `workspaces/jobs/write`; `resource` is the name of the workspace or registry, `scope` the path.
   * Throws ARM's 403, which names object id, action and scope.
   */
  authorize(caller: Caller, action: string, resource: string, scope: string): void;
}

/** The checks of a stand-in. */
export function createRoles({ readers, roles }: AzureMlOptions): Roles {
  const covered = (oid: string, action: string, resource: string): boolean => {
    if (readers && !readers.includes(oid)) return false;
    if (!roles) return true;
    return roles.some(
      ({ objectId, role, scope }) =>
        objectId === oid &&
        (scope === undefined || scope.toLowerCase() === resource.toLowerCase()) &&
        ROLES[role].may.some((pattern) => matches(pattern, action)) &&
        !(ROLES[role].not ?? []).some((pattern) => matches(pattern, action)),
    );
  };
  return {
    authorize(caller, action, resource, scope) {
      const allowed =
        caller.kind === 'job'
          ? caller.workspace === resource && /^workspaces\/(experiments|models|artifacts)\//.test(action)
          : covered(caller.oid, action, resource);
      if (allowed) return;
      const id = caller.kind === 'job' ? caller.job : caller.oid;
      throw new ArmError(
        403,
        'AuthorizationFailed',
        `The client with object id '${id}' does not have authorization to perform action '${PROVIDER}/${action}' over scope '${scope.slice(0, 300)}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
      );
    },
  };
}

// A star between slashes covers nothing too: the built-in role's list of exceptions takes `workspaces/delete` out of its star pattern.
function matches(pattern: string, action: string): boolean {
  const expression = pattern
    .split('/*/')
    .map((part) => part.split('*').map(escape).join('.*'))
    .join('/(?:.*/)?');
  return new RegExp(`^${expression}$`, 'i').test(action);
}

const escape = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
