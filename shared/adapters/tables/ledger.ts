// The ledger in table `ledger`: events and verdicts, one partition for each blob.
//   PK hash(account/container/path)   RK e-<hash> = entry, RK head = the newest accepted state; without a path PK `malformed`.
//   PK ~recent-…                      index, newest first (newest-first.ts)
//   PK ~entry-<2 hex>, RK entry id    index: where the entry with this id is
//   PK ~run-<run id>, RK entry id     index: the entries that became data of this run
// Index rows are written before what they point to and are checked when read. Every `record` touches row `head`, even when it brings
// no new head: its ETag is therefore the version of the partition, and of two writers who saw the same version one is told `changed`.
import { placeKey } from '../../decisions/identity.ts';
import { LedgerEntry, LedgerHead } from '../../contracts/events.ts';
import type { BlobPlace, Ledger } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import { untilUncontended } from './contention.ts';
import { newestFirst, newestFirstRow } from './newest-first.ts';
import { pack, unpack } from './row.ts';
import type { NewRow, Row, Step, Table } from './table.ts';

const HEAD = 'head';
const ENTRIES = { from: 'e-', to: 'e.' };
/** Entries of one blob or one run that are read at once: a blob that is written more often is read in its newest part by `recent`. */
const MAX_ENTRIES = 5000;

export function createLedger(table: Table): Ledger {
  const partitionOf = (place: BlobPlace | null) => (place ? placeKey(place) : 'malformed');

  const entryAt = async (partition: string, entryId: string): Promise<LedgerEntry | null> => {
    const row = await table.get(partition, entryId);
    return row && unpack(row, LedgerEntry);
  };

  async function change(
    place: BlobPlace | null,
    entryId: string,
    edit: (entry: LedgerEntry) => LedgerEntry,
    sha256: string | null,
  ): Promise<void> {
    const partition = partitionOf(place);
    await untilUncontended(`Ledger entry ${entryId}`, async () => {
      const row = await table.get(partition, entryId);
      if (!row) throw unknown(entryId);
      const steps: Step[] = [{ kind: 'replace', row: entryRow(partition, edit(unpack(row, LedgerEntry))), etag: row.etag }];
      const headRow = sha256 === null ? null : await table.get(partition, HEAD);
      const head = headRow && headOf(headRow);
      if (headRow && head?.entryId === entryId) {
        steps.push({ kind: 'replace', row: headRowOf(partition, { ...head, sha256 }), etag: headRow.etag });
      }
      return (await table.batch(steps)) === 'done' ? 'changed' : 'contended';
    });
  }

  return {
    async look(place, entryId) {
      const partition = partitionOf(place);
      // The head first: an entry that is recorded between the two reads makes this version old, and `record` will say so.
      const headRow = place && (await table.get(partition, HEAD));
      return { head: headRow && headOf(headRow), entry: await entryAt(partition, entryId), version: headRow ? headRow.etag : null };
    },

    async record(place, entry, head, version) {
      const partition = partitionOf(place);
      const where = { partition, row: entry.entryId };
      const indexes = [newestFirstRow(entry.receivedAt, entry.entryId, where), byEntryRow(partition, entry.entryId)];
      if (entry.runId !== null) indexes.push(byRunRow(partition, entry.entryId, entry.runId));
      await Promise.all(indexes.map((row) => table.put(row)));
      const steps: Step[] = [{ kind: 'insert', row: entryRow(partition, entry) }];
      if (place) steps.push(headStep(partition, head, version, entry.entryId));
      return (await table.batch(steps)) === 'done' ? 'recorded' : 'changed';
    },

    async redelivered(place, entryId) {
      await change(place, entryId, (entry) => ({ ...entry, deliveries: entry.deliveries + 1 }), null);
    },

    async amend(place, entryId, { verdict, instanceId, runId, sha256 }) {
      const partition = partitionOf(place);
      if (runId) await table.put(byRunRow(partition, entryId, runId));
      const edit = (entry: LedgerEntry): LedgerEntry => ({
        ...entry,
        verdict: verdict ?? entry.verdict,
        instanceId: instanceId ?? entry.instanceId,
        runId: runId ?? entry.runId,
      });
      await change(place, entryId, edit, sha256 ?? null);
    },

    async ofBlob(place) {
      const rows = await table.range(partitionOf(place), ENTRIES, MAX_ENTRIES);
      return rows.map((row) => unpack(row, LedgerEntry)).sort(oldestFirst);
    },

    async recent(limit, after) {
      return newestFirst(table, limit, after, {}, async (index) => {
        const entry = await entryAt(index.partition, index.row);
        return entry?.receivedAt === index.at ? entry : null;
      });
    },

    async ofRun(runId) {
      const rows = await table.range(`~run-${runId}`, ENTRIES, MAX_ENTRIES);
      const entries = await Promise.all(rows.map((row) => entryAt(String(row['partition']), row.rowKey)));
      return entries
        .filter((entry) => entry !== null)
        .filter((entry) => entry.runId === runId)
        .sort(oldestFirst);
    },

    async find(entryId) {
      const index = await table.get(byEntryPartition(entryId), entryId);
      return index && entryAt(String(index['partition']), entryId);
    },
  };
}

function headStep(partition: string, head: LedgerHead | null, version: string | null, by: string): Step {
  if (version === null) return { kind: 'insert', row: headRowOf(partition, head) };
  if (head) return { kind: 'replace', row: headRowOf(partition, head), etag: version };
  return { kind: 'merge', row: { partitionKey: partition, rowKey: HEAD, touchedBy: by }, etag: version };
}

/** A partition whose entries were all refused or ignored has the row `head` without a head in it. */
function headOf(row: Row): LedgerHead | null {
  return row['json0'] === undefined ? null : unpack(row, LedgerHead);
}

function headRowOf(partition: string, head: LedgerHead | null): NewRow {
  return { partitionKey: partition, rowKey: HEAD, ...(head ? pack(head, 'The head of a blob') : {}) };
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
