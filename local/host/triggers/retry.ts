// Function-level retry policies (`retry` in app.timer and app.generic): the function is run again in place, with `context.retryContext`.
// How a pause is waited for is the caller's: on the host's clock, so that virtual time skips it.
import type { RegisteredFunction } from '../core/function-app.ts';
import type { RpcRetryContext } from '../core/rpc.ts';

/** A policy in milliseconds. `maxRetryCount` -1 = for ever. */
export interface RetryPolicy {
  readonly maxRetryCount: number;
  /** Pause before retry number `retry` (1 = first). */
  delayMs(retry: number): number;
}

/** The policy of a function, or `undefined`. Throws `RangeError` when a part is missing or of the wrong kind. */
export function retryPolicy(registered: RegisteredFunction, random: () => number = Math.random): RetryPolicy | undefined {
  const options = registered.retryOptions;
  if (!options) return undefined;
  const strategy = options.retryStrategy ?? options.strategy;
  const maxRetryCount = Number(options.maxRetryCount ?? Number.NaN);
  if (!Number.isInteger(maxRetryCount) || maxRetryCount < -1)
    throw new RangeError('"maxRetryCount" must be a whole number, or -1 for no limit');
  if (strategy === 'fixedDelay') {
    const delay = milliseconds(options.delayInterval, 'delayInterval');
    return { maxRetryCount, delayMs: () => delay };
  }
  if (strategy === 'exponentialBackoff') {
    const least = milliseconds(options.minimumInterval, 'minimumInterval');
    const most = milliseconds(options.maximumInterval, 'maximumInterval');
    if (most < least) throw new RangeError('"maximumInterval" must not be shorter than "minimumInterval"');
    // As WebJobs' back-off: doubles each time, spread by 20 % either way, between the two bounds.
    const delayMs = (retry: number) => Math.min(most, least + least * (2 ** Math.min(retry - 1, 30) - 1) * (0.8 + 0.4 * random()));
    return { maxRetryCount, delayMs };
  }
  throw new RangeError(`"strategy" must be fixedDelay or exponentialBackoff, found ${JSON.stringify(strategy)}`);
}

/**
 * Runs `attempt` until it succeeds, the policy is used up or `isStopping` says so; then the last error is thrown.
 * The first attempt has no retry context.
 */
export async function withRetries<T>(
  policy: RetryPolicy | undefined,
  pause: (ms: number) => Promise<void>,
  isStopping: () => boolean,
  attempt: (context: RpcRetryContext | undefined) => Promise<T>,
): Promise<T> {
  let context: RpcRetryContext | undefined;
  for (let retry = 1; ; retry += 1) {
    try {
      return await attempt(context);
    } catch (error) {
      const isOver = !policy || (policy.maxRetryCount >= 0 && retry > policy.maxRetryCount) || isStopping();
      if (isOver) throw error;
      await pause(policy.delayMs(retry));
      context = { retryCount: retry, maxRetryCount: policy.maxRetryCount, exception: exceptionOf(error) };
    }
  }
}

function exceptionOf(error: unknown): NonNullable<RpcRetryContext['exception']> {
  return error instanceof Error ? { message: error.message, stackTrace: error.stack ?? '', source: '' } : { message: String(error) };
}

/** An interval as the SDK passes it on (`{seconds}`), or as an app wrote it (milliseconds, or a duration object). */
function milliseconds(interval: unknown, name: string): number {
  if (typeof interval === 'number' && interval >= 0) return interval;
  if (typeof interval === 'object' && interval !== null) {
    const part = interval as { hours?: number; minutes?: number; seconds?: number | string; milliseconds?: number };
    const seconds = Number(part.seconds ?? 0) + 60 * (Number(part.minutes ?? 0) + 60 * Number(part.hours ?? 0));
    const total = seconds * 1000 + Number(part.milliseconds ?? 0);
    if (Number.isFinite(total) && total >= 0) return total;
  }
  throw new RangeError(`"${name}" must be a number of milliseconds or a duration such as { seconds: 10 }`);
}
