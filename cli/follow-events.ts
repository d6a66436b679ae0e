// New events as they come: looks at the ledger again and again, each event once.
import { setTimeout as after } from 'node:timers/promises';
import type { LedgerEntry } from '../shared/contracts/events.ts';
import type { Api } from './api.ts';
import { look } from './follow.ts';

interface Page {
  items: LedgerEntry[];
  next: string | null;
}

/** Entries become visible a moment after the time that they bear, and clocks of instances differ: so far back each look goes. */
const OVERLAP_MS = 60_000;
const POLL_MS = 1000;
/** A server that has no event yet tells no time; its clock may be as far behind ours. */
const CLOCKS_MS = 300_000;

export interface Following {
  /** Filters, as the API takes them, without `since`, `limit` and `after`. */
  filter: URLSearchParams;
  /** Show the newest this many first. */
  first: number;
  /** Of these, the ones that are shown; all without it. */
  keep?: (entry: LedgerEntry) => boolean;
  signal: AbortSignal;
  pollMs?: number;
}

/** Events from the newest `first` on, oldest first, each once, until the signal ends it. */
export async function* followEvents(
  api: Api,
  { filter, first, keep = () => true, signal, pollMs = POLL_MS }: Following,
): AsyncGenerator<LedgerEntry> {
  let since = await beginning(api);
  // What is there already is not new; of it only the newest are shown.
  const history = (await sinceThen(api, filter, since)).map(({ entryId, receivedAt }) => [entryId, receivedAt] as const);
  const begin = first > 0 ? (await newestPage(api, filter, first, keep)).items : [];
  const seen = new Map(history);
  for (const { entryId } of begin) seen.delete(entryId);
  for (let fresh = begin; !signal.aborted; fresh = await sinceThen(api, filter, since)) {
    for (const entry of fresh.toReversed()) {
      if (seen.has(entry.entryId)) continue;
      seen.set(entry.entryId, entry.receivedAt);
      if (keep(entry)) yield entry;
    }
    const last = fresh.map(({ receivedAt }) => receivedAt).reduce((a, b) => (a > b ? a : b), '');
    const back = last === '' ? since : new Date(Date.parse(last) - OVERLAP_MS).toISOString();
    if (back > since) since = back;
    for (const [id, receivedAt] of seen) if (receivedAt < since) seen.delete(id);
    await after(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * The newest `count` that the filter lets through and that are kept, how many of those between were not, and the cursor of what follows;
 * a page may hold few and still have a next one.
 */
export async function newestPage(
  api: Api,
  filter: URLSearchParams,
  count: number,
  keep: (entry: LedgerEntry) => boolean = () => true,
): Promise<Page & { hidden: number }> {
  const items: LedgerEntry[] = [];
  let [next, hidden]: [string | null, number] = [null, 0];
  do {
    const page = await pageOf(api, filter, Math.min(200, count - items.length), next);
    const kept = page.items.filter(keep);
    items.push(...kept);
    hidden += page.items.length - kept.length;
    next = page.next;
  } while (items.length < count && next !== null);
  return { items, next, hidden };
}

async function sinceThen(api: Api, filter: URLSearchParams, since: string): Promise<LedgerEntry[]> {
  const query = new URLSearchParams(filter);
  query.set('since', since);
  const items: LedgerEntry[] = [];
  let next: string | null = null;
  do {
    const page = await pageOf(api, query, 200, next);
    items.push(...page.items);
    next = page.next;
  } while (next !== null);
  return items;
}

/** What came before is history: the server's own clock tells where to begin, as far as its newest event does. */
async function beginning(api: Api): Promise<string> {
  const [last] = (await pageOf(api, new URLSearchParams(), 1, null)).items;
  return new Date(last ? Date.parse(last.receivedAt) - OVERLAP_MS : Date.now() - CLOCKS_MS).toISOString();
}

async function pageOf(api: Api, filter: URLSearchParams, limit: number, cursor: string | null): Promise<Page> {
  const query = new URLSearchParams(filter);
  query.set('limit', String(limit));
  if (cursor !== null) query.set('after', cursor);
  return look<Page>(api, `/events?${query.toString()}`);
}
