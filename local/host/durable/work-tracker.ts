// Counts what is under way, holds the clock meanwhile, and tells when all is quiet.
import type { Clock, Release } from '../clock/clock.ts';

export class WorkTracker {
  readonly #clock: Clock;
  #count = 0;
  #release: Release | undefined;
  #waiters: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#count;
  }

  begin(): void {
    if (this.#count === 0) this.#release = this.#clock.hold('durable functions');
    this.#count += 1;
  }

  end(): void {
    this.#count = Math.max(0, this.#count - 1);
    if (this.#count === 0) this.#quiet();
  }

  /** Counts as quiet from now on, whatever was begun. */
  abandon(): void {
    this.#count = 0;
    this.#quiet();
  }

  #quiet(): void {
    this.#release?.();
    this.#release = undefined;
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  /** Runs `work` as something under way. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work();
    } finally {
      this.end();
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#count > 0) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }
}
