// One call: budget before it, bounded waiting after a 429, few repeats of reads, and every failure as one of our errors.
import { RejectedError, TransientError } from '../../errors/errors.ts';
import { refusalOf, retryAfterMs, serviceErrorOf, type ServiceError } from './refusal.ts';
import type { PlainHeaders, Sent, Transport } from './transport.ts';
import { plainWords } from './words.ts';

export type CallMethod = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';

/** Calls that may be made now; the port RateBudget fits. */
export interface CallBudget {
  take(kind: 'read' | 'write', n: number): Promise<{ waitMs: number }>;
  throttled(kind: 'read' | 'write', waitMs: number): Promise<void>;
}

export interface CallOptions {
  query?: Readonly<Record<string, string>>;
  body?: unknown;
  /** Statuses that are an answer and not an error. */
  accept?: readonly number[];
  /** Values that must not appear in a message, should the service echo them. */
  secrets?: readonly string[];
}

export interface Answer {
  status: number;
  headers: PlainHeaders;
  /** The body as JSON; null when there is none. */
  json: unknown;
  /** What an accepted refusal says. */
  error: ServiceError;
}

export interface CallerSettings {
  /** The service, as messages name it. */
  what: string;
  transport: Transport;
  budget?: CallBudget;
  /** Limit of one request (default 30 000 ms). */
  timeoutMs?: number;
  /** How long one call may wait in all for budget, `Retry-After` and repeats (default 20 000 ms: an activity holds a worker meanwhile). */
  maxWaitMs?: number;
  now: () => number;
  sleep: (ms: number) => Promise<void>;
}

export type Caller = (method: CallMethod, path: string, options?: CallOptions) => Promise<Answer>;

const READ_REPEATS = 2;
const THROTTLE_REPEATS = 5;

/**
 * `path` begins with `/` and is percent-encoded. Writes are never repeated after an unclear answer: the caller looks first, then decides.
 * Errors: `arm-forbidden`, `arm-missing`, `arm-conflict`, `arm-refused`, `arm-answer-invalid` (rejected);
 * `arm-throttled`, `arm-unavailable` (it failed), `arm-unreachable` (no answer: a write may have been carried out) (transient).
 */
export function createCaller(settings: CallerSettings): Caller {
  const { what, transport, budget, now } = settings;
  const timeoutMs = settings.timeoutMs ?? 30_000;

  return async (method, path, options = {}) => {
    const kind = method === 'GET' || method === 'HEAD' ? 'read' : 'write';
    const target = `${path}${queryOf(path, options.query)}`;
    const shown = plainWords(path, 300);
    const wait = patience(settings);

    for (let repeats = 0; ; repeats += 1) {
      const { waitMs } = budget ? await budget.take(kind, 1) : { waitMs: 0 };
      if (!(await wait(waitMs))) {
        const seconds = Math.ceil(waitMs / 1000);
        throw new TransientError(
          'arm-throttled',
          `${method} ${shown} was not sent: the budget of ${kind} calls that all instances share is empty for ${seconds} s.`,
        );
      }
      const outcome = await transport.send({ method, path: target, body: options.body, timeoutMs }).catch(failureOf);
      const pause = pauseAfter(outcome, kind, repeats, options, now());
      // The others are told before this one waits; the next take then finds the bucket filled again.
      if (pause !== null && !(outcome instanceof Error) && outcome.status === 429) await budget?.throttled(kind, pause);
      if (pause !== null && repeats < repeatsOf(outcome) && (await wait(pause))) continue;
      if (!(outcome instanceof Error)) return answerOf(settings, { method, shown, sent: outcome, options });
      throw new TransientError(
        'arm-unreachable',
        `${what} at ${transport.origin} did not answer ${method} ${shown}: ${plainWords(outcome.message)}.`,
      );
    }
  };
}

/** Waits, unless that would be longer in all than one call may. */
function patience({ maxWaitMs = 20_000, sleep }: CallerSettings): (ms: number) => Promise<boolean> {
  let waited = 0;
  return async (ms) => {
    if (waited + ms > maxWaitMs) return false;
    waited += ms;
    if (ms > 0) await sleep(ms);
    return true;
  };
}

/** Errors that are ours already (no token, for one) go on; the others are a request without an answer. */
function failureOf(error: unknown): Error {
  if (error instanceof RejectedError || error instanceof TransientError) throw error;
  return error instanceof Error ? error : new Error(String(error));
}

/** How long to wait before a repeat; null when a repeat makes no sense or is not ours to make. */
function pauseAfter(outcome: Sent | Error, kind: 'read' | 'write', repeats: number, options: CallOptions, now: number): number | null {
  const growing = 300 * 2 ** repeats;
  if (outcome instanceof Error) return kind === 'read' ? growing : null;
  if (options.accept?.includes(outcome.status)) return null;
  const asked = retryAfterMs(outcome.headers, now);
  if (outcome.status === 429) return asked ?? 1_000 * 2 ** Math.min(repeats, 4);
  return outcome.status >= 500 && kind === 'read' ? (asked ?? growing) : null;
}

/** A 429 was not carried out, so any call may be sent again; after anything else only reads are. */
function repeatsOf(outcome: Sent | Error): number {
  return !(outcome instanceof Error) && outcome.status === 429 ? THROTTLE_REPEATS : READ_REPEATS;
}

function answerOf(
  { what, transport }: CallerSettings,
  { method, shown, sent, options }: { method: string; shown: string; sent: Sent; options: CallOptions },
): Answer {
  const { status, headers, text } = sent;
  const ok = status >= 200 && status < 300;
  if (sent.truncated) {
    throw new RejectedError('arm-answer-invalid', `The answer of ${what} to ${method} ${shown} is larger than 16 MiB.`);
  }
  const parsed = parse(text);
  const json = parsed?.value ?? null;
  if (!ok && !options.accept?.includes(status)) {
    const secrets = options.secrets ?? [];
    throw refusalOf({ what, method, path: shown, status, headers, json, text, identity: transport.identity(), secrets });
  }
  if (ok && !parsed) {
    // A proxy's page with status 200: the service itself answers JSON.
    throw new TransientError('arm-unavailable', `${what} answered ${method} ${shown} with something that is not JSON.`);
  }
  return { status, headers, json, error: ok ? { code: '', message: '' } : serviceErrorOf(json, text) };
}

/** Null when the text is not JSON. */
function parse(text: string): { value: unknown } | null {
  if (text.trim() === '') return { value: null };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return null;
  }
}

function queryOf(path: string, query: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(query).toString();
  if (text === '') return '';
  return `${path.includes('?') ? '&' : '?'}${text}`;
}
