// Keeps the model on disk: one file for pipelines, versions and experiments, one file and one private folder per run.
// Ids become file names, so runs have UUIDs only.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openState, type State } from '../kit/state.ts';
import type { ExperimentRecord, PipelineRecord, RunRecord, VersionRecord } from './model.ts';

/** Everything but runs. */
export interface Catalog {
  pipelines: PipelineRecord[];
  versions: VersionRecord[];
  experiments: ExperimentRecord[];
}

/** The stored model. Records are live: change them in place and save. */
export interface Store {
  readonly catalog: State<Catalog>;
  run(runId: string): RunRecord | undefined;
  /** All runs, in no particular order. */
  runs(): RunRecord[];
  /** Stores a new run; gives back the live record. */
  addRun(run: RunRecord): RunRecord;
  saveRun(run: RunRecord): void;
  /** Forgets the run and removes its folder. */
  deleteRun(runId: string): void;
  /** Private folder of a run: logs and artifacts. */
  runDir(runId: string): string;
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Opens the model in a directory. */
export function openStore(dataDir: string): Store {
  const catalog = openState<Catalog>(join(dataDir, 'catalog.json'), { pipelines: [], versions: [], experiments: [] });
  const runsDir = join(dataDir, 'runs');
  mkdirSync(runsDir, { recursive: true });
  const runs = new Map<string, State<RunRecord | null>>();
  for (const runId of readdirSync(runsDir).filter((name) => UUID.test(name))) {
    const file = join(runsDir, runId, 'run.json');
    if (existsSync(file)) runs.set(runId, openState<RunRecord | null>(file, null));
  }
  const runDir = (runId: string): string => {
    if (!UUID.test(runId)) throw new Error(`${runId} is not a UUID`);
    return join(runsDir, runId);
  };
  return {
    catalog,
    runDir,
    run: (runId) => runs.get(runId)?.value ?? undefined,
    runs: () => [...runs.values()].map((state) => state.value).filter((run) => run !== null),
    addRun(run) {
      const state = openState<RunRecord | null>(join(runDir(run.runId), 'run.json'), run);
      state.save();
      runs.set(run.runId, state);
      return state.value ?? run;
    },
    saveRun(run) {
      runs.get(run.runId)?.save();
    },
    deleteRun(runId) {
      runs.delete(runId);
      rmSync(runDir(runId), { recursive: true, force: true });
    },
  };
}
