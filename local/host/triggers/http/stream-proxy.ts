// HTTP streaming (`app.setup({ enableHttpStream: true })`): request and answer go over HTTP to the server inside the SDK,
// bound to the invocation by the header `x-ms-invocation-id`. Source: `@azure/functions` src/http/httpProxy.ts.
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline, Transform } from 'node:stream';
import { BodyTooLargeError } from './request.ts';

/** What is forwarded and where. */
export interface Forward {
  readonly target: string;
  readonly invocationId: string;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Largest request body in bytes. */
  readonly bodyLimit: number;
  readonly headers: ReadonlyMap<string, string>;
}

/** A forward under way. */
export interface Forwarding {
  /** Resolves when the function's answer has begun: true, or false when it never will. */
  readonly answered: Promise<boolean>;
  /** Resolves when the answer has been passed on whole, or the connection is gone. */
  readonly done: Promise<void>;
  /** Ends it: the function sends nothing (any more). */
  cancel(): void;
}

/** Headers of a connection, and those that the server here sets itself. */
const NOT_FORWARDED = new Set(['x-ms-invocation-id', 'date', 'connection', 'keep-alive', 'transfer-encoding']);

/** Sends the request to the SDK's server and pipes its answer to the client as it comes. A connection that fails is answered with 413 or 502. */
export function forward(options: Forward): Forwarding {
  const { incoming, outgoing } = options;
  const upstream = httpRequest(options.target, {
    path: incoming.url ?? '/',
    method: incoming.method ?? 'GET',
    headers: forwardedHeaders(options),
  });
  let isCancelled = false;
  let failure: Error | undefined;
  let begun: (answered: boolean) => void = () => undefined;
  const answered = new Promise<boolean>((resolve) => (begun = resolve));
  const done = new Promise<void>((resolve) => {
    const end = () => {
      begun(false);
      if (!isCancelled && !outgoing.headersSent && !outgoing.destroyed) {
        outgoing.writeHead(failure instanceof BodyTooLargeError ? 413 : 502, { connection: 'close' }).end();
      }
      resolve();
    };
    upstream.once('response', (answer) => {
      copyHead(answer, outgoing);
      begun(true);
      pipeline(answer, outgoing, () => resolve());
    });
    upstream.once('error', end);
    upstream.once('close', end);
    outgoing.once('close', () => upstream.destroy());
  });
  pipeline(incoming, limit(options.bodyLimit), upstream, (error) => (failure ??= error ?? undefined));
  const cancel = () => {
    isCancelled = true;
    upstream.destroy();
  };
  return { answered, done, cancel };
}

function forwardedHeaders(options: Forward): Record<string, string> {
  const kept = [...options.headers].filter(([name]) => name !== 'connection' && name !== 'expect');
  return {
    ...Object.fromEntries(kept),
    'x-ms-invocation-id': options.invocationId,
    'x-forwarded-host': options.headers.get('host') ?? '',
    'x-forwarded-proto': 'http',
  };
}

function copyHead(answer: IncomingMessage, outgoing: ServerResponse): void {
  outgoing.statusCode = answer.statusCode ?? 500;
  for (let index = 0; index + 1 < answer.rawHeaders.length; index += 2) {
    const name = answer.rawHeaders[index] ?? '';
    if (!NOT_FORWARDED.has(name.toLowerCase())) outgoing.appendHeader(name, answer.rawHeaders[index + 1] ?? '');
  }
  outgoing.flushHeaders();
}

/** Passes bytes on until there are too many. */
function limit(most: number): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, next) {
      size += chunk.length;
      if (size > most)
        next(new BodyTooLargeError(`The request body is larger than ${most} bytes (setting FUNCTIONS_REQUEST_BODY_SIZE_LIMIT).`));
      else next(null, chunk);
    },
  });
}
