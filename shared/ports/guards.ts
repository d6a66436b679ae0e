// Freezes and breakers: what keeps events from starting anything, visible and closed by a person.
import type { Breaker, Freeze } from '../contracts/guards.ts';

export interface Freezes {
  /** Sets or replaces the freeze of one pipeline, or of the platform (`pipeline: null`). */
  set(freeze: Freeze): Promise<void>;
  /** Ends it; `none` when there was none. */
  end(pipeline: string | null): Promise<'ended' | 'none'>;
  /** All that were set and not ended, whether their time is over or not. */
  list(): Promise<Freeze[]>;
}

export interface BreakerStore {
  /** null: nothing was counted yet, so it is closed. */
  get(pipeline: string): Promise<Breaker | null>;
  /**
   * Reads, changes and writes, again when somebody else wrote in between; `change` is pure and may run several times.
   * An unchanged breaker (same object) is not written.
   */
  update<Answer>(pipeline: string, change: (breaker: Breaker | null) => { breaker: Breaker | null; answer: Answer }): Promise<Answer>;
  list(): Promise<Breaker[]>;
}
