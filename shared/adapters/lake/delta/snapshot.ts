// A table's state at one version: the newest complete checkpoint at or before it, then every commit after it, in order.
// A gap, a half-written commit or a missing file is an error that names it; fewer rows are never returned (facts/delta.md §6).
import type { ContainerClient } from '@azure/storage-blob';
import { setTimeout as sleep } from 'node:timers/promises';
import { RejectedError } from '../../../errors/errors.ts';
import { parseCommit, type Actions, type Add, type MetaData, type Protocol, type Remove } from './actions.ts';
import { refuseHiddenFeature, refuseUnreadable } from './protocol.ts';
import { CALL_MS, readBlob, storageError } from '../storage.ts';

/** Where a table is: `root` is its folder below the container, with a trailing slash. */
export interface DeltaTable {
  container: ContainerClient;
  root: string;
  /** Actions of a checkpoint's parts; only called for tables that have one. */
  readCheckpoint(names: string[]): Promise<Actions>;
}

export interface Snapshot {
  version: number;
  protocol: Protocol;
  metaData: MetaData;
  /** Active files by the path in the log. */
  files: Map<string, Add>;
  /** Removed files that the log still remembers. */
  tombstones: Map<string, Remove>;
  /** Newest version per appId, and the commit that brought it where the log still shows it. */
  txns: Map<string, { version: number; committedIn: number | null }>;
  /** The commits that were replayed, by version. */
  commits: Map<number, Actions>;
}

/** Largest commit file that is read. */
const MAX_COMMIT = 256 * 1024 * 1024;

export function commitName(root: string, version: number): string {
  return `${root}_delta_log/${String(version).padStart(20, '0')}.json`;
}

interface LogFiles {
  commits: number[];
  /** Complete checkpoints: version → the names of its parts. */
  checkpoints: Map<number, string[]>;
}

/** Lists the log; names that are not exactly a commit or a classic checkpoint are ignored (facts/delta.md §1). */
export async function listLog(table: DeltaTable): Promise<LogFiles> {
  const commits: number[] = [];
  const parts = new Map<string, string[]>();
  const checkpoints = new Map<number, string[]>();
  const prefix = `${table.root}_delta_log/`;
  try {
    for await (const blob of table.container.listBlobsFlat({ prefix, abortSignal: AbortSignal.timeout(5 * CALL_MS) })) {
      const name = blob.name.slice(prefix.length);
      const commit = /^(\d{20})\.json$/.exec(name);
      if (commit) commits.push(Number(commit[1]));
      const checkpoint = /^(\d{20})\.checkpoint\.(?:(\d{10})\.(\d{10})\.)?parquet$/.exec(name);
      if (!checkpoint) continue;
      const [, version, , of] = checkpoint;
      const key = `${version}/${of ?? 'one'}`;
      const known = [...(parts.get(key) ?? []), blob.name];
      parts.set(key, known);
      if (known.length === (of === undefined ? 1 : Number(of))) checkpoints.set(Number(version), known);
    }
  } catch (error) {
    throw storageError(error, `${table.container.containerName}/${prefix}`);
  }
  return { commits: commits.sort((a, b) => a - b), checkpoints };
}

/** The actions of one commit; null when there is no such version. A newest commit that is cut short is read again a few times. */
export async function readCommit(table: DeltaTable, version: number): Promise<Actions | null> {
  const name = commitName(table.root, version);
  for (let tries = 1; ; tries += 1) {
    const content = await readBlob(table.container, name, MAX_COMMIT);
    if (content === null) return null;
    try {
      return parseCommit(content.toString('utf8'), name);
    } catch (error) {
      if (tries === 3) throw error;
      await sleep(100 * tries);
    }
  }
}

/** Applies one commit to a snapshot and gives the next one. */
export function applyCommit(table: string, before: Snapshot | null, version: number, actions: Actions): Snapshot {
  const protocol = actions.protocol ?? before?.protocol;
  const metaData = actions.metaData ?? before?.metaData;
  if (!protocol || !metaData)
    throw new RejectedError(
      'table-invalid',
      `${table}: up to version ${version} the log holds no ${protocol ? 'metaData' : 'protocol'} action.`,
    );
  const files = new Map(before?.files);
  const tombstones = new Map(before?.tombstones);
  for (const remove of actions.removes) {
    files.delete(remove.path);
    tombstones.set(remove.path, remove);
  }
  for (const add of actions.adds) {
    files.delete(add.path);
    files.set(add.path, add);
    tombstones.delete(add.path);
  }
  const txns = new Map(before?.txns);
  for (const txn of actions.txns) txns.set(txn.appId, { version: txn.version, committedIn: version });
  return { version, protocol, metaData, files, tombstones, txns, commits: new Map(before?.commits).set(version, actions) };
}

/** The state at `version`, or at the newest one. null when there is no table. Rejects `table-invalid`, `table-unsupported`, `version-gone`. */
export async function readSnapshot(table: DeltaTable, version?: number): Promise<Snapshot | null> {
  const log = await listLog(table);
  const newest = Math.max(-1, log.commits.at(-1) ?? -1, ...log.checkpoints.keys());
  if (newest === -1) return null;
  const wanted = version ?? newest;
  if (wanted > newest)
    throw new RejectedError('version-unknown', `${table.root}: version ${wanted} does not exist, the newest is ${newest}.`);
  const base = Math.max(-1, ...[...log.checkpoints.keys()].filter((each) => each <= wanted));
  refuseGaps(table, log, base, wanted);
  let snapshot: Snapshot | null = null;
  if (base >= 0) {
    const actions = await table.readCheckpoint(log.checkpoints.get(base)!.sort());
    snapshot = applyCommit(table.root, null, base, actions);
    snapshot.commits.clear();
    for (const [appId, txn] of snapshot.txns) snapshot.txns.set(appId, { ...txn, committedIn: null });
  }
  for (let next = base + 1; next <= wanted; next += 1) {
    const actions = await readCommit(table, next);
    if (actions === null)
      throw new RejectedError('version-gone', `${commitName(table.root, next)}: the commit disappeared while it was read.`);
    snapshot = applyCommit(table.root, snapshot, next, actions);
  }
  refuseUnreadable(table.root, snapshot!.protocol);
  for (const add of snapshot!.files.values()) refuseHiddenFeature(table.root, add);
  return snapshot;
}

/** Every version from the checkpoint to the wanted one must be there. */
function refuseGaps(table: DeltaTable, log: LogFiles, base: number, wanted: number): void {
  const present = new Set(log.commits);
  for (let next = base + 1; next <= wanted; next += 1) {
    if (present.has(next)) continue;
    const oldest = Math.min(...log.checkpoints.keys(), ...log.commits);
    const later = log.commits.some((each) => each < next) || next > oldest + 1;
    throw later
      ? new RejectedError('table-invalid', `${commitName(table.root, next)} is missing between its neighbours. Mend: restore that file.`)
      : new RejectedError('version-gone', `${table.root}: version ${wanted} is no longer available; the log begins at ${oldest}.`);
  }
}
