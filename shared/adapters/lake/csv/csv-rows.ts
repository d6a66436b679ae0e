// The rows of a CSV source as a view of text columns with `_row` (physical line) and `_file`, in one of two ways.
// Plain: DuckDB reads the files as they are, while the plain check proves that it may. Exact: our own scanner splits the records,
// bad ones are set aside whole, and every value is judged by SQL. What a plain file gives is the same either way.
import { join } from 'node:path';
import type { Source } from '../../../contracts/pipeline.ts';
import { RejectedError } from '../../../errors/errors.ts';
import { sqlName, sqlText, type Duck } from '../refine/duck.ts';
import type { BadRows } from './bad-rows.ts';
import { MEND_ROWS, others, setBadValuesAside } from './bad-values.ts';
import { checkHeader, splitRecord } from './header.ts';
import { createLineFile, type LineFile } from './line-file.ts';
import { plainHeader, type LineEnd } from './plain-file.ts';
import { MAX_RECORD, scanCsv, type CsvRecord } from './scan.ts';
import type { RowReader } from '../landed-file.ts';

/** Fetched files of one CSV source, in the order in which their rows come. */
export interface CsvFiles {
  source: Source;
  /** Number of the source in the pipeline, for names in the work folder and in the engine. */
  number: number;
  /** Paths of the landed files. */
  paths: readonly string[];
  /** Name of a file's text in the work folder. */
  local: (n: number) => string;
}

/** The view over the rows, and the relation (_file, _row, _at, _length) that says where a row stands. */
export interface CsvNames {
  view: string;
  places: string;
}

export const csvNames = (number: number): CsvNames => ({ view: `_sluice_bronze_${number}`, places: `_sluice_intake_${number}` });

/** Options that state everything, so that nothing is guessed; empty without quotes is null, `""` is empty text. */
function readCsv(files: readonly string[], columns: readonly string[], lineEnd: LineEnd, header: boolean): string {
  const types = columns.map((column) => `${sqlText(column)}: 'VARCHAR'`).join(', ');
  // new_line is stated: without it a quoted CRLF among LF line ends stops the reader.
  return (
    `read_csv([${files.map(sqlText).join(', ')}], auto_detect = false, header = ${header}, delim = ',', quote = '"', escape = '"', ` +
    `new_line = '${lineEnd === '\n' ? '\\n' : '\\r\\n'}', allow_quoted_nulls = false, max_line_size = ${2 * MAX_RECORD}, ` +
    `buffer_size = ${4 * MAX_RECORD}, columns = {${types}})`
  );
}

/** In a column that is not text, `""` means no value. */
function valued(source: Source): string[] {
  return Object.entries(source.columns).map(([column, type]) =>
    type === 'string' ? sqlName(column) : `nullif(${sqlName(column)}, '') AS ${sqlName(column)}`,
  );
}

/** Files that are read side by side as they are: more are few rows each, and go the exact way into one file. */
const MAX_PLAIN_FILES = 64;

/** How all files' lines end when their headers allow the plain way; null when one does not. */
export async function plainLineEnd({ source, paths, local }: CsvFiles): Promise<LineEnd | null> {
  if (paths.length > MAX_PLAIN_FILES) return null;
  let common: LineEnd | null = null;
  for (let n = 0; n < paths.length; n += 1) {
    const found = await plainHeader(local(n), Object.keys(source.columns));
    if (found === null || (common !== null && found !== common)) return null;
    common = found;
  }
  return common;
}

/** Defines the view for files that are proved plain elsewhere. `placed`: whether the owner's SQL asks for `_row` or `_file`. */
export async function definePlain(duck: Duck, files: CsvFiles, lineEnd: LineEnd, placed: boolean): Promise<void> {
  const { source, number, paths, local } = files;
  const names = Object.keys(source.columns);
  const columns = valued(source).join(', ');
  // Numbering rows takes one thread, so it is left out where nobody looks at the number.
  const all = paths.map((_, n) => local(n));
  const select = placed
    ? all.map(
        (file, n) =>
          `SELECT ${columns}, row_number() OVER () + 1 AS _row, ${sqlText(paths[n]!)} AS _file FROM ${readCsv([file], names, lineEnd, true)}`,
      )
    : [`SELECT ${columns} FROM ${readCsv(all, names, lineEnd, true)}`];
  await duck.run(`CREATE OR REPLACE TEMP VIEW ${csvNames(number).view} AS ${select.join(' UNION ALL ')}`);
}

/** Rows of the files, bad ones included; `bad` holds the bad ones. Rejects with the rule that was broken. */
export async function defineExact(duck: Duck, files: CsvFiles, bad: BadRows, reader: RowReader): Promise<number> {
  const { source, number, paths } = files;
  const names = csvNames(number);
  const before = bad.rows;
  const rows = await scanAll(duck, files, bad);
  const readRows = rows.lines + bad.rows - before;
  const columns = ['_file', '_row', '_at', '_length', ...Object.keys(source.columns)];
  const typed = columns.slice(0, 4).map((column) => `CAST(${column} AS BIGINT) AS ${column}`);
  await duck.run(
    `CREATE OR REPLACE TEMP VIEW ${names.places} AS SELECT ${[...typed, ...valued(source)].join(', ')} FROM ${readCsv([rows.file], columns, '\n', false)}`,
  );
  const good = await setBadValuesAside(duck, source, names.places, paths, bad, reader);
  const path = paths.length === 1 ? sqlText(paths[0]!) : `list_extract([${paths.map(sqlText).join(', ')}], _file + 1)`;
  const own = Object.keys(source.columns).map(sqlName).join(', ');
  const rest = good === null ? names.places : await goodRows(duck, files, good);
  await duck.run(`CREATE OR REPLACE TEMP VIEW ${names.view} AS SELECT ${own}, _row, ${path} AS _file FROM ${rest}`);
  return readRows;
}

/**
 * The good rows as a file of their own. A condition would not do: DuckDB may run the owner's casts before it, on the very values that
 * were set aside.
 */
async function goodRows(duck: Duck, { source, number }: CsvFiles, good: string): Promise<string> {
  const file = join(duck.dir, `good-${number}.parquet`);
  const columns = ['_file', '_row', ...Object.keys(source.columns).map(sqlName)].join(', ');
  await duck.run(
    `COPY (SELECT ${columns} FROM ${csvNames(number).places} WHERE ${good}) TO ${sqlText(file)} (FORMAT parquet, COMPRESSION snappy)`,
  );
  return `read_parquet(${sqlText(file)}, hive_partitioning = false)`;
}

/** Scans every file into one local file of well-formed rows, each with file number, line and place before it. */
async function scanAll(duck: Duck, { source, number, paths, local }: CsvFiles, bad: BadRows): Promise<LineFile> {
  const rows = await createLineFile(join(duck.dir, `rows-${number}.csv`));
  await bad.prepare();
  let first: string | null = null;
  try {
    for (const [n, path] of paths.entries()) {
      const before = rows.lines + bad.rows;
      const badRow = (record: CsvRecord, reason: string) => {
        first ??= `${path}, line ${record.line}: ${reason} (rule row-shape)`;
        bad.count('row-shape', source.badRows, record.line);
        bad.add({ layer: 'bronze', rule: 'row-shape', file: path, line: record.line, reason, raw: record.bytes.toString('utf8') });
      };
      const goodRow = (record: CsvRecord) => rows.append(`${n},${record.line},${record.offset},${record.bytes.length},`, record.bytes);
      const flush = async () => void (await Promise.all([rows.flush(), bad.flush()]));
      await scanOne(local(n), path, Object.keys(source.columns), goodRow, badRow, flush);
      if (rows.lines + bad.rows === before)
        throw new RejectedError(
          'no-rows',
          `${path}: the file has a header and no rows (rule rows). Mend: drop a file with at least one row.`,
        );
    }
  } finally {
    await rows.close();
  }
  if (source.badRows === 'fail' && first !== null) throw new RejectedError('bad-rows', `${String(first)}${others(bad.rows)}. ${MEND_ROWS}`);
  return rows;
}

/** Scans one file: header first, then rows, each judged by its form. Empty lines are no rows. */
async function scanOne(
  local: string,
  path: string,
  columns: readonly string[],
  good: (record: CsvRecord) => void,
  bad: (record: CsvRecord, reason: string) => void,
  flush: () => Promise<void>,
): Promise<void> {
  let header = false;
  const visit = (record: CsvRecord) => {
    if (record.bytes.length === 0 && record.problem === null) return;
    if (!header) {
      header = true;
      if (record.problem !== null)
        throw new RejectedError(
          'wrong-header',
          `${path}, line ${record.line}: ${record.problem}. Mend: write the header as names separated by commas.`,
        );
      checkHeader(path, record.line, splitRecord(record.bytes.toString('utf8')), columns);
    } else if (record.problem !== null) bad(record, record.problem);
    else if (record.fields !== columns.length)
      bad(record, `the row has ${record.fields} value${record.fields === 1 ? '' : 's'} instead of ${columns.length}`);
    else good(record);
  };
  await scanCsv(local, visit, flush);
  if (!header) throw new RejectedError('empty-file', `${path}: the file is empty (rule rows). Mend: drop a file with a header and rows.`);
}

/** Names that the engine uses itself, and names that differ by case only (SQL would take them for one). */
export function refuseNames(columns: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const column of columns) {
    const known = seen.get(column.toLowerCase());
    if (known !== undefined)
      throw new RejectedError(
        'ambiguous-column',
        `the source's columns "${known}" and "${column}" differ by case only. Mend: rename one of them.`,
      );
    if (['_row', '_file', '_at', '_length'].includes(column.toLowerCase()))
      throw new RejectedError('reserved-column', `the source's column "${column}" has a name that refining uses itself. Mend: rename it.`);
    seen.set(column.toLowerCase(), column);
  }
}
