// The body of a private Azure ML workspace as ARM gives it (facts/azure.md §1.7).
// The tracking address is a property that is read, never built by a caller: its host differs under private link.
import { guid } from './names.ts';
import type { ComputeOptions, DatastoreOptions } from './options.ts';

/** One workspace. */
export interface WorkspaceOptions {
  readonly name: string;
  /** Default `westeurope`. */
  readonly location?: string;
  /** Default `Disabled`. */
  readonly publicNetworkAccess?: 'Disabled' | 'Enabled';
  /** Default: the regional service's form. */
  readonly mlFlowTrackingUri?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly computes?: readonly ComputeOptions[];
  /** Default: one, `workspaceblobstore`, in the stand-in's own folder. */
  readonly datastores?: readonly DatastoreOptions[];
}

/** ARM id of a workspace. */
export const workspaceId = (place: { subscriptionId: string; resourceGroup: string }, name: string): string =>
  `/subscriptions/${place.subscriptionId}/resourceGroups/${place.resourceGroup}/providers/Microsoft.MachineLearningServices/workspaces/${name}`;

/** The resource as JSON. */
export function workspaceBody(
  place: { subscriptionId: string; resourceGroup: string; tenant: string },
  workspace: WorkspaceOptions,
  /** Host of the data plane where it is not the region's own. */
  host = `${workspace.location ?? 'westeurope'}.api.azureml.ms`,
): object {
  const group = `/subscriptions/${place.subscriptionId}/resourceGroups/${place.resourceGroup}`;
  const id = workspaceId(place, workspace.name);
  const location = workspace.location ?? 'westeurope';
  const short = workspace.name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .slice(0, 16);
  const created = '2026-01-15T09:00:00.000Z';
  return {
    id,
    name: workspace.name,
    type: 'Microsoft.MachineLearningServices/workspaces',
    location,
    tags: workspace.tags ?? {},
    etag: null,
    kind: 'Default',
    sku: { name: 'Basic', tier: 'Basic' },
    identity: { type: 'SystemAssigned', principalId: guid(`${id}/identity`), tenantId: place.tenant },
    systemData: {
      createdAt: created,
      createdBy: 'infra',
      createdByType: 'Application',
      lastModifiedAt: created,
      lastModifiedBy: 'infra',
      lastModifiedByType: 'Application',
    },
    properties: {
      workspaceId: guid(id),
      friendlyName: workspace.name,
      description: '',
      provisioningState: 'Succeeded',
      tenantId: place.tenant,
      publicNetworkAccess: workspace.publicNetworkAccess ?? 'Disabled',
      allowPublicAccessWhenBehindVnet: false,
      v1LegacyMode: false,
      hbiWorkspace: false,
      storageHnsEnabled: false,
      storageAccount: `${group}/providers/Microsoft.Storage/storageAccounts/st${short}`,
      keyVault: `${group}/providers/Microsoft.KeyVault/vaults/kv-${short}`,
      applicationInsights: `${group}/providers/Microsoft.Insights/components/appi-${short}`,
      containerRegistry: `${group}/providers/Microsoft.ContainerRegistry/registries/cr${short}`,
      discoveryUrl: `https://${location}.api.azureml.ms/discovery`,
      mlFlowTrackingUri: workspace.mlFlowTrackingUri ?? `azureml://${host}/mlflow/v1.0${id}`,
      notebookInfo: {
        resourceId: guid(`${id}/notebook`),
        fqdn: `ml-${short}-${location}-${guid(id)}.${location}.notebooks.azure.net`,
        isPrivateLinkEnabled: true,
      },
      managedNetwork: { isolationMode: 'AllowOnlyApprovedOutbound', status: { status: 'Active', sparkReady: false } },
      privateLinkCount: 1,
      privateEndpointConnections: [
        {
          id: `${id}/privateEndpointConnections/pe-${short}`,
          name: `pe-${short}`,
          type: 'Microsoft.MachineLearningServices/workspaces/privateEndpointConnections',
          location,
          properties: {
            provisioningState: 'Succeeded',
            privateEndpoint: { id: `${group}/providers/Microsoft.Network/privateEndpoints/pe-${short}` },
            privateLinkServiceConnectionState: { status: 'Approved', description: 'Auto-Approved', actionsRequired: 'None' },
          },
        },
      ],
    },
  };
}
