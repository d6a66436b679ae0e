// Typed reads of a `Configuration`: each names file, key, wanted kind and found value when it does not fit.
// Text that spells a number or a boolean is taken as one, as .NET's configuration does.
import type { Configuration, Leaf } from './configuration.ts';
import { HostStartError } from './start-error.ts';
import { parseTimeSpan } from './time-span.ts';

/** Reads values of one configuration; every failed read is a `HostStartError` of kind `app`. */
export class SettingReader {
  readonly #configuration: Configuration;
  readonly #file: string;

  constructor(configuration: Configuration, file: string) {
    this.#configuration = configuration;
    this.#file = file;
  }

  text(path: string, fallback: string): string {
    const leaf = this.#set(path);
    if (!leaf) return fallback;
    return this.#scalar(leaf);
  }

  flag(path: string, fallback: boolean): boolean {
    const leaf = this.#set(path);
    if (!leaf) return fallback;
    const text = String(leaf.value).toLowerCase();
    if (text !== 'true' && text !== 'false') this.#fail(leaf, 'true or false');
    return text === 'true';
  }

  integer<F extends number | undefined>(path: string, fallback: F, least: number, most: number): number | F {
    const leaf = this.#set(path);
    if (!leaf) return fallback;
    const value = typeof leaf.value === 'string' && /^-?\d+$/.test(leaf.value) ? Number(leaf.value) : leaf.value;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      return this.#fail(leaf, `a whole number from ${least} to ${most}`);
    }
    return value;
  }

  choice<T extends string>(path: string, allowed: readonly T[], fallback: T): T {
    const leaf = this.#set(path);
    if (!leaf) return fallback;
    const text = String(leaf.value).toLowerCase();
    return allowed.find((one) => one.toLowerCase() === text) ?? this.#fail(leaf, `one of ${allowed.join(', ')}`);
  }

  /** A TimeSpan text in milliseconds, never negative. */
  span(path: string, fallback: number): number {
    const leaf = this.#set(path);
    if (!leaf) return fallback;
    const ms = typeof leaf.value === 'string' ? parseTimeSpan(leaf.value) : undefined;
    return ms === undefined || ms < 0 ? this.#fail(leaf, 'a time span such as "00:00:30"') : ms;
  }

  /** A TimeSpan text, or `-1` for no limit. */
  unboundedSpan(path: string, fallback: number): number | undefined {
    const leaf = this.#set(path);
    if (leaf && String(leaf.value) === '-1') return undefined;
    const ms = this.span(path, fallback);
    return ms > 0 ? ms : this.#fail(leaf as Leaf, 'a time span above zero such as "00:05:00", or "-1" for no limit');
  }

  /** Text values under a path, by the rest of the key. */
  textsUnder(path: string): Map<string, string> {
    const found = [...this.#configuration.takeUnder(path)].filter(([, leaf]) => leaf.value !== null);
    return new Map(found.map(([key, leaf]) => [key, this.#scalar(leaf)]));
  }

  unread(): string[] {
    return this.#configuration.unread();
  }

  #scalar(leaf: Leaf): string {
    const { value } = leaf;
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : this.#fail(leaf, 'text');
  }

  #set(path: string): Leaf | undefined {
    const leaf = this.#configuration.take(path);
    return leaf?.value === null || leaf?.value === undefined ? undefined : leaf;
  }

  #fail(leaf: Leaf, wanted: string): never {
    const where = leaf.source === this.#file ? this.#file : `${this.#file} (from the ${leaf.source})`;
    throw new HostStartError(
      'app',
      `${where}: "${leaf.path.split(':').join('.')}" must be ${wanted}, found ${JSON.stringify(leaf.value)}.`,
    );
  }
}
