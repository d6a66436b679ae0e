// Where data lands, what it looks like, and when a dataset is complete.
import * as z from 'zod';
import { Name } from '../identifiers.ts';
import { ColumnName, CronExpression, Duration, FolderPath, TimeZone } from './parts.ts';

/** Column of the landing file and the type its text must parse as. */
export const ColumnType = z.enum(['string', 'integer', 'number', 'boolean', 'date', 'timestamp']);

const FILE_NAME = /^[A-Za-z0-9._-]{1,200}$/;

/**
 * When a dataset is complete, as written in sluice.yaml:
 * `files N` · `quiet DURATION` (no event for so long) · `manifest NAME` (that file lists the members) ·
 * `partitions A,B,C` (one file at least below each sub-folder) · `cron EXPRESSION [ZONE]` (whatever has landed at that time).
 */
export const Complete = z
  .string()
  .max(2000)
  .refine((text) => parseComplete(text) !== null, {
    message: 'expected "files N", "quiet 30s", "manifest NAME", "partitions A,B,C" or "cron MIN HOUR DAY MONTH WEEKDAY [ZONE]"',
  });
export type Complete = z.infer<typeof Complete>;

/** The rule that a `complete` text states. */
export type CompletenessRule =
  | { kind: 'files'; count: number }
  | { kind: 'quiet'; duration: string }
  | { kind: 'manifest'; name: string }
  | { kind: 'partitions'; names: string[] }
  | { kind: 'cron'; expression: string; zone: string };

/** null when the text states no rule. */
export function parseComplete(text: string): CompletenessRule | null {
  const [word = '', ...rest] = text.trim().split(/ +/);
  const value = rest.join(' ');
  switch (word) {
    case 'files':
      return /^[1-9][0-9]{0,5}$/.test(value) ? { kind: 'files', count: Number(value) } : null;
    case 'quiet':
      return Duration.safeParse(value).success ? { kind: 'quiet', duration: value } : null;
    case 'manifest':
      return FILE_NAME.test(value) && !/^\.+$/.test(value) ? { kind: 'manifest', name: value } : null;
    case 'partitions': {
      const names = value.split(',').map((name) => name.trim());
      const plain = names.every((name) => /^[A-Za-z0-9._=-]{1,100}$/.test(name) && !/^\.+$/.test(name));
      return plain && names.length <= 500 && new Set(names).size === names.length ? { kind: 'partitions', names } : null;
    }
    case 'cron': {
      const expression = rest.slice(0, 5).join(' ');
      const zone = rest[5] ?? 'UTC';
      const readable = rest.length <= 6 && CronExpression.safeParse(expression).success && TimeZone.safeParse(zone).success;
      return readable ? { kind: 'cron', expression, zone } : null;
    }
    default:
      return null;
  }
}

export const Source = z.strictObject({
  name: Name,
  path: FolderPath.describe('Landing folder below the lake container; its first segment is normally "bronze"'),
  format: z
    .enum(['csv', 'parquet', 'delta'])
    .describe('csv and parquet: files that land in the folder; delta: the folder is a Delta table and its commits are the datasets'),
  encoding: z.enum(['utf-8', 'utf-16', 'latin-1']).default('utf-8').describe('Of CSV text; a byte order mark is honoured'),
  columns: z
    .record(ColumnName, ColumnType)
    .refine((columns) => Object.keys(columns).length > 0, 'name at least one column')
    .describe('Header of the file, in order, with the type that each value must parse as'),
  timestampFormat: z
    .string()
    .max(40)
    .optional()
    .describe("strptime format of 'timestamp' columns, e.g. %m-%d-%Y %H:%M:%S; ISO 8601 without it"),
  badRows: z.enum(['fail', 'quarantine']).default('fail').describe('What happens to rows of the wrong shape or type'),
  complete: Complete.optional().describe('When a dataset of this source is complete; the pipeline’s rule without it'),
  maxLag: Duration.optional().describe('With several sources: how old the dataset of this one may be when another brings a new one'),
});
export type Source = z.infer<typeof Source>;
