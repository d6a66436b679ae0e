// CreateEndpoint, UpdateEndpoint, UpdateEndpointWeightsAndCapacities, DeleteEndpoint: what may happen when, and what is recorded first.
// The record is on disk before the answer; the work itself is done by fleets.ts.
import { authorizeCreate, type Call, type SageMakerContext, tagNew, visible } from './context.ts';
import type { Input } from './inputs.ts';
import { byName, type ConfigRecord, type EndpointRecord, type LiveVariant } from './records.ts';
import { alreadyExists, notFound, SageMakerError, validation } from './sagemaker-error.ts';

/** CreateEndpoint. */
export async function createEndpoint(call: Call<Input<'CreateEndpoint'>>): Promise<object> {
  const { context, input } = call;
  const arn = context.arn('endpoint', input.EndpointName);
  authorizeCreate(call, 'sagemaker:CreateEndpoint', arn);
  // facts/sagemaker.md §3.8: authorised on the endpoint and on the config.
  call.authorize('sagemaker:CreateEndpoint', context.arn('endpoint-config', input.EndpointConfigName));
  if (byName(context.state.value.endpoints, input.EndpointName)) throw alreadyExists('endpoint', arn);
  const config = findConfig(context, input.EndpointConfigName);
  const variants = liveVariants(context, config);
  checkQuota(context, variants);
  const now = context.now();
  const endpoint: EndpointRecord = {
    name: input.EndpointName,
    status: 'Creating',
    configName: config.name,
    variants: [],
    pending: { configName: config.name, variants, startedAt: now },
    deploymentConfig: input.DeploymentConfig, // §1.2: only stored for a later RetainDeploymentConfig
    createdAt: now,
    modifiedAt: now,
  };
  context.state.update((document) => {
    document.endpoints.push(endpoint);
    tagNew(call, arn, input.Tags, document);
  });
  context.fleets.deploy(endpoint);
  return { EndpointArn: arn };
}

/** UpdateEndpoint. */
export async function updateEndpoint(call: Call<Input<'UpdateEndpoint'>>): Promise<object> {
  const { context, input } = call;
  const arn = context.arn('endpoint', input.EndpointName);
  call.authorize('sagemaker:UpdateEndpoint', arn);
  // facts/sagemaker.md §3.8: assumed to be as for CreateEndpoint.
  call.authorize('sagemaker:UpdateEndpoint', context.arn('endpoint-config', input.EndpointConfigName));
  const endpoint = findChangeable(context, input.EndpointName, arn);
  const config = findConfig(context, input.EndpointConfigName);
  // facts/sagemaker.md §0.6: without the old config an update is refused.
  findConfig(context, endpoint.configName);
  const variants = liveVariants(context, config);
  if (input.RetainAllVariantProperties === true) retain(variants, endpoint, input.ExcludeRetainedVariantProperties ?? []);
  checkQuota(context, variants);
  context.state.update(() => {
    endpoint.status = 'Updating';
    endpoint.pending = { configName: config.name, variants, startedAt: context.now() };
    if (input.RetainDeploymentConfig !== true) endpoint.deploymentConfig = input.DeploymentConfig;
    endpoint.modifiedAt = context.now();
  });
  context.fleets.deploy(endpoint);
  return { EndpointArn: arn };
}

/** UpdateEndpointWeightsAndCapacities. */
export async function updateWeights(call: Call<Input<'UpdateEndpointWeightsAndCapacities'>>): Promise<object> {
  const { context, input } = call;
  const arn = context.arn('endpoint', input.EndpointName);
  call.authorize('sagemaker:UpdateEndpointWeightsAndCapacities', arn);
  const endpoint = findChangeable(context, input.EndpointName, arn);
  const desired = input.DesiredWeightsAndCapacities;
  // facts/sagemaker.md §1.5: several weights, or the capacity of one variant.
  if (desired.filter(({ DesiredInstanceCount }) => DesiredInstanceCount !== undefined).length > 1) {
    throw validation('Only one variant can have its capacity updated at a time.');
  }
  const found = desired.map((change) => {
    const variant = endpoint.variants.find(({ spec }) => spec.name === change.VariantName);
    if (!variant) throw validation(`Variant ${change.VariantName} does not exist in endpoint "${arn}".`);
    return { change, variant };
  });
  context.state.update(() => {
    for (const { change, variant } of found) {
      variant.desiredWeight = change.DesiredWeight ?? variant.desiredWeight;
      variant.desiredCount = change.DesiredInstanceCount ?? variant.desiredCount;
    }
    endpoint.status = 'Updating';
    endpoint.modifiedAt = context.now();
  });
  context.fleets.settle(endpoint);
  return { EndpointArn: arn };
}

/** DeleteEndpoint. */
export async function deleteEndpoint(call: Call<Input<'DeleteEndpoint'>>): Promise<undefined> {
  const { context, input } = call;
  const arn = context.arn('endpoint', input.EndpointName);
  call.authorize('sagemaker:DeleteEndpoint', arn);
  const endpoint = find(context, input.EndpointName, arn);
  // facts/sagemaker.md §1.2 (refused while Creating) and §1.6 (same text as for an update).
  if (endpoint.status !== 'InService' && endpoint.status !== 'Failed') throw inProgress(arn);
  context.state.update((document) => {
    endpoint.status = 'Deleting';
    endpoint.modifiedAt = context.now();
    document.tags = document.tags.filter((entry) => entry.arn !== arn);
  });
  context.fleets.delete(endpoint);
}

/** The endpoint of this name, or the service's refusal. */
export function find(context: SageMakerContext, name: string, arn: string): EndpointRecord {
  const endpoint = byName(context.state.value.endpoints, name);
  if (!endpoint) throw notFound('endpoint', arn);
  return endpoint;
}

function findChangeable(context: SageMakerContext, name: string, arn: string): EndpointRecord {
  const endpoint = find(context, name, arn);
  // facts/sagemaker.md §1.4: of a failed endpoint nothing is left but to delete it; the wording is the stand-in's own.
  if (endpoint.status === 'Failed') throw validation(`Cannot update failed endpoint "${arn}". Delete it and create it again.`);
  if (endpoint.status !== 'InService') throw inProgress(arn);
  return endpoint;
}

/** facts/sagemaker.md §1.6: busy. */
function inProgress(arn: string): SageMakerError {
  return validation(`Cannot update in-progress endpoint "${arn}".`);
}

function findConfig(context: SageMakerContext, name: string): ConfigRecord {
  const config = byName(context.state.value.configs, name);
  // facts/sagemaker.md §1.4: a config just created may not be seen yet.
  if (!config || !visible(context, config)) throw notFound('endpoint configuration', context.arn('endpoint-config', name));
  return config;
}

function liveVariants(context: SageMakerContext, config: ConfigRecord): LiveVariant[] {
  return config.variants.map((spec) => {
    const model = byName(context.state.value.models, spec.modelName);
    if (!model) throw notFound('model', context.arn('model', spec.modelName));
    const { weight, instanceCount: count } = spec;
    return { spec, model, weight, desiredWeight: weight, count, desiredCount: count };
  });
}

/** facts/sagemaker.md §0.7: with RetainAllVariantProperties the running counts and weights win over the config's Initial*. */
function retain(
  variants: readonly LiveVariant[],
  endpoint: EndpointRecord,
  excluded: readonly { readonly VariantPropertyType: string }[],
): void {
  const keeps = (type: string) => !excluded.some(({ VariantPropertyType }) => VariantPropertyType === type);
  for (const variant of variants) {
    const current = endpoint.variants.find(({ spec }) => spec.name === variant.spec.name);
    // §0.7: the variant names must be unchanged.
    if (!current) throw validation(`Variant ${variant.spec.name} is not part of the endpoint, so its properties cannot be retained.`);
    if (keeps('DesiredWeight')) variant.weight = variant.desiredWeight = current.desiredWeight;
    if (keeps('DesiredInstanceCount')) variant.count = variant.desiredCount = current.desiredCount;
  }
}

/** facts/sagemaker.md §1.5: an update needs room for both fleets. */
function checkQuota(context: SageMakerContext, variants: readonly LiveVariant[]): void {
  const running = context.state.value.endpoints.flatMap((endpoint) => [...endpoint.variants, ...(endpoint.pending?.variants ?? [])]);
  for (const type of new Set(variants.map(({ spec }) => spec.instanceType))) {
    const quota = Object.hasOwn(context.instanceQuotas, type) ? context.instanceQuotas[type] : undefined;
    if (quota === undefined) continue;
    const count = (list: readonly LiveVariant[]) =>
      list.filter(({ spec }) => spec.instanceType === type).reduce((sum, { desiredCount }) => sum + desiredCount, 0);
    const [used, wanted] = [count(running), count(variants)];
    if (used + wanted > quota) {
      throw new SageMakerError(
        'ResourceLimitExceeded',
        `The account-level service limit '${type} for endpoint usage' is ${quota} Instances, with current utilization of ${used} Instances and a request delta of ${wanted} Instances. Please use AWS Service Quotas to request an increase for this quota.`,
      );
    }
  }
}
