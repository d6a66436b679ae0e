// What the stand-in remembers: pipelines, versions, experiments, runs and their tasks, as plain JSON.
// Times are milliseconds since 1970; states are those of the v2beta1 API.
import type { Json, JsonObject } from './protojson.ts';

export type RuntimeState = 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'SKIPPED' | 'FAILED' | 'CANCELING' | 'CANCELED' | 'PAUSED';
export type StorageState = 'AVAILABLE' | 'ARCHIVED';

/** google.rpc.Status. */
export interface Status {
  code: number;
  message: string;
}

export interface PipelineRecord {
  pipelineId: string;
  name: string;
  displayName: string;
  description: string;
  namespace: string;
  createdAt: number;
  tags: Record<string, string>;
}

export interface VersionRecord {
  pipelineId: string;
  pipelineVersionId: string;
  name: string;
  displayName: string;
  description: string;
  codeSourceUrl: string;
  createdAt: number;
  tags: Record<string, string>;
  /** The uploaded YAML. */
  file: string;
}

export interface ExperimentRecord {
  experimentId: string;
  displayName: string;
  description: string;
  namespace: string;
  storageState: StorageState;
  createdAt: number;
}

export interface StateChange {
  updateTime: number;
  state: RuntimeState;
  error?: Status;
}

/** An artifact: where it is for the API's readers, and where it lies on this machine. */
export interface Artifact {
  name: string;
  type: { schemaTitle?: string; schemaVersion?: string; instanceSchema?: string };
  uri: string;
  path: string;
  metadata: JsonObject;
}

/** What a task left behind. */
export interface TaskOutputs {
  parameters: Record<string, Json>;
  artifacts: Record<string, Artifact[]>;
}

export interface TaskRecord {
  taskId: string;
  /** Names from the root down, e.g. `train` or `outer/train`. */
  path: string;
  displayName: string;
  /** Name of its pod, also the node id of the log route; empty for a nested DAG. */
  podName: string;
  parentTaskId: string;
  createTime: number;
  startTime?: number;
  endTime?: number;
  state: RuntimeState;
  stateHistory: StateChange[];
  error?: Status;
  /** Pods of attempts that failed before the last one. */
  failedPods: string[];
  outputs?: TaskOutputs;
  /** What the step was limited to, as far as the pipeline said. */
  resources?: { cpu?: string; memory?: string; accelerator?: string };
}

export interface RunRecord {
  runId: string;
  experimentId: string;
  displayName: string;
  description: string;
  namespace: string;
  serviceAccount: string;
  storageState: StorageState;
  reference?: { pipelineId: string; pipelineVersionId: string };
  /** Inline pipeline as it was sent, where there is no reference. */
  inlineSpec?: JsonObject;
  /** Text of the pipeline file that is executed. */
  file: string;
  parameters: Record<string, Json>;
  pipelineRoot: string;
  /** Name of the workflow that would run it on a cluster. */
  workflow: string;
  createdAt: number;
  finishedAt?: number;
  state: RuntimeState;
  stateHistory: StateChange[];
  error?: Status;
  tasks: TaskRecord[];
}

const TERMINAL: ReadonlySet<RuntimeState> = new Set<RuntimeState>(['SUCCEEDED', 'FAILED', 'CANCELED', 'SKIPPED']);

/** Whether a state is final (`:retry` can still leave it). */
export const isTerminal = (state: RuntimeState): boolean => TERMINAL.has(state);
