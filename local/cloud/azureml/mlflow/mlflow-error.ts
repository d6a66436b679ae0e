// Errors of the MLflow API: `{"error_code","message"}`; clients branch on the code, not on the status (facts/mlflow.md §6).
import { json } from '../../kit/body.ts';

const STATUS = {
  INVALID_PARAMETER_VALUE: 400,
  BAD_REQUEST: 400,
  RESOURCE_ALREADY_EXISTS: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  RESOURCE_DOES_NOT_EXIST: 404,
  ENDPOINT_NOT_FOUND: 404,
  INVALID_STATE: 500,
} as const satisfies Record<string, number>;

export type MlflowCode = keyof typeof STATUS;

/** A call that is refused. */
export class MlflowError extends Error {
  override readonly name = 'MlflowError';
  constructor(
    readonly code: MlflowCode,
    message: string,
  ) {
    super(message);
  }
}

export const missing = (message: string): MlflowError => new MlflowError('RESOURCE_DOES_NOT_EXIST', message);
export const wrong = (message: string): MlflowError => new MlflowError('INVALID_PARAMETER_VALUE', message);

/** Azure ML's own limits are answered with the inner error in the message (facts/mlflow.md §9). */
export const overLimit = (what: string, limit: number): MlflowError =>
  wrong(
    `Response: {'Error': {'Code': 'ValidationError', 'Message': '${what}, Limit=${limit}'}, 'ComponentName': 'mlflow', 'statusCode': 400, 'Environment': 'local'}`,
  );

/** The answer to a refused call. */
export const mlflowErrorResponse = ({ code, message }: MlflowError): Response => json({ error_code: code, message }, STATUS[code]);
