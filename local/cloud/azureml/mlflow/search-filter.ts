// The filter of a search: `metrics.mse < 2 and params.lr = '0.1' and tags.k = 'v' and attributes.status = 'FINISHED'`; only AND (facts/mlflow.md §2).
// Keys may be quoted with backticks or double quotes; text stands in single or double quotes.
import { wrong } from './mlflow-error.ts';

/** One comparison. */
export interface Comparison {
  /** `metrics`, `params`, `tags` or `attributes`. */
  readonly of: string;
  readonly key: string;
  readonly operator: string;
  readonly value: string | number | readonly string[];
}

const ALIASES: Readonly<Record<string, string>> = {
  metric: 'metrics',
  metrics: 'metrics',
  param: 'params',
  params: 'params',
  parameter: 'params',
  parameters: 'params',
  tag: 'tags',
  tags: 'tags',
  attr: 'attributes',
  attribute: 'attributes',
  attributes: 'attributes',
  run: 'attributes',
};

const TOKEN =
  /\s*(?:(?<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?<operator>>=|<=|!=|=|<|>)|(?<list>\((?:[^()]*)\))|(?<word>(?:[\w-]+|`[^`]+`|"[^"]+")(?:\.(?:`[^`]+`|"[^"]+"|[\w./:-]+))*))/y;

interface Token {
  readonly kind: 'quoted' | 'operator' | 'list' | 'word';
  readonly text: string;
}

/** Reads a filter. Throws `INVALID_PARAMETER_VALUE`. */
export function parseFilter(filter: string | undefined): Comparison[] {
  const tokens = tokenise(filter ?? '');
  const comparisons: Comparison[] = [];
  for (let at = 0; at < tokens.length;) {
    if (comparisons.length > 0) {
      if (tokens[at]?.text.toLowerCase() !== 'and')
        throw wrong(`Invalid clause(s) in filter string: '${filter ?? ''}'. Only AND joins clauses.`);
      at += 1;
    }
    const [name, operator, value] = tokens.slice(at, at + 3);
    if (name?.kind !== 'word' || !operator || !value) throw wrong(`Invalid clause in filter string: '${(filter ?? '').slice(0, 200)}'.`);
    comparisons.push(comparison(name.text, operator, value));
    at += 3;
  }
  return comparisons;
}

function tokenise(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const at = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    const [kind, token] = Object.entries(groups ?? {}).find(([, value]) => value !== undefined) ?? [];
    if (kind === undefined || token === undefined) throw wrong(`Error on parsing filter '${text.slice(0, 200)}' at character ${at}.`);
    tokens.push({ kind: kind as Token['kind'], text: token });
  }
  return tokens;
}

function comparison(name: string, operator: Token, value: Token): Comparison {
  const dot = name.indexOf('.');
  const prefix = dot < 0 ? 'attributes' : ALIASES[name.slice(0, dot).toLowerCase()];
  if (prefix === undefined)
    throw wrong(`Invalid entity type '${name.slice(0, dot)}'. Valid values are metrics, params, tags and attributes.`);
  const key = unquote(dot < 0 ? name : name.slice(dot + 1));
  const sign = operator.text.toUpperCase();
  const allowed = prefix === 'metrics' ? ['=', '!=', '<', '>', '<=', '>='] : ['=', '!=', 'LIKE', 'ILIKE', 'IN', '<', '>', '<=', '>='];
  if (!allowed.includes(sign)) throw wrong(`Invalid comparator '${operator.text}' for ${prefix}.`);
  if (sign === 'IN') return { of: prefix, key, operator: sign, value: listOf(value) };
  if (value.kind === 'quoted' && prefix !== 'metrics') return { of: prefix, key, operator: sign, value: unquote(value.text) };
  const number = value.kind === 'quoted' ? NaN : Number(value.text);
  const numeric =
    prefix === 'metrics' ||
    (prefix === 'attributes' && ['start_time', 'end_time', 'created', 'creation_time', 'last_update_time'].includes(key));
  if (numeric && !Number.isNaN(number)) return { of: prefix, key, operator: sign, value: number };
  throw wrong(`Expected ${numeric ? 'a number' : 'a quoted string value'} for ${name} but found ${value.text.slice(0, 80)}.`);
}

function listOf(value: Token): string[] {
  if (value.kind !== 'list') throw wrong(`Expected a list in parentheses but found ${value.text.slice(0, 80)}.`);
  return value.text
    .slice(1, -1)
    .split(',')
    .map((item) => unquote(item.trim()));
}

const unquote = (text: string): string =>
  /^(['"`]).*\1$/s.test(text) && text.length > 1 ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text;

/** Whether what a thing has under a key fits; something that has no such key never fits. */
export function fits(actual: string | number | null | undefined, { operator, value }: Comparison): boolean {
  if (actual === undefined || actual === null) return false;
  switch (operator) {
    case '=':
      return actual === value;
    case '!=':
      return actual !== value;
    case '<':
      return actual < (value as typeof actual);
    case '>':
      return actual > (value as typeof actual);
    case '<=':
      return actual <= (value as typeof actual);
    case '>=':
      return actual >= (value as typeof actual);
    case 'IN':
      return Array.isArray(value) && value.includes(String(actual));
    default:
      return like(String(value), operator === 'ILIKE').test(String(actual));
  }
}

const like = (pattern: string, anyCase: boolean): RegExp =>
  new RegExp(
    `^${pattern
      .split('%')
      .map((part) =>
        part
          .split('_')
          .map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
          .join('.'),
      )
      .join('.*')}$`,
    anyCase ? 'is' : 's',
  );
