// Commits to a table: one conditional write of the whole commit file. A transaction id makes a commit happen once, whatever is
// retried; a lost race is re-based where that is safe and handed back to the caller where it is not (facts/delta.md §5).
import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { RejectedError, TransientError } from '../../../errors/errors.ts';
import { parseCommit, SHA_TAG, type Actions, type MetaData } from './actions.ts';
import { OUR_PROTOCOL, refuseUnwritable } from './protocol.ts';
import { parseSchema, refuseChangedSchema, schemaString } from './schema.ts';
import { applyCommit, commitName, readCommit, readSnapshot, type DeltaTable, type Snapshot } from './snapshot.ts';
import type { DeltaField } from './types.ts';
import { createBlob } from '../storage.ts';

/** A data file that is in the table's folder already. `path` needs no encoding. */
export interface NewFile {
  path: string;
  bytes: number;
  rows: number;
  sha256: string;
  stats: string;
}

export interface Change {
  /** Transaction: version 1 of this appId is committed at most once. */
  appId: string;
  mode: 'append' | 'overwrite';
  fields: DeltaField[];
  files: NewFile[];
  /** What we want to find again with the commit; goes into `commitInfo.sluice`. */
  facts: unknown;
  /** Name of the SQL file, for messages. */
  origin: string;
  /** Overwrites only: the version that the content was computed from; a file commit after it is a conflict. undefined: any. */
  basis?: number;
}

export type CommitAnswer = { state: 'committed' | 'found'; snapshot: Snapshot } | { state: 'conflict'; reason: string };

const TRIES = 30;

/** Commits `change` on top of the newest version. `found` = this transaction was there already. Rejects `schema-changed`, `table-unsupported`. */
export async function commitChange(table: DeltaTable, change: Change, now: () => number): Promise<CommitAnswer> {
  const txnId = randomUUID();
  let snapshot = await readSnapshot(table);
  for (let tries = 0; tries < TRIES; tries += 1) {
    const known = snapshot?.txns.get(change.appId);
    if (snapshot && known) return { state: 'found', snapshot };
    const conflict = snapshot && change.basis !== undefined ? conflictSince(snapshot, change.basis) : null;
    if (conflict !== null) return { state: 'conflict', reason: conflict };
    if (snapshot) {
      refuseUnwritable(table.root, snapshot.protocol, snapshot.metaData, change.mode === 'overwrite' && snapshot.files.size > 0);
      refuseChangedSchema(table.root, change.origin, parseSchema(snapshot.metaData.schemaString, table.root), change.fields);
    }
    const version = (snapshot?.version ?? -1) + 1;
    const text = commitText(snapshot, change, txnId, now());
    const answer = await createBlob(table.container, commitName(table.root, version), Buffer.from(text), 'application/json');
    const actions: Actions | null =
      answer === 'created' ? parseCommit(text, commitName(table.root, version)) : await readCommit(table, version);
    if (actions === null) throw new TransientError('table-changed', `${commitName(table.root, version)} was taken and is gone again.`);
    snapshot = applyCommit(table.root, snapshot, version, actions);
    // A taken name can be our own write whose answer was lost: the SDK repeats it and gets 409.
    if (answer === 'created' || actions.info?.txnId === txnId) return { state: 'committed', snapshot };
    await sleep(randomInt(5, 20 * (tries + 1) + 10));
  }
  throw new TransientError('table-busy', `${table.root}: other writers took ${TRIES} versions in a row; try again later.`);
}

/** Why an overwrite computed from `basis` must be computed again, or null. */
function conflictSince(snapshot: Snapshot, basis: number): string | null {
  for (let version = basis + 1; version <= snapshot.version; version += 1) {
    const actions = snapshot.commits.get(version);
    if (actions === undefined) return `version ${version} is known from a checkpoint only`;
    if (actions.adds.length + actions.removes.length > 0 || actions.metaData || actions.protocol)
      return `version ${version} (${actions.info?.operation ?? 'unknown operation'}) changed the table since version ${basis} was read`;
  }
  return null;
}

/** The commit file: commitInfo first, then protocol and metaData of a new table, removes, adds, the transaction. */
function commitText(snapshot: Snapshot | null, change: Change, txnId: string, at: number): string {
  const kept = new Set(change.files.map((file) => file.path));
  const present = new Set(change.files.map((file) => file.path).filter((path) => snapshot?.files.has(path)));
  if (change.mode === 'append' && present.size > 0)
    throw new RejectedError('file-exists', `the file ${[...present][0]} is in the table already; appending it again would change nothing.`);
  const removes = change.mode === 'overwrite' ? [...(snapshot?.files.values() ?? [])].filter((file) => !kept.has(file.path)) : [];
  const adds = change.files.filter((file) => !present.has(file.path));
  const actions: unknown[] = [
    {
      commitInfo: {
        timestamp: at,
        operation: 'WRITE',
        operationParameters: { mode: change.mode === 'append' ? 'Append' : 'Overwrite', partitionBy: '[]' },
        ...(snapshot ? { readVersion: snapshot.version } : {}),
        isolationLevel: 'Serializable',
        isBlindAppend: change.mode === 'append',
        operationMetrics: {
          numFiles: String(adds.length),
          numOutputRows: String(adds.reduce((sum, file) => sum + file.rows, 0)),
          numOutputBytes: String(adds.reduce((sum, file) => sum + file.bytes, 0)),
        },
        engineInfo: 'Sluice',
        txnId,
        sluice: change.facts,
      },
    },
  ];
  if (!snapshot) actions.push({ protocol: OUR_PROTOCOL }, { metaData: newMetaData(change.fields, at) });
  for (const file of removes)
    actions.push({
      remove: {
        path: file.path,
        deletionTimestamp: at,
        dataChange: true,
        extendedFileMetadata: true,
        partitionValues: file.partitionValues,
        size: file.size,
      },
    });
  for (const file of adds)
    actions.push({
      add: {
        path: file.path,
        partitionValues: {},
        size: file.bytes,
        modificationTime: at,
        dataChange: true,
        stats: file.stats,
        tags: { [SHA_TAG]: file.sha256 },
      },
    });
  actions.push({ txn: { appId: change.appId, version: 1, lastUpdated: at } });
  return `${actions.map((action) => JSON.stringify(action)).join('\n')}\n`;
}

function newMetaData(fields: DeltaField[], at: number): MetaData {
  return {
    id: randomUUID(),
    format: { provider: 'parquet', options: {} },
    schemaString: schemaString(fields),
    partitionColumns: [],
    configuration: {},
    createdTime: at,
  };
}
