// A table's state at one version: the newest complete checkpoint at or before it, then every commit after it, in order.
// A gap, a half-written commit or a missing file is an error that names it; fewer rows are never returned (facts/delta.md §6).
import { setTimeout as sleep } from 'node:timers/promises';
import { RejectedError } from '../../../errors/errors.ts';
import { parseCommit, type Actions, type Add, type MetaData, type Protocol, type Remove } from './actions.ts';
import { refuseHiddenFeature, refuseUnreadable } from './protocol.ts';
import type { TableStorage } from './table-storage.ts';

/** Where a table is: `root` is its folder below the container, with a trailing slash. */
export interface DeltaTable {
  storage: TableStorage;
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
  txns: Map<string, { version: number; committedIn: number | null; lastUpdated: number | null }>;
  /** The commits that were replayed, by version. */
  commits: Map<number, Actions>;
}

/** Largest commit file that is read. */
const MAX_COMMIT = 256 * 1024 * 1024;

export function commitName(root: string, version: number): string {
  return `${root}_delta_log/${String(version).padStart(20, '0')}.json`;
}

export interface LogFiles {
  commits: number[];
  /** Version → when its commit file was last written, milliseconds since the epoch. */
  modified: Map<number, number>;
  /** Complete classic checkpoints: version → the names of its parts. */
  checkpoints: Map<number, string[]>;
  /** There are checkpoints of the kind that only the feature `v2Checkpoint` makes. */
  v2: boolean;
}

/** Lists the log; names that are not exactly a commit or a classic checkpoint are ignored (facts/delta.md §1). */
export async function listLog(table: DeltaTable): Promise<LogFiles> {
  const modified = new Map<number, number>();
  const parts = new Map<string, string[]>();
  const checkpoints = new Map<number, string[]>();
  const prefix = `${table.root}_delta_log/`;
  let v2 = false;
  for await (const file of table.storage.list(prefix)) {
    const name = file.name.slice(prefix.length);
    const commit = /^(\d{20})\.json$/.exec(name);
    if (commit) modified.set(Number(commit[1]), file.modified);
    v2 ||= /^\d{20}\.checkpoint\.[0-9a-f]{8}-[0-9a-f-]{27}\.(json|parquet)$/.test(name);
    const checkpoint = /^(\d{20})\.checkpoint\.(?:(\d{10})\.(\d{10})\.)?parquet$/.exec(name);
    if (!checkpoint) continue;
    const [, version, , of] = checkpoint;
    const key = `${version}/${of ?? 'one'}`;
    const known = [...(parts.get(key) ?? []), file.name];
    parts.set(key, known);
    if (known.length === (of === undefined ? 1 : Number(of))) checkpoints.set(Number(version), known);
  }
  return { commits: [...modified.keys()].sort((a, b) => a - b), modified, checkpoints, v2 };
}

/** The actions of one commit; null when there is no such version. A newest commit that is cut short is read again a few times. */
export async function readCommit(table: DeltaTable, version: number): Promise<Actions | null> {
  const name = commitName(table.root, version);
  for (let tries = 1; ; tries += 1) {
    const content = await table.storage.read(name, MAX_COMMIT);
    if (content === null) return null;
    try {
      return parseCommit(content.toString('utf8'), name);
    } catch (error) {
      if (tries === 3) throw error;
      await sleep(100 * tries);
    }
  }
}

/** Applies one commit to a snapshot and gives the next one; the one before stays as it was. */
export function applyCommit(table: string, before: Snapshot | null, version: number, actions: Actions): Snapshot {
  const state = before && {
    ...before,
    files: new Map(before.files),
    tombstones: new Map(before.tombstones),
    txns: new Map(before.txns),
    commits: new Map(before.commits),
  };
  return replay(table, state, version, actions);
}

/** Like `applyCommit`, but `state` itself is changed: a long log must not copy its maps once a commit. */
function replay(table: string, state: Snapshot | null, version: number, actions: Actions): Snapshot {
  const protocol = actions.protocol ?? state?.protocol;
  const metaData = actions.metaData ?? state?.metaData;
  if (!protocol || !metaData)
    throw new RejectedError(
      'table-invalid',
      `${table}: up to version ${version} the log holds no ${protocol ? 'metaData' : 'protocol'} action.`,
    );
  const next: Snapshot = state ?? {
    version,
    protocol,
    metaData,
    files: new Map(),
    tombstones: new Map(),
    txns: new Map(),
    commits: new Map(),
  };
  for (const remove of actions.removes) {
    next.files.delete(remove.path);
    next.tombstones.set(remove.path, remove);
  }
  for (const add of actions.adds) {
    next.files.delete(add.path);
    next.files.set(add.path, add);
    next.tombstones.delete(add.path);
  }
  for (const txn of actions.txns)
    next.txns.set(txn.appId, { version: txn.version, committedIn: version, lastUpdated: txn.lastUpdated ?? null });
  next.commits.set(version, actions);
  return Object.assign(next, { version, protocol, metaData });
}

/** The state at `version`, or at the newest one. null when there is no table. Rejects `table-invalid`, `delta-log-corrupt`, `table-unsupported`, `version-gone`. */
export async function readSnapshot(table: DeltaTable, version?: number): Promise<Snapshot | null> {
  return snapshotOf(table, await listLog(table), version);
}

/** `readSnapshot` over a listing that was made already. */
export async function snapshotOf(table: DeltaTable, log: LogFiles, version?: number): Promise<Snapshot | null> {
  const newest = Math.max(-1, log.commits.at(-1) ?? -1, ...log.checkpoints.keys());
  if (newest === -1) return null;
  const wanted = version ?? newest;
  if (!Number.isSafeInteger(wanted) || wanted < 0 || wanted > newest)
    throw new RejectedError('version-unknown', `${table.root}: version ${wanted} does not exist, the newest is ${newest}.`);
  const base = Math.max(-1, ...[...log.checkpoints.keys()].filter((each) => each <= wanted));
  refuseGaps(table, log, base, wanted);
  let snapshot: Snapshot | null = null;
  if (base >= 0) {
    const actions = await table.readCheckpoint(log.checkpoints.get(base)!.sort());
    snapshot = replay(table.root, null, base, actions);
    snapshot.commits.clear();
    for (const [appId, txn] of snapshot.txns) snapshot.txns.set(appId, { ...txn, committedIn: null });
  }
  for (let next = base + 1; next <= wanted; next += 1) {
    const actions = await readCommit(table, next);
    if (actions === null)
      throw new RejectedError('version-gone', `${commitName(table.root, next)}: the commit disappeared while it was read.`);
    snapshot = replay(table.root, snapshot, next, actions);
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
    if (log.v2)
      throw new RejectedError(
        'table-unsupported',
        `${table.root}: version ${wanted} stands in a checkpoint of the feature v2Checkpoint, which is not built in. Mend: drop the feature at its source.`,
      );
    const oldest = Math.min(...log.checkpoints.keys(), ...log.commits);
    const later = log.commits.some((each) => each < next) || next > oldest + 1;
    throw later
      ? new RejectedError('table-invalid', `${commitName(table.root, next)} is missing between its neighbours. Mend: restore that file.`)
      : new RejectedError('version-gone', `${table.root}: version ${wanted} is no longer available; the log begins at ${oldest}.`);
  }
}
