// The one file that knows what AWS says when something is wrong: mostly text with a known beginning (facts/sagemaker.md §0.4, §1.6).
// Unknown errors of the service are not guessed at: 4xx is a rejection that shows the original sentence.
import { withoutExchange } from '../../clients/aws.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';

interface ServiceError {
  name: string;
  message: string;
  status: number | undefined;
}

/** What the SDK threw, as far as it can be read. Names come with or without the suffix `Exception`. */
function read(error: unknown): ServiceError {
  if (!(error instanceof Error)) return { name: '', message: String(error), status: undefined };
  const metadata = (error as { $metadata?: { httpStatusCode?: number } }).$metadata;
  return { name: error.name, message: error.message, status: metadata?.httpStatusCode };
}

function says(error: unknown, ...beginnings: string[]): boolean {
  const { name, message } = read(error);
  return name === 'ValidationException' && beginnings.some((beginning) => message.startsWith(beginning));
}

export const isModelAbsent = (error: unknown): boolean => says(error, 'Could not find model "');
export const isConfigAbsent = (error: unknown): boolean => says(error, 'Could not find endpoint configuration "');
export const isEndpointAbsent = (error: unknown): boolean => says(error, 'Could not find endpoint "');
export const isExisting = (error: unknown): boolean => says(error, 'Cannot create already existing ');
export const isBusy = (error: unknown): boolean => says(error, 'Cannot update in-progress endpoint "');

const FORBIDDEN = [
  'AccessDenied',
  'AccessDeniedException',
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'SignatureDoesNotMatch',
  'Forbidden',
];
/** Names that mean "later", whatever the status. */
const PASSING: Readonly<Record<string, string>> = {
  ExpiredToken: 'session-expired',
  ExpiredTokenException: 'session-expired',
  RequestExpired: 'session-expired',
  RequestTimeTooSkewed: 'session-expired',
  ThrottlingException: 'platform-throttled',
  Throttling: 'platform-throttled',
  TooManyRequestsException: 'platform-throttled',
  RequestLimitExceeded: 'platform-throttled',
  SlowDown: 'platform-throttled',
  ResourceInUse: 'platform-conflict',
  ConflictException: 'platform-conflict',
};

/** Any failure of a control-plane or S3 call as one of ours. `doing` says what was being done, e.g. `create model x`. */
export function translate(error: unknown, doing: string): Error {
  if (error instanceof RejectedError || error instanceof TransientError) return error;
  const { name, message, status } = read(error);
  const answered = typeof error === 'object' && error !== null && '$response' in error;
  const cause = { cause: withoutExchange(error) };
  const text = `AWS could not ${doing} (${name || 'unknown'}${status ? ` ${status}` : ''}): ${message.slice(0, 800)}`;
  if (isBusy(error)) return new TransientError('endpoint-busy', text, cause);
  if (isModelAbsent(error) || isConfigAbsent(error)) {
    // Just created and not seen yet (facts/sagemaker.md §1.4); when it stays so, the attempts end with this message.
    return new TransientError('not-visible-yet', `${text} It may have been created a moment ago.`, cause);
  }
  const passing = Object.hasOwn(PASSING, name) ? PASSING[name] : undefined;
  if (passing) return new TransientError(passing, text, cause);
  if (name === 'ResourceLimitExceeded') {
    return new RejectedError('quota-exceeded', `${text} Ask for a higher service quota, or use another instance type.`, cause);
  }
  if (status === undefined) return unsent(error, answered, name, text);
  if (status === 429) return new TransientError('platform-throttled', text, cause);
  if (status >= 500 || status === 408) return new TransientError('platform-failing', text, cause);
  if (FORBIDDEN.includes(name) || status === 401 || status === 403) {
    return new RejectedError('platform-forbidden', `${text} The assumed role lacks this permission (facts/sagemaker.md §3.8).`, cause);
  }
  return new RejectedError('platform-refused', text, cause);
}

/** No status: a network fault, an answer that is not the service's (a proxy's page), or a mistake of ours before the request left. */
function unsent(error: unknown, answered: boolean, name: string, text: string): Error {
  const { code } = error as { code?: unknown };
  const network = answered || typeof code === 'string' || /timeout|network|socket|connection/i.test(`${name} ${text}`);
  if (network) return new TransientError('platform-unreachable', text, { cause: withoutExchange(error) });
  const plain = withoutExchange(error);
  return plain instanceof Error ? plain : new Error(text);
}

/** A failed invocation as one of ours (facts/sagemaker.md §1.6, runtime rows). */
export function translateInvocation(error: unknown, endpoint: string): Error {
  if (error instanceof RejectedError || error instanceof TransientError) return error;
  const { name, message, status } = read(error);
  const short = name.replace(/Exception$/, '');
  if (short === 'ModelError' || status === 424) {
    const { OriginalStatusCode: code, OriginalMessage: original } = error as { OriginalStatusCode?: number; OriginalMessage?: string };
    return new RejectedError(
      'model-error',
      `The model behind endpoint "${endpoint}" answered ${code ?? 'an error'}: ${(original ?? message).slice(0, 1000)}`,
      { cause: withoutExchange(error) },
    );
  }
  if (['ModelNotReady', 'ServiceUnavailable', 'InternalFailure', 'InternalDependency'].includes(short) || (status ?? 0) >= 500) {
    return new TransientError('endpoint-not-ready', `Endpoint "${endpoint}" cannot answer yet (${short}): ${message.slice(0, 400)}`, {
      cause: withoutExchange(error),
    });
  }
  if (short === 'ValidationError' && / not found/.test(message)) {
    return new RejectedError('endpoint-absent', `There is no endpoint "${endpoint}" to invoke: ${message.slice(0, 400)}`, {
      cause: withoutExchange(error),
    });
  }
  return translate(error, `invoke endpoint "${endpoint}"`);
}
