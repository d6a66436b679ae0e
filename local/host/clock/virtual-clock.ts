// Time that passes only when everybody waits: it jumps from timer to timer, and never while something is in flight.
import type { Release, VirtualClock } from './clock.ts';

export interface VirtualClockOptions {
  /** The first instant. Default 2026-01-01T00:00:00Z. */
  start?: Date;
  /** True: jump as soon as nothing is in flight. Default false: time stands until `resume`, `advance` or `jumpTo`. */
  running?: boolean;
}

interface Timer {
  at: number;
  order: number;
  run: () => void;
}

export function createVirtualClock(options: VirtualClockOptions = {}): VirtualClock {
  let now = (options.start ?? new Date('2026-01-01T00:00:00Z')).getTime();
  let running = options.running ?? false;
  let closed = false;
  let order = 0;
  let looping = false;
  const timers = new TimerHeap();
  const holds = new Map<symbol, string>();
  const quietWaiters = new Set<() => void>();

  /** Nothing in flight, also after what is queued in the event loop has had its turn. */
  async function quiet(): Promise<void> {
    for (;;) {
      while (holds.size > 0) await new Promise<void>((resolve) => void quietWaiters.add(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      if (holds.size === 0) return;
    }
  }

  /** Runs the next timer if it is due by `limit`; several of one instant run in the order of their setting. */
  function fireNext(limit: number): boolean {
    const next = timers.peek();
    if (!next || next.at > limit) return false;
    timers.pop();
    now = Math.max(now, next.at);
    next.run();
    return true;
  }

  function wake(): void {
    if (!running || looping || closed) return;
    looping = true;
    void (async () => {
      try {
        while (running && !closed) {
          await quiet();
          if (!running || closed || !fireNext(Number.POSITIVE_INFINITY)) break;
        }
      } finally {
        looping = false;
      }
    })();
  }

  async function advanceTo(target: number): Promise<void> {
    await quiet();
    while (!closed && fireNext(target)) await quiet();
    now = Math.max(now, target);
  }

  return {
    now: () => new Date(now),
    nowMs: () => now,
    setTimer(at, run): Release {
      const timer: Timer = { at: at.getTime(), order: order++, run };
      timers.push(timer);
      wake();
      return () => timers.remove(timer);
    },
    hold(reason): Release {
      const key = Symbol(reason);
      holds.set(key, reason);
      return () => {
        if (!holds.delete(key) || holds.size > 0) return;
        for (const resolve of [...quietWaiters]) resolve();
        quietWaiters.clear();
        wake();
      };
    },
    inFlight: () => [...holds.values()],
    pause: () => void (running = false),
    resume() {
      running = true;
      wake();
    },
    async step() {
      await quiet();
      const moved = fireNext(Number.POSITIVE_INFINITY);
      await quiet();
      return moved;
    },
    advance: (ms) => advanceTo(now + ms),
    jumpTo: (at) => advanceTo(at.getTime()),
    async idle(timeoutMs = 10_000) {
      let giveUp: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        giveUp = setTimeout(
          () => reject(new Error(`virtual time cannot move after ${timeoutMs} ms: in flight are ${[...holds.values()].join(', ')}`)),
          timeoutMs,
        );
      });
      try {
        await Promise.race([quiet(), late]);
      } finally {
        clearTimeout(giveUp);
      }
    },
    close() {
      closed = true;
      timers.clear();
      for (const resolve of [...quietWaiters]) resolve();
    },
  };
}

/** A binary heap by time, then by order of setting; removal marks the timer and drops it when it comes up. */
class TimerHeap {
  #items: Timer[] = [];
  readonly #removed = new Set<Timer>();

  push(timer: Timer): void {
    this.#items.push(timer);
    let at = this.#items.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  peek(): Timer | undefined {
    for (;;) {
      const first = this.#items[0];
      if (!first || !this.#removed.delete(first)) return first;
      this.#take();
    }
  }

  pop(): Timer | undefined {
    const first = this.peek();
    if (first) this.#take();
    return first;
  }

  remove(timer: Timer): void {
    if (this.#items.includes(timer)) this.#removed.add(timer);
  }

  clear(): void {
    this.#items = [];
    this.#removed.clear();
  }

  #take(): void {
    const last = this.#items.pop();
    if (!last || this.#items.length === 0) return;
    this.#items[0] = last;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      if (left < this.#items.length && this.#before(left, least)) least = left;
      if (right < this.#items.length && this.#before(right, least)) least = right;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #before(a: number, b: number): boolean {
    const first = this.#items[a];
    const second = this.#items[b];
    if (!first || !second) return false;
    return first.at !== second.at ? first.at < second.at : first.order < second.order;
  }

  #swap(a: number, b: number): void {
    const first = this.#items[a];
    const second = this.#items[b];
    if (!first || !second) return;
    this.#items[a] = second;
    this.#items[b] = first;
  }
}
