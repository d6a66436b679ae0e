// The token bucket as arithmetic: no sequence of takes gets more out of it than burst and refill allow.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ARM_LIMITS, drained, fullBucket, take } from '../../../../shared/clients/arm/token-bucket.ts';

const limits = { burst: 10, perSecond: 4 };

it('never lets through more than the burst and what came back since, whoever asks and whenever', () => {
  const asks = fc.array(fc.record({ after: fc.integer({ min: 0, max: 3_000 }), n: fc.integer({ min: 1, max: 5 }) }), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(asks, (sequence) => {
      let bucket = fullBucket(limits, 0);
      let now = 0;
      const calls: { at: number; n: number }[] = [];
      for (const { after, n } of sequence) {
        now += after;
        const taken = take(bucket, limits, n, now);
        bucket = taken.bucket;
        calls.push({ at: now + taken.waitMs, n });
      }
      for (const { at } of calls) {
        const made = calls.filter((call) => call.at <= at).reduce((sum, { n }) => sum + n, 0);
        if (made > limits.burst + (at / 1000) * limits.perSecond + 1e-6) return false;
      }
      return true;
    }),
    { numRuns: 300 },
  );
});

it('serves in turn: who asks later waits no shorter', () => {
  let bucket = fullBucket(limits, 0);
  const ready: number[] = [];
  for (let ask = 0; ask < 40; ask += 1) {
    const taken = take(bucket, limits, 1, ask * 10);
    bucket = taken.bucket;
    ready.push(ask * 10 + taken.waitMs);
  }

  expect(ready).toEqual([...ready].sort((a, b) => a - b));
});

it('a clock that goes back gives nothing, and quiet that the service asks for is never shortened', () => {
  const later = take(fullBucket(limits, 1_000), limits, 10, 1_000).bucket;
  expect(take(later, limits, 1, 0).waitMs).toBe(250);

  const quiet = drained(later, limits, 10_000, 1_000);
  expect(take(quiet, limits, 1, 1_000).waitMs).toBe(10_000);
  expect(drained(quiet, limits, 1_000, 1_000)).toEqual(quiet);
});

it('stays below what Resource Manager allows a principal', () => {
  expect(ARM_LIMITS.read.burst).toBeLessThan(250);
  expect(ARM_LIMITS.write.perSecond).toBeLessThan(10);
});
