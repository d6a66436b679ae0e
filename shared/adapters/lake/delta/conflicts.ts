// Whether what somebody else committed spoils a change that was computed from an older version (facts/delta.md §5.2).
// Blind appends read nothing and go on over anything that leaves schema and protocol usable; what was read must not have changed.
import type { Actions, Add } from './actions.ts';
import type { Snapshot } from './snapshot.ts';

/** What a change has read of the version that it was computed from. */
export type Reads =
  | { what: 'nothing' }
  | { what: 'table' }
  /** Files that it removes, and whether a file that came since could hold rows that it would have changed too. */
  | { what: 'files'; removes: ReadonlySet<string>; touches: (adds: Add[]) => Promise<boolean> };

/** Why the change must be computed again, with the winner named; null when it may go on top of `snapshot`. */
export async function conflictSince(snapshot: Snapshot, basis: number, reads: Reads): Promise<string | null> {
  if (reads.what === 'nothing') return null;
  for (let version = basis + 1; version <= snapshot.version; version += 1) {
    const actions = snapshot.commits.get(version);
    if (actions === undefined) return `version ${version} is known from a checkpoint only`;
    const why = await spoils(actions, reads);
    if (why !== null)
      return `version ${version} (${actions.info?.operation ?? 'unknown operation'}) ${why} since version ${basis} was read`;
  }
  return null;
}

async function spoils(actions: Actions, reads: Exclude<Reads, { what: 'nothing' }>): Promise<string | null> {
  if (actions.metaData ?? actions.protocol) return 'changed the table';
  if (reads.what === 'table') return actions.adds.length + actions.removes.length > 0 ? 'changed the table' : null;
  const removed = actions.removes.find((remove) => reads.removes.has(remove.path));
  if (removed) return `removed ${removed.path}`;
  const again = actions.adds.find((add) => reads.removes.has(add.path));
  if (again) return `added ${again.path} again`;
  return actions.adds.length > 0 && (await reads.touches(actions.adds)) ? 'added rows that match' : null;
}
