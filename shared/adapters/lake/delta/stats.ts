// `add.stats`: what a data file holds per column, made of DuckDB's own counts; and read back without rounding.
// A wrong bound would hide rows, so where none is certain there is none (facts/delta.md §3.3).
import { RejectedError } from '../../../errors/errors.ts';
import type { MetaData } from './actions.ts';
import type { DeltaField } from './types.ts';
import type { Row } from '../refine/duck.ts';

type Facts = Map<string, string>;

/** Per leaf column what DuckDB counted, as text: `"s"."x"` → fact → value. */
export function countedBy(result: Row): Map<string, Facts> {
  const pairs = (value: unknown) => (Array.isArray(value) ? (value as { key: string; value: unknown }[]) : []);
  return new Map(
    pairs(result['column_statistics']).map(({ key, value }) => [key, new Map(pairs(value).map((fact) => [fact.key, String(fact.value)]))]),
  );
}

/** Which columns have statistics: the first 32 leaves, or what the table's configuration says. */
export interface Indexed {
  leaves: number;
  /** Top-level columns; null: any. */
  columns: ReadonlySet<string> | null;
}
export const INDEXED: Indexed = { leaves: 32, columns: null };

/** `delta.dataSkippingNumIndexedCols` and `delta.dataSkippingStatsColumns` of a table. */
export function indexedBy(metaData: MetaData | null): Indexed {
  const { 'delta.dataSkippingNumIndexedCols': number, 'delta.dataSkippingStatsColumns': list } = metaData?.configuration ?? {};
  if (list !== undefined)
    return { leaves: Infinity, columns: new Set(list.split(',').map((name) => name.trim().replaceAll('`', '').split('.')[0]!)) };
  const leaves = Number(number ?? INDEXED.leaves);
  return { leaves: leaves < 0 ? Infinity : Number.isFinite(leaves) ? leaves : 0, columns: null };
}

interface Parts {
  min: string[];
  max: string[];
  nulls: string[];
}

/** The text of `add.stats`; structs are mirrored, lists and maps have nothing. Numbers are spliced in as text: JSON.stringify would round them. */
export function statsText(rows: number, fields: readonly DeltaField[], counted: Map<string, Facts>, indexed: Indexed = INDEXED): string {
  let left = indexed.leaves;
  const collect = (of: readonly DeltaField[], path: string): Parts => {
    const parts: Parts = { min: [], max: [], nulls: [] };
    for (const field of of) {
      if (left <= 0 || (path === '' && indexed.columns !== null && !indexed.columns.has(field.name))) continue;
      const key = `${path}"${field.name.replaceAll('"', '""')}"`;
      const name = JSON.stringify(field.name);
      if (typeof field.type === 'object') {
        if (field.type.type !== 'struct') continue;
        const inner = collect(field.type.fields, `${key}.`);
        for (const kind of ['min', 'max', 'nulls'] as const)
          if (inner[kind].length > 0) parts[kind].push(`${name}:{${inner[kind].join(',')}}`);
        continue;
      }
      left -= 1;
      const facts = counted.get(key);
      const nullCount = facts?.get('null_count');
      if (facts === undefined || nullCount === undefined) continue;
      parts.nulls.push(`${name}:${nullCount}`);
      const bounds = boundsOf(field, facts);
      if (bounds === null) continue;
      parts.min.push(`${name}:${bounds.min}`);
      if (bounds.max !== null) parts.max.push(`${name}:${bounds.max}`);
    }
    return parts;
  };
  const { min, max, nulls } = collect(fields, '');
  return `{"numRecords":${rows},"minValues":{${min.join(',')}},"maxValues":{${max.join(',')}},"nullCount":{${nulls.join(',')}}}`;
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
    case 'timestamp_ntz':
      refuseExtreme(field, [min, max]);
      return { min: moment(min, field.type), max: moment(max, field.type) };
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

/** `2016-10-18 11:15:21.123456+00` → `"2016-10-18T11:15:21.123Z"`: truncated to milliseconds, as readers expect; ntz without a zone. */
function moment(text: string, type: 'timestamp' | 'timestamp_ntz'): string {
  const [, day, time, fraction] = /^(\S+) (\d{2}:\d{2}:\d{2})(?:\.(\d+))?/.exec(text)!;
  return JSON.stringify(`${day}T${time}.${(fraction ?? '').padEnd(3, '0').slice(0, 3)}${type === 'timestamp' ? 'Z' : ''}`);
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

/** Bounds of one top-level column as text with every digit; null where the writer gave none. */
export interface Bounds {
  min: string | null;
  max: string | null;
}

/** JSON with its numbers as strings, before JSON.parse can round them. Linear: the text is anybody's. */
function withNumbersAsText(json: string): string {
  const number = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
  const parts: string[] = [];
  let at = 0;
  while (at < json.length) {
    const from = at;
    if (json[at] === '"') {
      at += 1;
      while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
      at += 1;
      parts.push(json.slice(from, at));
      continue;
    }
    number.lastIndex = at;
    const found = number.exec(json)?.[0];
    parts.push(found === undefined ? json[at]! : `"${found}"`);
    at += found?.length ?? 1;
  }
  return parts.join('');
}

/** Reads `add.stats`, by anybody, for these columns. Broken statistics are as good as none: the file is then always read. */
export function readBounds(stats: string | null | undefined, columns: readonly string[]): Map<string, Bounds> {
  const none = new Map(columns.map((column) => [column, { min: null, max: null }]));
  if (stats === null || stats === undefined) return none;
  let parsed: unknown;
  try {
    parsed = JSON.parse(withNumbersAsText(stats));
  } catch {
    return none;
  }
  const value = (kind: string, column: string): string | null => {
    const values: unknown = typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>)[kind] : null;
    if (typeof values !== 'object' || values === null || !Object.hasOwn(values, column)) return null;
    const found = (values as Record<string, unknown>)[column];
    return typeof found === 'string' ? found : null;
  };
  return new Map(columns.map((column) => [column, { min: value('minValues', column), max: value('maxValues', column) }]));
}
