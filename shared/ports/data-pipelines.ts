// Data pipelines that others own (Data Factory): Sluice starts a run of one, by name, and waits for it.
import type { JobState } from '../contracts/training.ts';

export interface DataPipelines {
  /**
   * Starts a run that carries `runKey`, or adopts the one that carries it already: nothing at the service deduplicates starts.
   * Rejects `pipeline-run-refused` (the pipeline or a parameter is not there), transient errors throw TransientError.
   */
  start(request: {
    pipeline: string;
    runKey: string;
    parameters: Readonly<Record<string, string>>;
  }): Promise<{ jobId: string; adopted: boolean }>;
  get(jobId: string): Promise<JobState>;
  /** Asks for the end of a run; one that has ended or is unknown stays as it is. */
  cancel(jobId: string): Promise<void>;
  /** What each activity of a run came to, at most `maxBytes` of each; empty for a run that the service does not know (any more). */
  logs(jobId: string, maxBytes: number): Promise<{ step: string; text: string }[]>;
  /** One cheap call that proves the way and the identity. */
  probe(): Promise<{ factory: string }>;
}
