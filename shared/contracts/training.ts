// Jobs for a training backend: a small graph of container steps, and the states a job goes through.
import * as z from 'zod';
import { ImageReference, Name } from './identifiers.ts';

/**
 * An argument of a step: a literal, a run parameter, the path of an own output, or the path of another step's output.
 * `prefix` is put before the path without a space (`gold=` for `--input gold=PATH`).
 */
export const StepArgument = z.union([
  z.string(),
  z.strictObject({ parameter: z.string().regex(/^[a-z][a-z0-9_]*$/) }),
  z.strictObject({ output: z.string().regex(/^[a-z][a-z0-9_]*$/) }),
  z.strictObject({
    from: Name,
    output: z.string().regex(/^[a-z][a-z0-9_]*$/),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_=:-]*$/)
      .optional(),
  }),
]);
export type StepArgument = z.infer<typeof StepArgument>;

export const JobStep = z.strictObject({
  name: Name,
  image: ImageReference,
  command: z.array(z.string()).min(1),
  args: z.array(StepArgument),
  cpu: z.number().int().min(1),
  memoryGiB: z.number().positive(),
});
export type JobStep = z.infer<typeof JobStep>;

/** `name` is the identity: the same name is the same job. Parameter values may carry signed URLs: never log them. */
export const JobSpec = z.strictObject({
  name: z
    .string()
    .max(110)
    .regex(/^[a-z0-9-]+$/),
  graph: z
    .string()
    .max(60)
    .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
    .describe('Name of the graph for people, e.g. ble-location-train'),
  steps: z.array(JobStep).min(1),
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  labels: z.record(z.string(), z.string()),
});
export type JobSpec = z.infer<typeof JobSpec>;

/** Unknown vendor states map to `running` and are reported in `reason`; `absent` = the backend does not know the job. */
export const JobState = z.strictObject({
  state: z.enum(['pending', 'running', 'succeeded', 'failed', 'cancelled', 'absent']),
  reason: z.string().nullable(),
  queuedSeconds: z.number().nullable(),
  executionSeconds: z.number().nullable(),
});
export type JobState = z.infer<typeof JobState>;

/** True when the job will not change any more. */
export function isTerminal(state: JobState['state']): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled' || state === 'absent';
}
