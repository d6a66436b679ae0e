// Taking a commit back: another commit that adds what it removed and removes what it added, as Delta's own RESTORE does for one version.
// What came after it stays. Where that built on the files of the commit, nothing is taken back (facts/delta.md §2, §5).
import { TransientError } from '../../../errors/errors.ts';
import { recordsOf, SHA_TAG, type Add } from './actions.ts';
import { checkpointIfDue } from './checkpoint.ts';
import { commitChange, isCommitted, type NewFile } from './commit.ts';
import { parseSchema } from './schema.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import { findTransaction, type WorkTable } from './table-files.ts';

export interface TakeBackRequest {
  /** Transaction whose commit is taken back. */
  appId: string;
  /** For people who read the history. */
  reason: string;
  runId?: string;
}

export type TakenBack =
  /** `version` is the commit that took it back; null: the table does not know the transaction. */
  { state: 'taken-back'; version: number | null } | { state: 'built-upon'; reason: string };

const PLANS = 8;

/** Takes the commit of a transaction back, once. Rejects `append-only`, `table-unsupported`, `version-gone`; transient `delta-conflict`. */
export async function takeBack(
  table: WorkTable,
  request: TakeBackRequest,
  options: { now: () => number; warn: (message: string) => void; pause?: (tries: number) => Promise<void> },
): Promise<TakenBack> {
  const known = await findTransaction(table, request.appId);
  if (!known) return { state: 'taken-back', version: null };
  const { snapshot: after, actions } = known;
  const before = after.version === 0 ? null : await readSnapshot(table, after.version - 1);
  const appId = `${request.appId}-taken-back`;
  let reason = '';
  for (let tries = 0; tries < PLANS; tries += 1) {
    const newest = (await readSnapshot(table))!;
    if (isCommitted(newest, { appId })) return { state: 'taken-back', version: newest.version };
    const upon = builtUpon(newest, after, actions.adds, actions.removes);
    if (upon !== null) return { state: 'built-upon', reason: `${table.root}: ${upon}` };
    const metaData = before && actions.metaData ? before.metaData : null;
    const answer = await commitChange(
      table,
      {
        mode: 'rewrite',
        operation: 'RESTORE',
        predicate: `version ${after.version}: ${request.reason}`.slice(0, 500),
        appId,
        basis: newest.version,
        removes: actions.adds,
        touches: async () => false,
        fields: parseSchema((metaData ?? newest.metaData).schemaString, table.root),
        files: actions.removes.flatMap(({ path }) => before?.files.get(path) ?? []).map(asFile),
        facts: { takenBack: request.appId },
        origin: 'take back',
        ...(metaData ? { metaData } : {}),
        ...(request.runId === undefined ? {} : { runId: request.runId }),
      },
      options.now,
      options.pause,
    );
    if (answer.state !== 'conflict') {
      await checkpointIfDue(table, answer.snapshot, { now: options.now(), warn: options.warn });
      return { state: 'taken-back', version: answer.snapshot.version };
    }
    reason = answer.reason;
  }
  throw new TransientError('delta-conflict', `${table.root}: a commit was to be taken back ${PLANS} times and each time ${reason}.`);
}

/** Why the commit can no longer be taken back by itself; null while its files are as it left them. */
function builtUpon(newest: Snapshot, after: Snapshot, adds: readonly Add[], removes: readonly { path: string }[]): string | null {
  const gone = adds.find(({ path }) => !newest.files.has(path));
  if (gone) return `${gone.path} of version ${after.version} was changed since`;
  const back = removes.find(({ path }) => newest.files.has(path));
  if (back) return `${back.path}, which version ${after.version} removed, is in the table again`;
  const changed = newest.version > after.version && newest.metaData.schemaString !== after.metaData.schemaString;
  return changed ? `the columns were changed after version ${after.version}` : null;
}

/** The file as it was named before: its digest and statistics as its writer left them. */
function asFile(add: Add): NewFile {
  const { path, size, partitionValues, stats, tags } = add;
  const sha256 = tags?.[SHA_TAG];
  return {
    path,
    bytes: size,
    rows: recordsOf(add) ?? 0,
    ...(sha256 ? { sha256 } : {}),
    ...(stats ? { stats } : {}),
    ...(Object.keys(partitionValues).length > 0 ? { partitionValues } : {}),
  };
}
