// Events without a file: what Azure ML says about jobs (facts/azure.md §3.2), and signals that others send to the queue.
import { SignalEvent } from '../../contracts/events.ts';
import { dataOf, type Envelope, type Fields, instantOf, pick, problemsOf, text } from './envelope.ts';

/** Azure ML's events about runs; the others (models, endpoints, drift of the old kind) lead to nothing here. */
const JOB_TYPES: ReadonlySet<string> = new Set([
  'microsoft.machinelearningservices.runcompleted',
  'microsoft.machinelearningservices.runstatuschanged',
]);
/** What others may send: a push to training code, a breach that a monitor saw. Times and callers have ways of their own. */
const SENT: Readonly<Record<string, SignalEvent['kind']>> = { 'sluice.signal.code': 'code', 'sluice.signal.monitor': 'monitor' };
const MAX_VALUES = 30;

/** null for a type that is no signal. `type` in lower case. */
export function toSignal(envelope: Envelope, type: string): SignalEvent | null {
  const sent = Object.hasOwn(SENT, type) ? SENT[type] : undefined;
  if (sent === undefined && !JOB_TYPES.has(type)) return null;
  const { source, id, time, subject } = envelope;
  const spoken = sent === undefined ? jobOf(envelope) : { kind: sent, subject: subject ?? '', data: scalars(dataOf(envelope.data)) };
  const parsed = SignalEvent.safeParse({ source, id, time: instantOf(time), ...spoken });
  if (parsed.success) return parsed.data;
  throw new TypeError(problemsOf(parsed.error));
}

/** The job's name is `data.runId`, and the end of the subject. Samples and mappers differ in case, so keys are found in any. */
function jobOf({ data, subject, type }: Envelope): Pick<SignalEvent, 'kind' | 'subject' | 'data'> {
  const fields = pick(dataOf(data), ['runId', 'runStatus', 'experimentName']);
  const [, ofSubject] = /\/runs\/([^/]+)$/.exec(subject ?? '') ?? [];
  const job = text(fields, 'runId') ?? ofSubject;
  if (job === undefined) throw new TypeError('it names no run (data.runId)');
  return {
    kind: 'job',
    subject: job,
    data: {
      type: type.slice(type.lastIndexOf('.') + 1),
      ...(fields['runStatus'] === undefined ? {} : { status: (text(fields, 'runStatus') ?? '').slice(0, 100) }),
      ...(fields['experimentName'] === undefined ? {} : { experiment: (text(fields, 'experimentName') ?? '').slice(0, 300) }),
    },
  };
}

/** Texts, numbers and booleans of the data; what is nested is left out. */
function scalars(data: Fields): SignalEvent['data'] {
  const values = Object.entries(data).filter(
    ([key, value]) =>
      key.length <= 100 && key !== '__proto__' && (value === null || ['string', 'number', 'boolean'].includes(typeof value)),
  );
  const cut = values.slice(0, MAX_VALUES).map(([key, value]) => [key, typeof value === 'string' ? value.slice(0, 4000) : value]);
  return Object.fromEntries(cut) as SignalEvent['data'];
}
