// Vacuum: removes data files that no version within the retention needs. An erasure may remove sooner what the log has removed
// already, and leaves a record of it in the table's history (facts/delta.md §6).
import { randomUUID } from 'node:crypto';
import { RejectedError, TransientError } from '../../../errors/errors.ts';
import { commitNote } from './commit-note.ts';
import { versionIn } from './history.ts';
import { blobName, refuseUnwritable } from './protocol.ts';
import { DAY_MS, LEAST_MS, removedFilesMs } from './retention.ts';
import { listLog, readCommit, snapshotOf, type DeltaTable, type LogFiles, type Snapshot } from './snapshot.ts';
import type { StoredFile } from './table-storage.ts';

export interface VacuumRequest {
  /** How long files stay after they left the table: at least 7 days, or what the table's configuration says if that is longer. */
  retentionMs: number;
  /** Versions that somebody still reads (a staged gold version): their files stay, whatever their age. */
  keepVersions?: readonly number[];
  /** Lists only. */
  dryRun: boolean;
  /** Removed files go at once, for this erasure; `id` and `reason` stand in the table's history afterwards. */
  erasure?: { id: string; reason: string };
}

export interface Vacuumed {
  /** Names below the table's root, in order. */
  files: string[];
  bytes: number;
  /** The version whose commit records the end; null for a dry run and when there was nothing to remove. */
  version: number | null;
}

/** A file that no commit names may belong to a writer that has not committed yet: it stays this long even for an erasure. */
const IN_FLIGHT_MS = DAY_MS;

/** Removes, or lists. Rejects `retention-too-short`, `table-gone`, `version-gone` (of a version to keep), `table-unsupported`. */
export async function vacuum(
  table: DeltaTable,
  request: VacuumRequest,
  now: () => number,
  pause?: (tries: number) => Promise<void>,
): Promise<Vacuumed> {
  if (request.erasure === undefined && !(request.retentionMs >= LEAST_MS))
    throw new RejectedError(
      'retention-too-short',
      `${table.root}: files are kept at least 7 days, not ${Math.round(request.retentionMs / 3_600_000)} hours: runs and readers may still need them. Mend: ask for 7d or more.`,
    );
  const log = await listLog(table);
  const snapshot = await snapshotOf(table, log);
  if (!snapshot) throw new RejectedError('table-gone', `${table.root}: the table does not exist.`);
  refuseUnwritable(table.root, snapshot.protocol, snapshot.metaData, false);
  const judge = request.erasure
    ? await erasable(table, log, snapshot, request, now())
    : await expired(table, log, snapshot, request, now());
  const doomed: StoredFile[] = [];
  for await (const file of table.storage.list(table.root)) {
    const name = file.name.slice(table.root.length);
    if (!isHidden(name, snapshot) && judge(name, file)) doomed.push(file);
  }
  const found = {
    files: doomed.map((file) => file.name.slice(table.root.length)),
    bytes: doomed.reduce((sum, file) => sum + file.bytes, 0),
  };
  if (request.dryRun || doomed.length === 0) return { ...found, version: null };
  return { ...found, version: await removeAll(table, request, doomed, now, pause) };
}

type Judge = (name: string, file: StoredFile) => boolean;

/** Beyond the retention: written before the cut-off, and named by no version from the one at the cut-off on. */
async function expired(table: DeltaTable, log: LogFiles, snapshot: Snapshot, request: VacuumRequest, now: number): Promise<Judge> {
  const cutOff = now - Math.max(request.retentionMs, removedFilesMs(snapshot.metaData));
  const needed = await pinned(table, log, snapshot, request);
  // A tombstone younger than the cut-off marks a file that some version within the retention needs.
  for (const remove of snapshot.tombstones.values())
    if ((remove.deletionTimestamp ?? now) > cutOff) needed.add(blobName(table.root, remove.path));
  await addVersionsFrom(table, log, snapshot, cutOff, needed);
  return (name, file) => !needed.has(name) && file.modified < cutOff;
}

/** Files of the version at the cut-off (or the oldest that can be read), and of all after it: tombstones alone may have expired sooner. */
async function addVersionsFrom(table: DeltaTable, log: LogFiles, newest: Snapshot, cutOff: number, needed: Set<string>): Promise<void> {
  const oldest = oldestReadable(log, newest.version);
  const first = Math.max((await versionIn(table, log, newest, cutOff)) ?? oldest, oldest);
  const then = await snapshotOf(table, log, first);
  for (const path of then!.files.keys()) needed.add(blobName(table.root, path));
  for (let version = first + 1; version <= newest.version; version += 1) {
    const actions = newest.commits.get(version) ?? (await readCommit(table, version));
    if (actions === null) throw new TransientError('table-changed', `${table.root}: version ${version} disappeared while it was read.`);
    for (const add of actions.adds) needed.add(blobName(table.root, add.path));
  }
}

/** The first version that can be read, and all after it too: the log is whole from there, however it was cleaned up before. */
function oldestReadable(log: LogFiles, newest: number): number {
  const present = new Set(log.commits);
  let first = newest + 1;
  while (present.has(first - 1)) first -= 1;
  return first === 0 ? 0 : Math.min(newest, ...[...log.checkpoints.keys()].filter((version) => version >= first - 1));
}

/** Removed by a commit that the log remembers, and not in the table again; or named by nobody for a day. */
async function erasable(table: DeltaTable, log: LogFiles, snapshot: Snapshot, request: VacuumRequest, now: number): Promise<Judge> {
  const needed = await pinned(table, log, snapshot, request);
  const removed = new Set([...snapshot.tombstones.keys()].map((path) => blobName(table.root, path)));
  return (name, file) => !needed.has(name) && (removed.has(name) || file.modified < now - IN_FLIGHT_MS);
}

/** Files of the newest version and of those that somebody still reads. */
async function pinned(table: DeltaTable, log: LogFiles, snapshot: Snapshot, request: VacuumRequest): Promise<Set<string>> {
  const needed = new Set([...snapshot.files.keys()].map((path) => blobName(table.root, path)));
  for (const version of new Set(request.keepVersions)) {
    const kept = await snapshotOf(table, log, version);
    for (const path of kept!.files.keys()) needed.add(blobName(table.root, path));
  }
  return needed;
}

/** The log, and whatever begins with `_` or `.`, except folders of partition columns that do. */
function isHidden(name: string, snapshot: Snapshot): boolean {
  const folders = new Set(snapshot.metaData.partitionColumns.map((column) => `${column}=`));
  return name.split('/').some((part) => /^[_.]/.test(part) && ![...folders].some((folder) => part.startsWith(folder)));
}

/** Notes the beginning in the log, removes, notes the end; a vacuum that was cut off is seen by its missing end. */
async function removeAll(
  table: DeltaTable,
  request: VacuumRequest,
  doomed: readonly StoredFile[],
  now: () => number,
  pause?: (tries: number) => Promise<void>,
): Promise<number> {
  const id = randomUUID();
  const parameters = {
    retentionMillis: String(request.erasure ? 0 : request.retentionMs),
    ...(request.erasure ? { erasure: request.erasure.id.slice(0, 200), reason: request.erasure.reason.slice(0, 500) } : {}),
  };
  const sizes = { numFilesToDelete: String(doomed.length), sizeOfDataToDelete: String(doomed.reduce((sum, file) => sum + file.bytes, 0)) };
  await commitNote(table, { operation: 'VACUUM START', parameters, metrics: sizes, id: `${id}-start` }, now, pause);
  for (const file of doomed) await table.storage.remove(file.name);
  const metrics = { numDeletedFiles: String(doomed.length) };
  return commitNote(
    table,
    { operation: 'VACUUM END', parameters: { ...parameters, status: 'COMPLETED' }, metrics, id: `${id}-end` },
    now,
    pause,
  );
}
