// What one piece of refining works with: engine, storage, pipeline, key; its tables, and how their commits are asked for.
import type { ContainerClient } from '@azure/storage-blob';
import * as z from 'zod';
import { mergeKeys, type Table } from '../../../contracts/pipeline/table.ts';
import type { PipelineVersion } from '../../../contracts/pipeline.ts';
import { RuleFinding, type Commit } from '../../../contracts/tables.ts';
import { durationSeconds } from '../../../decisions/durations.ts';
import type { UnpackLimits } from '../csv/gunzip.ts';
import type { Actions } from '../delta/actions.ts';
import type { Snapshot } from '../delta/snapshot.ts';
import { describeCommit, findTransaction, workTable, type WorkTable } from '../delta/table-files.ts';
import { blobStorage } from '../delta/table-storage.ts';
import type { WriteRequest } from '../delta/write.ts';
import type { RemoteFile } from '../../../ports/lake.ts';
import type { LandedFile, ReadLanded } from '../landed-file.ts';
import type { Duck } from './duck.ts';
import { rememberCommits } from './known-commits.ts';
import type { Content } from './table-content.ts';

/** A commit of a Delta source; `path` is the table's folder. */
export interface DeltaCommit {
  source: string;
  path: string;
  version: number;
}

/** Everything one piece of work needs. */
export interface Work {
  duck: Duck;
  container: ContainerClient;
  read: ReadLanded;
  limits: UnpackLimits;
  /** Bytes from which CSV is read the plain way. */
  plainFrom: number;
  pipeline: PipelineVersion;
  key: string;
  files: readonly LandedFile[];
  /** Instead of files: a commit of the Delta table of a source. */
  commit: DeltaCommit | undefined;
  /** Instead of files: what a manifest of the premises names. */
  remote?: readonly RemoteFile[] | undefined;
  /** Causal chain and run, kept with every commit. */
  chain: readonly string[] | undefined;
  runId: string | undefined;
  now: () => number;
  /** Told of what went wrong without failing the work. */
  warn: (message: string) => void;
}

/** What a commit remembers of the work, so that a retry can answer with it. */
export const Facts = z.object({
  readRows: z.number().int(),
  quarantinedRows: z.number().int(),
  findings: z.array(RuleFinding),
  silverVersion: z.number().int().optional(),
});
export type Facts = z.infer<typeof Facts>;

export interface Done {
  commit: Commit;
  facts: Facts;
}

export interface Tables {
  silver: WorkTable;
  gold: WorkTable;
  quarantine: WorkTable;
}

/** The tables of a pipeline; quarantine has the name of silver. */
export function tablesOf({ duck, container, pipeline }: Pick<Work, 'duck' | 'container' | 'pipeline'>): Tables {
  const { silver, gold } = pipeline.spec.tables;
  const storage = rememberCommits(blobStorage(container));
  const open = (layer: Commit['layer'], name: string) => workTable(duck, storage, layer, name, `${layer}/${pipeline.name}/${name}/`);
  return { silver: open('silver', silver.name), gold: open('gold', gold.name), quarantine: open('quarantine', silver.name) };
}

/** What the dataset consists of, for messages. */
export function pathsOf({ files, commit, remote }: Pick<Work, 'files' | 'commit' | 'remote'>): string[] {
  if (remote) return remote.map(({ uri }) => uri);
  return commit ? [`${commit.path} version ${commit.version}`] : files.map(({ path }) => path);
}

/** The transaction id of a key: what makes a commit happen once, whatever is retried. */
export const appIdOf = (key: string): string => `sluice-${key}`;

/** The commit of this key in a table, when there is one. */
export async function found(table: WorkTable, work: Work): Promise<Done | null> {
  const known = await findTransaction(table, appIdOf(work.key));
  return known && done(table, known.snapshot, known.actions);
}

async function done(table: WorkTable, snapshot: Snapshot, actions: Actions): Promise<Done> {
  return { commit: await describeCommit(table, snapshot, actions), facts: Facts.parse(actions.info?.sluice) };
}

/** How new content goes into a table, as its part of sluice.yaml says. */
export function writeRequest(work: Work, spec: Table, content: Content, facts: Facts, basis?: number): WriteRequest {
  const keys = mergeKeys(spec.mode);
  const { retention } = spec;
  return {
    appId: appIdOf(work.key),
    mode: keys.length > 0 ? 'merge' : spec.mode === 'append' ? 'append' : 'overwrite',
    ...(keys.length > 0 ? { keys } : {}),
    fields: content.fields,
    content: content.file,
    origin: spec.sql,
    evolve: spec.evolve,
    facts,
    ...(spec.partitionBy ? { partitionBy: spec.partitionBy } : {}),
    ...(retention ? { retention: { historySeconds: durationSeconds(retention.history), checkpointEvery: retention.checkpointEvery } } : {}),
    ...(basis === undefined || spec.mode !== 'overwrite' ? {} : { basis }),
    ...(work.chain === undefined ? {} : { chain: work.chain }),
    ...(work.runId === undefined ? {} : { runId: work.runId }),
  };
}
