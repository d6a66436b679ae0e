// Time for the host and everything that stands in for a cloud: the machine's clock, or a virtual one that jumps from timer to timer.
// The virtual clock moves only when nothing is in flight, so 30 days pass in milliseconds and no work is overtaken.

/** Gives a hold or timer back. Calling it twice does nothing. */
export type Release = () => void;

export interface Clock {
  now(): Date;
  /** Milliseconds since the epoch, the same instant as `now()`. */
  nowMs(): number;
  /** Runs once at or after `at`. A time in the past runs as soon as possible, never synchronously. */
  setTimer(at: Date, run: () => void): Release;
  /** Says that something is in flight (an activity, an HTTP call, a process): virtual time stands still until it is released. */
  hold(reason: string): Release;
  /** Reasons of all holds, for messages about a clock that does not move. */
  inFlight(): readonly string[];
  /** Stops all timers. */
  close(): void;
}

export interface VirtualClock extends Clock {
  /** Stops the jumping. */
  pause(): void;
  /** Starts the jumping: from now on time goes to the next timer whenever nothing is in flight. A fresh clock stands. */
  resume(): void;
  /** Jumps to the next timer and runs it. False: no timer is set. */
  step(): Promise<boolean>;
  /** Passes `ms` of virtual time, running every timer on the way and waiting for what they start. */
  advance(ms: number): Promise<void>;
  /** Like `advance`, up to a given instant. */
  jumpTo(at: Date): Promise<void>;
  /** Resolves when nothing is in flight and no timer is due; rejects after `timeoutMs` of real time, naming the holds. */
  idle(timeoutMs?: number): Promise<void>;
}
