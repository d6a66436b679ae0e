// The Data Lake: landed files, Delta tables made of them, and the store where Sluice and components leave files for each other.
import type { PipelineVersion } from '../contracts/pipeline.ts';
import type { DatasetSize } from '../contracts/hand-over.ts';
import type { ErasureRecord, VacuumedTable } from '../contracts/erasure.ts';
import type { Preview, Refined, StagedFile } from '../contracts/tables.ts';

/** What a commit of a Delta table says of itself; read without the rest of the table. */
export interface CommitFacts {
  version: number;
  /** `commitInfo.operation`: WRITE, MERGE, OPTIMIZE, …; null when the writer gave none. */
  operation: string | null;
  /** Application ids of its transactions; ours begin with `sluice-`. */
  appIds: string[];
  /** Causal chain that our writers note; who copies it along is recognised by it. */
  chain: string[];
  /** The run that made it, as our writers note it. */
  runId: string | null;
  /** Whether rows came or went: files were added or removed with `dataChange`. */
  changesData: boolean;
}

/** Landed files. */
export interface Lake {
  /** Streams a blob once. Rejects `blob-gone`, `blob-changed`. `eTag` without quotes; null: as it is now. */
  fingerprint(container: string, path: string, eTag: string | null): Promise<{ sha256: string; bytes: number }>;
  /**
   * A commit file `<root>/_delta_log/<20 digits>.json`. Rejects `blob-gone`, `blob-changed`, `commit-unreadable` (half written, no
   * Delta commit, or larger than what is read).
   */
  readCommit(container: string, path: string, eTag: string | null): Promise<CommitFacts>;
  /** All of a small file, with its digest. Rejects `blob-gone`, `blob-changed`, `file-too-large`. `eTag` as above. */
  readSmall(container: string, path: string, eTag: string | null, maxBytes: number): Promise<{ content: Uint8Array; sha256: string }>;
  /** One cheap call that proves the way and the identity. Rejects `container-missing`. */
  probe(): Promise<void>;
}

/** A landed file of a dataset. `source` says whose it is where a pipeline has several. */
export interface DatasetFile {
  path: string;
  sha256: string;
  eTag: string;
  source?: string | undefined;
}

/** A file that stays on the premises: only who works beside it can read it. */
export interface RemoteFile {
  uri: string;
  sha256: string;
  bytes: number;
  /** Name that its manifest gives the dataset. */
  dataset?: string | undefined;
  /** Rows that its manifest says it has. */
  rows?: number | undefined;
}

/** All files of a dataset, or the pages in which a window gives them; their order means nothing. */
export type DatasetFiles = readonly DatasetFile[] | AsyncIterable<DatasetFile>;

/** A file to look at: `content` as it would land under `path`; without it, the blob that is there, or at `from`. */
export interface PreviewFile {
  path: string;
  content?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  from?: string | undefined;
}

/** Refines landed files into Delta tables. One commit per key and table, whatever is retried (transaction id = key). */
export interface RefineEngine {
  /** Exactly one of `files`, `remote` and `commit` says what the dataset is; the others are empty or absent. */
  refine(request: {
    pipeline: PipelineVersion;
    key: string;
    container: string;
    files: DatasetFiles;
    /** With `data: on-premises`: the tables become what the manifests say, never the rows. */
    remote?: RemoteFile[] | undefined;
    /**
     * A commit of the Delta table of a source with `format: delta`; `path` is the table's folder. Silver gets the rows that the commit
     * added; with `mode: overwrite` all rows of that version.
     */
    commit?: { source: string; path: string; version: number } | undefined;
    /** Goes into `commitInfo.sluice.chain` of every commit. */
    chain?: readonly string[] | undefined;
    /** Goes into `commitInfo.sluice.runId`. */
    runId?: string | undefined;
  }): Promise<Refined>;
  /** The gold step alone, over the silver table as somebody else left it at this version; once per key. */
  refineGold(request: {
    pipeline: PipelineVersion;
    key: string;
    silver: { version: number };
    chain?: readonly string[] | undefined;
    runId?: string | undefined;
  }): Promise<Refined>;
  /** Gold as it is now, or at a version; null when there is no gold yet. */
  readGold(request: {
    pipeline: PipelineVersion;
    version?: number | undefined;
  }): Promise<{ table: string; path: string; version: number; digest: string } | null>;
  /**
   * Writes one gold version as CSV into the store under its digest; the same digest again reuses what is there. With `data: on-premises`
   * nothing is written: gold holds addresses (`path` of each file), and they are given.
   */
  stage(request: { pipeline: PipelineVersion; gold: { path: string; version: number; digest: string } }): Promise<StagedFile[]>;
  /** How much there is to refine, without reading it. Rejects `blob-gone`, `blob-changed`. */
  size(request: { container: string; files: DatasetFiles }): Promise<DatasetSize>;
  /** What refining these files would do; nothing is written outside the work folder. A refusal of the data is an answer. */
  preview(request: {
    pipeline: PipelineVersion;
    files: readonly PreviewFile[];
    /** With `data: on-premises`, instead of files. */
    remote?: readonly RemoteFile[] | undefined;
  }): Promise<Preview>;
}

/** Takes away what must not be kept. */
export interface ErasureEngine {
  /**
   * Removes every row whose `column` has the value from silver, gold, quarantine, corrected files, staged data and golden requests, and
   * the files that held them at once. Once per `requestId`: the record of the first is given back. Rejects `bad-key` (no table has the
   * column), `bad-value`, `erase-incomplete` (gold can neither be searched nor computed again). The value is in no message and no record.
   */
  erase(request: {
    pipeline: PipelineVersion;
    requestId: string;
    column: string;
    value: string;
    by: string;
    at: string;
    reason: string;
  }): Promise<ErasureRecord>;
  /** Records of a pipeline, the newest first. */
  erasures(pipeline: string, limit: number): Promise<ErasureRecord[]>;
  /** Removes files that no version within each table's retention needs, except those of gold versions that somebody still reads. */
  vacuum(request: { pipeline: PipelineVersion; keepGold: readonly number[]; dryRun: boolean }): Promise<VacuumedTable[]>;
}

/** Files of ours beside the lake: bundles, staged data, models, run reports. Paths are relative to the store's container. */
export interface Store {
  /** null when absent. Larger than `maxBytes`: RejectedError `file-too-large`. */
  read(path: string, maxBytes: number): Promise<Uint8Array | null>;
  /** SHA-256 and size of a file of any size, as it is stored; null when absent. */
  digest(path: string): Promise<{ sha256: string; bytes: number } | null>;
  /** Writes unless it exists. */
  create(path: string, content: Uint8Array, contentType: string): Promise<'created' | 'exists'>;
  /** A URL that reads this one file until it expires. Carries a signature: never log it. */
  signRead(path: string, seconds: number): Promise<string>;
  /** A URL that may create (not overwrite) this one file until it expires. Carries a signature: never log it. */
  signCreate(path: string, seconds: number): Promise<string>;
}
