// Which function answers a path and method, and the run of it: keys, body, invocation, answer.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HostLog } from '../../config/logging.ts';
import { HostStartError } from '../../config/start-error.ts';
import type { FunctionApp, Invocation } from '../../core/function-app.ts';
import type { ParameterBinding } from '../../core/rpc.ts';
import type { Blocked } from '../listener.ts';
import type { PlannedFunction } from '../plan.ts';
import type { Runner } from '../runner.ts';
import type { AuthLevel, KeyRing } from './keys.ts';
import { headerMap, readBody, toRpcHttp, toTriggerMetadata, type RoutedRequest } from './request.ts';
import { writeRpcResponse } from './response.ts';
import { compareRoutes, parseRoute, type Route } from './routes.ts';
import { forward, type Forwarding } from './stream-proxy.ts';

/** What the routes need. */
export interface FunctionRoutesOptions {
  readonly app: FunctionApp;
  readonly functions: readonly PlannedFunction[];
  readonly routePrefix: string;
  readonly customHeaders: ReadonlyMap<string, string>;
  readonly keys: KeyRing;
  readonly runner: Runner;
  readonly log: HostLog;
  readonly bodyLimit: number;
  readonly blocked: Blocked;
  /** Values of the extra inputs of a function (`durableClient`). */
  extraInputs(planned: PlannedFunction): ParameterBinding[];
  /** Resolves `%NAME%` in a route. */
  resolve(text: string, where: string): string;
}

/** Answers requests with functions. */
export interface FunctionRoutes {
  /** False when no function has this path and method (nothing was written then). */
  answer(path: readonly string[], url: URL, incoming: IncomingMessage, outgoing: ServerResponse): Promise<boolean>;
  /** One line per function for the log: methods, URL, name. */
  describe(baseUrl: string): string[];
}

interface Entry {
  readonly planned: PlannedFunction;
  readonly route: Route;
  readonly methods: ReadonlySet<string>;
  readonly level: AuthLevel;
}

const LEVELS: Readonly<Record<AuthLevel, number>> = { anonymous: 0, function: 1, admin: 2 };
/** How long an answer may take from the SDK's stream server to here, on the same machine, before it counts as never sent. */
const STREAM_SILENCE_MS = 1000;
/** First parts of paths that the host keeps for itself. */
const RESERVED = new Set(['admin', 'runtime', 'durabletask']);

/** Reads the routes of all HTTP functions. Throws `HostStartError` (kind `app`) for a route that cannot be served. */
export function createFunctionRoutes(options: FunctionRoutesOptions): FunctionRoutes {
  const entries = options.functions.map((planned) => readEntry(planned, options));
  entries.sort((one, other) => compareRoutes(one.route, other.route));
  warnOfShadowedRoutes(entries, options.log);

  async function answer(path: readonly string[], url: URL, incoming: IncomingMessage, outgoing: ServerResponse): Promise<boolean> {
    const method = (incoming.method ?? 'GET').toUpperCase();
    for (const { planned, route, methods, level } of entries) {
      // A method that a route does not take makes the route not match: the real host answers 404, never 405.
      const params = methods.has(method) ? route.match(path) : undefined;
      if (!params) continue;
      const headers = headerMap(incoming.headers);
      const caller = options.keys.caller(
        planned.registered.name,
        headers.get('x-functions-key') ?? url.searchParams.get('code') ?? undefined,
      );
      for (const [name, value] of options.customHeaders) outgoing.setHeader(name, value);
      if (LEVELS[caller.level] < LEVELS[level]) outgoing.writeHead(401).end();
      else if (planned.clientInputs.length > 0 && options.blocked() !== undefined) refuse(outgoing, options.blocked() ?? '');
      else await run(planned, { method, url, headers, params, ...caller }, incoming, outgoing);
      return true;
    }
    return false;
  }

  async function run(planned: PlannedFunction, request: RoutedRequest, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const target = options.app.capabilities['HttpUri'];
    const body = target === undefined ? await readBody(incoming, options.bodyLimit) : undefined;
    const invocationId = randomUUID();
    const { headers } = request;
    const forwarding =
      target === undefined ? undefined : forward({ target, invocationId, incoming, outgoing, bodyLimit: options.bodyLimit, headers });
    const traceParent = headers.get('traceparent');
    let invocation: Invocation;
    try {
      invocation = await options.runner.run(planned.registered.name, `${request.method} ${request.url.pathname}`, {
        inputs: [{ name: planned.trigger.name, data: { http: toRpcHttp(request, body) } }, ...options.extraInputs(planned)],
        triggerMetadata: toTriggerMetadata(request),
        invocationId,
        ...(traceParent === undefined
          ? {}
          : { traceContext: { traceParent, traceState: headers.get('tracestate') ?? '', attributes: {} } }),
      });
    } catch {
      // The runner has logged the failure; the client learns only that there was one, as from the real host.
      forwarding?.cancel();
      fail(outgoing);
      return;
    }
    if (forwarding) await finishStream(forwarding, outgoing);
    else writeRpcResponse(outgoing, httpValue(planned, invocation));
  }

  return {
    answer,
    describe: (baseUrl) =>
      entries.map(({ planned, route, methods }) => `${[...methods].join(',')} ${baseUrl}/${route.template} → ${planned.registered.name}`),
  };
}

function readEntry(planned: PlannedFunction, options: FunctionRoutesOptions): Entry {
  const { name } = planned.registered;
  const { route, methods, authLevel } = planned.trigger;
  const where = `HTTP function "${name}"`;
  const written = typeof route === 'string' && route !== '' ? options.resolve(route, where) : name;
  const template = [options.routePrefix, written.replace(/^\/+/, '')].filter((part) => part !== '').join('/');
  if (RESERVED.has(template.split('/')[0]?.toLowerCase() ?? '')) {
    throw new HostStartError(
      'app',
      `${where}: the route "${template}" begins with a path that the host keeps for itself (${[...RESERVED].join(', ')}). Choose another route or set "routePrefix" in host.json.`,
    );
  }
  try {
    const list = Array.isArray(methods) ? methods : ['GET', 'POST'];
    const level =
      typeof authLevel === 'string' && Object.hasOwn(LEVELS, authLevel.toLowerCase()) ? (authLevel.toLowerCase() as AuthLevel) : 'function';
    return { planned, route: parseRoute(template), methods: new Set(list.map((method) => String(method).toUpperCase())), level };
  } catch (error) {
    throw new HostStartError('app', `${where}: ${(error as Error).message}.`, { cause: error });
  }
}

function warnOfShadowedRoutes(entries: readonly Entry[], log: HostLog): void {
  const seen = new Map<string, string>();
  for (const { planned, route, methods } of entries) {
    for (const method of methods) {
      const key = `${method} ${route.template.toLowerCase().replace(/\{[^}]*\}/g, '{}')}`;
      const first = seen.get(key);
      if (first === undefined) seen.set(key, planned.registered.name);
      else
        log({
          level: 'warning',
          category: 'system',
          message: `HTTP functions "${first}" and "${planned.registered.name}" both answer ${method} ${route.template}; only "${first}" will be called.`,
        });
    }
  }
}

/** The HTTP answer is the return value, or the `http` output binding of another name. */
function httpValue(planned: PlannedFunction, invocation: Invocation) {
  const output = planned.registered.bindings.find((binding) => binding.direction === 'out' && binding.type.toLowerCase() === 'http');
  if (!output || output.name === '$return') return invocation.returnValue;
  return invocation.outputs.find(({ name }) => name === output.name)?.data;
}

/** A function that returned nothing sends no answer through the stream server; one that returned something has sent it by now. */
async function finishStream(forwarding: Forwarding, outgoing: ServerResponse): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, STREAM_SILENCE_MS, false)));
  const answered = await Promise.race([forwarding.answered, silence]);
  clearTimeout(timer);
  if (!answered) forwarding.cancel();
  await forwarding.done;
  if (!answered && !outgoing.headersSent) outgoing.writeHead(204).end();
}

/** A function that starts or signals orchestrations is not begun while the engine cannot store anything. */
function refuse(outgoing: ServerResponse, why: string): void {
  const body = JSON.stringify({ message: why });
  outgoing
    .writeHead(503, { 'content-type': 'application/json; charset=utf-8', 'retry-after': '5', 'content-length': Buffer.byteLength(body) })
    .end(body);
}

function fail(outgoing: ServerResponse): void {
  if (outgoing.headersSent) outgoing.destroy();
  else outgoing.writeHead(500, { 'content-length': 0 }).end();
}
