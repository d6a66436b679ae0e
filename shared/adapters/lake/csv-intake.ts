// Bronze CSV → view `bronze`: fetches the landed files, proves that they are the ones that were judged, reads them strictly,
// and sets bad rows aside whole. Everything is streamed; a file never stands in memory.
import type { ContainerClient } from '@azure/storage-blob';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Source } from '../../contracts/pipeline.ts';
import { RejectedError } from '../../errors/errors.ts';
import { BadRows } from './bad-rows.ts';
import { columnChecks, type ColumnCheck } from './column-checks.ts';
import { checkHeader, splitRecord } from './csv-header.ts';
import { MAX_RECORD, scanCsv } from './csv-scan.ts';
import { sqlName, sqlText, type Duck, type Row } from './duck.ts';
import { createLineFile } from './line-file.ts';
import { downloadBlob } from './storage.ts';
import { findMalformed } from './utf8.ts';

/** A landed file as the ledger knows it. */
export interface LandedFile {
  path: string;
  sha256: string;
  eTag: string;
}

export interface Intake {
  readRows: number;
  bad: BadRows;
  /** Where the rows with these numbers are, for rows that a later rule sets aside; only of a dataset with one file. */
  rawRow(offset: number, length: number): Promise<string>;
}

const MEND_ROWS = 'Mend: correct the file and drop it again, or set "badRows: quarantine" in sluice.yaml to set such rows aside.';
const MAX_SHOWN = 60;

/** A value for a message: quoted, cut, control characters escaped. */
function shown(value: string): string {
  return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value);
}

/** Fetches `files`, checks them and defines the views `intake` and `bronze` in `duck`. */
export async function takeIn(duck: Duck, container: ContainerClient, source: Source, files: readonly LandedFile[]): Promise<Intake> {
  const columns = Object.keys(source.columns);
  refuseNames(columns);
  const bad = new BadRows(duck.dir, 'bad-input.ndjson');
  const rows = await createLineFile(join(duck.dir, 'rows.csv'));
  const local = files.map((_, n) => join(duck.dir, `bronze-${n}.csv`));
  let shapeProblem: string | null = null;
  for (const [n, file] of files.entries()) {
    await fetchFile(container, file, local[n]!);
    const before = rows.lines + bad.rows;
    await bad.prepare();
    const header = await readRows(local[n]!, file.path, n, columns, {
      good: (prefix, bytes) => rows.append(prefix, bytes),
      bad: (line, reason, raw) => {
        shapeProblem ??= `${file.path}, line ${line}: ${reason} (rule row-shape)`;
        bad.count('row-shape', source.badRows, line);
        bad.add({ layer: 'bronze', rule: 'row-shape', file: file.path, line, reason, raw });
      },
      flush: async () => void (await Promise.all([rows.flush(), bad.flush()])),
    });
    if (!header) throw new RejectedError('empty-file', `${file.path}: the file is empty. Mend: drop a file with a header and rows.`);
    if (rows.lines + bad.rows === before)
      throw new RejectedError('no-rows', `${file.path}: the file has a header and no rows. Mend: drop a file with at least one row.`);
  }
  await rows.close();
  const readRowCount = rows.lines + bad.rows;
  if (source.badRows === 'fail' && shapeProblem !== null)
    throw new RejectedError('bad-rows', `${String(shapeProblem)}${others(bad.rows)}. ${MEND_ROWS}`);
  await defineIntake(duck, rows.file, columns);
  const handles = await openAll(local);
  const rawOf = async (file: number, offset: number, length: number) => {
    const buffer = Buffer.allocUnsafe(length);
    await handles[file]!.read(buffer, 0, length, offset);
    return buffer.toString('utf8');
  };
  try {
    await setBadValuesAside(duck, source, files, bad, rawOf);
  } finally {
    await bad.close();
    for (const handle of handles) await handle.close();
  }
  return {
    readRows: readRowCount,
    bad,
    async rawRow(offset, length) {
      const handle = await open(local[0]!, 'r');
      try {
        const buffer = Buffer.allocUnsafe(length);
        await handle.read(buffer, 0, length, offset);
        return buffer.toString('utf8');
      } finally {
        await handle.close();
      }
    },
  };
}

async function openAll(files: readonly string[]) {
  return Promise.all(files.map(async (file) => open(file, 'r')));
}

/** `; 2 more rows …` after the first of several bad rows. */
function others(rows: number): string {
  return rows > 1 ? `; ${rows - 1} more bad row${rows === 2 ? '' : 's'} in this dataset` : '';
}

/** Names that the engine uses itself, and names that differ by case only (SQL would take them for one). */
function refuseNames(columns: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const column of columns) {
    const known = seen.get(column.toLowerCase());
    if (known !== undefined)
      throw new RejectedError(
        'ambiguous-column',
        `the source's columns "${known}" and "${column}" differ by case only. Rename one of them.`,
      );
    if (['_row', '_file', '_at', '_length'].includes(column.toLowerCase()))
      throw new RejectedError('reserved-column', `the source's column "${column}" has a name that refining uses itself. Rename it.`);
    seen.set(column.toLowerCase(), column);
  }
}

/** Copies the blob here; it must be the version of the event, have the content of the ledger, and be UTF-8. */
async function fetchFile(container: ContainerClient, file: LandedFile, local: string): Promise<void> {
  const found = await downloadBlob(container, file.path, file.eTag, local);
  if (found.sha256 !== file.sha256)
    throw new RejectedError(
      'blob-changed',
      `${file.path}: SHA-256 is ${found.sha256}, the event's was ${file.sha256}. The newer event decides.`,
    );
  const malformed = await findMalformed(local);
  if (malformed === null) return;
  const utf16 = malformed.offset === 0 && (malformed.byte === 0xff || malformed.byte === 0xfe);
  throw new RejectedError(
    'not-utf8',
    `${file.path}, line ${malformed.line}: byte 0x${malformed.byte.toString(16)} at offset ${malformed.offset} is not UTF-8` +
      `${utf16 ? ' (the file begins like UTF-16)' : ''}. Mend: save the file as UTF-8 and drop it again.`,
  );
}

interface Sink {
  good(prefix: string, bytes: Uint8Array): void;
  bad(line: number, reason: string, raw: string): void;
  flush(): Promise<void>;
}

/** Scans one file into the sink; false when it holds nothing at all. */
async function readRows(local: string, path: string, index: number, columns: readonly string[], sink: Sink): Promise<boolean> {
  let header = false;
  await scanCsv(
    local,
    path,
    (record) => {
      if (record.bytes.length === 0 && record.problem === null) return;
      if (!header) {
        header = true;
        if (record.problem !== null)
          throw new RejectedError(
            'wrong-header',
            `${path}, line ${record.line}: ${record.problem}. Mend: write the header as names separated by commas.`,
          );
        checkHeader(path, splitRecord(record.bytes.toString('utf8')), columns);
      } else if (record.problem !== null) {
        sink.bad(record.line, record.problem, record.bytes.toString('utf8'));
      } else if (record.fields !== columns.length) {
        sink.bad(record.line, `the row has ${record.fields} values instead of ${columns.length}`, record.bytes.toString('utf8'));
      } else {
        sink.good(`${index},${record.line},${record.offset},${record.bytes.length},`, record.bytes);
      }
    },
    () => sink.flush(),
  );
  return header;
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

/** Judges every value by its column's type; defines `bronze` as the rows without a bad one. */
async function setBadValuesAside(
  duck: Duck,
  source: Source,
  files: readonly LandedFile[],
  bad: BadRows,
  rawOf: (file: number, offset: number, length: number) => Promise<string>,
): Promise<void> {
  const textColumns = new Set(Object.keys(source.columns).filter((column) => source.columns[column] === 'string'));
  // In a column that is not text, `""` means no value.
  const columns = Object.keys(source.columns).map((column) =>
    textColumns.has(column) ? sqlName(column) : `nullif(${sqlName(column)}, '') AS ${sqlName(column)}`,
  );
  await duck.run(`CREATE TEMP VIEW typed_intake AS SELECT _file, _row, _at, _length, ${columns.join(', ')} FROM intake`);
  const checks = columnChecks(source);
  const names = Object.keys(source.columns).map(sqlName).join(', ');
  const anyBad = checks.map((check) => check.bad).join(' OR ') || 'false';
  const [found] = await checked(source, async () => duck.rows(`SELECT count(*) AS n FROM typed_intake WHERE ${anyBad}`));
  const badCount = Number(found!['n']);
  await duck.run(`CREATE TEMP VIEW bronze AS SELECT ${names}, _row FROM typed_intake ${badCount > 0 ? `WHERE NOT (${anyBad})` : ''}`);
  if (badCount === 0) return;
  const values = checks.map((check, n) => `CASE WHEN ${check.bad} THEN ${sqlName(check.column)} END AS v${n}`);
  const query = `SELECT _file, _row, _at, _length, ${values.join(', ')} FROM typed_intake WHERE ${anyBad} ORDER BY _file, _row`;
  for await (const batch of duck.stream(query)) {
    for (const row of batch) {
      const { path } = files[Number(row['_file'])]!;
      const line = Number(row['_row']);
      const problems = problemsOf(checks, row);
      const reason = problems.map((problem) => problem.words).join('; ');
      if (source.badRows === 'fail')
        throw new RejectedError('bad-rows', `${path}, line ${line}: ${reason}${others(badCount)}. ${MEND_ROWS}`);
      for (const problem of problems) bad.count(problem.rule, 'quarantine', line);
      const raw = await rawOf(Number(row['_file']), Number(row['_at']), Number(row['_length']));
      bad.add({ layer: 'bronze', rule: problems[0]!.rule, file: path, line, reason, raw });
    }
    await bad.flush();
  }
}

function problemsOf(checks: readonly ColumnCheck[], row: Row): { rule: string; words: string }[] {
  return checks.flatMap((check, n) => {
    const value = row[`v${n}`];
    if (typeof value !== 'string') return [];
    return [
      { rule: check.rule, words: `column "${check.column}" holds ${shown(value)}, which is not ${check.words} (rule ${check.rule})` },
    ];
  });
}

/** The one thing of the contract that can break here: a timestamp format that does not exist. */
async function checked<T>(source: Source, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (source.timestampFormat !== undefined && error instanceof Error && /strptime|format specifier/i.test(error.message))
      throw new RejectedError(
        'bad-timestamp-format',
        `sluice.yaml: timestampFormat ${JSON.stringify(source.timestampFormat)} is not a strptime format: ${error.message.slice(0, 200)}`,
        { cause: error },
      );
    throw error;
  }
}
