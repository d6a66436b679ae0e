// Commits of Delta tables and what refining found.
import * as z from 'zod';
import { Name, Sha256 } from './identifiers.ts';

/** One version of a Delta table. */
export const Commit = z.strictObject({
  layer: z.enum(['silver', 'gold', 'quarantine']),
  table: Name,
  path: z.string().describe('Table root below the lake container, with a trailing slash'),
  version: z.number().int().min(0),
  rows: z.number().int().min(0).describe('Rows of the whole table at this version'),
  addedRows: z.number().int().min(0),
  digest: Sha256.describe('SHA-256 over the sorted lines `path\\0sha256\\n` of the active files'),
  columns: z
    .array(z.strictObject({ name: z.string(), type: z.string().describe('Delta type') }))
    .max(2000)
    .optional(),
});
export type Commit = z.infer<typeof Commit>;

/** What happened to rows that broke a rule. `lines` are physical lines of the file, the first ten. */
export const RuleFinding = z.strictObject({
  rule: z.string(),
  action: z.enum(['warn', 'quarantine', 'fail']),
  rows: z.number().int().min(0),
  lines: z.array(z.number().int()).max(10),
});
export type RuleFinding = z.infer<typeof RuleFinding>;

/** The outcome of refining one dataset. */
export const Refined = z.strictObject({
  silver: Commit,
  gold: Commit,
  readRows: z.number().int().min(0),
  quarantinedRows: z.number().int().min(0),
  findings: z.array(RuleFinding),
});
export type Refined = z.infer<typeof Refined>;

/** A file that the training side fetches: a copy of gold as CSV, kept under its digest. */
export const StagedFile = z.strictObject({ path: z.string(), sha256: Sha256, bytes: z.number().int().min(0) });
export type StagedFile = z.infer<typeof StagedFile>;
