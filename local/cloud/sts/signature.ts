// Verifies AWS Signature Version 4, in the Authorization header and in pre-signed URLs.
// Protocol: AWS documentation "Signature Version 4 signing process"; S3 signs the path as it is, other services escape it once more.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { rawTarget } from '../kit/server.ts';
import type { Authority, Session } from './authority.ts';

/** Why a request was not let in; each service turns the reason into its own code and message. */
export type SignatureFault =
  | 'missing'
  | 'malformed'
  | 'wrong-scope'
  | 'unknown-key'
  | 'bad-token'
  | 'token-expired'
  | 'clock-skew'
  | 'url-expired'
  | 'url-not-yet-valid'
  | 'unsigned-headers'
  | 'mismatch';

/** A refused signature. */
export class SignatureError extends Error {
  override readonly name = 'SignatureError';
  constructor(
    readonly fault: SignatureFault,
    message: string,
    /** Further elements of an S3 error document, e.g. `HeadersNotSigned`. */
    readonly details: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** A verified signature. */
export interface Verified {
  readonly session: Session;
  /** From the query of a pre-signed URL, not from the header. */
  readonly presigned: boolean;
  /** What was signed as the body's hash: lower-case hex, or one of the words of the protocol, e.g. `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
}

/** What the verifier needs to know of the service. */
export interface VerifyOptions {
  readonly authority: Authority;
  /** Name in the credential scope: `s3`, `sts`, `sagemaker`. */
  readonly service: string;
  /** Hash of the body for services that sign it without a header. */
  readonly bodyHash?: string;
}

const SKEW_MS = 15 * 60_000;
const LONGEST_URL_SECONDS = 604_800;

interface Claim {
  readonly presigned: boolean;
  readonly accessKeyId: string;
  readonly scope: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly amzDate: string;
  readonly token: string | undefined;
  readonly payloadHash: string;
  /** Seconds, pre-signed URLs only. */
  readonly expires: number;
}

/** Checks signature, scope, time, token and signed headers; throws `SignatureError`. */
export function verifySignature(request: Request, options: VerifyOptions): Verified {
  const target = rawTarget(request);
  const query = parseQuery(target.slice(target.split('?', 1)[0]?.length ?? 0).slice(1));
  const claim = readClaim(request, query, options);
  const signedAt = parseAmzDate(claim.amzDate);
  checkScope(claim, options);
  const session = recognise(claim, options.authority);
  checkTime(claim, signedAt, options.authority.clock.now());
  checkSignedHeaders(request, claim);

  const canonical = [
    request.method,
    canonicalPath(target.split('?', 1)[0] ?? '/', options.service),
    canonicalQuery(query),
    ...claim.signedHeaders.map((name) => `${name}:${(request.headers.get(name) ?? '').trim().replace(/\s+/g, ' ')}`),
    '',
    claim.signedHeaders.join(';'),
    claim.payloadHash,
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', claim.amzDate, claim.scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const expected = createHmac('sha256', signingKey(session.secretAccessKey, claim.scope)).update(toSign).digest();
  const given = Buffer.from(claim.signature, 'hex');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new SignatureError(
      'mismatch',
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    );
  }
  return { session, presigned: claim.presigned, payloadHash: claim.payloadHash };
}

function readClaim(request: Request, query: readonly [string, string][], options: VerifyOptions): Claim {
  const header = request.headers.get('authorization');
  const first = (name: string) => query.find(([key]) => key === name)?.[1];
  if (header === null && first('X-Amz-Algorithm') === undefined) {
    throw new SignatureError('missing', 'Access Denied');
  }
  const parts = header === null ? fromQuery(first) : fromHeader(header, request, options);
  const [accessKeyId = '', ...scope] = parts.credential.split('/');
  if (accessKeyId === '' || scope.length !== 4 || parts.signedHeaders.length === 0 || !/^[0-9a-f]{64}$/.test(parts.signature)) {
    throw new SignatureError('malformed', 'The authorization is malformed: credential, signed headers or signature is missing.');
  }
  return { ...parts, accessKeyId, scope: scope.join('/') };
}

type ClaimParts = Omit<Claim, 'accessKeyId' | 'scope'> & { readonly credential: string };

function fromHeader(header: string, request: Request, options: VerifyOptions): ClaimParts {
  const [algorithm = '', ...rest] = header.split(' ');
  const fields = new Map(
    rest
      .join(' ')
      .split(',')
      .map((field) => {
        const [name = '', ...value] = field.trim().split('=');
        return [name, value.join('=')] as const;
      }),
  );
  if (algorithm !== 'AWS4-HMAC-SHA256')
    throw new SignatureError('malformed', `The algorithm ${algorithm.slice(0, 40)} is not AWS4-HMAC-SHA256.`);
  return {
    presigned: false,
    credential: fields.get('Credential') ?? '',
    signedHeaders: (fields.get('SignedHeaders') ?? '').split(';').filter((name) => name !== ''),
    signature: fields.get('Signature') ?? '',
    amzDate: request.headers.get('x-amz-date') ?? '',
    token: request.headers.get('x-amz-security-token') ?? undefined,
    payloadHash: request.headers.get('x-amz-content-sha256') ?? options.bodyHash ?? createHash('sha256').digest('hex'),
    expires: 0,
  };
}

function fromQuery(first: (name: string) => string | undefined): ClaimParts {
  if (first('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256')
    throw new SignatureError('malformed', 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256".');
  const expires = Number(first('X-Amz-Expires') ?? Number.NaN);
  if (!Number.isInteger(expires) || expires < 0 || expires > LONGEST_URL_SECONDS) {
    throw new SignatureError('malformed', `X-Amz-Expires must be from 0 to ${LONGEST_URL_SECONDS} seconds.`);
  }
  return {
    presigned: true,
    credential: first('X-Amz-Credential') ?? '',
    signedHeaders: (first('X-Amz-SignedHeaders') ?? '').split(';').filter((name) => name !== ''),
    signature: first('X-Amz-Signature') ?? '',
    amzDate: first('X-Amz-Date') ?? '',
    token: first('X-Amz-Security-Token'),
    payloadHash: first('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD',
    expires,
  };
}

function checkScope(claim: Claim, { authority, service }: VerifyOptions): void {
  const expected = `${claim.amzDate.slice(0, 8)}/${authority.region}/${service}/aws4_request`;
  if (claim.scope !== expected) {
    throw new SignatureError('wrong-scope', `The credential scope is ${claim.scope}; expecting ${expected}.`);
  }
}

function recognise(claim: Claim, authority: Authority): Session {
  const found = authority.recognise(claim.accessKeyId, claim.token);
  if (found === 'unknown-key') throw new SignatureError('unknown-key', 'The AWS access key Id you provided does not exist in our records.');
  if (found === 'bad-token') throw new SignatureError('bad-token', 'The provided token is malformed or otherwise invalid.');
  if (found === 'expired') throw new SignatureError('token-expired', 'The provided token has expired.');
  return found;
}

function checkTime(claim: Claim, signedAt: number, now: number): void {
  const iso = (ms: number) => new Date(ms).toISOString();
  if (!claim.presigned) {
    if (Math.abs(now - signedAt) <= SKEW_MS) return;
    throw new SignatureError('clock-skew', 'The difference between the request time and the current time is too large.', {
      RequestTime: claim.amzDate,
      ServerTime: iso(now),
    });
  }
  if (signedAt - now > SKEW_MS) throw new SignatureError('url-not-yet-valid', 'Request is not valid yet', { ServerTime: iso(now) });
  const until = signedAt + claim.expires * 1_000;
  if (now > until) {
    throw new SignatureError('url-expired', 'Request has expired', {
      'X-Amz-Expires': String(claim.expires),
      Expires: iso(until),
      ServerTime: iso(now),
    });
  }
}

/** `host` and every `x-amz-*` header that is sent must have been signed; what was signed must be sent. */
function checkSignedHeaders(request: Request, claim: Claim): void {
  const signed = new Set(claim.signedHeaders);
  const unsigned: string[] = signed.has('host') ? [] : ['host'];
  request.headers.forEach((_, name) => {
    // The body's hash is part of the canonical request in any case.
    if (name.startsWith('x-amz-') && name !== 'x-amz-content-sha256' && !signed.has(name)) unsigned.push(name);
  });
  if (unsigned.length > 0) {
    throw new SignatureError('unsigned-headers', 'There were headers present in the request which were not signed', {
      HeadersNotSigned: unsigned.join(', '),
    });
  }
}

function parseAmzDate(text: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  const ms = match ? Date.parse(`${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}Z`) : Number.NaN;
  if (Number.isNaN(ms)) throw new SignatureError('malformed', 'X-Amz-Date must be formatted via ISO8601 Basic: YYYYMMDDTHHMMSSZ.');
  return ms;
}

/** Query pairs, percent-decoded; `+` stays `+`, as S3 reads it when signing. */
export function parseQuery(text: string): [string, string][] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [decode(pair), ''] : [decode(pair.slice(0, at)), decode(pair.slice(at + 1))];
    });
}

function canonicalQuery(query: readonly [string, string][]): string {
  return query
    .filter(([key]) => key !== 'X-Amz-Signature')
    .map(([key, value]) => `${encode(key)}=${encode(value)}`)
    .sort((a, b) => (a < b ? -1 : 1))
    .join('&');
}

function canonicalPath(raw: string, service: string): string {
  const plain = decode(raw);
  const once = plain.split('/').map(encode).join('/');
  return service === 's3' ? once : once.split('/').map(encode).join('/');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new SignatureError('malformed', 'The address holds a percent sequence that is not UTF-8.');
  }
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function signingKey(secret: string, scope: string): Buffer {
  const [date = '', region = '', service = '', end = ''] = scope.split('/');
  let key = createHmac('sha256', `AWS4${secret}`).update(date).digest();
  for (const part of [region, service, end]) key = createHmac('sha256', key).update(part).digest();
  return key;
}
