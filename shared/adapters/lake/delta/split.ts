// Rows split by their partition values: one Parquet file for each combination, without the partition columns, rows in their order.
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RejectedError } from '../../../errors/errors.ts';
import { sqlName, sqlText } from '../refine/duck.ts';
import { writeParquet } from './parquet.ts';
import { partitionText, type PartitionValues } from './partitions.ts';
import { place, storedFields, type PlacedFile } from './rewrite.ts';
import type { Indexed } from './stats.ts';
import type { Shape, WorkTable } from './table-files.ts';

/** More than this in one commit makes files so small that every reader suffers. */
const MOST_PARTITIONS = 2000;

/** Splits the Parquet file `file`. Rejects `bad-partition-value` for empty texts, `too-many-partitions`. */
export async function splitFile(
  table: WorkTable,
  shape: Shape,
  file: string,
  origin: string | null,
  indexed: Indexed,
): Promise<PlacedFile[]> {
  const { duck } = table;
  const partitions = shape.partitionColumns.map((column) => shape.fields.find((field) => field.name === column)!);
  const source = `read_parquet(${sqlText(file)}, hive_partitioning = false)`;
  const list = `_sluice_parts_${randomUUID().replaceAll('-', '')}`;
  const values = partitions.map((field) => sqlName(field.name)).join(', ');
  await duck.run(
    `CREATE TEMP TABLE ${list} AS SELECT row_number() OVER (ORDER BY ${values}) AS _id, * FROM (SELECT DISTINCT ${values} FROM ${source})`,
  );
  const sorted = join(duck.dir, `sorted-${randomUUID()}.parquet`);
  try {
    const texts = partitions.map((field, n) => `${partitionText(field)} AS v${n}`).join(', ');
    const rows = await duck.rows(`SELECT ${texts} FROM ${list} ORDER BY _id LIMIT ${MOST_PARTITIONS + 1}`);
    if (rows.length > MOST_PARTITIONS)
      throw new RejectedError(
        'too-many-partitions',
        `${table.root}: the rows have more than ${MOST_PARTITIONS} combinations of ${shape.partitionColumns.join(', ')}. Mend: partition by something coarser, a day or a region.`,
      );
    const all = rows.map((row) =>
      Object.fromEntries(partitions.map((field, n): [string, string | null] => [field.name, textOrNull(row[`v${n}`])])),
    );
    all.forEach((each) => refuseEmpty(table, each));
    const same = partitions.map((field) => `t.${sqlName(field.name)} IS NOT DISTINCT FROM p.${sqlName(field.name)}`).join(' AND ');
    await duck.run(
      `COPY (SELECT t.*, p._id AS _sluice_part FROM (SELECT *, file_row_number AS _sluice_n FROM ${source}) t JOIN ${list} p ON ${same} ORDER BY p._id, t._sluice_n) TO ${sqlText(sorted)} (FORMAT parquet)`,
    );
    const stored = storedFields(shape);
    const columns = stored.map((field) => sqlName(field.name)).join(', ');
    const placed: PlacedFile[] = [];
    for (const [n, each] of all.entries()) {
      const query = `SELECT ${columns} FROM read_parquet(${sqlText(sorted)}, hive_partitioning = false) WHERE _sluice_part = ${n + 1} ORDER BY _sluice_n`;
      const local = await writeParquet(duck, query, join(duck.dir, `split-${randomUUID()}.parquet`), stored, origin, indexed);
      placed.push(place(table, shape.partitionColumns, each, local));
    }
    return placed;
  } finally {
    await duck.run(`DROP TABLE ${list}`);
    await rm(sorted, { force: true });
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** An empty text in a partition column would be read back as null (facts/delta.md §3.1). */
function refuseEmpty(table: WorkTable, values: PartitionValues): void {
  const column = Object.keys(values).find((each) => values[each] === '');
  if (column !== undefined)
    throw new RejectedError(
      'bad-partition-value',
      `${table.root}: partition column "${column}" holds an empty text, which Delta cannot tell from null. Mend: write nullif(${column}, '') or another word in the SQL.`,
    );
}
