// Activities that show a run in the connected Azure ML workspace. What they cannot do is a warning of the run, never its failure.
import * as z from 'zod';
import { Instant, Name, RunId, Sha256 } from '../identifiers.ts';
import { ParamOverrides } from '../stories.ts';
import { activity, BRIEF } from './contract.ts';

/** Logs a run to the experiment that the pipeline names: an ended one, or a search whose trials are to be shown below it. Rejects `run-logger-missing` where no workspace is connected. */
export const logRun = activity({
  name: 'log-run',
  input: z.strictObject({
    pipeline: Name,
    contractDigest: Sha256,
    overrides: ParamOverrides.optional(),
    runId: RunId,
    experiment: z.string(),
    status: z.enum(['running', 'succeeded', 'failed', 'cancelled']),
    metrics: z.record(z.string(), z.number()),
    tags: z.record(z.string(), z.string()),
    startedAt: Instant,
    finishedAt: Instant.nullable(),
    varied: z.array(z.string()).max(50).optional().describe('Parameters that its trials vary: they are no parameters of the search'),
  }),
  output: z.strictObject({ mlflowRunId: z.string(), url: z.string().describe('A page for people') }),
  retry: BRIEF,
});

/** Logs trials of a search, each as a run of its own below the search's. Rejects as `log-run` does. */
export const logTrials = activity({
  name: 'log-trials',
  input: z.strictObject({
    pipeline: Name,
    contractDigest: Sha256,
    overrides: ParamOverrides.optional().describe('What all trials have in common'),
    runId: RunId,
    experiment: z.string(),
    parentRunId: z.string().describe('MLflow’s id of the search’s run'),
    tags: z.record(z.string(), z.string()),
    trials: z
      .array(
        z.strictObject({
          trial: z.number().int().min(1),
          params: ParamOverrides,
          metrics: z.record(z.string(), z.number()),
          state: z.enum(['succeeded', 'failed', 'cancelled', 'stopped']),
          jobName: z.string().nullable(),
          startedAt: Instant,
          finishedAt: Instant,
        }),
      )
      .min(1)
      .max(20),
  }),
  output: z.strictObject({ logged: z.number().int() }),
  retry: BRIEF,
});

/** Registers one version of the gold table, as it was staged, as a data asset, once for each commit; null where no workspace is connected. */
export const registerDataAsset = activity({
  name: 'register-data-asset',
  input: z.strictObject({
    pipeline: Name,
    gold: z.strictObject({ table: Name, path: z.string(), version: z.number().int(), digest: Sha256 }),
    staged: z.string().describe('Folder of the store that holds this version, and will hold no other'),
  }),
  output: z.strictObject({ asset: z.string().nullable() }),
  retry: BRIEF,
});

/** Registers a model version of ours in the workspace, once for each digest; null where no workspace is connected. */
export const registerModelAsset = activity({
  name: 'register-model-asset',
  input: z.strictObject({ pipeline: Name, modelDigest: Sha256 }),
  output: z.strictObject({ asset: z.string().nullable() }),
  retry: BRIEF,
});

/** A copy of a model into the registry that is under way, as the adapter wants it back. */
const Publication = z.strictObject({
  name: z.string(),
  version: z.string(),
  modelDigest: Sha256,
  operation: z.strictObject({ kind: z.enum(['async-operation', 'location']), url: z.string() }).nullable(),
});

/** Starts to carry a registered model over to the Azure ML registry; null where this deployment has none. */
export const publishModelAsset = activity({
  name: 'publish-model-asset',
  input: z.strictObject({ name: z.string(), version: z.string(), modelDigest: Sha256 }),
  output: z.strictObject({ publication: Publication.nullable() }),
  retry: BRIEF,
});

/** Looks once; at the end the digest is read back from the registry. Rejects `registry-mismatch`, `publication-failed`. */
export const readPublication = activity({
  name: 'read-publication',
  input: z.strictObject({ publication: Publication }),
  output: z.discriminatedUnion('state', [
    z.strictObject({ state: z.literal('running'), waitMs: z.number() }),
    z.strictObject({ state: z.literal('succeeded'), id: z.string() }),
  ]),
  retry: BRIEF,
});
