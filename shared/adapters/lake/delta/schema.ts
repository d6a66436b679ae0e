// The schema in a table's log: written, read back strictly, compared, and turned into the types that DuckDB reads files with.
import * as z from 'zod';
import { RejectedError } from '../../../errors/errors.ts';
import type { DeltaField, DeltaType } from './types.ts';
import { sqlName, sqlText, type Duck } from '../refine/duck.ts';

const PRIMITIVE = /^(string|long|integer|short|byte|float|double|boolean|binary|date|timestamp|timestamp_ntz|decimal\(\d{1,2},\d{1,2}\))$/;

const Field: z.ZodType<DeltaField> = z.lazy(() =>
  z.object({ name: z.string(), type: Type, nullable: z.boolean(), metadata: z.record(z.string(), z.unknown()).default({}) }),
);
const Type: z.ZodType<DeltaType> = z.lazy(() =>
  z.union([
    z.string(),
    z.object({ type: z.literal('array'), elementType: Type, containsNull: z.boolean() }),
    z.object({ type: z.literal('map'), keyType: Type, valueType: Type, valueContainsNull: z.boolean() }),
    z.object({ type: z.literal('struct'), fields: z.array(Field) }),
  ]),
);
const Schema = z.object({ type: z.literal('struct'), fields: z.array(Field) });

export function schemaString(fields: readonly DeltaField[]): string {
  return JSON.stringify({ type: 'struct', fields });
}

/** Reads a schemaString. Rejects `table-invalid` and, for a type that nobody announced, `table-unsupported` with the column named. */
export function parseSchema(text: string, table: string): DeltaField[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new RejectedError('table-invalid', `${table}: the schema in the log is not JSON.`);
  }
  const parsed = Schema.safeParse(json);
  if (!parsed.success) throw new RejectedError('table-invalid', `${table}: the schema in the log is not a Delta schema.`);
  for (const field of parsed.data.fields) refuseUnknown(field.type, field.name, table);
  return parsed.data.fields;
}

function refuseUnknown(type: DeltaType, column: string, table: string): void {
  if (typeof type === 'string') {
    if (!PRIMITIVE.test(type))
      throw new RejectedError(
        'table-unsupported',
        `${table}: column "${column}" has the type ${JSON.stringify(type.slice(0, 60))}, which is not read here.`,
      );
  } else if (type.type === 'array') refuseUnknown(type.elementType, `${column}[]`, table);
  else if (type.type === 'map') {
    refuseUnknown(type.keyType, `${column} (key)`, table);
    refuseUnknown(type.valueType, `${column} (value)`, table);
  } else for (const field of type.fields) refuseUnknown(field.type, `${column}.${field.name}`, table);
}

/** A type without what a comparison must not see: nullability and metadata. */
function plainType(type: DeltaType): string {
  if (typeof type === 'string') return type;
  if (type.type === 'array') return `array<${plainType(type.elementType)}>`;
  if (type.type === 'map') return `map<${plainType(type.keyType)},${plainType(type.valueType)}>`;
  return `struct<${type.fields.map((field) => `${JSON.stringify(field.name)}:${plainType(field.type)}`).join(',')}>`;
}

export type Evolve = 'none' | 'add-columns';

/**
 * The table's columns after a commit of `now`: the known ones, and with `add-columns` the new ones at the end, nullable.
 * Rejects `schema-changed` with each column that is gone, of another type, or new where nothing may be added; the order may differ.
 */
export function evolveSchema(
  table: string,
  file: string,
  known: readonly DeltaField[],
  now: readonly DeltaField[],
  evolve: Evolve = 'none',
): { fields: DeltaField[]; added: DeltaField[] } {
  const before = new Map(known.map((field) => [field.name, plainType(field.type)]));
  const after = new Map(now.map((field) => [field.name, plainType(field.type)]));
  const lower = new Map(known.map((field) => [field.name.toLowerCase(), field.name]));
  const added = now.filter((field) => !before.has(field.name));
  const changes = [
    ...added.flatMap(({ name }) => {
      const twin = lower.get(name.toLowerCase());
      if (twin !== undefined) return [`"${name}" differs from the table's "${twin}" in capitals only`];
      return evolve === 'add-columns' ? [] : [`"${name}" (${after.get(name)}) is new`];
    }),
    ...[...before].filter(([name]) => !after.has(name)).map(([name, type]) => `"${name}" (${type}) is gone`),
    ...[...after]
      .filter(([name, type]) => before.has(name) && before.get(name) !== type)
      .map(([name, type]) => `"${name}" was ${before.get(name)} and is ${type}`),
  ];
  if (changes.length === 0) return { fields: [...known, ...added.map((field) => ({ ...field, nullable: true }))], added };
  throw new RejectedError(
    'schema-changed',
    `${file}: its result does not have the columns of the table ${table}: ${changes.slice(0, 20).join('; ')}. ` +
      `Mend: give back the columns that the table has${evolve === 'none' ? ', declare "evolve: add-columns" for new ones' : ''}, or name a new table in sluice.yaml.`,
  );
}

/** Throws `schema-changed` unless both have the same columns with the same types; the order may differ. */
export function refuseChangedSchema(table: string, file: string, known: readonly DeltaField[], now: readonly DeltaField[]): void {
  evolveSchema(table, file, known, now);
}

/** The DuckDB type that a file's column is read as. */
export function duckType(type: DeltaType): string {
  if (typeof type === 'string') {
    const names: Record<string, string> = {
      string: 'VARCHAR',
      long: 'BIGINT',
      integer: 'INTEGER',
      short: 'SMALLINT',
      byte: 'TINYINT',
      float: 'FLOAT',
      double: 'DOUBLE',
      boolean: 'BOOLEAN',
      binary: 'BLOB',
      date: 'DATE',
      timestamp: 'TIMESTAMPTZ',
      timestamp_ntz: 'TIMESTAMP',
    };
    return names[type] ?? type.toUpperCase();
  }
  if (type.type === 'array') return `${duckType(type.elementType)}[]`;
  if (type.type === 'map') return `MAP(${duckType(type.keyType)}, ${duckType(type.valueType)})`;
  return `STRUCT(${type.fields.map((field) => `${sqlName(field.name)} ${duckType(field.type)}`).join(', ')})`;
}

/** `schema = MAP{…}` of read_parquet: columns by name, missing ones null, casts checked with the file named (facts/delta.md §8.4). */
export function readSchema(fields: readonly DeltaField[]): string {
  const entries = fields.map((field) => {
    const name = sqlText(field.name);
    return `${name}: {name: ${name}, type: ${sqlText(duckType(field.type))}, default_value: NULL}`;
  });
  return `MAP{${entries.join(', ')}}`;
}

/** Rejects `null-not-allowed` where a column that may not be null is null in the Parquet file, `table-unsupported` where we do not check. */
export async function refuseNulls(duck: Duck, table: string, origin: string, fields: readonly DeltaField[], file: string): Promise<void> {
  for (const field of fields)
    if (typeof field.type === 'object' && holdsRequired(field.type))
      throw new RejectedError(
        'table-unsupported',
        `${table}: column "${field.name}" has parts that may not be null, which is not checked here. Mend: name a new table.`,
      );
  const required = fields.filter((field) => !field.nullable);
  if (required.length === 0) return;
  const counts = required.map((field, n) => `count(*) - count(${sqlName(field.name)}) AS n${n}`).join(', ');
  const [row] = await duck.rows(`SELECT ${counts} FROM read_parquet(${sqlText(file)}, hive_partitioning = false)`);
  const bad = required.filter((_, n) => Number(row![`n${n}`]) > 0).map((field) => `"${field.name}"`);
  if (bad.length > 0)
    throw new RejectedError(
      'null-not-allowed',
      `${origin}: ${bad.join(', ')} of the table ${table} may not be null, and the result has nulls there. Mend: leave such rows out in the SQL.`,
    );
}

function holdsRequired(type: DeltaType): boolean {
  if (typeof type === 'string') return false;
  if (type.type === 'array') return !type.containsNull || holdsRequired(type.elementType);
  if (type.type === 'map') return !type.valueContainsNull || holdsRequired(type.keyType) || holdsRequired(type.valueType);
  return type.fields.some((field) => !field.nullable || holdsRequired(field.type));
}
