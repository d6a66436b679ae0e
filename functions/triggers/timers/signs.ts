// Reads what was recorded since the last tick: arrivals from the ledger's index, runs from their list, and runs whose end is awaited.
// Bounded: a tick reads so many pages; what is left is a gap that the next tick goes on with.
import type { Tail, Watch } from '../../../shared/contracts/vitals.ts';
import { beginReading, newsOf, tailOf, UNREAD } from '../../../shared/decisions/read-tail.ts';
import { broughtData, joinedSigns, signOf, type Signs } from '../../../shared/decisions/vitals.ts';
import type { Run } from '../../../shared/contracts/runs.ts';
import type { Ledger, Page, RunStore } from '../../../shared/ports/stores.ts';
import type { VitalsStore } from '../../../shared/ports/vitals.ts';

export interface SignsDeps {
  ledger: Pick<Ledger, 'arrivals'>;
  runs: Pick<RunStore, 'list' | 'get'>;
  vitals: Pick<VitalsStore, 'watch' | 'setWatch'>;
}

/** What was found, and whether both lists were read down to what was known. */
export interface FoundSigns {
  signs: ReadonlyMap<string, Signs>;
  eventsRead: boolean;
  runsRead: boolean;
  /** To be kept once the signs are written. */
  watch: Watch;
}

const EVENTS_PER_PAGE = 500;
const RUNS_PER_PAGE = 100;
const MAX_PAGES = 20;
/** An entry bears the time at which its trigger wrote it. */
const EVENTS_OVERLAP_MS = 120_000;
/** A run bears the time at which its story asked for it; opening it is tried for a quarter of an hour. */
const RUNS_OVERLAP_MS = 900_000;
/** Runs looked at again in one tick; the others come in the next. */
const MAX_LOOKS = 200;
const MAX_OPEN = 1000;
const WIDTH = 16;

export async function readSigns(deps: SignsDeps, now: string): Promise<FoundSigns> {
  const known = (await deps.vitals.watch()) ?? { events: UNREAD, runs: UNREAD, open: [] };
  const signs = new Map<string, Signs>();
  const note = (pipeline: string, sign: Signs): void => void signs.set(pipeline, joinedSigns(signs.get(pipeline) ?? {}, sign));

  const events = await readNews(
    known.events,
    now,
    EVENTS_OVERLAP_MS,
    (after) => deps.ledger.arrivals(EVENTS_PER_PAGE, after),
    ({ at }) => at,
    (arrival) => {
      if (arrival.pipeline !== null && broughtData(arrival)) note(arrival.pipeline, { lastEvent: arrival.at });
    },
  );

  // Looked at in the order in which they were met, those of this tick last: none is forgotten behind newer ones.
  const open = new Map(known.open.map((run) => [run.runId, run]));
  const looked = [...open.values()].slice(0, MAX_LOOKS);
  for (const run of looked) open.delete(run.runId);
  const take = (run: Pick<Run, 'pipeline' | 'runId' | 'story' | 'status' | 'startedAt' | 'finishedAt' | 'cause'>): void => {
    const sign = signOf(run);
    if (sign) note(run.pipeline, sign);
    if (run.status !== 'running' || (run.story !== 'refine' && run.story !== 'train')) open.delete(run.runId);
    else open.set(run.runId, { pipeline: run.pipeline, runId: run.runId });
  };
  const runs = await readNews(
    known.runs,
    now,
    RUNS_OVERLAP_MS,
    (after) => deps.runs.list({}, RUNS_PER_PAGE, after),
    ({ startedAt }) => startedAt,
    take,
  );
  for (let start = 0; start < looked.length; start += WIDTH) {
    const found = await Promise.all(looked.slice(start, start + WIDTH).map(({ pipeline, runId }) => deps.runs.get(pipeline, runId)));
    for (const run of found) if (run) take(run);
  }
  const watch = { events, runs, open: [...open.values()].slice(-MAX_OPEN) };
  return { signs, eventsRead: events.gap === null, runsRead: runs.gap === null, watch };
}

async function readNews<Item>(
  tail: Tail,
  now: string,
  overlapMs: number,
  list: (after: string | undefined) => Promise<Page<Item>>,
  at: (item: Item) => string,
  take: (item: Item) => void,
): Promise<Tail> {
  let reading = beginReading(tail, now, overlapMs);
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const found = newsOf(reading, await list(reading.next ?? undefined), at);
    for (const item of found.news) take(item);
    reading = found.reading;
    if (found.done) return tailOf(tail, reading, true);
  }
  return tailOf(tail, reading, false);
}
