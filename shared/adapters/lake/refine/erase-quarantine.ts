// A person's rows in the quarantine table: rows are kept there as the landed file holds them, so they are searched as text, and
// rather one too many goes than one too few.
import type { Source } from '../../../contracts/pipeline.ts';
import { splitRecord } from '../csv/header.ts';
import { eraseRows } from '../delta/erase.ts';
import { readSnapshot } from '../delta/snapshot.ts';
import { selectFiles, shapeOf, type WorkTable } from '../delta/table-files.ts';
import { jsonOf, sourceOf } from './case-rows.ts';
import { textOf, type Duck } from './duck.ts';

/** Ids that go in one commit. */
const AT_ONCE = 10_000;

/** Whether a row as it was kept speaks of the person. */
export function concerns(sources: readonly Source[], row: { file: string | null; raw: string }, column: string, value: string): boolean {
  const json = jsonOf(row.raw);
  // Blanks around a value are what often brought a row here.
  const is = (text: string | null | undefined) => text?.trim() === value.trim();
  if (json !== null) return column in json ? is(json[column]) : Object.values(json).some(is);
  const source = sourceOf(sources, row.file);
  const columns = Object.keys(source?.columns ?? {});
  const values = splitRecord(row.raw);
  if (values.length !== columns.length) return row.raw.includes(value);
  const place = columns.indexOf(column);
  return place === -1 ? values.some(is) : is(values[place]);
}

export interface ErasedQuarantine {
  rows: number;
  /** null: there is no table. */
  version: number | null;
}

/** Erases the rows. `appIdOf` gives the transaction of each commit by its number. */
export async function eraseQuarantined(
  duck: Duck,
  table: WorkTable,
  request: { sources: readonly Source[]; column: string; value: string; appIdOf: (n: number) => string },
  options: { now: () => number; warn: (message: string) => void },
): Promise<ErasedQuarantine> {
  const snapshot = await readSnapshot(table);
  if (!snapshot) return { rows: 0, version: null };
  const rows = await selectFiles(table, shapeOf(table, snapshot), [...snapshot.files.values()]);
  const ids: string[] = [];
  for await (const batch of duck.stream(`SELECT id, file, raw FROM (${rows})`))
    for (const row of batch) {
      const kept = { file: row['file'] === null ? null : textOf(row, 'file'), raw: textOf(row, 'raw') };
      if (concerns(request.sources, kept, request.column, request.value)) ids.push(textOf(row, 'id'));
    }
  let { version } = snapshot;
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const values = ids.slice(from, from + AT_ONCE);
    const erased = await eraseRows(table, { appId: request.appIdOf(from / AT_ONCE), column: 'id', values }, options);
    version = erased.version ?? version;
  }
  return { rows: ids.length, version };
}
