// The way of events through the real decisions, without ledger tables, orchestrations or time: fast enough for ten thousand seeds.
// What lies in the lake is final before the first event is delivered, as it is when events come late.
import type { LedgerEntry, LedgerHead, StorageEvent, Verdict } from '../../shared/contracts/events.ts';
import type { WindowMember, WindowState } from '../../shared/contracts/windows.ts';
import {
  allWritten,
  completeness,
  datasetOf,
  isManifest,
  markOf,
  reduceMembers,
  ruleOf,
  tallyOf,
  worthTallying,
} from '../../shared/decisions/completeness.ts';
import { entryId, refineKey } from '../../shared/decisions/identity.ts';
import type { Owner } from '../../shared/decisions/lake-places.ts';
import { changedEntry, headFrom } from '../../shared/decisions/ledger-change.ts';
import { type ListedBlob, missing } from '../../shared/decisions/reconcile.ts';
import { decideVerdict } from '../../shared/decisions/verdict.ts';
import { addMember, closeWindow, emptyWindow, settleWindow } from '../../shared/decisions/window.ts';

export const LAKE = { account: 'lake', container: 'data' };
export const FOLDER = 'bronze/p/';
const NOW = '2026-01-01T00:00:00.000Z';
const PIPELINE = 'p';
const DIGEST = 'c'.repeat(64);

export interface Blob {
  eTag: string;
  /** Stands for the content's SHA-256. */
  sha256: string;
  /** Files that it lists, when it is the manifest. */
  lists?: string[];
}

export interface Dataset {
  key: string;
  members: string[];
}

interface Row {
  entry: LedgerEntry;
}

export function createEventModel(complete: string, lake: ReadonlyMap<string, Blob>) {
  const rule = ruleOf(complete);
  const collecting = { source: 's', folder: FOLDER, complete, lateness: null, sources: [] };
  const owner: Owner = {
    pipeline: PIPELINE,
    path: FOLDER,
    source: 's',
    delta: false,
    onPremises: false,
    manifest: rule.kind === 'manifest' ? rule.name : null,
    collecting: complete === 'files 1' ? null : collecting,
  };
  const rows = new Map<string, Row[]>();
  const heads = new Map<string, LedgerHead | null>();
  const lastETags = new Map<string, string>();
  const windows = new Map<number, WindowMember[]>();
  const datasets = new Map<string, Dataset>();
  let window: WindowState = emptyWindow();
  let received = 0;

  function deliver(event: StorageEvent): void {
    const id = entryId(event.source, event.id);
    const known = rows.get(event.path) ?? [];
    const row = known.find(({ entry }) => entry.entryId === id);
    if (row) {
      row.entry = { ...row.entry, deliveries: row.entry.deliveries + 1 };
      return;
    }
    const head = heads.get(event.path) ?? null;
    const guardsOf = () => ({ freezes: [], breaker: null, now: NOW });
    const { verdict } = decideVerdict({ event, head, lake: LAKE, owners: [owner], chain: [], guardsOf, now: NOW });
    received += 1;
    const fresh: Row = { entry: entryOf(id, event, verdict, received) };
    rows.set(event.path, [...known, fresh]);
    lastETags.set(event.path, event.eTag);
    if (verdict.kind !== 'accepted' && verdict.kind !== 'incomplete') return;
    heads.set(event.path, { eTag: event.eTag, sequencer: event.sequencer, sha256: null, entryId: id });
    land(event, fresh);
  }

  /** Reads the version that the event speaks of, if it is still there. */
  function land(event: StorageEvent, row: Row): void {
    const blob = lake.get(event.path);
    const head = heads.get(event.path) ?? null;
    const own = head?.entryId === row.entry.entryId;
    if (blob?.eTag !== event.eTag) {
      const verdict: Verdict = { kind: 'superseded', rule: 'blob-changed', reason: 'replaced', evidence: {} };
      row.entry = changedEntry(row.entry, { verdict });
      const entries = (rows.get(event.path) ?? []).map(({ entry }) => entry);
      if (own) heads.set(event.path, headFrom(entries, row.entry.entryId));
      return;
    }
    row.entry = changedEntry(row.entry, { sha256: blob.sha256 });
    if (head && own) heads.set(event.path, { ...head, sha256: blob.sha256 });
    if (owner.collecting === null) refine([{ path: event.path, sha256: blob.sha256 }]);
    else collect(event, row, blob);
  }

  function collect(event: StorageEvent, row: Row, blob: Blob): void {
    const { state, answer } = addMember(window, {
      entryId: row.entry.entryId,
      path: event.path,
      sha256: blob.sha256,
      eventTime: event.time,
      now: NOW,
      mark: markOf(rule, FOLDER, event.path),
      expects: isManifest(rule, event.path) ? (blob.lists?.length ?? 0) : null,
      lateness: null,
    });
    window = state;
    if (answer.placed !== 'window') throw new Error('nothing is late without a policy');
    const { eTag, sequencer, path, bytes } = event;
    const member = {
      entryId: row.entry.entryId,
      ...LAKE,
      path,
      eTag,
      sequencer,
      sha256: blob.sha256,
      bytes,
      ordinal: answer.ordinal,
      late: false,
      carried: false,
    };
    windows.set(window.number, [...(windows.get(window.number) ?? []), member]);
    while (worthTallying(rule, window) && close(NOW)) {
      // What the closed one left may complete the next.
    }
  }

  /** Closes the window if it is complete at this time; true when it was. */
  function close(now: string): boolean {
    const members = windows.get(window.number) ?? [];
    if (!allWritten(window, members)) throw new Error('the entity and the members disagree');
    const { newest } = reduceMembers(members);
    const listing = newest.find(({ path }) => isManifest(rule, path));
    const listed = listing ? (lake.get(listing.path)?.lists ?? []).map((name) => FOLDER + name) : null;
    const times = { openedAt: window.openedAt ?? NOW, lastAt: window.lastAt ?? NOW };
    if (completeness(rule, tallyOf(rule, FOLDER, newest, listed, times), now).state !== 'complete') return false;
    const { state, answer } = closeWindow(window, { number: window.number, ifCount: window.count, at: now });
    if (!answer.won) return false;
    const { files, left } = datasetOf(rule, newest, listed);
    window = settleWindow(state, answer.window.number, left.length);
    windows.set(
      window.number,
      left.map((member) => ({ ...member, ordinal: 0, carried: true })),
    );
    refine(files);
    return true;
  }

  function refine(files: readonly { path: string; sha256: string }[]): void {
    const key = refineKey({ pipeline: PIPELINE, contractDigest: DIGEST, files });
    const members = files.map(({ path, sha256 }) => `${path} ${sha256}`).sort();
    if (!datasets.has(key)) datasets.set(key, { key, members });
  }

  return {
    deliver,
    /** One pass over what lies in the lake. */
    reconcile(): void {
      const listing = [...lake].map(([path, { eTag }]): ListedBlob => ({ ...LAKE, path, eTag, bytes: 1, lastModified: NOW }));
      const known = listing.map(({ path }) => ({ head: heads.get(path) ?? null, lastETag: lastETags.get(path) ?? null }));
      for (const event of missing(listing, known, '/reconciler')) deliver(event);
    },
    /** Lets time pass until every rule of time has come. */
    wait: () => void (window.count > 0 && close('2026-02-01T00:00:00.000Z')),
    heads: () => new Map([...heads].sort()),
    datasets: () => [...datasets.values()].map(({ members }) => members).sort((a, b) => (a.join() < b.join() ? -1 : 1)),
    deliveries: () => new Map([...rows.values()].flat().map(({ entry }) => [entry.entryId, entry.deliveries])),
    entries: () => [...rows.values()].flat().map(({ entry }) => entry),
  };
}

function entryOf(id: string, event: StorageEvent, verdict: Verdict, received: number): LedgerEntry {
  return {
    entryId: id,
    event,
    rawSha256: null,
    pipeline: PIPELINE,
    verdict,
    deliveries: 1,
    receivedAt: new Date(Date.parse(NOW) + received).toISOString(),
    instanceId: null,
    runId: null,
    window: null,
    chain: [],
    foundBy: 'queue',
    sha256: null,
  };
}
