// What Event Grid could not deliver is judged after all: each event of a dead letter goes to the intake with the reason as evidence, then
// the letter is removed. What cannot be read is kept by its SHA-256.
import type { InvocationContext } from '@azure/functions';
import type { Verdict } from '../../../shared/contracts/events.ts';
import { RejectedError } from '../../../shared/errors/errors.ts';
import type { DeadLetters } from '../../../shared/ports/dead-letters.ts';
import type { Starter } from '../../../shared/ports/starter.ts';
import { keepUnread, type MessageDeps, takeMessage } from '../message.ts';

export interface DeadLetterDeps extends MessageDeps {
  deadLetters: DeadLetters;
}

export interface Drained {
  letters: number;
  events: number;
  /** Letters, or events in them, of which nothing could be made. */
  unread: number;
}

/** Letters of one tick; the others come in the next. */
const MAX_LETTERS = 200;
/** No letter is begun after so many milliseconds. */
const MAX_MS = 60_000;
/** Events have at most 1 MiB, and a letter holds few. */
const MAX_BYTES = 64 * 1024 * 1024;
/** What Event Grid adds to an event (facts/azure.md §3.1); in CloudEvents all lower case. */
const DETAILS = ['deadLetterReason', 'deliveryAttempts', 'lastDeliveryOutcome', 'publishTime', 'lastDeliveryAttemptTime'];

type Log = Pick<InvocationContext, 'info' | 'warn' | 'error'>;

/** One tick. A letter stays until everything in it has its verdict. */
export function deadLetterDrain(deps: DeadLetterDeps) {
  return async (starter: Starter, log: Log): Promise<Drained> => {
    const began = deps.now().getTime();
    const drained: Drained = { letters: 0, events: 0, unread: 0 };
    for (const { name } of await deps.deadLetters.list(MAX_LETTERS)) {
      if (deps.now().getTime() - began >= MAX_MS) break;
      const content = await contentOf(deps, name, log);
      if (content === null) continue;
      const { events, unread } = await takeLetter(deps, name, content, starter, log);
      await deps.deadLetters.remove(name);
      drained.letters += 1;
      drained.events += events;
      drained.unread += unread;
    }
    if (drained.letters > 0) log.warn(`${drained.letters} dead letters with ${drained.events} events were taken in`);
    return drained;
  };
}

/** null for a letter that is gone, or too large to be one: that is recorded, and left for a person. */
async function contentOf(deps: DeadLetterDeps, name: string, log: Log): Promise<string | null> {
  try {
    const content = await deps.deadLetters.read(name, MAX_BYTES);
    return content === null ? null : Buffer.from(content).toString('utf8');
  } catch (error) {
    if (!(error instanceof RejectedError) || error.code !== 'file-too-large') throw error;
    log.error(`${name} is too large for a dead letter and is left where it is: ${error.message}`);
    return null;
  }
}

async function takeLetter(
  deps: DeadLetterDeps,
  name: string,
  content: string,
  starter: Starter,
  log: Log,
): Promise<{ events: number; unread: number }> {
  const items = itemsOf(content);
  if (items === null) {
    await keepUnread(deps, content, { foundBy: 'dead-letter' }, ({ sha256, kept }) => ({
      kind: 'malformed',
      rule: 'not-an-event',
      reason: `The dead letter ${name.slice(0, 300)} is no JSON array of events; it is kept as malformed/${sha256}`,
      evidence: { characters: content.length, kept, letter: name.slice(0, 300) },
    }));
    return { events: 0, unread: 1 };
  }
  const sum = { events: 0, unread: 0 };
  for (const item of items) {
    const arrival = { foundBy: 'dead-letter', evidence: detailsOf(item) } as const;
    const taken = await takeMessage(deps, JSON.stringify(item), arrival, starter, log);
    sum.events += taken.events;
    sum.unread += taken.problems.length > 0 ? 1 : 0;
  }
  return sum;
}

/** null for what is no list of things. */
function itemsOf(content: string): unknown[] | null {
  try {
    const value: unknown = JSON.parse(content);
    if (Array.isArray(value)) return value.length > 0 ? value : null;
    return typeof value === 'object' && value !== null ? [value] : null;
  } catch {
    return null;
  }
}

/** Why it was not delivered. */
function detailsOf(item: unknown): Verdict['evidence'] {
  if (typeof item !== 'object' || item === null) return {};
  const found: Verdict['evidence'] = {};
  for (const [key, value] of Object.entries(item)) {
    const detail = DETAILS.find((known) => known.toLowerCase() === key.toLowerCase());
    if (detail !== undefined && (typeof value === 'string' || typeof value === 'number')) {
      found[detail] = typeof value === 'string' ? value.slice(0, 300) : value;
    }
  }
  return found;
}
