// Keeps one workspace on disk: one file per job, one for assets, one for long operations, and the folders of runs and artifacts.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openState, type State } from '../kit/state.ts';
import type { AssetContainer, AssetKind, JobRecord, OperationRecord } from './model.ts';
import { openTrackingStore, type TrackingStore } from './mlflow/tracking-store.ts';
import { folderName } from './names.ts';

export type Assets = Record<AssetKind, AssetContainer[]>;

/** The stored model of a workspace. Records are live: change them in place and save. */
export interface Store {
  readonly assets: State<Assets>;
  readonly tracking: TrackingStore;
  job(name: string): JobRecord | undefined;
  jobs(): JobRecord[];
  addJob(job: JobRecord): JobRecord;
  saveJob(job: JobRecord): void;
  /** Forgets the job and removes its folder. */
  dropJob(name: string): void;
  /** Private folder of a job's process. */
  jobFolder(name: string): string;
  /** Artifacts of a container, e.g. origin `ExperimentRun`, container `dcid.{run id}`. */
  artifactFolder(origin: string, container: string): string;
  readonly folder: string;
}

const EMPTY: Assets = { environments: [], codes: [], models: [], data: [], components: [] };

/** Opens a workspace's folder. */
export function openStore(folder: string): Store {
  const jobsFolder = join(folder, 'jobs');
  mkdirSync(jobsFolder, { recursive: true });
  const jobs = new Map<string, State<JobRecord | null>>();
  for (const name of readdirSync(jobsFolder)) {
    const file = join(jobsFolder, name, 'job.json');
    if (!existsSync(file)) continue;
    const state = openState<JobRecord | null>(file, null);
    if (state.value) jobs.set(state.value.name, state);
  }
  const jobFolder = (name: string) => join(jobsFolder, folderName(name));
  return {
    folder,
    assets: openState<Assets>(join(folder, 'assets.json'), EMPTY),
    tracking: openTrackingStore(join(folder, 'mlflow')),
    job: (name) => jobs.get(name)?.value ?? undefined,
    jobs: () => [...jobs.values()].map((state) => state.value).filter((job) => job !== null),
    addJob(job) {
      const state = openState<JobRecord | null>(join(jobFolder(job.name), 'job.json'), job);
      state.save();
      jobs.set(job.name, state);
      return state.value ?? job;
    },
    saveJob(job) {
      jobs.get(job.name)?.save();
    },
    dropJob(name) {
      jobs.delete(name);
      rmSync(jobFolder(name), { recursive: true, force: true });
    },
    jobFolder,
    artifactFolder: (origin, container) => join(folder, 'artifacts', folderName(origin), folderName(container)),
  };
}

/** All operations of the stand-in. */
export const openOperations = (folder: string): State<OperationRecord[]> =>
  openState<OperationRecord[]>(join(folder, 'operations.json'), []);
