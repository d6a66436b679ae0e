// One turn of an entity: which of the waiting requests run now, what the worker is given, and what follows from its answer.
// A batch runs without roll-back: state set before a throw stays (facts/durable.md §2.9, 4).
import { lockAcquired, responseMessage } from './entity-messages.ts';
import { eventRaised } from './history-events.ts';
import { entityId, type EntityRequest, type EntityState, type InstancePatch, parseEntityId } from './instance-state.ts';
import type { OutgoingMessage } from './orchestrator-turn.ts';
import type { EntityAnswer } from './worker.ts';

/** The extension's default for operations in one call of the entity function. */
const largestBatch = 50;

export interface EntityStep {
  /** Operations for the worker; empty when the turn is a lock or a release. */
  batch: EntityRequest[];
  /** The lock or release that stands first. */
  control?: EntityRequest;
}

/** Requests that may run now: due, and from the holder if a critical section holds the entity. */
export function nextStep(entity: EntityState, nowMs: number): EntityStep | undefined {
  const ready = entity.queue.filter((request) => isDue(request, nowMs) && isAllowed(entity, request));
  const first = ready[0];
  if (!first) return undefined;
  if (first.release || first.lockSet) return { batch: [], control: first };
  const end = ready.findIndex((request) => request.release === true || request.lockSet !== undefined);
  return { batch: ready.slice(0, Math.min(end < 0 ? ready.length : end, largestBatch)) };
}

const isDue = (request: EntityRequest, nowMs: number): boolean => request.due === undefined || Date.parse(request.due) <= nowMs;

/** While it is locked only its holder's requests run; the others wait in line. */
const isAllowed = (entity: EntityState, request: EntityRequest): boolean => entity.lockedBy === null || request.parent === entity.lockedBy;

/** When the earliest request of the future becomes due; undefined when there is none. */
export function nextDue(entity: EntityState, nowMs: number): number | undefined {
  const times = entity.queue.flatMap((request) => (request.due !== undefined && !isDue(request, nowMs) ? [Date.parse(request.due)] : []));
  return times.length > 0 ? Math.min(...times) : undefined;
}

/** The data of the `entityTrigger` binding. */
export function entityTrigger(entity: EntityState, batch: readonly EntityRequest[]): string {
  return JSON.stringify({
    self: { name: entity.name, key: entity.key },
    exists: entity.exists,
    state: entity.state,
    batch: batch.map(({ op, input, signal, id }) => ({ name: op, input, isSignal: signal, id })),
  });
}

interface EntityTurnResult {
  patches: InstancePatch[];
  messages: OutgoingMessage[];
}

/** What the worker's answer changes: state, answers to callers, signals to other entities. */
export function finishBatch(
  entity: EntityState,
  batch: readonly EntityRequest[],
  answer: EntityAnswer,
  at: string,
  newId: () => string,
): EntityTurnResult {
  const patches: InstancePatch[] = [
    {
      op: 'entity',
      id: entity.id,
      set: { exists: answer.entityExists, state: answer.entityState ?? null, updatedAt: at },
      done: batch.map((request) => request.id),
    },
  ];
  for (const signal of answer.signals) {
    const { name, key } = signal.target;
    const request: EntityRequest = {
      id: newId(),
      op: signal.name,
      signal: true,
      input: signal.input ?? null,
      parent: null,
      parentExecution: null,
    };
    patches.push({ op: 'request', id: entityId(name, key), name: name.toLowerCase(), key, at, requests: [request] });
  }
  const messages = batch.flatMap((request, index) => {
    const outcome = answer.results[index];
    return answerTo(request, responseMessage(outcome?.result ?? null, outcome?.isError ?? false), at);
  });
  return { patches, messages };
}

/** What follows when the entity function itself could not run: callers get an error, signals are gone. */
export function failBatch(entity: EntityState, batch: readonly EntityRequest[], message: string, at: string): EntityTurnResult {
  return {
    patches: [{ op: 'entity', id: entity.id, set: { updatedAt: at }, done: batch.map((request) => request.id) }],
    messages: batch.flatMap((request) => answerTo(request, responseMessage(JSON.stringify(message), true), at)),
  };
}

/** Grants a lock (and passes the request to the next entity of the set, or reports to the orchestration) or takes it back. */
export function finishControl(entity: EntityState, control: EntityRequest, at: string): EntityTurnResult {
  if (control.release) {
    return { patches: [{ op: 'entity', id: entity.id, set: { lockedBy: null, updatedAt: at }, done: [control.id] }], messages: [] };
  }
  const patches: InstancePatch[] = [{ op: 'entity', id: entity.id, set: { lockedBy: control.parent, updatedAt: at }, done: [control.id] }];
  const position = (control.position ?? 0) + 1;
  const next = control.lockSet?.[position];
  if (!next) return { patches, messages: answerTo(control, lockAcquired, at) };
  const id = entityId(next.name, next.key);
  patches.push({
    op: 'request',
    id,
    ...(parseEntityId(id) ?? { name: next.name, key: next.key }),
    at,
    requests: [{ ...control, position }],
  });
  return { patches, messages: [] };
}

function answerTo(request: EntityRequest, input: string, at: string): OutgoingMessage[] {
  if (request.signal || request.parent === null) return [];
  return [
    {
      to: request.parent,
      message: {
        event: eventRaised(request.id, input, at),
        ...(request.parentExecution === null ? {} : { executionId: request.parentExecution }),
      },
    },
  ];
}
