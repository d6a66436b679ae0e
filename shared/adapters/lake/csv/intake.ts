// Bronze CSV → view `bronze`: fetches the landed files, compares the header, reads rows strictly and sets bad ones aside whole.
// Everything is streamed; a file never stands in memory.
import type { ContainerClient } from '@azure/storage-blob';
import { join } from 'node:path';
import type { Source } from '../../../contracts/pipeline.ts';
import { RejectedError } from '../../../errors/errors.ts';
import { BadRows } from './bad-rows.ts';
import { MEND_ROWS, others, setBadValuesAside } from './bad-values.ts';
import { checkHeader, splitRecord } from './header.ts';
import { MAX_RECORD, scanCsv, type CsvRecord } from './scan.ts';
import { sqlText, type Duck } from '../refine/duck.ts';
import { createRowReader, fetchLanded, type LandedFile, type RowReader } from '../landed-file.ts';
import { createLineFile, type LineFile } from './line-file.ts';

export interface Intake {
  /** Rows of the files, bad ones included. */
  readRows: number;
  bad: BadRows;
  /** Reads rows back by their place, for rules that come later. The caller closes it. */
  reader: RowReader;
}

/** Fetches `files`, checks them and defines the views `intake` and `bronze`. Rejects with the rule that was broken. */
export async function takeIn(duck: Duck, container: ContainerClient, source: Source, files: readonly LandedFile[]): Promise<Intake> {
  refuseNames(Object.keys(source.columns));
  const local = files.map((_, n) => join(duck.dir, `bronze-${n}.csv`));
  const bad = new BadRows(duck.dir, 'bad-bronze.ndjson');
  const reader = createRowReader(local);
  try {
    const rows = await scanAll(duck, container, source, files, local, bad);
    const readRows = rows.lines + bad.rows;
    await defineIntake(duck, rows.file, Object.keys(source.columns));
    await setBadValuesAside(duck, source, files, bad, reader);
    return { readRows, bad, reader };
  } catch (error) {
    await reader.close();
    throw error;
  } finally {
    await bad.close();
  }
}

/** Names that the engine uses itself, and names that differ by case only (SQL would take them for one). */
function refuseNames(columns: readonly string[]): void {
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

/** Scans every file into one local file of well-formed rows, each with file number, line and place before it. */
async function scanAll(
  duck: Duck,
  container: ContainerClient,
  source: Source,
  files: readonly LandedFile[],
  local: readonly string[],
  bad: BadRows,
): Promise<LineFile> {
  const rows = await createLineFile(join(duck.dir, 'rows.csv'));
  await bad.prepare();
  let first: string | null = null;
  try {
    for (const [n, file] of files.entries()) {
      await fetchLanded(container, file, local[n]!);
      const before = rows.lines + bad.rows;
      const badRow = (record: CsvRecord, reason: string) => {
        first ??= `${file.path}, line ${record.line}: ${reason} (rule row-shape)`;
        bad.count('row-shape', source.badRows, record.line);
        bad.add({ layer: 'bronze', rule: 'row-shape', file: file.path, line: record.line, reason, raw: record.bytes.toString('utf8') });
      };
      const goodRow = (record: CsvRecord) => rows.append(`${n},${record.line},${record.offset},${record.bytes.length},`, record.bytes);
      const flush = async () => void (await Promise.all([rows.flush(), bad.flush()]));
      await scanOne(local[n]!, file.path, Object.keys(source.columns), goodRow, badRow, flush);
      if (rows.lines + bad.rows === before)
        throw new RejectedError(
          'no-rows',
          `${file.path}: the file has a header and no rows (rule rows). Mend: drop a file with at least one row.`,
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

/** The scanned rows as a view: file number, line, place, then every column as text. An empty value is null; `""` is empty text. */
async function defineIntake(duck: Duck, file: string, columns: readonly string[]): Promise<void> {
  const types = [`'_file': 'INTEGER', '_row': 'BIGINT', '_at': 'BIGINT', '_length': 'INTEGER'`];
  for (const column of columns) types.push(`${sqlText(column)}: 'VARCHAR'`);
  // new_line is stated: without it a quoted CRLF among LF line ends stops the reader.
  await duck.run(
    `CREATE TEMP VIEW intake AS SELECT * FROM read_csv(${sqlText(file)}, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"',
     new_line = '\\n', allow_quoted_nulls = false, max_line_size = ${2 * MAX_RECORD}, buffer_size = ${4 * MAX_RECORD}, columns = {${types.join(', ')}})`,
  );
}
