// Follows what a landed file becomes, from its verdict to the endpoint, by looking at the API: the same for people (`--watch`), scripts and the demo.
import { isStorageEvent, type LedgerEntry } from '../shared/contracts/events.ts';
import type { Explanation, RunSummary } from '../shared/contracts/http-api.ts';
import type { Api } from './api.ts';
import { CommandError, EXIT } from './failure.ts';

export interface Watching {
  /** A verdict was written, or amended. */
  verdict(entry: LedgerEntry): void;
  /** A run appeared or went on to another phase. */
  phase(run: RunSummary): void;
}

export interface Followed {
  entry: LedgerEntry;
  runs: RunSummary[];
}

const POLL_MS = 300;
/** An event reaches the ledger within seconds; without one the subscription or the queue is broken. */
const VERDICT_MS = 60_000;
/** A host that restarts is away for seconds: whoever follows a story of hours waits for it. */
const OUTAGE_MS = 60_000;

/** Waits for the verdict of the version with this eTag, then follows its runs until all of them have ended. */
export async function follow(api: Api, path: string, eTag: string, watching: Watching, limitMs: number): Promise<Followed> {
  const deadline = Date.now() + limitMs;
  let entry = await untilVerdict(api, path, eTag);
  watching.verdict(entry);
  const seen = new Map<string, string>();
  for (;;) {
    const why = await look<Explanation>(api, `/why?subject=${encodeURIComponent(entry.entryId)}`);
    const now = why.events.find((one) => one.entryId === entry.entryId);
    if (now && now.verdict.kind !== entry.verdict.kind) watching.verdict(now);
    entry = now ?? entry;
    for (const run of why.runs) {
      const state = `${run.status} ${run.phase}`;
      if (seen.get(run.runId) !== state) watching.phase(run);
      seen.set(run.runId, state);
    }
    if (ended(entry, why.runs)) return { entry, runs: why.runs };
    if (Date.now() > deadline)
      throw new CommandError(EXIT.failed, `${path} is still under way after ${limitMs / 1000} s`, `look again with: sluice why ${path}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** One look; an API that does not answer is asked again for a while. */
export async function look<Result>(api: Api, path: string): Promise<Result> {
  const deadline = Date.now() + OUTAGE_MS;
  for (;;) {
    try {
      return await api.get<Result>(path);
    } catch (error) {
      const isAway = error instanceof CommandError && error.exitCode === EXIT.unreachable;
      if (!isAway || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** The runs that count: of several attempts at one work the newest. */
export function newestAttempts(runs: readonly RunSummary[]): RunSummary[] {
  const isOlder = (run: RunSummary, than: RunSummary): boolean =>
    run.story === than.story && run.key === than.key && run.attempt < than.attempt;
  return runs.filter((run) => !runs.some((other) => isOlder(run, other)));
}

async function untilVerdict(api: Api, path: string, eTag: string): Promise<LedgerEntry> {
  const deadline = Date.now() + VERDICT_MS;
  while (Date.now() < deadline) {
    const { items } = await look<{ items: LedgerEntry[] }>(api, `/events/by-path?path=${encodeURIComponent(path)}`);
    const entry = items.findLast((one) => isStorageEvent(one.event) && one.event.eTag === eTag);
    if (entry) return entry;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new CommandError(
    EXIT.failed,
    `No event of ${path} arrived within ${VERDICT_MS / 1000} s`,
    'see whether the storage account has an event subscription to the landing queue: sluice status',
  );
}

/** Accepted, or on its way into a dataset; what only waits for others may wait for days. */
function isUnderWay({ verdict }: LedgerEntry): boolean {
  return verdict.kind === 'accepted' || verdict.rule === 'collecting' || verdict.rule === 'closing';
}

/**
 * Nothing more will come: the event leads to no run, or every run of the chain has ended. A run names what it starts before it
 * ends, so a chain whose runs have all ended and name no unknown one is complete. The run of a duplicate is that of the first event.
 */
function ended(entry: LedgerEntry, runs: readonly RunSummary[]): boolean {
  if (!isUnderWay(entry) && entry.runId === null) return true;
  if (entry.runId === null || runs.length === 0) return false;
  const known = new Set(runs.map((run) => run.runId));
  return runs.every((run) => run.status !== 'running' && run.next.every((next) => known.has(next)));
}
