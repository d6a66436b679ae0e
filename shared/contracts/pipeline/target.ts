// Where a model is served: the platforms and what each needs to know.
import * as z from 'zod';
import { Name } from '../identifiers.ts';
import { Duration } from './parts.ts';

/** AWS names: facts/sagemaker.md §1.2 (lower case, because endpoint names are case-insensitive at creation). */
const EndpointName = z
  .string()
  .max(63)
  .regex(/^[a-z0-9](-*[a-z0-9]){0,62}$/, 'expected lower-case letters, digits and hyphens, at most 63');

export const SagemakerTarget = z.strictObject({
  name: Name,
  platform: z.literal('sagemaker'),
  endpoint: EndpointName,
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-[0-9]$/, 'expected an AWS region such as eu-central-1'),
  roleArn: z
    .string()
    .regex(/^arn:aws[a-z-]*:iam::[0-9]{12}:role\/.+$/, 'expected the ARN of the execution role')
    .max(2048),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'expected an S3 bucket name in the same region'),
  component: Name.default('serve').describe('Serving component; its image comes from the lock file'),
  instanceType: z.string().regex(/^ml\.[a-z0-9]+\.[a-z0-9]+$/, 'expected an instance type such as ml.m5.large'),
  instanceCount: z.number().int().min(1).max(100).default(1),
  healthyWithin: Duration.default('30m').describe('From the request to InService with the new configuration; then the promotion is undone'),
});
export type SagemakerTarget = z.infer<typeof SagemakerTarget>;
export const Target = z.discriminatedUnion('platform', [SagemakerTarget]);
export type Target = z.infer<typeof Target>;
