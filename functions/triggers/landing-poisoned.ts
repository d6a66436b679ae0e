// A message that failed five times came out of the poison queue. What was in the way may be gone: it is judged if it can be now, and
// otherwise gets its ledger row too, so that no event is without a verdict.
import type { InvocationContext } from '@azure/functions';
import type { Starter } from '../../shared/ports/starter.ts';
import { keepUnread, type MessageDeps, rawText, takeMessage } from './message.ts';

/** Deliveries after which a message becomes poison: `maxDequeueCount` of host.json. */
const MAX_DELIVERIES = 5;

type Log = Pick<InvocationContext, 'info' | 'warn' | 'error'>;

/** `delivery` counts this message's deliveries from the poison queue: only the last one gives it up. */
export function landingPoisoned(deps: MessageDeps) {
  return async (message: unknown, delivery: number, starter: Starter, log: Log): Promise<void> => {
    const raw = rawText(message);
    const arrival = { foundBy: 'poison', evidence: { dequeues: MAX_DELIVERIES } } as const;
    try {
      await takeMessage(deps, raw, arrival, starter, log);
    } catch (error) {
      if (delivery < MAX_DELIVERIES) throw error;
      const cause = error instanceof Error ? error.message.slice(0, 800) : 'unknown';
      const id = await keepUnread(
        deps,
        raw,
        arrival,
        ({ sha256, kept }) => ({
          kind: 'refused',
          rule: 'poisoned',
          reason: `Taking this message in failed again and again (${cause}); it is kept as malformed/${sha256}. Mend the cause, then write the file again`,
          evidence: { characters: raw.length, kept },
        }),
        'poison',
      );
      log.error(`poisoned message recorded as ${id}: ${cause}`);
    }
  };
}
