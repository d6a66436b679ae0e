// Refusals of the local S3 in the service's codes, and the XML document that carries them.
// Codes and statuses: AWS documentation, "Amazon S3 error responses".
import { randomUUID } from 'node:crypto';
import { SignatureError, type SignatureFault } from '../sts/signature.ts';
import { xml } from '../sts/xml.ts';

/** A refusal with the service's code and HTTP status. */
export class S3Error extends Error {
  override readonly name = 'S3Error';
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    /** Further elements of the error document. */
    readonly details: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** Something S3 knows and this stand-in does not: stricter than the service, never ignored. */
export function notImplemented(what: string): S3Error {
  return new S3Error('NotImplemented', 501, `${what} implies something that this stand-in does not do.`);
}

const SIGNATURE: Readonly<Record<SignatureFault, readonly [string, number]>> = {
  missing: ['AccessDenied', 403],
  malformed: ['AuthorizationHeaderMalformed', 400],
  'wrong-scope': ['AuthorizationHeaderMalformed', 400],
  'unknown-key': ['InvalidAccessKeyId', 403],
  'bad-token': ['InvalidToken', 400],
  'token-expired': ['ExpiredToken', 400],
  'clock-skew': ['RequestTimeTooSkewed', 403],
  'url-expired': ['AccessDenied', 403],
  'url-not-yet-valid': ['AccessDenied', 403],
  'unsigned-headers': ['AccessDenied', 403],
  mismatch: ['SignatureDoesNotMatch', 403],
};

/** The refusal behind an error, or undefined for a fault of the stand-in itself. */
export function asS3Error(error: unknown): S3Error | undefined {
  if (error instanceof S3Error) return error;
  if (!(error instanceof SignatureError)) return undefined;
  const [code, status] = SIGNATURE[error.fault];
  return new S3Error(code, status, error.message, error.details);
}

/** The error document; a HEAD answer has the status only. */
export function errorResponse(error: S3Error, request: Request, resource: string): Response {
  const requestId = randomUUID();
  const headers = { 'x-amz-request-id': requestId };
  if (request.method === 'HEAD' || error.status === 304) return new Response(null, { status: error.status, headers });
  const body = xml('Error', { Code: error.code, Message: error.message, ...error.details, Resource: resource, RequestId: requestId });
  return new Response(body, { status: error.status, headers: { ...headers, 'content-type': 'application/xml' } });
}
