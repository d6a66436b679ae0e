// Opens workspaces and registries: stores, files, runners, and what leads from one to the other.
import { join } from 'node:path';
import type { Clock } from '../kit/clock.ts';
import type { QueueHold } from './admin.ts';
import type { WorkspacePart } from './api/context.ts';
import { createEventSender, type EventSender } from './events.ts';
import type { Machinery } from './execution/command.ts';
import { createFiles } from './execution/files.ts';
import { createJournal } from './execution/journal.ts';
import { createRunner } from './execution/runner.ts';
import { createSlots } from './execution/slots.ts';
import type { Tokens } from './identity/tokens.ts';
import { folderName } from './names.ts';
import type { AzureMlOptions, DatastoreOptions } from './options.ts';
import { openRegistry, type RegistryPart } from './registry/registry.ts';
import { findVersion } from './resource-ids.ts';
import { openStore } from './store.ts';
import { workspaceId, type WorkspaceOptions } from './workspace.ts';

/** What all parts share. */
export interface Shared {
  readonly options: AzureMlOptions;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly tokens: Tokens;
  readonly queue: QueueHold;
  readonly registries: readonly RegistryPart[];
  readonly events: EventSender;
  baseUrl(): string | undefined;
}

/** The sender of a stand-in's events. */
export const openEvents = (options: AzureMlOptions): EventSender =>
  createEventSender({ publish: options.events?.publish, url: options.events?.url });

/** All registries. */
export const openRegistries = (options: AzureMlOptions, dataDir: string): RegistryPart[] =>
  (options.registries ?? []).map((registry) => openRegistry(options, registry, join(dataDir, 'registries', folderName(registry.name))));

/** One workspace. */
export function openWorkspace(shared: Shared, own: WorkspaceOptions): WorkspacePart {
  const { options, clock, tokens, registries } = shared;
  const store = openStore(join(shared.dataDir, 'workspaces', folderName(own.name)));
  const id = workspaceId(options, own.name);
  const region = own.location ?? 'westeurope';
  const place = { subscriptionId: options.subscriptionId, resourceGroup: options.resourceGroup, workspace: own.name };
  const datastores = withDefault(own);
  const files = createFiles({
    place,
    datastores,
    folder: join(store.folder, 'datastores'),
    outputOf: (job, output) => store.job(job)?.outputUris[output],
    assetUri: (asset, name, version) => {
      const uri = findVersion(store.assets.value, asset, name, version)?.spec[asset === 'data' ? 'dataUri' : 'modelUri'];
      return typeof uri === 'string' ? uri : undefined;
    },
    registryModel: (registry, name, version) =>
      registries.find((part) => part.options.name.toLowerCase() === registry.toLowerCase())?.open(name, version),
    artifactFolder: (origin, container) => store.artifactFolder(origin, container),
  });
  const machinery: Machinery = {
    options,
    clock,
    store,
    files,
    journal: createJournal(store, clock, id, shared.events, options.events?.failures ?? false),
    slots: createSlots(),
    tokens,
    place,
    workspaceId: id,
    location: region,
    trackingUri() {
      const base = shared.baseUrl();
      const given =
        own.mlFlowTrackingUri ?? `azureml://${base === undefined ? `${region}.api.azureml.ms` : new URL(base).host}/mlflow/v1.0${id}`;
      return given.replace('/mlflow/v1.0/', '/mlflow/v2.0/');
    },
    released: (job, signal) => shared.queue.released(job, signal),
  };
  const computes = own.computes ?? [];
  return { options: own, id, region, place, store, files, machinery, computes, datastores, runner: createRunner(machinery, computes) };
}

/** Every workspace has a default datastore; where none is given it is in the stand-in's own folder. */
function withDefault({ name, datastores = [] }: WorkspaceOptions): readonly DatastoreOptions[] {
  if (datastores.some(({ isDefault }) => isDefault) || datastores.some((store) => store.name === 'workspaceblobstore')) return datastores;
  const accountName = `st${name.toLowerCase().replace(/[^a-z0-9]/g, '')}`.slice(0, 24);
  return [
    ...datastores,
    { name: 'workspaceblobstore', accountName, container: `azureml-blobstore-${accountName}`.slice(0, 63), isDefault: true },
  ];
}
