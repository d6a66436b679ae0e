// Long operations of ARM as values: a URL that can be stored and asked again by anybody; a poller is never held (facts/azure.md §1.5).
import * as z from 'zod';
import { RejectedError } from '../../errors/errors.ts';
import { retryAfterMs, serviceErrorOf } from './refusal.ts';
import type { Answer } from './call.ts';

/** Store it as it is. `url` may be 4 KB long; it names an operation and is no secret. */
export const ArmOperation = z.strictObject({
  kind: z.enum(['async-operation', 'location']),
  url: z.string().max(16_384),
});
export type ArmOperation = z.infer<typeof ArmOperation>;

/** Where an operation is. `waitMs` is what the service asks for before the next look. */
export type OperationState =
  | { state: 'running'; waitMs: number }
  | { state: 'succeeded'; result: unknown }
  | { state: 'failed'; reason: string }
  | { state: 'cancelled' };

const DEFAULT_WAIT_MS = 5_000;

/** The operation that an answer announces; null when the answer is final. `Azure-AsyncOperation` comes before `Location`. */
export function operationOf(answer: Answer): ArmOperation | null {
  const asynchronous = answer.headers.get('azure-asyncoperation') ?? operationInBody(answer.json);
  if (asynchronous && answer.status < 300) return { kind: 'async-operation', url: asynchronous };
  const location = answer.headers.get('location');
  return answer.status === 202 && location ? { kind: 'location', url: location } : null;
}

/** Reads the answer to a look at an operation. Statuses of 400 and more must have been accepted by the caller. */
export function operationState(operation: ArmOperation, answer: Answer, now: number): OperationState {
  const waitMs = retryAfterMs(answer.headers, now) ?? DEFAULT_WAIT_MS;
  if (answer.status >= 400) {
    const { code, message } = answer.error;
    return { state: 'failed', reason: `${code || answer.status}: ${message || 'it gave no reason'}` };
  }
  const body = typeof answer.json === 'object' && answer.json !== null ? (answer.json as Record<string, unknown>) : {};
  if (operation.kind === 'location') {
    return answer.status === 202 ? { state: 'running', waitMs } : { state: 'succeeded', result: answer.json };
  }
  const status = body['status'];
  if (typeof status !== 'string') {
    throw new RejectedError('arm-answer-invalid', 'The status of a long operation is missing in the answer to the look at it.');
  }
  switch (status.toLowerCase()) {
    case 'succeeded':
      return { state: 'succeeded', result: body['properties'] ?? null };
    case 'failed': {
      const { code, message } = serviceErrorOf(body, '');
      return { state: 'failed', reason: [code, message].filter((part) => part !== '').join(': ') || 'it gave no reason' };
    }
    case 'canceled':
    case 'cancelled':
      return { state: 'cancelled' };
    default:
      return { state: 'running', waitMs };
  }
}

/** Azure ML repeats the address in the body (facts/azure.md §1.5). */
function operationInBody(json: unknown): string | undefined {
  const properties = (json as { properties?: { properties?: { AzureAsyncOperationUri?: unknown } } } | null)?.properties?.properties;
  const url = properties?.AzureAsyncOperationUri;
  return typeof url === 'string' ? url : undefined;
}
