// Freezes and breakers in memory, under the same rules as those in tables.
import type { Breaker, Freeze } from '../../contracts/guards.ts';
import type { BreakerStore, Freezes } from '../../ports/guards.ts';
import { createKept } from './kept.ts';

export function createMemoryFreezes(): Freezes {
  const freezes = new Map<string | null, Freeze>();
  return {
    set: async (freeze) => void freezes.set(freeze.pipeline, structuredClone(freeze)),
    end: async (pipeline) => (freezes.delete(pipeline) ? 'ended' : 'none'),
    list: async () => structuredClone([...freezes.values()]),
  };
}

export function createMemoryBreakers(): BreakerStore {
  const breakers = createKept<Breaker>();
  return {
    get: async (pipeline) => breakers.get(pipeline),
    async update(pipeline, change) {
      const { breaker, answer } = change(breakers.get(pipeline));
      if (breaker) breakers.set(pipeline, breaker);
      return answer;
    },
    list: async () => breakers.all().sort((a, b) => (a.pipeline < b.pipeline ? -1 : 1)),
  };
}
