// A SELECT as DuckDB's own parser sees it, as JSON, and what can be told from that tree without running it.
import { textOf, type Duck } from './duck.ts';

interface Expression {
  class?: string;
  column_names?: string[];
}

export interface SelectNode {
  type: string;
  modifiers?: { type: string; orders?: { type: string; null_order?: string; expression: Expression }[] }[];
  aggregate_handling?: string;
  select_list?: unknown[];
  from_table?: { type: string; table_name?: string };
  group_expressions?: unknown[];
}

export interface Parsed {
  error: boolean;
  error_message?: string;
  statements?: { node: SelectNode }[];
}

export async function parseSql(duck: Duck, sql: string): Promise<Parsed> {
  const [row] = await duck.rows('SELECT json_serialize_sql($1::VARCHAR) AS parsed', [sql]);
  // Positions exceed what a JSON number of JavaScript keeps, and nobody needs them.
  return JSON.parse(textOf(row, 'parsed').replaceAll(/"query_location":\d+/g, '"query_location":0')) as Parsed;
}

/** Sources of rows whose columns are all named where they are used. */
const OPEN_SOURCES = new Set(['BASE_TABLE', 'JOIN', 'SUBQUERY', 'EMPTY', 'TABLE_FUNCTION', 'EXPRESSION_LIST']);

/** Every object of the tree. */
function* objects(value: unknown): Generator<Record<string, unknown>> {
  if (Array.isArray(value)) for (const each of value) yield* objects(each);
  else if (typeof value === 'object' && value !== null) {
    yield value as Record<string, unknown>;
    for (const each of Object.values(value)) yield* objects(each);
  }
}

/** Whether columns are taken without being named: a star, a row as a whole, a natural join, PIVOT and the like. */
export function hidesPlaces(node: SelectNode): boolean {
  const names = new Set<string>();
  for (const each of objects(node)) {
    if (!('sample' in each) || String(each['type']).endsWith('_NODE')) continue;
    for (const key of ['alias', 'table_name']) if (typeof each[key] === 'string') names.add(each[key].toLowerCase());
    if (!OPEN_SOURCES.has(String(each['type'])) || each['ref_type'] === 'NATURAL') return true;
  }
  for (const each of objects(node)) {
    if (each['class'] === 'STAR') return true;
    const column = each['class'] === 'COLUMN_REF' ? (each['column_names'] as string[]) : [];
    // A table's name alone means its rows as a whole.
    if (column.length === 1 && names.has(column[0]!.toLowerCase())) return true;
  }
  return false;
}

/** Whether the statement reads `bronze` alone, row by row, and ends with `ORDER BY _row` and nothing else. */
export function orderedByRowOnly(node: SelectNode): boolean {
  const [modifier, ...more] = node.modifiers ?? [];
  const [order, ...orders] = modifier?.type === 'ORDER_MODIFIER' ? (modifier.orders ?? []) : [];
  if (!order || orders.length > 0 || more.length > 0) return false;
  const plain = ['ORDER_DEFAULT', 'ASCENDING'].includes(order.type);
  const { column_names: names = [] } = order.expression;
  const bronze = node.from_table?.type === 'BASE_TABLE' && node.from_table.table_name?.toLowerCase() === 'bronze';
  return plain && bronze && names.length === 1 && names[0]!.toLowerCase() === '_row' && node.type === 'SELECT_NODE';
}
