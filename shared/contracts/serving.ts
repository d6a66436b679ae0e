// Endpoints as the product sees them, whatever platform serves.
import * as z from 'zod';
import { ImageReference, Sha256 } from './identifiers.ts';
import { SagemakerTarget } from './pipeline.ts';

/** What is to be served where. `given` names are the owner's; model and config names are `<given>-<hash>`. */
export const ServingRequest = z.strictObject({
  target: SagemakerTarget,
  image: ImageReference,
  modelDigest: Sha256,
  artifactUri: z.string().regex(/^s3:\/\/.+\/models\/[0-9a-f]{64}\/model\.tar\.gz$/),
  tags: z.record(z.string(), z.string()),
});
export type ServingRequest = z.infer<typeof ServingRequest>;

/** `in-service` alone is not success: `configName` must be the expected one and nothing may be pending (facts/sagemaker.md §0.1). */
export const EndpointState = z.strictObject({
  status: z.enum(['absent', 'changing', 'in-service', 'failed']),
  configName: z.string().nullable(),
  pendingConfig: z.string().nullable(),
  reason: z.string().nullable(),
});
export type EndpointState = z.infer<typeof EndpointState>;

/** One answer of an endpoint. */
export const Prediction = z.strictObject({ label: z.string(), probability: z.number().nullable() });
export type Prediction = z.infer<typeof Prediction>;
