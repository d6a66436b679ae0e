// The rows of a Parquet source as a view with the declared columns, `_row` and `_file`. Each file's schema is compared with the
// declared columns: another one is refused with the column named, before anything is read.
import type { Source } from '../../../contracts/pipeline.ts';
import { RejectedError } from '../../../errors/errors.ts';
import { sqlName, sqlText, type Duck, type ResultColumn } from './duck.ts';

type ColumnType = Source['columns'][string];

/** Numbers of DuckDBTypeId: the package is loaded lazily, so its enumeration is not imported. */
const [SIGNED, UNSIGNED, FLOATS, DECIMAL, TIMES] = [[2, 3, 4, 5], [6, 7, 8], [10, 11], 19, [12, 20, 21, 22, 31]];
const NESTED = [24, 25, 26, 28, 33];

/** The type that a column of this Parquet type is read as; null when the declared type does not take it. */
function readAs(declared: ColumnType, column: ResultColumn): string | null {
  const id = column.type.typeId as number;
  const whole = [...SIGNED, ...UNSIGNED].includes(id);
  switch (declared) {
    case 'string':
      return id === 17 ? 'VARCHAR' : null;
    case 'integer':
      return whole ? 'BIGINT' : null;
    case 'number':
      if (id === DECIMAL) return column.type.toString();
      return whole ? 'BIGINT' : FLOATS.includes(id) ? 'DOUBLE' : null;
    case 'boolean':
      return id === 1 ? 'BOOLEAN' : null;
    case 'date':
      return id === 13 ? 'DATE' : null;
    case 'timestamp':
      return TIMES.includes(id) ? 'TIMESTAMPTZ' : null;
  }
}

const MEND = 'Mend: write the file with the columns of the source, or correct "columns" in sluice.yaml and apply it.';

/** The types by column of one file. Rejects `wrong-schema`. */
export function judgeSchema(path: string, source: Source, found: readonly ResultColumn[]): Record<string, string> {
  const problems: string[] = [];
  const types: Record<string, string> = {};
  const known = new Map(found.map((column) => [column.name, column]));
  for (const [name, declared] of Object.entries(source.columns)) {
    const column = known.get(name);
    const type = column && readAs(declared, column);
    if (!column) problems.push(`column "${name}" (${declared}) is missing`);
    else if (NESTED.includes(column.type.typeId)) problems.push(`column "${name}" is nested (${column.type.toString()})`);
    else if (type === null || type === undefined) problems.push(`column "${name}" is ${column.type.toString()}, declared is ${declared}`);
    else types[name] = type;
  }
  for (const { name } of found) if (!Object.hasOwn(source.columns, name)) problems.push(`column "${name.slice(0, 100)}" is not declared`);
  if (problems.length === 0) return types;
  throw new RejectedError('wrong-schema', `${path}: ${problems.slice(0, 20).join('; ')} (rule schema). ${MEND}`);
}

/** What DuckDB says about a file that it cannot read. */
async function readable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RejectedError || !(error instanceof Error)) throw error;
    throw new RejectedError(
      'bad-parquet',
      `${path}: it cannot be read as Parquet: ${error.message.split('\n')[0]!.slice(0, 200)} (rule schema). Mend: write the file again.`,
      { cause: error },
    );
  }
}

/** Defines `view` over local Parquet files and gives the number of rows. Rejects `wrong-schema`, `bad-parquet`, `no-rows`. */
export async function defineParquet(
  duck: Duck,
  view: string,
  source: Source,
  paths: readonly string[],
  local: (n: number) => string,
): Promise<number> {
  let common: { types: Record<string, string>; path: string } | null = null;
  let rows = 0;
  for (const [n, path] of paths.entries()) {
    const file = `read_parquet(${sqlText(local(n))}, hive_partitioning = false)`;
    const types = await readable(path, async () => {
      const found = judgeSchema(path, source, await duck.describe(`SELECT * FROM ${file}`));
      const [counted] = await duck.rows(`SELECT num_rows AS n FROM parquet_file_metadata(${sqlText(local(n))})`);
      rows += Number(counted!['n']);
      return found;
    });
    common ??= { types, path };
    refuseOtherTypes(path, types, common);
  }
  if (rows === 0)
    throw new RejectedError('no-rows', `${paths[0]}: there are no rows (rule rows). Mend: drop a file with at least one row.`);
  const names = Object.keys(source.columns);
  const entries = names.map(
    (name) => `${sqlText(name)}: {name: ${sqlText(name)}, type: ${sqlText(common!.types[name]!)}, default_value: NULL}`,
  );
  const file = paths.length === 1 ? sqlText(paths[0]!) : `list_extract([${paths.map(sqlText).join(', ')}], file_index + 1)`;
  const list = paths.map((_, n) => sqlText(local(n))).join(', ');
  await duck.run(
    `CREATE OR REPLACE TEMP VIEW ${view} AS SELECT ${names.map(sqlName).join(', ')}, file_row_number + 1 AS _row, ${file} AS _file ` +
      `FROM read_parquet([${list}], schema = MAP{${entries.join(', ')}}, hive_partitioning = false)`,
  );
  return rows;
}

/** `number` takes several types; within one dataset a column has one, so that no value is rounded to fit its neighbours. */
function refuseOtherTypes(path: string, types: Record<string, string>, common: { types: Record<string, string>; path: string }): void {
  for (const [name, type] of Object.entries(types))
    if (common.types[name] !== type)
      throw new RejectedError(
        'wrong-schema',
        `${path}: column "${name}" is ${type}, in ${common.path} it is ${common.types[name]} (rule schema). ${MEND}`,
      );
}
