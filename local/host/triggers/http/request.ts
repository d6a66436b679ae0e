// Turns an HTTP request into what the host sends to the Node worker: RpcHttpData and trigger metadata.
// Shapes as recorded in `http-and-durableClient.json` (headers, params and query as nullable values; Query and Headers as JSON).
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { RpcHttpData, RpcTypedData } from '../../core/rpc.ts';
import type { AuthLevel } from './keys.ts';

/** A request whose route is known; the body is absent when it is streamed. */
export interface RoutedRequest {
  readonly method: string;
  /** Absolute URL as the client wrote it. */
  readonly url: URL;
  readonly headers: ReadonlyMap<string, string>;
  readonly params: ReadonlyMap<string, string>;
  readonly level: AuthLevel;
  readonly keyId: string | undefined;
}

/** A body above the limit; the answer is 413. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError';
}

const CLAIMS = {
  level: 'http://schemas.microsoft.com/2017/07/functions/claims/authlevel',
  key: 'http://schemas.microsoft.com/2017/07/functions/claims/keyid',
};
const INVOKE = 'http://schemas.microsoft.com/2017/07/functions/claims/invoke';
const NAME_CLAIM = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name';
const ROLE_CLAIM = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role';

/** Headers as one text each, lower-case names; repeated ones joined as HTTP allows. */
export function headerMap(headers: IncomingHttpHeaders): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) found.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return found;
}

/** Reads a body. Throws `BodyTooLargeError` above `limit` bytes (the rest is not read). */
export async function readBody(message: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = () =>
    new BodyTooLargeError(`The request body is larger than ${limit} bytes (setting FUNCTIONS_REQUEST_BODY_SIZE_LIMIT).`);
  if (Number(message.headers['content-length'] ?? 0) > limit) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > limit) throw tooLarge();
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** The `http` value of the trigger. `body` is absent for a streamed request and for one without a body. */
export function toRpcHttp(request: RoutedRequest, body: Buffer | undefined): RpcHttpData {
  return {
    identities: [identity(request.level, request.keyId)],
    cookies: [],
    headers: {},
    params: {},
    query: {},
    nullableHeaders: nullable(request.headers),
    nullableParams: nullable(request.params),
    nullableQuery: nullable(queryMap(request.url)),
    method: request.method,
    url: request.url.href,
    body: body && body.length > 0 ? bodyData(body, request.headers.get('content-type') ?? '') : null,
    statusCode: '',
    enableContentNegotiation: false,
    rawBody: null,
  };
}

/** Trigger metadata: query and route values by name, then `Query` and `Headers` as JSON. */
export function toTriggerMetadata(request: RoutedRequest): Record<string, RpcTypedData> {
  const query = queryMap(request.url);
  const headers = new Map([...request.headers].map(([name, value]) => [canonical(name), value]));
  const entries = [...query, ...request.params].map(([name, value]): [string, RpcTypedData] => [name, { string: value }]);
  return Object.fromEntries([...entries, ['Query', { json: asJson(query) }], ['Headers', { json: asJson(headers) }]]);
}

/** Query values; of a repeated name all values, joined by commas as the real host does. */
function queryMap(url: URL): Map<string, string> {
  return new Map([...new Set(url.searchParams.keys())].map((name) => [name, url.searchParams.getAll(name).join(',')]));
}

/** Text when it is UTF-8 and not declared as binary, else bytes. */
function bodyData(body: Buffer, contentType: string): RpcTypedData {
  const isBinary = /octet-stream|^multipart\//i.test(contentType);
  const text = isBinary ? undefined : body.toString('utf8');
  return text !== undefined && Buffer.from(text, 'utf8').equals(body) ? { string: text } : { bytes: body };
}

function nullable(values: ReadonlyMap<string, string>): Record<string, { value: string }> {
  return Object.fromEntries([...values].map(([name, value]) => [name, { value }]));
}

function asJson(values: ReadonlyMap<string, string>): string {
  return JSON.stringify(Object.fromEntries(values));
}

function identity(level: AuthLevel, keyId: string | undefined): unknown {
  const named = level.slice(0, 1).toUpperCase() + level.slice(1);
  const claims = [
    { value: named, type: CLAIMS.level },
    ...(keyId === undefined ? [] : [{ value: keyId, type: CLAIMS.key }]),
    { value: 'true', type: INVOKE },
  ];
  return {
    claims,
    authenticationType: { value: 'WebJobsAuthLevel' },
    nameClaimType: { value: NAME_CLAIM },
    roleClaimType: { value: ROLE_CLAIM },
  };
}

/** Headers that the real host's web server knows get their usual case in the metadata; all others stay as sent. */
const KNOWN_HEADERS = new Map(
  [
    ...[
      'Accept',
      'Accept-Charset',
      'Accept-Encoding',
      'Accept-Language',
      'Access-Control-Request-Headers',
      'Access-Control-Request-Method',
    ],
    ...[
      'Authorization',
      'Cache-Control',
      'Connection',
      'Content-Encoding',
      'Content-Language',
      'Content-Length',
      'Content-Location',
      'Content-Type',
    ],
    ...['Cookie', 'Date', 'Expect', 'From', 'Host', 'If-Match', 'If-Modified-Since', 'If-None-Match', 'If-Range', 'If-Unmodified-Since'],
    ...['Keep-Alive', 'Max-Forwards', 'Origin', 'Pragma', 'Proxy-Authorization', 'Range', 'Referer', 'TE', 'Trailer', 'Transfer-Encoding'],
    ...['Upgrade', 'Upgrade-Insecure-Requests', 'User-Agent', 'Via', 'Warning'],
  ].map((name) => [name.toLowerCase(), name]),
);

function canonical(name: string): string {
  return KNOWN_HEADERS.get(name) ?? name;
}
