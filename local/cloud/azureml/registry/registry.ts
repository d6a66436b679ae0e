// An Azure ML registry: model versions that several workspaces share. Publishing copies the model's files (facts/azure.md §1.2).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openState, type State } from '../../kit/state.ts';
import { ProviderError } from '../api/arm-error.ts';
import type { Files, Opened } from '../execution/files.ts';
import { openStore, type Store as FileStore } from '../execution/stores.ts';
import type { AssetContainer, AssetVersion, Author } from '../model.ts';
import type { AzureMlOptions, RegistryOptions } from '../options.ts';
import { specText } from '../resource-ids.ts';
import { containerNamed, putVersion, VersionFixedError, type VersionInput } from './versions.ts';

/** A registry with its models. */
export interface RegistryPart {
  readonly options: RegistryOptions;
  readonly id: string;
  readonly region: string;
  readonly models: State<AssetContainer[]>;
  readonly files: FileStore;
  /** Address of a published model's folder, as `modelUri` shows it. */
  address(name: string, version: string): string;
  /** Where the files of a published model are. */
  open(name: string, version: string): Opened | undefined;
}

/** Opens a registry. */
export function openRegistry(
  place: Pick<AzureMlOptions, 'subscriptionId' | 'resourceGroup'>,
  options: RegistryOptions,
  folder: string,
): RegistryPart {
  const models = openState<AssetContainer[]>(join(folder, 'models.json'), []);
  const files = openStore(options.store ?? { container: options.name }, join(folder, 'files'));
  const path = (name: string, version: string) => `models/${name}/${version}`;
  const { store } = options;
  return {
    options,
    id: `/subscriptions/${place.subscriptionId}/resourceGroups/${place.resourceGroup}/providers/Microsoft.MachineLearningServices/registries/${options.name}`,
    region: options.location ?? 'westeurope',
    models,
    files,
    address: (name, version) =>
      `https://${store?.accountName ?? `reg${options.name.toLowerCase().replace(/[^a-z0-9]/g, '')}`.slice(0, 24)}.blob.core.windows.net/${store?.container ?? options.name}/${path(name, version)}`,
    open(name, version) {
      const found = models.value.find((container) => container.name === name)?.versions.some((candidate) => candidate.version === version);
      return found ? { store: files, path: path(name, version) } : undefined;
    },
  };
}

/** Copies a model version of a workspace into the registry. Publishing the same again changes nothing; another one is refused. */
export async function publishModel(
  registry: RegistryPart,
  files: Files,
  source: AssetVersion,
  sourceId: string,
  destination: { readonly name: string; readonly version: string },
  author: Author,
  now: number,
): Promise<void> {
  const { name, version } = destination;
  const uri = specText(source, 'modelUri');
  const existing = registry.models.value.find((container) => container.name === name)?.versions.find((other) => other.version === version);
  if (existing && existing.publishedFrom !== sourceId)
    throw new ProviderError(
      409,
      `Model ${name}:${version} exists in registry ${registry.options.name} and is another one.`,
      'destinationVersion',
    );
  const temporary = mkdtempSync(join(tmpdir(), 'azureml-publish-'));
  try {
    const copied = await files.copy(files.open(files.parse(uri)), { store: registry.files, path: `models/${name}/${version}` }, temporary);
    if (copied === 0)
      throw new ProviderError(400, `There is nothing at ${uri}, the model of ${source.name}:${source.version}.`, 'modelUri');
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  const { version: made } = storeModel(
    registry,
    name,
    version,
    {
      spec: { ...source.spec, modelUri: registry.address(name, version) },
      description: source.description,
      tags: source.tags,
      properties: source.properties,
    },
    author,
    now,
  );
  made.publishedFrom = sourceId;
  registry.models.save();
}

/** Makes or updates a version in the registry. Throws 409 where something fixed differs. */
export function storeModel(
  registry: RegistryPart,
  name: string,
  version: string,
  input: VersionInput,
  author: Author,
  now: number,
): { readonly version: AssetVersion; readonly created: boolean } {
  try {
    return registry.models.update((containers) => putVersion(containerNamed(containers, name, author, now), version, input, author, now));
  } catch (error) {
    if (!(error instanceof VersionFixedError)) throw error;
    throw new ProviderError(
      409,
      `Model ${name}:${version} exists in registry ${registry.options.name}, and ${error.keys.join(', ')} differs.`,
      'version',
    );
  }
}
