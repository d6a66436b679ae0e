// TimeSpan texts: known values, refusals, and there-and-back for any duration.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTimeSpan, parseTimeSpan } from '../../../../local/host/config/time-span.ts';

describe('TimeSpan', () => {
  it.each([
    ['00:00:30', 30_000],
    ['00:05', 300_000],
    ['1.02:03:04', 93_784_000],
    ['00:00:00.2', 200],
    ['00:00:00.2005', 200],
    ['00:00:01.0000001', 1000],
    ['7', 604_800_000],
    ['-00:00:01', -1000],
    ['-0', 0],
  ])('"%s" is %d ms', (text, ms) => {
    expect(parseTimeSpan(text)).toBe(ms);
  });

  it.each(['', '24:00:00', '00:60:00', '00:00:61', '1:2:3:4', '5 minutes', '00:00:01.', 'P1D'])('"%s" is none', (text) => {
    expect(parseTimeSpan(text)).toBeUndefined();
  });

  it('comes back the same from its text', () => {
    fc.assert(fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => parseTimeSpan(formatTimeSpan(ms)) === ms));
  });
});
