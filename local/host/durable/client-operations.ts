// What a client may ask of the engine: start, raise, terminate, suspend, resume, purge, rewind, restart, signal, read.
// Each answer is given when its effect is durable. HTTP around it: management-api.ts.
import * as events from './history-events.ts';
import { entityId, type EntityState, isTerminal, type OrchestrationState } from './instance-state.ts';
import { newOrchestration } from './orchestrator-turn.ts';
import { rewindHistory } from './rewind.ts';
import type { DurableRuntime } from './runtime.ts';

/** The id of a start is taken by an instance that has not ended. */
export class AlreadyExists extends Error {
  override readonly name = 'AlreadyExists';
  constructor(status: string) {
    super(`An Orchestration instance with the status ${status} already exists.`);
  }
}

export interface StartRequest {
  name: string;
  instanceId?: string;
  /** Raw JSON text. */
  input: string | null;
  version?: string;
}

export class ClientOperations {
  readonly #runtime: DurableRuntime;

  constructor(runtime: DurableRuntime) {
    this.#runtime = runtime;
  }

  orchestration(id: string): OrchestrationState | undefined {
    const state = this.#runtime.store.get(id);
    return state?.kind === 'orchestration' ? state : undefined;
  }

  entity(name: string, key: string): EntityState | undefined {
    const state = this.#runtime.store.get(entityId(name, key));
    return state?.kind === 'entity' ? state : undefined;
  }

  *orchestrations(): Iterable<OrchestrationState> {
    for (const state of this.#runtime.store.all()) if (state.kind === 'orchestration') yield state;
  }

  *entities(name?: string): Iterable<EntityState> {
    for (const state of this.#runtime.store.all()) {
      if (state.kind === 'entity' && (name === undefined || state.name === name.toLowerCase())) yield state;
    }
  }

  history(id: string): Promise<readonly events.HistoryEvent[]> {
    return this.#runtime.store.history(id);
  }

  /** @returns the instance id. @throws AlreadyExists; the instance there is unharmed. */
  async start(request: StartRequest): Promise<string> {
    const instanceId = request.instanceId ?? this.#runtime.newExecutionId();
    const { settings } = this.#runtime.options;
    const existing = this.orchestration(instanceId);
    if (existing && !isTerminal(existing.status) && settings.overridableExistingInstanceStates !== 'AnyState')
      throw new AlreadyExists(existing.status);
    const state = newOrchestration(
      {
        instanceId,
        executionId: this.#runtime.newId(),
        name: request.name,
        version: request.version ?? settings.defaultVersion ?? null,
        input: request.input,
        parent: null,
        generation: existing ? existing.generation + 1 : 0,
      },
      this.#runtime.now(),
    );
    await this.#runtime.commit([{ op: 'put', id: instanceId, state }]);
    return instanceId;
  }

  /** The name and input of an instance once more, under its own id (after it has ended) or a new one. */
  async restart(state: OrchestrationState, withNewId: boolean): Promise<string> {
    return this.start({
      name: state.name,
      input: state.input,
      ...(withNewId ? {} : { instanceId: state.id }),
      ...(state.version === null ? {} : { version: state.version }),
    });
  }

  raise(id: string, name: string, input: string): Promise<boolean> {
    return this.#runtime.send(id, events.eventRaised(name, input, this.#runtime.now()));
  }

  terminate(id: string, reason: string | null): Promise<boolean> {
    return this.#runtime.send(id, events.terminated(reason, this.#runtime.now()));
  }

  suspend(id: string, reason: string | null): Promise<boolean> {
    return this.#runtime.send(id, events.suspended(reason, this.#runtime.now()));
  }

  resume(id: string, reason: string | null): Promise<boolean> {
    return this.#runtime.send(id, events.resumed(reason, this.#runtime.now()));
  }

  /** Removes instances with their histories; returns how many there were. */
  async purge(ids: readonly string[]): Promise<number> {
    const there = ids.filter((id) => this.#runtime.store.get(id) !== undefined);
    await this.#runtime.commit(there.map((id) => ({ op: 'delete' as const, id })));
    return there.length;
  }

  async signal(name: string, key: string, op: string, input: string | null): Promise<void> {
    await this.#runtime.commit([
      {
        op: 'request',
        id: entityId(name, key),
        name: name.toLowerCase(),
        key,
        at: this.#runtime.now(),
        requests: [{ id: this.#runtime.newId(), op, signal: true, input, parent: null, parentExecution: null }],
      },
    ]);
  }

  /** Takes back what failed and goes on from there; failed children are rewound with it. */
  async rewind(state: OrchestrationState, reason: string): Promise<void> {
    const patches = await rewindHistory(state, this.#runtime.rewindEvent(reason), {
      history: (id) => this.#runtime.store.history(id),
      orchestration: (id) => this.orchestration(id),
      now: () => this.#runtime.now(),
    });
    await this.#runtime.commit(patches);
  }

  /** Resolves when everything that was committed before can be shown. */
  settled(): Promise<void> {
    return this.#runtime.store.flushed();
  }

  blocked(): string | undefined {
    return this.#runtime.store.blocked();
  }
}
