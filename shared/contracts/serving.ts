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

/** A class that an endpoint answers with. */
export const ClassPrediction = z.strictObject({ label: z.string(), probability: z.number().nullable() });

/** A number that an endpoint answers with. */
export const ValuePrediction = z.strictObject({ value: z.number() });

/** One answer of an endpoint: a class, or a number. */
export const Prediction = z.union([ClassPrediction, ValuePrediction]);
export type Prediction = z.infer<typeof Prediction>;
