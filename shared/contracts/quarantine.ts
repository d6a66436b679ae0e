// Quarantine as cases: rows of one dataset that broke rules, kept whole, owned, with a deadline, until each is mended, accepted or given up.
import * as z from 'zod';
import { Instant, Name, RunId, Sha256 } from './identifiers.ts';

/** `q-<pipeline>-<16 hex of the run's key>`: one case for each dataset that set rows aside. */
export const CaseId = z
  .string()
  .max(64)
  .regex(/^q-[a-z][a-z0-9-]{0,39}-[0-9a-f]{16}$/, 'expected q-<pipeline>-<16 hex>');
export type CaseId = z.infer<typeof CaseId>;

/** Id of the case of a run's work. */
export function caseIdOf(pipeline: string, key: string): string {
  return `q-${pipeline}-${key.slice(0, 16)}`;
}

const Actor = z.string().min(1).max(200);
const Reason = z.string().trim().min(3, 'say why, in a few words').max(1000);

/** `fix`: corrected rows went through the rules again; `release`: rows were accepted as they are; `discard`: rows are given up. */
export const Resolution = z.enum(['fix', 'release', 'discard']);
export type Resolution = z.infer<typeof Resolution>;

/** What happened to a case. */
export const CaseEvent = z.strictObject({
  at: Instant,
  by: Actor,
  what: z.enum(['opened', 'assigned', 'due-changed', 'began', 'gave-up', 'resolved', 'retrain-answered', 'erased']),
  resolution: Resolution.nullable(),
  rows: z.number().int().min(0).describe('Rows that it was about'),
  note: z.string().max(1000),
});
export type CaseEvent = z.infer<typeof CaseEvent>;

/** Rows of a case that became rows of silver and gold. */
export const Merge = z.strictObject({
  key: Sha256.describe('Key of the commits: the same resolution again finds them'),
  resolution: Resolution,
  rows: z.number().int().min(0).describe('Rows of the case that are resolved by it'),
  addedRows: z.number().int().min(0).describe('Rows that silver got'),
  silverVersion: z.number().int().min(0).nullable().describe('null: nothing was committed'),
  goldVersion: z.number().int().min(0).nullable(),
});
export type Merge = z.infer<typeof Merge>;

/** Work on a case that has begun: a crash leaves it, and the same request again, or anybody's `resume`, ends it. */
export const PendingWork = z.strictObject({
  key: Sha256,
  resolution: Resolution,
  rows: z
    .array(z.number().int().min(1))
    .max(10_000)
    .nullable()
    .describe('Rows that were named; null: all that are open, or what the file names'),
  file: z.string().nullable().describe('Corrected file in the store'),
  by: Actor,
  note: z.string().max(1000),
});
export type PendingWork = z.infer<typeof PendingWork>;

/** State of a case. Its rows are in the quarantine table of the pipeline, by `key` and `revision`. */
export const QuarantineCase = z.strictObject({
  caseId: CaseId,
  pipeline: Name,
  contractDigest: Sha256.describe('The version whose rules the rows broke'),
  key: Sha256.describe("Key of the run that set the rows aside; the quarantine table's column `run`"),
  runId: RunId.nullable(),
  state: z.enum(['open', 'closed']),
  openedAt: Instant,
  owner: Actor.nullable(),
  due: Instant.nullable(),
  rows: z.number().int().min(1),
  openRows: z.number().int().min(0),
  revision: z.number().int().min(0).describe('Rises with each resolution; the rows of the newest revision are the open ones'),
  rules: z.array(z.strictObject({ rule: z.string(), rows: z.number().int() })).max(200),
  pending: PendingWork.nullable(),
  merges: z.array(Merge).max(100),
  retrain: z.enum(['not-asked', 'pending', 'yes', 'no']).describe('Asked after rows came into gold: should the model be trained again?'),
  history: z.array(CaseEvent).max(100),
});
export type QuarantineCase = z.infer<typeof QuarantineCase>;

/** One row of a case. `values` by column where the row can be told apart into the declared columns. */
export const CaseRow = z.strictObject({
  row: z.number().int().min(1).describe('Number of the row in its case; stays with it through every revision'),
  layer: z.enum(['bronze', 'silver', 'gold']),
  rule: z.string(),
  file: z.string().nullable(),
  line: z.number().int().nullable(),
  reason: z.string(),
  values: z.record(z.string(), z.string().nullable()).nullable(),
  raw: z.string(),
});
export type CaseRow = z.infer<typeof CaseRow>;

export const CaseListQuery = z.strictObject({
  pipeline: Name.optional(),
  state: z.enum(['open', 'closed']).optional(),
  overdueAt: Instant.optional().describe('Only cases that are open after their deadline at this time'),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
export type CaseListQuery = z.infer<typeof CaseListQuery>;

export const CaseRowsQuery = z.strictObject({
  after: z.coerce.number().int().min(0).default(0).describe('Number of the last row of the page before'),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
export type CaseRowsQuery = z.infer<typeof CaseRowsQuery>;

export const CaseRows = z.strictObject({ case: QuarantineCase, rows: z.array(CaseRow), next: z.number().int().nullable() });
export type CaseRows = z.infer<typeof CaseRows>;

export const AssignRequest = z
  .strictObject({ owner: Actor.nullable().optional(), due: Instant.nullable().optional() })
  .refine((request) => request.owner !== undefined || request.due !== undefined, 'name an owner, a deadline, or both');
export type AssignRequest = z.infer<typeof AssignRequest>;

/** Release and discard name rows, or take all that are open. */
export const ReleaseRequest = z.strictObject({
  rows: z.union([z.literal('all'), z.array(z.number().int().min(1)).min(1).max(10_000)]),
  reason: Reason,
});
export type ReleaseRequest = z.infer<typeof ReleaseRequest>;

export const FixRequest = z.strictObject({ reason: Reason });
export type FixRequest = z.infer<typeof FixRequest>;

export const RetrainAnswer = z.strictObject({ retrain: z.enum(['yes', 'no']), reason: Reason });
export type RetrainAnswer = z.infer<typeof RetrainAnswer>;

/** What a resolution did. */
export const Resolved = z.strictObject({
  case: QuarantineCase,
  resolvedRows: z.number().int().min(0),
  stillBad: z.array(CaseRow).max(100).describe('The first rows that broke a rule again, with the new reasons'),
  merge: Merge,
});
export type Resolved = z.infer<typeof Resolved>;

/** Largest corrected file that is taken. */
export const MAX_FIX_BYTES = 64 * 1024 * 1024;
/** Column that may come first in a corrected file: the number of the row that a line replaces. */
export const ROW_COLUMN = '_row';
