// The ledger in memory: for tests of what stands on it, under the same rules as the one in tables.
import type { LedgerEntry, LedgerHead } from '../../contracts/events.ts';
import type { BlobPlace, Ledger } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import { createKept, newestFirst, pageOf } from './kept.ts';

interface Kept {
  partition: string;
  entry: LedgerEntry;
}

export function createMemoryLedger(): Ledger {
  const heads = createKept<{ head: LedgerHead | null; version: number }>();
  const entries = createKept<Kept>();

  const partitionOf = (place: BlobPlace | null) => (place ? `${place.account}/${place.container}/${place.path}` : 'malformed');
  const keyOf = (partition: string, entryId: string) => `${partition}\0${entryId}`;
  const all = (keep: (kept: Kept) => boolean) =>
    entries
      .all()
      .filter(keep)
      .map(({ entry }) => entry);
  const oldestFirst = (list: LedgerEntry[]) =>
    newestFirst(
      list,
      (entry) => entry.receivedAt,
      ({ entryId }) => entryId,
    ).reverse();

  function change(place: BlobPlace | null, entryId: string, edit: (entry: LedgerEntry) => LedgerEntry): void {
    const partition = partitionOf(place);
    const kept = entries.get(keyOf(partition, entryId));
    if (!kept) throw new RejectedError('entry-unknown', `The ledger has no entry ${entryId} at this place`);
    entries.set(keyOf(partition, entryId), { partition, entry: edit(kept.entry) });
  }

  return {
    async look(place, entryId) {
      const partition = partitionOf(place);
      const state = place && heads.get(partition);
      const entry = entries.get(keyOf(partition, entryId))?.entry ?? null;
      return { head: state?.head ?? null, entry, version: state ? String(state.version) : null };
    },

    async record(place, entry, head, version) {
      const partition = partitionOf(place);
      const state = place && heads.get(partition);
      if ((state ? String(state.version) : null) !== version || entries.get(keyOf(partition, entry.entryId))) return 'changed';
      entries.set(keyOf(partition, entry.entryId), { partition, entry });
      if (place) heads.set(partition, { head: head ?? state?.head ?? null, version: (state?.version ?? 0) + 1 });
      return 'recorded';
    },

    async redelivered(place, entryId) {
      change(place, entryId, (entry) => ({ ...entry, deliveries: entry.deliveries + 1 }));
    },

    async amend(place, entryId, { verdict, instanceId, runId, sha256 }) {
      change(place, entryId, (entry) => ({
        ...entry,
        verdict: verdict ?? entry.verdict,
        instanceId: instanceId ?? entry.instanceId,
        runId: runId ?? entry.runId,
      }));
      const state = heads.get(partitionOf(place));
      if (sha256 && state?.head?.entryId === entryId) {
        heads.set(partitionOf(place), { head: { ...state.head, sha256 }, version: state.version + 1 });
      }
    },

    async ofBlob(place) {
      return oldestFirst(all((kept) => kept.partition === partitionOf(place)));
    },

    async recent(limit, after) {
      const sorted = newestFirst(
        all(() => true),
        (entry) => entry.receivedAt,
        ({ entryId }) => entryId,
      );
      return pageOf(sorted, ({ entryId }) => entryId, limit, after);
    },

    async ofRun(runId) {
      return oldestFirst(all(({ entry }) => entry.runId === runId));
    },

    async find(entryId) {
      return all(({ entry }) => entry.entryId === entryId)[0] ?? null;
    },
  };
}
