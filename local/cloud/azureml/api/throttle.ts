// ARM's throttling: a token bucket per principal and kind of call, with what is left in a header (facts/azure.md §1.5).
// Sizes and refill can be set; the defaults are ARM's.
import type { Clock } from '../../kit/clock.ts';
import type { AzureMlOptions, BucketOptions } from '../options.ts';
import { ArmError } from './arm-error.ts';

type Kind = 'reads' | 'writes' | 'deletes';

const DEFAULTS: Readonly<Record<Kind, BucketOptions>> = {
  reads: { size: 250, perSecond: 25 },
  writes: { size: 200, perSecond: 10 },
  deletes: { size: 200, perSecond: 10 },
};
const VERBS: Readonly<Record<Kind, string>> = { reads: 'read', writes: 'write', deletes: 'delete' };

/** Counts calls. */
export interface Throttle {
  /** Takes a token; gives the headers that tell what is left. Throws 429 with `Retry-After` when there is none. */
  take(principal: string, method: string): Record<string, string>;
}

/** The buckets of a stand-in. */
export function createThrottle(options: AzureMlOptions, clock: Clock): Throttle {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    take(principal, method) {
      const kind: Kind = method === 'DELETE' ? 'deletes' : method === 'GET' || method === 'HEAD' ? 'reads' : 'writes';
      const { size, perSecond } = options.throttle?.[kind] ?? DEFAULTS[kind];
      const key = `${kind} ${principal}`;
      const now = clock.now();
      const bucket = buckets.get(key) ?? { tokens: size, at: now };
      bucket.tokens = Math.min(size, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * perSecond);
      bucket.at = now;
      buckets.set(key, bucket);
      if (bucket.tokens < 1) {
        const seconds = perSecond > 0 ? Math.max(1, Math.ceil((1 - bucket.tokens) / perSecond)) : 60;
        throw new ArmError(
          429,
          'SubscriptionRequestsThrottled',
          `Number of '${VERBS[kind]}' requests for subscription '${options.subscriptionId}' actor '${principal}' exceeded. Please try again after '${seconds}' seconds.`,
          { 'retry-after': String(seconds), [`x-ms-ratelimit-remaining-subscription-${kind}`]: '0' },
        );
      }
      bucket.tokens -= 1;
      return { [`x-ms-ratelimit-remaining-subscription-${kind}`]: String(Math.floor(bucket.tokens)) };
    },
  };
}
