// The vital signs of pipelines and the timers' own bookmarks: what a tick needs to know without reading the whole past.
import type { PipelineVitals, Reconciling, Retaining, Watch } from '../contracts/vitals.ts';

export interface VitalsStore {
  /** All pipelines that a timer has met, by name. */
  list(): Promise<PipelineVitals[]>;
  /**
   * Reads, changes and writes, again when somebody else wrote in between; `change` is pure and may run several times. The same object
   * is not written again.
   */
  update(pipeline: string, change: (before: PipelineVitals | null) => PipelineVitals): Promise<PipelineVitals>;
  /** Bookmarks: the last writer wins, because reading something twice changes nothing. null: nothing was read yet. */
  watch(): Promise<Watch | null>;
  setWatch(watch: Watch): Promise<void>;
  reconciling(): Promise<Reconciling | null>;
  setReconciling(reconciling: Reconciling): Promise<void>;
  retaining(): Promise<Retaining | null>;
  setRetaining(retaining: Retaining): Promise<void>;
}
