// When a pipeline runs without an event, what is late, what is too much.
import * as z from 'zod';
import { CronExpression, Duration, TimeZone } from './parts.ts';

/** Runs that no file started. Times are of `zone`; a day that has no such local time runs at the next instant that exists. */
export const Schedule = z
  .strictObject({
    cron: CronExpression.optional().describe('Train at these times'),
    zone: TimeZone.default('UTC'),
    jitter: Duration.optional().describe('Spread over this time, the same for one pipeline each time'),
    noTrainingFor: Duration.optional().describe('Train when nothing was trained for so long'),
    absent: Duration.optional().describe('Raise an event when no data event came for so long, and train on what is there'),
    unchanged: z
      .enum(['skip', 'train'])
      .default('skip')
      .describe('What a scheduled run does when gold is as it was: say so, or train again'),
    extract: z
      .strictObject({
        pipeline: z.string().min(1).max(140).describe('Name of the Data Factory pipeline that brings data into the landing folder'),
        cron: CronExpression.optional(),
        parameters: z.record(z.string().max(100), z.string().max(1000)).default({}),
        deadline: Duration.default('6h'),
      })
      .optional()
      .describe('On-premises database → bronze: a Data Factory run that Sluice starts and waits for'),
  })
  .describe('Runs that no file started');
export type Schedule = z.infer<typeof Schedule>;

/** "No complete dataset by 06:00": an alert event, and a line in `status`. */
export const Freshness = z.strictObject({
  by: z.string().regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, 'expected a time of day such as 06:00'),
  zone: TimeZone.default('UTC'),
  days: z.enum(['every-day', 'weekdays']).default('every-day'),
});
export type Freshness = z.infer<typeof Freshness>;

/** Rates above which the breaker opens; a person closes it. */
export const Limits = z.strictObject({
  datasetsPerHour: z.number().int().min(1).max(10_000).default(120),
  trainingsPerDay: z.number().int().min(1).max(1000).default(48),
});
export type Limits = z.infer<typeof Limits>;

/** What happens to an event that belongs to a dataset that was closed already. */
export const Lateness = z.strictObject({
  allowed: Duration.describe('How long after the close of a dataset a file of it is still expected'),
  then: z.enum(['patch', 'next', 'refuse']).default('next').describe('patch: refine it alone now; next: into the next dataset; refuse'),
});
export type Lateness = z.infer<typeof Lateness>;
