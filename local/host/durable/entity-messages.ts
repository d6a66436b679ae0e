// The messages between orchestrations and entities: .NET's RequestMessage, ResponseMessage and ReleaseMessage as JSON.
// Timestamp and Predecessor chain the messages to one entity; the chain rises by one tick where the clock does not.
import { entityId, type EntityRequest } from './instance-state.ts';

const assembly = 'Microsoft.Azure.WebJobs.Extensions.DurableTask';
const typeName = (name: string): string => `${assembly}.${name}, ${assembly}`;
const never = '0001-01-01T00:00:00';

export interface LockedEntity {
  name: string;
  key: string;
}

/** Makes the messages of one execution; keeps the time chain per target. */
export class EntityMessenger {
  readonly #instanceId: string;
  readonly #executionId: string;
  readonly #last = new Map<string, { ms: number; ticks: number; text: string }>();

  constructor(instanceId: string, executionId: string) {
    this.#instanceId = instanceId;
    this.#executionId = executionId;
  }

  address(lock: LockedEntity | undefined): string {
    return lock ? entityId(lock.name, lock.key) : '';
  }

  request(target: string, id: string, op: string, input: unknown, signal: boolean, nowMs: number, due?: string): Record<string, unknown> {
    return {
      $type: typeName('RequestMessage'),
      op,
      ...(signal ? { signal: true } : {}),
      ...(input === undefined || input === null ? {} : { input: JSON.stringify(input) }),
      id,
      parent: this.#instanceId,
      parentExecution: this.#executionId,
      ...(due === undefined ? this.#chain(target, nowMs) : { due }),
      requestTime: `${new Date(nowMs).toISOString().slice(0, -1)}+00:00`,
    };
  }

  lock(id: string, locks: readonly LockedEntity[], nowMs: number): Record<string, unknown> {
    return {
      $type: typeName('RequestMessage'),
      op: null,
      id,
      parent: this.#instanceId,
      parentExecution: this.#executionId,
      ...this.#chain(this.address(locks[0]), nowMs),
      lockset: locks.map((lock) => ({ $type: typeName('EntityId'), name: lock.name, key: lock.key })),
    };
  }

  release(lockRequestId: string): Record<string, unknown> {
    return { $type: typeName('ReleaseMessage'), parent: this.#instanceId, id: lockRequestId };
  }

  #chain(target: string, nowMs: number): { Timestamp: string; Predecessor: string } {
    const last = this.#last.get(target);
    const later = !last || nowMs > last.ms;
    const next = later ? { ms: nowMs, ticks: 0 } : { ms: last.ms, ticks: last.ticks + 1 };
    const whole = new Date(next.ms).toISOString().slice(0, -1);
    const text = later ? `${whole}Z` : `${whole}${String(next.ticks).padStart(4, '0')}`;
    this.#last.set(target, { ...next, text });
    return { Timestamp: text, Predecessor: last?.text ?? never };
  }
}

/** The answer to a call, as the input of the EventRaised event that carries it. */
export function responseMessage(result: string | null, isError: boolean): string {
  return JSON.stringify({ $type: typeName('ResponseMessage'), result, ...(isError ? { exceptionType: 'Error' } : {}) });
}

/** The answer to a lock request, given by the last entity of the set. */
export const lockAcquired = responseMessage('Lock Acquisition Completed', false);

/** Reads a message that an orchestration sent, for the entity's queue. */
export function toEntityRequest(message: Record<string, unknown>, name: string): EntityRequest {
  const text = (field: string): string | null => (typeof message[field] === 'string' ? message[field] : null);
  const locks = message['lockset'] as LockedEntity[] | undefined;
  return {
    id: name === 'release' ? `release:${text('id') ?? ''}` : (text('id') ?? ''),
    op: text('op'),
    signal: message['signal'] === true,
    input: text('input'),
    parent: text('parent'),
    parentExecution: text('parentExecution'),
    ...(typeof message['due'] === 'string' ? { due: message['due'] } : {}),
    ...(locks ? { lockSet: locks.map((lock) => ({ name: lock.name, key: lock.key })), position: 0 } : {}),
    ...(name === 'release' ? { release: true } : {}),
  };
}
