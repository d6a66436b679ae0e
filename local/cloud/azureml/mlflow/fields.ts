// Reads fields of requests as MLflow's server does: unknown fields are ignored, types are checked, numbers of 64 bits may be text.
// Queries of GET and bodies of POST are read in the same way.
import { isRecord } from '../../kit/body.ts';
import { wrong } from './mlflow-error.ts';

/** A request's fields. */
export type Fields = Readonly<Record<string, unknown>>;

const bad = (name: string, what: string, value: unknown): Error =>
  wrong(
    `Invalid value ${JSON.stringify(value)?.slice(0, 200) ?? 'null'} for parameter '${name}' supplied: Value was of type ${typeof value}, expected ${what}.`,
  );

/** Text that must be there. */
export function required(fields: Fields, name: string): string {
  const value = optional(fields, name);
  if (value === undefined || value === '') throw wrong(`Missing value for required parameter '${name}'.`);
  return value;
}

/** Text. A number is refused: `experiment_id` is text (facts/mlflow.md §2). */
export function optional(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw bad(name, 'a string', value);
  return value;
}

/** A whole number; text of digits counts. */
export function integer(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === '') return undefined;
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw bad(name, 'an integer', value);
  return number;
}

/** A number; NaN and the infinities travel as text. */
export function double(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === 'number') return value;
  if (typeof value === 'string' && value.trim() !== '') {
    if (/^[+-]?(nan|inf(inity)?)$/i.test(value))
      return value.toLowerCase().includes('nan') ? NaN : value.startsWith('-') ? -Infinity : Infinity;
    const number = Number(value);
    if (!Number.isNaN(number)) return number;
  }
  throw bad(name, 'a number', value);
}

/** Objects in a list; absent is empty. */
export function records(fields: Fields, name: string): Fields[] {
  const value = fields[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every(isRecord)) throw bad(name, 'a list of objects', value);
  return value;
}

/** Texts in a list; absent is empty. */
export function texts(fields: Fields, name: string): string[] {
  const value = fields[name];
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return [value]; // one value of a query
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string'))
    throw bad(name, 'a list of strings', value);
  return value;
}

/** A number as it travels. */
export const wireNumber = (value: number): number | string =>
  Number.isNaN(value) ? 'NaN' : Number.isFinite(value) ? value : value > 0 ? 'Infinity' : '-Infinity';

/** Key and value pairs as MLflow lists them. */
export const pairs = (record: Readonly<Record<string, string>>): { key: string; value: string }[] =>
  Object.entries(record).map(([key, value]) => ({ key, value }));

/** One page of a list with an opaque token. */
export function pageOf<T>(items: readonly T[], fields: Fields, fallback: number, most: number): { items: T[]; next: string | undefined } {
  const size = integer(fields, 'max_results') ?? fallback;
  if (size < 1 || size > most) throw wrong(`Invalid value ${size} for parameter 'max_results' supplied. It must be between 1 and ${most}.`);
  const token = optional(fields, 'page_token');
  const skip = token === undefined || token === '' ? 0 : Number(Buffer.from(token, 'base64url').toString('utf8'));
  if (!Number.isSafeInteger(skip) || skip < 0) throw wrong('Invalid page token.');
  const next = skip + size < items.length ? Buffer.from(String(skip + size)).toString('base64url') : undefined;
  return { items: items.slice(skip, skip + size), next };
}
