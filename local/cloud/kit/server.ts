// The HTTP front of every stand-in: a fetch-style handler on a loopback port, over raw node:http.
// It keeps the request target exactly as it was sent, because signatures and hostile keys are about the raw bytes.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Answers one request. A thrown error becomes a 500 with its message. */
export type Handler = (request: Request) => Promise<Response> | Response;

/** One stand-in: everything it does is reachable through `fetch`, with or without a port in front. */
export interface Cloud {
  /** Short name for messages and logs, e.g. `s3`. */
  readonly name: string;
  /** Answers one request, as the service would. */
  fetch(request: Request): Promise<Response>;
  /** Stops what the stand-in has started (processes, timers) and writes its last state. */
  close(): Promise<void>;
}

/** A running HTTP front. */
export interface CloudServer {
  /** Base address without a trailing slash, e.g. `http://127.0.0.1:4123`. */
  readonly url: string;
  readonly port: number;
  /** Stops listening and ends open connections; does not close the stand-in behind it. */
  close(): Promise<void>;
}

/** Where to listen. */
export interface ServeOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
}

const rawTargets = new WeakMap<Request, string>();
const dropped = new WeakSet<Response>();
/** How long an unread request body may still drain after the answer, so that the client can read the answer. */
const DRAIN_MS = 2_000;

/** The request target as it was on the wire (path and query, not normalised); for a request without a wire, that of its URL. */
export function rawTarget(request: Request): string {
  const raw = rawTargets.get(request);
  if (raw !== undefined) return raw;
  const url = new URL(request.url);
  return url.pathname + url.search;
}

/** A response that makes the server cut the connection without an answer (what a client sees as ECONNRESET). */
export function cutConnection(): Response {
  const response = new Response(null, { status: 500 });
  dropped.add(response);
  return response;
}

/** Starts listening. Fails with a sentence that names the port when it is taken. */
export async function serve(handler: Handler, options: ServeOptions = {}): Promise<CloudServer> {
  const host = options.host ?? '127.0.0.1';
  // Longer than clients keep an idle connection: a request must not meet a socket that is being closed.
  const server = createServer({ keepAliveTimeout: 75_000 }, (incoming, outgoing) => {
    void answer(handler, incoming, outgoing);
  });
  await listen(server, host, options.port ?? 0);
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error(`The server on ${host} has no port.`);
  const { port } = address;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = {
        EADDRINUSE: `Port ${port} on ${host} is taken by another program. Stop it or choose another port.`,
        EACCES: `Port ${port} on ${host} may not be opened by this user. Choose a port above 1023.`,
      }[error.code ?? ''];
      reject(new Error(why ?? `Cannot listen on ${host}:${port}: ${error.message}`, { cause: error }));
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

async function answer(handler: Handler, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort(new Error('The client closed the connection.'));
  });
  try {
    const request = toRequest(incoming, gone.signal);
    const response = request ? await handler(request) : new Response('The request target is not a path.\n', { status: 400 });
    await send(response, incoming, outgoing);
  } catch (error) {
    if (gone.signal.aborted) return;
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${incoming.method ?? ''} ${(incoming.url ?? '').split('?')[0] ?? ''}: ${message}\n`);
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end('The stand-in failed; its log says why.\n');
  }
}

function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const target = incoming.url ?? '';
  const base = `http://${incoming.headers.host ?? 'localhost'}`;
  if (!target.startsWith('/') || !URL.canParse(base + target)) return undefined;
  const headers = new Headers();
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i] ?? '', incoming.rawHeaders[i + 1] ?? '');
  }
  const method = incoming.method ?? 'GET';
  const bodiless = method === 'GET' || method === 'HEAD';
  const request = new Request(base + target, {
    method,
    headers,
    signal,
    ...(bodiless ? {} : { body: bodyOf(incoming), duplex: 'half' as const }),
  });
  rawTargets.set(request, target);
  return request;
}

/** The body as a stream that holds the sender back when nobody reads. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let over = false;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const fail = (error: Error) => {
        if (over) return;
        over = true;
        controller.error(error);
      };
      incoming.on('data', (chunk: Buffer) => {
        if (over) return;
        controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      incoming.once('end', () => {
        if (over) return;
        over = true;
        controller.close();
      });
      incoming.once('error', fail);
      incoming.once('close', () => {
        fail(new Error('The client closed the connection before the body was complete.'));
      });
      incoming.pause();
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      over = true;
      incoming.resume();
    },
  });
}

async function send(response: Response, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  if (dropped.has(response)) {
    incoming.socket.destroy();
    return;
  }
  const headers: [string, string][] = [];
  response.headers.forEach((value, name) => {
    headers.push([name, value]);
  });
  const unread = !incoming.complete;
  if (unread) {
    // The rest of the body is thrown away for a moment, so that the client sees the answer and not a reset.
    headers.push(['connection', 'close']);
    outgoing.once('finish', () => {
      incoming.resume();
      setTimeout(() => incoming.socket.destroy(), DRAIN_MS).unref();
    });
  }
  outgoing.writeHead(response.status, headers.flat());
  if (incoming.method === 'HEAD' || !response.body) {
    await response.body?.cancel();
    outgoing.end();
    return;
  }
  await pipeline(Readable.fromWeb(response.body), outgoing);
}
