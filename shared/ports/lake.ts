// The Data Lake: landed files, Delta tables made of them, and the store where Sluice and components leave files for each other.
import type { PipelineVersion } from '../contracts/pipeline.ts';
import type { Refined, StagedFile } from '../contracts/tables.ts';

/** Landed files. */
export interface Lake {
  /** Streams a blob once. Rejects `blob-gone`, `blob-changed`. `eTag` without quotes. */
  fingerprint(container: string, path: string, eTag: string): Promise<{ sha256: string; bytes: number }>;
  /** One cheap call that proves the way and the identity. Rejects `container-missing`. */
  probe(): Promise<void>;
}

/** Refines landed files into Delta tables. One commit per key and table, whatever is retried (transaction id = key). */
export interface RefineEngine {
  refine(request: {
    pipeline: PipelineVersion;
    key: string;
    container: string;
    files: { path: string; sha256: string; eTag: string }[];
  }): Promise<Refined>;
  /** Writes one gold version as CSV into the store under its digest; the same digest again reuses what is there. */
  stage(request: { pipeline: PipelineVersion; gold: { path: string; version: number; digest: string } }): Promise<StagedFile[]>;
}

/** Files of ours beside the lake: bundles, staged data, models, run reports. Paths are relative to the store's container. */
export interface Store {
  /** null when absent. Larger than `maxBytes`: RejectedError `file-too-large`. */
  read(path: string, maxBytes: number): Promise<Uint8Array | null>;
  /** Writes unless it exists. */
  create(path: string, content: Uint8Array, contentType: string): Promise<'created' | 'exists'>;
  /** A URL that reads this one file until it expires. Carries a signature: never log it. */
  signRead(path: string, seconds: number): Promise<string>;
  /** A URL that may create (not overwrite) this one file until it expires. Carries a signature: never log it. */
  signCreate(path: string, seconds: number): Promise<string>;
}
