// What a component says it did (protocol 1). Written by components/protocol, read here; nothing is taken from log lines.
import * as z from 'zod';
import { Instant, Sha256 } from './identifiers.ts';
import { Cell } from './rows.ts';

/** A path inside a folder that a report or a manifest names: relative, no `..`, no backslash. */
const RelativePath = z
  .string()
  .min(1)
  .max(512)
  .refine(
    (path) => !path.startsWith('/') && !path.includes('\\') && !path.split('/').includes('..'),
    'expected a relative path without ".."',
  );

const FileDigest = z.object({ path: RelativePath, sha256: Sha256, bytes: z.number().int().min(0) });

/** Finite number: JSON has no NaN, and a gate must never see one. */
const Finite = z.number().refine(Number.isFinite, 'expected a finite number');

/** A class that the training side predicts: its label, and its probability where the model gives one. */
export const GoldenClass = z.object({ label: z.string(), probability: Finite.optional() }).meta({ title: 'GoldenClass' });

/** A number that the training side predicts. */
export const GoldenValue = z.object({ value: Finite }).meta({ title: 'GoldenValue' });

/** `value` says that it is a number: reports from before this was said put the same number, rounded, into `label` too. */
export const GoldenPrediction = z.union([GoldenValue, GoldenClass], {
  error: 'expected a class ({ label, probability? }) or a number ({ value })',
});
export type GoldenPrediction = z.infer<typeof GoldenPrediction>;

/**
 * Rows as a caller would send them, with the predictions that the training side made for them: what every target must reproduce.
 * `tolerance` is the largest difference of a probability or a value. Reports from before rows could hold texts have the number of a
 * category's level instead, which the server takes as well.
 */
export const GoldenSet = z.object({
  columns: z.array(z.string().min(1)).min(1).max(10_000).optional().describe('Names of the values of a row, in their order'),
  rows: z.array(z.array(Cell)).min(1).max(1000),
  predictions: z.array(GoldenPrediction).min(1).max(1000),
  tolerance: Finite.min(0),
});
export type GoldenSet = z.infer<typeof GoldenSet>;

/** The model folder by file, its digest, and the archive that packs it. */
export const ModelDescription = z.object({
  digest: Sha256.describe('SHA-256 over the sorted lines `path\\0sha256\\n` of the model folder'),
  files: z.array(FileDigest).min(1).max(1000),
  archive: FileDigest,
});
export type ModelDescription = z.infer<typeof ModelDescription>;

/** A picture as data, for tables and charts; members beyond these are the component's own. `points` are pairs of numbers for lines. */
export const Plot = z.looseObject({ name: z.string(), kind: z.string(), x: z.string().optional(), y: z.string().optional() });
export type Plot = z.infer<typeof Plot>;

export const RunReport = z.object({
  protocol: z.literal(1),
  component: z.object({ name: z.string(), version: z.string() }),
  status: z.enum(['succeeded', 'failed']),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  metrics: z.record(z.string(), Finite),
  slices: z.array(z.object({ name: z.string(), n: z.number().int(), metrics: z.record(z.string(), Finite) })).default([]),
  params: z.record(z.string(), z.unknown()).default({}),
  artifacts: z.array(FileDigest).default([]),
  model: ModelDescription.optional(),
  golden: GoldenSet.optional(),
  plots: z.array(Plot).max(50).default([]),
  data: z.record(z.string(), z.unknown()).default({}).describe('What the component says about its rows: count, files, features'),
  packages: z.record(z.string(), z.string()).default({}),
  accelerator: z.looseObject({ kind: z.string() }).optional(),
  times: z.looseObject({ startedAt: Instant, finishedAt: Instant, executionSeconds: Finite, queuedSeconds: Finite.optional() }),
});
export type RunReport = z.infer<typeof RunReport>;
