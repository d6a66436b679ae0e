// The quarantine table beside silver: bad rows whole, with rule, file and physical line, never sampled. `run` and `case_row` name a
// row for ever; the rows of a case that are still open are those of its newest `revision`.
import { join } from 'node:path';
import type { BadRows } from '../csv/bad-rows.ts';
import { writeParquet, type LocalFile } from '../delta/parquet.ts';
import type { DeltaField } from '../delta/types.ts';
import { commitWrite, planWrite } from '../delta/write.ts';
import { sqlText, type Duck } from './duck.ts';
import { appIdOf, type Tables, type Work } from './work.ts';

const column = (name: string, type: string): DeltaField => ({ name, type, nullable: true, metadata: {} });

/** Columns of every quarantine table. `raw` is the row as the file holds it; `run` the run's key; `id` names a row in its revision. */
export const QUARANTINE_FIELDS: DeltaField[] = [
  column('layer', 'string'),
  column('rule', 'string'),
  column('file', 'string'),
  column('line', 'long'),
  column('reason', 'string'),
  column('raw', 'string'),
  column('run', 'string'),
  column('case_row', 'long'),
  column('revision', 'integer'),
  column('id', 'string'),
];

const TYPES: Record<string, string> = { long: 'BIGINT', integer: 'INTEGER' };

/** Rows in local files of JSON lines, with the named columns of the table. */
export function jsonRows(files: readonly string[], columns: readonly string[]): string {
  const typed = QUARANTINE_FIELDS.filter((field) => columns.includes(field.name)).map(
    (field) => `${sqlText(field.name)}: '${TYPES[field.type as string] ?? 'VARCHAR'}'`,
  );
  return `read_json([${files.map(sqlText).join(', ')}], format = 'newline_delimited', maximum_object_size = 33554432, columns = {${typed.join(', ')}})`;
}

/** `rows` must give layer, rule, file, line, reason, raw and case_row. */
export function revisionSql(rows: string, key: string, revision: number): string {
  const id = `${sqlText(`${key.slice(0, 16)}-${revision}-`)} || case_row`;
  return (
    `SELECT layer, rule, file, line, reason, raw, ${sqlText(key)} AS run, CAST(case_row AS BIGINT) AS case_row, ` +
    `CAST(${revision} AS INTEGER) AS revision, ${id} AS id FROM (${rows})`
  );
}

/** The rows that a run set aside, numbered in the order in which they were found; null when there are none. */
export async function quarantineFile(duck: Duck, all: readonly BadRows[], key: string, origin: string): Promise<LocalFile | null> {
  const files = all.flatMap((bad) => (bad.file === null ? [] : [bad.file]));
  if (files.length === 0) return null;
  const rows = `SELECT *, row_number() OVER () AS case_row FROM ${jsonRows(files, ['layer', 'rule', 'file', 'line', 'reason', 'raw'])}`;
  return writeParquet(duck, revisionSql(rows, key, 0), join(duck.dir, 'quarantine.parquet'), QUARANTINE_FIELDS, origin);
}

/** Appends to the quarantine table, once for the key of the work. */
export async function commitQuarantine(work: Work, tables: Tables, content: LocalFile | null): Promise<void> {
  if (content === null) return;
  const plan = await planWrite(tables.quarantine, {
    appId: appIdOf(work.key),
    mode: 'append',
    fields: QUARANTINE_FIELDS,
    content,
    origin: 'quarantine',
    evolve: 'add-columns',
    facts: {},
    ...(work.chain === undefined ? {} : { chain: work.chain }),
    ...(work.runId === undefined ? {} : { runId: work.runId }),
  });
  await commitWrite(tables.quarantine, plan, { now: work.now, warn: work.warn });
}
