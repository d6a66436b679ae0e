// Runs (ours): one record per story and attempt, and what each story leaves behind.
import * as z from 'zod';
import { EngineChoice } from './hand-over.ts';
import { Instant, Name, RunId, Sha256 } from './identifiers.ts';
import { BackendName } from './pipeline/train.ts';
import { Refined } from './tables.ts';
import { Placement } from './training.ts';

export const Story = z.enum(['refine', 'train', 'sweep', 'promote', 'extract']);
export type Story = z.infer<typeof Story>;

/** Why a run exists: an event, a run before it, or a person. `ref` is a ledger entry, a run id or a name; `path` is set for events. */
export const Cause = z.strictObject({
  kind: z.enum(['event', 'run', 'person']),
  ref: z.string().max(512),
  path: z.string().max(1200).optional().describe('account/container/path of the blob, for events'),
});
export type Cause = z.infer<typeof Cause>;

/** Why a run failed: stable code, sentence, and the mend where one is known. */
export const Failure = z.strictObject({ code: z.string().max(64), message: z.string().max(4000) });
export type Failure = z.infer<typeof Failure>;

/** A backend's job that a run started or adopted. Times in seconds: waiting in the queue and working are two numbers. */
export const JobRecord = z.strictObject({
  stage: z.enum(['train', 'trial', 'publish', 'extract', 'refine']),
  backend: z.string(),
  jobName: z.string(),
  jobId: z.string(),
  adopted: z.boolean(),
  queuedSeconds: z.number().nullable(),
  executionSeconds: z.number().nullable(),
  placements: z.array(Placement).max(50).optional().describe('Where its steps ran, once that is known'),
});
export type JobRecord = z.infer<typeof JobRecord>;

export const GateResult = z.strictObject({
  gate: z.string().describe('The gate in words, e.g. "top1 >= 0.15"'),
  result: z.enum(['pass', 'fail', 'inconclusive']),
  reason: z.string(),
});
export type GateResult = z.infer<typeof GateResult>;

/** Which backend a training went to, and what the ones before it in the list were missing. */
export const BackendChoice = z.strictObject({
  chosen: BackendName,
  passedOver: z.array(z.strictObject({ backend: BackendName, missing: z.string().max(1000) })).max(4),
});
export type BackendChoice = z.infer<typeof BackendChoice>;

/** Money of a run, in the currency of the pipeline file. `reserved` counts against the month until the run ends, then `spent` does. */
export const RunBudget = z.strictObject({
  month: z.string().describe('Calendar month (UTC) that it is counted in, e.g. 2026-11'),
  costPerHour: z.number(),
  limit: z.number().describe('Where the run is stopped, top-ups included'),
  reserved: z.number(),
  spent: z.number().nullable().describe('Execution time × price, once the run has ended'),
});
export type RunBudget = z.infer<typeof RunBudget>;

/** One trial of a search. `stopped`: not begun any more, or cancelled at its backend, for what came before it or for the money; `reason` says which. */
export const Trial = z.strictObject({
  trial: z.number().int().min(1),
  params: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
  state: z.enum(['waiting', 'running', 'succeeded', 'failed', 'cancelled', 'stopped']),
  metric: z.number().nullable().describe('Value of the metric that is searched for'),
  metrics: z.record(z.string(), z.number()).default({}),
  jobName: z.string().nullable(),
  executionSeconds: z.number().nullable(),
  reason: z.string().max(500).nullable(),
});
export type Trial = z.infer<typeof Trial>;

export const SweepResult = z.strictObject({
  goldTable: z.string(),
  goldVersion: z.number().int(),
  goldDigest: Sha256,
  metric: z.string(),
  direction: z.enum(['higher-is-better', 'lower-is-better']),
  seed: z.number().int(),
  searchedBy: z.enum(['backend', 'trials']).describe('backend: its own search; trials: one job for each, chosen and stopped by Sluice'),
  trials: z.array(Trial).max(100),
  best: z.strictObject({ trial: z.number().int(), params: Trial.shape.params, metric: z.number() }).nullable(),
});
export type SweepResult = z.infer<typeof SweepResult>;

export const TrainResult = z.strictObject({
  goldTable: z.string(),
  goldVersion: z.number().int(),
  goldDigest: Sha256,
  specDigest: Sha256,
  metrics: z.record(z.string(), z.number()),
  gates: z.array(GateResult),
  modelDigest: Sha256,
  archiveSha256: Sha256,
  archiveBytes: z.number().int(),
  followed: Sha256.optional().describe('The pipeline version whose gates judged, where it is not the one that the run was started with'),
});
export type TrainResult = z.infer<typeof TrainResult>;

export const ParityResult = z.strictObject({
  rowsChecked: z.number().int(),
  rowsAgreeing: z.number().int(),
  worst: z.string().nullable().describe('The first row that disagrees, in words'),
  shapeOnly: z.string().max(200).optional().describe('No row could be compared, and why; the endpoint answered a made-up row'),
});
export type ParityResult = z.infer<typeof ParityResult>;

export const PromoteResult = z.strictObject({
  environment: Name,
  target: Name,
  endpoint: z.string(),
  region: z.string(),
  modelDigest: Sha256,
  artifactUri: z.string(),
  modelName: z.string(),
  configName: z.string(),
  previousConfig: z.string().nullable(),
  parity: ParityResult,
});
export type PromoteResult = z.infer<typeof PromoteResult>;

/** `skipped`: it gave way to newer data before its work was begun; the same work may be opened again. */
export const RunStatus = z.enum(['running', 'succeeded', 'failed', 'cancelled', 'skipped']);
export type RunStatus = z.infer<typeof RunStatus>;

export const Run = z.strictObject({
  runId: RunId,
  story: Story,
  pipeline: Name,
  contractDigest: Sha256,
  key: Sha256.describe('Identity of the work: the same key never succeeds twice'),
  attempt: z.number().int().min(1),
  instanceId: z.string().describe('The Durable instance that narrates this run'),
  owner: z.string().describe('The instance that opened the run; only it may continue it'),
  cause: Cause,
  status: RunStatus,
  phase: z.string().max(64).describe('What it is doing, or did last'),
  startedAt: Instant,
  finishedAt: Instant.nullable(),
  input: z.record(z.string(), z.unknown()).describe('Input of the story, so that a person can retry it'),
  failure: Failure.nullable(),
  jobs: z.array(JobRecord),
  refined: Refined.nullable(),
  trained: TrainResult.nullable(),
  promoted: PromoteResult.nullable(),
  next: z.array(z.string()).describe('Runs that this run started or found already done'),
  seconds: z.record(z.string(), z.number()).describe('Seconds per stage, e.g. refine, train.queued, train.working'),
  choice: BackendChoice.optional(),
  engine: EngineChoice.optional().describe('Who refines, where a larger engine is configured'),
  budget: RunBudget.optional(),
  swept: SweepResult.optional(),
  tracked: z
    .strictObject({
      mlflowRunId: z.string().max(200).optional(),
      url: z.string().max(1000).optional().describe('Page of the MLflow run'),
      dataAsset: z.string().max(300).optional(),
      modelAsset: z.string().max(300).optional(),
      registryModel: z.string().max(1000).optional().describe('The model in the Azure ML registry, by the service’s id'),
    })
    .optional()
    .describe('Where the Azure ML workspace shows this run'),
  warnings: z.array(z.string().max(1000)).max(50).optional().describe('What did not work without failing the run'),
});
export type Run = z.infer<typeof Run>;

/** What `record-run` may change; absent keys stay. `jobs` and `next` are merged by name, `warnings` as a set, `seconds` and `tracked` by key, the rest replaced. */
export const RunPatch = Run.pick({
  status: true,
  phase: true,
  finishedAt: true,
  failure: true,
  jobs: true,
  refined: true,
  trained: true,
  promoted: true,
  next: true,
  seconds: true,
  choice: true,
  engine: true,
  budget: true,
  swept: true,
  tracked: true,
  warnings: true,
}).partial();
export type RunPatch = z.infer<typeof RunPatch>;

/** A model version that passed its gates. */
export const ModelVersion = z.strictObject({
  pipeline: Name,
  modelDigest: Sha256,
  runId: RunId.describe('The train run that made it'),
  contractDigest: Sha256,
  goldDigest: Sha256,
  goldVersion: z.number().int(),
  metrics: z.record(z.string(), z.number()),
  archive: z.strictObject({ storePath: z.string(), sha256: Sha256, bytes: z.number().int() }),
  backend: BackendName.optional().describe('Where it was trained, and from where its archive is sent; kubeflow in older records'),
  createdAt: Instant,
});
export type ModelVersion = z.infer<typeof ModelVersion>;

/** A promotion as it was asked for; what happened is in the run of the same id. */
export const Promotion = z.strictObject({
  promotionId: RunId,
  environment: Name,
  pipeline: Name,
  modelDigest: Sha256,
  request: z.number().int().min(0).describe('Request number: 0 when the run itself asked'),
  requestedBy: z.string().max(200),
  reason: z.string().max(1000),
  requestedAt: Instant,
  requestKey: Sha256.optional().describe('Digest of the Idempotency-Key of a request over HTTP'),
});
export type Promotion = z.infer<typeof Promotion>;

/** One entry of the serving history: from `since` until the next entry of the same endpoint. */
export const ServingEntry = z.strictObject({
  endpoint: z.string().describe('<platform>/<region>/<name>'),
  environment: Name,
  pipeline: Name,
  modelDigest: Sha256,
  modelName: z.string(),
  configName: z.string(),
  promotionId: RunId,
  since: Instant,
});
export type ServingEntry = z.infer<typeof ServingEntry>;

/** Who did what through the API. */
export const AuditEntry = z.strictObject({
  at: Instant,
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.string(),
});
export type AuditEntry = z.infer<typeof AuditEntry>;
