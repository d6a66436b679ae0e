// The ledger in memory: for tests of what stands on it, under the same rules as the one in tables.
import { isStorageEvent, type LedgerEntry, type LedgerHead } from '../../contracts/events.ts';
import type { WindowMember } from '../../contracts/windows.ts';
import { changedEntry, headFrom } from '../../decisions/ledger-change.ts';
import type { BlobPlace, Ledger } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import { createKept, newestFirst, pageOf } from './kept.ts';

interface Kept {
  partition: string;
  entry: LedgerEntry;
}

export function createMemoryLedger(): Ledger {
  const heads = createKept<{ head: LedgerHead | null; version: number; lastETag: string | null }>();
  const entries = createKept<Kept>();
  const windows = new Map<string, Map<string, WindowMember>>();
  const indexOf = new Map<string, string>();

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

  function change(place: BlobPlace | null, entryId: string, edit: (entry: LedgerEntry) => LedgerEntry): LedgerEntry {
    const partition = partitionOf(place);
    const kept = entries.get(keyOf(partition, entryId));
    if (!kept) throw new RejectedError('entry-unknown', `The ledger has no entry ${entryId} at this place`);
    const entry = edit(kept.entry);
    entries.set(keyOf(partition, entryId), { partition, entry });
    return entry;
  }

  function putMember(window: string, member: WindowMember): void {
    const members = windows.get(window) ?? new Map<string, WindowMember>();
    members.set(member.entryId, structuredClone(member));
    windows.set(window, members);
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
      indexOf.set(entry.entryId, partition);
      if (place) {
        const lastETag = isStorageEvent(entry.event) ? entry.event.eTag : null;
        heads.set(partition, { head: head ?? state?.head ?? null, version: (state?.version ?? 0) + 1, lastETag });
      }
      return 'recorded';
    },

    async redelivered(place, entryId) {
      change(place, entryId, (entry) => ({ ...entry, deliveries: entry.deliveries + 1 }));
    },

    async amend(place, entryId, amendment) {
      const { member, head: newHead, withdraw, sha256 } = amendment;
      change(place, entryId, (entry) => changedEntry(entry, amendment));
      if (member) putMember(member.window, member.row);
      const partition = partitionOf(place);
      const state = heads.get(partition);
      if (!state) return;
      const own = state.head?.entryId === entryId;
      let head = state.head;
      if (newHead) head = newHead;
      else if (withdraw && own) {
        head = headFrom(
          all((kept) => kept.partition === partition),
          entryId,
        );
      } else if (own && sha256) head = { ...state.head!, sha256 };
      if (head !== state.head) heads.set(partition, { ...state, head, version: state.version + 1 });
    },

    async members(window, limit, after) {
      const sorted = [...(windows.get(window)?.values() ?? [])].sort((a, b) => (a.entryId < b.entryId ? -1 : 1));
      const left = after === undefined ? sorted : sorted.filter(({ entryId }) => entryId > after);
      const items = structuredClone(left.slice(0, limit));
      return { items, next: left.length > limit ? (items.at(-1)?.entryId ?? null) : null };
    },

    async carry(window, member) {
      putMember(window, member);
    },

    // The entries say it; only tables need an index.
    linkWindow: async () => undefined,

    async known(places) {
      return places.map((place) => {
        const state = heads.get(partitionOf(place));
        return { head: state?.head ?? null, lastETag: state?.lastETag ?? null };
      });
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

    async arrivals(limit, after) {
      const { items, next } = await this.recent(limit, after);
      return {
        items: items.map(({ entryId, receivedAt, event, pipeline, verdict }) => ({
          at: receivedAt,
          entryId,
          pipeline,
          what: event === null ? 'none' : isStorageEvent(event) ? 'file' : 'signal',
          // Once recorded, the index of tables stays as it was; here it follows the entry, which is as good.
          verdict: verdict.kind,
        })),
        next,
      };
    },

    async ofRun(runId) {
      return oldestFirst(all(({ entry }) => entry.runId === runId));
    },

    async find(entryId) {
      const partition = indexOf.get(entryId);
      return partition === undefined ? null : (entries.get(keyOf(partition, entryId))?.entry ?? null);
    },
  };
}
