// Model and endpoint configuration: immutable things with content-derived names. Look, create, and on "exists" describe and compare.
// Nothing here touches traffic. What an endpoint or a way back may still need is never deleted (facts/sagemaker.md §0.6).
import type { DescribeEndpointConfigCommandOutput, DescribeModelCommandOutput } from '@aws-sdk/client-sagemaker';
import type { ServingRequest } from '../../contracts/serving.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { SagemakerApi } from './api.ts';
import { type ConfigContent, configOf, type ModelContent, modelOf, type Named, tagsOf } from './names.ts';

export async function stage(api: SagemakerApi, request: ServingRequest): Promise<{ modelName: string; configName: string }> {
  const model = modelOf(request);
  await ensure('model', model.name, {
    describe: () => api.model(model.name),
    create: () => api.createModel({ ModelName: model.name, ...model.content, Tags: tagsOf(request, model.hash) }),
    difference: (found) => modelDifference(found, model),
  });
  const config = configOf(request, model.name);
  await ensure('endpoint configuration', config.name, {
    describe: () => api.config(config.name),
    create: () => api.createConfig({ EndpointConfigName: config.name, ...config.content, Tags: tagsOf(request, config.hash) }),
    difference: (found) => configDifference(found, config),
  });
  return { modelName: model.name, configName: config.name };
}

interface Ensure<Found> {
  describe: () => Promise<Found | null>;
  create: () => Promise<'created' | 'exists'>;
  /** What differs, in words; null when nothing does. */
  difference: (found: Found) => string | null;
}

async function ensure<Found>(kind: string, name: string, { describe, create, difference }: Ensure<Found>): Promise<void> {
  let found = await describe();
  if (!found) {
    if ((await create()) === 'created') return;
    found = await describe();
  }
  if (!found) throw new TransientError('not-visible-yet', `SageMaker says that ${kind} "${name}" exists but does not show it yet.`);
  const differs = difference(found);
  if (differs === null) return;
  throw new RejectedError(
    'name-conflict',
    `The SageMaker ${kind} "${name}" is there already and differs: ${differs}. Its name carries the hash of its content, ` +
      'so somebody else made it under this name; delete it there if it is not in use.',
  );
}

function modelDifference(found: DescribeModelCommandOutput, { content }: Named<ModelContent>): string | null {
  const wanted = content.PrimaryContainer;
  const shown = found.PrimaryContainer;
  const digest = (environment: Record<string, string> | undefined) => environment?.['SLUICE_MODEL_DIGEST'];
  return firstDifference([
    ['image', shown?.Image, wanted?.Image],
    ['archive', shown?.ModelDataUrl ?? shown?.ModelDataSource?.S3DataSource?.S3Uri, wanted?.ModelDataUrl],
    ['SLUICE_MODEL_DIGEST', digest(shown?.Environment), digest(wanted?.Environment)],
    ['number of environment variables', Object.keys(shown?.Environment ?? {}).length, Object.keys(wanted?.Environment ?? {}).length],
    ['execution role', found.ExecutionRoleArn, content.ExecutionRoleArn],
    ['network isolation', found.EnableNetworkIsolation ?? false, content.EnableNetworkIsolation],
    ['further containers', found.Containers?.length ?? 0, 0],
  ]);
}

function configDifference(found: DescribeEndpointConfigCommandOutput, { content }: Named<ConfigContent>): string | null {
  const wanted = content.ProductionVariants?.[0];
  const shown = found.ProductionVariants?.[0];
  return firstDifference([
    ['number of variants', found.ProductionVariants?.length ?? 0, content.ProductionVariants?.length ?? 0],
    ['number of shadow variants', found.ShadowProductionVariants?.length ?? 0, 0],
    ['variant', shown?.VariantName, wanted?.VariantName],
    ['model', shown?.ModelName, wanted?.ModelName],
    ['instance type', shown?.InstanceType, wanted?.InstanceType],
    ['instance count', shown?.InitialInstanceCount, wanted?.InitialInstanceCount],
    ['weight', shown?.InitialVariantWeight ?? 1, wanted?.InitialVariantWeight],
  ]);
}

function firstDifference(pairs: [what: string, shown: unknown, wanted: unknown][]): string | null {
  const pair = pairs.find(([, shown, wanted]) => shown !== wanted);
  return pair ? `its ${pair[0]} is ${JSON.stringify(pair[1]) ?? 'absent'}, not ${JSON.stringify(pair[2])}` : null;
}
