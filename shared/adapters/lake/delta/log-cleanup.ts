// Cleaning up a log: commits and checkpoints that a newer checkpoint makes needless go, after the retention or for an erasure,
// because statistics in old commits can hold the very values that were erased (facts/delta.md §6).
import { RejectedError } from '../../../errors/errors.ts';
import { checkpointAt } from './checkpoint.ts';
import { versionIn } from './history.ts';
import { refuseUnwritable } from './protocol.ts';
import { DAY_MS, intervalMs } from './retention.ts';
import { listLog, snapshotOf, type LogFiles, type Snapshot } from './snapshot.ts';
import type { WorkTable } from './table-files.ts';

export interface LogCleanup {
  /** `retention`: what is older than `delta.logRetentionDuration` (30 days). `all`: everything before a checkpoint that is made now. */
  what: 'retention' | 'all';
  dryRun: boolean;
}

export interface CleanedLog {
  /** Names below `_delta_log/`, in order. */
  files: string[];
  /** The oldest version that can be read afterwards; null: as before. */
  oldest: number | null;
}

const RETENTION_MS = 30 * DAY_MS;

/** Cleans up. Versions before `oldest` cannot be read any more; transactions stay known. Rejects `table-gone`, `table-unsupported`. */
export async function cleanLog(table: WorkTable, request: LogCleanup, now: () => number): Promise<CleanedLog> {
  const log = await listLog(table);
  const snapshot = await snapshotOf(table, log);
  if (!snapshot) throw new RejectedError('table-gone', `${table.root}: the table does not exist.`);
  refuseUnwritable(table.root, snapshot.protocol, snapshot.metaData, false);
  const oldest = request.what === 'all' ? snapshot.version : await checkpointBefore(table, log, snapshot, now());
  if (oldest === null) return { files: [], oldest: null };
  // No tombstones: the files that they speak of are gone, or are orphans that any vacuum finds.
  if (request.what === 'all' && !request.dryRun) await checkpointAt(table.duck, table.storage, table.root, snapshot, Infinity);
  const prefix = `${table.root}_delta_log/`;
  const names: string[] = [];
  for await (const file of table.storage.list(prefix)) {
    const [, version] = /^(\d{20})\.(?:json|crc|checkpoint\..+|\d{20}\.compacted\.json)$/.exec(file.name.slice(prefix.length)) ?? [];
    if (version !== undefined && Number(version) < oldest) names.push(file.name);
  }
  // Oldest first: what is left when this is cut off has no gap after its newest checkpoint.
  if (!request.dryRun) for (const name of names) await table.storage.remove(name);
  return { files: names.map((name) => name.slice(prefix.length)), oldest };
}

/** The newest checkpoint at or before the newest commit that is older than the retention; the cut-off is a midnight in UTC. */
async function checkpointBefore(table: WorkTable, log: LogFiles, snapshot: Snapshot, now: number): Promise<number | null> {
  const { configuration } = snapshot.metaData;
  if (configuration?.['delta.enableExpiredLogCleanup'] === 'false') return null;
  const retention = intervalMs(configuration?.['delta.logRetentionDuration']) ?? RETENTION_MS;
  const cutOff = Math.floor((now - retention) / DAY_MS) * DAY_MS;
  const then = await versionIn(table, log, snapshot, cutOff);
  if (then === null) return null;
  const before = [...log.checkpoints.keys()].filter((version) => version <= then);
  return before.length === 0 ? null : Math.max(...before);
}
