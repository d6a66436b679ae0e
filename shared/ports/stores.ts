// What the product remembers: ledger, runs, models, promotions, serving history, pipelines, audit. Creation is insert-if-absent, changes are by ETag.
import type { CausalChain, LedgerEntry, LedgerHead, Verdict, VerdictKind } from '../contracts/events.ts';
import type { WindowMember } from '../contracts/windows.ts';
import type { BreakerStore, Freezes } from './guards.ts';
import type { PipelineBundle, PipelineVersion } from '../contracts/pipeline.ts';
import type { AuditEntry, ModelVersion, Promotion, Run, RunPatch, ServingEntry } from '../contracts/runs.ts';
import type { BudgetStore } from './budget-store.ts';
import type { CaseStore } from './quarantine.ts';
import type { VitalsStore } from './vitals.ts';

/** Where a blob is; the ledger keeps one partition for each. */
export interface BlobPlace {
  account: string;
  container: string;
  path: string;
}

export interface Page<Item> {
  items: Item[];
  /** Opaque; null on the last page. */
  next: string | null;
}

/** What is found out about an entry after it was recorded; null or absent keeps. */
export interface LedgerChange {
  verdict?: Verdict | null;
  pipeline?: string | null;
  instanceId?: string | null;
  runId?: string | null;
  /** The run took it with its window, whose link finds it. */
  byWindow?: boolean;
  /** Verdict and run only change while nothing else was made of the entry: no other run has it, and it is not held or refused. */
  onlyOpen?: boolean;
  /** Of the content; goes into the entry, and into the head when it is this entry's. */
  sha256?: string | null;
  /** The dataset in the making that took it: the entry names the window first, then the member's row is written and may be settled. */
  member?: { window: string; row: WindowMember } | null;
  chain?: CausalChain | null;
  foundBy?: LedgerEntry['foundBy'] | null;
  /** A held entry that is accepted now: it becomes the head. */
  head?: LedgerHead | null;
  /** Another version than it spoke of is there: if it is the head, the newest other version becomes the head again. */
  withdraw?: boolean;
}

/** What the ledger knows of a blob, for comparing it with what lies there. */
export interface KnownBlob {
  head: LedgerHead | null;
  /** eTag of the newest event that got any verdict. */
  lastETag: string | null;
}

/** What the ledger's own index says of an entry: enough to see that something came, without reading it. */
export interface LedgerArrival {
  /** When it was recorded. */
  at: string;
  entryId: string;
  pipeline: string | null;
  /** `file`: of a file that is in the lake; `none`: a message without an event in it. */
  what: 'file' | 'signal' | 'none';
  /** As it was recorded; it may have changed since. */
  verdict: VerdictKind;
}

/** Events and verdicts. */
export interface Ledger {
  /** The partition of a blob: its head and, when the same event is known already, its entry. */
  look(place: BlobPlace | null, entryId: string): Promise<{ head: LedgerHead | null; entry: LedgerEntry | null; version: string | null }>;
  /**
   * Writes a new entry, and the head when given, in one batch. `version` is what `look` gave: when the partition changed meanwhile
   * nothing is written and the answer is `changed` (look again).
   */
  record(place: BlobPlace | null, entry: LedgerEntry, head: LedgerHead | null, version: string | null): Promise<'recorded' | 'changed'>;
  /** Counts one more delivery of a known entry. */
  redelivered(place: BlobPlace | null, entryId: string): Promise<void>;
  /** Writes down what was found out later. Unknown entry: RejectedError `entry-unknown`. */
  amend(place: BlobPlace, entryId: string, change: LedgerChange): Promise<void>;
  /** Members of a window in the order of their entry ids. */
  members(window: string, limit: number, after?: string): Promise<Page<WindowMember>>;
  /** Puts a member's row into another window as well: a file that a manifest did not list goes on to the next dataset. */
  carry(window: string, member: WindowMember): Promise<void>;
  /** Links all members of a window to a run at once: `ofRun` finds them. */
  linkWindow(window: string, runId: string): Promise<void>;
  /** What is known of each of these blobs, in their order. */
  known(places: readonly BlobPlace[]): Promise<KnownBlob[]>;
  /** All entries of one blob, oldest first. */
  ofBlob(place: BlobPlace): Promise<LedgerEntry[]>;
  /** The newest entries of all blobs, newest first. */
  recent(limit: number, after?: string): Promise<Page<LedgerEntry>>;
  /** As `recent`, from the index alone: one read gives a hundred. One that a crash kept from being recorded may be among them. */
  arrivals(limit: number, after?: string): Promise<Page<LedgerArrival>>;
  /** The entries that became data of a run. */
  ofRun(runId: string): Promise<LedgerEntry[]>;
  /** By entry id alone. */
  find(entryId: string): Promise<LedgerEntry | null>;
}

export interface RunStore {
  /** Insert-if-absent by (pipeline, key, attempt): the stored run wins. */
  open(run: Run): Promise<Run>;
  get(pipeline: string, runId: string): Promise<Run | null>;
  /** By run id alone. */
  find(runId: string): Promise<Run | null>;
  /** All attempts of one key, oldest first. */
  attempts(pipeline: string, key: string): Promise<Run[]>;
  /**
   * Merges a patch: `jobs` by jobName, `next` as a set, `seconds` by key, the rest replaced. A finished run changes no more
   * (RejectedError `run-finished`), except that `next` may grow. Unknown run: RejectedError `run-unknown`.
   */
  patch(pipeline: string, runId: string, patch: RunPatch): Promise<Run>;
  list(filter: { pipeline?: string; status?: string }, limit: number, after?: string): Promise<Page<Run>>;
}

export interface ModelRegistry {
  /** Insert-if-absent by (pipeline, digest): the first registration stays. */
  register(model: ModelVersion): Promise<void>;
  get(pipeline: string, modelDigest: string): Promise<ModelVersion | null>;
  /** By the beginning of a digest (at least 8 characters), in any pipeline. */
  find(digestPrefix: string): Promise<ModelVersion[]>;
  /** Newest first. */
  list(pipeline: string | undefined, limit: number): Promise<ModelVersion[]>;
}

export interface PromotionStore {
  record(promotion: Promotion): Promise<'recorded' | 'known'>;
  /** By promotion id alone. */
  find(promotionId: string): Promise<Promotion | null>;
  /** Newest first. */
  list(filter: { environment?: string; modelDigest?: string }, limit: number): Promise<Promotion[]>;
}

export interface ServingHistory {
  record(entry: ServingEntry): Promise<void>;
  /** What served at an instant (now when absent); null when nothing did. */
  at(endpoint: string, instant?: string): Promise<ServingEntry | null>;
  /** The newest entry of every endpoint. */
  current(): Promise<ServingEntry[]>;
  history(endpoint: string, limit: number): Promise<ServingEntry[]>;
}

export interface PipelineRegistry {
  /** Keeps the bundle by digest and makes it the current version; the same bundle again changes nothing. */
  put(version: PipelineVersion, bundle: PipelineBundle, actor: string, at: string): Promise<'created' | 'updated' | 'unchanged'>;
  current(name: string): Promise<PipelineVersion | null>;
  version(name: string, digest: string): Promise<PipelineVersion | null>;
  list(): Promise<{ name: string; digest: string; updatedAt: string; updatedBy: string }[]>;
}

export interface AuditLog {
  record(entry: AuditEntry): Promise<void>;
  /** The newest entries of a day (`2026-11-22`), newest first. */
  list(day: string, limit: number): Promise<AuditEntry[]>;
}

/** Everything above, as one adapter gives it. */
export interface Stores {
  ledger: Ledger;
  freezes: Freezes;
  breakers: BreakerStore;
  runs: RunStore;
  models: ModelRegistry;
  promotions: PromotionStore;
  serving: ServingHistory;
  pipelines: PipelineRegistry;
  budgets: BudgetStore;
  vitals: VitalsStore;
  caseStore: CaseStore;
  audit: AuditLog;
}
