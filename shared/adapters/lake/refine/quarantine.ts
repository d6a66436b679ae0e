// The quarantine table beside silver: bad rows whole, with rule, file and physical line, never sampled.
import { join } from 'node:path';
import type { BadRows } from '../csv/bad-rows.ts';
import type { DeltaField } from '../delta/types.ts';
import { sqlText, type Duck } from './duck.ts';
import { writeParquet, type LocalFile } from '../delta/parquet.ts';

const column = (name: string, type: string): DeltaField => ({ name, type, nullable: true, metadata: {} });

/** Columns of every quarantine table. `raw` is the row as the file holds it; `run` the run's key. */
export const QUARANTINE_FIELDS: DeltaField[] = [
  column('layer', 'string'),
  column('rule', 'string'),
  column('file', 'string'),
  column('line', 'long'),
  column('reason', 'string'),
  column('raw', 'string'),
  column('run', 'string'),
];

/** The rows that were set aside, in the order in which they were found; null when there are none. */
export async function quarantineFile(duck: Duck, all: readonly BadRows[], key: string, origin: string): Promise<LocalFile | null> {
  const files = all.flatMap((bad) => (bad.file === null ? [] : [sqlText(bad.file)]));
  if (files.length === 0) return null;
  const columns = QUARANTINE_FIELDS.filter((field) => field.name !== 'run').map(
    (field) => `${sqlText(field.name)}: '${field.type === 'long' ? 'BIGINT' : 'VARCHAR'}'`,
  );
  const source = `read_json([${files.join(', ')}], format = 'newline_delimited', maximum_object_size = 33554432, columns = {${columns.join(', ')}})`;
  const query = `SELECT *, ${sqlText(key)} AS run FROM ${source}`;
  return writeParquet(duck, query, join(duck.dir, 'quarantine.parquet'), QUARANTINE_FIELDS, origin);
}
