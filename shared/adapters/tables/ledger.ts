// The ledger in table `ledger`: events and verdicts, one partition for each blob.
//   PK hash(account/container/path)   RK e-<hash> = entry, RK head = the newest accepted state; without a path PK `malformed`.
//   PK ~recent-…                      index, newest first (newest-first.ts); says what came for whom
//   PK ~entry-<2 hex>, RK entry id    index: where the entry with this id is
//   PK ~run-<run id>, RK entry id     index: the entries that became data of this run; RK `w-<window>`: all members of that window
//   PK ~window-<window>, RK entry id  the members of a window, as they were collected
// Index rows are written before what they point to and are checked when read. Every `record` touches row `head`, even when it brings
// no new head: its ETag is therefore the version of the partition, and of two writers who saw the same version one is told `changed`.
import { isStorageEvent, LedgerEntry, LedgerHead, VerdictKind } from '../../contracts/events.ts';
import { WindowMember } from '../../contracts/windows.ts';
import { placeKey } from '../../decisions/identity.ts';
import { changedEntry, headFrom } from '../../decisions/ledger-change.ts';
import type { BlobPlace, KnownBlob, Ledger, LedgerArrival, LedgerChange } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import { untilUncontended } from './contention.ts';
import { newestFirst, newestFirstRow } from './newest-first.ts';
import { pack, unpack } from './row.ts';
import type { NewRow, Row, Step, Table } from './table.ts';

const HEAD = 'head';
const ENTRIES = { from: 'e-', to: 'e.' };
const WINDOWS = { from: 'w-', to: 'w.' };
/** Entries of one blob or one run that are read at once: a blob that is written more often is read in its newest part by `recent`. */
const MAX_ENTRIES = 5000;
/** Members of a run's windows that are looked up: enough for whoever asks why, and no walk through ten thousand rows. */
const MAX_MEMBERS = 500;
/** Rows fetched side by side. */
const WIDTH = 16;
const ARRIVED: readonly LedgerArrival['what'][] = ['file', 'signal', 'none'];

export function createLedger(table: Table): Ledger {
  const partitionOf = (place: BlobPlace | null) => (place ? placeKey(place) : 'malformed');

  const entryAt = async (partition: string, entryId: string): Promise<LedgerEntry | null> => {
    const row = await table.get(partition, entryId);
    return row && unpack(row, LedgerEntry);
  };

  const entriesOf = async (partition: string): Promise<LedgerEntry[]> =>
    (await table.range(partition, ENTRIES, MAX_ENTRIES)).map((row) => unpack(row, LedgerEntry));

  /** The head after a change; undefined when it stays as it is. */
  async function headAfter(partition: string, head: LedgerHead | null, entryId: string, change: LedgerChange) {
    if (change.head) return change.head;
    if (head?.entryId !== entryId) return undefined;
    if (change.withdraw) return headFrom(await entriesOf(partition), entryId);
    return change.sha256 ? { ...head, sha256: change.sha256 } : undefined;
  }

  async function change(
    place: BlobPlace | null,
    entryId: string,
    edit: (entry: LedgerEntry) => LedgerEntry,
    amendment: LedgerChange,
  ): Promise<void> {
    const partition = partitionOf(place);
    const mayMoveHead = place !== null && Boolean(amendment.sha256 ?? amendment.head ?? amendment.withdraw);
    await untilUncontended(`Ledger entry ${entryId}`, async () => {
      const [row, headRow] = await Promise.all([table.get(partition, entryId), mayMoveHead ? table.get(partition, HEAD) : null]);
      if (!row) throw unknown(entryId);
      const steps: Step[] = [{ kind: 'replace', row: entryRow(partition, edit(unpack(row, LedgerEntry))), etag: row.etag }];
      const next = headRow ? await headAfter(partition, headOf(headRow), entryId, amendment) : undefined;
      if (headRow && next !== undefined) {
        steps.push({ kind: 'replace', row: headRowOf(partition, next, lastETagOf(headRow)), etag: headRow.etag });
      }
      return (await table.batch(steps)) === 'done' ? 'changed' : 'contended';
    });
  }

  /** Places of a run's entries: its own index rows, and the members of its windows. */
  async function placesOfRun(runId: string): Promise<{ partition: string; entryId: string }[]> {
    const rows = await table.range(`~run-${runId}`, ENTRIES, MAX_ENTRIES);
    const own = rows.map((row) => ({ partition: String(row['partition']), entryId: row.rowKey }));
    const links = await table.range(`~run-${runId}`, WINDOWS, MAX_ENTRIES);
    for (const { rowKey } of links) {
      const members = await table.range(windowPartition(rowKey.slice(2)), ENTRIES, MAX_MEMBERS - Math.min(own.length, MAX_MEMBERS));
      own.push(...members.map((row) => ({ partition: String(row['partition']), entryId: row.rowKey })));
    }
    return own;
  }

  return {
    async look(place, entryId) {
      const partition = partitionOf(place);
      if (place === null) return { head: null, entry: await entryAt(partition, entryId), version: null };
      // The head first: an entry that is recorded between the two reads makes this version old, and `record` will say so. Every entry
      // touches the head, so without one there is no entry to look for: a new file costs one read.
      const headRow = await table.get(partition, HEAD);
      if (!headRow) return { head: null, entry: null, version: null };
      return { head: headOf(headRow), entry: await entryAt(partition, entryId), version: headRow.etag };
    },

    async record(place, entry, head, version) {
      const partition = partitionOf(place);
      const where = { partition, row: entry.entryId };
      const indexes = [newestFirstRow(entry.receivedAt, entry.entryId, where, saidOf(entry)), byEntryRow(partition, entry.entryId)];
      if (entry.runId !== null) indexes.push(byRunRow(partition, entry.entryId, entry.runId));
      await Promise.all(indexes.map((row) => table.put(row)));
      const steps: Step[] = [{ kind: 'insert', row: entryRow(partition, entry) }];
      if (place) steps.push(headStep(partition, head, version, entry));
      return (await table.batch(steps)) === 'done' ? 'recorded' : 'changed';
    },

    async redelivered(place, entryId) {
      await change(place, entryId, (entry) => ({ ...entry, deliveries: entry.deliveries + 1 }), {});
    },

    async amend(place, entryId, amendment) {
      const { runId, member } = amendment;
      // A member of a window is found through the window's link.
      if (runId && !amendment.byWindow) await table.put(byRunRow(partitionOf(place), entryId, runId));
      await change(place, entryId, (entry) => changedEntry(entry, amendment), amendment);
      if (member) await table.put(memberRow(member.window, member.row));
    },

    async members(window, limit, after) {
      const from = after === undefined ? ENTRIES.from : `${after}!`;
      const rows = await table.range(windowPartition(window), { from, to: ENTRIES.to }, limit);
      const items = rows.map((row) => unpack(row, WindowMember));
      return { items, next: rows.length < limit ? null : (items.at(-1)?.entryId ?? null) };
    },

    async carry(window, member) {
      await table.put(memberRow(window, member));
    },

    async linkWindow(window, runId) {
      await table.put({ partitionKey: `~run-${runId}`, rowKey: `w-${window}` });
    },

    async known(places) {
      const found: KnownBlob[] = [];
      for (let start = 0; start < places.length; start += WIDTH) {
        const rows = await Promise.all(places.slice(start, start + WIDTH).map((place) => table.get(placeKey(place), HEAD)));
        found.push(...rows.map((row) => (row ? { head: headOf(row), lastETag: lastETagOf(row) } : { head: null, lastETag: null })));
      }
      return found;
    },

    async ofBlob(place) {
      return (await entriesOf(partitionOf(place))).sort(oldestFirst);
    },

    async recent(limit, after) {
      return newestFirst(table, limit, after, {}, async (index) => {
        const entry = await entryAt(index.partition, index.row);
        return entry?.receivedAt === index.at ? entry : null;
      });
    },

    async arrivals(limit, after) {
      return newestFirst(table, limit, after, {}, async (index, row) => ({
        at: index.at,
        entryId: index.row,
        pipeline: said(row, 'pipeline'),
        what: ARRIVED.find((what) => what === row['what']) ?? 'none',
        verdict: VerdictKind.catch('malformed').parse(row['verdict']),
      }));
    },

    async ofRun(runId) {
      const places = await placesOfRun(runId);
      const entries: LedgerEntry[] = [];
      for (let start = 0; start < places.length; start += WIDTH) {
        const found = await Promise.all(places.slice(start, start + WIDTH).map(({ partition, entryId }) => entryAt(partition, entryId)));
        entries.push(...found.filter((entry) => entry?.runId === runId).filter((entry) => entry !== null));
      }
      return entries.sort(oldestFirst);
    },

    async find(entryId) {
      const index = await table.get(byEntryPartition(entryId), entryId);
      return index && entryAt(String(index['partition']), entryId);
    },
  };
}

function headStep(partition: string, head: LedgerHead | null, version: string | null, by: LedgerEntry): Step {
  const lastETag = isStorageEvent(by.event) ? by.event.eTag : '';
  if (version === null) return { kind: 'insert', row: headRowOf(partition, head, lastETag) };
  if (head) return { kind: 'replace', row: headRowOf(partition, head, lastETag), etag: version };
  return { kind: 'merge', row: { partitionKey: partition, rowKey: HEAD, touchedBy: by.entryId, lastETag }, etag: version };
}

/** A partition whose entries were all refused or ignored has the row `head` without a head in it. */
function headOf(row: Row): LedgerHead | null {
  return row['json0'] === undefined ? null : unpack(row, LedgerHead);
}

function lastETagOf(row: Row): string | null {
  return said(row, 'lastETag');
}

function said(row: Row, property: string): string | null {
  const value = row[property];
  return typeof value === 'string' && value !== '' ? value : null;
}

/** What the index row of an entry says of it. */
function saidOf({ event, pipeline, verdict }: LedgerEntry): Record<string, string> {
  const what = event === null ? 'none' : isStorageEvent(event) ? 'file' : 'signal';
  return { what, verdict: verdict.kind, pipeline: pipeline ?? '' };
}

function headRowOf(partition: string, head: LedgerHead | null, lastETag: string | null): NewRow {
  return { partitionKey: partition, rowKey: HEAD, lastETag: lastETag ?? '', ...(head ? pack(head, 'The head of a blob') : {}) };
}

function windowPartition(window: string): string {
  return `~window-${window}`;
}

function memberRow(window: string, member: WindowMember): NewRow {
  const packed = pack(member, `Member ${member.entryId}`);
  return { partitionKey: windowPartition(window), rowKey: member.entryId, partition: placeKey(member), ...packed };
}

function entryRow(partition: string, entry: LedgerEntry): NewRow {
  return { partitionKey: partition, rowKey: entry.entryId, ...pack(entry, `Ledger entry ${entry.entryId}`) };
}

function byEntryPartition(entryId: string): string {
  return `~entry-${entryId.slice(2, 4)}`;
}

function byEntryRow(partition: string, entryId: string): NewRow {
  return { partitionKey: byEntryPartition(entryId), rowKey: entryId, partition };
}

function byRunRow(partition: string, entryId: string, runId: string): NewRow {
  return { partitionKey: `~run-${runId}`, rowKey: entryId, partition };
}

function unknown(entryId: string): RejectedError {
  return new RejectedError('entry-unknown', `The ledger has no entry ${entryId} at this place`);
}

function oldestFirst(a: LedgerEntry, b: LedgerEntry): number {
  return Date.parse(a.receivedAt) - Date.parse(b.receivedAt) || (a.entryId < b.entryId ? -1 : 1);
}
