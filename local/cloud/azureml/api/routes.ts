// Which call of ARM is answered by what, with the right that it needs and its name for planned failures.
import type { AssetKind } from '../model.ts';
import { assetRoutes } from './assets.ts';
import * as computes from './computes.ts';
import type { Call, RegistryCall } from './context.ts';
import * as jobs from './jobs.ts';
import * as registries from './registries.ts';

/** A call on a workspace or a registry. */
export interface Endpoint<C> {
  readonly method: string;
  readonly path: string;
  /** E.g. `PutJob`. */
  readonly operation: string;
  /** Without provider, e.g. `workspaces/jobs/write`. */
  readonly action: string;
  readonly route: (call: C) => Response | Promise<Response>;
}

const on = <C>(method: string, path: string, operation: string, action: string, route: Endpoint<C>['route']): Endpoint<C> => ({
  method,
  path,
  operation,
  action,
  route,
});

const WORDS: Readonly<Record<AssetKind, string>> = {
  environments: 'Environment',
  codes: 'Code',
  models: 'Model',
  data: 'Data',
  components: 'Component',
};

const assets = (Object.keys(WORDS) as AssetKind[]).flatMap((kind) => {
  const word = WORDS[kind];
  const routes = assetRoutes(kind);
  const base = `workspaces/${kind}`;
  return [
    on<Call>('GET', kind, `List${word}Containers`, `${base}/read`, routes.list),
    on<Call>('GET', `${kind}/:name`, `Get${word}Container`, `${base}/read`, routes.get),
    on<Call>('PUT', `${kind}/:name`, `Put${word}Container`, `${base}/write`, routes.put),
    on<Call>('GET', `${kind}/:name/versions`, `List${word}Versions`, `${base}/versions/read`, routes.versions),
    on<Call>('GET', `${kind}/:name/versions/:version`, `Get${word}Version`, `${base}/versions/read`, routes.getVersion),
    on<Call>('PUT', `${kind}/:name/versions/:version`, `Put${word}Version`, `${base}/versions/write`, routes.putVersion),
    on<Call>('DELETE', `${kind}/:name/versions/:version`, `Delete${word}Version`, `${base}/versions/delete`, routes.deleteVersion),
  ];
});

/** Below a workspace; its own GET is answered by the router. */
export const WORKSPACE_ROUTES: readonly Endpoint<Call>[] = [
  on('GET', 'jobs', 'ListJobs', 'workspaces/jobs/read', jobs.listJobs),
  on('GET', 'jobs/:name', 'GetJob', 'workspaces/jobs/read', jobs.getJob),
  on('PUT', 'jobs/:name', 'PutJob', 'workspaces/jobs/write', jobs.putJob),
  on('DELETE', 'jobs/:name', 'DeleteJob', 'workspaces/jobs/delete', jobs.deleteJob),
  on('POST', 'jobs/:name/cancel', 'CancelJob', 'workspaces/jobs/cancel/action', jobs.cancelJob),
  on('GET', 'computes', 'ListComputes', 'workspaces/computes/read', computes.listComputes),
  on('GET', 'computes/:name', 'GetCompute', 'workspaces/computes/read', computes.getCompute),
  on('GET', 'datastores', 'ListDatastores', 'workspaces/datastores/read', computes.listDatastores),
  on('GET', 'datastores/:name', 'GetDatastore', 'workspaces/datastores/read', computes.getDatastore),
  on('POST', 'models/:name/versions/:version/publish', 'PublishModel', 'workspaces/models/versions/write', registries.publish),
  ...assets,
];

/** Below a registry; its own GET is the empty path. */
export const REGISTRY_ROUTES: readonly Endpoint<RegistryCall>[] = [
  on('GET', '', 'GetRegistry', 'registries/read', registries.getRegistry),
  on('GET', 'models', 'ListRegistryModels', 'registries/assets/read', registries.listRegistryModels),
  on('GET', 'models/:name', 'GetRegistryModel', 'registries/assets/read', registries.getRegistryModel),
  on('GET', 'models/:name/versions', 'ListRegistryModelVersions', 'registries/assets/read', registries.listRegistryVersions),
  on('GET', 'models/:name/versions/:version', 'GetRegistryModelVersion', 'registries/assets/read', registries.getRegistryVersion),
  on('PUT', 'models/:name/versions/:version', 'PutRegistryModelVersion', 'registries/assets/write', registries.putRegistryVersion),
];

/** The parameters of a path that fits; types have no case, names have. Undefined when it does not fit. */
export function fit(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern === '' ? [] : pattern.split('/');
  const given = path === '' ? [] : path.split('/');
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const segment = given[at] ?? '';
    if (!part.startsWith(':')) {
      if (part.toLowerCase() !== segment.toLowerCase()) return undefined;
      continue;
    }
    try {
      params[part.slice(1)] = decodeURIComponent(segment);
    } catch {
      return undefined; // a malformed escape names nothing
    }
    if (segment === '') return undefined;
  }
  return params;
}
