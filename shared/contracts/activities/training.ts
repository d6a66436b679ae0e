// Activities on a training backend's jobs and what they leave behind.
import * as z from 'zod';
import { Name, RunId, Sha256 } from '../identifiers.ts';
import { BackendName } from '../pipeline/train.ts';
import { ModelDescription } from '../run-report.ts';
import { ParamOverrides } from '../stories.ts';
import { StagedFile } from '../tables.ts';
import { JobState, SearchSpace } from '../training.ts';
import { activity, BRIEF, PATIENT } from './contract.ts';

const backend = BackendName;
const plan = { pipeline: Name, contractDigest: Sha256, overrides: ParamOverrides.optional() };
const gold = z.strictObject({ table: Name, version: z.number().int(), digest: Sha256 });
const submitted = z.strictObject({
  jobId: z.string(),
  jobName: z.string(),
  adopted: z.boolean(),
  hinted: z.boolean().optional().describe('An event will tell of the job’s end'),
});

/** Asks the backends of a pipeline in order, up to the first that can train. One that gives no answer counts only when no other can. */
export const checkBackends = activity({
  name: 'check-backends',
  input: z.strictObject(plan),
  output: z.strictObject({ checks: z.array(z.strictObject({ backend, missing: z.string().nullable() })).min(1) }),
  retry: PATIENT,
});

/** Submits the training job of a run (or one trial of a search), or adopts it when it exists already. */
export const submitTraining = activity({
  name: 'submit-training',
  input: z.strictObject({
    ...plan,
    backend,
    runId: RunId,
    gold,
    specDigest: Sha256,
    files: z.array(StagedFile).min(1),
    trial: z.number().int().min(1).optional(),
  }),
  output: submitted,
  retry: PATIENT,
});

/** Submits (or adopts) the job that sends the archive to its bucket with one pre-signed PUT. */
export const submitPublication = activity({
  name: 'submit-publication',
  input: z.strictObject({
    backend,
    runId: RunId,
    pipeline: Name,
    contractDigest: Sha256,
    modelDigest: Sha256,
    archive: z.strictObject({ storePath: z.string(), sha256: Sha256, bytes: z.number().int() }),
    region: z.string(),
    bucket: z.string(),
    signedUrlSeconds: z.number().int(),
  }),
  output: z.strictObject({ job: submitted.nullable().describe('null when the object is there already'), artifactUri: z.string() }),
  retry: PATIENT,
});

const search = z.strictObject({ metric: z.string(), goal: z.enum(['maximize', 'minimize']) });

export const readJob = activity({
  name: 'read-job',
  input: z.strictObject({ backend, jobId: z.string(), search: search.optional().describe('The job is a search of the backend’s own') }),
  output: JobState,
  retry: PATIENT,
});

export const cancelJob = activity({
  name: 'cancel-job',
  input: z.strictObject({ backend, jobId: z.string(), reason: z.string(), search: search.optional() }),
  output: z.strictObject({}),
  retry: PATIENT,
});

/** Where metrics come from that the report lacks: what the job logged to its backend, where that keeps such numbers. */
const secondSource = z.strictObject({ backend, wanted: z.array(z.string()).max(100) }).optional();
const fromJob = z.array(z.string()).optional().describe('Metrics that are not in the report');

/**
 * Reads and checks the run report of a train run, and the archive that it names. Rejects `report-missing`, `report-invalid`, `report-protocol`,
 * `report-not-finite`, `component-failed`, `model-missing`, `model-digest-wrong`, `archive-missing`, `archive-digest-wrong`, `golden-undeclared`.
 */
export const readReport = activity({
  name: 'read-report',
  input: z.strictObject({
    runId: RunId,
    second: secondSource,
    noGolden: z.boolean().optional().describe('No row of the data may be in it'),
  }),
  output: z.strictObject({ metrics: z.record(z.string(), z.number()), fromJob, model: ModelDescription, executionSeconds: z.number() }),
  retry: PATIENT,
});

/** Reads and checks the run report of one trial: its numbers, no model. Rejects as `read-report` does. */
export const readTrial = activity({
  name: 'read-trial',
  input: z.strictObject({ runId: RunId, trial: z.number().int().min(1), second: secondSource }),
  output: z.strictObject({ metrics: z.record(z.string(), z.number()), fromJob, executionSeconds: z.number() }),
  retry: PATIENT,
});

/** What the components of a failed job say in their own reports; null when none of them said anything. */
export const explainFailure = activity({
  name: 'explain-failure',
  input: z.strictObject({ pipeline: Name, contractDigest: Sha256, runId: RunId }),
  output: z.strictObject({ said: z.string().max(1500).nullable() }),
  retry: BRIEF,
});

/** HEADs the published object and compares digest and size. Rejects `artifact-missing`, `artifact-mismatch`. */
export const verifyArtifact = activity({
  name: 'verify-artifact',
  input: z.strictObject({
    region: z.string(),
    bucket: z.string(),
    modelDigest: Sha256,
    archive: z.strictObject({ sha256: Sha256, bytes: z.number().int() }),
  }),
  output: z.strictObject({ artifactUri: z.string() }),
  retry: PATIENT,
});

/** Whether the backend searches by itself for this pipeline; asked before money is reserved, because what may work at once differs. */
export const checkSearch = activity({
  name: 'check-search',
  input: z.strictObject({ ...plan, backend }),
  output: z.strictObject({ own: z.boolean() }),
  retry: BRIEF,
});

/** Submits (or adopts) a search where the backend has its own; null where it has none, or the pipeline is a graph of several steps. */
export const submitSearch = activity({
  name: 'submit-search',
  input: z.strictObject({
    ...plan,
    backend,
    runId: RunId,
    gold,
    specDigest: Sha256,
    files: z.array(StagedFile).min(1),
    space: SearchSpace,
    objective: search,
    trials: z.number().int(),
    parallel: z.number().int(),
    seed: z.number().int(),
  }),
  output: z.strictObject({ job: submitted.nullable() }),
  retry: PATIENT,
});

/** The trials of a backend's own search. */
export const readTrials = activity({
  name: 'read-trials',
  input: z.strictObject({ backend, jobId: z.string(), objective: search }),
  output: z.strictObject({
    trials: z.array(
      z.strictObject({
        name: z.string(),
        params: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
        state: z.enum(['succeeded', 'failed', 'cancelled']),
        metric: z.number().nullable(),
        metrics: z.record(z.string(), z.number()),
        startedAt: z.string().nullable(),
        endedAt: z.string().nullable(),
      }),
    ),
  }),
  retry: PATIENT,
});

/** Asks for the end of the trials of a search that are known to its record. */
export const cancelTrials = activity({
  name: 'cancel-trials',
  input: z.strictObject({ backend, pipeline: Name, runId: RunId, jobNames: z.array(z.string()).max(100), reason: z.string() }),
  output: z.strictObject({ asked: z.number().int() }),
  retry: PATIENT,
});
