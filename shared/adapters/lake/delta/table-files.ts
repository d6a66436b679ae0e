// Data files of tables: fetched once per piece of work with size and SHA-256 checked, shown to SQL as a view over one snapshot,
// and summed up as the commit that the rest of the product speaks of.
import type { ContainerClient } from '@azure/storage-blob';
import { join } from 'node:path';
import type { Commit } from '../../../contracts/tables.ts';
import { digestOfFiles } from '../../../decisions/digest.ts';
import { RejectedError } from '../../../errors/errors.ts';
import { recordsOf, SHA_TAG, type Actions, type Add } from './actions.ts';
import { readCheckpoint } from './checkpoint.ts';
import { blobName, refuseHiddenType } from './protocol.ts';
import { duckType, parseSchema, readSchema } from './schema.ts';
import { readCommit, readSnapshot, type DeltaTable, type Snapshot } from './snapshot.ts';
import type { DeltaField } from './types.ts';
import { sqlName, sqlText, type Duck } from '../refine/duck.ts';
import type { LocalFile } from './parquet.ts';
import { blobStorage, type TableStorage } from './table-storage.ts';

/** A table with what one piece of work already holds of it. */
export interface WorkTable extends DeltaTable {
  layer: Commit['layer'];
  name: string;
  duck: Duck;
  /** Path in the log → copy in the work folder. */
  local: Map<string, LocalCopy>;
}
export interface OpenTable extends WorkTable {
  container: ContainerClient;
}
interface LocalCopy {
  file: string;
  sha256: string;
}

/** Columns of a table, and which of them stand in the log instead of the files. */
export interface Shape {
  fields: readonly DeltaField[];
  partitionColumns: readonly string[];
}

export function shapeOf(table: DeltaTable, snapshot: Snapshot): Shape {
  const fields = parseSchema(snapshot.metaData.schemaString, table.root);
  refuseHiddenType(table.root, snapshot.protocol, fields);
  return { fields, partitionColumns: snapshot.metaData.partitionColumns };
}

let copies = 0;

/** A table at `root` (with a trailing slash) of any storage. */
export function workTable(duck: Duck, storage: TableStorage, layer: Commit['layer'], name: string, root: string): WorkTable {
  return {
    storage,
    root,
    layer,
    name,
    duck,
    local: new Map(),
    readCheckpoint: async (names) => readCheckpoint(duck, storage, names),
  };
}

/** The table `name` of a pipeline's layer in the lake. */
export function openTable(duck: Duck, container: ContainerClient, layer: Commit['layer'], pipeline: string, name: string): OpenTable {
  return { ...workTable(duck, blobStorage(container), layer, name, `${layer}/${pipeline}/${name}/`), container };
}

/** Remembers a file that was just written here, so that it is not fetched again. */
export function remember(table: WorkTable, path: string, file: LocalFile): void {
  table.local.set(path, { file: file.file, sha256: file.sha256 });
}

/** The file's copy here. Rejects `file-gone` and `file-damaged` with the file named: fewer rows are never used. */
async function copyOf(table: WorkTable, add: Add): Promise<LocalCopy> {
  const known = table.local.get(add.path);
  if (known) return known;
  const name = table.root + blobName(table.root, add.path);
  copies += 1;
  const file = join(table.duck.dir, `table-${copies}.parquet`);
  const found = await table.storage.download(name, file).catch((error: unknown) => {
    if (error instanceof RejectedError && error.code === 'blob-gone')
      throw new RejectedError(
        'file-gone',
        `${name}: the table's log names this file and it does not exist (vacuumed?). That version cannot be read any more.`,
        { cause: error },
      );
    throw error;
  });
  const expected = add.tags?.[SHA_TAG] ?? found.sha256;
  if (found.bytes !== add.size || found.sha256 !== expected)
    throw new RejectedError(
      'file-damaged',
      `${name}: ${found.bytes} bytes with SHA-256 ${found.sha256} instead of ${add.size} bytes with ${expected}. Mend: restore the file.`,
    );
  const copy = { file, sha256: found.sha256 };
  table.local.set(add.path, copy);
  return copy;
}

/** SQL that selects all rows of `files` with the table's columns, in the order of the files; with the row's number in its file as `rowNumber`. */
export async function selectFiles(table: WorkTable, shape: Shape, files: readonly Add[], rowNumber: string | null = null): Promise<string> {
  const number = rowNumber === null ? '' : `, file_row_number AS ${sqlName(rowNumber)}`;
  const columns = [...shape.fields.map((field) => field.name), ...(rowNumber === null ? [] : [rowNumber])].map(sqlName).join(', ');
  // Neighbours with the same partition values are read together; the values come from the log, never from the files.
  const groups: { values: string; files: string[]; add: Add }[] = [];
  for (const add of files) {
    const values = JSON.stringify(shape.partitionColumns.map((column) => add.partitionValues[column] ?? null));
    const { file } = await copyOf(table, add);
    if (groups.at(-1)?.values === values) groups.at(-1)!.files.push(file);
    else groups.push({ values, files: [file], add });
  }
  const stored = shape.fields.filter((field) => !shape.partitionColumns.includes(field.name));
  const selects = groups.map((group) => {
    const partitions = shape.fields.filter((field) => shape.partitionColumns.includes(field.name));
    const values = partitions.map((field) => `, ${partitionValue(table, field, group.add)} AS ${sqlName(field.name)}`).join('');
    return `SELECT *${number}${values} FROM read_parquet([${group.files.map(sqlText).join(', ')}], schema = ${readSchema(stored)}, hive_partitioning = false)`;
  });
  // An empty list is an error in read_parquet.
  if (selects.length === 0)
    return `SELECT ${shape.fields.map((field) => `CAST(NULL AS ${duckType(field.type)}) AS ${sqlName(field.name)}`).join(', ')}${rowNumber === null ? '' : `, 0::BIGINT AS ${sqlName(rowNumber)}`} WHERE false`;
  return `SELECT ${columns} FROM (${selects.join(' UNION ALL BY NAME ')})`;
}

/** A partition value of the log as SQL: a string of the column's type; empty and absent are null (facts/delta.md §3.1). */
function partitionValue(table: WorkTable, field: DeltaField, add: Add): string {
  const text = add.partitionValues[field.name] ?? '';
  if (typeof field.type !== 'string' || field.type === 'binary')
    throw new RejectedError('table-unsupported', `${table.root}: partition column "${field.name}" has a type that is not read here.`);
  return `CAST(${text === '' ? 'NULL' : sqlText(text)} AS ${duckType(field.type)})`;
}

/** Rows of one file: what the log says, else counted. */
async function rowsOf(table: WorkTable, add: Add): Promise<number> {
  const known = recordsOf(add);
  if (known !== null) return known;
  const { file } = await copyOf(table, add);
  const [row] = await table.duck.rows(`SELECT num_rows AS n FROM parquet_file_metadata(${sqlText(file)})`);
  return Number(row!['n']);
}

/** A version as the product's `Commit`; `actions` are those of its commit file. */
export async function describeCommit(table: WorkTable, snapshot: Snapshot, actions: Actions): Promise<Commit> {
  let rows = 0;
  const files: { path: string; sha256: string }[] = [];
  for (const add of snapshot.files.values()) {
    rows += await rowsOf(table, add);
    files.push({ path: add.path, sha256: add.tags?.[SHA_TAG] ?? (await copyOf(table, add)).sha256 });
  }
  let addedRows = 0;
  for (const add of actions.adds) addedRows += await rowsOf(table, add);
  return {
    layer: table.layer,
    table: table.name,
    path: table.root,
    version: snapshot.version,
    rows,
    addedRows,
    digest: digestOfFiles(files),
  };
}

/** The commit that carried a transaction, with the state right after it; null when the table does not know the transaction. */
export async function findTransaction(table: WorkTable, appId: string): Promise<{ snapshot: Snapshot; actions: Actions } | null> {
  const newest = await readSnapshot(table);
  if (!newest?.txns.has(appId)) return null;
  for (let version = newest.txns.get(appId)!.committedIn ?? newest.version; version >= 0; version -= 1) {
    const actions = newest.commits.get(version) ?? (await readCommit(table, version));
    if (actions === null) break;
    if (!actions.txns.some((txn) => txn.appId === appId)) continue;
    const snapshot = version === newest.version ? newest : await readSnapshot(table, version);
    return { snapshot: snapshot!, actions };
  }
  throw new RejectedError(
    'version-gone',
    `${table.root}: this data was committed, but the log no longer holds the commit. Nothing is committed again.`,
  );
}
