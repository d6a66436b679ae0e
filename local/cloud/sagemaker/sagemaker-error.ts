// Refusals of the local SageMaker: a name and a message, for most of them a message prefix, as facts/sagemaker.md §1.6 lists them.
// Control plane: JSON 1.1 with `__type`; runtime: REST with `x-amzn-errortype`.
import { randomUUID } from 'node:crypto';
import { SignatureError, type SignatureFault } from '../sts/signature.ts';

/** A refusal as the service would word it. */
export class SageMakerError extends Error {
  override readonly name = 'SageMakerError';
  constructor(
    readonly code: string,
    message: string,
    readonly status = 400,
    /** Further members of the answer, e.g. `OriginalStatusCode`. */
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

/** The one error name that most control-plane refusals share. */
export function validation(message: string): SageMakerError {
  return new SageMakerError('ValidationException', message);
}

/** facts/sagemaker.md §1.6: `Could not find …`. */
export function notFound(kind: 'endpoint' | 'endpoint configuration' | 'model', arn: string): SageMakerError {
  return validation(`Could not find ${kind} "${arn}".`);
}

/** facts/sagemaker.md §1.6: `Cannot create already existing …`. */
export function alreadyExists(kind: 'endpoint' | 'endpoint configuration' | 'model', arn: string): SageMakerError {
  return validation(`Cannot create already existing ${kind} "${arn}".`);
}

const SIGNATURE: Readonly<Record<SignatureFault, readonly [string, string?]>> = {
  missing: ['MissingAuthenticationTokenException', 'Missing Authentication Token'],
  malformed: ['IncompleteSignatureException'],
  'wrong-scope': ['InvalidSignatureException'],
  'unknown-key': ['UnrecognizedClientException', 'The security token included in the request is invalid.'],
  'bad-token': ['UnrecognizedClientException', 'The security token included in the request is invalid.'],
  'token-expired': ['ExpiredTokenException', 'The security token included in the request is expired'],
  'clock-skew': ['InvalidSignatureException'],
  'url-expired': ['InvalidSignatureException'],
  'url-not-yet-valid': ['InvalidSignatureException'],
  'unsigned-headers': ['InvalidSignatureException'],
  mismatch: ['InvalidSignatureException'],
};

/** The refusal behind an error, or undefined for a fault of the stand-in itself. */
export function asSageMakerError(error: unknown): SageMakerError | undefined {
  if (error instanceof SageMakerError) return error;
  if (!(error instanceof SignatureError)) return undefined;
  const [code, message] = SIGNATURE[error.fault];
  return new SageMakerError(code, message ?? error.message, 403);
}

/** The answer of the control plane (facts/sagemaker.md §4: error name in `__type`). */
export function controlError(error: SageMakerError): Response {
  const body = JSON.stringify({ __type: error.code, message: error.message, ...error.details });
  return new Response(body, {
    status: error.status,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() },
  });
}

/** The answer of the runtime (facts/sagemaker.md §4: error name in a header). */
export function runtimeError(error: SageMakerError): Response {
  return new Response(JSON.stringify({ Message: error.message, ...error.details }), {
    status: error.status,
    headers: { 'content-type': 'application/json', 'x-amzn-errortype': error.code, 'x-amzn-requestid': randomUUID() },
  });
}
