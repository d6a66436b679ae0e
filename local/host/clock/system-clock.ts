// The machine's own time.
import type { Clock, Release } from './clock.ts';

/** Node cannot sleep longer than 2^31-1 ms in one go. */
const longestSleepMs = 2_000_000_000;

export function createSystemClock(): Clock {
  const sleeping = new Set<NodeJS.Timeout>();
  const holds = new Map<symbol, string>();
  return {
    now: () => new Date(),
    nowMs: () => Date.now(),
    setTimer(at, run): Release {
      let timer: NodeJS.Timeout | undefined;
      const sleep = (): void => {
        const left = at.getTime() - Date.now();
        timer = setTimeout(
          () => {
            if (timer) sleeping.delete(timer);
            if (at.getTime() > Date.now()) sleep();
            else run();
          },
          Math.min(Math.max(left, 0), longestSleepMs),
        );
        sleeping.add(timer);
      };
      sleep();
      return () => {
        if (!timer) return;
        clearTimeout(timer);
        sleeping.delete(timer);
      };
    },
    hold(reason): Release {
      const key = Symbol(reason);
      holds.set(key, reason);
      return () => void holds.delete(key);
    },
    inFlight: () => [...holds.values()],
    close() {
      for (const timer of sleeping) clearTimeout(timer);
      sleeping.clear();
    },
  };
}
