// Inputs and outcomes of the orchestrations. Everything that varies between deployments is frozen into the input, so replay is stable.
import * as z from 'zod';
import { Name, RunId, Sha256 } from './identifiers.ts';
import { Cause, Failure } from './runs.ts';

/** External event by which a person ends a run; its data is `{ by, reason }`. */
export const CANCEL_EVENT = 'cancel';

/** How the stories wait: seconds between polls, growing by half until the maximum. */
export const Policy = z.strictObject({
  pollFirstSeconds: z.number().min(0.2),
  pollMaxSeconds: z.number().min(0.2),
  signedUrlSeconds: z.number().int().min(60).describe('Life of a pre-signed upload'),
});
export type Policy = z.infer<typeof Policy>;

const base = { pipeline: Name, contractDigest: Sha256, policy: Policy };

/** One landed file on its way to becoming a dataset. */
export const LandInput = z.strictObject({
  ...base,
  entryId: z.string(),
  account: z.string(),
  container: z.string(),
  path: z.string(),
  eTag: z.string(),
});
export type LandInput = z.infer<typeof LandInput>;

const file = z.strictObject({ path: z.string(), sha256: Sha256, eTag: z.string() });

export const RefineInput = z.strictObject({ ...base, runId: RunId, key: Sha256, container: z.string(), files: z.array(file).min(1) });
export type RefineInput = z.infer<typeof RefineInput>;

export const TrainInput = z.strictObject({
  ...base,
  runId: RunId,
  key: Sha256,
  gold: z.strictObject({ table: Name, path: z.string(), version: z.number().int(), digest: Sha256 }),
  specDigest: Sha256,
});
export type TrainInput = z.infer<typeof TrainInput>;

export const PromoteInput = z.strictObject({ ...base, runId: RunId, key: Sha256, environment: Name, modelDigest: Sha256 });
export type PromoteInput = z.infer<typeof PromoteInput>;

export const AwaitJobInput = z.strictObject({
  backend: z.enum(['kubeflow']),
  jobId: z.string(),
  policy: Policy,
  /** ISO instant after which the job is cancelled. */
  deadline: z.string(),
  polls: z.number().int(),
  waitSeconds: z.number(),
});
export type AwaitJobInput = z.infer<typeof AwaitJobInput>;

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
  story: z.enum(['refine', 'train', 'promote']),
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
