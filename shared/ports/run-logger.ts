// Runs of every backend in one experiment tracker, so that they can be compared in one place.

/** A finished run, as a tracker is to know it. */
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
  finishedAt: string;
  status: 'succeeded' | 'failed' | 'cancelled';
}

export interface RunLogger {
  /** Idempotent by `runId`: a repeat completes what is missing and makes no second run. `url` is a page for people. */
  log(run: LoggedRun): Promise<{ mlflowRunId: string; url: string }>;
}
