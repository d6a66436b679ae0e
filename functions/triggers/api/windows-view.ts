// Datasets in the making as a person sees them: what a window holds and what it waits for.
import { MAX_MANIFEST_BYTES, parseFileList } from '../../../shared/contracts/data-manifest.ts';
import type { LedgerEntry } from '../../../shared/contracts/events.ts';
import type { WindowView } from '../../../shared/contracts/http-api.ts';
import type { CompletenessRule, PipelineVersion } from '../../../shared/contracts/pipeline.ts';
import type { WindowMember, WindowState } from '../../../shared/contracts/windows.ts';
import { completeness, isManifest, reduceMembers, ruleOf, tallyOf, waitingFor } from '../../../shared/decisions/completeness.ts';
import type { Store } from '../../../shared/ports/lake.ts';
import type { Ledger } from '../../../shared/ports/stores.ts';
import type { Windows } from '../../../shared/ports/windows.ts';

const PAGE = 1000;

export interface WindowSources {
  ledger: Pick<Ledger, 'members'>;
  store: Pick<Store, 'read'>;
  windows: Windows;
}

/** The members of a window, and whether these are all; at most about `limit` are read. */
export async function membersUpTo(
  ledger: Pick<Ledger, 'members'>,
  window: string,
  limit: number,
): Promise<{ members: WindowMember[]; all: boolean }> {
  const members: WindowMember[] = [];
  let after: string | undefined;
  do {
    const page = await ledger.members(window, Math.min(PAGE, limit), after);
    members.push(...page.items);
    if (page.next === null) return { members, all: true };
    after = page.next;
  } while (members.length < limit);
  return { members, all: false };
}

/** The paths that the newest manifest among the members lists; null when none came, or its kept copy cannot be read. */
export async function listedBy(
  store: Pick<Store, 'read'>,
  rule: CompletenessRule,
  newest: readonly WindowMember[],
): Promise<string[] | null> {
  const [manifest] = newest.filter(({ path }) => isManifest(rule, path)).sort((a, b) => b.ordinal - a.ordinal);
  if (!manifest) return null;
  const kept = await store.read(`manifests/${manifest.sha256}`, MAX_MANIFEST_BYTES);
  return kept === null ? null : listedIn(manifest.path, Buffer.from(kept).toString('utf8'));
}

/** The paths that a manifest lists; null when it says nothing that can be read. */
export function listedIn(path: string, text: string): string[] | null {
  const listed = parseFileList(text);
  if ('problem' in listed) return null;
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  return listed.files.map((name) => folder + name);
}

/** Enough for an exact answer of nearly every dataset; of larger ones the entity's counts say what is missing. */
const MAX_READ = 2000;

/** The source that a window is of, by the pipeline's present file; null when the file has it no more. */
function sourceOf(version: Pick<PipelineVersion, 'spec'> | null, name: string): { folder: string; complete: string } | null {
  const source = version?.spec.sources.find((one) => one.name === name);
  return version && source ? { folder: source.path, complete: source.complete ?? version.spec.complete } : null;
}

/** The window of an entry as it is now; null when the entry was collected for none. */
export async function windowOf(
  sources: WindowSources,
  entry: Pick<LedgerEntry, 'window' | 'runId' | 'verdict'>,
  version: Pick<PipelineVersion, 'spec'> | null,
  now: string,
): Promise<WindowView | null> {
  if (entry.window === null) return null;
  const [pipeline = '', name = '', text = ''] = entry.window.split('.');
  const number = Number(text);
  const source = sourceOf(version, name);
  const [state, { members, all }] = await Promise.all([
    sources.windows.window(pipeline, name),
    membersUpTo(sources.ledger, entry.window, MAX_READ),
  ]);
  const rule = ruleOf(source?.complete ?? '');
  const { newest } = reduceMembers(members);
  const files = newest.filter(({ path }) => !isManifest(rule, path)).length;
  const known = { window: entry.window, pipeline, source: name, rule: source?.complete ?? '', runId: entry.runId };
  const view: WindowView = { ...known, state: 'unknown', files, openedAt: null, closedAt: null, waitingFor: null };
  if (!state || !source) return view;
  if (state.number > number) return { ...view, state: 'closed', ...closing(entry, state, number) };
  const open: WindowView = { ...view, state: 'open', files: all ? files : state.count, openedAt: state.openedAt };
  if (state.number < number) return { ...open, waitingFor: 'the dataset before it to be closed' };
  const exact = all ? await missingOf(sources, rule, source.folder, newest, state, now) : waitingFor(rule, state, now);
  return { ...open, waitingFor: exact };
}

/** What is known of a window that is closed; one whose dataset waits for another source says which. */
function closing({ verdict }: Pick<LedgerEntry, 'verdict'>, state: WindowState, number: number) {
  const { waitingFor: sources } = verdict.evidence;
  const waits = verdict.rule === 'waiting-for-source' && typeof sources === 'string';
  return { closedAt: state.closed?.number === number ? state.closed.at : null, waitingFor: waits ? `source ${sources}` : null };
}

/** What the members themselves say is missing: which files of a manifest, which partitions. */
async function missingOf(
  { store }: WindowSources,
  rule: CompletenessRule,
  folder: string,
  newest: readonly WindowMember[],
  state: WindowState,
  now: string,
): Promise<string> {
  const times = { openedAt: state.openedAt ?? now, lastAt: state.lastAt ?? now };
  const said = completeness(rule, tallyOf(rule, folder, newest, await listedBy(store, rule, newest), times), now);
  return said.state === 'complete' ? `nothing: ${said.how}; it is being closed` : said.what;
}
