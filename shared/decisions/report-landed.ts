// A run report that lands in the store tells that a job has ended, or is about to: whoever waits for it may look now. Pure.
import { isStorageEvent, type LedgerEvent, type SignalEvent, type StorageEvent } from '../contracts/events.ts';
import { RunId } from '../contracts/identifiers.ts';
import { trialJobName } from './identity.ts';

/** As `training-plan.ts` lays them out: the run's own report, one of a trial, and one of each step of either. */
const REPORT_PATH = /^runs\/([^/]+)(?:\/trials\/([1-9][0-9]{0,5}))?(?:\/steps\/[^/]+)?\/run-report\.json$/;

/** Name of the job whose report this path is; null for any other path. */
export function jobOfReport(path: string): string | null {
  const [, run = '', trial] = REPORT_PATH.exec(path) ?? [];
  if (!RunId.safeParse(run).success) return null;
  return trial === undefined ? run : trialJobName(run, Number(trial));
}

/**
 * The event as a word about its job; null where it is no report of the container `store`. What the report says is not asked: the word
 * wakes whoever waits, and the truth is read from the backend.
 */
export function reportSignal(event: StorageEvent, store: string): SignalEvent | null {
  const job = event.container === store && event.kind !== 'deleted' ? jobOfReport(event.path) : null;
  if (job === null) return null;
  const { source, id, time } = event;
  return { source, id, kind: 'job', subject: job, time, data: { type: 'report' } };
}

/** What was read of a message, with its reports as words about jobs. */
export function withReportSignals<Read extends { events: LedgerEvent[] }>(read: Read, store: string): Read {
  return { ...read, events: read.events.map((event) => (isStorageEvent(event) ? (reportSignal(event, store) ?? event) : event)) };
}
