// Copy-on-write: each touched file is replaced by one without the rows that have a key, in the same partition; files of which
// nothing is left are only removed.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { sqlName } from '../refine/duck.ts';
import { SHA_TAG, type Add } from './actions.ts';
import { filesThatMayHold, matchingRows, sameKeys, type Keys } from './candidates.ts';
import { writeParquet, type LocalFile } from './parquet.ts';
import { logPath, partitionFolder, type PartitionValues } from './partitions.ts';
import { indexedBy } from './stats.ts';
import type { Snapshot } from './snapshot.ts';
import { remember, selectFiles, type Shape, type WorkTable } from './table-files.ts';

/** A file in the work folder that belongs into the table's folder under `name`; `add` is what the log will say of it. */
export interface PlacedFile {
  name: string;
  local: LocalFile;
  add: Add;
}

/** Gives a file its place: named by its content, in the folder of its partition. */
export function place(table: WorkTable, columns: readonly string[], values: PartitionValues, local: LocalFile): PlacedFile {
  const name = `${partitionFolder(columns, values)}part-${local.sha256.slice(0, 32)}.parquet`;
  const path = logPath(name);
  remember(table, path, local);
  return {
    name,
    local,
    add: {
      path,
      partitionValues: values,
      size: local.bytes,
      modificationTime: 0,
      dataChange: true,
      stats: local.stats,
      tags: { [SHA_TAG]: local.sha256 },
    },
  };
}

/** Columns that stand in the files. */
export function storedFields(shape: Shape): Shape['fields'] {
  return shape.fields.filter((field) => !shape.partitionColumns.includes(field.name));
}

export interface Rewritten {
  removes: Add[];
  files: PlacedFile[];
  /** Rows with a key: gone. */
  dropped: number;
  /** Rows of touched files that stay. */
  copied: number;
}

const NUMBER = '_sluice_n';

/** Replaces the files that hold rows with these keys. `origin` goes into the new files, so that equal content of two works has two names. */
export async function rewriteWithout(table: WorkTable, snapshot: Snapshot, shape: Shape, keys: Keys, origin: string): Promise<Rewritten> {
  const { duck } = table;
  const done: Rewritten = { removes: [], files: [], dropped: 0, copied: 0 };
  for (const add of await filesThatMayHold(table, shape, [...snapshot.files.values()], keys)) {
    const matching = await matchingRows(table, shape, add, keys);
    if (matching === 0) continue;
    done.removes.push(add);
    done.dropped += matching;
    const rows = await selectFiles(table, shape, [add], NUMBER);
    const names = storedFields(shape).map((field) => `t.${sqlName(field.name)}`);
    // A value that is null has no key, so it stays: NOT EXISTS keeps it.
    const query = `SELECT ${names.join(', ')} FROM (${rows}) t WHERE NOT EXISTS (SELECT 1 FROM ${keys.relation} k WHERE ${sameKeys(keys.columns, 't', 'k')}) ORDER BY t.${NUMBER}`;
    const local = await writeParquet(
      duck,
      query,
      join(duck.dir, `rewrite-${randomUUID()}.parquet`),
      storedFields(shape),
      `${origin} ${add.path}`,
      indexedBy(snapshot.metaData),
    );
    if (local.rows === 0) continue;
    done.copied += local.rows;
    done.files.push(place(table, shape.partitionColumns, { ...partitionsOf(shape, add) }, local));
  }
  return done;
}

/** Every partition column, absent and empty values as null. */
function partitionsOf(shape: Shape, add: Add): PartitionValues {
  return Object.fromEntries(
    shape.partitionColumns.map((column) => {
      const value = add.partitionValues[column] ?? null;
      return [column, value === '' ? null : value];
    }),
  );
}
