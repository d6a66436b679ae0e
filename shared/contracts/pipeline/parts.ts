// Words that several parts of sluice.yaml share.
import * as z from 'zod';

/** Duration with a unit: `30s`, `15m`, `2h`, `7d`. */
export const Duration = z.string().regex(/^[1-9][0-9]{0,5}(s|m|h|d)$/, 'expected a whole number with a unit: 30s, 15m, 2h, 7d');

/** Path below the lake's container, with a trailing slash. */
export const FolderPath = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9._=-]+(\/[A-Za-z0-9._=-]+)*\/$/, 'expected a folder path that ends with "/" (letters, digits, . _ = -)')
  .refine((path) => !path.split('/').includes('..'), '".." is not allowed');

/** Name of a file beside sluice.yaml. */
export const SqlFile = z.string().regex(/^[A-Za-z0-9._-]+\.sql$/, 'expected the name of an .sql file beside sluice.yaml');

/** Name of a column of ours. */
export const ColumnName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'expected letters, digits and "_", at most 64 characters');

/** Five fields: minute hour day month weekday, numbers, lists, ranges and steps. */
export const CronExpression = z
  .string()
  .max(100)
  .regex(/^(\S+ ){4}\S+$/, 'expected five fields: minute hour day month weekday, e.g. "0 6 * * 1-5"');

/** IANA time zone, e.g. Europe/Berlin; checked against the runtime's own list. */
export const TimeZone = z
  .string()
  .max(64)
  .refine((zone) => {
    try {
      return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined;
    } catch {
      return false;
    }
  }, 'expected an IANA time zone such as Europe/Berlin');
