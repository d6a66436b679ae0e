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

/** Scheduling and completion of one task are shown as one event; the framework's own marks are left out. */
function historyView(history: readonly HistoryEvent[], showOutput: boolean): Record<string, unknown>[] {
  const scheduled = new Map<number, HistoryEvent>();
  const view: Record<string, unknown>[] = [];
  for (const event of history) {
    const base = { EventType: eventTypeNames[event.EventType], Timestamp: event.Timestamp };
    switch (event.EventType) {
      case EventType.TaskScheduled:
      case EventType.SubOrchestrationInstanceCreated:
      case EventType.TimerCreated:
        scheduled.set(event.EventId, event);
        if (event.EventType === EventType.TimerCreated) view.push({ ...base, FireAt: event.FireAt });
        break;
      case EventType.TaskCompleted:
      case EventType.TaskFailed:
      case EventType.SubOrchestrationInstanceCompleted:
      case EventType.SubOrchestrationInstanceFailed: {
        const start = scheduled.get(event.TaskScheduledId ?? -1);
        const result = showOutput && event.Result !== undefined ? { Result: parse(event.Result) } : {};
        const failure = event.Reason === undefined ? {} : { Reason: event.Reason, Details: event.Details };
        view.push({ ...base, ...result, ...failure, ScheduledTime: start?.Timestamp, FunctionName: start?.Name });
        break;
      }
      case EventType.TimerFired:
        view.push({ ...base, ScheduledTime: scheduled.get(event.TimerId ?? -1)?.Timestamp, FireAt: event.FireAt });
        break;
      case EventType.ExecutionStarted:
        view.push({ ...base, FunctionName: event.Name, ScheduledStartTime: null, Correlation: null });
        break;
      case EventType.ExecutionCompleted:
        view.push({
          ...base,
          OrchestrationStatus: event.OrchestrationStatus,
          ...(showOutput ? { Result: parse(event.Result ?? null) } : {}),
        });
        break;
      case EventType.EventRaised:
        view.push({ ...base, Name: event.Name, ...(showOutput ? { Input: parse(event.Input ?? null) } : {}) });
        break;
      case EventType.OrchestratorStarted:
      case EventType.OrchestratorCompleted:
      case EventType.EventSent:
      case EventType.GenericEvent:
        break;
      default:
        view.push({
          ...base,
          ...(event.Reason === undefined ? {} : { Reason: event.Reason }),
          ...(event.Input === undefined ? {} : { Input: event.Input }),
        });
    }
  }
  return view;
}

function parse(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
