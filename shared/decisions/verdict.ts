// The one verdict of a storage event: what it is to Sluice, by which rule, for which reason, on which evidence. Pure: ledger row,
// contracts and guards in, verdict out. Commits of Delta tables are judged in commit-verdict.ts, events without a file in signal-verdict.ts.
import type { CausalChain, LedgerHead, StorageEvent, Verdict } from '../contracts/events.ts';
import { clockVerdict, type Guards, heldBack } from './guards.ts';
import { type Owner, ownerOf } from './lake-places.ts';
import { isOlder } from './ledger-change.ts';

export interface VerdictInput {
  event: StorageEvent;
  head: LedgerHead | null;
  /** The only place that events may speak of. */
  lake: { account: string; container: string };
  owners: readonly Owner[];
  chain: CausalChain;
  /** `breaker` of the pipeline that owns the path. */
  guardsOf: (pipeline: string) => Guards;
  now: string;
}

/** Writes that complete a blob; others (CreateFile: the empty first step of every dfs upload) do not (facts/azure.md §3.1). */
const COMPLETING = new Set(['PutBlob', 'PutBlockList', 'CopyBlob', 'FlushWithClose', 'SftpCommit']);

const TEMPORARY = /^[._]|\.(tmp|part|partial|crdownload|swp)$|~$/i;

export interface Judged {
  verdict: Verdict;
  owner: Owner | null;
}

export function decideVerdict(input: VerdictInput): Judged {
  const { event, owners } = input;
  const place = placeVerdict(input) ?? writeVerdict(event);
  if (place) return { verdict: place, owner: null };
  const owner = ownerOf(event.path, owners);
  const name = event.path.slice(event.path.lastIndexOf('/') + 1);
  if (TEMPORARY.test(name) && name !== owner?.manifest) {
    const reason = 'The name is one that writers use for unfinished or internal files';
    return { verdict: { kind: 'ignored', rule: 'temporary-name', reason, evidence: { name: name.slice(0, 200) } }, owner: null };
  }
  if (!owner) {
    const evidence = { path: event.path, folders: owners.length };
    return { verdict: { kind: 'ignored', rule: 'no-pipeline', reason: noOwnerReason(owners), evidence }, owner: null };
  }
  const held = contentVerdict(event, input.head) ?? heldBack(owner.pipeline, input.chain, input.guardsOf(owner.pipeline));
  return { verdict: held ?? taken(event, owner), owner };
}

/** Another place than ours, a path that leads elsewhere, or a time that has not come. */
export function placeVerdict({ event, lake, now }: Pick<VerdictInput, 'event' | 'lake' | 'now'>): Verdict | null {
  if (event.account !== lake.account || event.container !== lake.container) {
    return {
      kind: 'refused',
      rule: 'foreign-place',
      reason: `Only ${lake.account}/${lake.container} may land data; this event speaks of ${event.account}/${event.container}`,
      evidence: { account: event.account, container: event.container, lake: `${lake.account}/${lake.container}` },
    };
  }
  if (event.path.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
    const reason = 'The path has an empty, "." or ".." segment';
    return { kind: 'refused', rule: 'path-not-plain', reason, evidence: { path: event.path } };
  }
  return clockVerdict(event.time, now);
}

/** What is no completed write: deletions, renames, the steps of an upload. */
export function writeVerdict(event: StorageEvent): Verdict | null {
  const evidence = { kind: event.kind, api: event.api };
  if (event.kind === 'deleted') {
    return { kind: 'ignored', rule: 'not-a-landing', reason: 'The file was deleted; nothing landed', evidence };
  }
  if (event.kind === 'renamed') {
    if (event.api === 'RenameDirectory') {
      const reason =
        'A folder was renamed: no event speaks of the files in it. Write them under their final names, or wait for the reconciler';
      return { kind: 'ignored', rule: 'folder-renamed', reason, evidence };
    }
    const reason =
      'A rename carries neither eTag nor length (facts/azure.md §3.1), so its content cannot be told apart; write the file under its final name';
    return { kind: 'ignored', rule: 'rename-not-a-landing', reason, evidence };
  }
  if (COMPLETING.has(event.api)) return null;
  const reason = `${event.api || 'An unnamed API'} does not complete a file; the event that does will follow`;
  return { kind: 'ignored', rule: 'write-not-complete', reason, evidence };
}

/** What the version of the file is beside the one that is known. */
export function contentVerdict(event: StorageEvent, head: LedgerHead | null): Verdict | null {
  if (event.bytes === 0) {
    const reason = 'The file has no bytes; write it again with its rows';
    return { kind: 'ignored', rule: 'empty-file', reason, evidence: { bytes: 0 } };
  }
  if (!head) return null;
  const evidence = {
    eTag: event.eTag,
    knownETag: head.eTag,
    sequencer: event.sequencer,
    knownSequencer: head.sequencer,
    known: head.entryId,
  };
  if (head.eTag === event.eTag) {
    const reason = `Another event (${head.entryId}) brought the same version of this file`;
    return { kind: 'duplicate', rule: 'same-etag', reason, evidence };
  }
  if (!isOlder(event.sequencer, head.sequencer)) return null;
  const reason = `A newer version of this file is known already (${head.entryId})`;
  return { kind: 'stale', rule: 'older-sequencer', reason, evidence };
}

function taken(event: StorageEvent, owner: Owner): Verdict {
  const evidence = { api: event.api, bytes: event.bytes, eTag: event.eTag, source: owner.source };
  if (owner.collecting === null) {
    const reason = owner.onPremises
      ? 'A manifest landed; it names the files of one dataset'
      : 'A complete file landed; files 1 makes it a dataset of its own';
    return { kind: 'accepted', rule: 'complete-file', reason, evidence };
  }
  const reason = `The file is being read; then it joins the open dataset of source ${owner.source} (${owner.collecting.complete})`;
  return { kind: 'incomplete', rule: 'collecting', reason: reason.slice(0, 2000), evidence };
}

function noOwnerReason(owners: readonly Owner[]): string {
  if (owners.length === 0) return 'No pipeline is registered; register one with: sluice apply DIR';
  const folders = owners.map((owner) => owner.path).sort();
  return `No pipeline lands data here; the landing folders are ${folders.slice(0, 5).join(', ')}${folders.length > 5 ? ', …' : ''}`;
}
