// What Azure Table storage answers, in our words: try again, will never work, or an expected refusal.
import { RestError } from '@azure/data-tables';
import { RejectedError, TransientError } from '../../errors/errors.ts';

/** True when the service refused with one of these statuses; a missing table is never an expected refusal. */
export function isStatus(error: unknown, statuses: readonly number[]): boolean {
  return error instanceof RestError && statuses.includes(error.statusCode ?? 0) && serviceCode(error) !== 'TableNotFound';
}

/** The error that leaves this adapter. The vendor's message may quote the request, so only its code is passed on. */
export function translated(error: unknown, table: string): Error {
  if (!(error instanceof RestError)) {
    if (isAbort(error)) return new TransientError('tables-timeout', `Table "${table}" gave no answer in time`, { cause: error });
    return error instanceof Error ? error : new Error(`Table "${table}": ${String(error)}`);
  }
  const status = error.statusCode ?? 0;
  const code = serviceCode(error);
  if (status === 0)
    return new TransientError('tables-unreachable', `Table storage cannot be reached (${error.code ?? 'no code'})`, { cause: error });
  if (status === 408 || status === 429 || status >= 500) {
    return new TransientError('tables-busy', `Table "${table}" answered ${status} ${code}`, { cause: error });
  }
  if (status === 401 || status === 403) {
    const mend = 'give this identity the role Storage Table Data Contributor on the storage account';
    return new RejectedError('tables-forbidden', `Table "${table}" refused this identity (${status} ${code}): ${mend}`, { cause: error });
  }
  if (code === 'TableNotFound') {
    return new RejectedError('table-missing', `Table "${table}" does not exist: it is made at start, so restart the app`, { cause: error });
  }
  return new RejectedError('tables-refused', `Table "${table}" refused a request: ${status} ${code}`, { cause: error });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}

/** `TableNotFound`, `EntityAlreadyExists`, … ; where it stands differs between single requests and batches. */
function serviceCode(error: RestError): string {
  const details = error.details as { code?: string; odataError?: { code?: string } } | undefined;
  return details?.odataError?.code ?? details?.code ?? error.code ?? 'no code';
}
