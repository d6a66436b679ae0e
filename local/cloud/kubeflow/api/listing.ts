// Lists as the API server makes them: filter, sort order, pages with a token that carries both.
// The server decodes the filter a second time, so `+` and `%` in values are mangled; so does the stand-in (facts/kubeflow.md §1).
import { ProtoJsonError, readMessage } from '../protojson.ts';
import { ApiError } from './errors.ts';
import { filterMessage } from './messages.ts';

/** A value of a record that can be compared. */
export type Key = string | number;

/** What can be listed: its identity and its keys by API name. */
export interface Listable<T> {
  readonly id: (item: T) => string;
  readonly keys: Readonly<Record<string, (item: T) => Key>>;
  readonly sortable: readonly string[];
}

/** One page. */
export interface Page<T> {
  readonly items: T[];
  readonly totalSize: number;
  readonly nextPageToken: string;
}

interface Predicate {
  operation?: string;
  key?: string;
  [value: string]: unknown;
}

interface Token {
  sortBy: string;
  filter: string;
  value: Key;
  id: string;
}

const DEFAULT_SIZE = 20;
const MAX_SIZE = 200;

/** Filters, sorts and cuts a page out of `items` as the query says. Throws `ApiError` (400) for anything that does not fit. */
export function listPage<T>(listable: Listable<T>, items: readonly T[], query: URLSearchParams): Page<T> {
  const token = readToken(query.get('page_token') ?? '');
  const sortBy = query.get('sort_by') ?? '';
  const filter = query.get('filter') ?? '';
  if (token && ((sortBy !== '' && sortBy !== token.sortBy) || (filter !== '' && filter !== token.filter))) {
    throw new ApiError(
      'invalid-argument',
      'page token does not match the supplied sort by and/or filtering criteria. Either specify the same criteria or leave the latter empty if page token is specified.',
    );
  }
  const [keyOf, descending] = order(listable, token?.sortBy ?? sortBy);
  const keep = parseFilter(listable, token?.filter ?? filter);
  const compare = (a: { value: Key; id: string }, b: { value: Key; id: string }) =>
    (a.value < b.value ? -1 : a.value > b.value ? 1 : a.id < b.id ? -1 : a.id > b.id ? 1 : 0) * (descending ? -1 : 1);
  const matching = items.filter(keep).map((item) => ({ item, value: keyOf(item), id: listable.id(item) }));
  const rest = matching.sort(compare).filter((candidate) => !token || compare(candidate, token) >= 0);
  const size = pageSize(query.get('page_size'));
  const next = rest[size];
  return {
    items: rest.slice(0, size).map(({ item }) => item),
    totalSize: matching.length,
    nextPageToken: next
      ? writeToken({ sortBy: token?.sortBy ?? sortBy, filter: token?.filter ?? filter, value: next.value, id: next.id })
      : '',
  };
}

function pageSize(text: string | null): number {
  const size = Number(text ?? 0);
  if (!Number.isInteger(size)) throw new ApiError('invalid-argument', `page_size: "${(text ?? '').slice(0, 40)}" is not a whole number`);
  if (size < 0) throw new ApiError('invalid-argument', `The page size should be greater than 0. Got ${size}`);
  return size === 0 ? DEFAULT_SIZE : Math.min(size, MAX_SIZE);
}

function order<T>(listable: Listable<T>, sortBy: string): [(item: T) => Key, boolean] {
  const words = sortBy.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length > 2 || (words[1] !== undefined && words[1] !== 'asc' && words[1] !== 'desc')) {
    throw new ApiError(
      'invalid-argument',
      `Received invalid sort by format \`${sortBy}\`. Supported format: "field_name", "field_name desc", or "field_name asc"`,
    );
  }
  const field = words[0] ?? 'created_at';
  const key = listable.sortable.includes(field) ? listable.keys[field] : undefined;
  if (!key)
    throw new ApiError(
      'invalid-argument',
      `Invalid sorting field: "${field}" on listable type. Supported: ${listable.sortable.join(', ')}`,
    );
  return [key, words[1] === 'desc'];
}

const writeToken = (token: Token): string => Buffer.from(JSON.stringify(token)).toString('base64');

function readToken(text: string): Token | undefined {
  if (text === '') return undefined;
  try {
    const token = JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as Partial<Token> | null;
    if (typeof token?.sortBy === 'string' && typeof token.filter === 'string' && typeof token.id === 'string' && token.value !== undefined)
      return token as Token;
  } catch {
    // falls through to the same refusal
  }
  throw new ApiError('invalid-argument', 'Invalid package token.');
}

function parseFilter<T>(listable: Listable<T>, encoded: string): (item: T) => boolean {
  if (encoded === '') return () => true;
  let predicates: Predicate[];
  try {
    const decoded = decodeURIComponent(encoded.replaceAll('+', ' '));
    predicates = (readMessage(filterMessage, JSON.parse(decoded)) as { predicates?: Predicate[] }).predicates ?? [];
  } catch (error) {
    const reason = error instanceof ProtoJsonError ? error.message : 'it is not URL-encoded JSON';
    throw new ApiError('invalid-argument', `failed to parse valid filter from "${encoded.slice(0, 200)}": ${reason}`);
  }
  const tests = predicates.map((predicate) => test(listable, predicate));
  return (item) => tests.every((matches) => matches(item));
}

function test<T>(listable: Listable<T>, predicate: Predicate): (item: T) => boolean {
  const { operation = '', key = '' } = predicate;
  const keyOf = Object.hasOwn(listable.keys, key) ? listable.keys[key] : undefined;
  if (!keyOf)
    throw new ApiError('invalid-argument', `invalid filter: unknown key "${key}". Known: ${Object.keys(listable.keys).join(', ')}`);
  const values = valuesOf(predicate);
  const [value] = values;
  if (value === undefined) throw new ApiError('invalid-argument', `invalid filter: the predicate for "${key}" has no value`);
  if (operation === 'IN') return (item) => values.includes(keyOf(item));
  if (operation === 'IS_SUBSTRING') return (item) => String(keyOf(item)).includes(String(value));
  const comparisons: Record<string, (own: Key) => boolean> = {
    EQUALS: (own) => own === value,
    NOT_EQUALS: (own) => own !== value,
    GREATER_THAN: (own) => own > value,
    GREATER_THAN_EQUALS: (own) => own >= value,
    LESS_THAN: (own) => own < value,
    LESS_THAN_EQUALS: (own) => own <= value,
  };
  const compare = Object.hasOwn(comparisons, operation) ? comparisons[operation] : undefined;
  if (!compare) throw new ApiError('invalid-argument', `invalid filter: unknown operation "${operation}"`);
  return (item) => compare(keyOf(item));
}

/** The predicate's values; times become seconds, as they are stored. */
function valuesOf(predicate: Predicate): Key[] {
  for (const [name, value] of Object.entries(predicate)) {
    if (name === 'operation' || name === 'key') continue;
    if (name === 'timestampValue') return [Math.floor(Date.parse(String(value)) / 1000)];
    if (name.endsWith('Values'))
      return ((value as { values?: Key[] }).values ?? []).map((item) => (name === 'longValues' ? Number(item) : item));
    return [name === 'longValue' ? Number(value) : (value as Key)];
  }
  return [];
}
