// What landed, as Sluice sees it after parsing, and what was decided about it.
import * as z from 'zod';
import { Instant, Name, RunId, Sha256 } from './identifiers.ts';

/** A storage event, normalised from CloudEvents 1.0 or the Event Grid schema (facts/azure.md §3.1). */
export const StorageEvent = z.strictObject({
  source: z.string().min(1).max(1024).describe('CloudEvents source or Event Grid topic'),
  id: z.string().min(1).max(512),
  kind: z.enum(['created', 'deleted', 'renamed']),
  api: z.string().max(64).describe('data.api: PutBlob, PutBlockList, FlushWithClose, …'),
  account: z.string().max(64),
  container: z.string().max(64),
  path: z.string().min(1).max(1024).describe('Blob name, decoded once'),
  eTag: z.string().max(128).describe('Without quotes'),
  sequencer: z.string().max(128).describe('Opaque; plain string order, only for the same blob'),
  bytes: z.number().int().min(0),
  time: Instant,
});
export type StorageEvent = z.infer<typeof StorageEvent>;

/**
 * An event without a file: a time that came, a caller, a push of training code, a monitor, an Azure ML job. `subject` is what it speaks
 * of (a pipeline, a repository, a job); the ledger keeps such events under account `signals`, container `kind`, path `subject`.
 */
export const SignalEvent = z.strictObject({
  source: z.string().min(1).max(1024),
  id: z.string().min(1).max(512),
  kind: z.enum(['schedule', 'no-training', 'absent', 'freshness', 'http', 'code', 'monitor', 'job']),
  subject: z.string().min(1).max(1024),
  time: Instant,
  data: z.record(z.string().max(100), z.union([z.string().max(4000), z.number(), z.boolean(), z.null()])).default({}),
});
export type SignalEvent = z.infer<typeof SignalEvent>;

export const LedgerEvent = z.union([StorageEvent, SignalEvent]);
export type LedgerEvent = z.infer<typeof LedgerEvent>;

export function isStorageEvent(event: LedgerEvent | null): event is StorageEvent {
  return event !== null && 'eTag' in event;
}

/** What an event speaks of, in a few words: the path of a file, or `kind subject` of a signal. */
export function subjectOf(event: LedgerEvent): string {
  return isStorageEvent(event) ? event.path : `${event.kind} ${event.subject}`;
}

/** Where the ledger keeps the rows of an event. */
export function placeOfEvent(event: LedgerEvent): { account: string; container: string; path: string } {
  if (isStorageEvent(event)) return { account: event.account, container: event.container, path: event.path };
  return { account: 'signals', container: event.kind, path: event.subject };
}

/** The closed set of verdicts; extended only by code. */
export const VerdictKind = z.enum([
  'accepted',
  'duplicate',
  'stale',
  'superseded',
  'ignored',
  'incomplete',
  'late',
  'quarantined',
  'loop',
  'over-budget',
  'refused',
  'malformed',
]);
export type VerdictKind = z.infer<typeof VerdictKind>;

/** What was decided about one event, with one reason. `rule` names the rule that decided, for machines; `evidence` holds what it looked at. */
export const Verdict = z.strictObject({
  kind: VerdictKind,
  rule: z.string().min(1).max(64),
  reason: z.string().min(1).max(2000),
  evidence: z
    .record(z.string().max(64), z.union([z.string().max(1200), z.number(), z.boolean(), z.null()]))
    .default({})
    .describe('What the rule compared: eTags, sequencers, counts, times, the policy that answered'),
});
export type Verdict = z.infer<typeof Verdict>;

/** `<pipeline>.<source>.<number>`: one collection of events on its way to being a dataset. */
export const WindowId = z
  .string()
  .max(100)
  .regex(/^[a-z0-9-]+\.[a-z0-9-]+\.[0-9]{1,12}$/, 'expected <pipeline>.<source>.<number>');
export type WindowId = z.infer<typeof WindowId>;

/** The way by which an event came to be: `<pipeline>@<run or commit>`, oldest first. A pipeline that is in it already is a loop. */
export const CausalChain = z.array(z.string().max(200)).max(32);
export type CausalChain = z.infer<typeof CausalChain>;

/** One row of the ledger: an event, its verdict, and how often it was delivered. */
export const LedgerEntry = z.strictObject({
  entryId: z.string().describe('e-<32 hex of hash(source, event id)>'),
  event: LedgerEvent.nullable().describe('null when the message could not be parsed'),
  rawSha256: Sha256.nullable().describe('Digest of the raw body, kept when it was malformed'),
  pipeline: Name.nullable(),
  verdict: Verdict,
  deliveries: z.number().int().min(1),
  receivedAt: Instant,
  instanceId: z.string().nullable().describe('The Durable instance that this event started'),
  runId: RunId.nullable().describe('The run whose data this event became, or that it started, once known'),
  window: WindowId.nullable().default(null).describe('The dataset in the making that this event was collected for'),
  chain: CausalChain.default([]),
  foundBy: z
    .enum(['queue', 'reconciler', 'dead-letter', 'poison', 'replay', 'timer', 'http'])
    .default('queue')
    .describe('How the event came to us; everything but queue and timer means that it would have been lost'),
  sha256: Sha256.nullable().default(null).describe('Digest of the content, once it was read'),
});
export type LedgerEntry = z.infer<typeof LedgerEntry>;

/** The newest accepted state of one blob. */
export const LedgerHead = z.strictObject({
  eTag: z.string(),
  sequencer: z.string(),
  sha256: Sha256.nullable(),
  entryId: z.string(),
});
export type LedgerHead = z.infer<typeof LedgerHead>;
