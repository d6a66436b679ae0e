// A budget of calls that all instances of this deployment share, so that together they stay below what a service allows.

/** What a call counts as: services meter reading and writing apart. */
export type CallKind = 'read' | 'write';

export interface RateBudget {
  /** Takes `n` calls, at once or in advance; `waitMs` says how long to wait before making them (0 = now). */
  take(kind: CallKind, n: number): Promise<{ waitMs: number }>;
  /** The service itself asked for quiet: whoever takes next waits at least this long. */
  throttled(kind: CallKind, waitMs: number): Promise<void>;
}
