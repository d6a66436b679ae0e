// Trigger conditions: the part of CEL that compiled pipelines use, parsed when a pipeline is uploaded and evaluated when the task is due.
// Comparison, && || !, + - * / %, in, literals, lists and `inputs.parameter_values['p']`; more is refused (stricter than the service).
import type { Json } from '../protojson.ts';

/** A parsed condition. */
export interface Condition {
  /** Names of the input parameters that it reads. */
  readonly parameters: readonly string[];
  /** Its value for these parameters. Throws `ConditionError` where types do not fit, as CEL does. */
  evaluate(parameters: Readonly<Record<string, Json>>): boolean;
}

/** The condition cannot be read or has no value. */
export class ConditionError extends Error {
  override readonly name = 'ConditionError';
}

type Expression = (parameters: Readonly<Record<string, Json>>) => Json;

const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?<word>[A-Za-z_][\w.]*)|(?<sign>&&|\|\||[=!<>]=|[<>!()[\],+\-*/%]))/gy;
const LEVELS: readonly (readonly string[])[] = [['||'], ['&&'], ['==', '!=', '<', '<=', '>', '>=', 'in'], ['+', '-'], ['*', '/', '%']];

/** Parses a condition; throws `ConditionError` with the place. */
export function parseCondition(text: string): Condition {
  const tokens = tokenize(text);
  const parameters = new Set<string>();
  let at = 0;
  const fail = (): never => {
    throw new ConditionError(
      `cannot read the condition at ${tokens[at] === undefined ? 'its end' : `"${tokens[at]}"`}: ${text.slice(0, 200)}`,
    );
  };
  const expect = (token: string): void => {
    if (tokens[at] !== token) fail();
    at += 1;
  };
  const binary = (level: number, depth: number): Expression => {
    const signs = LEVELS[level];
    if (!signs) return unary(depth);
    let left = binary(level + 1, depth);
    for (let sign = tokens[at]; sign !== undefined && signs.includes(sign); sign = tokens[at]) {
      at += 1;
      left = operation(sign, left, binary(level + 1, depth));
    }
    return left;
  };
  const unary = (depth: number): Expression => {
    if (depth > 50) fail();
    const token = tokens[at] ?? fail();
    at += 1;
    if (token === '!') {
      const inner = unary(depth + 1);
      return (values) => !asBool(inner(values));
    }
    if (token === '-') {
      const inner = unary(depth + 1);
      return (values) => -asNumber(inner(values));
    }
    if (token === '(') {
      const inner = binary(0, depth + 1);
      expect(')');
      return inner;
    }
    if (token === '[') return listOf(depth);
    if (token === 'true' || token === 'false') return () => token === 'true';
    if (token === 'inputs.parameter_values') return parameter();
    if (/^\d/.test(token)) return () => Number(token);
    if (/^['"]/.test(token)) return () => unquote(token);
    at -= 1;
    return fail();
  };
  const listOf = (depth: number): Expression => {
    const items: Expression[] = [];
    while (tokens[at] !== ']') {
      if (items.length > 0) expect(',');
      items.push(binary(0, depth + 1));
    }
    at += 1;
    return (values) => items.map((item) => item(values));
  };
  const parameter = (): Expression => {
    expect('[');
    const token = tokens[at] ?? fail();
    if (!/^['"]/.test(token)) fail();
    at += 1;
    expect(']');
    const key = unquote(token);
    parameters.add(key);
    return (values) => {
      if (!Object.hasOwn(values, key)) throw new ConditionError(`no such key: ${key}`);
      return values[key] ?? null;
    };
  };
  const expression = binary(0, 0);
  if (at < tokens.length) fail();
  return { parameters: [...parameters], evaluate: (values) => asBool(expression(values)) };
}

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new ConditionError(`cannot read the condition at "${text.slice(from, from + 20)}"`);
    tokens.push(match[0].trim());
  }
  return tokens;
}

const unquote = (token: string): string => token.slice(1, -1).replace(/\\(.)/g, '$1');

function asBool(value: Json): boolean {
  if (typeof value !== 'boolean') throw new ConditionError(`expected true or false, found ${JSON.stringify(value)}`);
  return value;
}

function asNumber(value: Json): number {
  if (typeof value !== 'number') throw new ConditionError(`expected a number, found ${JSON.stringify(value)}`);
  return value;
}

const equal = (a: Json, b: Json): boolean => JSON.stringify(a) === JSON.stringify(b);

function compare(a: Json, b: Json): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  throw new ConditionError(`cannot compare ${JSON.stringify(a)} with ${JSON.stringify(b)}`);
}

const OPERATIONS: Readonly<Record<string, (a: Json, b: Json) => Json>> = {
  '==': equal,
  '!=': (a, b) => !equal(a, b),
  '<': (a, b) => compare(a, b) < 0,
  '<=': (a, b) => compare(a, b) <= 0,
  '>': (a, b) => compare(a, b) > 0,
  '>=': (a, b) => compare(a, b) >= 0,
  in: (a, b) => Array.isArray(b) && b.some((item) => equal(a, item)),
  '+': (a, b) => (typeof a === 'string' && typeof b === 'string' ? a + b : asNumber(a) + asNumber(b)),
  '-': (a, b) => asNumber(a) - asNumber(b),
  '*': (a, b) => asNumber(a) * asNumber(b),
  '/': (a, b) => asNumber(a) / asNumber(b),
  '%': (a, b) => asNumber(a) % asNumber(b),
};

function operation(sign: string, left: Expression, right: Expression): Expression {
  if (sign === '&&') return (values) => asBool(left(values)) && asBool(right(values));
  if (sign === '||') return (values) => asBool(left(values)) || asBool(right(values));
  const run = OPERATIONS[sign];
  if (!run) throw new ConditionError(`unknown operator ${sign}`);
  return (values) => run(left(values), right(values));
}
