// The owner's SQL as views: one SELECT per table, judged before it runs, with the two facts that refining needs to know about
// it: whether its order is its own, and which line of which file a row came from.
import { RejectedError } from '../../../errors/errors.ts';
import { hidesPlaces, orderedByRowOnly, parseSql, type Parsed, type SelectNode } from './sql-tree.ts';
import { sqlName, textOf, type Duck } from './duck.ts';

/** Columns that `withLines` adds: the file and the physical line behind an output row. */
export const LINE_COLUMN = '_sluice_row';
export const FILE_COLUMN = '_sluice_file';

/** What a failing statement of the owner's becomes; `file` is the SQL file's name. */
export function sqlError(error: unknown, file: string): unknown {
  if (error instanceof RejectedError || !(error instanceof Error) || !/^[A-Z][A-Za-z ]+ Error: /.test(error.message)) return error;
  return new RejectedError('sql-failed', `${file}: ${error.message.slice(0, 1000)} Mend: correct the SQL and apply the pipeline again.`, {
    cause: error,
  });
}

export interface OwnersQuery {
  /** Name of the view. */
  view: string;
  /** The statement ends with its own ORDER BY. */
  ordered: boolean;
  /** Each row has one row of its input behind it, as far as the statement's form tells. */
  rowByRow: boolean;
  /** The same query with file and line behind each row, where that can be told; else null. */
  withLines: string | null;
  /** The one view that it selects from, in small letters; null for joins and whatever else. */
  from: string | null;
}

/** One SELECT, parsed. Rejects `sql-not-select`. */
export async function parseSelect(duck: Duck, file: string, sql: string): Promise<Parsed & { node: SelectNode }> {
  const parsed = await parseSql(duck, sql);
  if (parsed.error || parsed.statements?.length !== 1)
    throw new RejectedError(
      'sql-not-select',
      `${file}: expected exactly one SELECT statement${parsed.error ? ` (${(parsed.error_message ?? '').slice(0, 300)})` : ''}. Mend: write one SELECT and apply the pipeline again.`,
    );
  return { ...parsed, node: parsed.statements[0]!.node };
}

/** Whether the statement may look at `_row` or `_file` of bronze, by name or because it takes whatever columns there are. */
export async function needsPlaces(duck: Duck, file: string, sql: string): Promise<boolean> {
  const parsed = await parseSelect(duck, file, sql);
  return /_row|_file/i.test(sql) || hidesPlaces(parsed.node);
}

/**
 * The statement without `ORDER BY _row`, when that is all that its end says and `bronze` alone is read: rows of one file come in
 * that order anyway. null for every other statement.
 */
export async function withoutRowOrder(duck: Duck, file: string, sql: string): Promise<string | null> {
  const parsed = await parseSelect(duck, file, sql);
  if (!orderedByRowOnly(parsed.node)) return null;
  parsed.node.modifiers = [];
  const [row] = await duck.rows('SELECT json_deserialize_sql($1::VARCHAR) AS sql', [
    JSON.stringify({ error: false, statements: parsed.statements }),
  ]);
  return textOf(row, 'sql');
}

/** Defines the view `view` as the owner's statement. Rejects `sql-not-select`, `sql-failed`. */
export async function defineView(duck: Duck, view: string, file: string, sql: string): Promise<OwnersQuery> {
  const parsed = await parseSelect(duck, file, sql);
  const { node } = parsed;
  try {
    // The statement stands last and alone, so a comment or a semicolon at its end changes nothing.
    await duck.run(`CREATE OR REPLACE TEMP VIEW ${sqlName(view)} AS ${sql}`);
  } catch (error) {
    throw sqlError(error, file);
  }
  const ordered = (node.modifiers ?? []).some((modifier) => modifier.type === 'ORDER_MODIFIER');
  const from = node.from_table?.type === 'BASE_TABLE' ? (node.from_table.table_name ?? '').toLowerCase() : null;
  return { view, ordered, rowByRow: isRowByRow(node), withLines: await lineage(duck, parsed, node), from };
}

function isRowByRow(node: SelectNode): boolean {
  const grouped = (node.group_expressions?.length ?? 0) > 0 || node.aggregate_handling !== 'STANDARD_HANDLING';
  const distinct = (node.modifiers ?? []).some((modifier) => modifier.type === 'DISTINCT_MODIFIER');
  return node.type === 'SELECT_NODE' && !grouped && !distinct && node.select_list !== undefined;
}

/** A projection of bronze without grouping can carry `_row` and `_file` along; anything else cannot be traced to one line. */
async function lineage(duck: Duck, parsed: Parsed, node: SelectNode): Promise<string | null> {
  if (!isRowByRow(node)) return null;
  const column = (name: string, alias: string) => ({
    class: 'COLUMN_REF',
    type: 'COLUMN_REF',
    alias,
    query_location: 0,
    column_names: [name],
  });
  node.select_list!.push(column('_row', LINE_COLUMN), column('_file', FILE_COLUMN));
  try {
    const tree = JSON.stringify({ error: false, statements: parsed.statements });
    const [row] = await duck.rows('SELECT json_deserialize_sql($1::VARCHAR) AS sql', [tree]);
    const sql = textOf(row, 'sql');
    await duck.describe(sql);
    return sql;
  } catch {
    // The rewritten query does not bind (no `_row` in scope, an aggregate): its rows have no line of their own.
    return null;
  } finally {
    node.select_list!.splice(-2);
  }
}

/** Throws `bad-expectation` unless `check` is one SQL expression. */
export async function refuseNonExpression(duck: Duck, name: string, check: string): Promise<void> {
  const parsed = await parseSql(duck, `SELECT ${check}\n`);
  const node = parsed.statements?.[0]?.node;
  const single = parsed.statements?.length === 1 && node?.select_list?.length === 1 && node.from_table?.type === 'EMPTY';
  if (parsed.error || !single || node.type !== 'SELECT_NODE' || (node.modifiers?.length ?? 0) > 0)
    throw new RejectedError(
      'bad-expectation',
      `expectation "${name}": ${JSON.stringify(check.slice(0, 200))} is not one SQL expression${parsed.error ? ` (${(parsed.error_message ?? '').slice(0, 200)})` : ''}. Mend: write an expression that is true for a good row.`,
    );
}

/** Physical operators that keep the order of the rows that they read. */
const KEEPS_ORDER = new Set([
  'PROJECTION',
  'FILTER',
  'READ_CSV',
  'READ_PARQUET',
  'PARQUET_SCAN',
  'READ_CSV_AUTO',
  'COLUMN_DATA_SCAN',
  'DUMMY_SCAN',
  'EMPTY_RESULT',
  'STREAMING_WINDOW',
]);
/** It gives its children's rows one child after the other. */
const ONE_AFTER_THE_OTHER = 'UNION';

/** Whether a query without ORDER BY gives its rows in the order of its input, so that equal input gives equal files. */
export async function keepsOrder(duck: Duck, view: string): Promise<boolean> {
  const [row] = await duck.rows(`EXPLAIN (FORMAT json) SELECT * FROM ${sqlName(view)}`);
  interface Operator {
    name: string;
    children: Operator[];
  }
  const calm = (operator: Operator): boolean => {
    const name = operator.name.trim();
    if (name === ONE_AFTER_THE_OTHER) return operator.children.every(calm);
    return KEEPS_ORDER.has(name) && operator.children.length <= 1 && operator.children.every(calm);
  };
  return (JSON.parse(textOf(row, 'explain_value')) as Operator[]).every(calm);
}
