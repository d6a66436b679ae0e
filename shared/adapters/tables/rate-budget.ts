// Port RateBudget in a table: one row per budget and kind of call, changed by ETag, so that all instances draw from one bucket.
//   PK budget (for ARM: subscription and identity), RK `read` or `write`
import { ARM_LIMITS, type Bucket, type BucketLimits, drained, fullBucket, take } from '../../clients/arm/token-bucket.ts';
import type { CallKind, RateBudget } from '../../ports/rate-budget.ts';
import { untilUncontended } from './contention.ts';
import type { Row, Table } from './table.ts';

export interface TableRateBudgetOptions {
  table: Table;
  /** What the budget is for: the service meters per subscription and identity. Letters, digits and hyphens. */
  budget: string;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Default: what ARM allows, less a fifth. */
  limits?: Readonly<Record<CallKind, BucketLimits>>;
}

export function createTableRateBudget({ table, budget, now, limits = ARM_LIMITS }: TableRateBudgetOptions): RateBudget {
  /** Reads the bucket, changes it, and writes it if nobody else did meanwhile. */
  async function change<Answer>(kind: CallKind, next: (bucket: Bucket, at: number) => { bucket: Bucket; answer: Answer }): Promise<Answer> {
    return untilUncontended(`the rate budget "${budget}" for ${kind} calls`, async () => {
      const row = await table.get(budget, kind);
      const at = now();
      const { bucket, answer } = next(row ? bucketOf(row, limits[kind], at) : fullBucket(limits[kind], at), at);
      const fresh = { partitionKey: budget, rowKey: kind, tokens: String(bucket.tokens), at: String(bucket.at) };
      const written = row ? await table.replace(fresh, row.etag) : await table.insert(fresh);
      return written === 'replaced' || written === 'inserted' ? answer : 'contended';
    });
  }

  return {
    take: (kind, n) =>
      change(kind, (bucket, at) => {
        const taken = take(bucket, limits[kind], n, at);
        return { bucket: taken.bucket, answer: { waitMs: taken.waitMs } };
      }),
    throttled: (kind, waitMs) => change(kind, (bucket, at) => ({ bucket: drained(bucket, limits[kind], waitMs, at), answer: undefined })),
  };
}

/** A row that does not hold two numbers counts as never written: a budget is a courtesy, not a record. */
function bucketOf(row: Row, limits: BucketLimits, now: number): Bucket {
  const tokens = Number(row['tokens']);
  const at = Number(row['at']);
  if (!Number.isFinite(tokens) || !Number.isFinite(at) || row['tokens'] === '' || row['at'] === '') return fullBucket(limits, now);
  // An instance whose clock ran far ahead must not stop the others from being refilled.
  return { tokens: Math.min(tokens, limits.burst), at: Math.min(at, now + 60_000) };
}
