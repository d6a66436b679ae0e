// Where work that is handed to an engine outside this process is left, and what the engine has committed.
import type { ForeignCommit } from '../contracts/hand-over.ts';
import type { PipelineVersion } from '../contracts/pipeline.ts';

export interface HandOverDesk {
  /** URL of the lake container as the engine reaches it. */
  readonly lake: string;
  /** Writes into the lake unless it is there with the same bytes. Rejects `hand-over-differs`. */
  leave(path: string, content: Uint8Array): Promise<void>;
  /**
   * Takes the commits of this work's transaction back, so that nothing reads what was refused; a repeat finds it done. Says of each table
   * what came of it, for people; empty where nothing was committed.
   */
  takeBack(request: { pipeline: PipelineVersion; key: string; reason: string }): Promise<string[]>;
  /** The commits of this work's transaction in both tables; null where a table has none. */
  committed(request: { pipeline: PipelineVersion; key: string }): Promise<{ silver: ForeignCommit | null; gold: ForeignCommit | null }>;
}
