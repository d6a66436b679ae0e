// The rows of table `ledger`.
//   PK hash(account/container/path)   RK head = the newest accepted state of the blob, and the first entry that came for it;
//                                     RK e-<hash> = an entry that came later; without a path PK `malformed`
//   PK ~recent-…                      index, newest first (newest-first.ts); says what came for whom
//   PK ~entry-<1 hex>, RK entry id    index: where the entry with this id is
//   PK ~run-<run id>, RK entry id     index: the entries that became data of this run; RK `w-<window>`: all members of that window
//   PK ~window-<window>, RK entry id  the members of a window, as they were collected
import { isStorageEvent, LedgerEntry, LedgerHead } from '../../contracts/events.ts';
import type { WindowMember } from '../../contracts/windows.ts';
import { placeKey } from '../../decisions/identity.ts';
import { pack, unpack } from './row.ts';
import type { NewRow, Row } from './table.ts';

/** The row of a blob that every entry touches. */
export const HEAD = 'head';
/** The properties of a head row that hold its entry: `entry0`, `entry1`, … */
const CARRIED = 'entry';

/** A partition whose entries were all refused or ignored has a head row without a head in it. */
export function headOf(row: Row): LedgerHead | null {
  return row['json0'] === undefined ? null : unpack(row, LedgerHead);
}

/** The id of the entry in a head row. */
export function carriedId(row: Row): string | null {
  return said(row, 'entryId');
}

/** The entry in a head row; with `wanted` only when it is that one. */
export function carriedOf(row: Row, wanted?: string): LedgerEntry | null {
  const id = carriedId(row);
  return id === null || (wanted !== undefined && id !== wanted) ? null : unpack(row, LedgerEntry, CARRIED);
}

/** The ETag that the newest event of a blob spoke of, whatever its verdict. */
export function lastETagOf(row: Row): string {
  return said(row, 'lastETag') ?? '';
}

/** As `lastETagOf`, of the event that is recorded now. */
export function lastETagBy({ event }: LedgerEntry): string {
  return isStorageEvent(event) ? event.eTag : '';
}

/** A text property; null when it is empty or missing. */
export function said(row: Row, property: string): string | null {
  const value = row[property];
  return typeof value === 'string' && value !== '' ? value : null;
}

/** A whole head row; merged into one that is there it changes head and last ETag. */
export function headRowOf(partition: string, head: LedgerHead | null, lastETag: string, carried: LedgerEntry | null = null): NewRow {
  const row: NewRow = { partitionKey: partition, rowKey: HEAD, lastETag };
  if (head) Object.assign(row, pack(head, 'The head of a blob'));
  if (carried) Object.assign(row, { entryId: carried.entryId }, pack(carried, `Ledger entry ${carried.entryId}`, CARRIED));
  return row;
}

/** An entry in a row of its own. */
export function entryRow(partition: string, entry: LedgerEntry): NewRow {
  return { partitionKey: partition, rowKey: entry.entryId, ...pack(entry, `Ledger entry ${entry.entryId}`) };
}

/** What the index row of an entry says of it. */
export function saidOf({ event, pipeline, verdict }: LedgerEntry, inOwnRow: boolean): Record<string, string> {
  const what = event === null ? 'none' : isStorageEvent(event) ? 'file' : 'signal';
  return { what, verdict: verdict.kind, pipeline: pipeline ?? '', ...(inOwnRow ? { own: 'row' } : {}) };
}

/** Whether an index row says that its entry has a row of its own. */
export function isInOwnRow(index: Row): boolean {
  return index['own'] !== undefined;
}

/**
 * The partition of the index row that says where an entry is. Sixteen: few enough that events that come together share their writes, and
 * enough that none grows long, because Azurite looks through a whole partition for one row.
 */
export function byEntryPartition(entryId: string): string {
  return `~entry-${entryId.slice(2, 3)}`;
}

export function byEntryRow(partition: string, entryId: string, inOwnRow: boolean): NewRow {
  return { partitionKey: byEntryPartition(entryId), rowKey: entryId, partition, ...(inOwnRow ? { own: 'row' } : {}) };
}

export function byRunRow(partition: string, entryId: string, runId: string): NewRow {
  return { partitionKey: `~run-${runId}`, rowKey: entryId, partition };
}

export function windowPartition(window: string): string {
  return `~window-${window}`;
}

export function memberRow(window: string, member: WindowMember): NewRow {
  const packed = pack(member, `Member ${member.entryId}`);
  return { partitionKey: windowPartition(window), rowKey: member.entryId, partition: placeKey(member), ...packed };
}
