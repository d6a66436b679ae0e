// A manifest of files that stay on the premises, as the view `manifest`: one row for each file, never a row of the data. What becomes
// gold of it must still say where each file is and what it must be, because training reads gold to find the data.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ColumnContract, PipelineVersion } from '../../../contracts/pipeline.ts';
import { StagedFile } from '../../../contracts/tables.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { RemoteFile } from '../../../ports/lake.ts';
import { noActions } from '../delta/actions.ts';
import { readSnapshot } from '../delta/snapshot.ts';
import { describeCommit, selectFiles, shapeOf, type WorkTable } from '../delta/table-files.ts';
import type { Trace } from './bronze.ts';
import { sqlText, textOf, type Duck } from './duck.ts';

/** The view's name; its columns are dataset, uri, bytes, sha256, rows (null where the manifest says none), `_row` and `_file`. */
export const MANIFEST_VIEW = 'manifest';
/** Files of one training: their addresses go to it in one document. */
const MAX_STAGED = 500;
/** What the step that brings data in can read where the data is. */
const READABLE = /^(site|file|https?):\/\//;
const COLUMNS = "{'dataset': 'VARCHAR', 'uri': 'VARCHAR', 'bytes': 'BIGINT', 'sha256': 'VARCHAR', 'rows': 'BIGINT', '_row': 'BIGINT'}";

/** Defines the view over the files by their addresses, so that the same files in another order make the same tables. */
export async function defineManifest(duck: Duck, remote: readonly RemoteFile[]): Promise<Map<string, Trace>> {
  const rows = [...remote]
    .sort((a, b) => (a.uri < b.uri ? -1 : 1))
    .map(({ dataset, uri, bytes, sha256, rows: count }, index) => ({
      ...{ dataset: dataset ?? null, uri, bytes, sha256 },
      ...{ rows: count ?? null, _row: index + 1 },
    }));
  const file = join(duck.dir, 'manifest.ndjson');
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  await duck.run(
    `CREATE OR REPLACE TEMP VIEW ${MANIFEST_VIEW} AS SELECT *, uri AS _file FROM read_json(${sqlText(file)}, format = 'newline_delimited', columns = ${COLUMNS})`,
  );
  const relation = `SELECT _file AS file, _row AS line, to_json(m)::VARCHAR AS raw FROM ${MANIFEST_VIEW} m`;
  return new Map([[MANIFEST_VIEW, { relation, reader: null }]]);
}

/** The pipeline with the columns that its gold table must have, whatever its file says of them. */
export function ofManifests(pipeline: PipelineVersion): PipelineVersion {
  const { spec } = pipeline;
  const { gold } = spec.tables;
  const must = (column: string, type: string, unique: boolean): ColumnContract => ({
    ...gold.columns?.[column],
    ...{ type, required: true, unique, onFail: 'fail' },
  });
  const columns = {
    ...gold.columns,
    uri: must('uri', 'string', true),
    bytes: must('bytes', 'long', false),
    sha256: must('sha256', 'string', false),
  };
  return { ...pipeline, spec: { ...spec, tables: { ...spec.tables, gold: { ...gold, columns } } } };
}

/**
 * The addresses of a gold version, for who stands beside the files; nothing is copied. Rejects `table-foreign`, `table-gone`,
 * `gold-changed`, `manifest-columns`, `manifest-too-long`, `data-unreachable`.
 */
export async function addressesOf(
  duck: Duck,
  gold: WorkTable,
  asked: { path: string; version: number; digest: string },
): Promise<StagedFile[]> {
  if (asked.path !== gold.root)
    throw new RejectedError('table-foreign', `${asked.path} is not the gold table of this pipeline (${gold.root}).`);
  const snapshot = await readSnapshot(gold, asked.version);
  if (!snapshot) throw new RejectedError('table-gone', `${gold.root}: the table does not exist any more.`);
  const commit = await describeCommit(gold, snapshot, noActions());
  const where = `${gold.root} version ${asked.version}`;
  if (commit.digest !== asked.digest)
    throw new RejectedError('gold-changed', `${where} has the digest ${commit.digest}, not ${asked.digest}: its log was rewritten.`);
  const shape = shapeOf(gold, snapshot);
  const missing = ['uri', 'bytes', 'sha256'].filter((name) => !shape.fields.some((field) => field.name === name));
  if (missing.length > 0)
    throw new RejectedError(
      'manifest-columns',
      `${where} has no column ${missing.join(', ')}, so nobody can find the files. Mend: select uri, bytes and sha256 in gold.sql.`,
    );
  const select = await selectFiles(gold, shape, [...snapshot.files.values()]);
  const rows = await duck.rows(`SELECT uri, CAST(bytes AS VARCHAR) AS bytes, sha256 FROM (${select}) ORDER BY uri LIMIT ${MAX_STAGED + 1}`);
  if (rows.length > MAX_STAGED)
    throw new RejectedError(
      'manifest-too-long',
      `${where} names more than ${MAX_STAGED} files; one training takes ${MAX_STAGED}. Mend: write fewer, larger files at the site.`,
    );
  return rows.map((row) => {
    const file = StagedFile.parse({ path: textOf(row, 'uri'), bytes: Number(row['bytes']), sha256: textOf(row, 'sha256') });
    if (READABLE.test(file.path)) return file;
    throw new RejectedError(
      'data-unreachable',
      `${file.path}: the step beside the data reads site://, file:// and https:// addresses. Mend: name the file below the site's volume, e.g. site://DATASET/FILE.`,
    );
  });
}
