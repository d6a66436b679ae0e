// A person's wish to end a run: one external event, seen wherever the story waits and before it does what is hard to undo.
import type { OrchestrationContext, Task } from 'durable-functions';
import * as z from 'zod';
import { CANCEL_EVENT } from '../../shared/contracts/stories.ts';
import type { JobState } from '../../shared/contracts/training.ts';

const Wish = z.object({ by: z.string().max(200), reason: z.string().max(1000) });

/** A person asked for the end of a run. Unwinds the story, so that compensation runs. */
export class RunCancelled extends Error {
  override readonly name = 'RunCancelled';
  /** `state`: what the job that was cancelled with the run came to. */
  constructor(
    message: string,
    readonly state: JobState | null = null,
  ) {
    super(message);
  }
}

/**
 * The task of the event. A story makes it once: an event goes to the newest waiter of its name (facts/durable.md §2.9 item 15),
 * so a second waiter would never see what the first one was given.
 */
export function cancelWish(context: OrchestrationContext): Task {
  return context.df.waitForExternalEvent(CANCEL_EVENT);
}

/** Throws RunCancelled when the event is here; `meanwhile` ends the sentence "Cancelled by NAME (REASON) …". */
export function heed(cancel: Task, meanwhile: string): void {
  if (cancel.isCompleted) throw new RunCancelled(`${wishOf(cancel)} ${meanwhile}`);
}

/** Who cancelled and why, in words. */
export function wishOf(cancel: Task): string {
  const wish = Wish.safeParse(cancel.result);
  return wish.success ? `Cancelled by ${wish.data.by} (${wish.data.reason})` : 'Cancelled by a person';
}
