// Optimistic concurrency: read, change, write if nobody else wrote meanwhile; else again, a bounded number of times.
import { TransientError } from '../../errors/errors.ts';

const MAX_TRIES = 40;
const MAX_PAUSE_MS = 200;

/**
 * Repeats `attempt` until it gives something else than `contended`. Pauses are random, so that two writers do not meet again and again.
 * Gives up with TransientError `tables-contention`; the engine or the caller tries later.
 */
export async function untilUncontended<Answer>(what: string, attempt: () => Promise<Answer | 'contended'>): Promise<Answer> {
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    const answer = await attempt();
    if (answer !== 'contended') return answer;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(MAX_PAUSE_MS, 10 * tries)));
  }
  throw new TransientError('tables-contention', `${what} was changed by others ${MAX_TRIES} times in a row`);
}
