// Errors as Entra's token endpoint words them: OAuth error, AADSTS number, trace and correlation ids.
// A client must be able to act on `error` and `error_codes`; secrets never appear in a text.
import { randomUUID } from 'node:crypto';
import { json } from '../kit/body.ts';

/** A refusal of the token endpoint. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  constructor(
    readonly status: number,
    /** OAuth 2.0 error, e.g. `invalid_client`. */
    readonly error: string,
    /** The number after `AADSTS`. */
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** The answer that carries a refusal. */
export function tokenErrorResponse(error: TokenError, nowMs: number): Response {
  const trace = randomUUID();
  const correlation = randomUUID();
  const timestamp = `${new Date(nowMs).toISOString().slice(0, 19).replace('T', ' ')}Z`;
  return json(
    {
      error: error.error,
      error_description: `AADSTS${error.code}: ${error.message} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
      error_codes: [error.code],
      timestamp,
      trace_id: trace,
      correlation_id: correlation,
      error_uri: `https://login.microsoftonline.com/error?code=${error.code}`,
    },
    error.status,
    { 'cache-control': 'no-store' },
  );
}
