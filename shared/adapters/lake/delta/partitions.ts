// Partition values: checked, written as text into the log, and as folder names of the habit beside it (facts/delta.md §3.1, §3.2).
// Readers take the values from the log; the folders are for people.
import { createHash } from 'node:crypto';
import { RejectedError } from '../../../errors/errors.ts';
import { sqlName } from '../refine/duck.ts';
import type { DeltaField } from './types.ts';

/** Text, or null, by column. */
export type PartitionValues = Record<string, string | null>;

const NULL_FOLDER = '__HIVE_DEFAULT_PARTITION__';
/** A blob's name is at most 1,024 characters; four of these folders and the table's root fit in. */
const LONGEST_FOLDER = 160;

/** Rejects `bad-partition` unless the table can be partitioned by these columns. */
export function refuseBadPartitions(table: string, file: string, fields: readonly DeltaField[], partitionBy: readonly string[]): void {
  const bad = (why: string) => new RejectedError('bad-partition', `${file}: ${why}. Mend: correct partitionBy of ${table} in sluice.yaml.`);
  if (new Set(partitionBy).size !== partitionBy.length) throw bad('partitionBy names a column twice');
  for (const column of partitionBy) {
    const field = fields.find((each) => each.name === column);
    if (field === undefined) throw bad(`partitionBy names "${column}", and the result has no such column`);
    if (typeof field.type !== 'string' || ['float', 'double', 'binary'].includes(field.type))
      throw bad(
        `partitionBy names "${column}", and ${typeof field.type === 'string' ? field.type : field.type.type} values cannot name a partition`,
      );
  }
  if (partitionBy.length > 0 && partitionBy.length === fields.length)
    throw bad('partitionBy names every column; at least one must stay in the files');
}

/** Throws `bad-partition` when a table is partitioned otherwise than asked; `undefined` asks for what is there. */
export function refuseOtherPartitions(table: string, there: readonly string[], asked: readonly string[] | undefined): void {
  if (asked === undefined || JSON.stringify(there) === JSON.stringify(asked)) return;
  const words = (columns: readonly string[]) => (columns.length === 0 ? 'not partitioned' : `partitioned by ${columns.join(', ')}`);
  throw new RejectedError(
    'bad-partition',
    `${table}: the table is ${words(there)}, and sluice.yaml says ${words(asked)}; the first commit fixed it. Mend: write partitionBy as the table has it, or name a new table.`,
  );
}

/** Throws `table-unsupported` where another client's table is partitioned by values that we cannot write as text. */
export function refuseUnwritablePartitions(table: string, fields: readonly DeltaField[], columns: readonly string[]): void {
  const bad = fields.find((field) => columns.includes(field.name) && (typeof field.type !== 'string' || field.type === 'binary'));
  if (bad)
    throw new RejectedError(
      'table-unsupported',
      `${table}: it is partitioned by "${bad.name}", whose values are not written here. Mend: name a new table in sluice.yaml.`,
    );
}

/** SQL that gives a column's value as the text of the log. */
export function partitionText(field: DeltaField): string {
  const name = sqlName(field.name);
  if (field.type === 'timestamp') return `strftime(${name} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')`;
  if (field.type === 'timestamp_ntz') return `strftime(${name}, '%Y-%m-%d %H:%M:%S.%f')`;
  return `CAST(${name} AS VARCHAR)`;
}

/** A folder name: everything but letters, digits, dot, underscore and hyphen is percent-escaped by its UTF-8 bytes. */
function escaped(text: string): string {
  const whole = [...Buffer.from(text, 'utf8')]
    .map((byte) =>
      /[A-Za-z0-9._-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
  if (whole.length <= LONGEST_FOLDER) return whole;
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return `${whole.slice(0, LONGEST_FOLDER - 20).replace(/%.?$/, '')}...${digest}`;
}

/** `a=1/b=x%20y/` for these values; empty without partitions. The name of the blob, not yet the path in the log. */
export function partitionFolder(columns: readonly string[], values: PartitionValues): string {
  return columns
    .map((column) => {
      const value = values[column] ?? null;
      return `${escaped(column)}=${value === null ? NULL_FOLDER : escaped(value)}/`;
    })
    .join('');
}

/** The path in the log for a blob name of ours: only `%` needs encoding, for everything else is plain already. */
export function logPath(name: string): string {
  return name.replaceAll('%', '%25');
}
