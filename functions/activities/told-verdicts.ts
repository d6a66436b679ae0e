// Verdicts that keep an event from its way are announced as they are written down; events that were taken pay nothing for it.
import { setTimeout as after } from 'node:timers/promises';
import type { Verdict } from '../../shared/contracts/events.ts';
import type { Announcer } from '../../shared/ports/platform.ts';
import type { BlobPlace, Ledger } from '../../shared/ports/stores.ts';

/** Verdicts that somebody may want to hear of; files of a dataset that is quarantined as a whole are told by its run. */
const TOLD: ReadonlySet<Verdict['kind']> = new Set(['over-budget', 'refused', 'late', 'quarantined', 'loop']);
/** A topic that is away must not hold the queue while a storm is held back: announcing goes on beside it. */
const PATIENCE_MS = 2_000;

/** The ledger, with announcements `event.judged`. What could not be announced is said by `warn`: the ledger itself is the truth. */
export function withVerdictsTold(ledger: Ledger, announcer: Announcer, now: () => Date, warn: (message: string) => void): Ledger {
  async function tell(entryId: string, place: BlobPlace | null, pipeline: string | null, verdict: Verdict): Promise<void> {
    if (!TOLD.has(verdict.kind)) return;
    const { kind, rule, reason } = verdict;
    const path = place === null ? null : `${place.account}/${place.container}/${place.path}`;
    const published = announcer
      .publish({
        // One for each verdict: a repeat of the same has the id of the first.
        id: `${entryId}/event.judged/${rule}`,
        type: 'event.judged',
        subject: `/events/${entryId}`,
        at: now().toISOString(),
        data: { verdict: kind, rule, reason, pipeline, path },
      })
      .catch((error: unknown) =>
        warn(`${entryId}: ${kind} (${rule}) was not announced: ${error instanceof Error ? error.message : String(error)}`),
      );
    const stop = new AbortController();
    await Promise.race([published, after(PATIENCE_MS, undefined, { signal: stop.signal }).catch(() => undefined)]);
    stop.abort();
  }
  return {
    look: (place, entryId) => ledger.look(place, entryId),
    async record(place, entry, head, version) {
      const written = await ledger.record(place, entry, head, version);
      if (written === 'recorded') await tell(entry.entryId, place, entry.pipeline, entry.verdict);
      return written;
    },
    redelivered: (place, entryId) => ledger.redelivered(place, entryId),
    async amend(place, entryId, change) {
      await ledger.amend(place, entryId, change);
      if (change.verdict && !change.byWindow) await tell(entryId, place, null, change.verdict);
    },
    members: (window, limit, from) => ledger.members(window, limit, from),
    carry: (window, member) => ledger.carry(window, member),
    linkWindow: (window, runId) => ledger.linkWindow(window, runId),
    known: (places) => ledger.known(places),
    ofBlob: (place) => ledger.ofBlob(place),
    recent: (limit, from) => ledger.recent(limit, from),
    arrivals: (limit, from) => ledger.arrivals(limit, from),
    ofRun: (runId) => ledger.ofRun(runId),
    find: (entryId) => ledger.find(entryId),
  };
}
