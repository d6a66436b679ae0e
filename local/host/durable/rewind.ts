// Rewinding a failed instance: failed activities and the end of the execution become events of no meaning, so that the replay
// schedules them again; failed sub-orchestrations are rewound in turn and report to their parent when they end.
// Seen in the recording activity-fail-uncaught; the part about sub-orchestrations is after DurableTask.AzureStorage (unrecorded).
import { EventType, genericEvent, type HistoryEvent } from './history-events.ts';
import type { InstancePatch, OrchestrationState } from './instance-state.ts';

interface Source {
  history(id: string): Promise<readonly HistoryEvent[]>;
  orchestration(id: string): OrchestrationState | undefined;
  now(): string;
}

/** The patches that rewind an instance and its failed descendants; `start` is the message that sets the innermost ones going. */
export async function rewindHistory(state: OrchestrationState, start: HistoryEvent, source: Source): Promise<InstancePatch[]> {
  const history = await source.history(state.id);
  const failedTasks = new Set(history.flatMap((event) => (event.EventType === EventType.TaskFailed ? [event.TaskScheduledId] : [])));
  const failedChildren = history.flatMap((event) =>
    event.EventType === EventType.SubOrchestrationInstanceFailed ? [event.TaskScheduledId] : [],
  );
  const children: InstancePatch[] = [];
  for (const event of history) {
    if (event.EventType !== EventType.SubOrchestrationInstanceCreated || !failedChildren.includes(event.EventId)) continue;
    const child = source.orchestration(event.InstanceId ?? '');
    if (child?.status === 'Failed') children.push(...(await rewindHistory(child, start, source)));
  }
  const append = history.map((event) => (isVoid(event, failedTasks) ? genericOf(event) : event));
  return [
    {
      op: 'step',
      id: state.id,
      set: {
        status: 'Running',
        output: null,
        failure: null,
        updatedAt: source.now(),
        // With failed children the parent waits for them; otherwise the message starts its next turn.
        inbox: children.length > 0 ? [] : [{ event: start }],
        activities: {},
        timers: {},
      },
      consumed: 0,
      append,
      replace: true,
    },
    ...children,
  ];
}

function isVoid(event: HistoryEvent, failedTasks: ReadonlySet<number | undefined>): boolean {
  switch (event.EventType) {
    case EventType.TaskScheduled:
      return failedTasks.has(event.EventId);
    case EventType.TaskFailed:
    case EventType.SubOrchestrationInstanceFailed:
    case EventType.ExecutionCompleted:
      return true;
    default:
      return false;
  }
}

const genericOf = (event: HistoryEvent): HistoryEvent => ({
  ...genericEvent(null, event.Timestamp, event.EventId),
  IsPlayed: event.IsPlayed,
});
