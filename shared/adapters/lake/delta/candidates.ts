// Which files of a table can hold rows with given keys: judged by partition values and statistics, then by the key columns
// themselves, so that copy-on-write touches no file that need not change.
import { RejectedError } from '../../../errors/errors.ts';
import { sqlName, sqlText } from '../refine/duck.ts';
import type { Add } from './actions.ts';
import { duckType } from './schema.ts';
import { readBounds, type Bounds } from './stats.ts';
import { selectFiles, type Shape, type WorkTable } from './table-files.ts';
import type { DeltaField } from './types.ts';

/** Rows that give the keys: a relation with the key columns, no nulls in them. */
export interface Keys {
  columns: readonly DeltaField[];
  /** A table or view of the engine. */
  relation: string;
}

/** Pairs of file and key up to which each key is compared; above it only the smallest and largest key. */
const PAIRS = 20_000_000;

/** The columns by name. Rejects `bad-key` for one that the table does not have or whose values do not compare. */
export function keyColumns(table: string, origin: string, fields: readonly DeltaField[], names: readonly string[]): DeltaField[] {
  return names.map((name) => {
    const field = fields.find((each) => each.name === name);
    if (field === undefined || typeof field.type !== 'string' || field.type === 'binary')
      throw new RejectedError(
        'bad-key',
        `${origin}: "${name}" ${field === undefined ? 'is no column' : 'cannot be a key'} of the table ${table}. Mend: name a column with plain values.`,
      );
    return field;
  });
}

/** A file's bounds of a column; a partition column has one value, and null there holds no key. */
function boundsIn(add: Add, shape: Shape, names: readonly string[]): Map<string, Bounds> | null {
  const bounds = readBounds(add.stats, names);
  for (const name of names) {
    if (!shape.partitionColumns.includes(name)) continue;
    const value = add.partitionValues[name] ?? '';
    if (value === '') return null;
    bounds.set(name, { min: value, max: value });
  }
  return bounds;
}

/** The files whose bounds do not rule out every key. */
export async function filesThatMayHold(table: WorkTable, shape: Shape, files: readonly Add[], keys: Keys): Promise<Add[]> {
  const names = keys.columns.map((field) => field.name);
  const rows = files.flatMap((add, index) => {
    const bounds = boundsIn(add, shape, names);
    if (bounds === null) return [];
    const texts = names.flatMap((name) => [bounds.get(name)!.min, bounds.get(name)!.max]);
    return [`(${[String(index), ...texts.map((text) => (text === null || text.includes('\0') ? 'NULL' : sqlText(text)))].join(', ')})`];
  });
  if (rows.length === 0) return [];
  const [counted] = await table.duck.rows(`SELECT count(*) AS n FROM ${keys.relation}`);
  const each = Number(counted!['n']) * rows.length <= PAIRS;
  const found = new Set<number>();
  for (let from = 0; from < rows.length; from += 1000) {
    const sql = `SELECT f.i FROM (${boundsSql(keys.columns, rows.slice(from, from + 1000))}) f WHERE EXISTS (SELECT 1 FROM ${each ? keys.relation : extremes(keys)} k WHERE ${overlap(keys.columns, each)})`;
    for (const row of await table.duck.rows(sql)) found.add(Number(row['i']));
  }
  return files.filter((_, index) => found.has(index));
}

/** Bounds as typed columns; what does not cast is unknown, and unknown rules nothing out. Maxima of times are cut to milliseconds. */
function boundsSql(columns: readonly DeltaField[], rows: readonly string[]): string {
  const names = columns.flatMap((_, n) => [`lo${n}`, `hi${n}`]);
  const typed = columns.map((field, n) => {
    const type = duckType(field.type);
    const later = field.type === 'timestamp' || field.type === 'timestamp_ntz' ? ' + INTERVAL 1 MILLISECOND' : '';
    return `TRY_CAST(lo${n} AS ${type}) AS lo${n}, TRY_CAST(hi${n} AS ${type})${later} AS hi${n}`;
  });
  return `SELECT i, ${typed.join(', ')} FROM (VALUES ${rows.join(', ')}) b(i, ${names.join(', ')})`;
}

function extremes({ columns, relation }: Keys): string {
  const parts = columns.map((field, n) => `min(${sqlName(field.name)}) AS lo${n}, max(${sqlName(field.name)}) AS hi${n}`);
  return `(SELECT ${parts.join(', ')} FROM ${relation})`;
}

function overlap(columns: readonly DeltaField[], each: boolean): string {
  return columns
    .map((field, n) => {
      const [low, high] = each ? [`k.${sqlName(field.name)}`, `k.${sqlName(field.name)}`] : [`k.lo${n}`, `k.hi${n}`];
      return `(f.lo${n} IS NULL OR ${high} >= f.lo${n}) AND (f.hi${n} IS NULL OR ${low} <= f.hi${n})`;
    })
    .join(' AND ');
}

/** How two relations are joined on the keys. */
export function sameKeys(columns: readonly DeltaField[], left: string, right: string): string {
  return columns.map((field) => `${left}.${sqlName(field.name)} = ${right}.${sqlName(field.name)}`).join(' AND ');
}

/** How many rows of one file have one of the keys. */
export async function matchingRows(table: WorkTable, shape: Shape, add: Add, keys: Keys): Promise<number> {
  const rows = await selectFiles(table, shape, [add]);
  const sql = `SELECT count(*) AS n FROM (${rows}) t WHERE EXISTS (SELECT 1 FROM ${keys.relation} k WHERE ${sameKeys(keys.columns, 't', 'k')})`;
  return Number((await table.duck.rows(sql))[0]!['n']);
}
