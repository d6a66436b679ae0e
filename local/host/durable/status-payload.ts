// How the management API shows an instance. Texts are put together by hand because some outputs are not JSON (facts/durable.md §2.9, 13).
import { EventType, eventTypeNames, type HistoryEvent } from './history-events.ts';
import type { OrchestrationState } from './instance-state.ts';

export interface StatusOptions {
  showInput: boolean;
  /** Undefined: no history in the answer. */
  history?: readonly HistoryEvent[];
  showHistoryOutput?: boolean;
}

/** Seconds are all that the API shows of a time. */
const seconds = (iso: string): string => `${iso.slice(0, 19)}Z`;

/** The status of an instance as JSON text. */
export function statusText(state: OrchestrationState, options: StatusOptions): string {
  const fields = [
    `"name":${JSON.stringify(state.name)}`,
    `"instanceId":${JSON.stringify(state.id)}`,
    `"runtimeStatus":"${state.status}"`,
    `"input":${options.showInput ? (state.input ?? 'null') : 'null'}`,
    `"customStatus":${state.customStatus ?? 'null'}`,
    `"output":${state.output ?? 'null'}`,
    `"createdTime":"${seconds(state.createdAt)}"`,
    `"lastUpdatedTime":"${seconds(state.updatedAt)}"`,
  ];
  if (options.history) fields.push(`"historyEvents":${JSON.stringify(historyView(options.history, options.showHistoryOutput === true))}`);
  return `{${fields.join(',')}}`;
}

/** Events that the API does not show: the framework's own marks. */
const hidden = new Set<number>([
  EventType.OrchestratorStarted,
  EventType.OrchestratorCompleted,
  EventType.EventSent,
  EventType.GenericEvent,
  EventType.TaskScheduled,
  EventType.SubOrchestrationInstanceCreated,
]);

/** Scheduling and completion of one task are shown as one event. */
function historyView(history: readonly HistoryEvent[], showOutput: boolean): Record<string, unknown>[] {
  const scheduled = new Map<number, HistoryEvent>();
  const view: Record<string, unknown>[] = [];
  for (const event of history) {
    if (event.EventId >= 0) scheduled.set(event.EventId, event);
    if (hidden.has(event.EventType)) continue;
    const start = scheduled.get(event.TaskScheduledId ?? event.TimerId ?? -1);
    view.push({
      EventType: eventTypeNames[event.EventType],
      Timestamp: event.Timestamp,
      ...details(event, start),
      ...output(event, showOutput),
    });
  }
  return view;
}

function details(event: HistoryEvent, start: HistoryEvent | undefined): Record<string, unknown> {
  switch (event.EventType) {
    case EventType.ExecutionStarted:
      return { FunctionName: event.Name, ScheduledStartTime: null, Correlation: null };
    case EventType.ExecutionCompleted:
      return { OrchestrationStatus: event.OrchestrationStatus };
    case EventType.TimerCreated:
      return { FireAt: event.FireAt };
    case EventType.TimerFired:
      return { ScheduledTime: start?.Timestamp, FireAt: event.FireAt };
    case EventType.EventRaised:
      return { Name: event.Name };
    case EventType.TaskFailed:
    case EventType.SubOrchestrationInstanceFailed:
      return { Reason: event.Reason, Details: event.Details, ScheduledTime: start?.Timestamp, FunctionName: start?.Name };
    case EventType.TaskCompleted:
    case EventType.SubOrchestrationInstanceCompleted:
      return { ScheduledTime: start?.Timestamp, FunctionName: start?.Name };
    default:
      return { Reason: event.Reason ?? event.Input ?? null };
  }
}

/** Results and event payloads, which the caller must ask for. */
function output(event: HistoryEvent, show: boolean): Record<string, unknown> {
  if (!show) return {};
  if (event.Result !== undefined) return { Result: parse(event.Result) };
  return event.EventType === EventType.EventRaised ? { Input: parse(event.Input ?? null) } : {};
}

function parse(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
