// Windows: events of one source on their way to being a dataset. The entity counts, the ledger holds the members.
import * as z from 'zod';
import { Instant, Name, Sha256 } from './identifiers.ts';

/** One collected file. `ordinal` is its place in the order in which the window took its members, from 1. */
export const WindowMember = z.strictObject({
  entryId: z.string(),
  account: z.string(),
  container: z.string(),
  path: z.string(),
  eTag: z.string(),
  sequencer: z.string(),
  sha256: Sha256,
  bytes: z.number().int().min(0),
  ordinal: z.number().int().min(0),
  late: z.boolean().default(false).describe('It belongs to a dataset that was closed before it came'),
  carried: z.boolean().default(false).describe('Came for the window before, whose manifest did not list it; not in the count'),
});
export type WindowMember = z.infer<typeof WindowMember>;

/** What the entity of a source knows: the open window's number, how much is in it and when, and the window that was closed last. */
export const WindowState = z.strictObject({
  number: z.number().int().min(1),
  count: z.number().int().min(0),
  digest: Sha256.describe('Of the members, whatever their order'),
  openedAt: Instant.nullable(),
  lastAt: Instant.nullable(),
  marks: z.array(z.string().max(200)).max(501).describe('Partitions seen, or "manifest"'),
  expects: z.number().int().nullable().describe('Files that the manifest lists, once it came'),
  closed: z.strictObject({ number: z.number().int(), at: Instant }).nullable(),
  settled: z.number().int().min(0).describe('The newest window whose members have all got their verdict'),
  carried: z.number().int().min(0).describe('Files that the window before left to this one; they are not in the count'),
});
export type WindowState = z.infer<typeof WindowState>;

/** What happens to an event that comes after its dataset was closed. */
export const LatePolicy = z.strictObject({ allowedSeconds: z.number().int().min(0), then: z.enum(['patch', 'next', 'refuse']) });
export type LatePolicy = z.infer<typeof LatePolicy>;

/** How a source collects: its rule as written, and what stands around it. */
export const Collecting = z.strictObject({
  source: Name,
  folder: z.string().max(200),
  complete: z.string().max(2000),
  lateness: LatePolicy.nullable(),
  sources: z
    .array(z.strictObject({ name: Name, maxLagSeconds: z.number().int().nullable() }))
    .max(10)
    .describe('All sources of the pipeline when it joins several; else empty'),
});
export type Collecting = z.infer<typeof Collecting>;

/** Closed windows of one source that go into a dataset together: numbers from…to. */
export const WindowRange = z.strictObject({ source: Name, from: z.number().int().min(1), to: z.number().int().min(1) });
export type WindowRange = z.infer<typeof WindowRange>;

/** What the entity that joins the sources of a pipeline knows of each. */
export const JoinState = z.record(
  Name,
  z.strictObject({
    used: z.number().int().min(0).describe('The newest window that a dataset took'),
    complete: z.number().int().min(1).describe('The newest window that is closed'),
    at: Instant.describe('When it was closed'),
  }),
);
export type JoinState = z.infer<typeof JoinState>;
