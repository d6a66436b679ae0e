// A table's past: which version it had at a time, and what each commit did. Times are the in-commit timestamps where the table has
// them, else when the commit files were written, forced upward (facts/delta.md §6).
import { RejectedError } from '../../../errors/errors.ts';
import type { Actions, MetaData } from './actions.ts';
import { entryOf, type CommitEntry } from './commit-entry.ts';
import { listLog, readCommit, snapshotOf, type DeltaTable, type LogFiles, type Snapshot } from './snapshot.ts';

export interface HistoryEntry extends CommitEntry {
  version: number;
  /** ISO 8601. */
  at: string;
  /** As the writer counted them: Spark writes texts, others numbers. */
  metrics: Record<string, unknown>;
  parameters: Record<string, unknown>;
  engine: string | null;
}

/** Most entries at once. */
const MOST = 1000;

/** The newest `limit` commits that the log still holds, newest first. Rejects `table-gone`. */
export async function history(table: DeltaTable, limit: number): Promise<HistoryEntry[]> {
  const log = await listLog(table);
  const newest = await snapshotOf(table, log);
  if (!newest) throw gone(table);
  const times = writtenTimes(log);
  const found: HistoryEntry[] = [];
  for (const version of [...log.commits].reverse().slice(0, Math.min(Math.max(limit, 0), MOST))) {
    const actions = newest.commits.get(version) ?? (await readCommit(table, version));
    if (actions === null) break;
    const inCommit = hasInCommitTime(newest.metaData, version) ? (actions.info?.inCommitTimestamp ?? null) : null;
    found.push({
      ...entryOf(actions),
      version,
      at: new Date(inCommit ?? times.get(version)!).toISOString(),
      metrics: actions.info?.operationMetrics ?? {},
      parameters: actions.info?.operationParameters ?? {},
      engine: actions.info?.engineInfo?.slice(0, 200) ?? null,
    });
  }
  return found;
}

function gone(table: DeltaTable): RejectedError {
  return new RejectedError('table-gone', `${table.root}: the table does not exist.`);
}

/** When each commit file was written; a copy of the log can have put them out of order, time never runs backwards here. */
function writtenTimes(log: LogFiles): Map<number, number> {
  const times = new Map<number, number>();
  let last = 0;
  for (const version of log.commits) {
    last = Math.max(log.modified.get(version)!, last + 1);
    times.set(version, last);
  }
  return times;
}

/** The table has in-commit timestamps at this version: since it was made, or since the version that its configuration names. */
function hasInCommitTime(metaData: MetaData, version: number): boolean {
  if (metaData.configuration?.['delta.enableInCommitTimestamps'] !== 'true') return false;
  return version >= Number(metaData.configuration['delta.inCommitTimestampEnablementVersion'] ?? 0);
}

/** The newest version whose commit time is not after `at` (milliseconds); later than all: the newest. Rejects `version-gone`, `table-gone`. */
export async function versionAt(table: DeltaTable, at: number): Promise<number> {
  const log = await listLog(table);
  const newest = await snapshotOf(table, log);
  if (!newest) throw gone(table);
  const found = await versionIn(table, log, newest, at);
  if (found !== null) return found;
  throw new RejectedError(
    'version-gone',
    `${table.root}: no version of ${new Date(at).toISOString()} or before is left; the log begins at ${String(log.commits[0] ?? newest.version)}.`,
  );
}

/** `versionAt` over what was read already; null where the log begins later. */
export async function versionIn(table: DeltaTable, log: LogFiles, newest: Snapshot, at: number): Promise<number | null> {
  if (!Number.isFinite(at)) throw new RejectedError('version-unknown', `${table.root}: the time of a version must be a time.`);
  const times = writtenTimes(log);
  for (const version of [...log.commits].reverse()) {
    const own = hasInCommitTime(newest.metaData, version) ? await inCommitTime(table, newest, version) : null;
    if ((own ?? times.get(version)!) <= at) return version;
  }
  return null;
}

async function inCommitTime(table: DeltaTable, newest: Snapshot, version: number): Promise<number | null> {
  const actions: Actions | null = newest.commits.get(version) ?? (await readCommit(table, version));
  return actions?.info?.inCommitTimestamp ?? null;
}
