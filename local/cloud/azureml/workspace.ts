// The body of a private Azure ML workspace as ARM gives it (facts/azure.md §1.7).
// The tracking address is a property that is read, never built by a caller: its host differs under private link.
import { createHash } from 'node:crypto';

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
}

/** GUID that stays the same for the same name. */
function guid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}

/** The resource as JSON. */
export function workspaceBody(
  place: { subscriptionId: string; resourceGroup: string; tenant: string },
  workspace: WorkspaceOptions,
): object {
  const group = `/subscriptions/${place.subscriptionId}/resourceGroups/${place.resourceGroup}`;
  const id = `${group}/providers/Microsoft.MachineLearningServices/workspaces/${workspace.name}`;
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
      mlFlowTrackingUri: workspace.mlFlowTrackingUri ?? `azureml://${location}.api.azureml.ms/mlflow/v1.0${id}`,
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
