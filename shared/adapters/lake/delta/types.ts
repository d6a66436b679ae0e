// DuckDB types → Delta types, explicitly: what has no exact counterpart is refused with the mend, never converted in silence
// (facts/delta.md §7, §8.2). HUGEINT, the type of sum(integer), becomes DECIMAL(38,0): left alone it would become DOUBLE.
import type { DuckDBDecimalType, DuckDBListType, DuckDBMapType, DuckDBStructType, DuckDBType } from '@duckdb/node-api';
import { RejectedError } from '../../../errors/errors.ts';
import { sqlName, type ResultColumn } from '../refine/duck.ts';

/** A type as schemaString holds it. */
export type DeltaType =
  | string
  | { type: 'array'; elementType: DeltaType; containsNull: boolean }
  | { type: 'map'; keyType: DeltaType; valueType: DeltaType; valueContainsNull: boolean }
  | { type: 'struct'; fields: DeltaField[] };

export interface DeltaField {
  name: string;
  type: DeltaType;
  nullable: boolean;
  metadata: Record<string, unknown>;
}

/** Numbers of DuckDBTypeId: the package is loaded lazily, so its enumeration is not imported. */
const PRIMITIVES: Record<number, string> = {
  1: 'boolean',
  2: 'byte',
  3: 'short',
  4: 'integer',
  5: 'long',
  10: 'float',
  11: 'double',
  13: 'date',
  17: 'string',
  18: 'binary',
  31: 'timestamp',
};
const [TIMESTAMP, HUGEINT, DECIMAL, LIST, STRUCT, MAP] = [12, 16, 19, 24, 25, 26];

/** How TIMESTAMP without a zone is stored: as the UTC instant, or declared `timestamp_ntz` (needs the table feature timestampNtz). */
export type Timestamps = 'utc' | 'ntz';

const REFUSED: Record<number, string> = {
  6: 'CAST it to SMALLINT (Delta has no unsigned types)',
  7: 'CAST it to INTEGER (Delta has no unsigned types)',
  8: 'CAST it to BIGINT (Delta has no unsigned types)',
  9: 'CAST it to DECIMAL(20,0) or BIGINT (Delta has no unsigned types)',
  32: 'CAST it to DECIMAL(38,0) (Delta has no unsigned types)',
  12: "it has no time zone: write (… AT TIME ZONE 'UTC'), or the zone that the data is in",
  20: 'CAST it to TIMESTAMPTZ',
  21: 'CAST it to TIMESTAMPTZ',
  22: 'CAST it to TIMESTAMPTZ',
  14: 'CAST it to VARCHAR, or give seconds as BIGINT',
  30: 'CAST it to VARCHAR, or give seconds as BIGINT',
  39: 'CAST it to VARCHAR, or give seconds as BIGINT',
  15: 'give seconds or days as BIGINT',
  16: 'CAST it to BIGINT or DECIMAL(38,0)',
  23: 'CAST it to VARCHAR',
  27: 'CAST it to VARCHAR',
  29: 'CAST it to VARCHAR',
  33: 'CAST it to a list (T[])',
  35: 'CAST it to DECIMAL(38,0) or VARCHAR',
};

/** The Delta type; a text with the mend where there is none. */
function deltaType(type: DuckDBType, top: boolean, timestamps: Timestamps | null): DeltaType | { refused: string } {
  if (type.alias !== undefined && type.alias !== '') return { refused: `it is ${type.alias}: CAST it to VARCHAR` };
  const id = type.typeId as number;
  const primitive = PRIMITIVES[id];
  if (primitive !== undefined) return primitive;
  if (id === TIMESTAMP && timestamps === 'ntz') return 'timestamp_ntz';
  if (id === TIMESTAMP && timestamps === 'utc' && top) return 'timestamp';
  if (id === HUGEINT && top) return 'decimal(38,0)';
  if (id === DECIMAL) return `decimal(${(type as DuckDBDecimalType).width},${(type as DuckDBDecimalType).scale})`;
  if (id === LIST) {
    const element = deltaType((type as DuckDBListType).valueType, false, timestamps);
    return isRefused(element) ? element : { type: 'array', elementType: element, containsNull: true };
  }
  if (id === MAP) {
    const map = type as DuckDBMapType;
    const [key, value] = [deltaType(map.keyType, false, timestamps), deltaType(map.valueType, false, timestamps)];
    if (isRefused(key)) return key;
    return isRefused(value) ? value : { type: 'map', keyType: key, valueType: value, valueContainsNull: true };
  }
  if (id === STRUCT) return structType(type as DuckDBStructType, timestamps);
  return { refused: REFUSED[id] ?? 'CAST it to a type that Delta has (VARCHAR fits most)' };
}

function structType(struct: DuckDBStructType, timestamps: Timestamps | null): DeltaType | { refused: string } {
  const fields: DeltaField[] = [];
  for (const [n, name] of struct.entryNames.entries()) {
    const type = deltaType(struct.entryTypes[n]!, false, timestamps);
    if (isRefused(type)) return type;
    fields.push({ name, type, nullable: true, metadata: {} });
  }
  return { type: 'struct', fields };
}

function isRefused(type: DeltaType | { refused: string }): type is { refused: string } {
  return typeof type === 'object' && 'refused' in type;
}

/** Every name in a schema, nested ones with their path. */
function* names(fields: readonly DeltaField[], path = ''): Generator<{ name: string; path: string; siblings: readonly DeltaField[] }> {
  for (const field of fields) {
    yield { name: field.name, path: `${path}${field.name}`, siblings: fields };
    if (typeof field.type === 'object' && field.type.type === 'struct') yield* names(field.type.fields, `${path}${field.name}.`);
  }
}

/** A column as it must be selected so that Parquet gets the declared type. */
function selected(name: string, typeId: number, timestamps: Timestamps | null): string {
  if (typeId === HUGEINT) return `CAST(${name} AS DECIMAL(38,0)) AS ${name}`;
  return typeId === TIMESTAMP && timestamps === 'utc' ? `(${name} AT TIME ZONE 'UTC') AS ${name}` : name;
}

/**
 * The schema of a query's result, and the SQL list that selects it with the types that Parquet needs. Without `timestamps`, a
 * TIMESTAMP without zone is refused. Rejects `bad-type`, `bad-column-name`.
 */
export function deltaSchema(
  columns: readonly ResultColumn[],
  file: string,
  timestamps: Timestamps | null = null,
): { fields: DeltaField[]; select: string } {
  const problems: string[] = [];
  const fields: DeltaField[] = [];
  const select: string[] = [];
  for (const column of columns) {
    const type = deltaType(column.type, true, timestamps);
    if (isRefused(type)) problems.push(`column "${column.name}" is ${column.type.toString()}: ${type.refused}`);
    else {
      fields.push({ name: column.name, type, nullable: true, metadata: {} });
      select.push(selected(sqlName(column.name), column.type.typeId, timestamps));
    }
  }
  if (problems.length > 0)
    throw new RejectedError('bad-type', `${file}: ${problems.join('; ')}. Mend: change the SQL and apply the pipeline again.`);
  for (const { name, path, siblings } of names(fields)) {
    if (/[ ,;{}()=\t\n\r]/.test(name) || name === '')
      throw new RejectedError(
        'bad-column-name',
        `${file}: the column name ${JSON.stringify(path)} is not allowed in a table (no space , ; { } ( ) =). Mend: name it with AS.`,
      );
    if (siblings.filter((sibling) => sibling.name.toLowerCase() === name.toLowerCase()).length > 1)
      throw new RejectedError(
        'bad-column-name',
        `${file}: the column name ${JSON.stringify(path)} occurs twice (capitals do not count). Mend: name it with AS.`,
      );
  }
  return { fields, select: select.join(', ') };
}
