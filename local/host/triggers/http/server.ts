// The HTTP front of the host: one node:http server on loopback, and the order in which a path is offered to
// admin, Durable engine and functions. It listens before the app is loaded, so that a taken port is known first.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { HostLog } from '../../config/logging.ts';
import { HostStartError } from '../../config/start-error.ts';
import { errorText } from '../runner.ts';
import { answerAdmin, type AdminView, type HostState } from './admin.ts';
import type { FunctionRoutes } from './function-routes.ts';
import type { KeyRing } from './keys.ts';
import { BodyTooLargeError, headerMap, readBody } from './request.ts';

/** What the front serves once the app runs. */
export interface Served {
  readonly admin: AdminView;
  readonly routes: FunctionRoutes;
  readonly keys: KeyRing;
  /** The Durable engine's paths. */
  engine(request: Request): Promise<Response | undefined>;
}

/** A listening front. */
export interface HttpFront {
  readonly port: number;
  /** Origin under which everything is reached, `http://localhost:<port>`. */
  readonly origin: string;
  /** Begins to serve. */
  serve(served: Served): void;
  /** New function calls are answered with 503; admin and engine paths stay, because functions in flight need them. */
  beginStop(): void;
  /** Resolves when every answer that has begun has left, or its client is gone. */
  drained(): Promise<void>;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Options of `listen`. */
export interface ListenOptions {
  /** 0 = any free port. */
  readonly port: number;
  /** Largest request body in bytes. */
  readonly bodyLimit: number;
  readonly log: HostLog;
}

/** Engine paths: the management API, and the SDK's local RPC base. */
const MANAGEMENT = /^\/runtime\/webhooks\/durabletask(?:\/|$)/i;
const RPC = /^\/durabletask(?:\/|$)/i;

/** Listens on 127.0.0.1. Throws `HostStartError` (kind `port`) when the port is taken or may not be used. */
export async function listen(options: ListenOptions): Promise<HttpFront> {
  let served: Served | undefined;
  let state: HostState = 'Starting';
  const answering = new Set<ServerResponse>();
  const server = createServer((incoming, outgoing) => {
    answering.add(outgoing);
    outgoing.once('close', () => answering.delete(outgoing));
    answer(incoming, outgoing).catch((error: unknown) => failed(error, incoming, outgoing, options.log));
  });
  // Long answers and slow uploads are the app's business; only the head of a request has a limit (a slow client cannot hold a socket for ever).
  server.requestTimeout = 0;
  server.headersTimeout = 30_000;
  // Longer than any client keeps an idle connection: none is closed under a request that is just being sent.
  server.keepAliveTimeout = 120_000;

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = urlOf(incoming, origin);
    const path = url && pathOf(url);
    if (!url || !path) return send(outgoing, 400, { message: 'The URL is not valid.' });
    if (path[0]?.toLowerCase() === 'admin') return answerAdminPath(path, url, incoming, outgoing);
    if (MANAGEMENT.test(url.pathname) || RPC.test(url.pathname)) return answerEngine(url, incoming, outgoing);
    if (path.length === 0) return send(outgoing, 200, { message: 'This Functions app is up and running.' });
    if (!served || state !== 'Running')
      return send(outgoing, 503, { message: `The host is ${state.toLowerCase()}.` }, { 'retry-after': '1' });
    if (!(await served.routes.answer(path, url, incoming, outgoing))) outgoing.writeHead(404, { 'content-length': 0 }).end();
  }

  async function answerAdminPath(path: readonly string[], url: URL, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    if (served && !served.keys.isAdmin(presentedKey(url, incoming))) return send(outgoing, 401);
    if (isForeignPage(incoming)) return send(outgoing, 403, { message: 'Admin paths cannot be called from a web page of another site.' });
    const body = await readBody(incoming, options.bodyLimit);
    const answered = answerAdmin(incoming.method ?? 'GET', path.slice(1), body.toString('utf8'), state, served?.admin);
    return answered ? send(outgoing, answered.status, answered.body) : send(outgoing, 404);
  }

  async function answerEngine(url: URL, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    if (!served) return send(outgoing, 503, { message: 'The host is starting.' }, { 'retry-after': '1' });
    if (MANAGEMENT.test(url.pathname) && !served.keys.opensSystem(presentedKey(url, incoming))) return send(outgoing, 401);
    if (isForeignPage(incoming)) return send(outgoing, 403, { message: 'Durable paths cannot be called from a web page of another site.' });
    const body = await readBody(incoming, options.bodyLimit);
    const method = (incoming.method ?? 'GET').toUpperCase();
    const headers = [...headerMap(incoming.headers)];
    const hasBody = body.length > 0 && method !== 'GET' && method !== 'HEAD';
    const request = new Request(url, { method, headers, ...(hasBody ? { body: new Uint8Array(body) } : {}) });
    const response = await served.engine(request);
    if (!response) return send(outgoing, 404);
    const bytes = Buffer.from(await response.arrayBuffer());
    outgoing.statusCode = response.status;
    for (const [name, value] of response.headers) outgoing.appendHeader(name, value);
    if (response.status !== 204) outgoing.setHeader('content-length', bytes.length);
    outgoing.end(bytes);
  }

  const port = await bind(server, options.port);
  const origin = `http://localhost:${port}`;
  return {
    port,
    origin,
    serve: (what) => {
      served = what;
      state = 'Running';
    },
    beginStop: () => (state = 'Stopping'),
    drained: async () => {
      while (answering.size > 0)
        await Promise.all([...answering].map((outgoing) => new Promise((resolve) => outgoing.once('close', resolve))));
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function bind(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? `port ${port} is taken` : `port ${port} cannot be used (${error.message})`;
      reject(
        new HostStartError('port', `127.0.0.1: ${why}. Stop what listens there, or choose another port with --port (0 = any free one).`, {
          cause: error,
        }),
      );
    });
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

function failed(error: unknown, incoming: IncomingMessage, outgoing: ServerResponse, log: HostLog): void {
  if (error instanceof BodyTooLargeError) {
    // The rest of the body is not read: the connection cannot be used again.
    if (!outgoing.headersSent) send(outgoing, 413, { message: error.message }, { connection: 'close' });
    return;
  }
  if (incoming.destroyed && !incoming.complete) return;
  log({
    level: 'error',
    category: 'system',
    source: 'Host.Http',
    message: `${incoming.method} request failed in the host: ${errorText(error)}`,
  });
  if (outgoing.headersSent) outgoing.destroy();
  else send(outgoing, 500);
}

function send(outgoing: ServerResponse, status: number, body?: unknown, headers: Record<string, string> = {}): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' };
  outgoing.writeHead(status, { ...type, ...headers, 'content-length': Buffer.byteLength(text) }).end(text);
}

/** The URL as the client wrote it, so that a function can make links that work for that client. */
function urlOf(incoming: IncomingMessage, origin: string): URL | undefined {
  const target = incoming.url ?? '/';
  for (const base of [`http://${incoming.headers.host ?? ''}`, origin]) {
    const text = target.startsWith('/') ? `${base}${target}` : target;
    if (URL.canParse(text)) return new URL(text);
  }
  return undefined;
}

/** Decoded path parts; a slash written as `%2F` stays written so. `undefined` when the path cannot be decoded. */
function pathOf(url: URL): string[] | undefined {
  const parts = url.pathname.replace(/^\//, '').replace(/\/$/, '').split('/');
  if (parts.length === 1 && parts[0] === '') return [];
  try {
    return parts.map((part) => part.split(/%2f/i).map(decodeURIComponent).join('%2F'));
  } catch {
    return undefined;
  }
}

function presentedKey(url: URL, incoming: IncomingMessage): string | undefined {
  const header = incoming.headers['x-functions-key'];
  return (Array.isArray(header) ? header[0] : header) ?? url.searchParams.get('code') ?? undefined;
}

/**
 * Whether a web page of another site makes the request: it must not steer the host of a developer who happens to visit it.
 * A page that reaches loopback under its own name (DNS rebinding) counts as another site.
 */
function isForeignPage(incoming: IncomingMessage): boolean {
  const { origin, host = '' } = incoming.headers;
  const site = incoming.headers['sec-fetch-site'];
  if (origin === undefined && (site === undefined || site === 'none')) return false;
  const isSame = (origin === undefined || origin === `http://${host}`) && (site === undefined || site === 'same-origin');
  return !isSame || !/^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i.test(host);
}
