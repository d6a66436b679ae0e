// Experiments and runs of a workspace: one file of experiments, one folder per run with its metrics as a file that only grows.
// A job's run has the job's name as its id (facts/azure.md §2); others get a GUID.
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openState, type State } from '../../kit/state.ts';
import { folderName } from '../names.ts';

export interface ExperimentRecord {
  experimentId: string;
  name: string;
  lifecycle: 'active' | 'deleted';
  createdAt: number;
  updatedAt: number;
  tags: Record<string, string>;
}

export type RunStatus = 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED';

export interface TrackedRun {
  runId: string;
  experimentId: string;
  name: string;
  userId: string;
  status: RunStatus;
  startTime: number;
  endTime: number | null;
  lifecycle: 'active' | 'deleted';
  tags: Record<string, string>;
  params: Record<string, string>;
  /** Datasets and models as they were logged. */
  inputs: unknown[];
  /** The service made it for a job: clients cannot close it. */
  ofJob: boolean;
}

/** One logged value; `seenAt` is when it becomes readable. */
export interface Metric {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
  readonly seenAt: number;
}

/** Stores runs. Records are live: change them in place and save. */
export interface TrackingStore {
  readonly experiments: State<ExperimentRecord[]>;
  run(runId: string): TrackedRun | undefined;
  runs(): TrackedRun[];
  add(run: TrackedRun): TrackedRun;
  save(run: TrackedRun): void;
  log(runId: string, metrics: readonly Metric[]): void;
  /** Everything that was logged, in the order of logging. */
  metrics(runId: string): readonly Metric[];
  /** Called after each `log`. */
  listen(listener: (runId: string, metrics: readonly Metric[]) => void): () => void;
}

/** Opens the store in a folder. */
export function openTrackingStore(folder: string): TrackingStore {
  const experiments = openState<ExperimentRecord[]>(join(folder, 'experiments.json'), []);
  const runsFolder = join(folder, 'runs');
  mkdirSync(runsFolder, { recursive: true });
  const runs = new Map<string, State<TrackedRun | null>>();
  const logged = new Map<string, Metric[]>();
  const listeners = new Set<(runId: string, metrics: readonly Metric[]) => void>();
  const folderOf = (runId: string) => join(runsFolder, folderName(runId));

  for (const name of readdirSync(runsFolder)) {
    const file = join(runsFolder, name, 'run.json');
    if (!existsSync(file)) continue;
    const state = openState<TrackedRun | null>(file, null);
    if (!state.value) continue;
    runs.set(state.value.runId, state);
    logged.set(state.value.runId, readMetrics(join(runsFolder, name, 'metrics.jsonl')));
  }

  return {
    experiments,
    run: (runId) => runs.get(runId)?.value ?? undefined,
    runs: () => [...runs.values()].map((state) => state.value).filter((run) => run !== null),
    add(run) {
      const state = openState<TrackedRun | null>(join(folderOf(run.runId), 'run.json'), run);
      state.save();
      runs.set(run.runId, state);
      return state.value ?? run;
    },
    save(run) {
      runs.get(run.runId)?.save();
    },
    log(runId, metrics) {
      if (metrics.length === 0) return;
      appendFileSync(join(folderOf(runId), 'metrics.jsonl'), metrics.map((metric) => `${JSON.stringify(onDisk(metric))}\n`).join(''));
      const rows = logged.get(runId) ?? [];
      logged.set(runId, rows);
      rows.push(...metrics);
      for (const listener of listeners) listener(runId, metrics);
    },
    metrics: (runId) => logged.get(runId) ?? [],
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

const onDisk = (metric: Metric): object => ({ ...metric, value: Number.isFinite(metric.value) ? metric.value : String(metric.value) });

/** A line that a kill cut off is the last one; it was never answered, so it is left out. */
function readMetrics(file: string): Metric[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const metric = JSON.parse(line) as Metric;
      return { ...metric, value: Number(metric.value) };
    });
}
