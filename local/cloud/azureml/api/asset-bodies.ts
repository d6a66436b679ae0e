// The bodies of assets, property by property: versions and containers of environments, codes, models, data and components.
// Facts/azure.md §1.4; read-only properties are taken and ignored, so that what was read can be put back.
import { z } from 'zod';
import type { AssetKind } from '../model.ts';

const text = z.string().nullish();
const strings = z.record(z.string(), z.string());

const common = {
  description: text,
  tags: strings.nullish(),
  properties: strings.nullish(),
  isArchived: z.boolean().nullish(),
};
const versioned = { ...common, isAnonymous: z.boolean().nullish(), provisioningState: text, stage: text };
const envelope = <P extends z.ZodType>(properties: P) =>
  z.strictObject({ id: text, name: text, type: text, systemData: z.unknown().optional(), properties });

const environment = z.strictObject({
  ...versioned,
  autoRebuild: z.enum(['Disabled', 'OnBaseImageUpdate']).nullish(),
  build: z.strictObject({ contextUri: z.string().min(1), dockerfilePath: text }).nullish(),
  condaFile: text,
  environmentType: text,
  image: text,
  inferenceConfig: z.record(z.string(), z.unknown()).nullish(),
  osType: z.enum(['Linux', 'Windows']).nullish(),
});

/** `CustomModel` of the specification's example is not a value (facts/azure.md §1.4). */
const model = z.strictObject({
  ...versioned,
  flavors: z.record(z.string(), z.strictObject({ data: strings.nullish() })).nullish(),
  jobName: text,
  modelType: z.enum(['custom_model', 'mlflow_model', 'triton_model']).nullish(),
  modelUri: z.string().min(1),
});

const data = z.strictObject({
  ...versioned,
  dataType: z.enum(['uri_file', 'uri_folder', 'mltable']),
  dataUri: z.string().min(1),
  referencedUris: z.array(z.string()).nullish(),
});

const parameterTypes = ['string', 'number', 'integer', 'boolean'] as const;
const dataTypes = ['uri_file', 'uri_folder', 'mltable', 'custom_model', 'mlflow_model', 'triton_model', 'path'] as const;
/** Scalars come as text or as what they are. */
const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** A component in the words of its YAML; only commands run here. */
export const componentSpec = z.strictObject({
  $schema: text,
  _source: text,
  name: text,
  version: text,
  display_name: text,
  description: text,
  tags: strings.nullish(),
  type: z.literal('command'),
  is_deterministic: z.boolean().nullish(),
  command: z.string().min(1),
  environment: z.string().min(1),
  code: text,
  inputs: z
    .record(
      z.string(),
      z.strictObject({
        type: z.enum([...parameterTypes, ...dataTypes]),
        description: text,
        optional: z.union([z.boolean(), z.literal('true'), z.literal('false')]).nullish(),
        default: scalar.nullish(),
        mode: text,
        min: scalar.nullish(),
        max: scalar.nullish(),
        enum: z.array(scalar).nullish(),
      }),
    )
    .nullish(),
  outputs: z.record(z.string(), z.strictObject({ type: z.enum(dataTypes), description: text, mode: text })).nullish(),
  resources: z.unknown().optional(),
  distribution: z.unknown().optional(),
  limits: z.unknown().optional(),
  environment_variables: strings.nullish(),
});
export type ComponentSpec = z.infer<typeof componentSpec>;

/** Body of `PUT {kind}/{name}/versions/{version}`. */
export const VersionBody: Readonly<Record<AssetKind, z.ZodType<{ properties: Record<string, unknown> }>>> = {
  environments: envelope(environment),
  codes: envelope(z.strictObject({ ...versioned, codeUri: z.string().min(1) })),
  models: envelope(model),
  data: envelope(data),
  components: envelope(z.strictObject({ ...versioned, componentSpec })),
};

const container = z.strictObject({ ...common, latestVersion: text, nextVersion: text, provisioningState: text });

/** Body of `PUT {kind}/{name}`. */
export const ContainerBody: Readonly<Record<AssetKind, z.ZodType<{ properties: Record<string, unknown> }>>> = {
  environments: envelope(container),
  codes: envelope(container),
  models: envelope(container),
  data: envelope(container.extend({ dataType: z.enum(['uri_file', 'uri_folder', 'mltable']) })),
  components: envelope(container),
};

/** Body of `POST models/{m}/versions/{v}/publish` (DestinationAsset). */
export const DestinationAsset = z.strictObject({ destinationName: text, destinationVersion: text, registryName: z.string().min(1) });
