// The token bucket of Azure Resource Manager as a pure decision, and a budget that one process keeps for itself.
// Since 2024 ARM meters per subscription, principal and kind of call: a burst, refilled every second (facts/azure.md §1.5).

/** Size of the burst, and what comes back each second. */
export interface BucketLimits {
  burst: number;
  perSecond: number;
}

/** Tokens at an instant (milliseconds since 1970); below zero when calls were promised in advance. */
export interface Bucket {
  tokens: number;
  at: number;
}

/** Four fifths of what ARM allows one principal in one subscription: people with the same identity also want to work. */
export const ARM_LIMITS: Readonly<Record<'read' | 'write', BucketLimits>> = {
  read: { burst: 200, perSecond: 20 },
  write: { burst: 160, perSecond: 8 },
};

/** A bucket that nobody has taken from. */
export function fullBucket(limits: BucketLimits, now: number): Bucket {
  return { tokens: limits.burst, at: now };
}

/**
 * Takes `n` tokens. When there are too few the bucket goes below zero, and `waitMs` is when the last of them will have come: whoever takes
 * next waits longer, so nobody is served out of turn. A clock that goes back gives nothing and takes nothing.
 */
export function take(bucket: Bucket, limits: BucketLimits, n: number, now: number): { bucket: Bucket; waitMs: number } {
  const filled = refill(bucket, limits, now);
  const tokens = filled.tokens - n;
  return { bucket: { tokens, at: filled.at }, waitMs: tokens >= 0 ? 0 : Math.ceil((-tokens / limits.perSecond) * 1000) };
}

/** After the service has asked for quiet: empty, and so far below zero that the next one waits `waitMs`. */
export function drained(bucket: Bucket, limits: BucketLimits, waitMs: number, now: number): Bucket {
  const filled = refill(bucket, limits, now);
  return { tokens: Math.min(filled.tokens, 1 - (waitMs / 1000) * limits.perSecond), at: filled.at };
}

function refill(bucket: Bucket, limits: BucketLimits, now: number): Bucket {
  const at = Math.max(bucket.at, now);
  return { tokens: Math.min(limits.burst, bucket.tokens + ((at - bucket.at) / 1000) * limits.perSecond), at };
}

/** A budget for one process (shape of the port RateBudget). Several instances share one through a table instead. */
export function createLocalRateBudget(now: () => number, limits: Readonly<Record<'read' | 'write', BucketLimits>> = ARM_LIMITS) {
  const buckets = { read: fullBucket(limits.read, now()), write: fullBucket(limits.write, now()) };
  return {
    async take(kind: 'read' | 'write', n: number): Promise<{ waitMs: number }> {
      const { bucket, waitMs } = take(buckets[kind], limits[kind], n, now());
      buckets[kind] = bucket;
      return { waitMs };
    },
    async throttled(kind: 'read' | 'write', waitMs: number): Promise<void> {
      buckets[kind] = drained(buckets[kind], limits[kind], waitMs, now());
    },
  };
}
