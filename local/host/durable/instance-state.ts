// The stored state of one orchestration instance or entity, and the patches that change it.
// Patches are data: the journal writes them, memory applies them; both come to the same state.
import type { Failure, HistoryEvent, ParentInstance } from './history-events.ts';

export type RuntimeStatus = 'Pending' | 'Running' | 'Suspended' | 'Completed' | 'Failed' | 'Terminated' | 'Canceled' | 'ContinuedAsNew';

/** Statuses that no message changes any more. */
export const isTerminal = (status: RuntimeStatus): boolean =>
  status === 'Completed' || status === 'Failed' || status === 'Terminated' || status === 'Canceled';

/** A history event that waits for its turn. With an execution id it is for that execution only and dropped after continueAsNew. */
export interface Message {
  event: HistoryEvent;
  executionId?: string;
  /** Part of the first turn after continueAsNew. */
  continued?: true;
}

/** An activity that was scheduled and has not answered. `input` is what the trigger binding receives; absent = empty data. */
export interface OpenActivity {
  name: string;
  input?: string;
}

/** A timer that was created and has not fired. `visibleAt` is when it becomes due: up to a second before `fireAt`. */
export interface OpenTimer {
  fireAt: string;
  visibleAt: string;
  createdAt: string;
}

export interface OrchestrationState {
  kind: 'orchestration';
  id: string;
  executionId: string;
  name: string;
  version: string | null;
  /** Raw JSON texts. */
  input: string | null;
  output: string | null;
  customStatus: string | null;
  status: RuntimeStatus;
  createdAt: string;
  updatedAt: string;
  generation: number;
  parent: ParentInstance | null;
  failure: Failure | null;
  /** Undefined: it lies on disk; ask the store. */
  history: HistoryEvent[] | undefined;
  inbox: Message[];
  activities: Record<string, OpenActivity>;
  timers: Record<string, OpenTimer>;
}

/** An operation, lock or release that waits at an entity. */
export interface EntityRequest {
  id: string;
  /** Null for a lock request and a release. */
  op: string | null;
  signal: boolean;
  /** Raw JSON text. */
  input: string | null;
  /** Who asked: instance and execution; null for a client. */
  parent: string | null;
  parentExecution: string | null;
  /** Not before this time. */
  due?: string;
  /** Entities to lock, in order, and which of them this one is. */
  lockSet?: { name: string; key: string }[];
  position?: number;
  release?: boolean;
}

export interface EntityState {
  kind: 'entity';
  id: string;
  name: string;
  key: string;
  exists: boolean;
  state: string | null;
  /** Instance id of the orchestration whose critical section holds it; null = free. */
  lockedBy: string | null;
  queue: EntityRequest[];
  createdAt: string;
  updatedAt: string;
}

export type InstanceState = OrchestrationState | EntityState;

/** Fields that a step may set. */
export type OrchestrationFields = Partial<
  Pick<
    OrchestrationState,
    'executionId' | 'input' | 'output' | 'customStatus' | 'status' | 'updatedAt' | 'failure' | 'inbox' | 'activities' | 'timers'
  >
>;

export type InstancePatch =
  | { op: 'put'; id: string; state: InstanceState }
  | { op: 'delete'; id: string }
  /** A message arrives; the activity or timer that it answers is no longer open. */
  | { op: 'send'; id: string; message: Message; endsActivity?: number; endsTimer?: number }
  | {
      op: 'step';
      id: string;
      set: OrchestrationFields;
      /** How many messages the step took from the inbox. */
      consumed: number;
      append: HistoryEvent[];
      /** The appended events replace the history (continueAsNew, rewind). */
      replace?: boolean;
      activities?: Record<string, OpenActivity>;
      timers?: Record<string, OpenTimer>;
      dropTimers?: number[];
    }
  | { op: 'request'; id: string; name: string; key: string; at: string; requests: EntityRequest[] }
  | {
      op: 'entity';
      id: string;
      set: Partial<Pick<EntityState, 'exists' | 'state' | 'lockedBy' | 'updatedAt'>>;
      /** Ids of requests that are done. */
      done: string[];
    };

/** Applies one patch. Returns the state after it, undefined when the instance is gone. Mutates `state`. */
export function applyPatch(state: InstanceState | undefined, patch: InstancePatch): InstanceState | undefined {
  switch (patch.op) {
    case 'put':
      return patch.state;
    case 'delete':
      return undefined;
    case 'request': {
      const entity = state?.kind === 'entity' ? state : newEntity(patch.id, patch.name, patch.key, patch.at);
      entity.queue.push(...patch.requests);
      return entity;
    }
    case 'entity': {
      if (state?.kind !== 'entity') return state;
      Object.assign(state, patch.set);
      const done = new Set(patch.done);
      state.queue = state.queue.filter((request) => !done.has(request.id));
      return state;
    }
    case 'send': {
      if (state?.kind !== 'orchestration') return state;
      state.inbox.push(patch.message);
      if (patch.endsActivity !== undefined) delete state.activities[patch.endsActivity];
      if (patch.endsTimer !== undefined) delete state.timers[patch.endsTimer];
      return state;
    }
    case 'step':
      return state?.kind === 'orchestration' ? applyStep(state, patch) : state;
  }
}

function applyStep(state: OrchestrationState, patch: InstancePatch & { op: 'step' }): OrchestrationState {
  if (patch.consumed > 0) state.inbox.splice(0, patch.consumed);
  Object.assign(state, patch.set);
  if (patch.replace || !state.history) state.history = [...patch.append];
  else state.history.push(...patch.append);
  Object.assign(state.activities, patch.activities);
  Object.assign(state.timers, patch.timers);
  for (const id of patch.dropTimers ?? []) delete state.timers[id];
  return state;
}

function newEntity(id: string, name: string, key: string, at: string): EntityState {
  return { kind: 'entity', id, name, key, exists: false, state: null, lockedBy: null, queue: [], createdAt: at, updatedAt: at };
}

/** `@name@key`, the name in lower case, as the SDK spells it. */
export const entityId = (name: string, key: string): string => `@${name.toLowerCase()}@${key}`;

/** Reads `@name@key`; undefined when it is not one. */
export function parseEntityId(id: string): { name: string; key: string } | undefined {
  const at = id.indexOf('@', 1);
  return id.startsWith('@') && at > 0 ? { name: id.slice(1, at), key: id.slice(at + 1) } : undefined;
}
