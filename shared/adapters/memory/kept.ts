// Records kept in memory: copied on the way in and out, so that no caller can change what is stored by changing what it holds.
import type { Page } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';

export interface Kept<Item> {
  get(key: string): Item | null;
  set(key: string, item: Item): void;
  /** All, in the order in which they were first written. */
  all(): Item[];
}

export function createKept<Item>(): Kept<Item> {
  const items = new Map<string, Item>();
  return {
    get(key) {
      const item = items.get(key);
      return item === undefined ? null : structuredClone(item);
    },
    set(key, item) {
      items.set(key, structuredClone(item));
    },
    all: () => structuredClone([...items.values()]),
  };
}

/** The newest first; equal instants by id, so that pages never overlap. */
export function newestFirst<Item>(items: readonly Item[], at: (item: Item) => string, id: (item: Item) => string): Item[] {
  return items.toSorted((a, b) => Date.parse(at(b)) - Date.parse(at(a)) || (id(a) < id(b) ? -1 : 1));
}

/** A page of a sorted list. The position is the id of the last item of the page before. */
export function pageOf<Item>(sorted: readonly Item[], id: (item: Item) => string, limit: number, after: string | undefined): Page<Item> {
  let start = 0;
  if (after !== undefined) {
    start = sorted.findIndex((item) => id(item) === after) + 1;
    if (start === 0)
      throw new RejectedError('position-unknown', 'This is not a position in the list: take "next" of the page before, unchanged');
  }
  const items = sorted.slice(start, start + limit);
  const last = items.at(-1);
  return { items, next: last !== undefined && start + limit < sorted.length ? id(last) : null };
}
