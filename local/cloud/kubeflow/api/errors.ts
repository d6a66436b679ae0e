// Errors as the API server's gateway writes them: gRPC code, HTTP status, text, details.
// Mapping and body: facts/kubeflow.md §1; the upload routes are plain HTTP handlers with a body of their own.
import { json } from '../../kit/body.ts';

/** gRPC code and HTTP status of each kind of error. */
const CODES = {
  'invalid-argument': [3, 400],
  'not-found': [5, 404],
  'already-exists': [6, 409],
  'permission-denied': [7, 403],
  'failed-precondition': [9, 400],
  unimplemented: [12, 501],
  internal: [13, 500],
  unauthenticated: [16, 401],
} as const satisfies Record<string, readonly [number, number]>;

export type ErrorKind = keyof typeof CODES;

/** A call that is refused. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly kind: ErrorKind,
    message: string,
  ) {
    super(message);
  }
}

/** The gateway's answer to a refused call. */
export function errorResponse({ kind, message }: ApiError): Response {
  const [code, status] = CODES[kind];
  return json({ error: message, code, message, details: [{ '@type': 'type.googleapis.com/google.rpc.Status', code, message }] }, status);
}

/** The answer of the upload routes; their authorisation failures are 400 (facts/kubeflow.md §1). */
export function uploadErrorResponse({ kind, message }: ApiError, status?: number): Response {
  const [, mapped] = CODES[kind];
  const denied = kind === 'unauthenticated' || kind === 'permission-denied';
  return json({ error_message: message, error_details: message }, status ?? (denied ? 400 : mapped));
}
