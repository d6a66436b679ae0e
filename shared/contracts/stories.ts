// Inputs and outcomes of the orchestrations. Everything that varies between deployments is frozen into the input, so replay is stable.
import * as z from 'zod';
import { CausalChain } from './events.ts';
import { HandOverRule } from './hand-over.ts';
import { Instant, Name, RunId, Sha256 } from './identifiers.ts';
import { Duration } from './pipeline/parts.ts';
import { BackendName, ParamValue } from './pipeline/train.ts';
import { Cause, Failure, Story } from './runs.ts';
import { StagedFile } from './tables.ts';
import { SearchSpace } from './training.ts';
import { Collecting, WindowRange } from './windows.ts';

/** External event by which a person ends a run; its data is `{ by, reason }`. */
export const CANCEL_EVENT = 'cancel';

/**
 * External event that wakes the instance which waits for a job (`waiterOf` in decisions/identity.ts gives its id): something may have
 * changed. Its data does not matter; the truth is read from the backend.
 */
export const JOB_HINT_EVENT = 'job-hint';

/** Parameters that a person sets for one training: `alpha`, or `<step>.alpha` for a parameter of one step of a graph. */
export const ParamOverrides = z
  .record(z.string().regex(/^([a-z][a-z0-9-]{0,39}\.)?[A-Za-z][A-Za-z0-9_]*$/, 'expected NAME or STEP.NAME'), ParamValue)
  .refine((params) => Object.keys(params).length <= 50, 'at most 50 parameters');
export type ParamOverrides = z.infer<typeof ParamOverrides>;

/** What a deployment decides for its stories: seconds between polls, growing by half until the maximum, and where large work goes. */
export const Policy = z.strictObject({
  pollFirstSeconds: z.number().min(0.2),
  pollMaxSeconds: z.number().min(0.2),
  pollMaxHintedSeconds: z.number().min(0.2).optional().describe('Of a job of whose end an event tells; pollMaxSeconds without it'),
  signedUrlSeconds: z.number().int().min(60).describe('Life of a pre-signed upload'),
  handOver: HandOverRule.optional().describe('Where datasets above a size are refined; all are refined here without it'),
});
export type Policy = z.infer<typeof Policy>;

const base = { pipeline: Name, contractDigest: Sha256, policy: Policy };
const limited = z.boolean().default(true).describe('The pipeline has limits, so the breaker is asked before work is started');

/** One landed file on its way to becoming a dataset. */
export const LandInput = z.strictObject({
  ...base,
  limited,
  entryId: z.string(),
  account: z.string(),
  container: z.string(),
  path: z.string(),
  eTag: z.string(),
  sequencer: z.string().default(''),
  bytes: z.number().int().min(0).default(0),
  eventTime: Instant.optional().describe('When the event says that it happened; without it nothing is late'),
  onPremises: z.boolean().default(false).describe('The file is a manifest of files that stay where they are'),
  collecting: Collecting.nullable().default(null).describe('null: the file is a dataset of its own'),
  chain: CausalChain.default([]),
});
export type LandInput = z.infer<typeof LandInput>;

/** One window of a source whose rule is a time: waits until it comes, closes the window and starts what it became. */
export const CollectInput = z.strictObject({
  ...base,
  limited,
  entryId: z.string().describe('The event that opened the window'),
  place: z.string().max(1200).describe('account/container/path of that event'),
  container: z.string(),
  collecting: Collecting,
  number: z.number().int().min(1),
  chain: CausalChain.default([]),
});
export type CollectInput = z.infer<typeof CollectInput>;

/** A commit that somebody else made in a table of ours, or in the Delta table of a source. */
export const AdoptInput = z.strictObject({
  ...base,
  limited,
  entryId: z.string(),
  account: z.string(),
  container: z.string(),
  path: z.string(),
  eTag: z.string(),
  layer: z.enum(['source', 'silver', 'gold']),
  source: Name.nullable().describe('Whose table it is, for the layer source'),
  root: z.string().max(400),
  version: z.number().int().min(0),
  chain: CausalChain.default([]),
});
export type AdoptInput = z.infer<typeof AdoptInput>;

/** An event without a file that asks for a training on the gold that is there. */
export const RetrainInput = z.strictObject({
  ...base,
  limited,
  entryId: z.string(),
  signal: z.strictObject({ kind: z.string().max(40), subject: z.string().max(1024) }),
  unchanged: z.enum(['skip', 'train']).describe('What happens when this gold was trained on already'),
  chain: CausalChain.default([]),
});
export type RetrainInput = z.infer<typeof RetrainInput>;

/** A data pipeline that brings data in from the premises. */
export const ExtractInput = z.strictObject({
  ...base,
  runId: RunId,
  key: Sha256,
  entryId: z.string(),
  signal: z.strictObject({ kind: z.string().max(40), subject: z.string().max(1024) }),
  dataPipeline: z.string().min(1).max(140).describe('Its name at the service, from the pipeline file, never from an event'),
  parameters: z.record(z.string().max(100), z.string().max(1000)),
  deadline: Duration.describe('After this its run is cancelled'),
});
export type ExtractInput = z.infer<typeof ExtractInput>;

const file = z.strictObject({ path: z.string(), sha256: Sha256, eTag: z.string() });

/** What is refined; exactly one of these. Windows are named, never listed: ten thousand members stay in the ledger. */
export const Dataset = z
  .strictObject({
    container: z.string(),
    files: z.array(file).min(1).max(100).optional(),
    windows: z.array(WindowRange).min(1).max(10).optional(),
    manifest: z
      .strictObject({ path: z.string(), sha256: Sha256, eTag: z.string() })
      .optional()
      .describe('It names files that stay where they are'),
    commit: z
      .strictObject({ source: Name, path: z.string().max(400), version: z.number().int().min(0) })
      .optional()
      .describe('Rows that one commit added to the Delta table of a source'),
    silver: z
      .strictObject({ version: z.number().int().min(0) })
      .optional()
      .describe('The gold step alone, over silver as it is there'),
  })
  .refine(({ container: _container, ...kinds }) => Object.values(kinds).filter((kind) => kind !== undefined).length === 1, {
    message: 'one of files, windows, manifest, commit and silver',
  });
export type Dataset = z.infer<typeof Dataset>;

export const RefineInput = z.strictObject({
  ...base,
  limited,
  runId: RunId,
  key: Sha256,
  ...Dataset.shape,
  chain: CausalChain.default([]),
});
export type RefineInput = z.infer<typeof RefineInput>;

const gold = z.strictObject({ table: Name, path: z.string(), version: z.number().int(), digest: Sha256 });

export const TrainInput = z.strictObject({
  ...base,
  runId: RunId,
  key: Sha256,
  gold,
  specDigest: Sha256,
  overrides: ParamOverrides.optional().describe(
    'Other parameters than the pipeline’s; such a run registers, but moves no traffic by itself',
  ),
});
export type TrainInput = z.infer<typeof TrainInput>;

export const PromoteInput = z.strictObject({ ...base, runId: RunId, key: Sha256, environment: Name, modelDigest: Sha256 });
export type PromoteInput = z.infer<typeof PromoteInput>;

/** Trials at the same time, and rounds after each other: a search keeps a short history. */
export const MAX_PARALLEL = 20;
export const MAX_ROUNDS = 20;

/** A search for better parameters on one gold version. */
export const SweepInput = z.strictObject({
  ...base,
  runId: RunId,
  key: Sha256,
  gold,
  specDigest: Sha256.describe('Of the training that the trials vary'),
  overrides: ParamOverrides.optional().describe('What all trials have in common beside the pipeline’s parameters'),
  space: SearchSpace,
  metric: z.string().min(1).max(80),
  direction: z.enum(['higher-is-better', 'lower-is-better']),
  trials: z.number().int().min(1).max(100),
  parallel: z.number().int().min(1).max(MAX_PARALLEL),
  seed: z.number().int().min(0),
  train: z.boolean().describe('Train on the best parameters afterwards, as a run of its own'),
});
export type SweepInput = z.infer<typeof SweepInput>;

/** One trial of a search: its own job, waited for by a story of its own so that the search's history stays short. */
export const TrialInput = z.strictObject({
  ...base,
  runId: RunId,
  gold,
  specDigest: Sha256,
  overrides: ParamOverrides,
  trial: z.number().int().min(1),
  metric: z.string(),
  backend: BackendName,
  files: z.array(StagedFile).min(1),
  deadline: Duration,
  queueWithin: Duration.nullable(),
  budget: z.lazy(() => JobBudget).nullable(),
});
export type TrialInput = z.infer<typeof TrialInput>;

/** What a trial came to. */
export const TrialEnd = z.strictObject({
  state: z
    .enum(['succeeded', 'failed', 'cancelled', 'stopped'])
    .describe('stopped: cancelled at its backend because the search had used up its money'),
  metrics: z.record(z.string(), z.number()),
  jobName: z.string().nullable(),
  executionSeconds: z.number().nullable(),
  reason: z.string().max(500).nullable(),
  endedAt: Instant,
});
export type TrialEnd = z.infer<typeof TrialEnd>;

/** Why a wait gave a job up before it had ended by itself. */
export const GivenUp = z.strictObject({
  code: z.enum(['job-late', 'job-stuck', 'budget-reached']),
  reason: z.string().max(500),
  at: Instant,
});
export type GivenUp = z.infer<typeof GivenUp>;

/** What a job may still cost: `spent` is what its run spent before this job. */
export const JobBudget = z.strictObject({
  month: z.string().regex(/^[0-9]{4}-[0-9]{2}$/),
  holder: z.string().max(110),
  costPerHour: z.number().positive(),
  limit: z.number().positive(),
  spent: z.number().min(0),
  share: z.boolean().describe('A part of what the run may cost: nobody tops it up'),
  warned: z.boolean(),
});
export type JobBudget = z.infer<typeof JobBudget>;

export const AwaitJobInput = z.strictObject({
  pipeline: Name,
  backend: BackendName,
  jobId: z.string(),
  policy: Policy,
  submittedAt: Instant,
  /** After this instant the job is cancelled. */
  deadline: Instant,
  /** After this instant a job that still waits for a machine is cancelled. */
  queueDeadline: Instant.nullable(),
  budget: JobBudget.nullable(),
  /** When the job was first seen at work. */
  workingSince: Instant.nullable(),
  givenUp: GivenUp.nullable(),
  /** Set where the job is a search of the backend's own. */
  search: z.strictObject({ metric: z.string(), goal: z.enum(['maximize', 'minimize']) }).optional(),
  hinted: z.boolean().optional().describe('An event will tell of the job’s end'),
  polls: z.number().int(),
  waitSeconds: z.number(),
  alert: z
    .strictObject({ looks: z.number().int(), thenSeconds: z.number() })
    .optional()
    .describe('A word came: so many quick looks, then waits as long as before'),
});
export type AwaitJobInput = z.infer<typeof AwaitJobInput>;

/** Waiting for a run of a data pipeline. */
export const AwaitExtractionInput = z.strictObject({
  jobId: z.string(),
  hints: z.boolean().optional().describe('An event may say that it has done something: JOB_HINT_EVENT wakes the wait'),
  policy: Policy,
  startedAt: Instant,
  /** After this instant the run is cancelled. */
  deadline: Instant,
  givenUp: GivenUp.nullable(),
  polls: z.number().int(),
  waitSeconds: z.number(),
});
export type AwaitExtractionInput = z.infer<typeof AwaitExtractionInput>;

/** Waiting until it is this run's turn to train; each look renews its place in the queue. */
export const AwaitTurnInput = z.strictObject({
  pipeline: Name,
  runId: RunId,
  goldVersion: z.number().int(),
  givesWay: z.boolean().describe('To newer gold of the same pipeline'),
  holdSeconds: z.number().int().describe('How long the turn is held at most'),
  looks: z.number().int(),
  waitSeconds: z.number(),
});
export type AwaitTurnInput = z.infer<typeof AwaitTurnInput>;

/** How a story ended. A failure is a value here: the run's record carries it, and the parent decides. */
export const Outcome = z.discriminatedUnion('status', [
  z.strictObject({ status: z.literal('succeeded'), runId: z.string().nullable(), note: z.string() }),
  z.strictObject({ status: z.literal('failed'), runId: z.string().nullable(), failure: Failure }),
  z.strictObject({ status: z.literal('skipped'), runId: z.string().nullable(), note: z.string() }),
]);
export type Outcome = z.infer<typeof Outcome>;

/** A run that is about to be opened. */
export const NewRun = z.strictObject({
  runId: RunId,
  story: Story,
  pipeline: Name,
  contractDigest: Sha256,
  key: Sha256,
  attempt: z.number().int().min(1),
  instanceId: z.string(),
  owner: z.string(),
  cause: Cause,
  input: z.record(z.string(), z.unknown()),
  startedAt: z.string(),
});
export type NewRun = z.infer<typeof NewRun>;
