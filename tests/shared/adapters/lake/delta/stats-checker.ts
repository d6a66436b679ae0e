// Recomputes a data file's statistics from its rows, as another reader shows them, and compares them with `add.stats`.
export type Row = Record<string, unknown>;
export interface SchemaField {
  name: string;
  type: unknown;
  nullable: boolean;
}
interface Struct {
  type: 'struct';
  fields: SchemaField[];
}

type Json = Record<string, unknown>;
const MOST_LEAVES = 32;

/** A value as JSON statistics show it. */
function plain(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'bigint' ? Number(value) : value;
}

/** Something to compare by: times as milliseconds, texts by their UTF-8 bytes, numbers as they are. */
function order(type: string, value: unknown): number | Buffer {
  if (type.startsWith('timestamp') || type === 'date') {
    const text = value as string;
    return Date.parse(type === 'timestamp_ntz' && !text.endsWith('Z') ? `${text}Z` : text);
  }
  return typeof value === 'string' ? Buffer.from(value) : (value as number);
}

function compare(a: number | Buffer, b: number | Buffer): number {
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return Buffer.compare(a, b);
  return a === b ? 0 : a < b ? -1 : 1;
}

const COMPARED = /^(byte|short|integer|long|float|double|date|timestamp|timestamp_ntz|string|decimal\(.*)$/;

function checkLeaf(
  path: string,
  type: string,
  values: unknown[],
  rows: number,
  found: { min: unknown; max: unknown; nulls: unknown },
): string[] {
  const problems: string[] = [];
  const there = values.filter((value) => value !== null && value !== undefined).map(plain);
  if (found.nulls !== rows - there.length)
    problems.push(`nullCount of ${path} is ${JSON.stringify(found.nulls)}, not ${rows - there.length}`);
  const bounded = COMPARED.test(type) && there.length > 0 && !there.some((value) => typeof value === 'number' && !Number.isFinite(value));
  if (!bounded) {
    if (found.min !== undefined || found.max !== undefined) problems.push(`${path} has bounds that mean nothing`);
    return problems;
  }
  // DuckDB counts no bounds where a text is longer than 256 bytes and not ASCII: none is allowed, a wrong one is not.
  const huge = there.some((value) => typeof value === 'string' && Buffer.byteLength(value) > 256);
  if (found.min === undefined) return huge && found.max === undefined ? problems : [...problems, `${path} has no minimum`];
  return [...problems, ...checkBounds(path, type, there, found)];
}

function checkBounds(path: string, type: string, there: unknown[], found: { min: unknown; max: unknown }): string[] {
  const problems: string[] = [];
  const sorted = there.map((value) => order(type, value)).sort(compare);
  const [low, high] = [sorted[0]!, sorted.at(-1)!];
  const min = order(type, found.min);
  const max = found.max === undefined ? null : order(type, found.max);
  const isLong = (value: number | Buffer) => Buffer.isBuffer(value) && [...value.toString()].length > 32;
  // Texts are cut at 32 characters; hyparquet gives decimals as rounded numbers; both may be wide, never narrow.
  const loose = type === 'string' ? isLong(low) || isLong(high) : type.startsWith('decimal');
  const near = (a: number | Buffer, b: number | Buffer) =>
    typeof a === 'number' && typeof b === 'number' && loose && Math.abs(a - b) <= 1e-12 * Math.abs(a);
  // Times are cut to milliseconds, and this reader cuts them too.
  if (!loose && (compare(min, low) !== 0 || max === null || compare(max, high) !== 0))
    problems.push(`${path}: bounds ${JSON.stringify(found.min)}..${JSON.stringify(found.max)}, rows ${low.toString()}..${high.toString()}`);
  if (compare(min, low) > 0 && !near(min, low)) problems.push(`${path} holds ${low.toString()} below its minimum`);
  if (max !== null && compare(max, high) < 0 && !near(max, high)) problems.push(`${path} holds ${high.toString()} above its maximum`);
  return problems;
}

export function checkStats(file: { path: string; stats: Json }, rows: Row[], schema: SchemaField[]): string[] {
  const problems: string[] = [];
  if (file.stats['numRecords'] !== rows.length) problems.push(`numRecords ${String(file.stats['numRecords'])}, rows ${rows.length}`);
  let leaves = 0;
  const walk = (fields: SchemaField[], path: string, values: Row[], kinds: (Json | undefined)[]) => {
    const names = new Set(fields.map((field) => field.name));
    for (const kind of kinds)
      for (const name of Object.keys(kind ?? {})) if (!names.has(name)) problems.push(`statistics of ${path}${name}, which is no column`);
    for (const { name, type } of fields) {
      const [min, max, nulls] = kinds.map((kind) => kind?.[name]);
      const column = values.map((row) => row[name]);
      if (typeof type === 'object' && (type as Struct).type === 'struct') {
        const inner = column.map((value) => (value ?? {}) as Row);
        walk((type as Struct).fields, `${path}${name}.`, inner, [min as Json, max as Json, nulls as Json]);
      } else if (typeof type === 'object') {
        if (min !== undefined || max !== undefined || nulls !== undefined) problems.push(`statistics of the list or map ${path}${name}`);
      } else {
        leaves += 1;
        if (leaves <= MOST_LEAVES) problems.push(...checkLeaf(`${path}${name}`, type as string, column, rows.length, { min, max, nulls }));
        else if (nulls !== undefined) problems.push(`statistics of column ${leaves}, ${path}${name}`);
      }
    }
  };
  walk(schema, '', rows, [file.stats['minValues'] as Json, file.stats['maxValues'] as Json, file.stats['nullCount'] as Json]);
  return problems.map((problem) => `${file.path}: ${problem}`);
}
