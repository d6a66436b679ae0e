// What a later finding makes of a ledger entry, and which version of a blob is its newest.
import { isStorageEvent, type LedgerEntry, type LedgerHead, type VerdictKind } from '../contracts/events.ts';

/** The part of a change that concerns the entry itself. */
export interface EntryChange {
  verdict?: LedgerEntry['verdict'] | null;
  pipeline?: string | null;
  instanceId?: string | null;
  runId?: string | null;
  sha256?: string | null;
  chain?: LedgerEntry['chain'] | null;
  foundBy?: LedgerEntry['foundBy'] | null;
  member?: { window: string } | null;
  onlyOpen?: boolean;
}

export function changedEntry(entry: LedgerEntry, change: EntryChange): LedgerEntry {
  const settled = change.onlyOpen === true && !isOpen(entry, change.runId ?? null);
  return {
    ...entry,
    verdict: settled ? entry.verdict : (change.verdict ?? entry.verdict),
    pipeline: change.pipeline ?? entry.pipeline,
    instanceId: change.instanceId ?? entry.instanceId,
    runId: settled ? entry.runId : (change.runId ?? entry.runId),
    sha256: change.sha256 ?? entry.sha256,
    chain: change.chain ?? entry.chain,
    foundBy: change.foundBy ?? entry.foundBy,
    window: change.member?.window ?? entry.window,
  };
}

/** Nothing was made of it yet, or what was made of it is the run that now says more. */
function isOpen({ runId, verdict }: LedgerEntry, by: string | null): boolean {
  if (runId !== null) return runId === by;
  return verdict.kind === 'incomplete' || verdict.kind === 'accepted' || verdict.kind === 'late';
}

/** The verdicts of events whose version of the blob was taken; another event of the same version was not. */
const TAKEN: ReadonlySet<VerdictKind> = new Set(['accepted', 'incomplete', 'late', 'quarantined', 'duplicate']);

/**
 * Whether a sequencer is older than another of the same blob. They compare as plain strings; of unequal length, or where one is not
 * known, the order is unspecified (facts/azure.md §3.1).
 */
export function isOlder(sequencer: string, than: string): boolean {
  return isOrdered(sequencer, than) && sequencer < than;
}

/** Whether sequencers say which of two events of one blob is the newer. */
export function isOrdered(sequencer: string, other: string): boolean {
  return sequencer !== '' && sequencer.length === other.length;
}

/** The head of a blob by its entries alone, leaving one out whose version turned out to be gone; null when none is left. */
export function headFrom(entries: readonly LedgerEntry[], without: string): LedgerHead | null {
  let newest: (LedgerHead & { receivedAt: string }) | null = null;
  for (const { entryId, event, verdict, sha256, receivedAt } of entries) {
    if (entryId === without || !isStorageEvent(event) || !TAKEN.has(verdict.kind) || verdict.rule === 'same-etag') continue;
    const older =
      newest !== null &&
      (isOlder(event.sequencer, newest.sequencer) || (!isOlder(newest.sequencer, event.sequencer) && receivedAt < newest.receivedAt));
    if (!older) newest = { eTag: event.eTag, sequencer: event.sequencer, sha256, entryId, receivedAt };
  }
  if (newest === null) return null;
  const { receivedAt: _receivedAt, ...head } = newest;
  return head;
}
