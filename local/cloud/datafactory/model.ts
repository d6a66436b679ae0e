// What the Data Factory stand-in is given and what it keeps: pipelines as configuration, runs as state.
import type { Clock } from '../kit/clock.ts';

/** Copies one file of this machine into the lake, as a copy activity does with a table of a database behind a self-hosted runtime. */
export interface CopyActivity {
  readonly name: string;
  readonly type: 'Copy';
  /** File on this machine: the "database". */
  readonly from: string;
  readonly container: string;
  /** Path of the blob; `@{pipeline().parameters.NAME}` and `@{pipeline().RunId}` are replaced. */
  readonly to: string;
}

/** Runs a program: exit code 0 is success, the last line of its output is the message of a failure. */
export interface CustomActivity {
  readonly name: string;
  readonly type: 'Custom';
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment; parameters are added as `ADF_<NAME>`. */
  readonly env?: Readonly<Record<string, string>>;
}

export type Activity = CopyActivity | CustomActivity;
export type ParameterType = 'String' | 'Int' | 'Float' | 'Bool' | 'Array' | 'Object' | 'SecureString';

/** A published pipeline. */
export interface PipelineDefinition {
  readonly parameters?: Readonly<Record<string, { readonly type: ParameterType; readonly defaultValue?: unknown }>>;
  readonly activities: readonly Activity[];
  /** Runs at once; the others wait as Queued, at most 100 (facts/datafactory.md §2). Default: as many as come. */
  readonly concurrency?: number;
}

export interface DataFactoryOptions {
  readonly dataDir: string;
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly factory: string;
  readonly pipelines: Readonly<Record<string, PipelineDefinition>>;
  /** Where copies go: a storage account by connection string. */
  readonly connectionString: string;
  /** Recognises a caller; rejects with a refusal that has `status`, `code` and `message`, as ARM's gate does. */
  readonly authorize: (request: Request) => Promise<{ readonly oid: string }>;
  /** Object ids that may start, read and cancel runs; default everybody with a good token. */
  readonly operators?: readonly string[];
  /** How long a fresh run stays out of queries (facts/datafactory.md §2: recent runs may appear late). Default 0. */
  readonly queryDelayMs?: number;
  readonly clock?: Clock;
}

export type RunStatus = 'Queued' | 'InProgress' | 'Succeeded' | 'Failed' | 'Canceling' | 'Cancelled';

/** Times are milliseconds since 1970. */
export interface RunRecord {
  readonly runId: string;
  readonly pipelineName: string;
  /** As they are returned: text, with JSON for arrays and objects (facts/datafactory.md §1). */
  readonly parameters: Record<string, string>;
  readonly createdAt: number;
  status: RunStatus;
  message: string;
  startedAt: number | null;
  endedAt: number | null;
  updatedAt: number;
  activities: ActivityRecord[];
}

export interface ActivityRecord {
  readonly activityRunId: string;
  readonly activityName: string;
  readonly activityType: string;
  status: 'InProgress' | 'Succeeded' | 'Failed' | 'Cancelled';
  startedAt: number;
  endedAt: number | null;
  output: Record<string, unknown>;
  message: string;
}

/** A call that is refused, in ARM's words. */
export class FactoryError extends Error {
  override readonly name = 'FactoryError';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
