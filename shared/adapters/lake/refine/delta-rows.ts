// The rows of a Delta source as a view with the declared columns, `_row` and `_file`: the dataset is a commit of the table.
// Silver gets the rows that the commit added; where silver is replaced each time, all rows of the version.
import type { ContainerClient } from '@azure/storage-blob';
import type { Source } from '../../../contracts/pipeline.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { Add } from '../delta/actions.ts';
import { commitName, readCommit, readSnapshot } from '../delta/snapshot.ts';
import { selectFiles, shapeOf, workTable, type WorkTable } from '../delta/table-files.ts';
import { blobStorage } from '../delta/table-storage.ts';
import { sqlName, sqlText, type Duck } from './duck.ts';
import { judgeSchema } from './parquet-rows.ts';

/** Defines `view` and gives the number of rows. Rejects `delta-rewrites`, `table-gone`, `wrong-schema`, and what reading a table rejects. */
export async function defineDelta(
  duck: Duck,
  container: ContainerClient,
  view: string,
  source: Source,
  version: number,
  mode: string,
): Promise<number> {
  const table = workTable(duck, blobStorage(container), 'silver', source.name, source.path);
  const snapshot = await readSnapshot(table, version);
  if (!snapshot) throw new RejectedError('table-gone', `${source.path}: the Delta table does not exist any more.`);
  const files = mode === 'overwrite' ? [...snapshot.files.values()] : await addedBy(table, version, mode);
  const rows = await selectFiles(table, shapeOf(table, snapshot), files);
  const types = judgeSchema(`${source.path} version ${version}`, source, await duck.describe(rows));
  const columns = Object.entries(types).map(([name, type]) => `CAST(${sqlName(name)} AS ${type}) AS ${sqlName(name)}`);
  await duck.run(
    `CREATE OR REPLACE TEMP VIEW ${view} AS SELECT ${columns.join(', ')}, row_number() OVER () AS _row, ${sqlText(commitName(source.path, version))} AS _file FROM (${rows})`,
  );
  const [counted] = await duck.rows(`SELECT count(*) AS n FROM ${view}`);
  return Number(counted!['n']);
}

/** The files that a commit brought. What it changed in older rows, appending cannot follow; merging can, by their keys. */
async function addedBy(table: WorkTable, version: number, mode: string): Promise<Add[]> {
  const actions = await readCommit(table, version);
  if (actions === null)
    throw new RejectedError('version-gone', `${table.root}: version ${version} is no longer in the log, so its rows cannot be told.`);
  if (mode === 'append' && actions.removes.some((remove) => remove.dataChange))
    throw new RejectedError(
      'delta-rewrites',
      `${table.root}: version ${version} changed or removed rows, which appending to silver cannot follow. Mend: use "mode: overwrite" or "merge(…)" for silver.`,
    );
  return actions.adds.filter((add) => add.dataChange);
}
