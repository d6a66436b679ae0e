// What the timers remember: the vital signs of every pipeline, how far records were read, and where the reconciler goes on.
import * as z from 'zod';
import { Instant, Name, RunId } from './identifiers.ts';

/** Vital signs of one pipeline; instants are null when it never happened. */
export const PipelineVitals = z.strictObject({
  pipeline: Name,
  registeredAt: Instant.describe('When the timer met it first, or when it was registered before that'),
  lastTick: Instant.nullable().describe('Times up to it were dealt with'),
  lastEvent: Instant.nullable().describe('Newest event about data of it'),
  lastDataset: Instant.nullable().describe('When a dataset was refined last, or somebody else’s gold was taken'),
  lastTraining: Instant.nullable().describe('When a training succeeded last'),
  freshness: z
    .strictObject({ deadline: Instant, met: z.boolean() })
    .nullable()
    .describe('The newest deadline and whether it was met; null where the pipeline has none, or before the first'),
  raised: z
    .array(z.string().max(600))
    .max(10)
    .default([])
    .describe('Standing signals (absent, no-training) that were raised and still hold'),
  nextSchedule: Instant.nullable().describe('The next time at which a schedule starts something'),
});
export type PipelineVitals = z.infer<typeof PipelineVitals>;

/** How far a list that is read newest first was read. */
export const Tail = z.strictObject({
  until: Instant.nullable().describe('Everything recorded before it was seen; null: nothing was read yet'),
  gap: z
    .strictObject({ next: z.string().max(1000), top: Instant })
    .nullable()
    .describe('A reading that has not come down to `until`: where it goes on, and where it began'),
});
export type Tail = z.infer<typeof Tail>;

/** What the every-minute timer has read. `open`: runs whose end it waits for. */
export const Watch = z.strictObject({
  events: Tail,
  runs: Tail,
  open: z.array(z.strictObject({ pipeline: Name, runId: RunId })).max(1000),
});
export type Watch = z.infer<typeof Watch>;

const counts = {
  startedAt: Instant,
  listed: z.number().int().min(0).describe('Files that were compared with the ledger'),
  found: z.number().int().min(0).describe('Files whose event had been lost'),
};

/** Where the reconciler is in the lake: it goes through all folders in the order of their names, a part at a time. */
export const Reconciling = z.strictObject({
  pass: z
    .strictObject({ ...counts, folder: z.string().max(1024), continuation: z.string().max(4096).nullable() })
    .nullable()
    .describe('The pass that goes on; null between passes'),
  last: z
    .strictObject({ ...counts, finishedAt: Instant })
    .nullable()
    .describe('The last complete pass'),
});
export type Reconciling = z.infer<typeof Reconciling>;

const freed = {
  startedAt: Instant,
  tables: z.number().int().min(0),
  files: z.number().int().min(0).describe('Data files and log files that were removed'),
  bytes: z.number().int().min(0).describe('Of the data files'),
  failed: z.array(Name).max(100).describe('Pipelines whose tables could not be looked through; the log says why'),
};

/** Where the daily removal of what no version needs any more is: it goes through the pipelines by name, a part at a time. */
export const Retaining = z.strictObject({
  pass: z
    .strictObject({ ...freed, after: Name.nullable().describe('The last pipeline that was looked through') })
    .nullable()
    .describe('The pass that goes on; null between passes'),
  last: z
    .strictObject({ ...freed, finishedAt: Instant })
    .nullable()
    .describe('The last complete pass'),
});
export type Retaining = z.infer<typeof Retaining>;
