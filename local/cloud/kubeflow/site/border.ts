// The border of a site: its APIs and one proxy through which steps reach the outside. Whatever passes is written down and passed on unchanged.
// Steps get the proxy by `http_proxy`; a way around it would be closed by a network policy on a cluster, and is not modelled.
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import { readBytes } from '../../kit/body.ts';
import type { Cloud } from '../../kit/server.ts';
import { createCrossingLog, type CrossingLog } from './crossings.ts';

/** A site's border. */
export interface Border {
  readonly crossings: CrossingLog;
  /** Environment of the site's steps: the proxy. */
  readonly stepEnv: Readonly<Record<string, string>>;
  /** Puts the border before an API of the site; its own `/_admin/crossings` routes stand there too. */
  around<C extends Cloud>(cloud: C, via: string): C;
  close(): Promise<void>;
}

const MAX_BODY = 128 * 1_048_576;
const PROXY_TIMEOUT_MS = 60_000;

/** Opens the border with its proxy on a free port of loopback. */
export async function openBorder(): Promise<Border> {
  const crossings = createCrossingLog();
  const server = createServer((incoming, outgoing) => {
    forward(crossings, incoming, outgoing).catch((error: unknown) => {
      if (!outgoing.headersSent) outgoing.writeHead(502, { 'content-type': 'text/plain' });
      outgoing.end(`The border could not pass this on: ${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  // What is encrypted cannot be looked at, so it does not pass.
  server.on('connect', (_request, socket) => socket.end('HTTP/1.1 403 The border of this site looks into everything that passes\r\n\r\n'));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, resolve);
  });
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  return {
    crossings,
    stepEnv: { http_proxy: url, https_proxy: url },
    around(cloud, via) {
      const inner = cloud.fetch.bind(cloud);
      const fetch = async (request: Request): Promise<Response> =>
        (await crossings.administer(request)) ?? recorded(crossings, via, request, inner);
      return Object.assign(cloud, { fetch });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function recorded(
  log: CrossingLog,
  via: string,
  request: Request,
  inner: (request: Request) => Promise<Response>,
): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  // The stand-in's own doors are no way out of a site.
  if (pathname.startsWith('/_admin/')) return inner(request);
  const way = { via, method: request.method, url: pathname + search };
  const sent = await readBytes(request.clone(), MAX_BODY);
  log.add({ ...way, direction: 'in', body: sent, headers: Object.fromEntries(request.headers) });
  const response = await inner(request);
  const headers = Object.fromEntries(response.headers);
  // Clones would lose what marks a connection that is to be cut.
  if (!response.body) {
    log.add({ ...way, direction: 'out', body: new Uint8Array(), headers });
    return response;
  }
  const answered = await readBytes(response, MAX_BODY);
  log.add({ ...way, direction: 'out', body: answered, headers });
  return new Response(answered, { status: response.status, headers: response.headers });
}

async function forward(log: CrossingLog, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const target = new URL(incoming.url ?? '');
  const body = await bytesOf(incoming);
  const way = { via: 'proxy', method: incoming.method ?? 'GET', url: target.href };
  log.add({ ...way, direction: 'out', body, headers: flat(incoming.headers) });
  const { 'proxy-connection': _hop, connection: _own, ...headers } = incoming.headers;
  const answered = await new Promise<{ response: IncomingMessage; bytes: Buffer }>((resolve, reject) => {
    const request = send(target, { method: incoming.method, headers, timeout: PROXY_TIMEOUT_MS }, (response) => {
      bytesOf(response).then((bytes) => {
        resolve({ response, bytes });
      }, reject);
    });
    request.once('timeout', () => request.destroy(new Error(`no answer within ${PROXY_TIMEOUT_MS / 1000} s`)));
    request.once('error', reject);
    request.end(body);
  });
  log.add({ ...way, direction: 'in', body: answered.bytes, headers: flat(answered.response.headers) });
  const { 'transfer-encoding': _chunked, ...answerHeaders } = answered.response.headers;
  const isHead = incoming.method === 'HEAD';
  // A HEAD answer speaks of a body that is not there: its length stays as it was said.
  outgoing.writeHead(answered.response.statusCode ?? 502, {
    ...answerHeaders,
    ...(isHead ? {} : { 'content-length': String(answered.bytes.byteLength) }),
  });
  outgoing.end(isHead ? undefined : answered.bytes);
}

function flat(headers: IncomingMessage['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MAX_BODY) throw new Error(`a body of more than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
