// What every polling trigger is to the host: something that starts, stops taking new work, and can be waited for.

/** Why nothing can be stored at present (full disk), or `undefined`: while it lasts, no trigger takes work that the engine would have to refuse. */
export type Blocked = () => string | undefined;

/** A trigger of one function. */
export interface Listener {
  start(): void;
  /** Takes no new work; resolves when the look under way has ended. Work that has begun goes on. */
  stop(): Promise<void>;
  /** Resolves when the work that has begun is done and settled. */
  drained(): Promise<void>;
}
