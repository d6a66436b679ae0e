// The story of one window whose rule is a time: sleeps until it comes, closes the window, and goes on with what it became.
// Continues as new now and then, so that a window that stays open for weeks keeps a short history.
import type { OrchestrationContext } from 'durable-functions';
import { CollectInput, type Outcome } from '../shared/contracts/stories.ts';
import type { Story } from './kit/call.ts';
import { refineWindow } from './kit/dataset.ts';
import { sleep } from './kit/time.ts';
import { closeIfComplete, type Place } from './kit/window.ts';

/** About ten history events each: an entity call, a tally, a timer. */
const WAKES_PER_EXECUTION = 15;
/** Timers come up to a second early, short ones at once (facts/durable.md §2.9 item 7): with less, waiting would be spinning. */
const EARLY_SECONDS = 1;
const SHORTEST_SLEEP_SECONDS = 2;
/** A rule whose time never comes is looked at again now and then: the window may have been closed otherwise. */
const LONGEST_SLEEP_SECONDS = 86_400;

export function* collect(context: OrchestrationContext): Story<Outcome | null> {
  const input = CollectInput.parse(context.df.getInput());
  const { pipeline, contractDigest, policy, limited, container, collecting, chain, number } = input;
  const place: Place = { pipeline, contractDigest, container, collecting };
  for (let wake = 0; wake < WAKES_PER_EXECUTION; wake += 1) {
    const closing = yield* closeIfComplete(context, place, number);
    if (closing.state === 'won') {
      const cause = { kind: 'event' as const, ref: input.entryId, path: input.place };
      return yield* refineWindow(context, { ...place, policy, limited, cause, chain, window: closing.window, how: closing.how });
    }
    if (closing.state === 'over') return { status: 'skipped', runId: null, note: `window ${number} of ${collecting.source} is closed` };
    context.df.setCustomStatus({ phase: 'collecting', waitingFor: closing.what.slice(0, 500) });
    yield* sleep(context, closing.state === 'later' ? secondsUntil(context, closing.until) : LONGEST_SLEEP_SECONDS);
  }
  context.df.continueAsNew(input);
  return null;
}

function secondsUntil(context: OrchestrationContext, until: string): number {
  const seconds = (Date.parse(until) - context.df.currentUtcDateTime.getTime()) / 1000;
  return Math.min(LONGEST_SLEEP_SECONDS, Math.max(SHORTEST_SLEEP_SECONDS, seconds + EARLY_SECONDS));
}
