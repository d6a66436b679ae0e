// Time as the engine tells it: the only clock that replays.
import type { OrchestrationContext, Task } from 'durable-functions';
import type { Story } from './call.ts';

/** The engine's present as an ISO instant. */
export function now(context: OrchestrationContext): string {
  return context.df.currentUtcDateTime.toISOString();
}

/** Seconds since an instant that `now` gave. */
export function secondsSince(context: OrchestrationContext, instant: string): number {
  return Math.max(0, context.df.currentUtcDateTime.getTime() - Date.parse(instant)) / 1000;
}

/** An instant some seconds after now. */
export function later(context: OrchestrationContext, seconds: number): Date {
  return new Date(context.df.currentUtcDateTime.getTime() + Math.round(seconds * 1000));
}

/** Waits. May end up to a second early (facts/durable.md §2.9 item 7): callers look again, they never conclude. */
export function* sleep(context: OrchestrationContext, seconds: number): Story<void> {
  yield context.df.createTimer(later(context, seconds));
}

/**
 * Waits for a task or for an external event, whichever comes first; `event` is the event's data when it won.
 * The losing task stays open: the caller goes on with it.
 */
export function* taskOrEvent(context: OrchestrationContext, task: Task, eventTask: Task): Story<'task' | 'event'> {
  const winner = (yield context.df.Task.any([task, eventTask])) as Task;
  return winner === eventTask ? 'event' : 'task';
}
