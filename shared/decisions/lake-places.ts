// Whose a path in the lake is: a landing folder, a Delta table that is a source, or one of the tables that Sluice writes.
import type { PipelineVersion } from '../contracts/pipeline.ts';
import { parseComplete } from '../contracts/pipeline/source.ts';
import type { Collecting } from '../contracts/windows.ts';
import { durationSeconds } from './durations.ts';

/** A landing folder with what the decision needs to know of its source. */
export interface Owner {
  pipeline: string;
  /** Landing folder with a trailing slash. */
  path: string;
  source: string;
  /** The folder is a Delta table: its commits are the datasets. */
  delta: boolean;
  /** Manifests land, never rows. */
  onPremises: boolean;
  /** Name of the file that lists the members, where that is the rule. */
  manifest: string | null;
  /** null: every file is a dataset of its own. */
  collecting: Collecting | null;
}

/** A table that Sluice writes. */
export interface OwnTable {
  pipeline: string;
  layer: 'silver' | 'gold' | 'quarantine';
  /** Root with a trailing slash. */
  root: string;
}

/** Every landing folder of a registered pipeline. */
export function ownersOf(version: Pick<PipelineVersion, 'name' | 'spec'>): Owner[] {
  const { spec, name } = version;
  const joined = spec.sources.length > 1;
  const sources = joined
    ? spec.sources.map((source) => ({
        name: source.name,
        maxLagSeconds: source.maxLag === undefined ? null : durationSeconds(source.maxLag),
      }))
    : [];
  return spec.sources.map((source) => {
    const complete = source.complete ?? spec.complete;
    const rule = parseComplete(complete);
    const alone = !joined && rule?.kind === 'files' && rule.count === 1;
    const lateness = spec.lateness ? { allowedSeconds: durationSeconds(spec.lateness.allowed), then: spec.lateness.then } : null;
    return {
      pipeline: name,
      path: source.path,
      source: source.name,
      delta: source.format === 'delta',
      onPremises: spec.data === 'on-premises',
      manifest: rule?.kind === 'manifest' ? rule.name : null,
      collecting: alone ? null : { source: source.name, folder: source.path, complete, lateness, sources },
    };
  });
}

/** The roots of the tables of a pipeline, as the lake adapter names them. */
export function tablesOf(version: Pick<PipelineVersion, 'name' | 'spec'>): OwnTable[] {
  const { name, spec } = version;
  const { silver, gold } = spec.tables;
  return [
    { pipeline: name, layer: 'silver', root: `silver/${name}/${silver.name}/` },
    { pipeline: name, layer: 'gold', root: `gold/${name}/${gold.name}/` },
    { pipeline: name, layer: 'quarantine', root: `quarantine/${name}/${silver.name}/` },
  ];
}

/** The pipeline whose landing folder holds the path; the longest folder wins. */
export function ownerOf<Folder extends { path: string }>(path: string, owners: readonly Folder[]): Folder | null {
  const holding = owners.filter((owner) => path.startsWith(owner.path) && path.length > owner.path.length);
  return holding.reduce<Folder | null>((best, owner) => (best === null || owner.path.length > best.path.length ? owner : best), null);
}

/** A path below a Delta table of ours or of a source. */
export interface TablePath {
  root: string;
  /** Version when the path is that of a commit; null for data files, checkpoints, checksums and everything else. */
  version: number | null;
  /** The pipeline that reads the table as a source. */
  reader: Owner | null;
  /** The pipeline that writes it. */
  table: OwnTable | null;
}

/** null for a path that is below no table. */
export function tablePathOf(path: string, owners: readonly Owner[], tables: readonly OwnTable[]): TablePath | null {
  const reader = ownerOf(
    path,
    owners.filter(({ delta }) => delta),
  );
  const table = ownerOf(
    path,
    tables.map((one) => ({ ...one, path: one.root })),
  );
  const root = reader?.path ?? table?.path;
  if (root === undefined) return null;
  const [, version] = /^_delta_log\/([0-9]{20})\.json$/.exec(path.slice(root.length)) ?? [];
  // Beyond 2^53 two versions could not be told apart; no table gets there.
  const known = version !== undefined && Number.isSafeInteger(Number(version)) ? Number(version) : null;
  return { root, version: known, reader, table: table && { pipeline: table.pipeline, layer: table.layer, root: table.root } };
}
