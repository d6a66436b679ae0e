// The verdict of a file below a Delta table: a commit of ours, somebody else's that starts the steps after it, or a file that is no commit.
import type { CausalChain, LedgerHead, StorageEvent, Verdict } from '../contracts/events.ts';
import { type Guards, heldBack } from './guards.ts';
import type { TablePath } from './lake-places.ts';
import { contentVerdict } from './verdict.ts';

/** What the commit says of itself. */
export interface CommitSays {
  operation: string | null;
  appIds: readonly string[];
  chain: CausalChain;
  changesData: boolean;
}

/** Application ids of our own transactions: `sluice-` and the key of the run. */
const OURS = /^sluice-(?:([0-9a-f]{64})$)?/;

/** What a foreign commit starts. */
export type Adoption = { layer: 'source' | 'silver' | 'gold'; pipeline: string; source: string | null };

/** The key of the run that made a commit; '' when it is ours and names none; null when it is not ours. */
export function ownKey(appIds: readonly string[]): string | null {
  const own = appIds.map((appId) => OURS.exec(appId)).find((match) => match !== null);
  return own ? (own[1] ?? '') : null;
}

/** A file below a table that is no commit. */
export function tableFileVerdict(event: StorageEvent, place: TablePath): Verdict {
  const name = event.path.slice(place.root.length);
  return {
    kind: 'ignored',
    rule: 'table-file',
    reason: `A data file, checkpoint or checksum of the table ${place.root}; its commits tell what it holds`,
    evidence: { root: place.root, file: name.slice(0, 300) },
  };
}

/**
 * `madeBy` is the run that the transaction names, where it is known. A table that one pipeline writes and another reads as a source
 * belongs to the reader here: to the writer its own commits say nothing new, and a foreign one has one effect, not two.
 */
export function decideCommit(input: {
  event: StorageEvent;
  place: TablePath;
  says: CommitSays;
  madeBy: string | null;
  head: LedgerHead | null;
  chain: CausalChain;
  guardsOf: (pipeline: string) => Guards;
}): { verdict: Verdict; pipeline: string | null; adoption: Adoption | null } {
  const { event, place, says, head } = input;
  const pipeline = place.reader?.pipeline ?? place.table?.pipeline ?? null;
  const none = (verdict: Verdict) => ({ verdict, pipeline, adoption: null });
  const evidence = {
    root: place.root,
    version: place.version,
    operation: says.operation,
    transaction: says.appIds[0]?.slice(0, 200) ?? null,
    madeBy: input.madeBy,
  };
  const unneeded = unneededVerdict(place, says, input.madeBy, evidence);
  const layer = place.reader ? 'source' : (place.table?.layer ?? 'quarantine');
  if (unneeded) return none(unneeded);
  if (pipeline === null || layer === 'quarantine') {
    const reason = `Nothing is made of commits to ${place.root}`;
    return none({ kind: 'ignored', rule: 'quarantine-commit', reason, evidence });
  }
  const held = contentVerdict(event, head) ?? heldBack(pipeline, [...says.chain, ...input.chain], input.guardsOf(pipeline));
  if (held) return none(held);
  const after = { source: 'it is refined', silver: 'gold is made of it', gold: 'it is trained on' }[layer];
  const writer = ownKey(says.appIds) === null ? 'somebody else' : (input.madeBy ?? 'another pipeline');
  const reason = `Version ${place.version} of ${place.root} (${operationOf(says)} by ${writer}): ${after}`;
  return {
    verdict: { kind: 'accepted', rule: 'foreign-commit', reason: reason.slice(0, 2000), evidence },
    pipeline,
    adoption: { layer, pipeline, source: place.reader?.source ?? null },
  };
}

/** Commits that say nothing new: our own where nobody else reads the table, and those that changed no rows. */
function unneededVerdict(place: TablePath, says: CommitSays, madeBy: string | null, evidence: Verdict['evidence']): Verdict | null {
  if (ownKey(says.appIds) !== null && !place.reader) {
    const reason = `Version ${place.version} of ${place.root} was committed by ${madeBy ?? 'Sluice itself'}`;
    return { kind: 'ignored', rule: 'own-commit', reason, evidence };
  }
  if (says.changesData) return null;
  const reason = `The commit (${operationOf(says)}) changes no rows of ${place.root}`;
  return { kind: 'ignored', rule: 'no-rows-changed', reason, evidence };
}

function operationOf({ operation }: CommitSays): string {
  return operation ?? 'unnamed operation';
}
