// Places that this process has seen events of: what came once may come again, and then looking first is cheaper than being refused.
import type { BlobPlace } from '../../shared/ports/stores.ts';

/** Enough for the bursts in which duplicates come; the oldest are forgotten. */
const MAX_PLACES = 5_000;

export interface Familiar {
  has(place: BlobPlace): boolean;
  add(place: BlobPlace): void;
}

/** A bounded memory of places. It is a hint: nothing that is decided depends on it. */
export function createFamiliar(max = MAX_PLACES): Familiar {
  const seen = new Set<string>();
  const keyOf = ({ account, container, path }: BlobPlace): string => `${account}/${container}/${path}`;
  return {
    has: (place) => seen.has(keyOf(place)),
    add(place) {
      const key = keyOf(place);
      seen.delete(key);
      seen.add(key);
      for (const oldest of seen) {
        if (seen.size <= max) break;
        seen.delete(oldest);
      }
    },
  };
}
