// What every implementation of the ports `Freezes` and `BreakerStore` must do; run against memory and against tables.
import { describe, expect, it } from 'vitest';
import type { Breaker, Freeze } from '../../shared/contracts/guards.ts';
import type { BreakerStore, Freezes } from '../../shared/ports/guards.ts';
import { minute } from './samples.ts';

const freeze: Freeze = { pipeline: 'ble-location', kind: 'frozen', by: 'ada', reason: 'audit', since: minute(0), until: null };
const breaker = (count: number): Breaker => ({
  pipeline: 'ble-location',
  state: 'closed',
  opened: null,
  closed: null,
  datasets: { m: count },
  trainings: {},
  recent: [],
});

export function guardsSuite(make: () => Promise<{ freezes: Freezes; breakers: BreakerStore }>): void {
  describe('freezes', () => {
    it('are listed until they are ended, one for each pipeline and one for the platform', async () => {
      const { freezes } = await make();
      await freezes.set(freeze);
      await freezes.set({ ...freeze, reason: 'another audit' });
      await freezes.set({ ...freeze, pipeline: null, kind: 'maintenance' });

      const all = await freezes.list();

      expect(all.map(({ pipeline, reason }) => [pipeline, reason]).sort()).toEqual([
        [null, 'audit'],
        ['ble-location', 'another audit'],
      ]);
      expect(await freezes.end('ble-location')).toBe('ended');
      expect(await freezes.end('ble-location')).toBe('none');
      expect((await freezes.list()).map(({ pipeline }) => pipeline)).toEqual([null]);
    });

    it('can be set again after their end', async () => {
      const { freezes } = await make();
      await freezes.set(freeze);
      await freezes.end('ble-location');

      await freezes.set(freeze);

      expect(await freezes.list()).toEqual([freeze]);
    });
  });

  describe('breakers', () => {
    it('are unknown before something was counted', async () => {
      const { breakers } = await make();

      expect(await breakers.get('ble-location')).toBeNull();
      expect(await breakers.update('ble-location', (before) => ({ breaker: before, answer: 'looked' }))).toBe('looked');
      expect(await breakers.list()).toEqual([]);
    });

    it('lose no change of 12 writers at once', async () => {
      const { breakers } = await make();
      const add = (before: Breaker | null) => ({ breaker: breaker((before?.datasets['m'] ?? 0) + 1), answer: null });

      await Promise.all(Array.from({ length: 12 }, () => breakers.update('ble-location', add)));

      expect(await breakers.list()).toEqual([breaker(12)]);
    });
  });
}
