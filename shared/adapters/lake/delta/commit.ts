// Commits to a table: one conditional write of the whole commit file. A transaction id makes a commit happen once, whatever is
// retried; a lost race is re-based where that is safe and handed back to the caller where it is not (facts/delta.md §5).
import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { RejectedError, TransientError } from '../../../errors/errors.ts';
import { parseCommit, type Actions, type Add, type MetaData } from './actions.ts';
import { commitText, effectOn } from './commit-text.ts';
import { conflictSince, type Reads } from './conflicts.ts';
import { refuseBadPartitions, refuseOtherPartitions, type PartitionValues } from './partitions.ts';
import { refuseHiddenType, refuseUnwritable } from './protocol.ts';
import { evolveSchema, parseSchema, type Evolve } from './schema.ts';
import { applyCommit, commitName, readCommit, readSnapshot, type DeltaTable, type Snapshot } from './snapshot.ts';
import type { DeltaField } from './types.ts';

/** A data file that is in the table's folder already. `path` is as the log has it. */
export interface NewFile {
  path: string;
  bytes: number;
  rows: number;
  /** Both are absent only where a file of another writer comes back into the table. */
  sha256?: string;
  stats?: string;
  /** Every partition column of the table; absent without partitions. */
  partitionValues?: PartitionValues;
}

interface AnyChange {
  /** Transaction: `txnVersion` (1) of this appId, or a later one, is committed at most once. */
  appId: string;
  txnVersion?: number;
  fields: DeltaField[];
  files: NewFile[];
  /** What we want to find again with the commit; goes into `commitInfo.sluice`. */
  facts: unknown;
  /** The causal chain of the commit and the run that made it; beside the facts in `commitInfo.sluice`. */
  chain?: readonly string[];
  runId?: string;
  /** Name of the SQL file, for messages. */
  origin: string;
  /** Partition columns: of a new table, and as an existing one must have them. undefined: none, or what is there. */
  partitionBy?: readonly string[];
  evolve?: Evolve;
  /** `metaData.configuration` of a new table. */
  configuration?: Readonly<Record<string, string>>;
  /** More `operationMetrics`. */
  metrics?: Readonly<Record<string, number>>;
}

/** New content: added to the table, or in place of all of it. */
export interface Change extends AnyChange {
  mode: 'append' | 'overwrite';
  /** Overwrites only: the version that the content was computed from; anything committed after it is a conflict. undefined: nothing was read. */
  basis?: number;
}

/** Copy-on-write of some files of version `basis`. */
export interface Rewrite extends AnyChange {
  mode: 'rewrite';
  basis: number;
  removes: Add[];
  /** Whether files that came since could hold rows that this would have changed too. */
  touches: (adds: Add[]) => Promise<boolean>;
  operation: 'MERGE' | 'DELETE' | 'RESTORE';
  /** For people who read the history. */
  predicate: string;
  /** Columns and settings of the table afterwards; absent: as they are. */
  metaData?: MetaData;
}

export type CommitAnswer = { state: 'committed' | 'found'; snapshot: Snapshot } | { state: 'conflict'; reason: string };

/** Versions that others may take before us. */
const TRIES = 30;

/** Waits a moment, longer each time, so that writers that met do not meet again. */
const jitter = async (tries: number): Promise<void> => sleep(randomInt(5, 20 * (tries + 1) + 10));

/**
 * Commits `change` on top of the newest version. `found` = this transaction was there already; `conflict` = compute it again.
 * Rejects `schema-changed`, `bad-partition`, `table-unsupported`, `append-only`, `file-exists`.
 */
export async function commitChange(
  table: DeltaTable,
  change: Change | Rewrite,
  now: () => number,
  pause: (tries: number) => Promise<void> = jitter,
): Promise<CommitAnswer> {
  refuseBadKey(change.appId);
  const txnId = randomUUID();
  let snapshot = await readSnapshot(table);
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (snapshot && isCommitted(snapshot, change)) return { state: 'found', snapshot };
    const conflict = snapshot && (await conflictSince(snapshot, basisOf(change), readsOf(change)));
    if (conflict !== null) return { state: 'conflict', reason: conflict };
    const text = prepare(table, snapshot, change, txnId, now());
    const version = (snapshot?.version ?? -1) + 1;
    const name = commitName(table.root, version);
    const answer = await table.storage.create(name, Buffer.from(text), 'application/json');
    const actions: Actions | null = answer === 'created' ? parseCommit(text, name) : await readCommit(table, version);
    if (actions === null) throw new TransientError('table-changed', `${name} was taken and is gone again.`);
    snapshot = applyCommit(table.root, snapshot, version, actions);
    // A taken name can be our own write whose answer was lost: the SDK repeats it and gets 409.
    if (answer === 'created' || actions.info?.txnId === txnId) return { state: 'committed', snapshot };
    await pause(tries);
  }
  throw new TransientError('table-busy', `${table.root}: other writers took ${TRIES} versions in a row; try again later.`);
}

function refuseBadKey(appId: string): void {
  if (appId === '' || appId.length > 300)
    throw new RejectedError('bad-transaction', `a transaction id of ${appId.length} characters; 1 to 300 are allowed.`);
}

/** The transaction, or a later one of its appId, is in the table. */
export function isCommitted(snapshot: Snapshot, change: { appId: string; txnVersion?: number }): boolean {
  const known = snapshot.txns.get(change.appId);
  return known !== undefined && known.version >= (change.txnVersion ?? 1);
}

function basisOf(change: Change | Rewrite): number {
  return change.mode === 'append' ? 0 : (change.basis ?? 0);
}

function readsOf(change: Change | Rewrite): Reads {
  if (change.mode === 'rewrite')
    return { what: 'files', removes: new Set(change.removes.map((file) => file.path)), touches: change.touches };
  return change.mode === 'overwrite' && change.basis !== undefined ? { what: 'table' } : { what: 'nothing' };
}

/** Judges the change against the state that it goes on top of, and writes the commit's text. */
function prepare(table: DeltaTable, snapshot: Snapshot | null, change: Change | Rewrite, txnId: string, at: number): string {
  let fields: DeltaField[] | null = null;
  if (!snapshot) refuseBadPartitions(table.root, change.origin, change.fields, change.partitionBy ?? []);
  else if (!(change.mode === 'rewrite' && change.metaData)) {
    const known = parseSchema(snapshot.metaData.schemaString, table.root);
    const evolved = evolveSchema(table.root, change.origin, known, change.fields, change.evolve);
    if (evolved.added.length > 0) fields = evolved.fields;
    refuseHiddenType(table.root, snapshot.protocol, evolved.fields);
    refuseOtherPartitions(table.root, snapshot.metaData.partitionColumns, change.partitionBy);
  }
  const effect = effectOn(snapshot, change, fields);
  if (snapshot) {
    refuseUnwritable(table.root, snapshot.protocol, snapshot.metaData, effect.removes.length > 0);
    refuseStrangeFiles(table, snapshot, change.files);
  }
  return commitText(snapshot, change, effect, txnId, at);
}

/** Files written for other partitions than the table has would lose a column without a word. */
function refuseStrangeFiles(table: DeltaTable, snapshot: Snapshot, files: readonly NewFile[]): void {
  const columns = JSON.stringify([...snapshot.metaData.partitionColumns].sort());
  const strange = files.find((file) => JSON.stringify(Object.keys(file.partitionValues ?? {}).sort()) !== columns);
  if (strange)
    throw new RejectedError(
      'bad-partition',
      `${table.root}: ${strange.path} was written for other partitions than ${columns}. Mend: write the rows again for the table as it is.`,
    );
}
