// A query's result as one Parquet file, with what its `add` action needs: rows, size, SHA-256, statistics per column.
// Codec snappy and format v1: every reader knows them (facts/delta.md §7). Equal input gives equal bytes.
import { RejectedError } from '../../../errors/errors.ts';
import type { DeltaField } from './types.ts';
import { sqlText, type Duck, type Row } from '../refine/duck.ts';
import { hashFile } from '../storage.ts';

/** A Parquet file in the work folder. */
export interface LocalFile {
  file: string;
  rows: number;
  bytes: number;
  sha256: string;
  /** Text of `add.stats`. */
  stats: string;
}

/** Writes `query` to `file`. `origin` goes into the file's metadata, so that equal rows of two runs are two files; null leaves it out. */
export async function writeParquet(
  duck: Duck,
  query: string,
  file: string,
  fields: readonly DeltaField[],
  origin: string | null,
): Promise<LocalFile> {
  const metadata = origin === null ? '' : `, KV_METADATA {'sluice.txn': ${sqlText(origin)}}`;
  const [result] = await duck.rows(
    `COPY (${query}) TO ${sqlText(file)} (FORMAT parquet, COMPRESSION snappy, PARQUET_VERSION v1, RETURN_STATS${metadata})`,
  );
  const rows = Number(result!['count']);
  const { sha256, bytes } = await hashFile(file);
  return { file, rows, bytes, sha256, stats: statsOf(rows, fields, statistics(result!)) };
}

type Facts = Map<string, string>;

/** Per top-level column what DuckDB counted, as text. */
function statistics(result: Row): Map<string, Facts> {
  const pairs = (value: unknown) => (Array.isArray(value) ? (value as { key: string; value: unknown }[]) : []);
  return new Map(
    pairs(result['column_statistics']).map(({ key, value }) => [key, new Map(pairs(value).map((fact) => [fact.key, String(fact.value)]))]),
  );
}

/** Columns after this one have no statistics (Delta's default for `delta.dataSkippingNumIndexedCols`). */
const INDEXED_COLUMNS = 32;

/** `add.stats`: numbers are spliced in as text, because JSON.stringify would round 64-bit integers and decimals (facts/delta.md §3.3). */
function statsOf(rows: number, fields: readonly DeltaField[], found: Map<string, Facts>): string {
  const [min, max, nulls]: string[][] = [[], [], []];
  for (const field of fields.slice(0, INDEXED_COLUMNS)) {
    const facts = found.get(`"${field.name.replaceAll('"', '""')}"`);
    if (facts === undefined || typeof field.type !== 'string') continue;
    const name = JSON.stringify(field.name);
    const nullCount = facts.get('null_count');
    if (nullCount !== undefined) nulls!.push(`${name}:${nullCount}`);
    const bounds = boundsOf(field, facts);
    if (bounds === null) continue;
    min!.push(`${name}:${bounds.min}`);
    if (bounds.max !== null) max!.push(`${name}:${bounds.max}`);
  }
  return `{"numRecords":${rows},"minValues":{${min!.join(',')}},"maxValues":{${max!.join(',')}},"nullCount":{${nulls!.join(',')}}}`;
}

/** JSON texts of the bounds; null where there are none, or where wrong ones would hide rows. */
function boundsOf(field: DeltaField, facts: Facts): { min: string; max: string | null } | null {
  const [min, max] = [facts.get('min'), facts.get('max')];
  if (min === undefined || max === undefined || typeof field.type !== 'string') return null;
  switch (field.type) {
    case 'byte':
    case 'short':
    case 'integer':
    case 'long':
      return numbers(min, max);
    case 'float':
    case 'double':
      return facts.get('has_nan') === 'false' ? numbers(min, max) : null;
    case 'date':
      refuseExtreme(field, [min, max]);
      return { min: JSON.stringify(min), max: JSON.stringify(max) };
    case 'timestamp':
      refuseExtreme(field, [min, max]);
      return { min: instant(min), max: instant(max) };
    case 'string':
      return { min: JSON.stringify(cut(min)), max: upperBound(max) };
    default:
      return field.type.startsWith('decimal') ? numbers(min, max) : null;
  }
}

function numbers(min: string, max: string): { min: string; max: string } | null {
  const json = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
  return json.test(min) && json.test(max) ? { min, max } : null;
}

/** `infinity` and years that other readers cannot hold are written as extreme values: refuse them here. */
function refuseExtreme(field: DeltaField, bounds: string[]): void {
  for (const bound of bounds)
    if (!/^\d{4}-\d{2}-\d{2}( |$)/.test(bound) || bound.startsWith('0000') || bound.includes('BC'))
      throw new RejectedError(
        'value-out-of-range',
        `column "${field.name}" holds ${bound.slice(0, 40)}, which is outside the years 0001 to 9999. Mend: set such values to NULL in the SQL or set the rows aside by an expectation.`,
      );
}

/** `2016-10-18 11:15:21.123456+00` → `"2016-10-18T11:15:21.123Z"`: truncated to milliseconds, as readers expect. */
function instant(text: string): string {
  const [, day, time, fraction] = /^(\S+) (\d{2}:\d{2}:\d{2})(?:\.(\d+))?/.exec(text)!;
  return JSON.stringify(`${day}T${time}.${(fraction ?? '').padEnd(3, '0').slice(0, 3)}Z`);
}

const KEPT = 32;

function cut(text: string): string {
  return Array.from(text).slice(0, KEPT).join('');
}

/** A text that sorts at or after the value, in UTF-8 order; null when none is near. */
function upperBound(text: string): string | null {
  const letters = Array.from(text);
  if (letters.length <= KEPT) return JSON.stringify(text);
  const dropped = letters[KEPT]!.codePointAt(0)!;
  if (dropped === 0x10ffff) return null;
  return JSON.stringify(`${letters.slice(0, KEPT).join('')}${dropped < 0x7f ? '\u007f' : '\u{10ffff}'}`);
}
