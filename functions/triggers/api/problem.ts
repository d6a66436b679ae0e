// Errors as problem documents (RFC 9457): what is wrong and how to mend it, never a stack, never what a vendor said.
import type { HttpResponseInit } from '@azure/functions';
import type { Problem } from '../../../shared/contracts/http-api.ts';
import { RejectedError, TransientError, UserError } from '../../../shared/errors/errors.ts';

const TITLES: Record<number, string> = {
  400: 'The request is not understood',
  401: 'A valid token is needed',
  403: 'Not allowed',
  404: 'Not found',
  409: 'In conflict with the present state',
  413: 'Too large',
  415: 'Not JSON',
  422: 'The content is not acceptable',
  500: 'Something is wrong here',
  503: 'Not possible right now',
};

/** Rejections of ports that are not the default 422: the caller named something absent, came too late, or cannot help it at all. */
const REJECTED: Record<string, number> = {
  'position-unknown': 400,
  'digest-prefix': 400,
  'entry-unknown': 404,
  'run-unknown': 404,
  'run-finished': 409,
  'case-unknown': 404,
  'case-busy': 409,
  'case-closed': 409,
  'retrain-not-asked': 409,
  'retrain-answered': 409,
  'record-unreadable': 500,
  'table-missing': 500,
  'tables-forbidden': 500,
  'tables-refused': 500,
};

/** Seconds after which a caller may try again what was not possible. */
const RETRY_AFTER = 5;

/** True when the error is nobody's known case: it belongs into the log whole. */
export function isUnexpected(error: unknown): boolean {
  return !(error instanceof UserError || error instanceof RejectedError || error instanceof TransientError);
}

export function problemResponse(error: unknown, invocationId: string): HttpResponseInit {
  const { status, code, detail } = known(error);
  const problem: Problem = {
    type: `docs/errors.md#${code}`,
    title: TITLES[status] ?? 'Refused',
    status,
    detail,
    code,
    instance: invocationId,
    problems: error instanceof UserError ? [...error.problems] : [],
  };
  return {
    status,
    headers: { ...PLAIN_HEADERS, 'content-type': 'application/problem+json', ...extraHeaders(status, code, detail) },
    body: JSON.stringify(problem),
  };
}

/** Of every answer: nothing here may be kept by a cache or taken for a page. */
export const PLAIN_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;

function known(error: unknown): { status: number; code: string; detail: string } {
  if (error instanceof UserError) return { status: error.status, code: error.code, detail: error.message };
  if (error instanceof RejectedError) return { status: REJECTED[error.code] ?? 422, code: error.code, detail: error.message };
  if (error instanceof TransientError) return { status: 503, code: error.code, detail: `${error.message}. Try again in a few seconds` };
  return { status: 500, code: 'internal-error', detail: 'This is a mistake in Sluice. The log has the details under the id in "instance"' };
}

function extraHeaders(status: number, code: string, detail: string): Record<string, string> {
  if (status === 503) return { 'retry-after': String(RETRY_AFTER) };
  if (status !== 401) return {};
  // RFC 6750 §3: no error code when no token was sent at all. The description allows printable ASCII without quotes.
  const described = detail.replace(/[^\x20-\x7e]|["\\]/g, "'");
  const error = code === 'token-missing' ? '' : `, error="invalid_token", error_description="${described}"`;
  return { 'www-authenticate': `Bearer realm="sluice"${error}` };
}
