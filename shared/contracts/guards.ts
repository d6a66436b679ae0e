// What keeps events from starting anything: freezes that a person sets, and the breaker that opens by itself.
import * as z from 'zod';
import { Instant, Name } from './identifiers.ts';

/** Nothing starts while it holds: for one pipeline, or for all of them (`pipeline: null`). */
export const Freeze = z.strictObject({
  pipeline: Name.nullable(),
  kind: z.enum(['frozen', 'maintenance']),
  by: z.string().max(200),
  reason: z.string().min(1).max(1000),
  since: Instant,
  until: Instant.nullable().describe('It ends by itself then; null: when a person ends it'),
});
export type Freeze = z.infer<typeof Freeze>;

/** What the breaker of a pipeline counts. Counts are kept per minute (datasets) and per hour (trainings). */
export const Breaker = z.strictObject({
  pipeline: Name,
  state: z.enum(['closed', 'open']),
  opened: z
    .strictObject({
      at: Instant,
      cause: z.enum(['datasets-per-hour', 'trainings-per-day', 'budget']),
      reason: z.string().max(1000),
      count: z.number(),
      limit: z.number(),
    })
    .nullable()
    .describe('Why it opened last'),
  closed: z
    .strictObject({ at: Instant, by: z.string().max(200), reason: z.string().max(1000) })
    .nullable()
    .describe('Who closed it last'),
  datasets: z.record(z.string(), z.number().int()),
  trainings: z.record(z.string(), z.number().int()),
  recent: z.array(z.string().max(40)).max(200).describe('What was admitted lately: asked again, it counts once'),
});
export type Breaker = z.infer<typeof Breaker>;
