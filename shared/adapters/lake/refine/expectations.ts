// Judges a table's new rows by its rules, row by row: warn, set aside whole, or fail. Rows are judged in the written candidate
// file, so the owner's SQL runs once; only broken rows are traced back to the lines that they came from.
import type { Table } from '../../../contracts/pipeline.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { BadRows } from '../csv/bad-rows.ts';
import type { LocalFile } from '../delta/parquet.ts';
import type { DeltaField } from '../delta/types.ts';
import type { Trace } from './bronze.ts';
import { textOf, type Duck, type Row } from './duck.ts';
import { candidateRows, rowRules, uniqueRules, type Rule } from './rules.ts';
import { FILE_COLUMN, LINE_COLUMN, type OwnersQuery } from './sql-views.ts';

/** What is judged: the candidate file, and what leads from a row of it back to bronze. */
export interface Judged {
  layer: 'silver' | 'gold';
  spec: Table;
  fields: readonly DeltaField[];
  candidate: LocalFile;
  query: OwnersQuery;
  /** Traces by view; empty: rows cannot be traced; null: they could, had bronze been read the exact way. */
  traces: ReadonlyMap<string, Trace> | null;
}

/** Rules are broken and their rows could be traced, but bronze was read without line numbers. */
export class LinesNeeded extends Error {
  constructor() {
    super('rows that break a rule must be traced to their lines');
  }
}

const of = (count: number) => `${count} row${count === 1 ? '' : 's'}`;

/**
 * Counts and acts; gives the SQL condition of the rows that stay, or null when all stay. What rows must satisfy together is judged among
 * those that stay. Rejects `expectation-failed`, `contract-broken`, and what `rowRules` rejects.
 */
export async function judge(duck: Duck, judged: Judged, bad: BadRows): Promise<string | null> {
  const { spec, fields, candidate } = judged;
  const trace = traceOf(judged);
  const first = await bound(spec, async () => rowRules(duck, spec, fields, candidate));
  const aside = await applied(duck, judged, trace, first, bad);
  const second = await bound(spec, async () => uniqueRules(duck, spec, fields, candidate, staying(aside)));
  aside.push(...(await applied(duck, judged, trace, second, bad)));
  if (aside.length > 0) await setAside(duck, judged, trace, aside, candidateRows(candidate), bad);
  return staying(aside);
}

function staying(aside: readonly Rule[]): string | null {
  return aside.length === 0 ? null : `(NOT (${aside.map((rule) => rule.broken).join(' OR ')}))`;
}

/** Counts what breaks the rules and fails where one says so; gives those that set rows aside. */
async function applied(duck: Duck, judged: Judged, trace: Trace | null, rules: readonly Rule[], bad: BadRows): Promise<Rule[]> {
  if (rules.length === 0) return [];
  const flags = rules.map((rule, n) => `${rule.broken} AS e${n}`).join(', ');
  const counted = rules.map((_, n) => `count(*) FILTER (WHERE e${n}) AS e${n}`).join(', ');
  const [counts] = await bound(judged.spec, async () =>
    duck.rows(`SELECT ${counted} FROM (SELECT ${flags} FROM ${candidateRows(judged.candidate)})`),
  );
  const found = rules.map((rule, n) => ({ rule, rows: Number(counts![`e${n}`]) })).filter((each) => each.rows > 0);
  if (found.length > 0 && judged.traces === null && judged.query.rowByRow) throw new LinesNeeded();
  for (const each of found) {
    const places = await firstPlaces(duck, judged, trace, each.rule);
    if (each.rule.action === 'fail') throw failed(judged, each.rule, each.rows, places);
    bad.count(each.rule.name, each.rule.action, places[0]?.line ?? null, each.rows);
    for (const { line } of places.slice(1)) bad.count(each.rule.name, each.rule.action, line, 0);
  }
  return found.filter((each) => each.rule.action === 'quarantine').map((each) => each.rule);
}

/** The way back to bronze, where the query leaves one. */
function traceOf({ query, traces }: Judged): Trace | null {
  if (traces === null || query.withLines === null) return null;
  const only = traces.has('bronze') ? 'bronze' : null;
  return traces.get(query.from ?? only ?? '') ?? (only === null ? null : traces.get(only)!);
}

interface Place {
  file: string;
  line: number;
}

function failed({ layer, spec }: Judged, rule: Rule, rows: number, places: readonly Place[]): RejectedError {
  const file = places[0]?.file;
  const lines = places.filter((place) => place.file === file).map((place) => place.line);
  const where = file === undefined ? `table ${spec.name}` : `${file}, line${lines.length > 1 ? 's' : ''} ${lines.join(', ')}`;
  const expectation = rule.code === 'expectation-failed';
  const what = expectation
    ? `the expectation "${rule.name}" (${rule.reason.slice('not true: '.length, 212)})`
    : `the rule ${rule.name} (${rule.reason})`;
  return new RejectedError(
    rule.code,
    `${where}: ${of(rows)} of ${layer} break${rows === 1 ? 's' : ''} ${what}. Mend: correct the rows and drop the file again, or set "onFail: quarantine" in sluice.yaml.`,
  );
}

/** A rule that names no column of the output, or breaks while it runs. */
async function bound<T>(spec: Table, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RejectedError || !(error instanceof Error) || !/^[A-Z][A-Za-z ]+ Error: /.test(error.message)) throw error;
    throw new RejectedError(
      'bad-expectation',
      `expectations of table "${spec.name}": ${error.message.slice(0, 600)} Mend: correct the check in sluice.yaml.`,
      { cause: error },
    );
  }
}

/** File and line behind the first ten broken rows, in order; empty where rows cannot be traced. */
async function firstPlaces(duck: Duck, { query }: Judged, trace: Trace | null, rule: Rule): Promise<Place[]> {
  if (trace === null) return [];
  const rows = await duck.rows(
    `SELECT DISTINCT ${FILE_COLUMN} AS file, ${LINE_COLUMN} AS line FROM (${query.withLines}) WHERE ${rule.broken} ORDER BY file, line LIMIT 10`,
  );
  return rows.map((row) => ({ file: textOf(row, 'file'), line: Number(row['line']) }));
}

/** Writes the broken rows to `bad`: as the landed file holds them where they can be traced, else as JSON of the output row. */
async function setAside(
  duck: Duck,
  judged: Judged,
  trace: Trace | null,
  aside: readonly Rule[],
  rows: string,
  bad: BadRows,
): Promise<void> {
  const { query, layer } = judged;
  const any = aside.map((rule) => rule.broken).join(' OR ');
  const flags = aside.map((rule, n) => `${rule.broken} AS q${n}`).join(', ');
  const sql =
    trace === null
      ? `SELECT to_json(r)::VARCHAR AS raw, ${flags} FROM ${rows} r WHERE ${any}`
      : `SELECT t.* EXCLUDE (file, line), i.* FROM (SELECT ${FILE_COLUMN} AS file, ${LINE_COLUMN} AS line, ${flags} FROM (${query.withLines}) WHERE ${any}) t
       JOIN (${trace.relation}) i ON i.file = t.file AND i.line = t.line ORDER BY i.file, i.line`;
  await bad.prepare();
  for await (const batch of duck.stream(sql)) {
    for (const row of batch) {
      const broken = aside.filter((_, n) => row[`q${n}`] === true);
      bad.add({
        layer,
        rule: broken[0]!.name,
        file: trace === null ? null : textOf(row, 'file'),
        line: trace === null ? null : Number(row['line']),
        reason: broken.map((rule) => rule.reason).join('; '),
        raw: await rawOf(row, trace),
      });
    }
    await bad.flush();
  }
}

async function rawOf(row: Row, trace: Trace | null): Promise<string> {
  const reader = trace?.reader ?? null;
  return reader === null ? textOf(row, 'raw') : reader.read(Number(row['n']), Number(row['at']), Number(row['length']));
}
