// When a dataset is complete, and what it waits for when it is not: the rule of the pipeline file over what a window holds.
import { type CompletenessRule, parseComplete } from '../contracts/pipeline/source.ts';
import type { WindowMember, WindowState } from '../contracts/windows.ts';
import { cronNext } from './due.ts';
import { durationSeconds } from './durations.ts';
import { isOlder } from './ledger-change.ts';
import { digestWith, emptyWindow, memberDigest } from './window.ts';

/** What a window holds, as far as its rule asks. */
export interface Tally {
  /** Different files, without the manifest. */
  files: number;
  openedAt: string;
  lastAt: string;
  partitions: readonly string[];
  /** null: the manifest did not come yet. `missing` are files that it lists and that did not come, the first few. */
  manifest: { listed: number; missing: readonly string[]; missingCount: number } | null;
}

/** `how` and `what` are words for the verdict; `until` is when to look again. */
export type Completeness =
  { state: 'complete'; how: string } | { state: 'later'; until: string; what: string } | { state: 'waiting'; what: string };

export function completeness(rule: CompletenessRule, tally: Tally, now: string): Completeness {
  switch (rule.kind) {
    case 'files':
      if (tally.files >= rule.count) return { state: 'complete', how: `${tally.files} of ${rule.count} files` };
      return { state: 'waiting', what: `${tally.files} of ${rule.count} files` };
    case 'quiet': {
      const until = new Date(Date.parse(tally.lastAt) + durationSeconds(rule.duration) * 1000).toISOString();
      if (Date.parse(now) >= Date.parse(until)) return { state: 'complete', how: `${tally.files} files, then quiet for ${rule.duration}` };
      return { state: 'later', until, what: `quiet until ${until}` };
    }
    case 'cron': {
      const until = cronNext(rule.expression, rule.zone, tally.openedAt);
      if (until === null) return { state: 'waiting', what: `a time that never comes: cron ${rule.expression} ${rule.zone}` };
      if (Date.parse(now) >= Date.parse(until)) return { state: 'complete', how: `what had come by ${until}` };
      return { state: 'later', until, what: `closes at ${until}` };
    }
    case 'partitions': {
      const missing = rule.names.filter((name) => !tally.partitions.includes(name));
      if (missing.length === 0) return { state: 'complete', how: `all ${rule.names.length} partitions` };
      return { state: 'waiting', what: `${missing.length === 1 ? 'partition' : 'partitions'} ${some(missing, missing.length)}` };
    }
    case 'manifest': {
      if (!tally.manifest) return { state: 'waiting', what: `manifest ${rule.name}` };
      const { listed, missing, missingCount } = tally.manifest;
      if (missingCount === 0) return { state: 'complete', how: `all ${listed} files of manifest ${rule.name}` };
      return {
        state: 'waiting',
        what: `${listed - missingCount} of ${listed} files of manifest ${rule.name}: ${some(missing, missingCount)} missing`,
      };
    }
  }
}

function some(names: readonly string[], count: number): string {
  return `${names.slice(0, 5).join(', ')}${count > 5 ? ` and ${count - 5} more` : ''}`;
}

/** Rules that a time completes; the others are completed by a member. */
export function isTimed(rule: CompletenessRule): boolean {
  return rule.kind === 'quiet' || rule.kind === 'cron';
}

/** The rule of a text that the schema has accepted. */
export function ruleOf(complete: string): CompletenessRule {
  return parseComplete(complete) ?? { kind: 'files', count: 1 };
}

/** What the entity is told of a file: its partition, or that it is the manifest. */
export function markOf(rule: CompletenessRule, folder: string, path: string): string | null {
  const below = path.slice(folder.length);
  if (rule.kind === 'partitions') return rule.names.find((name) => below.startsWith(`${name}/`)) ?? null;
  return rule.kind === 'manifest' && isManifest(rule, path) ? 'manifest' : null;
}

export function isManifest(rule: CompletenessRule, path: string): boolean {
  return rule.kind === 'manifest' && path.slice(path.lastIndexOf('/') + 1) === rule.name;
}

/** Whether the members are worth reading: before, the window cannot be complete. Keeps ten thousand files from reading each other. */
export function worthTallying(rule: CompletenessRule, window: WindowState): boolean {
  switch (rule.kind) {
    case 'files':
      return window.count >= rule.count;
    case 'partitions':
      return rule.names.every((name) => window.marks.includes(name));
    case 'manifest':
      if (!window.marks.includes('manifest')) return false;
      // What the window before leaves to this one is known once that is settled; until then it is worth a look, which waits for it.
      return window.settled < window.number - 1 || window.count + window.carried > (window.expects ?? 0);
    default:
      return false;
  }
}

/** What the entity alone lets us say about an open window. */
export function waitingFor(rule: CompletenessRule, window: WindowState, now: string): string {
  const times = { openedAt: window.openedAt ?? now, lastAt: window.lastAt ?? now };
  const manifest =
    window.marks.includes('manifest') && window.expects !== null ? { listed: window.expects, missing: [], missingCount: 0 } : null;
  const said = completeness(rule, { files: window.count, partitions: window.marks, manifest, ...times }, now);
  return said.state === 'complete' ? said.how : said.what;
}

export interface Reduced {
  /** The newest version of every path, in the order of paths. */
  newest: WindowMember[];
  /** Older versions, each with the entry that took its place. */
  superseded: { member: WindowMember; by: string }[];
}

/** The newest version of every path: by sequencer where that decides, else the one that was collected last. */
export function reduceMembers(members: readonly WindowMember[]): Reduced {
  const byPath = new Map<string, WindowMember>();
  for (const member of members) {
    const known = byPath.get(member.path);
    if (!known || isNewer(member, known)) byPath.set(member.path, member);
  }
  const newest = [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const superseded = members.flatMap((member) => {
    const by = byPath.get(member.path)?.entryId;
    return by === undefined || by === member.entryId ? [] : [{ member, by }];
  });
  return { newest, superseded };
}

function isNewer(member: WindowMember, than: WindowMember): boolean {
  if (isOlder(than.sequencer, member.sequencer)) return true;
  if (isOlder(member.sequencer, than.sequencer)) return false;
  return member.ordinal > than.ordinal || (member.ordinal === than.ordinal && member.entryId > than.entryId);
}

/** Whether the rows are all there: count and digest against the entity's. Carried members were never counted by it. */
export function allWritten(window: Pick<WindowState, 'count' | 'digest'>, members: readonly WindowMember[]): boolean {
  const counted = members.filter(({ carried }) => !carried);
  if (counted.length !== window.count) return false;
  return counted.reduce((digest, member) => digestWith(digest, memberDigest(member)), emptyWindow().digest) === window.digest;
}

/** The files of a dataset and those that stay out of it, because its manifest does not list them. */
export function datasetOf(
  rule: CompletenessRule,
  newest: readonly WindowMember[],
  listed: readonly string[] | null,
): { files: WindowMember[]; left: WindowMember[] } {
  const data = newest.filter(({ path }) => !isManifest(rule, path));
  if (listed === null) return { files: data, left: [] };
  const wanted = new Set(listed);
  return { files: data.filter(({ path }) => wanted.has(path)), left: data.filter(({ path }) => !wanted.has(path)) };
}

/** What the members amount to under the rule. `listed` are the paths of the newest manifest. */
export function tallyOf(
  rule: CompletenessRule,
  folder: string,
  newest: readonly WindowMember[],
  listed: readonly string[] | null,
  times: { openedAt: string; lastAt: string },
): Tally {
  const { files } = datasetOf(rule, newest, null);
  const partitions =
    rule.kind === 'partitions' ? [...new Set(files.map(({ path }) => markOf(rule, folder, path)).filter((mark) => mark !== null))] : [];
  const there = new Set(files.map(({ path }) => path));
  const missing = listed?.filter((path) => !there.has(path)) ?? [];
  return {
    files: files.length,
    ...times,
    partitions,
    manifest: listed && { listed: listed.length, missing: missing.slice(0, 5), missingCount: missing.length },
  };
}
