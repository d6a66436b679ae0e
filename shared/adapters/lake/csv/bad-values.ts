// Judges every value of the intake by its column's declared type; rows with a bad value are set aside whole or fail the dataset,
// as the source says.
import type { Source } from '../../../contracts/pipeline.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { BadRows } from './bad-rows.ts';
import { columnChecks, type ColumnCheck } from './column-checks.ts';
import type { Duck, Row } from '../refine/duck.ts';
import type { RowReader } from '../landed-file.ts';

export const MEND_ROWS = 'Mend: correct the file and drop it again, or set "badRows: quarantine" in sluice.yaml to set such rows aside.';
const MAX_SHOWN = 60;

/** A value for a message: quoted, cut, control characters escaped. */
function shown(value: string): string {
  return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value);
}

/** `; 2 more bad rows in this dataset` after the first of several. */
export function others(rows: number): string {
  return rows > 1 ? `; ${rows - 1} more bad row${rows === 2 ? '' : 's'} in this dataset` : '';
}

/** Gives the SQL condition of good rows of the relation `intake`; null when all are. Rejects `bad-rows`, `bad-timestamp-format`. */
export async function setBadValuesAside(
  duck: Duck,
  source: Source,
  intake: string,
  paths: readonly string[],
  bad: BadRows,
  reader: RowReader,
): Promise<string | null> {
  const checks = columnChecks(source);
  if (checks.length === 0) return null;
  const anyBad = checks.map((check) => check.bad).join(' OR ');
  const [found] = await withFormat(source, async () => duck.rows(`SELECT count(*) AS n FROM ${intake} WHERE ${anyBad}`));
  const count = Number(found!['n']);
  if (count === 0) return null;
  const values = checks.map((check, n) => `CASE WHEN ${check.bad} THEN ${check.name} END AS v${n}`);
  // Its rows come in the order of the file that the scanner wrote: no sort is needed.
  const query = `SELECT _file, _row, _at, _length, ${values.join(', ')} FROM ${intake} WHERE ${anyBad}`;
  for await (const batch of duck.stream(query)) {
    for (const row of batch) {
      const path = paths[Number(row['_file'])]!;
      const line = Number(row['_row']);
      const problems = problemsOf(checks, row);
      const reason = problems.map((problem) => problem.words).join('; ');
      if (source.badRows === 'fail') throw new RejectedError('bad-rows', `${path}, line ${line}: ${reason}${others(count)}. ${MEND_ROWS}`);
      for (const problem of problems) bad.count(problem.rule, 'quarantine', line);
      const raw = await reader.read(Number(row['_file']), Number(row['_at']), Number(row['_length']));
      bad.add({ layer: 'bronze', rule: problems[0]!.rule, file: path, line, reason, raw });
    }
    await bad.flush();
  }
  return `NOT (${anyBad})`;
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
async function withFormat<T>(source: Source, work: () => Promise<T>): Promise<T> {
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
