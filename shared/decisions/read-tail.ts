// How far down a list that is read newest first has to be read: down to where the reading before began, a part at a time.
import type { Tail } from '../contracts/vitals.ts';

/** How far the first reading goes: what is older is no news. */
const FIRST_LOOK_MS = 7 * 86_400_000;

export const UNREAD: Tail = { until: null, gap: null };

/** A reading of one list, begun or going on. */
export interface Reading {
  /** Position of the next page; null for the first. */
  next: string | null;
  /** Where it began; everything before it will have been seen when it is done. */
  top: string;
  /** Items recorded before this instant were seen. */
  until: string;
}

/** `overlapMs`: what bears a time may show in the list so much later; it is read again the next time. */
export function beginReading(tail: Tail, now: string, overlapMs: number): Reading {
  const until = tail.until ?? ago(now, FIRST_LOOK_MS);
  return tail.gap ? { ...tail.gap, until } : { next: null, top: ago(now, overlapMs), until };
}

/** The items of a page that are news, and whether the reading has come down to the known. */
export function newsOf<Item>(
  reading: Reading,
  page: { items: readonly Item[]; next: string | null },
  at: (item: Item) => string,
): { news: Item[]; done: boolean; reading: Reading } {
  const news = page.items.filter((item) => Date.parse(at(item)) >= Date.parse(reading.until));
  const done = news.length < page.items.length || page.next === null;
  return { news, done, reading: { ...reading, next: page.next } };
}

/** What to remember of a reading. */
export function tailOf(tail: Tail, reading: Reading, done: boolean): Tail {
  if (done) return { until: Date.parse(reading.top) > Date.parse(reading.until) ? reading.top : reading.until, gap: null };
  return { until: tail.until ?? reading.until, gap: reading.next === null ? null : { next: reading.next, top: reading.top } };
}

function ago(now: string, ms: number): string {
  return new Date(Date.parse(now) - ms).toISOString();
}
