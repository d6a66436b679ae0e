// When a failed call is tried again: the arithmetic of the Durable Task Framework's retry policy.
// Source: DurableTask.Core RetryInterceptor; the timer after the last attempt is in the recordings (activity-retry-fail).

/** `RetryOptions` as the SDK sends them. */
export interface RetryPolicy {
  firstRetryIntervalInMilliseconds: number;
  maxNumberOfAttempts: number;
  backoffCoefficient?: number;
  maxRetryIntervalInMilliseconds?: number;
  retryTimeoutInMilliseconds?: number;
}

/** What follows a failed attempt. `again: false` with a delay is the timer of no use that keeps old histories valid; without one nothing follows. */
export interface AfterFailure {
  again: boolean;
  delayMs?: number;
}

/**
 * @param failed how many attempts have failed, from 1.
 * @param startedMs when the first attempt was scheduled.
 */
export function afterFailure(policy: RetryPolicy, failed: number, startedMs: number, nowMs: number): AfterFailure {
  const timeout = policy.retryTimeoutInMilliseconds;
  // The framework ends the loop here without a timer, the SDK waits for one: the instance stays Running for good (durable-js #629).
  if (timeout !== undefined && nowMs >= startedMs + timeout) return { again: false };
  if (failed >= policy.maxNumberOfAttempts) return { again: false, delayMs: 0 };
  const grown = policy.firstRetryIntervalInMilliseconds * (policy.backoffCoefficient ?? 1) ** (failed - 1);
  const delayMs = Math.min(grown, policy.maxRetryIntervalInMilliseconds ?? Number.POSITIVE_INFINITY);
  return delayMs > 0 ? { again: true, delayMs } : { again: false };
}
