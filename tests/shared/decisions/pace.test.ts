// How often a waiting story looks: bounded waits, few looks where an event will tell, quick ones after a word, and back again.
import { describe, expect, test } from 'vitest';
import { jittered } from '../../../shared/decisions/durations.ts';
import { nextPace, type Pace } from '../../../shared/decisions/pace.ts';

const LIMITS = { firstSeconds: 5, maxSeconds: 60, maxHintedSeconds: 600 };
/** Looks within `seconds`, with a word at each of `words` (seconds). */
function looks(seconds: number, hinted: boolean, words: readonly number[] = [], seed = 'a'): { at: number[]; paces: Pace[] } {
  let pace: Pace = { waitSeconds: LIMITS.firstSeconds };
  const left = [...words];
  const at: number[] = [];
  const paces: Pace[] = [];
  for (let now = 0, poll = 0; now < seconds; poll += 1) {
    at.push(now);
    const due = now + jittered(pace.waitSeconds, seed, poll);
    const word = left.find((one) => one > now && one <= due);
    pace = nextPace(pace, word !== undefined, hinted, LIMITS);
    paces.push(pace);
    now = word ?? due;
  }
  return { at, paces };
}
const within = (at: readonly number[], from: number, to: number): number => at.filter((one) => one >= from && one < to).length;

describe('a job of whose end an event tells', () => {
  test('is looked at at most twelve times in any hour, the first not excepted', () => {
    for (let seed = 0; seed < 200; seed += 1) {
      const { at } = looks(8 * 3600, true, [], `job-${seed}`);
      for (let from = 0; from < 7 * 3600; from += 600) expect(within(at, from, from + 3600)).toBeLessThanOrEqual(12);
    }
  });

  test('is looked at at once and soon again after a word, and then as seldom as before', () => {
    for (let word = 4000; word < 6000; word += 97) {
      const { at } = looks(9000, true, [word]);

      expect(at).toContain(word);
      expect(within(at, word, word + 60)).toBeGreaterThanOrEqual(4);
      expect(within(at, word, word + 600)).toBeLessThanOrEqual(8);
      expect(within(at, word + 1200, word + 3000)).toBeLessThanOrEqual(3);
    }
  });
});

test('a job that nothing tells of is looked at as ever: growing by half, at least every minute and a fifth', () => {
  const { at, paces } = looks(3600, false);

  expect(paces.slice(0, 4).map(({ waitSeconds }) => waitSeconds)).toEqual([7.5, 11.25, 16.875, 25.3125]);
  for (const [index, one] of at.slice(1).entries()) expect(one - (at[index] ?? 0)).toBeLessThanOrEqual(72);
});

test('whatever words come, waits stay between the first and the longest, and an alert ends', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    let random = seed;
    const next = (): number => (random = (random * 48_271) % 2_147_483_647) / 2_147_483_647;
    const hinted = next() < 0.5;
    let pace: Pace = { waitSeconds: LIMITS.firstSeconds };
    for (let step = 0; step < 200; step += 1) {
      pace = nextPace(pace, next() < 0.1, hinted, LIMITS);
      expect(pace.waitSeconds).toBeGreaterThanOrEqual(LIMITS.firstSeconds);
      expect(pace.waitSeconds).toBeLessThanOrEqual(hinted ? LIMITS.maxHintedSeconds : LIMITS.maxSeconds);
      expect(pace.alert?.looks ?? 1).toBeGreaterThanOrEqual(1);
    }
    for (let quiet = 0; quiet < 10; quiet += 1) pace = nextPace(pace, false, hinted, LIMITS);
    expect(pace.alert).toBeUndefined();
  }
});

test('a policy without a longer wait keeps the one it has', () => {
  expect(nextPace({ waitSeconds: 50 }, false, true, { firstSeconds: 5, maxSeconds: 60 })).toEqual({ waitSeconds: 60 });
});
