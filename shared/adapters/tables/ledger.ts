// The ledger in table `ledger`: events and verdicts, one partition for each blob; what its rows look like is in ledger-rows.ts.
// Index rows are written before what they point to and are checked when read. Every `record` touches row `head`, even when it brings
// no new head: its ETag is therefore the version of the partition, and of two writers who saw the same version one is told `changed`.
import { LedgerEntry, type LedgerHead, VerdictKind } from '../../contracts/events.ts';
import { WindowMember } from '../../contracts/windows.ts';
import { placeKey } from '../../decisions/identity.ts';
import { changedEntry, headFrom } from '../../decisions/ledger-change.ts';
import type { BlobPlace, KnownBlob, Ledger, LedgerArrival, LedgerChange } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import { untilUncontended } from './contention.ts';
import { createGatheredPut } from './gathered.ts';
import { inverted, newestFirst, newestFirstRow } from './newest-first.ts';
import {
  byEntryPartition,
  byEntryRow,
  byRunRow,
  carriedId,
  carriedOf,
  entryRow,
  HEAD,
  headOf,
  headRowOf,
  isInOwnRow,
  lastETagBy,
  lastETagOf,
  memberRow,
  saidOf,
  said,
  windowPartition,
} from './ledger-rows.ts';
import { unpack } from './row.ts';
import type { Row, Step, Table } from './table.ts';

/** Entries and the head of one blob. */
const OF_BLOB = { from: 'e-', to: `${HEAD}.` };
const ENTRIES = { from: 'e-', to: 'e.' };
/** The partition of messages that nobody could read. */
const WITHOUT_PLACE = 'malformed';
const WINDOWS = { from: 'w-', to: 'w.' };
/** Entries of one blob or one run that are read at once: a blob that is written more often is read in its newest part by `recent`. */
const MAX_ENTRIES = 5000;
/** Members of a run's windows that are looked up: enough for whoever asks why, and no walk through ten thousand rows. */
const MAX_MEMBERS = 500;
/** Rows fetched side by side. */
const WIDTH = 16;
const ARRIVED: readonly LedgerArrival['what'][] = ['file', 'signal', 'none'];

export function createLedger(table: Table): Ledger {
  const putIndex = createGatheredPut(table);
  const partitionOf = (place: BlobPlace | null) => (place ? placeKey(place) : WITHOUT_PLACE);

  /** Most entries are in the row `head` of their blob; `inOwnRow` says where to look first. */
  const entryAt = async (partition: string, entryId: string, inOwnRow = false): Promise<LedgerEntry | null> => {
    for (const rowKey of inOwnRow || partition === WITHOUT_PLACE ? [entryId, HEAD] : [HEAD, entryId]) {
      const row = await table.get(partition, rowKey);
      const entry = row && entryIn(row, entryId);
      if (entry || partition === WITHOUT_PLACE) return entry;
    }
    return null;
  };

  const entriesOf = async (partition: string): Promise<LedgerEntry[]> =>
    (await table.range(partition, OF_BLOB, MAX_ENTRIES)).map((row) => entryIn(row)).filter((entry) => entry !== null);

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
      const headRow = place === null ? null : await table.get(partition, HEAD);
      const next = headRow && mayMoveHead ? await headAfter(partition, headOf(headRow), entryId, amendment) : undefined;
      const carried = headRow && carriedOf(headRow);
      if (headRow && carried?.entryId === entryId) {
        const head = next === undefined ? headOf(headRow) : next;
        const both = headRowOf(partition, head, lastETagOf(headRow), edit(carried));
        return (await table.replace(both, headRow.etag)) === 'replaced' ? 'changed' : 'contended';
      }
      const row = await table.get(partition, entryId);
      if (!row) throw unknown(entryId);
      const steps: Step[] = [{ kind: 'replace', row: entryRow(partition, edit(unpack(row, LedgerEntry))), etag: row.etag }];
      if (headRow && next !== undefined) {
        steps.push({ kind: 'replace', row: headRowOf(partition, next, lastETagOf(headRow), carried), etag: headRow.etag });
      }
      return (await table.batch(steps)) === 'done' ? 'changed' : 'contended';
    });
  }

  /** Writes an entry in one request, with the head when it has a place; false when the partition is not as `version` says. */
  async function written(place: BlobPlace | null, partition: string, entry: LedgerEntry, head: LedgerHead | null, version: string | null) {
    if (place === null) return (await table.insert(entryRow(partition, entry))) === 'inserted';
    // The first entry of a blob lives in the row of its head: one row and no batch for a file that lands once.
    if (version === null) return (await table.insert(headRowOf(partition, head, lastETagBy(entry), entry))) === 'inserted';
    const { etag, carried } = readVersion(version);
    if (carried === entry.entryId) return false;
    const touched = { ...headRowOf(partition, head, lastETagBy(entry)), touchedBy: entry.entryId };
    const steps: Step[] = [
      { kind: 'insert', row: entryRow(partition, entry) },
      { kind: 'merge', row: touched, etag },
    ];
    return (await table.batch(steps)) === 'done';
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
      const carried = carriedOf(headRow, entryId);
      const row = carried ? null : await table.get(partition, entryId);
      return { head: headOf(headRow), entry: carried ?? (row && unpack(row, LedgerEntry)), version: versionOf(headRow) };
    },

    async record(place, entry, head, version) {
      const partition = partitionOf(place);
      const inOwnRow = place === null || version !== null;
      const listed = newestFirstRow(entry.receivedAt, entry.entryId, { partition, row: entry.entryId }, saidOf(entry, inOwnRow));
      const indexes = [listed, byEntryRow(partition, entry.entryId, inOwnRow)];
      if (entry.runId !== null) indexes.push(byRunRow(partition, entry.entryId, entry.runId));
      await Promise.all(indexes.map(putIndex));
      if (await written(place, partition, entry, head, version)) return 'recorded';
      // It was recorded before, at another moment: the list must not show it a second time.
      const before = await entryAt(partition, entry.entryId);
      if (before && inverted(before.receivedAt) !== inverted(entry.receivedAt)) await table.remove(listed.partitionKey, listed.rowKey);
      return 'changed';
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
        found.push(...rows.map((row) => (row ? { head: headOf(row), lastETag: said(row, 'lastETag') } : { head: null, lastETag: null })));
      }
      return found;
    },

    async ofBlob(place) {
      return (await entriesOf(partitionOf(place))).sort(oldestFirst);
    },

    async recent(limit, after) {
      return newestFirst(table, limit, after, {}, async (index, row) => {
        const entry = await entryAt(index.partition, index.row, isInOwnRow(row));
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
      return index && entryAt(String(index['partition']), entryId, isInOwnRow(index));
    },
  };
}

/** The entry of a row, whether it is its own or that of the head; null when the row holds none, or not the wanted one. */
function entryIn(row: Row, wanted?: string): LedgerEntry | null {
  return row.rowKey === HEAD ? carriedOf(row, wanted) : unpack(row, LedgerEntry);
}

/** Which state of a partition somebody saw: the ETag of its head and the entry in it. */
function versionOf(headRow: Row): string {
  return `${carriedId(headRow) ?? ''} ${headRow.etag}`;
}

function readVersion(version: string): { carried: string; etag: string } {
  const space = version.indexOf(' ');
  return { carried: version.slice(0, space), etag: version.slice(space + 1) };
}

function unknown(entryId: string): RejectedError {
  return new RejectedError('entry-unknown', `The ledger has no entry ${entryId} at this place`);
}

function oldestFirst(a: LedgerEntry, b: LedgerEntry): number {
  return Date.parse(a.receivedAt) - Date.parse(b.receivedAt) || (a.entryId < b.entryId ? -1 : 1);
}
