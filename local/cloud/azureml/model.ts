// What the stand-in remembers of one workspace: jobs, versions of assets, long operations. Times are milliseconds since 1970.
// Runs of MLflow have a model of their own (mlflow/tracking-store.ts); a job's run has the job's name.
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** facts/azure.md §1.3. */
export type JobStatus =
  | 'NotStarted'
  | 'Starting'
  | 'Provisioning'
  | 'Preparing'
  | 'Queued'
  | 'Running'
  | 'Finalizing'
  | 'CancelRequested'
  | 'NotResponding'
  | 'Completed'
  | 'Failed'
  | 'Canceled';

export const isTerminal = (status: JobStatus): boolean => status === 'Completed' || status === 'Failed' || status === 'Canceled';

/** Who did something, as `systemData` shows it. */
export interface Author {
  id: string;
  type: 'User' | 'Application';
}

export interface JobRecord {
  name: string;
  jobType: 'Command' | 'Sweep' | 'Pipeline';
  /** The body's `properties` without tags, properties, displayName, description and isArchived, which may change later. */
  spec: JsonObject;
  displayName: string;
  description: string | null;
  tags: Record<string, string>;
  userProperties: Record<string, string>;
  /** Properties that the service adds, e.g. `best_child_run_id`. */
  results: Record<string, string>;
  isArchived: boolean;
  experimentName: string;
  experimentId: string;
  status: JobStatus;
  history: { status: JobStatus; at: number }[];
  /** Why it failed or was cancelled, in words; not part of ARM's answer. */
  reason: string | null;
  createdAt: number;
  modifiedAt: number;
  createdBy: Author;
  startedAt?: number;
  endedAt?: number;
  parent?: string;
  root: string;
  /** Where each named output is, as an `azureml://` address. */
  outputUris: Record<string, string>;
}

export type AssetKind = 'environments' | 'codes' | 'models' | 'data' | 'components';

export interface AssetVersion {
  name: string;
  version: string;
  /** As sent, without tags, description, properties and isArchived. */
  spec: JsonObject;
  description: string | null;
  tags: Record<string, string>;
  properties: Record<string, string>;
  isArchived: boolean;
  createdAt: number;
  modifiedAt: number;
  createdBy: Author;
  /** Models only: what MLflow knows and ARM does not show. */
  mlflow?: { stage: string; runId: string; source: string; userId: string };
  /** Registries only: ARM id of the version that was published to it. */
  publishedFrom?: string;
}

export interface AssetContainer {
  name: string;
  description: string | null;
  tags: Record<string, string>;
  properties: Record<string, string>;
  isArchived: boolean;
  createdAt: number;
  modifiedAt: number;
  createdBy: Author;
  /** Data containers only. */
  dataType?: string;
  versions: AssetVersion[];
}

/** A long operation; it ends when the clock passes `dueAt` and its work is done. */
export interface OperationRecord {
  id: string;
  startedAt: number;
  dueAt: number;
  endedAt?: number;
  state: 'InProgress' | 'Succeeded' | 'Failed' | 'Canceled';
  error?: { code: string; message: string };
  /** Path of the resource that the operation is about. */
  resource: string;
}
