// Typed calls from an orchestration: activities by contract, sub-orchestrations by name. `yield*` gives the value back.
import * as df from 'durable-functions';
import type { OrchestrationContext, Task } from 'durable-functions';
import type { z } from 'zod';
import type { ActivityContract, ActivityResult, Rejection, Retry } from '../../shared/contracts/activities/contract.ts';
import type { Failure } from '../../shared/contracts/runs.ts';
import { Outcome } from '../../shared/contracts/stories.ts';

/** A story: yields tasks, ends with a value. */
export type Story<Result> = Generator<Task, Result, unknown>;

/** An activity said that this will never work. */
export class ActivityRejected extends Error {
  override readonly name = 'ActivityRejected';
  constructor(readonly rejection: Rejection) {
    super(rejection.message);
  }
}

/** Runs one activity under its contract's retry rule; a returned rejection becomes ActivityRejected. */
export function* call<Input extends z.ZodType, Output extends z.ZodType>(
  context: OrchestrationContext,
  contract: ActivityContract<Input, Output>,
  input: z.input<Input>,
): Story<z.output<Output>> {
  return valueOf<Output>(yield context.df.callActivityWithRetry(contract.name, retryOptions(contract.retry), input));
}

/** Like `call`, and takes note of an event that comes meanwhile or came before: after it, the event's task is completed. */
export function* callWatching<Input extends z.ZodType, Output extends z.ZodType>(
  context: OrchestrationContext,
  eventTask: Task,
  contract: ActivityContract<Input, Output>,
  input: z.input<Input>,
): Story<z.output<Output>> {
  const task = context.df.callActivityWithRetry(contract.name, retryOptions(contract.retry), input);
  if (!eventTask.isCompleted) yield context.df.Task.any([task, eventTask]);
  return valueOf<Output>(yield task);
}

function valueOf<Output extends z.ZodType>(answer: unknown): z.output<Output> {
  const result = answer as ActivityResult<z.output<Output>>;
  if (!result.ok) throw new ActivityRejected(result.rejection);
  return result.value;
}

/** Runs another story as a sub-orchestration under its own instance id. */
export function* tell(context: OrchestrationContext, story: string, input: Record<string, unknown>, instanceId: string): Story<Outcome> {
  return Outcome.parse(yield context.df.callSubOrchestrator(story, input, instanceId));
}

function retryOptions(retry: Retry): df.RetryOptions {
  const options = new df.RetryOptions(retry.firstSeconds * 1000, retry.attempts);
  options.backoffCoefficient = retry.factor;
  options.maxRetryIntervalInMilliseconds = retry.maxSeconds * 1000;
  return options;
}

/** What a caught error means for the run's record. The engine's text holds the whole serialised exception after the first line: it is cut. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ActivityRejected) return { code: error.rejection.code, message: error.rejection.message.slice(0, 4000) };
  const text = error instanceof Error ? error.message : String(error);
  const [first = ''] = text.split('\n');
  return { code: 'step-failed', message: `${first.trim().slice(0, 1000)} (after the last try)` };
}
