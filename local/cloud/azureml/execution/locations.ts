// Where data is, as Azure ML writes it: the long `azureml://` form, outputs of jobs, assets, blobs by URL, `runs:/…`.
// The short form `azureml://datastores/…` is refused: raw ARM taking it is not known (facts/azure.md §1.4; perhaps stricter than the service).

/** A place with content. Paths have no leading slash; the empty path is the root. */
export type Location =
  | { readonly kind: 'datastore'; readonly datastore: string; readonly path: string }
  | { readonly kind: 'output'; readonly job: string; readonly output: string; readonly path: string }
  | { readonly kind: 'asset'; readonly asset: 'data' | 'models'; readonly name: string; readonly version: string; readonly path: string }
  | { readonly kind: 'registry'; readonly registry: string; readonly name: string; readonly version: string }
  | { readonly kind: 'artifact'; readonly origin: string; readonly container: string; readonly path: string }
  | { readonly kind: 'blob'; readonly account: string; readonly container: string; readonly path: string };

/** Subscription, resource group and name of the workspace that an address is read in. */
export interface Place {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly workspace: string;
}

/** The address cannot be used; the message says why and what to send. */
export class LocationError extends Error {
  override readonly name = 'LocationError';
}

const LONG =
  /^azureml:\/\/subscriptions\/([^/]+)\/resourcegroups\/([^/]+)\/(?:providers\/Microsoft\.MachineLearningServices\/)?workspaces\/([^/]+)\/datastores\/([^/]+)\/paths\/(.*)$/i;
const OUTPUT = /^azureml:\/\/jobs\/([^/]+)\/outputs\/([^/]+)(?:\/paths\/(.*))?$/;
const REGISTRY = /^azureml:\/\/registries\/([^/]+)\/models\/([^/]+)\/versions\/([^/]+)\/?$/;
const ARTIFACT = /^azureml:\/\/artifacts\/([^/]+)\/([^/]+)\/(.*)$/;
const ASSET =
  /^(?:azureml:)?\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.MachineLearningServices\/workspaces\/([^/]+)\/(data|models)\/([^/]+)\/versions\/([^/]+)$/i;
const BLOB = /^https:\/\/([a-z0-9]+)\.(?:blob|dfs)\.core\.windows\.net\/([^/]+)\/?(.*)$/;
const ABFSS = /^(?:abfss|wasbs):\/\/([^@/]+)@([a-z0-9]+)\.(?:blob|dfs)\.core\.windows\.net\/?(.*)$/;
/** Azurite's form: account in the path. */
const LOOPBACK = /^http:\/\/(?:127\.0\.0\.1|localhost)(?::\d+)?\/([a-z0-9]+)\/([^/]+)\/?(.*)$/;
const RUNS = /^runs:\/+([^/]+)\/?(.*)$/;

/** Reads an address. Throws `LocationError`. */
export function parseLocation(uri: string, here: Place): Location {
  const long = LONG.exec(uri);
  if (long) {
    const [, subscription = '', group = '', workspace = '', datastore = '', path = ''] = long;
    sameWorkspace(uri, here, subscription, group, workspace);
    return { kind: 'datastore', datastore, path: inside(uri, path) };
  }
  const [, job, output = '', path = ''] = OUTPUT.exec(uri) ?? [];
  if (job !== undefined) return { kind: 'output', job, output, path: inside(uri, path) };
  const asset = ASSET.exec(uri);
  if (asset) {
    const [, subscription = '', group = '', workspace = '', kind = '', name = '', version = ''] = asset;
    sameWorkspace(uri, here, subscription, group, workspace);
    return { kind: 'asset', asset: kind.toLowerCase() === 'data' ? 'data' : 'models', name, version, path: '' };
  }
  return elsewhere(uri);
}

function elsewhere(uri: string): Location {
  const [, registry, name = '', version = ''] = REGISTRY.exec(uri) ?? [];
  if (registry !== undefined) return { kind: 'registry', registry, name, version };
  const [, origin, artifacts = '', file = ''] = ARTIFACT.exec(uri) ?? [];
  if (origin !== undefined) return { kind: 'artifact', origin, container: artifacts, path: inside(uri, file) };
  const [, run, inRun = ''] = RUNS.exec(uri) ?? [];
  if (run !== undefined) return { kind: 'artifact', origin: 'ExperimentRun', container: `dcid.${run}`, path: inside(uri, inRun) };
  return inStorage(uri);
}

function inStorage(uri: string): Location {
  const [, account, container = '', blob = ''] = BLOB.exec(uri) ?? LOOPBACK.exec(uri) ?? [];
  if (account !== undefined) return { kind: 'blob', account, container, path: inside(uri, decoded(uri, blob)) };
  const [, owner, holder = '', within = ''] = ABFSS.exec(uri) ?? [];
  if (owner !== undefined) return { kind: 'blob', account: holder, container: owner, path: inside(uri, within) };
  if (/^azureml:\/\/datastores\//.test(uri)) {
    throw new LocationError(
      `'${cut(uri)}' is the short form, which only CLI and SDK know. Send azureml://subscriptions/{s}/resourcegroups/{rg}/workspaces/{ws}/datastores/{ds}/paths/{p}.`,
    );
  }
  throw new LocationError(`'${cut(uri)}' is not an address of data that this workspace can read.`);
}

function sameWorkspace(uri: string, here: Place, subscription: string, group: string, workspace: string): void {
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  if (same(subscription, here.subscriptionId) && same(group, here.resourceGroup) && same(workspace, here.workspace)) return;
  throw new LocationError(`'${cut(uri)}' belongs to another workspace than ${here.workspace}.`);
}

function decoded(uri: string, path: string): string {
  try {
    return decodeURIComponent(path.split('?')[0] ?? '');
  } catch {
    throw new LocationError(`'${cut(uri)}' has a malformed escape.`);
  }
}

/** Without leading and trailing slashes; `..` would leave the place. */
function inside(uri: string, path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.some((part) => part === '..' || part === '.' || part.includes('\0')))
    throw new LocationError(`'${cut(uri)}' leaves its own folder.`);
  return parts.join('/');
}

const cut = (text: string): string => text.slice(0, 200);
