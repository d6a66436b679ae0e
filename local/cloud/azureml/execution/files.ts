// Finds the store behind an address and copies folders between stores and this machine.
// Outputs of jobs, assets and artifacts lead to other addresses; a chain of more than eight is a circle.
import { mkdirSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import type { DatastoreOptions } from '../options.ts';
import { LocationError, parseLocation, type Location, type Place } from './locations.ts';
import { filesBelow, folderStore, openStore, safeJoin, StoreError, type Store } from './stores.ts';

/** A store and the path in it. */
export interface Opened {
  readonly store: Store;
  readonly path: string;
}

/** What the files of a workspace are looked up in. */
export interface FileSources {
  readonly place: Place;
  readonly datastores: readonly DatastoreOptions[];
  /** Folder for datastores without a container. */
  readonly folder: string;
  /** Address of a job's named output, if there is such a job and output. */
  outputOf(job: string, output: string): string | undefined;
  /** Address of an asset's content. */
  assetUri(asset: 'data' | 'models', name: string, version: string): string | undefined;
  /** Content of a model version of a registry. */
  registryModel(registry: string, name: string, version: string): Opened | undefined;
  /** Folder of artifacts on this machine. */
  artifactFolder(origin: string, container: string): string;
}

/** Files of a workspace. */
export interface Files {
  parse(uri: string): Location;
  /** Throws `LocationError` where nothing is behind the address. */
  open(location: Location): Opened;
  /** Copies a file, or everything below a folder. Gives the number of files; 0 = nothing there. */
  fetch(from: Opened, to: string): Promise<number>;
  /** Copies a file, or everything below a folder, into a store. Gives the number of files. */
  put(from: string, to: Opened): Promise<number>;
  /** Copies between two stores through a temporary folder. */
  copy(from: Opened, to: Opened, temporary: string): Promise<number>;
  /** Long-form address in a datastore. */
  address(datastore: string, path: string): string;
  readonly defaultDatastore: string;
}

const MAX_CHAIN = 8;

/** Opens the files of a workspace. */
export function createFiles(sources: FileSources): Files {
  const { place, datastores } = sources;
  const stores = new Map<string, Store>();
  const storeOf = (options: DatastoreOptions): Store => {
    const known = stores.get(options.name) ?? openStore(options, join(sources.folder, encodeURIComponent(options.name)));
    stores.set(options.name, known);
    return known;
  };
  const follow = (location: Location, depth: number): Opened => {
    if (depth > MAX_CHAIN) throw new LocationError('The address leads in a circle.');
    const through = (uri: string | undefined, what: string, path: string): Opened => {
      if (uri === undefined) throw new LocationError(`${what} does not exist.`);
      const { store, path: base } = follow(parseLocation(uri, place), depth + 1);
      return { store, path: [base, path].filter((part) => part !== '').join('/') };
    };
    switch (location.kind) {
      case 'datastore': {
        const found = datastores.find(({ name }) => name === location.datastore);
        if (!found) throw new LocationError(`The datastore '${location.datastore}' does not exist in workspace ${place.workspace}.`);
        return { store: storeOf(found), path: location.path };
      }
      case 'blob': {
        const found = datastores.find(({ accountName, container }) => accountName === location.account && container === location.container);
        if (!found) {
          throw new LocationError(
            `The workspace has no datastore on container '${location.container}' of storage account '${location.account}'.`,
          );
        }
        return { store: storeOf(found), path: location.path };
      }
      case 'artifact':
        return { store: folderStore(sources.artifactFolder(location.origin, location.container)), path: location.path };
      case 'output':
        if (location.output === 'artifacts')
          return { store: folderStore(sources.artifactFolder('ExperimentRun', `dcid.${location.job}`)), path: location.path };
        return through(
          sources.outputOf(location.job, location.output),
          `The output '${location.output}' of job '${location.job}'`,
          location.path,
        );
      case 'asset':
        return through(
          sources.assetUri(location.asset, location.name, location.version),
          `The asset ${location.asset}/${location.name}/versions/${location.version}`,
          location.path,
        );
      case 'registry': {
        const opened = sources.registryModel(location.registry, location.name, location.version);
        if (!opened)
          throw new LocationError(`The registry '${location.registry}' has no model '${location.name}' version '${location.version}'.`);
        return opened;
      }
    }
  };
  const fetch: Files['fetch'] = async ({ store, path }, to) => {
    const files = await store.list(path);
    for (const file of files) await store.download(file.path, target(to, path, file.path));
    return files.length;
  };
  const put: Files['put'] = async (from, { store, path }) => {
    const files = filesBelow(from);
    for (const file of files) {
      const below = relative(from, file).split(sep).join('/');
      await store.upload(file, [path, below].filter((part) => part !== '').join('/'));
    }
    return files.length;
  };
  return {
    parse: (uri) => parseLocation(uri, place),
    open: (location) => follow(location, 0),
    fetch,
    put,
    async copy(from, to, temporary) {
      mkdirSync(temporary, { recursive: true });
      const found = await from.store.list(from.path);
      for (const file of found) {
        const local = target(join(temporary, 'content'), from.path, file.path);
        await from.store.download(file.path, local);
        const below = file.path === from.path ? basename(file.path) : file.path.slice(from.path === '' ? 0 : from.path.length + 1);
        await to.store.upload(local, [to.path, below].filter((part) => part !== '').join('/'));
      }
      return found.length;
    },
    address: (datastore, path) =>
      `azureml://subscriptions/${place.subscriptionId}/resourcegroups/${place.resourceGroup}/workspaces/${place.workspace}/datastores/${datastore}/paths/${path}`,
    defaultDatastore: datastores.find(({ isDefault }) => isDefault)?.name ?? datastores[0]?.name ?? '',
  };
}

/** Where a file of a folder goes; a name that would leave the folder is refused. */
function target(to: string, folder: string, path: string): string {
  if (path === folder) return to;
  return safeJoin(to, folder === '' ? path : path.slice(folder.length + 1));
}

export { LocationError, StoreError };
