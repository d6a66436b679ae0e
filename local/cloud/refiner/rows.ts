// Rows of a work folder through DuckDB: files in, Parquet with statistics out, rules judged. Values of other types than Delta has are refused.
import { stat } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { Source, Table } from './manifest.ts';
import type { Field } from './table-log.ts';

export const name = (text: string): string => `"${text.replaceAll('"', '""')}"`;
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;

export async function rows(duck: DuckDBConnection, sql: string): Promise<Record<string, unknown>[]> {
  return (await duck.runAndReadAll(sql)).getRowObjectsJS();
}

const PARSED: Readonly<Record<string, string>> = {
  integer: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMPTZ',
};

/** Files of one source as a view: every column as text, and `_row`, the row's number in its file. Whole or not at all. */
export async function defineSource(duck: DuckDBConnection, view: string, source: Source, files: readonly string[]): Promise<void> {
  if (source.format === 'delta') throw new Error(`source "${source.name}" is a Delta table: this engine is handed files`);
  const columns = Object.keys(source.columns);
  const selects = files.map((file, n) => {
    const relation = source.format === 'parquet' ? `read_parquet(${text(file)})` : csv(file, columns);
    return `SELECT ${columns.map((column) => `${name(column)}::VARCHAR AS ${name(column)}`).join(', ')}, row_number() OVER () AS _row, ${n} AS _file FROM ${relation}`;
  });
  await duck.run(`CREATE TEMP TABLE ${name(view)} AS ${selects.join(' UNION ALL ')}`);
  for (const [column, type] of Object.entries(source.columns)) {
    const parsed = PARSED[type];
    if (parsed === undefined || (type === 'timestamp' && source.timestampFormat !== undefined)) continue;
    const bad = await rows(
      duck,
      `SELECT _row FROM ${name(view)} WHERE ${name(column)} <> '' AND TRY_CAST(${name(column)} AS ${parsed}) IS NULL LIMIT 1`,
    );
    if (bad[0]) throw new Error(`source "${source.name}": column "${column}" holds no ${type} in row ${String(bad[0]['_row'])}`);
  }
}

function csv(file: string, columns: readonly string[]): string {
  const declared = columns.map((column) => `${text(column)}: 'VARCHAR'`).join(', ');
  return `read_csv(${text(file)}, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', columns = {${declared}}, nullstr = '')`;
}

const TYPES: Readonly<Record<string, string>> = {
  BIGINT: 'long',
  INTEGER: 'integer',
  SMALLINT: 'short',
  TINYINT: 'byte',
  DOUBLE: 'double',
  FLOAT: 'float',
  VARCHAR: 'string',
  BOOLEAN: 'boolean',
  DATE: 'date',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
};

/** Columns of a relation with their Delta types. */
export async function fieldsOf(duck: DuckDBConnection, relation: string): Promise<Field[]> {
  return (await rows(duck, `DESCRIBE SELECT * FROM ${name(relation)}`)).map((row) => {
    const [column, type] = [String(row['column_name']), String(row['column_type'])];
    const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? [];
    const delta = precision === undefined ? TYPES[type] : `decimal(${precision},${scale ?? '0'})`;
    if (delta === undefined) throw new Error(`column "${column}" is ${type}, which this engine does not write`);
    return { name: column, type: delta };
  });
}

const DUCK: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(TYPES).map(([duck, delta]) => [delta, duck]));
export const duckType = (delta: string): string => DUCK[delta] ?? delta.toUpperCase();

/** Fails for a rule that is broken and does more than warn: outside the embedded engine no row is set aside. */
export async function judge(duck: DuckDBConnection, relation: string, { name: table, columns, expect, mode }: Table): Promise<void> {
  const rules: [string, string, string][] = [];
  for (const [column, { required, min, max, values, unique, onFail }] of Object.entries(columns)) {
    const at = name(column);
    if (required) rules.push([`required:${column}`, onFail, `${at} IS NULL`]);
    if (min !== undefined) rules.push([`min:${column}`, onFail, `${at} < ${min}`]);
    if (max !== undefined) rules.push([`max:${column}`, onFail, `${at} > ${max}`]);
    if (values)
      rules.push([
        `values:${column}`,
        onFail,
        `${at} NOT IN (${values.map((one) => (typeof one === 'string' ? text(one) : String(one))).join(', ')})`,
      ]);
    if (unique)
      rules.push([`unique:${column}`, onFail, `${at} IN (SELECT ${at} FROM ${name(relation)} GROUP BY ${at} HAVING count(*) > 1)`]);
  }
  for (const key of keysOf(mode)) rules.push(['key-required', 'fail', `${name(key)} IS NULL`]);
  for (const { name: rule, check, onFail } of expect) rules.push([rule, onFail, `((${check}\n) IS NOT TRUE)`]);
  for (const [rule, onFail, broken] of rules) {
    if (onFail === 'warn') continue;
    const [found] = await rows(duck, `SELECT count(*) AS n FROM ${name(relation)} WHERE ${broken}`);
    if (Number(found?.['n']) > 0)
      throw new Error(`table "${table}": ${String(found?.['n'])} rows break the rule ${rule}, and rows are not set aside here`);
  }
}

export function keysOf(mode: string): string[] {
  const [, keys] = /^merge\((.*)\)$/.exec(mode) ?? [];
  return keys ? keys.split(',').map((key) => key.trim()) : [];
}

export interface Written {
  size: number;
  rows: number;
  stats: string;
}

const BOUNDED = /^(long|integer|short|byte|double|float|decimal)/;

/** Writes a relation to one Parquet file and counts what Delta's statistics hold. */
export async function writeParquet(duck: DuckDBConnection, select: string, file: string, fields: readonly Field[]): Promise<Written> {
  await duck.run(`COPY (${select}) TO ${text(file)} (FORMAT parquet, COMPRESSION snappy)`);
  const parts = fields.flatMap(({ name: column }, n) => [
    `count(*) - count(${name(column)}) AS n${n}`,
    `min(${name(column)})::VARCHAR AS a${n}`,
    `max(${name(column)})::VARCHAR AS z${n}`,
  ]);
  const [found = {}] = await rows(duck, `SELECT count(*) AS rows, ${parts.join(', ')} FROM read_parquet(${text(file)})`);
  const bounds = (kind: 'a' | 'z') =>
    fields
      .map((field, n) => ({ field, value: found[`${kind}${n}`] }))
      .filter(({ field, value }) => BOUNDED.test(field.type) && typeof value === 'string' && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value))
      .map(({ field, value }) => `${JSON.stringify(field.name)}:${String(value)}`)
      .join(',');
  const nulls = fields.map((field, n) => `${JSON.stringify(field.name)}:${String(found[`n${n}`])}`).join(',');
  const count = Number(found['rows']);
  const stats = `{"numRecords":${count},"minValues":{${bounds('a')}},"maxValues":{${bounds('z')}},"nullCount":{${nulls}}}`;
  return { size: (await stat(file)).size, rows: count, stats };
}
