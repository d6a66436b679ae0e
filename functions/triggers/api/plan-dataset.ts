// Which dataset a planned file would join, and whether that would be complete with it: the decisions of the stories over what the
// entities and the ledger hold now.
import { DataManifest, manifestProblem, remoteOf } from '../../../shared/contracts/data-manifest.ts';
import type { PlannedDataset } from '../../../shared/contracts/http-api.ts';
import type { PipelineVersion } from '../../../shared/contracts/pipeline.ts';
import type { WindowMember, WindowRange } from '../../../shared/contracts/windows.ts';
import { completeness, datasetOf, isManifest, reduceMembers, ruleOf, tallyOf } from '../../../shared/decisions/completeness.ts';
import { offerWindow } from '../../../shared/decisions/join.ts';
import type { Owner } from '../../../shared/decisions/lake-places.ts';
import { emptyWindow, windowIdOf } from '../../../shared/decisions/window.ts';
import type { RemoteFile } from '../../../shared/ports/lake.ts';
import { listedBy, listedIn, membersUpTo, type WindowSources } from './windows-view.ts';

/** More members than this are not read for a plan; their dataset is told by what was read. */
const MAX_MEMBERS = 20_000;

export interface DatasetPlan {
  dataset: PlannedDataset;
  /** The files of the dataset beside the planned one. */
  others: { path: string; sha256: string; bytes: number }[];
  /** Of a manifest of the premises that is a dataset of its own: the files that it names. */
  remote: RemoteFile[];
  /** Sources that keep a complete dataset waiting, with why. */
  missing: string[];
  /** Why the planned file, a manifest, cannot be used. */
  problem: string | null;
  notes: string[];
}

/** `text` is the content of a manifest; null for files of rows. */
export async function plannedDataset(
  sources: WindowSources,
  version: PipelineVersion,
  owner: Owner,
  file: { path: string; text: string | null },
  now: string,
): Promise<DatasetPlan> {
  if (owner.collecting === null) return ofItsOwn(version, owner, file);
  const { collecting } = owner;
  const { source, complete, folder } = collecting;
  const rule = ruleOf(complete);
  const state = (await sources.windows.window(version.name, source)) ?? emptyWindow();
  const window = windowIdOf(version.name, source, state.number);
  const { members, all } = await membersUpTo(sources.ledger, window, MAX_MEMBERS);
  const { newest } = reduceMembers([...members, memberOf(file.path, state.count + 1)]);
  const own = isManifest(rule, file.path);
  const listed = own ? listedIn(file.path, file.text ?? '') : await listedBy(sources.store, rule, newest);
  const times = { openedAt: state.openedAt ?? now, lastAt: now };
  const tally = tallyOf(rule, folder, newest, listed, times);
  const said = completeness(rule, tally, now);
  const { files } = datasetOf(rule, newest, listed);
  const dataset: PlannedDataset = {
    source,
    rule: complete,
    window,
    state: said.state,
    files: files.length,
    how: said.state === 'complete' ? said.how : said.what,
    until: said.state === 'later' ? said.until : null,
  };
  const notes = all ? [] : [`Only ${members.length} of the files that were collected were looked at`];
  const problem = own && listed === null ? 'it does not list files in a form that is understood' : null;
  const plan: DatasetPlan = { dataset, others: othersOf(files, file.path), remote: [], missing: [], problem, notes };
  return said.state === 'complete' && collecting.sources.length > 0 ? joined(sources, version, owner, plan, state.number, now) : plan;
}

function ofItsOwn(version: PipelineVersion, owner: Owner, file: { text: string | null }): DatasetPlan {
  const rule = version.spec.sources.find(({ name }) => name === owner.source)?.complete ?? version.spec.complete;
  const dataset: PlannedDataset = {
    source: owner.source,
    rule,
    window: null,
    state: 'complete',
    files: 1,
    how: 'every file is a dataset of its own',
    until: null,
  };
  const plan: DatasetPlan = { dataset, others: [], remote: [], missing: [], problem: null, notes: [] };
  if (!owner.onPremises) return plan;
  const value = jsonOf(file.text ?? '');
  const manifest = DataManifest.safeParse(value);
  if (!manifest.success) return { ...plan, problem: manifestProblem(manifest.error, value) };
  const { files } = manifest.data;
  const remote = remoteOf(manifest.data);
  return {
    ...plan,
    remote,
    dataset: {
      ...dataset,
      files: files.length,
      how: `a manifest of ${files.length === 1 ? 'a file that stays' : `${files.length} files that stay`} on the premises`,
    },
  };
}

/** What goes together with it, or which source it would wait for. */
async function joined(
  sources: WindowSources,
  version: PipelineVersion,
  { collecting }: Owner,
  plan: DatasetPlan,
  number: number,
  now: string,
): Promise<DatasetPlan> {
  if (collecting === null) return plan;
  const before = await sources.windows.join(version.name);
  const { answer } = offerWindow(before, { source: collecting.source, number, at: now, sources: collecting.sources });
  if (!answer.go) return { ...plan, missing: answer.missing.map(({ source, why }) => `${source} ${why}`) };
  const others = [...plan.others];
  for (const range of answer.windows.filter(({ source }) => source !== collecting.source))
    others.push(...(await filesOf(sources, version, range)));
  return { ...plan, others, dataset: { ...plan.dataset, files: others.length + 1 } };
}

async function filesOf(
  sources: WindowSources,
  version: PipelineVersion,
  { source, from, to }: WindowRange,
): Promise<DatasetPlan['others']> {
  const rule = ruleOf(version.spec.sources.find(({ name }) => name === source)?.complete ?? version.spec.complete);
  const files = new Map<string, DatasetPlan['others'][number]>();
  for (let number = from; number <= to; number += 1) {
    const { members } = await membersUpTo(sources.ledger, windowIdOf(version.name, source, number), MAX_MEMBERS);
    const { newest } = reduceMembers(members);
    for (const { path, sha256, bytes } of datasetOf(rule, newest, await listedBy(sources.store, rule, newest)).files)
      files.set(path, { path, sha256, bytes });
  }
  return [...files.values()];
}

function othersOf(files: readonly WindowMember[], path: string): DatasetPlan['others'] {
  return files.filter((file) => file.path !== path).map((file) => ({ path: file.path, sha256: file.sha256, bytes: file.bytes }));
}

/** The planned file as the newest member; no sequencer is known of what has not landed. */
function memberOf(path: string, ordinal: number): WindowMember {
  const nothing = { account: '', container: '', eTag: 'planned', sequencer: '', sha256: '0'.repeat(64), bytes: 0 };
  return { entryId: 'e-planned', path, ordinal, late: false, carried: false, ...nothing };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
