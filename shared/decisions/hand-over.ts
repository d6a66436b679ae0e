// Who refines a dataset: the engine in this process, or, above a configured size, a larger one that somebody runs beside it; and what
// that engine is told.
import type { DatasetSize, HandOverManifest, LargeEngine } from '../contracts/hand-over.ts';
import type { PipelineVersion } from '../contracts/pipeline.ts';
import type { Table } from '../contracts/pipeline/table.ts';
import type { JobSpec } from '../contracts/training.ts';
import { RejectedError } from '../errors/errors.ts';
import { ownerOf, tablesOf } from './lake-places.ts';

export interface HandOverPolicy {
  /** Unpacked bytes above which the step is handed over; null: never. */
  aboveBytes: number | null;
  to: LargeEngine | null;
}

export type HandOver = { engine: 'embedded'; reason: string } | { engine: LargeEngine; reason: string };

/** What text usually becomes when it is unpacked: a packed file of a gigabyte is not a small one. */
export const UNPACKED_FACTOR = 8;

/** The component that refines on Spark, and the version of the transaction: one for each key, whatever is retried. */
const COMPONENT = 'refine';
const TXN_VERSION = 1;
/** The service gives a run up later than we do. */
const MARGIN_SECONDS = 600;

/** Decides by the size that storage tells, before anything is read. */
export function decideHandOver(size: DatasetSize, policy: HandOverPolicy): HandOver {
  const unpacked = size.bytes + size.packedBytes * (UNPACKED_FACTOR - 1);
  const what = `${size.files} file${size.files === 1 ? '' : 's'} of about ${megabytes(unpacked)} MB`;
  if (policy.aboveBytes === null || policy.to === null) return { engine: 'embedded', reason: `${what}; no larger engine is configured` };
  const limit = `${megabytes(policy.aboveBytes)} MB`;
  if (unpacked <= policy.aboveBytes) return { engine: 'embedded', reason: `${what}, at most ${limit}` };
  return { engine: policy.to, reason: `${what}, above ${limit}` };
}

/** Why a dataset that is not made of landed files is refined here. */
export const REFINED_HERE: HandOver = { engine: 'embedded', reason: 'no landed files of the lake: rows of a commit, or of the premises' };

/** Name of the engine's run, and of the instance that waits for it. */
export function handOverName(runId: string): string {
  return `${runId}-refine`;
}

/** Folder of the manifest, below the lake container or the store. */
export function handOverFolder(runId: string): string {
  return `hand-over/${runId}`;
}

export interface HandOverWork {
  version: PipelineVersion;
  runId: string;
  key: string;
  lake: string;
  files: readonly { path: string; sha256: string; eTag: string; source?: string | undefined }[];
  chain: readonly string[];
}

/** What the engine is told; the same work gives the same bytes. Rejects `no-source`, `source-missing`. */
export function manifestOf({ version, runId, key, lake, files, chain }: HandOverWork): HandOverManifest {
  const { name, digest, spec, sql } = version;
  const owned = files.map(({ path, sha256, eTag, source }) => {
    const owner = source ?? ownerOf(path, spec.sources)?.name;
    if (owner === undefined) throw new RejectedError('no-source', `${path}: no source of the pipeline has a folder that holds this file`);
    return { source: owner, path, eTag, sha256 };
  });
  for (const { name: source, path } of spec.sources) {
    if (!owned.some((file) => file.source === source))
      throw new RejectedError('source-missing', `source "${source}" has no file in this dataset. Mend: drop one into ${path}.`);
  }
  const [silver, gold] = tablesOf(version);
  return {
    protocol: 1,
    pipeline: name,
    contractDigest: digest,
    runId,
    lake,
    sources: spec.sources,
    files: owned.sort((a, b) => (a.path < b.path ? -1 : 1)),
    tables: {
      silver: tableOf(spec.tables.silver, silver?.root ?? '', sql.silver),
      gold: tableOf(spec.tables.gold, gold?.root ?? '', sql.gold),
    },
    txn: { appId: `sluice-${key}`, version: TXN_VERSION },
    note: { runId, chain: [...chain] },
  };
}

function tableOf(table: Table, path: string, sql: string): HandOverManifest['tables']['silver'] {
  return { ...table, path, sql };
}

/** Parameters of the data pipeline's run beside `runKey`; all of them are of type String. */
export function pipelineParameters(version: PipelineVersion, key: string, manifest: string): Record<string, string> {
  const [silver, gold] = tablesOf(version);
  return {
    manifest,
    silverTable: silver?.root ?? '',
    goldTable: gold?.root ?? '',
    silverSql: version.sql.silver,
    goldSql: version.sql.gold,
    appId: `sluice-${key}`,
  };
}

/** The run of the wheel that refines: one step, whose input is the manifest. */
export function refiningJob(work: {
  version: PipelineVersion;
  runId: string;
  image: string;
  manifest: { path: string; sha256: string; bytes: number };
  deadlineSeconds: number;
}): JobSpec {
  const { version, runId, image, manifest, deadlineSeconds } = work;
  return {
    name: handOverName(runId),
    graph: `${version.name}-refine`,
    steps: [
      {
        name: COMPONENT,
        image,
        command: ['python3', '-m', 'sluice_refine'],
        args: ['--input', { input: 'manifest', prefix: 'manifest=' }, '--out', { output: 'result' }],
        cpu: 1,
        memoryGiB: 2,
        component: COMPONENT,
      },
    ],
    parameters: {},
    labels: { pipeline: version.name, run: runId },
    inputs: { manifest: [{ name: 'manifest.json', storePath: manifest.path, sha256: manifest.sha256, bytes: manifest.bytes, url: '' }] },
    exports: [
      {
        step: COMPONENT,
        output: 'result',
        file: 'run-report.json',
        storePath: `runs/${runId}/run-report.json`,
        url: '',
        readUrl: '',
        optional: true,
      },
    ],
    timeoutSeconds: deadlineSeconds + MARGIN_SECONDS,
  };
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(bytes < 10_000_000 ? 1 : 0);
}
