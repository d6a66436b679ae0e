// Silver and gold: how a table is made and what its rows must satisfy.
import * as z from 'zod';
import { Name } from '../identifiers.ts';
import { ColumnName, Duration, SqlFile } from './parts.ts';

const action = z.enum(['warn', 'quarantine', 'fail']).describe('warn: count; quarantine: keep the row aside, whole; fail: commit nothing');

export const Expectation = z.strictObject({
  name: Name,
  check: z.string().min(1).max(2000).describe('SQL expression over the output row that must be true'),
  onFail: action,
});
export type Expectation = z.infer<typeof Expectation>;

/** What one column must satisfy; each broken rule is a finding of its own. */
export const ColumnContract = z.strictObject({
  type: z.string().max(60).optional().describe('Delta type of the column: long, double, string, date, timestamp, decimal(10,2), …'),
  required: z.boolean().default(false).describe('No null'),
  min: z.number().optional(),
  max: z.number().optional(),
  values: z
    .array(z.union([z.string().max(200), z.number(), z.boolean()]))
    .min(1)
    .max(500)
    .optional()
    .describe('The only values allowed'),
  unique: z.boolean().default(false).describe('No value twice in what is committed'),
  onFail: action.default('fail'),
});
export type ColumnContract = z.infer<typeof ColumnContract>;

/** `append`, `overwrite`, or `merge(a,b)`: rows with these keys replace the rows that have them. */
export const TableMode = z
  .string()
  .max(400)
  .regex(
    /^(append|overwrite|merge\([A-Za-z_][A-Za-z0-9_]*( *, *[A-Za-z_][A-Za-z0-9_]*)*\))$/,
    'expected "append", "overwrite" or "merge(KEY, …)"',
  );

/** Key columns of a `merge(…)` mode; empty for the others. */
export function mergeKeys(mode: string): string[] {
  const [, keys] = /^merge\((.*)\)$/.exec(mode) ?? [];
  return keys ? keys.split(',').map((key) => key.trim()) : [];
}

export const Table = z.strictObject({
  name: Name,
  sql: SqlFile,
  mode: TableMode,
  columns: z.record(ColumnName, ColumnContract).optional().describe('Contract of the columns; a column that is named must be there'),
  expect: z.array(Expectation).max(50).default([]),
  minRows: z.number().int().min(0).default(1).describe('Fewer rows than this after expectations fail the run'),
  maxRows: z.number().int().min(1).optional().describe('More rows than this fail the run'),
  partitionBy: z.array(ColumnName).max(4).optional().describe('Partition columns, in order; fixed by the first commit'),
  timestamps: z
    .enum(['utc', 'ntz'])
    .default('utc')
    .describe('How TIMESTAMP without a zone is stored: as UTC instants, or declared timestamp_ntz'),
  evolve: z
    .enum(['none', 'add-columns'])
    .default('none')
    .describe('add-columns: new columns of the SQL are added to the table; every other change of the schema is refused'),
  retention: z
    .strictObject({
      history: Duration.default('30d').describe('Files that no version within this time needs are removed by vacuum; at least 7d'),
      checkpointEvery: z.number().int().min(1).max(1000).default(10).describe('Commits from one checkpoint to the next'),
    })
    .optional(),
});
export type Table = z.infer<typeof Table>;
