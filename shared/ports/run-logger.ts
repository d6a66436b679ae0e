// Runs of every backend in one experiment tracker, so that they can be compared in one place.

/** A run as a tracker is to know it: one that has ended, or one that others are to be shown below. */
export interface LoggedRun {
  runId: string;
  experiment: string;
  pipeline: string;
  params: Readonly<Record<string, string | number | boolean>>;
  /** Numbers that are not finite are never sent. */
  metrics: Readonly<Record<string, number>>;
  tags: Readonly<Record<string, string>>;
  /** ISO 8601. */
  startedAt: string;
  /** null while it runs. */
  finishedAt: string | null;
  status: 'running' | 'succeeded' | 'failed' | 'cancelled';
  /** The tracker's own id of the run that this one is a part of, as `log` gave it. */
  parentRunId?: string;
}

export interface RunLogger {
  /** Idempotent by `runId`: a repeat completes what is missing, ends what has ended, and makes no second run. `url` is a page for people. */
  log(run: LoggedRun): Promise<{ mlflowRunId: string; url: string }>;
}
