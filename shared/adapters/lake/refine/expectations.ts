// Expectations over a table's output, row by row: warn, set aside whole, or fail. NULL counts as broken: a check must be true.
// Rows are judged in the written candidate file, so the owner's SQL runs once; only broken rows are traced back to their lines.
import type { Expectation, Table } from '../../../contracts/pipeline.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { BadRows } from '../csv/bad-rows.ts';
import { sqlText, textOf, type Duck, type Row } from './duck.ts';
import type { RowReader } from '../landed-file.ts';
import { LINE_COLUMN, refuseNonExpression, type OwnersQuery } from './sql-views.ts';

/** What is judged: the candidate file and, where rows can be traced to lines of one landed file, that file's name and reader. */
export interface Judged {
  layer: 'silver' | 'gold';
  spec: Table;
  candidate: string;
  query: OwnersQuery;
  trace: { file: string; reader: RowReader } | null;
}

const broken = (expectation: Expectation) => `((${expectation.check}\n) IS NOT TRUE)`;

/** Counts and acts; gives the SQL condition of the rows that stay, or null when all stay. Rejects `expectation-failed`, `bad-expectation`. */
export async function judge(duck: Duck, judged: Judged, bad: BadRows): Promise<string | null> {
  const { spec, candidate } = judged;
  if (spec.expect.length === 0) return null;
  for (const expectation of spec.expect) await refuseNonExpression(duck, expectation.name, expectation.check);
  const rows = `read_parquet(${sqlText(candidate)}, hive_partitioning = false)`;
  const [counts] = await bound(spec, async () =>
    duck.rows(`SELECT ${spec.expect.map((each, n) => `count(*) FILTER (WHERE ${broken(each)}) AS e${n}`).join(', ')} FROM ${rows}`),
  );
  const found = spec.expect.map((expectation, n) => ({ expectation, rows: Number(counts![`e${n}`]) })).filter((each) => each.rows > 0);
  for (const each of found) {
    const lines = await firstLines(duck, judged, each.expectation);
    if (each.expectation.onFail === 'fail') throw failed(judged, each.expectation, each.rows, lines);
    bad.count(each.expectation.name, each.expectation.onFail, lines[0] ?? null, each.rows);
    for (const line of lines.slice(1)) bad.count(each.expectation.name, each.expectation.onFail, line, 0);
  }
  const aside = found.filter((each) => each.expectation.onFail === 'quarantine').map((each) => each.expectation);
  if (aside.length === 0) return null;
  await setAside(duck, judged, aside, rows, bad);
  return `NOT (${aside.map(broken).join(' OR ')})`;
}

function failed(judged: Judged, expectation: Expectation, rows: number, lines: readonly number[]): RejectedError {
  const where =
    judged.trace === null ? `table ${judged.spec.name}` : `${judged.trace.file}, line${lines.length > 1 ? 's' : ''} ${lines.join(', ')}`;
  return new RejectedError(
    'expectation-failed',
    `${where}: ${rows} row${rows === 1 ? '' : 's'} of ${judged.layer} break${rows === 1 ? 's' : ''} the expectation "${expectation.name}" (${expectation.check.slice(0, 200)}). ` +
      'Mend: correct the rows and drop the file again, or set "onFail: quarantine" in sluice.yaml.',
  );
}

/** An expectation that names no column of the output, or breaks while it runs. */
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

/** The lines behind the first ten broken rows, ascending; empty where rows cannot be traced. */
async function firstLines(duck: Duck, judged: Judged, expectation: Expectation): Promise<number[]> {
  if (judged.trace === null || judged.query.withLines === null) return [];
  const rows = await duck.rows(
    `SELECT DISTINCT ${LINE_COLUMN} AS line FROM (${judged.query.withLines}) WHERE ${broken(expectation)} ORDER BY line LIMIT 10`,
  );
  return rows.map((row) => Number(row['line']));
}

/** Writes the broken rows to `bad`: as the landed file holds them where they can be traced, else as JSON of the output row. */
async function setAside(duck: Duck, judged: Judged, aside: readonly Expectation[], rows: string, bad: BadRows): Promise<void> {
  const { trace, query, layer } = judged;
  const any = aside.map(broken).join(' OR ');
  const flags = aside.map((each, n) => `${broken(each)} AS q${n}`).join(', ');
  const traced = trace !== null && query.withLines !== null;
  const sql = traced
    ? `SELECT line, i._at AS at, i._length AS length, t.* EXCLUDE (line) FROM (SELECT ${LINE_COLUMN} AS line, ${flags} FROM (${query.withLines}) WHERE ${any}) t
       JOIN intake i ON i._row = t.line ORDER BY line`
    : `SELECT to_json(r)::VARCHAR AS raw, ${flags} FROM ${rows} r WHERE ${any}`;
  await bad.prepare();
  for await (const batch of duck.stream(sql)) {
    for (const row of batch) {
      const names = aside.filter((_, n) => row[`q${n}`] === true);
      bad.add({
        layer,
        rule: names[0]!.name,
        file: traced ? trace.file : null,
        line: traced ? Number(row['line']) : null,
        reason: names.map((each) => `not true: ${each.check}`).join('; '),
        raw: await rawOf(row, traced ? trace : null),
      });
    }
    await bad.flush();
  }
}

async function rawOf(row: Row, trace: Judged['trace']): Promise<string> {
  return trace === null ? textOf(row, 'raw') : trace.reader.read(0, Number(row['at']), Number(row['length']));
}
