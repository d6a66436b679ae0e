// Refusals of a custom topic in the service's words: code, message with a report number, details.
// Recorded answers: github.com/Azure/azure-sdk-for-net issue 22831 (401), azure-sdk-for-python issue 15941 (400), arcus.eventgrid issue 117 (415).
import { randomUUID } from 'node:crypto';
import { json } from '../kit/body.ts';

/** .NET's names of the status codes, which the service uses as error codes. */
const CODES = {
  400: 'BadRequest',
  401: 'Unauthorized',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
} as const;

/** A refusal. */
export class TopicError extends Error {
  override readonly name = 'TopicError';
  constructor(
    readonly status: keyof typeof CODES,
    message: string,
    /** More exact code in `details`; default the status's own. */
    readonly detail: string = CODES[status],
  ) {
    super(message);
  }
}

/** The answer that carries a refusal. `requestId` is also in the header `x-ms-request-id`. */
export function topicErrorResponse(error: TopicError, requestId: string, nowMs: number): Response {
  const when = new Date(nowMs).toLocaleString('en-US', { timeZone: 'UTC' }).replace(',', '');
  const message = `${error.message} Report '${requestId}:0:${when} (UTC)' to our forums for assistance or raise a support ticket.`;
  const code = CODES[error.status];
  return json({ error: { code, message, details: [{ code: error.detail, message }] } }, error.status, {
    'x-ms-request-id': requestId,
    ...(error.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  });
}

/** A request id as the service makes one. */
export const newRequestId = (): string => randomUUID();
