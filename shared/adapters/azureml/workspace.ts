// Port Workspace: a look at the connected Azure ML workspace through Resource Manager.
// Its network setting is what a posture check will ask for; its tracking address is where MLflow lives.
import type { Arm, ArmWorkspace } from '../../clients/arm.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { Workspace } from '../../ports/platform.ts';

export interface WorkspaceOptions {
  arm: Arm;
  resourceGroup: string;
  workspace: string;
}

export function createWorkspace({ arm, resourceGroup, workspace }: WorkspaceOptions): Workspace {
  return {
    async read() {
      let found: ArmWorkspace;
      try {
        found = await arm.workspaces.get(resourceGroup, workspace);
      } catch (error) {
        throw translate(error, `${resourceGroup}/${workspace}`, arm.subscriptionId);
      }
      if (found.name === undefined || found.location === undefined) {
        throw new TransientError(
          'arm-unavailable',
          `Resource Manager's description of workspace ${resourceGroup}/${workspace} has no name or location.`,
        );
      }
      return {
        name: found.name,
        location: found.location,
        // ARM leaves the property out for workspaces that never set it; those are public.
        publicNetworkAccess: found.publicNetworkAccess ?? 'Enabled',
        trackingUri: found.mlFlowTrackingUri ?? null,
      };
    },
  };
}

/** RestError's status and code decide; its request is not kept as a cause, because it carries the token. */
function translate(error: unknown, workspace: string, subscriptionId: string): Error {
  if (error instanceof RejectedError || error instanceof TransientError) return error;
  const { statusCode } = error as { statusCode?: unknown };
  const message = (error instanceof Error ? error.message : String(error)).slice(0, 400);
  const text = `Azure ML workspace ${workspace} in subscription ${subscriptionId} could not be read${typeof statusCode === 'number' ? ` (${statusCode})` : ''}: ${message}`;
  if (statusCode === 404) return new RejectedError('workspace-unknown', `${text} Check subscription, resource group and name.`);
  if (statusCode === 401 || statusCode === 403) {
    return new RejectedError('workspace-forbidden', `${text} The managed identity needs at least the role Reader on the workspace.`);
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 && statusCode !== 408 && statusCode !== 429) {
    return new RejectedError('workspace-refused', text);
  }
  return new TransientError('arm-unavailable', text);
}
