// The HTTP API `/api/v1`: every operation with who may call it, what goes in and what comes out. The routes, the OpenAPI document and
// the command line are made from this table; paths are relative to /api/v1.
import * as z from 'zod';
import type { Role } from './access.ts';
import { LedgerEntry } from './events.ts';
import { Instant, Name, RunId, Sha256 } from './identifiers.ts';
import { PipelineBundle, PipelineVersion } from './pipeline.ts';
import { ModelVersion, Promotion, Run, RunStatus, ServingEntry } from './runs.ts';
import { Prediction } from './serving.ts';

/** RFC 9457. `type` is the place in docs/errors.md where the code is explained. */
export const Problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string().describe('Stable label of the error'),
  instance: z.string().describe('Id of this invocation, for the log'),
  problems: z.array(
    z.strictObject({
      where: z.string(),
      problem: z.string(),
      mend: z.string().optional(),
      file: z.string().optional(),
      line: z.number().int().optional(),
      column: z.number().int().optional(),
    }),
  ),
});
export type Problem = z.infer<typeof Problem>;

/** A run without the input of its story. */
export const RunSummary = Run.omit({ input: true });
export type RunSummary = z.infer<typeof RunSummary>;

const limit = z.coerce.number().int().min(1).max(200).default(50).describe('At most this many');
const after = z.string().min(1).max(500).optional().describe('`next` of the page before');
const reason = z.string().trim().min(1, 'say why, in words').max(1000);
const pageOf = <Item extends z.ZodType>(item: Item) => z.strictObject({ items: z.array(item), next: z.string().nullable() });
const listOf = <Item extends z.ZodType>(item: Item) => z.strictObject({ items: z.array(item) });

const Account = z.string().regex(/^[a-z0-9]{3,24}$/, 'expected the name of a storage account');
const Container = z.string().regex(/^[a-z0-9](-?[a-z0-9]){2,62}$/, 'expected the name of a container');
const DigestPrefix = z.string().regex(/^[0-9a-f]{8,64}$/, 'expected a model digest or its first 8 characters or more, in lower-case hex');
const EndpointId = z
  .string()
  .max(200)
  .regex(/^[a-z]+\/[a-z0-9-]+\/[A-Za-z0-9-]+$/, 'expected <platform>/<region>/<name>');

export const RegisteredPipeline = z.strictObject({ name: Name, digest: Sha256, updatedAt: Instant, updatedBy: z.string() });
export const PutPipelineAnswer = z.strictObject({ name: Name, digest: Sha256, result: z.enum(['created', 'updated', 'unchanged']) });

/** One thing in an explanation. `ref` is an entry id, a run id, a model digest or `<endpoint>@<promotion id>`. */
export const WhyNode = z.strictObject({ kind: z.enum(['event', 'run', 'model', 'endpoint']), ref: z.string() });
export type WhyNode = z.infer<typeof WhyNode>;

/** What led to the subject and what came of it: the links, and the records that they join. */
export const Explanation = z.strictObject({
  subject: z.array(WhyNode).describe('What was asked for; several entries for a path'),
  links: z.array(
    z.strictObject({
      from: WhyNode,
      to: WhyNode,
      as: z.enum(['became-data-of', 'led-to', 'retried-as', 'made', 'promoted-by', 'now-serves-at']),
    }),
  ),
  events: z.array(LedgerEntry),
  runs: z.array(RunSummary),
  models: z.array(ModelVersion),
  endpoints: z.array(ServingEntry),
  truncated: z.boolean().describe('More than this answer shows'),
});
export type Explanation = z.infer<typeof Explanation>;

export const StartedRun = z.strictObject({ runId: RunId, instanceId: z.string(), attempt: z.number().int() });
export const RunLogs = z.strictObject({
  jobs: z.array(
    z.strictObject({ stage: z.string(), jobName: z.string(), steps: z.array(z.strictObject({ step: z.string(), text: z.string() })) }),
  ),
});
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
  rows: z.array(z.array(z.number()).min(1).max(10_000)).min(1).max(1000),
});
export const InvokeAnswer = z.strictObject({ endpoint: z.string(), modelDigest: Sha256, predictions: z.array(Prediction) });
export const PlatformStatus = z.strictObject({
  state: z.enum(['ok', 'failing']),
  components: z.array(
    z.strictObject({ name: z.string(), state: z.enum(['ok', 'failing', 'not-configured']), reason: z.string().nullable() }),
  ),
  queueDepth: z.number().int().nullable().describe('Messages that wait in the landing queue; null when it cannot be read'),
});
export const Whoami = z.strictObject({ subject: z.string(), name: z.string(), roles: z.array(z.string()) });

export interface Operation {
  method: 'GET' | 'PUT' | 'POST';
  path: string;
  /** `anyone`: any valid token. `anonymous`: no token. */
  access: Role | 'anyone' | 'anonymous';
  summary: string;
  params: z.ZodObject;
  query: z.ZodObject;
  body: z.ZodType | null;
  answer: z.ZodType;
  /** What the caller gets when all is well: status and its meaning. */
  statuses: Readonly<Record<number, string>>;
  /** Starts, signals or ends stories. */
  durable: boolean;
  /** Header `Idempotency-Key` is required. */
  idempotencyKey: boolean;
}

const none = z.strictObject({});
const defaults = { params: none, query: none, body: null, statuses: { 200: 'OK' }, durable: false, idempotencyKey: false } as const;

/** Keeps the exact schema types of each operation. */
function operation<const Given extends Pick<Operation, 'method' | 'path' | 'access' | 'summary' | 'answer'> & Partial<Operation>>(
  given: Given,
): Omit<typeof defaults, keyof Given> & Given {
  return { ...defaults, ...given };
}

export const operations = {
  putPipeline: operation({
    method: 'PUT',
    path: 'pipelines/{name}',
    access: 'operator',
    summary: 'Register a version of a pipeline',
    params: z.strictObject({ name: Name }),
    body: PipelineBundle,
    answer: PutPipelineAnswer,
    statuses: { 200: 'Updated, or nothing to change', 201: 'Created' },
  }),
  listPipelines: operation({
    method: 'GET',
    path: 'pipelines',
    access: 'reader',
    summary: 'List the registered pipelines',
    answer: listOf(RegisteredPipeline),
  }),
  getPipeline: operation({
    method: 'GET',
    path: 'pipelines/{name}',
    access: 'reader',
    summary: 'Read a pipeline: its current version, or the one with the given digest',
    params: z.strictObject({ name: Name }),
    query: z.strictObject({ digest: Sha256.optional() }),
    answer: PipelineVersion,
  }),
  listEvents: operation({
    method: 'GET',
    path: 'events',
    access: 'reader',
    summary: 'List events and their verdicts, newest first',
    query: z.strictObject({ limit, after }),
    answer: pageOf(LedgerEntry),
  }),
  listEventsByPath: operation({
    method: 'GET',
    path: 'events/by-path',
    access: 'reader',
    summary: 'List the events of one blob, oldest first',
    query: z.strictObject({
      account: Account.optional().describe('The lake account without it'),
      container: Container.optional().describe('The lake container without it'),
      path: z.string().min(1).max(1024),
    }),
    answer: listOf(LedgerEntry),
  }),
  why: operation({
    method: 'GET',
    path: 'why',
    access: 'reader',
    summary: 'Explain a path, ledger entry, run, model or endpoint: what led to it and what came of it',
    query: z.strictObject({ subject: z.string().min(1).max(1300) }),
    answer: Explanation,
  }),
  listRuns: operation({
    method: 'GET',
    path: 'runs',
    access: 'reader',
    summary: 'List runs, newest first',
    query: z.strictObject({ pipeline: Name.optional(), status: RunStatus.optional(), limit, after }),
    answer: pageOf(RunSummary),
  }),
  getRun: operation({
    method: 'GET',
    path: 'runs/{id}',
    access: 'reader',
    summary: 'Read a run',
    params: z.strictObject({ id: RunId }),
    answer: Run,
  }),
  cancelRun: operation({
    method: 'POST',
    path: 'runs/{id}/cancel',
    access: 'operator',
    summary: 'Ask a run to end: its job is cancelled, its endpoint is restored',
    params: z.strictObject({ id: RunId }),
    body: z.strictObject({ reason }),
    answer: z.strictObject({ runId: RunId, state: z.literal('cancelling') }),
    statuses: { 202: 'Asked; the run ends at its next wait' },
    durable: true,
  }),
  retryRun: operation({
    method: 'POST',
    path: 'runs/{id}/retry',
    access: 'operator',
    summary: 'Start the next attempt of a failed or cancelled run',
    params: z.strictObject({ id: RunId }),
    body: z.strictObject({ reason }),
    answer: StartedRun,
    statuses: { 202: 'Started' },
    durable: true,
  }),
  getRunLogs: operation({
    method: 'GET',
    path: 'runs/{id}/logs',
    access: 'reader',
    summary: 'Read the end of the logs of a run’s jobs',
    params: z.strictObject({ id: RunId }),
    answer: RunLogs,
  }),
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
  getStatus: operation({
    method: 'GET',
    path: 'status',
    access: 'reader',
    summary: 'Say which parts of the platform can be reached',
    answer: PlatformStatus,
  }),
  whoami: operation({ method: 'GET', path: 'whoami', access: 'anyone', summary: 'Say who the token names', answer: Whoami }),
  getOpenApi: operation({
    method: 'GET',
    path: 'openapi.json',
    access: 'anonymous',
    summary: 'This document',
    answer: z.looseObject({ openapi: z.string() }),
  }),
} satisfies Record<string, Operation>;

export type Operations = typeof operations;
export type OperationName = keyof Operations;
