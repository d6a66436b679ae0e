// The owner's SQL as views: one SELECT per table, judged before it runs, with the two facts that refining needs to know about
// it: whether its order is its own, and which line of the file a row came from.
import { RejectedError } from '../../../errors/errors.ts';
import { sqlName, textOf, type Duck } from './duck.ts';

/** Column that `withLines` adds: the physical line behind an output row. */
export const LINE_COLUMN = '_sluice_row';

interface SelectNode {
  type: string;
  modifiers?: { type: string }[];
  aggregate_handling?: string;
  select_list?: unknown[];
  from_table?: { type: string };
  group_expressions?: unknown[];
}
interface Parsed {
  error: boolean;
  error_message?: string;
  statements?: { node: SelectNode }[];
}

async function parse(duck: Duck, sql: string): Promise<Parsed> {
  const [row] = await duck.rows('SELECT json_serialize_sql($1::VARCHAR) AS parsed', [sql]);
  // Positions exceed what a JSON number of JavaScript keeps, and nobody needs them.
  return JSON.parse(textOf(row, 'parsed').replaceAll(/"query_location":\d+/g, '"query_location":0')) as Parsed;
}

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
  /** The same query with the line behind each row as LINE_COLUMN, where that can be told; else null. */
  withLines: string | null;
}

/** Defines the view `view` as the owner's statement. Rejects `sql-not-select`, `sql-failed`. */
export async function defineView(duck: Duck, view: string, file: string, sql: string): Promise<OwnersQuery> {
  const parsed = await parse(duck, sql);
  if (parsed.error || parsed.statements?.length !== 1)
    throw new RejectedError(
      'sql-not-select',
      `${file}: expected exactly one SELECT statement${parsed.error ? ` (${(parsed.error_message ?? '').slice(0, 300)})` : ''}. Mend: write one SELECT and apply the pipeline again.`,
    );
  const { node } = parsed.statements[0]!;
  try {
    // The statement stands last and alone, so a comment or a semicolon at its end changes nothing.
    await duck.run(`CREATE OR REPLACE TEMP VIEW ${sqlName(view)} AS ${sql}`);
  } catch (error) {
    throw sqlError(error, file);
  }
  const ordered = (node.modifiers ?? []).some((modifier) => modifier.type === 'ORDER_MODIFIER');
  return { view, ordered, withLines: await lineage(duck, parsed, node) };
}

/** A projection of `bronze` without grouping can carry `_row` along; anything else cannot be traced to one line. */
async function lineage(duck: Duck, parsed: Parsed, node: SelectNode): Promise<string | null> {
  const grouped = (node.group_expressions?.length ?? 0) > 0 || node.aggregate_handling !== 'STANDARD_HANDLING';
  const distinct = (node.modifiers ?? []).some((modifier) => modifier.type === 'DISTINCT_MODIFIER');
  if (node.type !== 'SELECT_NODE' || grouped || distinct || node.select_list === undefined) return null;
  node.select_list.push({ class: 'COLUMN_REF', type: 'COLUMN_REF', alias: LINE_COLUMN, query_location: 0, column_names: ['_row'] });
  try {
    const [row] = await duck.rows('SELECT json_deserialize_sql($1::VARCHAR) AS sql', [JSON.stringify(parsed)]);
    const sql = textOf(row, 'sql');
    await duck.describe(sql);
    return sql;
  } catch {
    // The rewritten query does not bind (no `_row` in scope, an aggregate): its rows have no line of their own.
    return null;
  } finally {
    node.select_list.pop();
  }
}

/** Throws `bad-expectation` unless `check` is one SQL expression. */
export async function refuseNonExpression(duck: Duck, name: string, check: string): Promise<void> {
  const parsed = await parse(duck, `SELECT ${check}\n`);
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
]);

/** Whether a query without ORDER BY gives its rows in the order of its input, so that equal input gives equal files. */
export async function keepsOrder(duck: Duck, view: string): Promise<boolean> {
  const [row] = await duck.rows(`EXPLAIN (FORMAT json) SELECT * FROM ${sqlName(view)}`);
  interface Operator {
    name: string;
    children: Operator[];
  }
  const calm = (operator: Operator): boolean =>
    KEEPS_ORDER.has(operator.name.trim()) && operator.children.length <= 1 && operator.children.every(calm);
  return (JSON.parse(textOf(row, 'explain_value')) as Operator[]).every(calm);
}
