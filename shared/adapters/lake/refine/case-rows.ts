// The open rows of a quarantine case as a view, as pages for people, and as a CSV file to correct.
import { createHash } from 'node:crypto';
import type { Source } from '../../../contracts/pipeline.ts';
import { ROW_COLUMN, type CaseRow, type QuarantineCase } from '../../../contracts/quarantine.ts';
import { RejectedError } from '../../../errors/errors.ts';
import { splitRecord } from '../csv/header.ts';
import { filesThatMayHold } from '../delta/candidates.ts';
import { readSnapshot } from '../delta/snapshot.ts';
import { selectFiles, shapeOf, type WorkTable } from '../delta/table-files.ts';
import { sqlText, textOf, type Duck, type Row } from './duck.ts';

/** View of the open rows. */
export const CASE_VIEW = '_sluice_case';

/** Defines CASE_VIEW; only the files that can hold rows of the case are fetched. Rejects `case-rows-gone`. */
export async function defineCase(duck: Duck, table: WorkTable, one: QuarantineCase): Promise<void> {
  const snapshot = await readSnapshot(table);
  if (!snapshot)
    throw new RejectedError('case-rows-gone', `${one.caseId}: the table ${table.root}, which holds its rows, does not exist any more.`);
  const shape = shapeOf(table, snapshot);
  const run = shape.fields.find((field) => field.name === 'run')!;
  const keys = `_sluice_case_key_${createHash('sha256').update(one.caseId).digest('hex').slice(0, 8)}`;
  await duck.run(`CREATE OR REPLACE TEMP TABLE ${keys} AS SELECT ${sqlText(one.key)} AS run`);
  const files = await filesThatMayHold(table, shape, [...snapshot.files.values()], { columns: [run], relation: keys });
  const rows = await selectFiles(table, shape, files);
  await duck.run(
    `CREATE OR REPLACE TEMP VIEW ${CASE_VIEW} AS SELECT * FROM (${rows}) WHERE run = ${sqlText(one.key)} AND coalesce(revision, 0) = ${one.revision}`,
  );
}

/** Which source a row is of, by its file; the only one where there is one. */
export function sourceOf(sources: readonly Source[], file: string | null): Source | null {
  if (sources.length === 1) return sources[0]!;
  return sources.find(({ path }) => file?.startsWith(path) === true) ?? null;
}

function valuesOf(sources: readonly Source[], row: { file: string | null; raw: string }): Record<string, string | null> | null {
  const json = jsonOf(row.raw);
  if (json !== null) return json;
  const source = sourceOf(sources, row.file);
  if (source?.format !== 'csv') return null;
  const columns = Object.keys(source.columns);
  const values = splitRecord(row.raw);
  return values.length === columns.length
    ? Object.fromEntries(columns.map((column, n) => [column, values[n] === '' ? null : values[n]!]))
    : null;
}

/** An output row, or a row of Parquet, as the quarantine keeps it; null for text. */
export function jsonOf(raw: string): Record<string, string | null> | null {
  if (!raw.startsWith('{')) return null;
  try {
    const parsed = JSON.parse(raw) as Record<string, unknown>;
    const text = (value: unknown) => (value === null ? null : typeof value === 'string' ? value : JSON.stringify(value));
    return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, text(value)]));
  } catch {
    return null;
  }
}

export function caseRow(sources: readonly Source[], row: Row): CaseRow {
  const file = row['file'] === null ? null : textOf(row, 'file');
  const raw = textOf(row, 'raw');
  return {
    row: Number(row['case_row']),
    layer: textOf(row, 'layer') as CaseRow['layer'],
    rule: textOf(row, 'rule'),
    file,
    line: row['line'] === null ? null : Number(row['line']),
    reason: textOf(row, 'reason'),
    values: valuesOf(sources, { file, raw }),
    raw,
  };
}

/** A page of the rows of CASE_VIEW, and where the next one begins. */
export async function pageOfCase(
  duck: Duck,
  sources: readonly Source[],
  { after, limit }: { after: number; limit: number },
): Promise<{ rows: CaseRow[]; next: number | null }> {
  const found = await duck.rows(`SELECT * FROM ${CASE_VIEW} WHERE case_row > ${after} ORDER BY case_row LIMIT ${limit + 1}`);
  const rows = found.slice(0, limit).map((row) => caseRow(sources, row));
  return { rows, next: found.length > limit ? rows.at(-1)!.row : null };
}

const quoted = (value: string | null) => (value === null ? '' : `"${value.replaceAll('"', '""')}"`);

/** A row as a line of CSV; null for one that was made by the SQL and has no landed row behind it. */
export function csvLine(source: Source, row: Pick<CaseRow, 'layer' | 'line' | 'raw'>): string | null {
  const json = jsonOf(row.raw);
  if (source.format !== 'csv') {
    if (json === null || row.line === null) return null;
    return Object.keys(source.columns)
      .map((column) => quoted(json[column] ?? null))
      .join(',');
  }
  return row.line === null ? null : row.raw;
}

/** Whether a text is one record of CSV: every quote is closed where it should be. */
function isRecord(raw: string): boolean {
  return /^(?:"(?:[^"]|"")*"|[^",\r\n]*)(?:,(?:"(?:[^"]|"")*"|[^",\r\n]*))*$/.test(raw);
}

/** The rows of CASE_VIEW as CSV to correct. A row that is no record of CSV stands in one quoted value, so that it spoils no other. */
export async function caseFile(duck: Duck, source: Source): Promise<Buffer> {
  const lines = [[ROW_COLUMN, ...Object.keys(source.columns)].join(',')];
  for await (const batch of duck.stream(`SELECT * FROM ${CASE_VIEW} ORDER BY case_row`))
    for (const found of batch) {
      const row = caseRow([source], found);
      const line = csvLine(source, row);
      if (line !== null) lines.push(`${row.row},${isRecord(line) ? line : quoted(line)}`);
    }
  return Buffer.from(`${lines.join('\n')}\n`);
}
