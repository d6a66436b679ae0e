// CreateEndpointConfig, DescribeEndpointConfig, DeleteEndpointConfig, ListEndpointConfigs.
// Configs are immutable; deleting one in use is allowed and breaks later updates, as in the service (facts/sagemaker.md §0.6).
import { authorizeCreate, type Call, epochSeconds, page, tagNew, visible } from './context.ts';
import type { Input } from './inputs.ts';
import { byName, type ConfigRecord, remove, type VariantSpec } from './records.ts';
import { alreadyExists, notFound, validation } from './sagemaker-error.ts';

/** CreateEndpointConfig. */
export async function createEndpointConfig(call: Call<Input<'CreateEndpointConfig'>>): Promise<object> {
  const { context, input } = call;
  const arn = context.arn('endpoint-config', input.EndpointConfigName);
  authorizeCreate(call, 'sagemaker:CreateEndpointConfig', arn);
  const variants = input.ProductionVariants.map((given): VariantSpec => {
    const model = byName(context.state.value.models, given.ModelName);
    // §1.4: reads may be stale here too, with the same text.
    if (!model || !visible(context, model)) throw notFound('model', context.arn('model', given.ModelName));
    return {
      name: given.VariantName,
      modelName: model.name,
      instanceType: given.InstanceType,
      instanceCount: given.InitialInstanceCount,
      weight: given.InitialVariantWeight ?? 1, // §1.2: default 1.0
      given,
    };
  });
  if (new Set(variants.map(({ name }) => name)).size < variants.length)
    throw validation('Variant names must be unique within an endpoint configuration.');
  context.state.update((document) => {
    if (byName(document.configs, input.EndpointConfigName)) throw alreadyExists('endpoint configuration', arn);
    const { KmsKeyId, ExecutionRoleArn } = input;
    const echo = { ...(KmsKeyId === undefined ? {} : { KmsKeyId }), ...(ExecutionRoleArn === undefined ? {} : { ExecutionRoleArn }) };
    document.configs.push({ name: input.EndpointConfigName, variants, echo, createdAt: context.now() });
    tagNew(call, arn, input.Tags, document);
  });
  return { EndpointConfigArn: arn };
}

/** DescribeEndpointConfig. */
export async function describeEndpointConfig({ input, context, authorize }: Call<Input<'DescribeEndpointConfig'>>): Promise<object> {
  const arn = context.arn('endpoint-config', input.EndpointConfigName);
  authorize('sagemaker:DescribeEndpointConfig', arn);
  const config = find(context.state.value.configs, input.EndpointConfigName, arn);
  return {
    EndpointConfigName: config.name,
    EndpointConfigArn: arn,
    ProductionVariants: config.variants.map(({ given, weight }) => ({ ...given, InitialVariantWeight: weight })),
    ...config.echo,
    CreationTime: epochSeconds(config.createdAt),
  };
}

/** DeleteEndpointConfig. */
export async function deleteEndpointConfig({ input, context, authorize }: Call<Input<'DeleteEndpointConfig'>>): Promise<undefined> {
  const arn = context.arn('endpoint-config', input.EndpointConfigName);
  authorize('sagemaker:DeleteEndpointConfig', arn);
  context.state.update((document) => {
    remove(document.configs, find(document.configs, input.EndpointConfigName, arn));
    document.tags = document.tags.filter((entry) => entry.arn !== arn);
  });
}

/** ListEndpointConfigs. */
export async function listEndpointConfigs({ input, context, authorize }: Call<Input<'ListEndpointConfigs'>>): Promise<object> {
  authorize('sagemaker:ListEndpointConfigs', '*');
  const { items, next } = page(context.state.value.configs, input);
  const EndpointConfigs = items.map(({ name, createdAt }) => ({
    EndpointConfigName: name,
    EndpointConfigArn: context.arn('endpoint-config', name),
    CreationTime: epochSeconds(createdAt),
  }));
  return { EndpointConfigs, ...next };
}

function find(configs: readonly ConfigRecord[], name: string, arn: string): ConfigRecord {
  const config = byName(configs, name);
  if (!config) throw notFound('endpoint configuration', arn);
  return config;
}
