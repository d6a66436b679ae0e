// One table's new content: the owner's SQL run once into a Parquet file, types judged before, rows judged after, order fixed so
// that equal input gives equal bytes.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Table } from '../../../contracts/pipeline.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { BadRows } from '../csv/bad-rows.ts';
import { writeParquet, type LocalFile } from '../delta/parquet.ts';
import { deltaSchema, type DeltaField } from '../delta/types.ts';
import { sqlName, sqlText, type Duck } from './duck.ts';
import { judge, type Judged } from './expectations.ts';
import { defineView, keepsOrder, sqlError } from './sql-views.ts';

export interface Content {
  fields: DeltaField[];
  /** null when no row is left and the table allows that. */
  file: LocalFile | null;
}

export interface ContentRequest {
  layer: 'silver' | 'gold';
  spec: Table;
  sql: string;
  /** The transaction, kept in files of tables that grow. */
  origin: string;
  traces: Judged['traces'];
  /** Of the landed files, for messages. */
  paths: readonly string[];
}

let contents = 0;

/**
 * Runs the owner's SQL for one table. Rejects `sql-failed`, `bad-type`, `bad-column-name`, `too-few-rows`, `too-many-rows`, and what
 * `judge` rejects.
 */
export async function makeContent(duck: Duck, request: ContentRequest, bad: BadRows): Promise<Content> {
  const { layer, spec, sql, traces } = request;
  contents += 1;
  const view = `sluice_${layer}_${contents}`;
  const query = await defineView(duck, view, spec.sql, sql);
  const columns = await duck.describe(`SELECT * FROM ${sqlName(view)}`);
  const { fields, select } = deltaSchema(columns, spec.sql, spec.timestamps);
  const kept = spec.mode === 'overwrite' ? null : request.origin;
  const candidate = join(duck.dir, `content-${contents}.parquet`);
  const stable = query.ordered || (await keepsOrder(duck, view));
  let file = await run(spec, async () =>
    writeParquet(duck, `SELECT ${select} FROM ${sqlName(view)}${stable ? '' : ' ORDER BY ALL'}`, candidate, fields, kept),
  );
  const staying = await judge(duck, { layer, spec, fields, candidate: file, query, traces }, bad);
  const before = file.rows;
  if (staying !== null) {
    const source = `SELECT * FROM read_parquet(${sqlText(candidate)}, hive_partitioning = false) WHERE ${staying}`;
    file = await writeParquet(duck, source, join(duck.dir, `content-${contents}-kept.parquet`), fields, kept);
    await rm(candidate);
  }
  if (file.rows < spec.minRows) throw tooFewRows(request, file.rows, before, bad);
  if (spec.maxRows !== undefined && file.rows > spec.maxRows) throw tooManyRows(request, file.rows);
  return { fields, file: file.rows === 0 ? null : file };
}

/** The files of a dataset in a message: the first few. */
function named(paths: readonly string[]): string {
  return paths.length <= 3 ? paths.join(', ') : `${paths.slice(0, 3).join(', ')} and ${paths.length - 3} more`;
}

function tooFewRows({ layer, spec, paths }: ContentRequest, rows: number, before: number, bad: BadRows): RejectedError {
  const rules = bad.findings
    .filter(({ action }) => action === 'quarantine')
    .map(({ rule, rows: many, lines }) => `${rule}: ${many}${lines.length > 0 ? `, first on lines ${lines.slice(0, 3).join(', ')}` : ''}`);
  const mend =
    before > rows ? `look at the rows that were set aside (${rules.join('; ')}) and correct the file` : 'drop a file with more rows';
  return new RejectedError(
    'too-few-rows',
    `${named(paths)}: table "${spec.name}" (${layer}): ${rows} row${rows === 1 ? '' : 's'} left of ${before} after expectations, at least ${spec.minRows} are needed (rule minRows). ` +
      `Mend: ${mend}, or lower minRows in sluice.yaml.`,
  );
}

function tooManyRows({ layer, spec, paths }: ContentRequest, rows: number): RejectedError {
  return new RejectedError(
    'too-many-rows',
    `${named(paths)}: table "${spec.name}" (${layer}): ${rows} rows, at most ${spec.maxRows} are allowed (rule maxRows). ` +
      'Mend: look why there are so many (a join that multiplies rows, a file dropped twice), or raise maxRows in sluice.yaml.',
  );
}

async function run<T>(spec: Table, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw sqlError(error, spec.sql);
  }
}
