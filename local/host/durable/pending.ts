// Calls that will be answered, and the combinations of them that an orchestrator may wait for.
// Everything happens at once, in the order of the answers: replay leaves no room for another order.

/** A call that will be answered. Listeners run at once, in order: the framework's synchronous scheduler. */
export class Pending {
  settled = false;
  failed = false;
  result: string | null | undefined;
  #listeners: (() => void)[] = [];

  settle(failed: boolean, result?: string | null): void {
    if (this.settled) return;
    this.settled = true;
    this.failed = failed;
    this.result = result;
    for (const listener of this.#listeners) listener();
  }

  then(listener: () => void): void {
    if (this.settled) listener();
    else this.#listeners.push(listener);
  }
}

/** A call that needs no answer. */
export const done = (): Pending => {
  const pending = new Pending();
  pending.settle(false);
  return pending;
};

/** Settles when all have. */
export function all(children: Pending[]): Pending {
  const whole = new Pending();
  let left = children.length;
  if (left === 0) whole.settle(false);
  const one = (): void => {
    left -= 1;
    if (left === 0) whole.settle(children.some((child) => child.failed));
  };
  for (const child of children) child.then(one);
  return whole;
}

/** Settles with the first. */
export function any(children: Pending[]): Pending {
  const whole = new Pending();
  for (const child of children) child.then(() => whole.settle(false));
  return whole;
}
