// Failures as the API server writes them: a `Status` object with reason, code and a sentence.
import { json } from '../kit/body.ts';

const REASONS: Readonly<Record<number, string>> = {
  ...{ 400: 'BadRequest', 401: 'Unauthorized', 403: 'Forbidden', 404: 'NotFound', 405: 'MethodNotAllowed' },
  ...{ 409: 'AlreadyExists', 415: 'UnsupportedMediaType', 422: 'Invalid' },
};

/** A call that is refused. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export const notFound = (resource: string, name: string): StatusError => new StatusError(404, `${resource} "${name}" not found`);

export function statusResponse({ code, message }: StatusError): Response {
  return json(
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason: REASONS[code] ?? 'InternalError', code },
    code,
  );
}
