// What the counting entities know: the open window of a source, and which windows wait for other sources. Reading changes nothing.
import type { JoinState, WindowState } from '../contracts/windows.ts';

export interface Windows {
  /** null: nothing was collected for this source yet, or nothing is kept of it any more. */
  window(pipeline: string, source: string): Promise<WindowState | null>;
  /** Of a pipeline that joins several sources; null when no window was closed yet. */
  join(pipeline: string): Promise<JoinState | null>;
}
