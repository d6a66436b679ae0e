// Activities on landed files, tables and the ledger.
import * as z from 'zod';
import { Name, RunId, Sha256 } from '../identifiers.ts';
import { CausalChain, Verdict, WindowId } from '../events.ts';
import { Dataset } from '../stories.ts';
import { Refined, StagedFile } from '../tables.ts';
import { WindowMember } from '../windows.ts';
import { activity, BRIEF, PATIENT } from './contract.ts';

/** Streams a blob once and gives its SHA-256. Rejects `blob-gone`, `blob-changed` (the eTag is no longer current). */
export const fingerprintFile = activity({
  name: 'fingerprint-file',
  input: z.strictObject({ container: z.string(), path: z.string(), eTag: z.string() }),
  output: z.strictObject({ sha256: Sha256, bytes: z.number().int() }),
  retry: PATIENT,
});

/** Replaces the verdict of a ledger entry by what was found out later, and links the run. */
export const amendVerdict = activity({
  name: 'amend-verdict',
  input: z.strictObject({
    blob: z.strictObject({ account: z.string(), container: z.string(), path: z.string() }),
    entryId: z.string(),
    verdict: Verdict.nullable().describe('null keeps the verdict and only links'),
    runId: RunId.nullable(),
    sha256: Sha256.nullable(),
    member: z.strictObject({ window: WindowId, row: WindowMember }).nullable().default(null).describe('The window that collected it'),
    onlyOpen: z.boolean().default(false).describe('Leave it alone when a run has it meanwhile'),
    withdraw: z.boolean().default(false).describe('Another version is there: this one is the head of its blob no more'),
  }),
  output: z.strictObject({}),
  retry: PATIENT,
});

/** A dataset → Delta commits in silver and gold, once per run key. Rejects with the rule that was broken. */
export const refineDataset = activity({
  name: 'refine-dataset',
  input: z.strictObject({
    pipeline: Name,
    contractDigest: Sha256,
    key: Sha256,
    runId: RunId,
    dataset: Dataset,
    chain: CausalChain,
  }),
  output: Refined,
  retry: BRIEF,
});

/** Copies one gold version as CSV into the store, under its digest, for the training side to fetch. */
export const stageTrainingData = activity({
  name: 'stage-training-data',
  input: z.strictObject({
    pipeline: Name,
    contractDigest: Sha256,
    gold: z.strictObject({ path: z.string(), version: z.number().int(), digest: Sha256 }),
  }),
  output: z.strictObject({ files: z.array(StagedFile).min(1) }),
  retry: BRIEF,
});
