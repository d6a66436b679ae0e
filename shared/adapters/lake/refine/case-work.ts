// Rows of a case on their way back: a local CSV file of them alone goes through silver's SQL and the rules; what is good is ready to
// be committed, what is not keeps its number and gets its new reasons.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { mergeKeys, type Table } from '../../../contracts/pipeline/table.ts';
import type { Source } from '../../../contracts/pipeline.ts';
import { ROW_COLUMN, type QuarantineCase } from '../../../contracts/quarantine.ts';
import type { QuarantinedRow } from '../../../contracts/tables.ts';
import { RejectedError } from '../../../errors/errors.ts';
import { BadRows } from '../csv/bad-rows.ts';
import { csvNames } from '../csv/csv-rows.ts';
import { writeText } from '../csv/decode.ts';
import { checkHeader, splitRecord } from '../csv/header.ts';
import { createLineFile } from '../csv/line-file.ts';
import { scanCsv } from '../csv/scan.ts';
import { defineBronze, viewOf, type Fetched } from './bronze.ts';
import { CASE_VIEW, csvLine, caseRow } from './case-rows.ts';
import { sqlName, type Duck } from './duck.ts';
import { makeContent, type Content } from './table-content.ts';
import { appIdOf, type Work } from './work.ts';

/** Rows of a case as a CSV file of the source's columns. */
export interface Correction {
  file: string;
  /** Physical line → number of the row in its case. */
  rowAt: Map<number, number>;
}

/** Writes records with their row numbers and remembers their lines. */
async function correction(
  duck: Duck,
  source: Source,
  write: (add: (row: number, record: Buffer) => void) => Promise<void>,
): Promise<Correction> {
  const out = await createLineFile(join(duck.dir, 'correction.csv'));
  const rowAt = new Map<number, number>();
  let line = 2;
  try {
    out.append('', Buffer.from(Object.keys(source.columns).join(',')));
    await write((row, record) => {
      rowAt.set(line, row);
      out.append('', record);
      line += 1 + record.toString('latin1').split('\n').length - 1;
    });
  } finally {
    await out.close();
  }
  return { file: out.file, rowAt };
}

/** The corrected file that a person brought. Rejects `wrong-header`, `case-row-unknown`, `case-row-twice`, `case-rows-differ`. */
export async function correctedFile(
  duck: Duck,
  source: Source,
  one: QuarantineCase,
  open: readonly number[],
  content: Uint8Array,
): Promise<Correction> {
  const path = `the corrected file of ${one.caseId}`;
  const local = join(duck.dir, 'corrected.csv');
  const chunks = async function* () {
    yield await Promise.resolve(Buffer.from(content.buffer, content.byteOffset, content.byteLength));
  };
  await writeText(chunks(), { path, encoding: 'utf-8' }, { maxUnpackedBytes: 0, maxRatio: 1 }, local);
  const known = new Set(open);
  const seen = new Set<number>();
  let numbered: boolean | null = null;
  const made = await correction(duck, source, async (add) => {
    await scanCsv(local, ({ bytes, line, problem }) => {
      if (bytes.length === 0 && problem === null) return;
      if (numbered === null) {
        const names = splitRecord(bytes.toString('utf8'));
        numbered = names[0] === ROW_COLUMN;
        checkHeader(path, line, numbered ? names.slice(1) : names, Object.keys(source.columns));
        return;
      }
      const { row, rest } = numbered ? numberOf(path, line, bytes) : { row: open[seen.size] ?? 0, rest: bytes };
      if (numbered && !known.has(row))
        throw rowError('case-row-unknown', `${path}, line ${line}: row ${row} is none of the open rows of the case`);
      if (seen.has(row)) throw rowError('case-row-twice', `${path}, line ${line}: row ${row} stands in the file twice`);
      seen.add(row);
      add(row, Buffer.from(rest));
    });
  });
  if (numbered === false && made.rowAt.size !== open.length)
    throw rowError(
      'case-rows-differ',
      `${path}: it has ${made.rowAt.size} rows and no column ${ROW_COLUMN}, and the case has ${open.length} open rows, so nobody can tell which is which`,
    );
  return made;
}

function rowError(code: 'case-row-unknown' | 'case-row-twice' | 'case-rows-differ', what: string): RejectedError {
  return new RejectedError(code, `${what}. Mend: take the file from "quarantine show --csv", and correct the rows in it.`);
}

/** The number before the first comma. */
function numberOf(path: string, line: number, bytes: Buffer): { row: number; rest: Buffer } {
  const comma = bytes.indexOf(',');
  const text = bytes.subarray(0, comma === -1 ? bytes.length : comma).toString('utf8');
  const match = /^"?([1-9][0-9]{0,9})"?$/.exec(text);
  if (!match) throw rowError('case-row-unknown', `${path}, line ${line}: ${JSON.stringify(text.slice(0, 40))} is no number of a row`);
  return { row: Number(match[1]), rest: comma === -1 ? Buffer.alloc(0) : bytes.subarray(comma + 1) };
}

/** Rows of CASE_VIEW as they are. Rejects `not-releasable` for rows that were made by no landed row, or never came as far as silver. */
export async function rowsAsTheyAre(duck: Duck, source: Source, one: QuarantineCase, rows: ReadonlySet<number>): Promise<Correction> {
  return correction(duck, source, async (add) => {
    for await (const batch of duck.stream(`SELECT * FROM ${CASE_VIEW} ORDER BY case_row`))
      for (const found of batch) {
        const row = caseRow([source], found);
        if (!rows.has(row.row)) continue;
        const line = row.layer === 'silver' ? csvLine(source, row) : null;
        if (line === null) throw notReleasable(one, row.row, row.layer, row.rule);
        add(row.row, Buffer.from(line));
      }
  });
}

function notReleasable(one: QuarantineCase, row: number, layer: string, rule: string): RejectedError {
  const why: Record<string, string> = {
    bronze: 'it is not of the declared form or type, so silver cannot take it; correct it by a fix',
    silver: 'it was made from several rows, so there is no landed row to take; correct the file and drop it again',
    gold: 'gold is computed from silver, so the rule or the rows of silver must change',
  };
  return new RejectedError(
    'not-releasable',
    `${one.caseId}, row ${row} (${layer}, rule ${rule}): ${why[layer]}. Mend: that, or discard the row.`,
  );
}

export interface Judgement {
  /** Rows for silver. */
  content: Content;
  /** Rows that broke a rule again. */
  bad: (QuarantinedRow & { case_row: number })[];
}

/** Most rows that may break rules again in one file; they are held in memory. */
const MOST_BAD = 100_000;

/** Runs silver's SQL over the corrected rows. `rules`: 'same' as every dataset; 'keys': only what a merge cannot do without. */
export async function judgeCorrection(work: Work, { file, rowAt }: Correction, rules: 'same' | 'keys'): Promise<Judgement> {
  const { duck, container, pipeline } = work;
  const source = onlySource(pipeline.spec.sources);
  const label = 'corrected rows';
  const { timestampFormat, ...rest } = source;
  const csv: Source = {
    ...rest,
    format: 'csv',
    badRows: 'quarantine',
    ...(source.format === 'csv' && timestampFormat !== undefined ? { timestampFormat } : {}),
  };
  const group: Fetched = {
    source: csv,
    number: 0,
    paths: [label],
    local: () => file,
    bytes: (await stat(file)).size,
    version: null,
    plainEnd: null,
  };
  const bronze = await defineBronze({ duck, container, mode: 'append' }, [group]);
  const bad = new BadRows(duck.dir, 'bad-again.ndjson');
  try {
    if (source.format !== 'csv') await retype(duck, source);
    const request = {
      layer: 'silver' as const,
      spec: specFor(pipeline.spec.tables.silver, rules),
      sql: pipeline.sql.silver,
      origin: appIdOf(work.key),
      traces: bronze.traces,
      paths: [label],
    };
    const content = await makeContent(duck, request, bad);
    await bad.close();
    return { content, bad: await numberedRows([bronze.bad, bad], rowAt) };
  } finally {
    await bronze.close();
    await bad.close();
  }
}

/** The source of rows that can be mended alone. Rejects `fix-unsupported`. */
export function onlySource(sources: readonly Source[]): Source {
  if (sources.length === 1) return sources[0]!;
  throw new RejectedError(
    'fix-unsupported',
    'silver joins several sources, so rows of one of them cannot be refined alone. Mend: correct the file and drop it again, or discard the rows.',
  );
}

/** Columns of a Parquet or Delta source have types; values that passed the check of their type take it here. */
async function retype(duck: Duck, source: Source): Promise<void> {
  const types = { string: 'VARCHAR', integer: 'BIGINT', number: 'DOUBLE', boolean: 'BOOLEAN', date: 'DATE', timestamp: 'TIMESTAMPTZ' };
  const columns = Object.entries(source.columns).map(
    ([column, type]) => `CAST(${sqlName(column)} AS ${types[type]}) AS ${sqlName(column)}`,
  );
  for (const view of [viewOf(source), 'bronze'])
    await duck.run(`CREATE OR REPLACE TEMP VIEW ${sqlName(view)} AS SELECT ${columns.join(', ')}, _row, _file FROM ${csvNames(0).view}`);
}

/** No rule fails the whole: a row that breaks one again stays where it is. Silver grows by these rows, also where datasets replace it. */
export function specFor(spec: Table, rules: 'same' | 'keys'): Table {
  const { maxRows: _, ...rest } = spec;
  const mode = spec.mode === 'overwrite' ? 'append' : spec.mode;
  const aside = <Rule extends { onFail: string }>(rule: Rule): Rule => (rule.onFail === 'fail' ? { ...rule, onFail: 'quarantine' } : rule);
  const keys = Object.fromEntries(
    mergeKeys(spec.mode).map((key) => [key, { required: false, unique: false, onFail: 'quarantine' as const }]),
  );
  if (rules === 'keys') return { ...rest, mode, minRows: 0, expect: [], columns: keys };
  const columns = Object.fromEntries(Object.entries(spec.columns ?? {}).map(([name, contract]) => [name, aside(contract)]));
  return { ...rest, mode, minRows: 0, expect: spec.expect.map(aside), columns: { ...keys, ...columns } };
}

/** Rows that were set aside again, with the numbers that they have in the case. */
async function numberedRows(all: readonly BadRows[], rowAt: ReadonlyMap<number, number>): Promise<Judgement['bad']> {
  const rows: Judgement['bad'] = [];
  for (const { file } of all) {
    if (file === null) continue;
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const row = JSON.parse(line) as QuarantinedRow;
      const number = row.line === null ? undefined : rowAt.get(row.line);
      if (number === undefined)
        throw new RejectedError(
          'fix-unsupported',
          `rows that silver makes of several rows break the rule ${row.rule} again, so nobody can tell which to correct. Mend: correct the file and drop it again.`,
        );
      if (rows.length >= MOST_BAD)
        throw new RejectedError('fix-unsupported', `more than ${MOST_BAD} rows break rules again. Mend: correct fewer rows at a time.`);
      rows.push({ ...row, case_row: number });
    }
  }
  return rows;
}
