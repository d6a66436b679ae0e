// Failures on request: `POST /_admin/faults` makes the next matching calls of a stand-in fail in a chosen way.
// The route exists in stand-ins only; no cloud has it. It is how a test sees "accepted, but the answer was lost".
import { BodyNotJsonError, isRecord, json, readJson } from './body.ts';
import { type Cloud, cutConnection } from './server.ts';

/**
 * What happens to a matching call:
 * `status` = the given answer, the call is not carried out; `reset-before` = connection cut, not carried out;
 * `reset-after` = carried out, then the connection is cut; `delay` = carried out after `delayMs`.
 */
export type FaultAction = 'status' | 'reset-before' | 'reset-after' | 'delay';

/** A planned failure. */
export interface Fault {
  /** All given parts must match; `path` may hold `*` for any run of characters; `operation` is the stand-in's own name of the call. */
  readonly match: { readonly method?: string; readonly path?: string; readonly operation?: string };
  /** How many calls still fail (default 1). */
  times: number;
  /** How many matching calls pass first (default 0). */
  skip: number;
  readonly action: FaultAction;
  /** For `status`: code (default 500), body and headers of the answer. */
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** For `delay`: milliseconds, at most 120 000. */
  readonly delayMs: number;
}

/** Planned failures of one stand-in. */
export interface Faults {
  /** Adds one, as the admin route does; throws `TypeError` with the reason when it makes no sense. */
  add(fault: unknown): Fault;
  list(): readonly Fault[];
  clear(): void;
}

const ACTIONS: readonly string[] = ['status', 'reset-before', 'reset-after', 'delay'] satisfies FaultAction[];
const ROUTE = '/_admin/faults';

/** How a stand-in names its calls for `match.operation`, e.g. `CreateEndpoint`. */
export type OperationOf = (request: Request) => string | undefined;

/** Puts the admin route and the planned failures before a stand-in. */
export function withFaults<C extends Cloud>(cloud: C, operationOf: OperationOf = () => undefined): C & { readonly faults: Faults } {
  const planned: Fault[] = [];
  const faults: Faults = {
    add: (input) => {
      const fault = parse(input);
      planned.push(fault);
      return fault;
    },
    list: () => planned.filter((fault) => fault.times > 0),
    clear: () => {
      planned.length = 0;
    },
  };
  const inner = cloud.fetch.bind(cloud);
  const fetch = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (pathname === ROUTE) return administer(faults, request);
    const fault = planned.find((candidate) => candidate.times > 0 && matches(candidate, request, pathname, operationOf));
    if (!fault) return inner(request);
    if (fault.skip > 0) {
      fault.skip -= 1;
      return inner(request);
    }
    fault.times -= 1;
    return act(fault, request, inner);
  };
  return Object.assign(cloud, { faults, fetch });
}

async function act(fault: Fault, request: Request, inner: (request: Request) => Promise<Response>): Promise<Response> {
  switch (fault.action) {
    case 'status':
      return new Response(fault.body, { status: fault.status, headers: { ...fault.headers } });
    case 'reset-before':
      return cutConnection();
    case 'reset-after': {
      const done = await inner(request);
      await done.body?.cancel();
      return cutConnection();
    }
    case 'delay':
      await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
      return inner(request);
  }
}

function matches(fault: Fault, request: Request, pathname: string, operationOf: OperationOf): boolean {
  const { method, path, operation } = fault.match;
  if (method !== undefined && method.toUpperCase() !== request.method) return false;
  if (path !== undefined && !wildcard(path, pathname)) return false;
  return operation === undefined || operation === operationOf(request);
}

/** Glob with `*` only, without a regular expression made from outside text. */
function wildcard(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  const first = parts[0] ?? '';
  if (parts.length === 1) return text === first;
  const last = parts[parts.length - 1] ?? '';
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}

async function administer(faults: Faults, request: Request): Promise<Response> {
  if (request.method === 'GET') return json({ faults: faults.list() });
  if (request.method === 'DELETE') {
    faults.clear();
    return new Response(null, { status: 204 });
  }
  if (request.method !== 'POST') return json({ error: `${ROUTE} takes GET, POST and DELETE.` }, 405);
  // A web page can send text/plain to a loopback port without asking; it cannot send this type.
  if (!(request.headers.get('content-type') ?? '').startsWith('application/json')) {
    return json({ error: `${ROUTE} takes content-type application/json.` }, 415);
  }
  try {
    return json(faults.add(await readJson(request)), 201);
  } catch (error) {
    if (error instanceof TypeError || error instanceof BodyNotJsonError) return json({ error: error.message }, 400);
    throw error;
  }
}

function parse(input: unknown): Fault {
  if (!isRecord(input)) throw new TypeError('A fault is an object { match, action, … }.');
  const match = input['match'];
  if (!isRecord(match)) throw new TypeError('A fault needs match: { method?, path?, operation? }.');
  const unknown = Object.keys(match).filter((key) => !['method', 'path', 'operation'].includes(key));
  if (unknown.length > 0) throw new TypeError(`match does not know ${unknown.join(', ')}.`);
  const action = input['action'];
  if (typeof action !== 'string' || !ACTIONS.includes(action)) throw new TypeError(`action is one of ${ACTIONS.join(', ')}.`);
  const headers = input['headers'];
  return {
    match: strings(match),
    action: action as FaultAction,
    times: whole(input, 'times', 1, 1, 10_000),
    skip: whole(input, 'skip', 0, 0, 10_000),
    status: whole(input, 'status', 500, 200, 599),
    delayMs: whole(input, 'delayMs', 0, 0, 120_000),
    body: typeof input['body'] === 'string' ? input['body'] : input['body'] === undefined ? '' : JSON.stringify(input['body']),
    headers: isRecord(headers) ? strings(headers) : {},
  };
}

function strings(record: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function whole(input: Record<string, unknown>, key: string, fallback: number, min: number, max: number): number {
  const value = input[key] ?? fallback;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new TypeError(`${key} is a whole number from ${min} to ${max}.`);
  }
  return value;
}
