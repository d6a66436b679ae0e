// Where a workspace's things are: paths for ARM, ARM ids, and the long form of addresses of data (facts/azure.md §1.2, §1.4). Pure.
import { RejectedError } from '../../errors/errors.ts';

export interface WorkspacePlace {
  subscriptionId: string;
  resourceGroup: string;
  workspace: string;
}

/** `/subscriptions/…/workspaces/{ws}`: path of ARM calls and beginning of ARM ids. */
export function workspacePath({ subscriptionId, resourceGroup, workspace }: WorkspacePlace): string {
  return `/subscriptions/${segment(subscriptionId)}/resourceGroups/${segment(resourceGroup)}/providers/Microsoft.MachineLearningServices/workspaces/${segment(workspace)}`;
}

export interface RegistryPlace {
  subscriptionId: string;
  resourceGroup: string;
  registry: string;
}

export function registryPath({ subscriptionId, resourceGroup, registry }: RegistryPlace): string {
  return `/subscriptions/${segment(subscriptionId)}/resourceGroups/${segment(resourceGroup)}/providers/Microsoft.MachineLearningServices/registries/${segment(registry)}`;
}

/** One segment of a path; names that would leave it are escaped, and `.` and `..` are refused, because URL parsers resolve them. */
export function segment(name: string): string {
  if (name === '' || name === '.' || name === '..') throw new RejectedError('backend-refused', `"${name}" cannot be a name in Azure ML.`);
  return encodeURIComponent(name);
}

/**
 * Address of a path in a datastore. Always the long form: the short one is known to CLI and SDK only.
 * A path ends in `/` when it is a folder.
 */
export function datastoreUri(place: WorkspacePlace, datastore: string, path: string): string {
  const plain = path.replace(/^\/+/, '');
  if (plain.split('/').some((part) => part === '..' || part === '.') || /[\\\0?#]/.test(plain)) {
    throw new RejectedError('backend-refused', `"${plain.slice(0, 200)}" is not a plain path below a datastore.`);
  }
  const { subscriptionId, resourceGroup, workspace } = place;
  return `azureml://subscriptions/${subscriptionId}/resourcegroups/${resourceGroup}/workspaces/${workspace}/datastores/${datastore}/paths/${plain}`;
}

/** Name of an asset from any text: letters, digits, hyphens; never empty. */
export function assetName(text: string, max = 60): string {
  const plain = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, max)
    .replace(/-+$/, '');
  return plain === '' ? 'x' : plain;
}

/** Name of a step, an input or an output inside a job: letters, digits, underscores. */
export function wireKey(name: string): string {
  return name.replaceAll('-', '_');
}

/** A name that experiments may have: letters, digits, `-` and `_`. MLflow clients of Azure ML keep only what follows a slash (facts/mlflow.md §9). */
export function experimentName(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return plain === '' ? 'sluice' : plain.slice(0, 200);
}

/** Studio's page of a run (public cloud's address by default). */
export function studioUrl(studio: string, place: WorkspacePlace, runId: string): string {
  const { subscriptionId, resourceGroup, workspace } = place;
  const wsid = `/subscriptions/${subscriptionId}/resourcegroups/${resourceGroup}/workspaces/${workspace}`;
  return `${studio.replace(/\/+$/, '')}/runs/${encodeURIComponent(runId)}?wsid=${wsid}`;
}
