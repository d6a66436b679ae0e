// Route templates of HTTP triggers and their order, as ASP.NET Core routing under the Functions host has them:
// literal before parameter, constrained before free, longer before shorter; case of literals does not count.
import { createConstraint, type Constraint } from './route-constraints.ts';

/** A route that can be asked whether a path fits. */
export interface Route {
  readonly template: string;
  /** Route values by parameter name, or `undefined` when the path does not fit. Missing optional parameters are absent. */
  match(path: readonly string[]): Map<string, string> | undefined;
  readonly segments: readonly Segment[];
}

interface Parameter {
  readonly kind: 'parameter';
  readonly name: string;
  readonly catchAll: boolean;
  readonly optional: boolean;
  readonly fallback: string | undefined;
  readonly constraints: readonly Constraint[];
}

interface Literal {
  readonly kind: 'literal';
  readonly text: string;
}

/** One part of the path between slashes: usually one literal or parameter, at times several (`v{major}.{minor}`). */
export type Segment = readonly (Literal | Parameter)[];

/** Parses a template such as `runs/{id:int}/{*rest}`. Throws `RangeError` that says what does not fit. */
export function parseRoute(template: string): Route {
  const segments = splitSegments(template.replace(/^\/+|\/+$/g, '')).map((text) => parseSegment(text, template));
  const names = segments.flat().flatMap((part) => (part.kind === 'parameter' ? [part.name.toLowerCase()] : []));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new RangeError(`route "${template}": the parameter "${twice}" occurs twice`);
  const catchAll = segments.findIndex((segment) => segment.some((part) => part.kind === 'parameter' && part.catchAll));
  if (catchAll >= 0 && catchAll < segments.length - 1) throw new RangeError(`route "${template}": a catch-all parameter must be last`);
  return { template, segments, match: (path) => matchSegments(segments, path) };
}

/** Orders routes by how exactly they say what they take: negative when `one` is to be asked first. */
export function compareRoutes(one: Route, other: Route): number {
  for (const [index, segment] of one.segments.entries()) {
    const opposite = other.segments[index];
    if (!opposite) return -1;
    const [left, right] = [segment[0], opposite[0]];
    if (!left || !right) continue;
    if (left.kind !== right.kind) return left.kind === 'literal' ? -1 : 1;
    if (left.kind === 'parameter' && right.kind === 'parameter') {
      if (left.catchAll !== right.catchAll) return left.catchAll ? 1 : -1;
      if (left.constraints.length !== right.constraints.length) return right.constraints.length - left.constraints.length;
    }
    if (left.kind === 'literal' && right.kind === 'literal') {
      const order = left.text.toLowerCase().localeCompare(right.text.toLowerCase(), 'en');
      if (order !== 0) return order;
    }
  }
  return other.segments.length > one.segments.length ? 1 : 0;
}

/** Splits at slashes outside braces (a constraint may hold one). */
function splitSegments(template: string): string[] {
  if (template === '') return [];
  const found = [''];
  let depth = 0;
  for (const character of template) {
    if (character === '{') depth += 1;
    if (character === '}') depth -= 1;
    if (character === '/' && depth === 0) found.push('');
    else found[found.length - 1] += character;
  }
  return found;
}

function parseSegment(text: string, template: string): Segment {
  const parts = text.match(/\{(?:[^{}]|\{[^{}]*\})*\}|[^{}]+/g) ?? [];
  if (parts.join('') !== text || text === '') throw new RangeError(`route "${template}": "${text}" is not a valid part of a route`);
  const segment = parts.map((part): Literal | Parameter =>
    part.startsWith('{') ? parseParameter(part.slice(1, -1), template) : { kind: 'literal', text: part },
  );
  if (segment.length > 1 && segment.some((part) => part.kind === 'parameter' && part.catchAll)) {
    throw new RangeError(`route "${template}": a catch-all parameter must stand alone between slashes`);
  }
  return segment;
}

function parseParameter(text: string, template: string): Parameter {
  const found =
    /^(?<stars>\*{0,2})(?<name>[A-Za-z_][\w-]*)(?<constraints>(?::(?:[^:=?(){}]+(?:\([^)]*\))?))*)(?<optional>\?)?(?:=(?<fallback>.*))?$/.exec(
      text,
    )?.groups;
  if (!found) throw new RangeError(`route "${template}": "{${text}}" is not a valid parameter`);
  const constraints = (found['constraints'] ?? '').match(/:[^:(]+(?:\([^)]*\))?/g) ?? [];
  return {
    kind: 'parameter',
    name: found['name'] ?? '',
    catchAll: found['stars'] !== '',
    optional: found['optional'] !== undefined,
    fallback: found['fallback'],
    constraints: constraints.map((constraint) => createConstraint(constraint.slice(1), template)),
  };
}

function matchSegments(segments: readonly Segment[], path: readonly string[]): Map<string, string> | undefined {
  const values = new Map<string, string>();
  for (const [index, segment] of segments.entries()) {
    const only = segment[0];
    if (only?.kind === 'parameter' && only.catchAll) {
      const rest = path.slice(index).join('/');
      return rest === '' && only.fallback === undefined ? values : take(values, only, rest || (only.fallback ?? ''));
    }
    const text = path[index];
    if (text === undefined) {
      if (segment.length > 1 || only?.kind !== 'parameter') return undefined;
      if (only.fallback !== undefined) values.set(only.name, only.fallback);
      else if (!only.optional) return undefined;
    } else if (!matchSegment(segment, text, values)) {
      return undefined;
    }
  }
  return path.length > segments.length ? undefined : values;
}

/** Parts of one segment are matched from the left; a parameter takes as much as it can, but at least one character. */
function matchSegment(segment: Segment, text: string, values: Map<string, string>): boolean {
  const only = segment[0];
  if (segment.length === 1 && only) {
    return only.kind === 'literal' ? only.text.toLowerCase() === text.toLowerCase() : text !== '' && take(values, only, text) !== undefined;
  }
  const source = segment.map((part) => (part.kind === 'literal' ? escape(part.text) : '(.+)')).join('');
  const found = new RegExp(`^${source}$`, 'i').exec(text);
  if (!found) return false;
  const parameters = segment.filter((part): part is Parameter => part.kind === 'parameter');
  return parameters.every((parameter, index) => take(values, parameter, found[index + 1] ?? '') !== undefined);
}

function take(values: Map<string, string>, parameter: Parameter, value: string): Map<string, string> | undefined {
  return parameter.constraints.every((fits) => fits(value)) ? values.set(parameter.name, value) : undefined;
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
