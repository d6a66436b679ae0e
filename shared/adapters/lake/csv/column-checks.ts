// Strict checks of a value's text against its declared type, as SQL over VARCHAR columns.
// DuckDB's own casts are not used to judge: they take 1.5 for an integer, 0x1F, 1_000, 'epoch' (facts/delta.md §8.5).
import type { Source } from '../../../contracts/pipeline.ts';
import { sqlName, sqlText } from '../refine/duck.ts';

type ColumnType = Source['columns'][string];

/** What a value of the type looks like, for people. */
export function typeInWords(type: ColumnType, timestampFormat: string | undefined): string {
  switch (type) {
    case 'string':
      return 'text';
    case 'integer':
      return 'a whole number of at most 64 bits (digits, with a leading minus at most)';
    case 'number':
      return 'a finite number (such as -12.5 or 1e-3)';
    case 'boolean':
      return 'true or false';
    case 'date':
      return 'a date (2024-01-31)';
    case 'timestamp':
      return timestampFormat === undefined
        ? 'an ISO 8601 timestamp (2024-01-31T10:00:00Z)'
        : `a timestamp of the format ${JSON.stringify(timestampFormat)}`;
  }
}

function matches(column: string, pattern: string): string {
  return `regexp_full_match(${column}, ${sqlText(pattern)})`;
}

/** SQL that is true when the text is a proper value of the type; null for text, which is always proper. */
function isProper(column: string, type: ColumnType, timestampFormat: string | undefined): string | null {
  switch (type) {
    case 'string':
      return null;
    case 'integer':
      return `${matches(column, '-?[0-9]+')} AND TRY_CAST(${column} AS BIGINT) IS NOT NULL`;
    case 'number':
      return `${matches(column, '-?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?')} AND coalesce(isfinite(TRY_CAST(${column} AS DOUBLE)), false)`;
    case 'boolean':
      return `lower(${column}) IN ('true', 'false')`;
    case 'date':
      return `${matches(column, '[0-9]{4}-[0-9]{2}-[0-9]{2}')} AND TRY_CAST(${column} AS DATE) IS NOT NULL`;
    case 'timestamp': {
      // strptime ignores blanks at both ends and takes 'epoch' and 'infinity' for 1900-01-01 under any format.
      if (timestampFormat !== undefined)
        return `${matches(column, '[^\\s](.*[^\\s])?')} AND ${matches(column, '.*[0-9].*')} AND try_strptime(${column}, ${sqlText(timestampFormat)}) IS NOT NULL`;
      const iso = '[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?';
      return `${matches(column, iso)} AND TRY_CAST(${column} AS TIMESTAMPTZ) IS NOT NULL`;
    }
  }
}

export interface ColumnCheck {
  column: string;
  /** The column as an SQL name. */
  name: string;
  rule: string;
  words: string;
  /** SQL over the column that is true for a bad value; null values are not bad. */
  bad: string;
}

/** The checks of a source's columns; columns of text have none. */
export function columnChecks(source: Source): ColumnCheck[] {
  return Object.entries(source.columns).flatMap(([column, type]) => {
    const proper = isProper(sqlName(column), type, source.timestampFormat);
    if (proper === null) return [];
    const words = typeInWords(type, source.timestampFormat);
    return [
      {
        column,
        name: sqlName(column),
        rule: `type:${column}`,
        words,
        bad: `(${sqlName(column)} IS NOT NULL AND NOT coalesce(${proper}, false))`,
      },
    ];
  });
}
