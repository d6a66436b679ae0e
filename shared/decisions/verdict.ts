// The one verdict of an event: what it is to Sluice, by which rule, for which reason. Pure: ledger row and contracts in, verdict out.
import type { LedgerHead, StorageEvent, Verdict } from '../contracts/events.ts';

/** What the decision needs to know of a registered pipeline. */
export interface Owner {
  pipeline: string;
  /** Landing folder with a trailing slash. */
  path: string;
}

export interface VerdictInput {
  event: StorageEvent;
  head: LedgerHead | null;
  /** The only place that events may speak of. */
  lake: { account: string; container: string };
  owners: readonly Owner[];
}

/** Writes that complete a blob; others (CreateFile: the empty first step of every dfs upload) do not (facts/azure.md §3.1). */
const COMPLETING = new Set(['PutBlob', 'PutBlockList', 'CopyBlob', 'FlushWithClose', 'SftpCommit']);

const TEMPORARY = /^[._]|\.(tmp|part|partial|crdownload|swp)$|~$/i;

/** The pipeline whose landing folder holds the path; the longest folder wins. */
export function ownerOf(path: string, owners: readonly Owner[]): Owner | null {
  const holding = owners.filter((owner) => path.startsWith(owner.path) && path.length > owner.path.length);
  return holding.reduce<Owner | null>((best, owner) => (best === null || owner.path.length > best.path.length ? owner : best), null);
}

export function decideVerdict(input: VerdictInput): { verdict: Verdict; pipeline: string | null } {
  const { event, lake, owners } = input;
  if (event.account !== lake.account || event.container !== lake.container) {
    return no(
      'refused',
      'foreign-place',
      `Only ${lake.account}/${lake.container} may land data; this event speaks of ${event.account}/${event.container}`,
    );
  }
  if (event.kind === 'deleted') return no('ignored', 'not-a-landing', 'The file was deleted; nothing landed');
  if (event.kind === 'renamed') {
    return no(
      'ignored',
      'rename-not-a-landing',
      'A rename carries neither eTag nor length (facts/azure.md §3.1), so its content cannot be told apart; write the file under its final name',
    );
  }
  if (!COMPLETING.has(event.api)) {
    return no(
      'ignored',
      'write-not-complete',
      `${event.api || 'An unnamed API'} does not complete a file; the event that does will follow`,
    );
  }
  if (event.path.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
    return no('refused', 'path-not-plain', 'The path has an empty, "." or ".." segment');
  }
  if (TEMPORARY.test(event.path.slice(event.path.lastIndexOf('/') + 1))) {
    return no('ignored', 'temporary-name', 'The name is one that writers use for unfinished or internal files');
  }
  const owner = ownerOf(event.path, owners);
  if (!owner) return no('ignored', 'no-pipeline', noOwnerReason(owners));
  return { ...decideContent(event, input.head), pipeline: owner.pipeline };
}

function decideContent(event: StorageEvent, head: LedgerHead | null): { verdict: Verdict } {
  if (event.bytes === 0) {
    return verdict('ignored', 'empty-file', 'The file has no bytes; write it again with its rows');
  }
  if (head?.eTag === event.eTag) {
    return verdict('duplicate', 'same-etag', `Another event (${head.entryId}) brought the same version of this file`);
  }
  if (head && isOlder(event.sequencer, head.sequencer)) {
    return verdict('stale', 'older-sequencer', `A newer version of this file is known already (${head.entryId})`);
  }
  return verdict('accepted', 'complete-file', 'A complete file landed; files 1 makes it a dataset of its own');
}

/** Sequencers compare as plain strings for one blob; of unequal length the order is unspecified (facts/azure.md §3.1), then the eTag decides when the file is read. */
function isOlder(sequencer: string, than: string): boolean {
  return sequencer !== '' && sequencer.length === than.length && sequencer < than;
}

function noOwnerReason(owners: readonly Owner[]): string {
  if (owners.length === 0) return 'No pipeline is registered; register one with: sluice apply DIR';
  const folders = owners.map((owner) => owner.path).sort();
  return `No pipeline lands data here; the landing folders are ${folders.slice(0, 5).join(', ')}${folders.length > 5 ? ', …' : ''}`;
}

function verdict(kind: Verdict['kind'], rule: string, reason: string): { verdict: Verdict } {
  return { verdict: { kind, rule, reason } };
}

function no(kind: Verdict['kind'], rule: string, reason: string): { verdict: Verdict; pipeline: null } {
  return { ...verdict(kind, rule, reason), pipeline: null };
}
