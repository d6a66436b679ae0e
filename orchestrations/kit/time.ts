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

/** Waits, unless the event comes first; the timer is then cancelled, because an open one keeps the instance running. */
export function* sleepOrEvent(context: OrchestrationContext, seconds: number, eventTask: Task): Story<'slept' | 'event'> {
  const timer = context.df.createTimer(later(context, seconds));
  if ((yield* taskOrEvent(context, timer, eventTask)) === 'task') return 'slept';
  timer.cancel();
  return 'event';
}

/**
 * Waits for a task or for an external event, whichever comes first. The loser stays open: the caller goes on with it.
 * Throws what the task failed with, as a plain `yield` would.
 */
export function* taskOrEvent(context: OrchestrationContext, task: Task, eventTask: Task): Story<'task' | 'event'> {
  // An event that came while the story was at something else completes its task, and a later `any` would never notice.
  if (eventTask.isCompleted) return 'event';
  const winner = (yield context.df.Task.any([task, eventTask])) as Task;
  if (winner === eventTask) return 'event';
  if (task.isFaulted) throw task.result;
  return 'task';
}

/** Waits for a task, at most so long; the timer is cancelled when the task comes first. Throws what the task failed with. */
export function* sleepOrTask(context: OrchestrationContext, seconds: number, task: Task): Story<'slept' | 'task'> {
  if (task.isCompleted) return 'task';
  const timer = context.df.createTimer(later(context, seconds));
  const winner = (yield context.df.Task.any([task, timer])) as Task;
  if (winner === timer) return 'slept';
  timer.cancel();
  if (task.isFaulted) throw task.result;
  return 'task';
}
