// Strict protojson: reads JSON against message descriptions and writes them back as the Kubeflow API server does.
// Unknown fields are refused, camelCase and snake_case are read, snake_case is written, zero values are left out (facts/kubeflow.md §1).

/** The type of one field. `value` and `struct` are google.protobuf.Value and Struct: any JSON, kept as it is. */
export type FieldType =
  | { kind: 'string' | 'bool' | 'int32' | 'int64' | 'double' | 'value' | 'struct' | 'timestamp' | 'duration' }
  | { kind: 'enum'; values: readonly string[] }
  | { kind: 'message'; of: () => Message }
  | { kind: 'list' | 'map'; of: FieldType };

/** A message: its name in errors, its fields by camelCase name, and groups of fields of which one at most may be set. */
export interface Message {
  name: string;
  fields: Record<string, FieldType>;
  oneofs?: readonly (readonly string[])[];
}

/** JSON that was read: camelCase keys, unset fields absent. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = Record<string, Json>;

export const string: FieldType = { kind: 'string' };
export const bool: FieldType = { kind: 'bool' };
export const int32: FieldType = { kind: 'int32' };
export const int64: FieldType = { kind: 'int64' };
export const double: FieldType = { kind: 'double' };
export const value: FieldType = { kind: 'value' };
export const struct: FieldType = { kind: 'struct' };
export const timestamp: FieldType = { kind: 'timestamp' };
export const duration: FieldType = { kind: 'duration' };
export const oneOf = (...values: readonly string[]): FieldType => ({ kind: 'enum', values });
export const message = (of: () => Message): FieldType => ({ kind: 'message', of });
export const list = (of: FieldType): FieldType => ({ kind: 'list', of });
export const map = (of: FieldType): FieldType => ({ kind: 'map', of });

/** The JSON does not fit the message; the text names the place. */
export class ProtoJsonError extends Error {
  override readonly name = 'ProtoJsonError';
}

export const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function refuse(path: string, expected: string, json: unknown): never {
  const found = json === null ? 'null' : Array.isArray(json) ? 'a list' : isObject(json) ? 'an object' : JSON.stringify(json);
  throw new ProtoJsonError(`${path}: expected ${expected}, found ${found}`);
}

function readNumber(kind: 'int32' | 'int64' | 'double', json: unknown, path: string): Json {
  // protojson takes numbers written as strings too.
  const number = typeof json === 'string' && json.trim() !== '' ? Number(json) : json;
  if (typeof number !== 'number' || !Number.isFinite(number)) return refuse(path, 'a number', json);
  if (kind === 'double') return number;
  if (!Number.isSafeInteger(number)) return refuse(path, 'a whole number', json);
  return kind === 'int64' ? String(number) : number;
}

/** Google's well-known value types hold any JSON; depth is bounded so that hostile input cannot exhaust the stack. */
function readAny(json: unknown, path: string, depth = 0): Json {
  if (depth > 100) return refuse(path, 'at most 100 levels of nesting', 'more');
  if (json === null || typeof json === 'boolean' || typeof json === 'string') return json;
  if (typeof json === 'number') return Number.isFinite(json) ? json : refuse(path, 'a finite number', String(json));
  if (Array.isArray(json)) return json.map((item, index) => readAny(item, `${path}[${index}]`, depth + 1));
  if (!isObject(json)) return refuse(path, 'JSON', typeof json);
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, readAny(item, `${path}.${key}`, depth + 1)]));
}

const readScalar: { [kind in FieldType['kind']]?: (json: unknown, path: string) => Json } = {
  string: (json, path) => (typeof json === 'string' ? json : refuse(path, 'a string', json)),
  bool: (json, path) => (typeof json === 'boolean' ? json : refuse(path, 'true or false', json)),
  int32: (json, path) => readNumber('int32', json, path),
  int64: (json, path) => readNumber('int64', json, path),
  double: (json, path) => readNumber('double', json, path),
  timestamp: (json, path) =>
    typeof json === 'string' && /^\d{4}-\d\d-\d\dT/.test(json) && !Number.isNaN(Date.parse(json))
      ? json
      : refuse(path, 'an RFC 3339 time', json),
  duration: (json, path) =>
    typeof json === 'string' && /^-?\d+(\.\d{1,9})?s$/.test(json) ? json : refuse(path, 'a duration such as "30s"', json),
  value: readAny,
  struct: (json, path) => (isObject(json) ? readAny(json, path) : refuse(path, 'an object', json)),
};

function readField(type: FieldType, json: unknown, path: string): Json {
  switch (type.kind) {
    case 'enum':
      return typeof json === 'string' && type.values.includes(json) ? json : refuse(path, `one of ${type.values.join(', ')}`, json);
    case 'list':
      return Array.isArray(json) ? json.map((item, index) => readField(type.of, item, `${path}[${index}]`)) : refuse(path, 'a list', json);
    case 'map':
      return isObject(json)
        ? Object.fromEntries(Object.entries(json).map(([key, item]) => [key, readField(type.of, item, `${path}['${key}']`)]))
        : refuse(path, 'an object', json);
    case 'message':
      return readMessage(type.of(), json, path);
    default:
      return readScalar[type.kind]?.(json, path) ?? null;
  }
}

/**
 * Reads JSON as a message.
 * @returns an object with camelCase keys; fields that are null or absent in the input are absent.
 * @throws ProtoJsonError naming the place: unknown field, wrong type, two members of one group.
 */
export function readMessage(description: Message, json: unknown, path = description.name): JsonObject {
  if (!isObject(json)) return refuse(path, 'an object', json);
  const read: [string, Json][] = [];
  const names = new Map(Object.keys(description.fields).flatMap((name) => [[name, name] as const, [snake(name), name] as const]));
  for (const [key, item] of Object.entries(json)) {
    const name = names.get(key);
    const type = name === undefined ? undefined : description.fields[name];
    if (name === undefined || type === undefined) throw new ProtoJsonError(`unknown field "${key}" in ${path}`);
    if (item === undefined || (item === null && type.kind !== 'value')) continue;
    if (read.some(([seen]) => seen === name)) throw new ProtoJsonError(`duplicate field "${key}" in ${path}`);
    read.push([name, readField(type, item, `${path}.${key}`)]);
  }
  for (const group of description.oneofs ?? []) {
    const set = read.filter(([name]) => group.includes(name)).map(([name]) => name);
    if (set.length > 1) throw new ProtoJsonError(`${path}: only one of ${group.join(', ')} may be set, found ${set.join(' and ')}`);
  }
  return Object.fromEntries(read);
}

const isZero = (json: unknown): boolean =>
  json === undefined || json === null || json === '' || json === 0 || json === false || json === '0';

function writeField(type: FieldType, json: unknown): unknown {
  if (type.kind === 'message') return writeMessage(type.of(), json as object);
  if (type.kind === 'list') return (json as unknown[]).map((item) => writeField(type.of, item));
  if (type.kind === 'map') return Object.fromEntries(Object.entries(json as object).map(([key, item]) => [key, writeField(type.of, item)]));
  return json;
}

/** Writes a message as the server does: snake_case names, zero values and empty lists left out, keys in the order of the description. */
export function writeMessage(description: Message, object: object): Record<string, unknown> {
  const written: [string, unknown][] = [];
  const fields = object as Record<string, unknown>;
  for (const [name, type] of Object.entries(description.fields)) {
    const json = fields[name];
    if (type.kind === 'value' ? json === undefined : type.kind !== 'struct' && isZero(json)) continue;
    if (json === undefined || json === null) continue;
    if (type.kind === 'list' && (json as unknown[]).length === 0) continue;
    if (type.kind === 'map' && Object.keys(json).length === 0) continue;
    written.push([snake(name), writeField(type, json)]);
  }
  return Object.fromEntries(written);
}
