// Retention and erasure: what was removed from a pipeline's tables and files, for the record.
import * as z from 'zod';
import { Instant, Name, Sha256 } from './identifiers.ts';
import { ColumnName } from './pipeline/parts.ts';

/** Who is to be erased: rows whose `column` has this value, written exactly as the column's type. The value is a secret. */
export const EraseRequest = z.strictObject({
  column: ColumnName,
  value: z.string().min(1).max(1000),
  reason: z.string().trim().min(3, 'say why, in a few words').max(500),
});
export type EraseRequest = z.infer<typeof EraseRequest>;

/** What was removed from one place. */
export const ErasedPlace = z.strictObject({
  place: z.enum(['silver', 'gold', 'quarantine', 'staged', 'golden', 'corrections']),
  path: z.string(),
  rows: z.number().int().min(0).nullable().describe('null: files were removed whole'),
  files: z.number().int().min(0).describe('Files that were removed or written again'),
  version: z.number().int().min(0).nullable().describe('First version of a table without the rows'),
  note: z.string().max(500),
});
export type ErasedPlace = z.infer<typeof ErasedPlace>;

/** The record of an erasure. The value stands in it as a digest only. */
export const ErasureRecord = z.strictObject({
  id: z.string().describe('erase-<pipeline>-<16 hex>'),
  pipeline: Name,
  column: ColumnName,
  valueSha256: Sha256,
  by: z.string().min(1).max(200),
  at: Instant,
  reason: z.string().max(500),
  places: z.array(ErasedPlace).max(200),
  notCovered: z.array(z.string().max(500)).max(200).describe('Where such rows can be that nobody here may change'),
  retrain: z.enum(['not-asked', 'pending']).describe('pending: models were trained on rows that are gone; should they be trained again?'),
});
export type ErasureRecord = z.infer<typeof ErasureRecord>;

/** Files of one table that no version within its retention needs. */
export const VacuumedTable = z.strictObject({
  layer: z.enum(['silver', 'gold', 'quarantine']),
  path: z.string(),
  retention: z.string(),
  files: z.number().int().min(0),
  bytes: z.number().int().min(0),
  logFiles: z.number().int().min(0).default(0).describe('Commits and checkpoints that a newer checkpoint makes needless'),
});
export type VacuumedTable = z.infer<typeof VacuumedTable>;
