// The pure parts of `bench:train`, and the waiting that it measures: looks by the hour, lateness with and without events.
import { describe, expect, test } from 'vitest';
import { acceleratorWords, judgedBy, PUBLISHED, spread } from '../../scripts/bench/credit.ts';
import { DEFAULT_POLL, EVENTS, hourly, waitFor } from '../../scripts/bench/waiting.ts';

const MINUTE = 60_000;

describe('looks', () => {
  test('are counted in the first hour, and in whole hours after it', () => {
    const looks = [0, 10, 59, 60, 90, 119, 120, 179, 185].map((minute) => minute * MINUTE);

    expect(hourly(looks, 180 * MINUTE)).toEqual({ firstHour: 3, laterHour: 2.5 });
    expect(hourly(looks, 60 * MINUTE).laterHour).toBeNaN();
  });

  test('are rare where an event tells, which is heeded at once, also when it comes early; one that is lost costs the longest wait', async () => {
    const working = 125 * MINUTE;
    const waits = [];
    for (const events of EVENTS) waits.push(await waitFor(working, DEFAULT_POLL, events, 'one'));
    const [none, told, early, lost] = waits;
    const { pollMaxSeconds, pollMaxHintedSeconds } = DEFAULT_POLL;

    expect(none?.laterHour).toBeGreaterThan(50);
    expect(none?.lateSeconds).toBeLessThanOrEqual(pollMaxSeconds * 1.2 + 1);
    for (const waited of [told, early, lost]) {
      expect(waited?.firstHour).toBeLessThanOrEqual(12);
      expect(waited?.laterHour).toBeLessThanOrEqual(6);
    }
    expect(told?.lateSeconds).toBe(0);
    expect(early?.lateSeconds).toBeLessThanOrEqual(20);
    expect(lost?.lateSeconds).toBeGreaterThan(0);
    expect(lost?.lateSeconds).toBeLessThanOrEqual(pollMaxHintedSeconds * 1.2 + 1);
  });
});

test('an accelerator is compared beside what was published, or said to be absent', () => {
  expect(acceleratorWords(8, 2, PUBLISHED.infer)).toBe('4.00 x (published 4.44 x)');
  expect(acceleratorWords(8, null, PUBLISHED.update)).toBe('accelerator absent (published 1.54 x)');
});

test('a ratio shows how far its rounds were apart, and is judged by the processor where others work too', () => {
  expect(spread({ ours: 2, bare: 1, ratio: 1.0421, from: 0.98, to: 1.251 })).toBe('1.042 (0.98 to 1.25)');
  expect([judgedBy(0.4, 2), judgedBy(1.1, 2), judgedBy(9, 2), judgedBy(3, 16)]).toEqual(['clock', 'processor', 'processor', 'clock']);
});
