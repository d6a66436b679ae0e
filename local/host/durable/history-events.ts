// The history events of the Durable Task Framework as they reach the JavaScript SDK: numbers, fields and field order of the recordings.
// One constructor per event that the engine makes; times are ISO texts in UTC.

/** Numbers of the wire protocol (facts/durable.md §2.2). */
export const EventType = {
  ExecutionStarted: 0,
  ExecutionCompleted: 1,
  ExecutionFailed: 2,
  ExecutionTerminated: 3,
  TaskScheduled: 4,
  TaskCompleted: 5,
  TaskFailed: 6,
  SubOrchestrationInstanceCreated: 7,
  SubOrchestrationInstanceCompleted: 8,
  SubOrchestrationInstanceFailed: 9,
  TimerCreated: 10,
  TimerFired: 11,
  OrchestratorStarted: 12,
  OrchestratorCompleted: 13,
  EventSent: 14,
  EventRaised: 15,
  ContinueAsNew: 16,
  GenericEvent: 17,
  HistoryState: 18,
  ExecutionSuspended: 19,
  ExecutionResumed: 20,
} as const;

/** Names by number, as the management API shows them. */
export const eventTypeNames = Object.fromEntries(Object.entries(EventType).map(([name, type]) => [type, name])) as Record<number, string>;

/** The parent of a sub-orchestration; `taskScheduleId` is the id of the task that waits for it. */
export interface ParentInstance {
  name: string;
  version: string | null;
  instanceId: string;
  executionId: string;
  taskScheduleId: number;
}

/** Structured failure of an activity whose app registered an exception properties provider (extension ≥ 3.13). */
export interface FailureDetails {
  ErrorType: string;
  ErrorMessage: string;
  StackTrace: string | null;
  InnerFailure: FailureDetails | null;
  IsNonRetriable: boolean;
  Properties: Record<string, unknown> | null;
}

/** One event. Fields beyond the common four depend on the type; they are written once and never changed, IsPlayed excepted. */
export interface HistoryEvent {
  EventType: number;
  EventId: number;
  IsPlayed: boolean;
  Timestamp: string;
  Name?: string;
  Version?: string | null;
  Input?: string | null;
  Result?: string | null;
  Reason?: string | null;
  Details?: string | null;
  FailureDetails?: FailureDetails | null;
  TaskScheduledId?: number;
  TimerId?: number;
  FireAt?: string;
  InstanceId?: string;
  Data?: string | null;
  OrchestrationStatus?: string;
  OrchestrationInstance?: { InstanceId: string; ExecutionId: string };
  ParentInstance?: unknown;
  [field: string]: unknown;
}

const tail = (Timestamp: string, EventId = -1): Pick<HistoryEvent, 'EventId' | 'IsPlayed' | 'Timestamp'> => ({
  EventId,
  IsPlayed: false,
  Timestamp,
});

export interface ExecutionStart {
  instanceId: string;
  executionId: string;
  name: string;
  version: string | null;
  /** Raw JSON text; null = the event carries no input. */
  input: string | null;
  parent: ParentInstance | null;
  /** 0 for the first start of an id, one more for each start after it ended; null for children and after continueAsNew. */
  generation: number | null;
}

export const executionStarted = (start: ExecutionStart, at: string): HistoryEvent => ({
  OrchestrationInstance: { InstanceId: start.instanceId, ExecutionId: start.executionId },
  EventType: EventType.ExecutionStarted,
  ParentInstance: start.parent
    ? {
        Name: start.parent.name,
        OrchestrationInstance: { InstanceId: start.parent.instanceId, ExecutionId: start.parent.executionId },
        TaskScheduleId: start.parent.taskScheduleId,
        Version: start.parent.version,
      }
    : null,
  Name: start.name,
  Version: start.version,
  Input: start.input,
  Tags: null,
  Correlation: null,
  ParentTraceContext: null,
  ScheduledStartTime: null,
  Generation: start.generation,
  GenerateNewTrace: false,
  ...tail(at),
});

export const orchestratorStarted = (at: string): HistoryEvent => ({ EventType: EventType.OrchestratorStarted, ...tail(at) });
export const orchestratorCompleted = (at: string): HistoryEvent => ({ EventType: EventType.OrchestratorCompleted, ...tail(at) });

export const taskScheduled = (id: number, name: string, at: string): HistoryEvent => ({
  EventType: EventType.TaskScheduled,
  Name: name,
  Version: '',
  Input: null,
  ParentTraceContext: null,
  Tags: null,
  ...tail(at, id),
});

export const taskCompleted = (taskId: number, result: string | null, at: string): HistoryEvent => ({
  EventType: EventType.TaskCompleted,
  TaskScheduledId: taskId,
  Result: result,
  ...tail(at),
});

/** Why something failed, in the framework's three places. */
export interface Failure {
  reason: string;
  details: string | null;
  failureDetails: FailureDetails | null;
}

export const taskFailed = (taskId: number, failure: Failure, at: string): HistoryEvent => ({
  EventType: EventType.TaskFailed,
  TaskScheduledId: taskId,
  Reason: failure.reason,
  Details: failure.details,
  FailureDetails: failure.failureDetails,
  ...tail(at),
});

export const childCreated = (id: number, name: string, version: string | null, instanceId: string, at: string): HistoryEvent => ({
  EventType: EventType.SubOrchestrationInstanceCreated,
  Name: name,
  Version: version,
  InstanceId: instanceId,
  Input: null,
  ClientSpanId: null,
  Tags: null,
  ...tail(at, id),
});

export const childCompleted = (taskId: number, result: string | null, at: string): HistoryEvent => ({
  EventType: EventType.SubOrchestrationInstanceCompleted,
  TaskScheduledId: taskId,
  Result: result,
  ...tail(at),
});

export const childFailed = (taskId: number, failure: Failure, at: string): HistoryEvent => ({
  EventType: EventType.SubOrchestrationInstanceFailed,
  TaskScheduledId: taskId,
  Reason: failure.reason,
  Details: failure.details,
  FailureDetails: failure.failureDetails,
  ...tail(at),
});

export const timerCreated = (id: number, fireAt: string, at: string): HistoryEvent => ({
  EventType: EventType.TimerCreated,
  FireAt: fireAt,
  ...tail(at, id),
});
export const timerFired = (timerId: number, fireAt: string, at: string): HistoryEvent => ({
  EventType: EventType.TimerFired,
  TimerId: timerId,
  FireAt: fireAt,
  ...tail(at),
});

export const eventSent = (id: number, target: string, name: string, input: string, at: string): HistoryEvent => ({
  EventType: EventType.EventSent,
  InstanceId: target,
  Name: name,
  Input: input,
  ...tail(at, id),
});

export const eventRaised = (name: string, input: string, at: string): HistoryEvent => ({
  EventType: EventType.EventRaised,
  Name: name,
  Input: input,
  ParentTraceContext: null,
  ...tail(at),
});
export const terminated = (input: string | null, at: string): HistoryEvent => ({
  EventType: EventType.ExecutionTerminated,
  Input: input,
  ...tail(at),
});
export const suspended = (reason: string | null, at: string): HistoryEvent => ({
  EventType: EventType.ExecutionSuspended,
  Reason: reason,
  ...tail(at),
});
export const resumed = (reason: string | null, at: string): HistoryEvent => ({
  EventType: EventType.ExecutionResumed,
  Reason: reason,
  ...tail(at),
});
export const genericEvent = (data: string | null, at: string, id = -1): HistoryEvent => ({
  Data: data,
  EventType: EventType.GenericEvent,
  ...tail(at, id),
});

export const executionCompleted = (
  id: number,
  status: string,
  result: string | null,
  failure: Failure | null,
  at: string,
): HistoryEvent => ({
  EventType: EventType.ExecutionCompleted,
  OrchestrationStatus: status,
  Result: result,
  ...(failure ? { Details: failure.details, FailureDetails: failure.failureDetails } : {}),
  ...tail(at, id),
});
