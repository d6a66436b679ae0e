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

/** The closed set of verdicts; extended only by code. */
export const VerdictKind = z.enum(['accepted', 'duplicate', 'stale', 'superseded', 'ignored', 'refused', 'quarantined', 'malformed']);
export type VerdictKind = z.infer<typeof VerdictKind>;

/** What was decided about one event, with one reason. `rule` names the rule that decided, for machines. */
export const Verdict = z.strictObject({
  kind: VerdictKind,
  rule: z.string().min(1).max(64),
  reason: z.string().min(1).max(2000),
});
export type Verdict = z.infer<typeof Verdict>;

/** One row of the ledger: an event, its verdict, and how often it was delivered. */
export const LedgerEntry = z.strictObject({
  entryId: z.string().describe('e-<32 hex of hash(source, event id)>'),
  event: StorageEvent.nullable().describe('null when the message could not be parsed'),
  rawSha256: Sha256.nullable().describe('Digest of the raw body, kept when it was malformed'),
  pipeline: Name.nullable(),
  verdict: Verdict,
  deliveries: z.number().int().min(1),
  receivedAt: Instant,
  instanceId: z.string().nullable().describe('The Durable instance that this event started'),
  runId: RunId.nullable().describe('The refine run whose data this event became, once known'),
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
