// Chance that is the same every time: a small generator, and the choices of the test host that are made with it.
import type { ActivityTask, CompletionOrder } from '../durable/activity-dispatch.ts';

/** Numbers in [0, 1) from a seed (mulberry32): even enough for choosing, and fast. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** GUIDs from a seed. */
export function seededIds(random: () => number): () => string {
  const hex = (digits: number): string => Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
  return () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
}

/** The list in an order that `random` chooses. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    const a = result[i] as T;
    result[i] = result[j] as T;
    result[j] = a;
  }
  return result;
}

/**
 * Delivers outcomes of activities one by one in an order chosen by the seed. It waits until no activity is running, so the
 * choice does not depend on how long each took: same seed, same run. Activities that wait for one another's effects cannot
 * be tested this way.
 */
export class SeededOrder implements CompletionOrder {
  readonly #random: () => number;
  readonly #held: { task: ActivityTask; deliver: () => void }[] = [];
  #running = 0;
  #choosing = false;

  constructor(random: () => number) {
    this.#random = random;
  }

  started(): void {
    this.#running += 1;
  }

  finished(task: ActivityTask, deliver: () => void): void {
    this.#running -= 1;
    this.#held.push({ task, deliver });
    this.#choose();
  }

  #choose(): void {
    if (this.#choosing || this.#running > 0 || this.#held.length === 0) return;
    this.#choosing = true;
    // The turns that the last delivery caused start first; they may start more activities, which then are part of the choice.
    const afterTurns = (rounds: number): void => {
      if (rounds > 0) {
        setImmediate(() => afterTurns(rounds - 1));
        return;
      }
      this.#choosing = false;
      if (this.#running > 0) return;
      this.#held.sort((a, b) => (key(a.task) < key(b.task) ? -1 : 1));
      const [one] = this.#held.splice(Math.floor(this.#random() * this.#held.length), 1);
      one?.deliver();
      this.#choose();
    };
    afterTurns(4);
  }
}

const key = (task: ActivityTask): string => `${task.instanceId} ${String(task.taskId).padStart(6, '0')}`;
