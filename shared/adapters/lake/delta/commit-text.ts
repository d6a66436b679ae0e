// The text of a commit file: commitInfo first, then protocol and metaData where they change, removes, adds, the transaction
// (facts/delta.md §2).
import { randomUUID } from 'node:crypto';
import { RejectedError } from '../../../errors/errors.ts';
import { SHA_TAG, type Add, type MetaData } from './actions.ts';
import type { Change, NewFile, Rewrite } from './commit.ts';
import { protocolFor } from './protocol.ts';
import { schemaString } from './schema.ts';
import type { Snapshot } from './snapshot.ts';
import type { DeltaField } from './types.ts';

/** What a change does to a snapshot. */
export interface Effect {
  adds: NewFile[];
  removes: Add[];
  /** Columns of the table afterwards, where that differs from the snapshot's. */
  fields: DeltaField[] | null;
}

/** Which files the change adds to and removes from this state. Rejects `file-exists`. */
export function effectOn(snapshot: Snapshot | null, change: Change | Rewrite, fields: DeltaField[] | null): Effect {
  const present = new Set(change.files.map((file) => file.path).filter((path) => snapshot?.files.has(path)));
  if (change.mode !== 'overwrite') {
    if (present.size > 0)
      throw new RejectedError('file-exists', `the file ${[...present][0]} is in the table already; adding it again would change nothing.`);
    return { adds: change.files, removes: change.mode === 'rewrite' ? change.removes : [], fields };
  }
  const kept = new Set(change.files.map((file) => file.path));
  return {
    adds: change.files.filter((file) => !present.has(file.path)),
    removes: [...(snapshot?.files.values() ?? [])].filter((file) => !kept.has(file.path)),
    fields,
  };
}

/** What `commitInfo.sluice` holds: the caller's facts, and where the commit came from. */
function noted(change: Change | Rewrite): Record<string, unknown> {
  const facts = typeof change.facts === 'object' && change.facts !== null ? change.facts : {};
  return {
    ...facts,
    ...(change.chain === undefined ? {} : { chain: [...change.chain] }),
    ...(change.runId === undefined ? {} : { runId: change.runId }),
  };
}

function operationOf(
  change: Change | Rewrite,
  partitionBy: readonly string[],
): { operation: string; operationParameters: Record<string, string> } {
  if (change.mode === 'rewrite')
    return { operation: change.operation, operationParameters: { predicate: JSON.stringify([change.predicate]) } };
  const mode = change.mode === 'append' ? 'Append' : 'Overwrite';
  return { operation: 'WRITE', operationParameters: { mode, partitionBy: JSON.stringify(partitionBy) } };
}

/** The commit file of `change` on top of `snapshot`; `at` in milliseconds. */
export function commitText(snapshot: Snapshot | null, change: Change | Rewrite, effect: Effect, txnId: string, at: number): string {
  const { adds, removes } = effect;
  const partitionBy = snapshot?.metaData.partitionColumns ?? change.partitionBy ?? [];
  const actions: unknown[] = [
    {
      commitInfo: {
        timestamp: at,
        ...operationOf(change, partitionBy),
        ...(snapshot ? { readVersion: snapshot.version } : {}),
        isolationLevel: 'Serializable',
        isBlindAppend: change.mode === 'append',
        operationMetrics: {
          numFiles: String(adds.length),
          numRemovedFiles: String(removes.length),
          numOutputRows: String(adds.reduce((sum, file) => sum + file.rows, 0)),
          numOutputBytes: String(adds.reduce((sum, file) => sum + file.bytes, 0)),
          ...Object.fromEntries(Object.entries(change.metrics ?? {}).map(([name, value]) => [name, String(value)])),
        },
        engineInfo: 'Sluice',
        txnId,
        sluice: noted(change),
      },
    },
  ];
  if (!snapshot) actions.push({ protocol: protocolFor(change.fields) }, { metaData: newMetaData(change, at) });
  else if (change.mode === 'rewrite' && change.metaData) actions.push({ metaData: change.metaData });
  else if (effect.fields) actions.push({ metaData: { ...snapshot.metaData, schemaString: schemaString(effect.fields) } });
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
        partitionValues: file.partitionValues ?? {},
        size: file.bytes,
        modificationTime: at,
        dataChange: true,
        stats: file.stats,
        tags: file.sha256 === undefined ? {} : { [SHA_TAG]: file.sha256 },
      },
    });
  actions.push({ txn: { appId: change.appId, version: change.txnVersion ?? 1, lastUpdated: at } });
  return `${actions.map((action) => JSON.stringify(action)).join('\n')}\n`;
}

function newMetaData(change: Change | Rewrite, at: number): MetaData {
  return {
    id: randomUUID(),
    format: { provider: 'parquet', options: {} },
    schemaString: schemaString(change.fields),
    partitionColumns: [...(change.partitionBy ?? [])],
    configuration: { ...change.configuration },
    createdTime: at,
  };
}
