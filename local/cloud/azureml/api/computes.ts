// Computes and datastores over ARM: read only here, infrastructure makes them. Secrets of datastores are not given out.
import { json } from '../../kit/body.ts';
import type { ComputeOptions, DatastoreOptions } from '../options.ts';
import { notFound } from './arm-error.ts';
import type { Call } from './context.ts';
import { page } from './listing.ts';

const MADE_AT = '2026-01-15T09:00:00.000Z';
const SYSTEM = {
  createdAt: MADE_AT,
  createdBy: 'infra',
  createdByType: 'Application',
  lastModifiedAt: MADE_AT,
  lastModifiedBy: 'infra',
  lastModifiedByType: 'Application',
};

function computeView({ workspace }: Call, compute: ComputeOptions): object {
  return {
    id: `${workspace.id}/computes/${compute.name}`,
    name: compute.name,
    type: 'Microsoft.MachineLearningServices/workspaces/computes',
    location: workspace.region,
    tags: {},
    systemData: SYSTEM,
    properties: {
      computeType: compute.type,
      computeLocation: workspace.region,
      provisioningState: compute.provisioningState ?? 'Succeeded',
      description: null,
      createdOn: MADE_AT,
      modifiedOn: MADE_AT,
      isAttachedCompute: compute.type === 'Kubernetes',
      disableLocalAuth: true,
      properties: compute.type === 'AmlCompute' ? cluster(compute) : kubernetes(compute),
    },
  };
}

const cluster = ({ vmSize, maxNodes }: ComputeOptions): object => ({
  osType: 'Linux',
  vmSize: vmSize ?? 'Standard_DS3_v2',
  vmPriority: 'Dedicated',
  scaleSettings: { minNodeCount: 0, maxNodeCount: maxNodes ?? 100, nodeIdleTimeBeforeScaleDown: 'PT2M' },
  allocationState: 'Steady',
  currentNodeCount: 0,
  targetNodeCount: 0,
  enableNodePublicIp: false,
});

const kubernetes = ({ namespace, instanceTypes }: ComputeOptions): object => ({
  namespace: namespace ?? 'default',
  defaultInstanceType: instanceTypes?.[0] ?? 'defaultinstancetype',
  instanceTypes: Object.fromEntries(
    (instanceTypes ?? ['defaultinstancetype']).map((name) => [name, { nodeSelector: null, resources: {} }]),
  ),
});

export function getCompute(call: Call): Response {
  const { name = '' } = call.params;
  const compute = call.workspace.computes.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
  if (!compute) throw notFound(`Unknown compute target '${name.slice(0, 100)}'.`, 'computeName');
  return json(computeView(call, compute));
}

export const listComputes = (call: Call): Response =>
  page(call.workspace.computes, call.url, call.context.options.pageSize ?? 20, (compute) => computeView(call, compute));

function datastoreView({ workspace }: Call, store: DatastoreOptions): object {
  const lake = store.type === 'AzureDataLakeGen2';
  return {
    id: `${workspace.id}/datastores/${store.name}`,
    name: store.name,
    type: 'Microsoft.MachineLearningServices/workspaces/datastores',
    systemData: SYSTEM,
    properties: {
      description: null,
      tags: {},
      properties: {},
      isDefault: workspace.files.defaultDatastore === store.name,
      datastoreType: store.type ?? 'AzureBlob',
      accountName: store.accountName,
      ...(lake ? { filesystem: store.container } : { containerName: store.container }),
      endpoint: 'core.windows.net',
      protocol: 'https',
      serviceDataAccessAuthIdentity: 'WorkspaceSystemAssignedIdentity',
      credentials: { credentialsType: 'None' },
    },
  };
}

export function getDatastore(call: Call): Response {
  const { name = '' } = call.params;
  const store = call.workspace.datastores.find((candidate) => candidate.name === name);
  if (!store) throw notFound(`Could not find datastore: ${name.slice(0, 100)}.`, 'name');
  return json(datastoreView(call, store));
}

export const listDatastores = (call: Call): Response =>
  page(call.workspace.datastores, call.url, call.context.options.pageSize ?? 20, (store) => datastoreView(call, store));
