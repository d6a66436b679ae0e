// A streaming reverse proxy before a blob endpoint: method, target, headers and body pass unchanged, so that shared-key signatures stay valid.
// It watches what goes by and reports blob changes that the account has carried out.
import { Agent, createServer, request as forward, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { BlobOperation } from './blob-operation.ts';

/** What the proxy asks and tells. */
export interface BlobProxyHooks {
  /** The operation that a request makes, if it is one to report. */
  classify(request: IncomingMessage): BlobOperation | undefined;
  /** Runs before the request is forwarded (a deletion's properties can only be read now). */
  before(operation: BlobOperation): Promise<BlobOperation>;
  /** Runs when the account has answered with success, before the caller sees the answer. */
  after(operation: BlobOperation, answer: { requestId: string; eTag: string | undefined }): Promise<void>;
}

/** Ends a forwarded request on which nothing has moved for this long. */
const IDLE_MS = 120_000;
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade']);

/** A proxy server that is not listening yet, and its closing. */
export function createBlobProxy(target: URL, hooks: BlobProxyHooks): { server: Server; close(): Promise<void> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 256, scheduling: 'lifo' });
  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
    relay(target, agent, hooks, incoming, outgoing).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      if (outgoing.headersSent || outgoing.destroyed) {
        outgoing.destroy();
        return;
      }
      process.stderr.write(`eventgrid: ${incoming.method ?? ''} ${(incoming.url ?? '').split('?')[0] ?? ''}: ${message}\n`);
      // Storage clients understand this answer and try again.
      outgoing
        .writeHead(503, { 'content-type': 'application/xml', 'x-ms-error-code': 'ServerBusy', connection: 'close' })
        .end(
          '<?xml version="1.0" encoding="utf-8"?><Error><Code>ServerBusy</Code><Message>The storage account did not answer.</Message></Error>',
        );
    });
  });
  return {
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          agent.destroy();
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function relay(target: URL, agent: Agent, hooks: BlobProxyHooks, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const seen = hooks.classify(incoming);
  const operation = seen && (await hooks.before(seen));
  const answer = await send(target, agent, incoming, outgoing);
  const status = answer.statusCode ?? 502;
  if (operation && status >= 200 && status < 300) {
    const eTag = answer.headers.etag;
    await hooks.after(operation, { requestId: String(answer.headers['x-ms-request-id'] ?? ''), eTag });
  }
  outgoing.writeHead(status, answer.statusMessage, endToEnd(answer.rawHeaders, true));
  await pipeline(answer, outgoing);
}

function send(target: URL, agent: Agent, incoming: IncomingMessage, outgoing: ServerResponse): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const upstream = forward(
      {
        host: target.hostname,
        port: target.port,
        method: incoming.method,
        path: incoming.url,
        headers: endToEnd(incoming.rawHeaders, false),
        setHost: false,
        agent,
        timeout: IDLE_MS,
      },
      resolve,
    );
    upstream.once('timeout', () => upstream.destroy(new Error(`the blob endpoint ${target.host} was silent for ${IDLE_MS / 1000} s`)));
    upstream.once('error', reject);
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) upstream.destroy(new Error('the caller closed the connection'));
    });
    incoming.pipe(upstream);
  });
}

/** Raw header pairs without those that concern one connection only. */
function endToEnd(raw: readonly string[], dropEncoding: boolean): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const lower = name.toLowerCase();
    // The answer's chunking is done anew; the request's header tells Node to do so.
    if (!HOP_BY_HOP.has(lower) && !(dropEncoding && lower === 'transfer-encoding')) kept.push(name, raw[i + 1] ?? '');
  }
  return kept;
}
