// CreateModel, DescribeModel, DeleteModel, ListModels.
// A model is one container: image, where its data is, environment.
import { authorizeCreate, type Call, epochSeconds, page, tagNew } from './context.ts';
import { resolveImage } from './images.ts';
import type { Input } from './inputs.ts';
import { parseS3Url } from './model-data.ts';
import { byName, type ModelRecord, remove } from './records.ts';
import { alreadyExists, notFound, validation } from './sagemaker-error.ts';

/** CreateModel. */
export async function createModel(call: Call<Input<'CreateModel'>>): Promise<object> {
  const { context, input } = call;
  const arn = context.arn('model', input.ModelName);
  authorizeCreate(call, 'sagemaker:CreateModel', arn);
  // facts/sagemaker.md §3.8: the promoter passes the execution role.
  call.authorize('iam:PassRole', input.ExecutionRoleArn);
  const container = input.PrimaryContainer ?? input.Containers?.[0];
  if (!container) throw validation('1 validation error detected: input must hold PrimaryContainer or Containers');
  const modelDataUrl = container.ModelDataUrl ?? container.ModelDataSource?.S3DataSource.S3Uri;
  if (!resolveImage(context.images, container.Image)) throw validation(`Requested image ${container.Image} not found.`);
  if (modelDataUrl !== undefined) await checkModelData(call, modelDataUrl);

  context.state.update((document) => {
    if (byName(document.models, input.ModelName)) throw alreadyExists('model', arn);
    const { ModelName: name, ExecutionRoleArn: roleArn, EnableNetworkIsolation, VpcConfig } = input;
    document.models.push({
      name,
      roleArn,
      image: container.Image,
      ...(modelDataUrl === undefined ? {} : { modelDataUrl }),
      environment: container.Environment ?? {},
      container,
      echo: { EnableNetworkIsolation: EnableNetworkIsolation ?? false, ...(VpcConfig ? { VpcConfig } : {}) },
      createdAt: context.now(),
    });
    tagNew(call, arn, input.Tags, document);
  });
  return { ModelArn: arn };
}

/** DescribeModel. */
export async function describeModel({ input, context, authorize }: Call<Input<'DescribeModel'>>): Promise<object> {
  const arn = context.arn('model', input.ModelName);
  authorize('sagemaker:DescribeModel', arn);
  const model = find(context.state.value.models, input.ModelName, arn);
  return {
    ModelName: model.name,
    ModelArn: arn,
    PrimaryContainer: { Mode: 'SingleModel', ...model.container },
    ExecutionRoleArn: model.roleArn,
    ...model.echo,
    CreationTime: epochSeconds(model.createdAt),
  };
}

/** DeleteModel: allowed while an endpoint uses it, as the service allows it (facts/sagemaker.md §0.6). */
export async function deleteModel({ input, context, authorize }: Call<Input<'DeleteModel'>>): Promise<undefined> {
  const arn = context.arn('model', input.ModelName);
  authorize('sagemaker:DeleteModel', arn);
  context.state.update((document) => {
    remove(document.models, find(document.models, input.ModelName, arn));
    document.tags = document.tags.filter((entry) => entry.arn !== arn);
  });
}

/** ListModels. */
export async function listModels({ input, context, authorize }: Call<Input<'ListModels'>>): Promise<object> {
  authorize('sagemaker:ListModels', '*');
  const { items, next } = page(context.state.value.models, input);
  const Models = items.map(({ name, createdAt }) => ({
    ModelName: name,
    ModelArn: context.arn('model', name),
    CreationTime: epochSeconds(createdAt),
  }));
  return { Models, ...next };
}

function find(models: readonly ModelRecord[], name: string, arn: string): ModelRecord {
  const model = byName(models, name);
  if (!model) throw notFound('model', arn);
  return model;
}

async function checkModelData(call: Call<unknown>, url: string): Promise<void> {
  const address = parseS3Url(url);
  // Stricter than the service: https addresses of S3 are not read here.
  if (!address) throw validation(`ModelDataUrl must be s3://bucket/key for this stand-in, not ${url}.`);
  const stream = await call.context.read(address.bucket, address.key);
  if (!stream) throw validation(`Could not find model data at ${url}.`);
  await stream.cancel();
}
