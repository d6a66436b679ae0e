// Activities on refinings that an engine outside this process carries out.
import * as z from 'zod';
import { CausalChain } from '../events.ts';
import { DatasetSize, LargeEngine } from '../hand-over.ts';
import { Name, RunId, Sha256 } from '../identifiers.ts';
import { Dataset } from '../stories.ts';
import { Refined } from '../tables.ts';
import { activity, BRIEF, PATIENT } from './contract.ts';

const version = { pipeline: Name, contractDigest: Sha256 };
const manifest = z.strictObject({ path: z.string().max(1024), sha256: Sha256, bytes: z.number().int().min(0) });

/** How much there is to refine, without reading it. null: it is refined here whatever its size. Rejects `blob-gone`, `blob-changed`. */
export const measureDataset = activity({
  name: 'measure-dataset',
  input: z.strictObject({ ...version, dataset: Dataset }),
  output: z.strictObject({ size: DatasetSize.nullable() }),
  retry: BRIEF,
});

/** Leaves what the engine has to know where it can read it, once: a repeat finds the same bytes there. */
export const writeHandOver = activity({
  name: 'write-hand-over',
  input: z.strictObject({ ...version, runId: RunId, key: Sha256, dataset: Dataset, chain: CausalChain, engine: LargeEngine }),
  output: z.strictObject({ manifest }),
  retry: BRIEF,
});

/**
 * Starts the engine's run that carries this run's name, or adopts the one that carries it already. Rejects `hand-over-missing` where the
 * engine is not connected, `hand-over-unavailable` where it says what it lacks, and what the engine's own adapter rejects.
 */
export const startHandOver = activity({
  name: 'start-hand-over',
  input: z.strictObject({
    ...version,
    runId: RunId,
    key: Sha256,
    engine: LargeEngine,
    by: z.string().min(1).max(400),
    manifest,
    deadlineSeconds: z.number().int().min(1),
  }),
  output: z.strictObject({ jobId: z.string(), jobName: z.string(), adopted: z.boolean() }),
  retry: PATIENT,
});

/**
 * Reads and judges what the engine committed under this work's transaction. `refined` is null while a commit is missing; `missing` says
 * which. Rejects `hand-over-columns`, `hand-over-rows`, `hand-over-values`, `hand-over-unjudged`, and `blob-changed` when a file that
 * was handed over was replaced since.
 */
export const judgeHandOver = activity({
  name: 'judge-hand-over',
  input: z.strictObject({ ...version, key: Sha256, dataset: Dataset, ended: z.boolean().describe('The engine’s run has ended') }),
  output: z.strictObject({ refined: Refined.nullable(), missing: z.string().max(300), warnings: z.array(z.string().max(1000)).max(20) }),
  retry: BRIEF,
});
