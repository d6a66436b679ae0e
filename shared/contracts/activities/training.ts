// Activities on a training backend's jobs and what they leave behind.
import * as z from 'zod';
import { Name, RunId, Sha256 } from '../identifiers.ts';
import { ModelDescription } from '../run-report.ts';
import { StagedFile } from '../tables.ts';
import { JobState } from '../training.ts';
import { activity, PATIENT } from './contract.ts';

const backend = z.enum(['kubeflow']);
const submitted = z.strictObject({ jobId: z.string(), jobName: z.string(), adopted: z.boolean() });

/** Submits the training job of a run, or adopts it when it exists already. */
export const submitTraining = activity({
  name: 'submit-training',
  input: z.strictObject({ backend, runId: RunId, pipeline: Name, contractDigest: Sha256, files: z.array(StagedFile).min(1) }),
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

export const readJob = activity({
  name: 'read-job',
  input: z.strictObject({ backend, jobId: z.string() }),
  output: JobState,
  retry: PATIENT,
});

export const cancelJob = activity({
  name: 'cancel-job',
  input: z.strictObject({ backend, jobId: z.string(), reason: z.string() }),
  output: z.strictObject({}),
  retry: PATIENT,
});

/** Reads and checks the run report of a train run. Rejects `report-missing`, `report-invalid`, `component-failed`, `model-missing`. */
export const readReport = activity({
  name: 'read-report',
  input: z.strictObject({ runId: RunId }),
  output: z.strictObject({ metrics: z.record(z.string(), z.number()), model: ModelDescription, executionSeconds: z.number() }),
  retry: PATIENT,
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
