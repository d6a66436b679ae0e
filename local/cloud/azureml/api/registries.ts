// Registries over ARM: read the registry and its models, register a version (201 and a long operation), publish from a workspace (202).
// Final state of a registry's PUT is read from the resource itself (facts/azure.md §1.2).
import { json } from '../../kit/body.ts';
import { findVersion } from '../resource-ids.ts';
import { publishModel, storeModel, type RegistryPart } from '../registry/registry.ts';
import { notFound } from './arm-error.ts';
import { DestinationAsset, VersionBody } from './asset-bodies.ts';
import { checkNames, containerView, inputOf, versionView } from './assets.ts';
import type { Call, RegistryCall } from './context.ts';
import { inView, page } from './listing.ts';
import { invalid, readBody } from './read-body.ts';

const TYPE = 'registries/models';

export function getRegistry({ registry }: RegistryCall): Response {
  const { options, id, region } = registry;
  return json({
    id,
    name: options.name,
    type: 'Microsoft.MachineLearningServices/registries',
    location: region,
    tags: {},
    kind: null,
    identity: { type: 'SystemAssigned' },
    sku: null,
    properties: {
      publicNetworkAccess: 'Disabled',
      discoveryUrl: `https://${region}.api.azureml.ms/registrymanagement/v1.0/registries/${options.name}/discovery`,
      mlFlowRegistryUri: `azureml://${region}.api.azureml.ms/mlflow/v1.0${id}`,
      regionDetails: [{ location: region }],
    },
  });
}

function container({ registry, params }: RegistryCall) {
  const found = registry.models.value.find(({ name }) => name === params['name']);
  if (!found)
    throw notFound(
      `Model container with name: ${(params['name'] ?? '').slice(0, 100)} not found in registry ${registry.options.name}.`,
      'name',
    );
  return found;
}

const base = (registry: RegistryPart): string => `${registry.id}/models`;

export const listRegistryModels = (call: RegistryCall): Response =>
  page(call.registry.models.value.filter(inView(call.url)), call.url, call.context.options.pageSize ?? 20, (item) =>
    containerView(base(call.registry), TYPE, item),
  );

export const getRegistryModel = (call: RegistryCall): Response => json(containerView(base(call.registry), TYPE, container(call)));

export const listRegistryVersions = (call: RegistryCall): Response =>
  page([...container(call).versions].reverse().filter(inView(call.url)), call.url, call.context.options.pageSize ?? 20, (item) =>
    versionView(base(call.registry), TYPE, item),
  );

export function getRegistryVersion(call: RegistryCall): Response {
  const { version = '' } = call.params;
  const found = container(call).versions.find((candidate) => candidate.version === version);
  if (!found) throw notFound(`Model version ${version.slice(0, 100)} not found in registry ${call.registry.options.name}.`, 'version');
  return json(versionView(base(call.registry), TYPE, found));
}

export async function putRegistryVersion(call: RegistryCall): Promise<Response> {
  checkNames(call.params);
  const { properties } = await readBody(call.request, VersionBody.models);
  const { name = '', version: wanted = '' } = call.params;
  const { registry, context } = call;
  const { version, created } = storeModel(registry, name, wanted, inputOf(properties), call.caller.author, context.clock.now());
  const headers = context.operations.start(call, `${base(registry)}/${name}/versions/${wanted}`, registry.region);
  return json(versionView(base(registry), TYPE, version), created ? 201 : 200, created ? headers : {});
}

/** `POST models/{m}/versions/{v}/publish`: needs the right to write to the registry too. */
export async function publish(call: Call): Promise<Response> {
  const { context, workspace, caller, params } = call;
  const { name = '', version = '' } = params;
  const body = await readBody(call.request, DestinationAsset);
  const source = findVersion(workspace.store.assets.value, 'models', name, version);
  if (!source) throw notFound(`Model version with name: ${name.slice(0, 100)} and version: ${version.slice(0, 100)} not found.`, 'version');
  const registry = context.registries.find(({ options }) => options.name.toLowerCase() === body.registryName.toLowerCase());
  if (!registry) throw invalid(`The registry '${body.registryName.slice(0, 100)}' was not found.`, 'registryName');
  context.roles.authorize(caller, 'registries/assets/write', registry.options.name, registry.id);
  const destination = { name: body.destinationName ?? name, version: body.destinationVersion ?? version };
  checkNames(destination);
  const resource = `${base(registry)}/${destination.name}/versions/${destination.version}`;
  const headers = context.operations.start(call, resource, workspace.region, () =>
    publishModel(
      registry,
      workspace.files,
      source,
      `${workspace.id}/models/${name}/versions/${version}`,
      destination,
      caller.author,
      context.clock.now(),
    ),
  );
  return new Response(null, { status: 202, headers });
}
