// A flat, case-insensitive view of host.json (`extensions:queues:batchSize`), with `AzureFunctionsJobHost__…` environment overrides on top:
// the way the real host reads it. Every key that a reader took is remembered, so the rest can be reported.

/** One leaf of the configuration. Arrays are leaves. */
interface Leaf {
  readonly path: string;
  readonly value: unknown;
  /** Where it was written, for messages. */
  readonly source: string;
}

const OVERRIDE_PREFIX = 'azurefunctionsjobhost__';

/** Leaves of a parsed JSON file plus environment overrides. */
export class Configuration {
  readonly #leaves = new Map<string, Leaf>();
  readonly #taken = new Set<string>();

  constructor(json: unknown, file: string, environment: Readonly<Record<string, string | undefined>>) {
    this.#flatten(json, '', file);
    for (const [name, value] of Object.entries(environment)) {
      if (value === undefined || !name.toLowerCase().startsWith(OVERRIDE_PREFIX)) continue;
      const path = name.slice(OVERRIDE_PREFIX.length).split('__').join(':');
      const known = this.#leaves.get(path.toLowerCase())?.path ?? path;
      this.#leaves.set(path.toLowerCase(), { path: known, value, source: `environment variable ${name}` });
    }
  }

  /** The leaf at a path (any case), marked as read. */
  take(path: string): Leaf | undefined {
    const key = path.toLowerCase();
    this.#taken.add(key);
    return this.#leaves.get(key);
  }

  /** Every leaf under a path, keyed by the rest of its path as written; all marked as read. */
  takeUnder(path: string): Map<string, Leaf> {
    const prefix = `${path.toLowerCase()}:`;
    const found = new Map<string, Leaf>();
    for (const [key, leaf] of this.#leaves) {
      if (!key.startsWith(prefix)) continue;
      this.#taken.add(key);
      found.set(leaf.path.slice(prefix.length), leaf);
    }
    return found;
  }

  /** Paths that nobody read, as written. */
  unread(): string[] {
    return [...this.#leaves].filter(([key]) => !this.#taken.has(key)).map(([, leaf]) => leaf.path);
  }

  #flatten(value: unknown, path: string, source: string): void {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, child] of Object.entries(value)) this.#flatten(child, path ? `${path}:${key}` : key, source);
      return;
    }
    if (path) this.#leaves.set(path.toLowerCase(), { path, value, source });
  }
}

export type { Leaf };
