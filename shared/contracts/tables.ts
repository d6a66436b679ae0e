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
  onPremises: z.literal(true).optional().describe('A row of these tables is a file that stays on the premises, as its manifest names it'),
});
export type Refined = z.infer<typeof Refined>;

/** A file that the training side fetches: a copy of gold as CSV, kept under its digest. */
export const StagedFile = z.strictObject({ path: z.string(), sha256: Sha256, bytes: z.number().int().min(0) });
export type StagedFile = z.infer<typeof StagedFile>;

/** A row that was, or would be, set aside. `raw` is the row as the landed file holds it; JSON where no line of a file is behind it. */
export const QuarantinedRow = z.strictObject({
  layer: z.enum(['bronze', 'silver', 'gold']),
  rule: z.string(),
  file: z.string().nullable(),
  line: z.number().int().nullable().describe('Physical line of the file, quoted line breaks counted'),
  reason: z.string(),
  raw: z.string(),
});
export type QuarantinedRow = z.infer<typeof QuarantinedRow>;

/** What a table would become. */
export const LayerPreview = z.strictObject({
  layer: z.enum(['silver', 'gold']),
  table: Name,
  path: z.string(),
  mode: z.string(),
  version: z.number().int().min(0).describe('That the commit would have, unless somebody commits before'),
  rowsBefore: z.number().int().min(0),
  newRows: z.number().int().min(0).describe('That the SQL gives for these files'),
  rowsAfter: z.number().int().min(0),
  columns: z.array(z.strictObject({ name: z.string(), type: z.string() })),
});
export type LayerPreview = z.infer<typeof LayerPreview>;

/** What refining would do. `refused`: the rejection that it would end with; then nothing else is known. */
export const Preview = z.strictObject({
  refused: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  readRows: z.number().int().min(0),
  quarantinedRows: z.number().int().min(0),
  findings: z.array(RuleFinding),
  quarantined: z.array(QuarantinedRow).max(100).describe('The first of them'),
  layers: z.array(LayerPreview).max(2).describe('Silver, gold'),
  onPremises: z.literal(true).optional().describe('The rows are files that stay on the premises, as the manifest names them'),
});
export type Preview = z.infer<typeof Preview>;
