// What a model and an endpoint configuration are called: `<given>-<hash of the content>`, so that creating them is idempotent (facts/sagemaker.md §1.2).
// The canonical content is the request itself without names and tags. Pure.
import type { CreateEndpointConfigCommandInput, CreateModelCommandInput } from '@aws-sdk/client-sagemaker';
import type { ServingRequest } from '../../contracts/serving.ts';
import { digestOf } from '../../decisions/digest.ts';

/** Names of models, configurations and endpoints: at most 63 characters. */
const MAX_NAME = 63;
const HASH_LENGTH = 16;
/** One variant, always of this name: retaining capacity across updates needs an unchanged name (facts/sagemaker.md §0.7). */
export const VARIANT = 'main';

export type ModelContent = Required<Pick<CreateModelCommandInput, 'PrimaryContainer' | 'ExecutionRoleArn' | 'EnableNetworkIsolation'>>;
export type ConfigContent = Required<Pick<CreateEndpointConfigCommandInput, 'ProductionVariants'>>;

/** A thing to create: its name, its content, and the hash that the name carries in part. */
export interface Named<Content> {
  name: string;
  hash: string;
  content: Content;
}

/** `<given>-<16 hex>`; `given` is cut before the hash, never the hash. */
export function contentName(given: string, hash: string): string {
  const room = MAX_NAME - 1 - HASH_LENGTH;
  return `${given.slice(0, room).replace(/-+$/, '')}-${hash.slice(0, HASH_LENGTH)}`;
}

/** The model: image by digest, archive by digest, and the digest that the server checks before it loads. */
export function modelOf(request: ServingRequest): Named<ModelContent> {
  const content: ModelContent = {
    PrimaryContainer: {
      Image: request.image,
      ModelDataUrl: request.artifactUri,
      Environment: { SLUICE_MODEL_DIGEST: request.modelDigest },
    },
    ExecutionRoleArn: request.target.roleArn,
    EnableNetworkIsolation: true,
  };
  return named(request.target.endpoint, content);
}

/** The endpoint configuration; the model's name in it carries the model's content. */
export function configOf(request: ServingRequest, modelName: string): Named<ConfigContent> {
  const content: ConfigContent = {
    ProductionVariants: [
      {
        VariantName: VARIANT,
        ModelName: modelName,
        InstanceType: request.target.instanceType as never, // the SDK's enum is a list of its release; the service knows newer ones
        InitialInstanceCount: request.target.instanceCount,
        InitialVariantWeight: 1,
      },
    ],
  };
  return named(request.target.endpoint, content);
}

/** Tags of what Sluice creates; the caller's come first and cannot replace ours. */
export function tagsOf(request: ServingRequest, hash: string): { Key: string; Value: string }[] {
  return tagList({ ...request.tags, 'sluice:model-digest': request.modelDigest, 'sluice:content-hash': hash });
}

/** Tags in the service's shape, sorted; characters that the service refuses become `-`, keys end at 128 and values at 256 characters. */
export function tagList(tags: Record<string, string>): { Key: string; Value: string }[] {
  const clean = (text: string, length: number) => text.replace(/[^\p{L}\p{Z}\p{N}_.:/=+\-@]/gu, '-').slice(0, length);
  return Object.entries(tags)
    .map(([key, value]) => ({ Key: clean(key, 128), Value: clean(value, 256) }))
    .sort((a, b) => (a.Key < b.Key ? -1 : 1));
}

function named<Content>(given: string, content: Content): Named<Content> {
  const hash = digestOf(content);
  return { name: contentName(given, hash), hash, content };
}
