// What the Databricks stand-in is given and what it keeps.
import type { Clock } from '../kit/clock.ts';

/** A volume: a folder of this machine, or an external location over a container of a storage account. */
export type VolumeOptions =
  | { readonly path: string; readonly folder: string }
  | { readonly path: string; readonly connectionString: string; readonly container: string };

export interface PrincipalOptions {
  readonly objectId: string;
  readonly name: string;
  /** May create runs and attach to clusters; without it only reading is allowed. */
  readonly mayRun?: boolean;
}

export interface DatabricksOptions {
  readonly dataDir: string;
  readonly issuer: string;
  readonly jwksUri: string;
  /** Audience of Entra tokens; default the Databricks application (facts/azure.md §6). */
  readonly audience?: string;
  /** Who is in the workspace; a good token of somebody else is refused. */
  readonly principals: readonly PrincipalOptions[];
  readonly volumes: readonly VolumeOptions[];
  readonly clusters?: readonly { readonly id: string; readonly state: string; readonly env?: Readonly<Record<string, string>> }[];
  /** Values of `{{secrets/SCOPE/KEY}}` in spark_env_vars, by `SCOPE/KEY`. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Environment of every task, e.g. where packages of this machine's Python are. */
  readonly env?: Readonly<Record<string, string>>;
  readonly python: string;
  /** How long a run stays PENDING before its first task. */
  readonly pendingMs?: number;
  /** How long a process may take to end after SIGTERM, milliseconds (default 1000). */
  readonly graceMs?: number;
  readonly clock?: Clock;
}

export type TaskState = 'BLOCKED' | 'PENDING' | 'RUNNING' | 'TERMINATED';

export interface TaskRecord {
  readonly runId: string;
  readonly taskKey: string;
  /** The task as it was submitted. */
  readonly settings: Record<string, unknown>;
  state: TaskState;
  termination: { code: string; type: string; message: string } | null;
  startTime: number;
  endTime: number;
  error: string;
}

export interface RunRecord {
  readonly runId: string;
  readonly runName: string;
  readonly token: string | null;
  readonly creator: string;
  readonly startTime: number;
  readonly timeoutSeconds: number;
  endTime: number;
  cancelled: boolean;
  /** It waits for a machine. */
  held: boolean;
  tasks: TaskRecord[];
}

/** A call that is refused: `{"error_code","message"}`. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export const invalid = (message: string): ApiError => new ApiError(400, 'INVALID_PARAMETER_VALUE', message);
