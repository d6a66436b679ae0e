// An event after the SDK's deserializer, in one shape, and reading it without trusting it.
import type { z } from 'zod';

export type Fields = Readonly<Record<string, unknown>>;

export interface Envelope {
  source: string;
  id: string;
  type: string;
  subject: string | undefined;
  time: unknown;
  /** As it came; `dataOf` says whether it is an object. */
  data: unknown;
  /** Extension attribute `sluicechain` of a CloudEvent: what the event is the effect of. */
  chain: unknown;
}

/** The wanted members under their own names: an exact key wins, else the first one that differs in case only. */
export function pick(from: Fields, names: readonly string[]): Fields {
  const keys = Object.keys(from);
  const picked: Record<string, unknown> = {};
  for (const name of names) {
    const key = Object.hasOwn(from, name) ? name : keys.find((candidate) => candidate.toLowerCase() === name.toLowerCase());
    if (key !== undefined && from[key] !== null && from[key] !== undefined) picked[name] = from[key];
  }
  return picked;
}

export function text(from: Fields, name: string): string | undefined {
  const value = from[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw new TypeError(`data.${name} is not text`);
  return value;
}

export function instantOf(time: unknown): string {
  if (!(time instanceof Date) || Number.isNaN(time.getTime())) throw new TypeError('its time is not an instant');
  return time.toISOString();
}

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function dataOf(data: unknown): Fields {
  if (!isObject(data)) throw new TypeError('its data is not an object');
  return data;
}

export function problemsOf(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
}
