// Index rows that list the records of a table newest first, whatever partition they live in.
// PK `~recent-<inverted day>`, RK `<inverted ms>-<id>`: one range over the partitions is the order, and no partition grows for ever.
// An index row is written BEFORE its record: a crash between leaves a row that points nowhere, which readers skip; the other order
// would leave a record that nobody finds. `~` is in no name of ours, so index partitions never meet others.
import type { Page } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { NewRow, Row, Table } from './table.ts';

/** Everything from this prefix on: `-` and `.` are neighbours in the order of keys. */
const ALL = { from: '~recent-', to: '~recent.' };
/** Rows read in one call at most: a filter that matches nothing must not read the whole history. */
const MAX_SCANNED = 2000;
const STEP = 100;
/** Records fetched side by side. */
const WIDTH = 16;

/** Newer instants give smaller texts. */
export function inverted(instant: string): string {
  return String(9_999_999_999_999 - Date.parse(instant)).padStart(13, '0');
}

/** The index row of a record. `compare` are properties that a query filters by, `keys` where the record is. */
export function newestFirstRow(
  at: string,
  id: string,
  keys: { partition: string; row: string },
  compare: Record<string, string> = {},
): NewRow {
  const day = Number(new Date(at).toISOString().slice(0, 10).replaceAll('-', ''));
  const partitionKey = `~recent-${99_999_999 - day}`;
  return { ...compare, partitionKey, rowKey: `${inverted(at)}-${id}`, at, partition: keys.partition, row: keys.row };
}

/**
 * One page of records. `read` fetches the record of an index row, or null when there is none, it is not the one that the index row
 * was written for, or a filter drops it. A page may hold fewer than `limit` records and still have a next one.
 */
export async function newestFirst<Item>(
  table: Table,
  limit: number,
  after: string | undefined,
  where: Record<string, string>,
  read: (index: { at: string; partition: string; row: string }, row: Row) => Promise<Item | null>,
): Promise<Page<Item>> {
  const items: Item[] = [];
  let position = after === undefined ? null : decodePosition(after);
  for (let scanned = 0; items.length < limit && scanned < MAX_SCANNED;) {
    // A few more than are wanted, because some may point nowhere or be dropped by a filter.
    const step = Math.min(STEP, limit - items.length + WIDTH);
    const rows = await following(table, position, where, step);
    for (let start = 0; start < rows.length && items.length < limit;) {
      const chunk = rows.slice(start, start + Math.min(WIDTH, limit - items.length));
      const found = await Promise.all(
        chunk.map((row) => read({ at: text(row, 'at'), partition: text(row, 'partition'), row: text(row, 'row') }, row)),
      );
      items.push(...found.filter((item) => item !== null));
      start += chunk.length;
      position = chunk.at(-1) ?? position;
    }
    if (rows.length < step && position === (rows.at(-1) ?? position)) return { items, next: null };
    scanned += step;
  }
  return { items, next: position ? encodePosition(position) : null };
}

type Position = Pick<Row, 'partitionKey' | 'rowKey'>;

/** The next index rows. Two queries, because a filter with `or` makes the service read the whole table. */
async function following(table: Table, position: Position | null, where: Record<string, string>, limit: number): Promise<Row[]> {
  if (!position) return table.range(ALL, null, limit, where);
  const rest = await table.range(position.partitionKey, { from: `${position.rowKey}!`, to: '~' }, limit, where);
  if (rest.length >= limit) return rest;
  const later = await table.range({ from: `${position.partitionKey}!`, to: ALL.to }, null, limit - rest.length, where);
  return [...rest, ...later];
}

function text(row: Row, property: string): string {
  const value = row[property];
  return typeof value === 'string' ? value : '';
}

function encodePosition(position: Position): string {
  return Buffer.from(JSON.stringify([position.partitionKey, position.rowKey])).toString('base64url');
}

/** `after` comes from a caller: anything that is not one of our positions is refused. */
function decodePosition(after: string): Position {
  const [partitionKey, rowKey] = parts(after);
  if (!/^~recent-\d{8}$/.test(partitionKey ?? '') || !/^\d{13}-[a-z0-9-]+$/.test(rowKey ?? '')) {
    throw new RejectedError('position-unknown', 'This is not a position in the list: take "next" of the page before, unchanged');
  }
  return { partitionKey: partitionKey ?? '', rowKey: rowKey ?? '' };
}

function parts(after: string): string[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(after, 'base64url').toString('utf8'));
    return Array.isArray(value) ? value.map(String) : [];
  } catch {
    return [];
  }
}
