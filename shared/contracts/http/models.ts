// Model versions, promotions and what serves, over HTTP.
import * as z from 'zod';
import { Instant, Name, RunId, Sha256 } from '../identifiers.ts';
import { InputRow } from '../rows.ts';
import { ModelVersion, Promotion, ServingEntry } from '../runs.ts';
import { Prediction } from '../serving.ts';
import { limit, listOf, operation, type Operation, reason } from './operation.ts';
import { RunSummary } from './runs.ts';

const DigestPrefix = z.string().regex(/^[0-9a-f]{8,64}$/, 'expected a model digest or its first 8 characters or more, in lower-case hex');
const EndpointId = z
  .string()
  .max(200)
  .regex(/^[a-z]+\/[a-z0-9-]+\/[A-Za-z0-9-]+$/, 'expected <platform>/<region>/<name>');

export const PromotionRequest = z.strictObject({
  pipeline: Name.optional().describe('Needed only when several pipelines have a model of this digest'),
  model: DigestPrefix,
  environment: Name,
  reason,
});
export const PromotionAnswer = z.strictObject({
  promotion: Promotion,
  run: RunSummary.nullable(),
});
export const ServedAt = z.strictObject({ endpoint: z.string(), time: Instant, entry: ServingEntry.nullable() });
export const InvokeRequest = z.strictObject({
  rows: z.array(InputRow).min(1).max(1000),
});
export const InvokeAnswer = z.strictObject({ endpoint: z.string(), modelDigest: Sha256, predictions: z.array(Prediction) });

export const modelOperations = {
  listModels: operation({
    method: 'GET',
    path: 'models',
    access: 'reader',
    summary: 'List model versions, newest first',
    query: z.strictObject({ pipeline: Name.optional(), limit }),
    answer: listOf(ModelVersion),
  }),
  getModel: operation({
    method: 'GET',
    path: 'models/{digest}',
    access: 'reader',
    summary: 'Read a model version by its digest or the beginning of it',
    params: z.strictObject({ digest: DigestPrefix }),
    query: z.strictObject({ pipeline: Name.optional() }),
    answer: ModelVersion,
  }),
  requestPromotion: operation({
    method: 'POST',
    path: 'promotions',
    access: 'operator',
    summary: 'Promote a model version to an environment',
    body: PromotionRequest,
    answer: PromotionAnswer,
    statuses: { 200: 'This request was made before: the same promotion', 202: 'Started' },
    durable: true,
    idempotencyKey: true,
  }),
  listPromotions: operation({
    method: 'GET',
    path: 'promotions',
    access: 'reader',
    summary: 'List promotions, newest first',
    query: z.strictObject({ environment: Name.optional(), model: Sha256.optional(), limit }),
    answer: listOf(Promotion),
  }),
  getPromotion: operation({
    method: 'GET',
    path: 'promotions/{id}',
    access: 'reader',
    summary: 'Read a promotion and its run',
    params: z.strictObject({ id: RunId }),
    answer: PromotionAnswer,
  }),
  listServing: operation({
    method: 'GET',
    path: 'serving',
    access: 'reader',
    summary: 'List what every endpoint serves now',
    answer: listOf(ServingEntry),
  }),
  getServingAt: operation({
    method: 'GET',
    path: 'serving/at',
    access: 'reader',
    summary: 'Say what an endpoint served at an instant',
    query: z.strictObject({ endpoint: EndpointId, time: Instant.optional().describe('Now without it') }),
    answer: ServedAt,
  }),
  invokeEndpoint: operation({
    method: 'POST',
    path: 'serving/{region}/{endpoint}/invoke',
    access: 'operator',
    summary: 'Send rows to an endpoint that Sluice promoted to',
    params: z.strictObject({
      region: z.string().regex(/^[a-z0-9-]{1,40}$/, 'expected a region'),
      endpoint: z.string().regex(/^[A-Za-z0-9-]{1,63}$/, 'expected the name of an endpoint'),
    }),
    body: InvokeRequest,
    answer: InvokeAnswer,
  }),
} satisfies Record<string, Operation>;
