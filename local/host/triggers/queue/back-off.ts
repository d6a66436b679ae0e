// Pauses between looks at an empty queue: from 100 ms up to a maximum, doubling with a random spread, back to the start when something came.
// Source: RandomizedExponentialBackoffStrategy of the storage extension.

/** Gives the next pause. */
export interface BackOff {
  /** Milliseconds to wait now; each call lengthens the next one. */
  next(): number;
  reset(): void;
}

const LEAST_MS = 100;
const SPREAD = 0.2;

/** A back-off that never exceeds `mostMs`. */
export function createBackOff(mostMs: number, random: () => number = Math.random): BackOff {
  let exponent = 0;
  let isLongest = false;
  return {
    next() {
      if (isLongest) return mostMs;
      const spread = 1 - SPREAD + random() * 2 * SPREAD;
      const pause = LEAST_MS + (2 ** exponent - 1) * LEAST_MS * spread;
      exponent += 1;
      isLongest = pause >= mostMs;
      return Math.min(pause, mostMs);
    },
    reset: () => {
      exponent = 0;
      isLongest = false;
    },
  };
}
