// Refuses a request with a member that the service does not know, before it is sent: the SDK would drop it silently (facts/sagemaker.md §0.5, §5).
// A typo in a nested field would otherwise be a promotion without that field. Reads the SDK's own schemas, whose form is internal: pinned and tested.
import * as sdk from '@aws-sdk/client-sagemaker';

/** Codes of the SDK's compact schemas: simple types are numbers, `64 |` a list of one, `128 |` a map to one. */
const STRING = 0;
const NUMERIC = 1;
const BOOLEAN = 2;
const TIMESTAMP = 4;
const LIST_OF = 64;
const MAP_TO = 128;

type Schema = number | readonly unknown[] | (() => Schema);
type Resolved = Exclude<Schema, () => Schema>;

/** Our own fault, found before the request leaves; never retried as flow. */
export class UnknownShapeError extends Error {
  override readonly name = 'UnknownShapeError';
}

/** Throws `UnknownShapeError` that names each unknown member, missing required member and wrong primitive of the input. */
export function checkClosedWorld(operation: string, input: unknown): void {
  const schema = (sdk as unknown as Record<string, unknown>)[`${operation}Input$`];
  if (!Array.isArray(schema)) throw new UnknownShapeError(`The installed SDK has no schema for ${operation}.`);
  const problems: string[] = [];
  walk(schema, input, operation, problems);
  if (problems.length > 0) throw new UnknownShapeError(`The ${operation} request is not what the service knows: ${problems.join('; ')}.`);
}

function walk(schema: Schema, value: unknown, at: string, problems: string[]): void {
  const resolved = resolve(schema);
  if (typeof resolved === 'number') {
    walkSimple(resolved, value, at, problems);
    return;
  }
  switch (resolved[0]) {
    case 0: // a simple type with a name, e.g. a sensitive string: [0, ns, name, traits, type]
      walk(resolved[4] as Schema, value, at, problems);
      return;
    case 1: // list: [1, ns, name, traits, member]
      walkList(member(resolved[4]), value, at, problems);
      return;
    case 2: // map: [2, ns, name, traits, key, value]
      walkMap(member(resolved[5]), value, at, problems);
      return;
    case 3: // structure: [3, ns, name, traits, names, schemas, required count]
    case 4: // union, of the same form
      walkStructure(resolved, value, at, problems);
      return;
    default:
      problems.push(`${at}: the SDK's schema has an unknown form`);
  }
}

function resolve(schema: Schema): Resolved {
  return typeof schema === 'function' ? resolve(schema()) : schema;
}

function walkSimple(code: number, value: unknown, at: string, problems: string[]): void {
  if (code >= MAP_TO) walkMap(code - MAP_TO, value, at, problems);
  else if (code >= LIST_OF) walkList(code - LIST_OF, value, at, problems);
  else if (code === STRING) expect(typeof value === 'string', 'text', at, problems);
  else if (code === NUMERIC) expect(typeof value === 'number' && Number.isFinite(value), 'a number', at, problems);
  else if (code === BOOLEAN) expect(typeof value === 'boolean', 'true or false', at, problems);
  else if (code === TIMESTAMP) expect(value instanceof Date, 'a Date', at, problems);
}

function walkList(item: Schema, value: unknown, at: string, problems: string[]): void {
  if (!Array.isArray(value)) {
    problems.push(`${at}: expected a list`);
    return;
  }
  value.forEach((element, index) => {
    walk(item, element, `${at}[${index}]`, problems);
  });
}

function walkMap(item: Schema, value: unknown, at: string, problems: string[]): void {
  if (!isObject(value)) {
    problems.push(`${at}: expected an object`);
    return;
  }
  for (const [key, element] of Object.entries(value)) walk(item, element, `${at}.${key}`, problems);
}

function walkStructure(schema: readonly unknown[], value: unknown, at: string, problems: string[]): void {
  if (!isObject(value)) {
    problems.push(`${at}: expected an object`);
    return;
  }
  const names = schema[4] as readonly string[];
  const schemas = schema[5] as readonly unknown[];
  const required = names.slice(0, (schema[6] as number | undefined) ?? 0); // the required members come first
  for (const name of required) if (value[name] === undefined) problems.push(`${at}.${name} is required`);
  for (const [key, element] of Object.entries(value)) {
    const index = names.indexOf(key);
    if (index < 0) problems.push(`${at}.${key} is unknown`);
    else if (element !== undefined) walk(member(schemas[index]), element, `${at}.${key}`, problems);
  }
}

/** A member's schema, without the traits that may be wrapped around it (`[schema, traits]`). */
function member(schema: unknown): Schema {
  if (Array.isArray(schema) && schema.length === 2) return schema[0] as Schema;
  return schema as Schema;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function expect(holds: boolean, what: string, at: string, problems: string[]): void {
  if (!holds) problems.push(`${at}: expected ${what}`);
}
