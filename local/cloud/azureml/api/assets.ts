// Environments, codes, models, data and components of a workspace: containers, and versions that do not change (facts/azure.md §1.2, §1.4).
// Containers cannot be deleted and nothing can be renamed.
import { json } from '../../kit/body.ts';
import { isRecord } from '../../kit/body.ts';
import { LocationError } from '../execution/files.ts';
import type { AssetContainer, AssetKind, AssetVersion, JsonObject } from '../model.ts';
import { ASSET_NAME } from '../names.ts';
import { assetOf } from '../resource-ids.ts';
import { containerNamed, latestVersion, nextVersion, putVersion, VersionFixedError, type VersionInput } from '../registry/versions.ts';
import { notFound, ProviderError } from './arm-error.ts';
import { ContainerBody, VersionBody } from './asset-bodies.ts';
import { stored, systemData, type Call } from './context.ts';
import { inView, page } from './listing.ts';
import { invalid, readBody } from './read-body.ts';

/** Singular words for messages. */
const WORDS: Readonly<Record<AssetKind, string>> = {
  environments: 'Environment',
  codes: 'Code',
  models: 'Model',
  data: 'Data',
  components: 'Component',
};

type Route = (call: Call) => Response | Promise<Response>;

/** The resource of a version below `base`. */
export const versionView = (base: string, type: string, version: AssetVersion): object => ({
  id: `${base}/${version.name}/versions/${version.version}`,
  name: version.version,
  type: `Microsoft.MachineLearningServices/${type}/versions`,
  systemData: systemData(version),
  properties: {
    ...version.spec,
    description: version.description,
    tags: version.tags,
    properties: version.properties,
    isArchived: version.isArchived,
    isAnonymous: version.spec['isAnonymous'] ?? false,
    provisioningState: 'Succeeded',
  },
});

/** The resource of a container below `base`. */
export const containerView = (base: string, type: string, container: AssetContainer): object => ({
  id: `${base}/${container.name}`,
  name: container.name,
  type: `Microsoft.MachineLearningServices/${type}`,
  systemData: systemData(container),
  properties: {
    description: container.description,
    tags: container.tags,
    properties: container.properties,
    isArchived: container.isArchived,
    latestVersion: latestVersion(container),
    nextVersion: nextVersion(container),
    ...(container.dataType === undefined ? {} : { dataType: container.dataType }),
    provisioningState: 'Succeeded',
  },
});

/** Splits what was sent into what is fixed and what may change. */
export function inputOf(properties: Record<string, unknown>): VersionInput {
  const { description, tags, properties: own, isArchived, provisioningState: _state, stage: _stage, ...spec } = properties;
  return {
    spec: Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined)) as JsonObject,
    description: description as string | null | undefined,
    tags: tags as Record<string, string> | null | undefined,
    properties: own as Record<string, string> | null | undefined,
    isArchived: isArchived as boolean | null | undefined,
  };
}

/** Refuses names that are none. */
export function checkNames(params: Readonly<Record<string, string>>): void {
  for (const key of ['name', 'version']) {
    const value = params[key];
    if (value !== undefined && !ASSET_NAME.test(value))
      throw invalid(`'${value.slice(0, 100)}' is not a ${key}: letters, digits, '.', '-' and '_', beginning with a letter or digit.`, key);
  }
}

/** 409 that says which property is fixed. The code of the service is not documented. */
export const fixed = (word: string, name: string, version: string, error: VersionFixedError): ProviderError =>
  new ProviderError(
    409,
    `${word} ${name}:${version} exists, and ${error.keys.join(', ')} of a version cannot be changed. Register a new version.`,
    `properties.${error.keys[0] ?? ''}`,
    error.keys.map((key) => ({
      code: 'ImmutableProperty',
      message: 'The property of a version cannot be changed.',
      target: `properties.${key}`,
    })),
  );

/** Routes of one kind of asset. */
export function assetRoutes(
  kind: AssetKind,
): Readonly<Record<'list' | 'get' | 'put' | 'versions' | 'getVersion' | 'putVersion' | 'deleteVersion', Route>> {
  const word = WORDS[kind];
  const type = `workspaces/${kind}`;
  const base = (call: Call) => `${call.workspace.id}/${kind}`;
  const containers = (call: Call) => call.workspace.store.assets.value[kind];
  const container = (call: Call): AssetContainer => {
    const { name = '' } = call.params;
    const found = containers(call).find((candidate) => candidate.name === name);
    if (!found) throw notFound(`${word} container with name: ${name.slice(0, 100)} not found.`, 'name');
    return found;
  };
  const version = (call: Call): AssetVersion => {
    const { name = '', version: wanted = '' } = call.params;
    const found = containers(call)
      .find((candidate) => candidate.name === name)
      ?.versions.find((candidate) => candidate.version === wanted);
    if (!found)
      throw notFound(`${word} version with name: ${name.slice(0, 100)} and version: ${wanted.slice(0, 100)} not found.`, 'version');
    return found;
  };
  const size = (call: Call) => call.context.options.pageSize ?? 20;
  return {
    list: (call) => page(containers(call).filter(inView(call.url)), call.url, size(call), (item) => containerView(base(call), type, item)),
    get: (call) => json(containerView(base(call), type, container(call))),
    async put(call) {
      checkNames(call.params);
      const { properties } = await readBody(call.request, ContainerBody[kind]);
      const { name = '' } = call.params;
      const now = call.context.clock.now();
      const created = !containers(call).some((candidate) => candidate.name === name);
      const record = call.workspace.store.assets.update(() => {
        const made = containerNamed(containers(call), name, call.caller.author, now);
        const input = inputOf(properties);
        made.description = input.description ?? made.description;
        made.tags = { ...input.tags };
        made.properties = { ...made.properties, ...input.properties };
        made.isArchived = input.isArchived ?? made.isArchived;
        if (typeof properties['dataType'] === 'string') made.dataType ??= properties['dataType'];
        made.modifiedAt = now;
        return made;
      });
      return stored(containerView(base(call), type, record), created);
    },
    versions: (call) => {
      const order = [...container(call).versions].reverse(); // newest first
      return page(order.filter(inView(call.url)), call.url, size(call), (item) => versionView(base(call), type, item));
    },
    getVersion: (call) => json(versionView(base(call), type, version(call))),
    async putVersion(call) {
      checkNames(call.params);
      const { properties } = await readBody(call.request, VersionBody[kind]);
      checkContent(call, kind, properties);
      const { name = '', version: wanted = '' } = call.params;
      try {
        const { version: record, created } = call.workspace.store.assets.update(() => {
          const now = call.context.clock.now();
          const holder = containerNamed(containers(call), name, call.caller.author, now);
          if (kind === 'data') holder.dataType ??= String(properties['dataType']);
          return putVersion(holder, wanted, inputOf(withDefaults(kind, properties)), call.caller.author, now);
        });
        return stored(versionView(base(call), type, record), created);
      } catch (error) {
        if (error instanceof VersionFixedError) throw fixed(word, name, wanted, error);
        throw error;
      }
    },
    deleteVersion: (call) => {
      const { name = '', version: wanted = '' } = call.params;
      const holder = containers(call).find((candidate) => candidate.name === name);
      if (!holder?.versions.some((candidate) => candidate.version === wanted)) return new Response(null, { status: 204 });
      call.workspace.store.assets.update(() => {
        holder.versions = holder.versions.filter((candidate) => candidate.version !== wanted);
      });
      return new Response(null, { status: 200 });
    },
  };
}

const withDefaults = (kind: AssetKind, properties: Record<string, unknown>): Record<string, unknown> => {
  if (kind === 'models') return { ...properties, modelType: properties['modelType'] ?? 'custom_model' };
  if (kind === 'environments') return { ...properties, osType: properties['osType'] ?? 'Linux', environmentType: 'UserCreated' };
  return properties;
};

/** That what a version refers to exists. */
function checkContent({ workspace }: Call, kind: AssetKind, properties: Record<string, unknown>): void {
  const { place, store, files } = workspace;
  if (kind === 'environments') {
    const { image, build } = properties;
    if (!image && !build) throw invalid('An environment has an image or a build context.', 'properties.image');
    if (image && build) throw invalid('An environment has an image or a build context, not both.', 'properties.build');
  }
  if (kind === 'components' && isRecord(properties['componentSpec'])) {
    const { environment, code } = properties['componentSpec'];
    if (!assetOf(String(environment), 'environments', place, store.assets.value, true))
      throw invalid(`The environment '${String(environment).slice(0, 300)}' was not found.`, 'properties.componentSpec.environment');
    if (typeof code === 'string' && !assetOf(code, 'codes', place, store.assets.value, true))
      throw invalid(`The code '${code.slice(0, 300)}' was not found.`, 'properties.componentSpec.code');
  }
  const key = { codes: 'codeUri', models: 'modelUri', data: 'dataUri', environments: '', components: '' }[kind];
  const uri = properties[key];
  if (typeof uri !== 'string') return;
  try {
    files.open(files.parse(uri));
  } catch (error) {
    if (error instanceof LocationError) throw invalid(error.message, `properties.${key}`);
    throw error;
  }
}
