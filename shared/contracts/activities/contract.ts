// The shape of an activity's contract: its name, what goes in and out, and how often the engine tries again.
import * as z from 'zod';

/** Tries by the engine after a thrown (transient) error; rejections are returned and never retried. No retry timeout: facts/durable.md §2.9 item 8. */
export interface Retry {
  firstSeconds: number;
  attempts: number;
  factor: number;
  maxSeconds: number;
}

export interface ActivityContract<Input extends z.ZodType, Output extends z.ZodType> {
  readonly name: string;
  readonly input: Input;
  readonly output: Output;
  readonly retry: Retry;
}

/** Reads of our own storage: quick, about a minute of patience. */
export const BRIEF: Retry = { firstSeconds: 1, attempts: 8, factor: 2, maxSeconds: 20 };
/** Announcements are news, not state: one more try, then the story goes on without. */
export const HASTY: Retry = { firstSeconds: 1, attempts: 2, factor: 1, maxSeconds: 1 };
/** Other clouds' control planes, and writes without which an event or a run would be lost: throttling and outages of minutes. */
export const PATIENT: Retry = { firstSeconds: 2, attempts: 10, factor: 2, maxSeconds: 120 };

/** Declares a contract; exists so that types are inferred. */
export function activity<Input extends z.ZodType, Output extends z.ZodType>(
  contract: ActivityContract<Input, Output>,
): ActivityContract<Input, Output> {
  return contract;
}

/** Why an activity will never succeed with this input. */
export const Rejection = z.strictObject({ code: z.string(), message: z.string() });
export type Rejection = z.infer<typeof Rejection>;

/** What an activity returns to the engine. */
export type ActivityResult<Output> = { ok: true; value: Output } | { ok: false; rejection: Rejection };
