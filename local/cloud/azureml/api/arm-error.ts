// Refusals as ARM writes them: `{"error":{"code","message","target","details","additionalInfo"}}` (facts/azure.md §1.5).
// The gateway's own refusals are bare; those of the resource provider carry where and when.
import { json } from '../../kit/body.ts';

/** One problem of many. */
export interface ErrorDetail {
  readonly code: string;
  readonly message: string;
  readonly target: string | null;
}

/** A call that is refused by the gateway: tokens, roles, types, api-versions, throttling, names that do not exist. */
export class ArmError extends Error {
  override readonly name: string = 'ArmError';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** A call that the resource provider refuses. Its exact codes are not documented (facts/azure.md §1.5): `UserError`, the rest in details. */
export class ProviderError extends ArmError {
  override readonly name = 'ProviderError';
  constructor(
    status: number,
    message: string,
    readonly target: string | null = null,
    readonly details: readonly ErrorDetail[] = [],
    code = 'UserError',
  ) {
    super(status, code, message);
  }
}

/** 404 of a thing below a workspace or a registry. */
export const notFound = (message: string, target: string | null = null): ProviderError => new ProviderError(404, message, target);

/** Where the provider runs, for `additionalInfo`. */
export interface Surroundings {
  readonly correlation: string;
  readonly region: string;
  readonly now: number;
  /** Issuer, for the challenge of a 401. */
  readonly issuer: string;
}

/** The answer to a refused call. */
export function errorResponse(error: ArmError, at: Surroundings): Response {
  const challenge = `Bearer authorization_uri="${at.issuer}", error="invalid_token", error_description="${error.code}"`;
  return json({ error: errorBody(error, at) }, error.status, {
    'x-ms-failure-cause': error instanceof ProviderError ? 'service' : 'gateway',
    ...(error.status === 401 ? { 'www-authenticate': challenge } : {}),
    ...error.headers,
  });
}

function errorBody(error: ArmError, at: Surroundings): object {
  const { code, message } = error;
  if (!(error instanceof ProviderError)) return { code, message };
  const info = (type: string, value: unknown) => ({ type, info: { value } });
  return {
    code,
    message,
    target: error.target,
    details: error.details,
    additionalInfo: [
      info('ComponentName', 'managementfrontend'),
      info('Correlation', { operation: at.correlation, request: at.correlation.slice(0, 16) }),
      info('Environment', at.region),
      info('Location', at.region),
      info('Time', new Date(at.now).toISOString()),
    ],
  };
}
