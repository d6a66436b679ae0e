// The state that the JavaScript SDK returns from an orchestrator, and the actions in it.
// Source: durable-functions 3.5.0 lib/src/actions and orchestrations/OrchestratorState.js (facts/durable.md §2.3).
import type { RetryPolicy } from './retry.ts';

export const ActionType = {
  CallActivity: 0,
  CallActivityWithRetry: 1,
  CallSubOrchestrator: 2,
  CallSubOrchestratorWithRetry: 3,
  ContinueAsNew: 4,
  CreateTimer: 5,
  WaitForExternalEvent: 6,
  CallEntity: 7,
  CallHttp: 8,
  SignalEntity: 9,
  ScheduledSignalEntity: 10,
  WhenAny: 11,
  WhenAll: 12,
  LockEntities: 13,
  ReleaseEntities: 14,
} as const;

/** One thing that the orchestrator asked for. Which fields are set depends on the type. */
export interface Action {
  actionType: number;
  functionName?: string;
  input?: unknown;
  retryOptions?: RetryPolicy;
  instanceId?: string;
  version?: string;
  fireAt?: string;
  isCanceled?: boolean;
  externalEventName?: string;
  operation?: string;
  scheduledTime?: string;
  httpRequest?: DurableHttpRequest;
  compoundActions?: Action[];
  lockSet?: { name: string; key: string }[];
  lockRequestId?: string;
}

export interface DurableHttpRequest {
  method: string;
  uri: string;
  content?: string;
  headers?: Record<string, string>;
  tokenSource?: { kind?: string; resource?: string };
  asynchronousPatternEnabled?: boolean;
}

/** All actions from the start of the execution, at every replay. */
export interface OrchestratorState {
  isDone: boolean;
  actions: Action[][];
  output?: unknown;
  error?: string;
  customStatus?: unknown;
  schemaVersion: number;
  failureDetails?: unknown;
}

const outOfProcMark = '\n\n$OutOfProcData$:';

/** Takes the state out of the error with which the SDK reports a failed orchestrator; undefined when the error is another. */
export function stateOfFailure(message: string): OrchestratorState | undefined {
  const at = message.indexOf(outOfProcMark);
  if (at < 0) return undefined;
  return JSON.parse(message.slice(at + outOfProcMark.length)) as OrchestratorState;
}
