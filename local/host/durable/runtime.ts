// The engine's heart: takes instances that have messages, runs their turns, commits, and only then lets the effects out.
// Orchestrator turns may start on messages that are still on their way to the disk (they have no effect of their own);
// entities, activities and timers start when what caused them is durable.
import { randomBytes, randomUUID } from 'node:crypto';
import { cpus } from 'node:os';
import type { Release } from '../clock/clock.ts';
import { type LogSink, silent } from '../core/log.ts';
import { ActivityDispatch, type ActivityTask, asTheyCome } from './activity-dispatch.ts';
import type { EngineTestHooks } from './engine-hooks.ts';
import type { DurableEngineOptions } from './engine.ts';
import { entityTrigger, failBatch, finishBatch, finishControl, nextDue, nextStep } from './entity-turn.ts';
import { genericEvent, type HistoryEvent, timerFired } from './history-events.ts';
import {
  type EntityState,
  type InstancePatch,
  type InstanceState,
  isTerminal,
  type Message,
  type OrchestrationState,
} from './instance-state.ts';
import { thrown } from './json-net.ts';
import {
  finishTurn,
  type OutgoingMessage,
  prepareTurn,
  type Turn,
  type TurnContext,
  type TurnResult,
  type WorkerAnswer,
} from './orchestrator-turn.ts';
import type { Store } from './store.ts';
import { versionMismatch } from './versions.ts';
import { DurableWorker } from './worker.ts';
import { WorkTracker } from './work-tracker.ts';

/** How long `stop` waits for activities that run; after that they are left, and run again at the next start. */
const stopGraceMs = 10_000;

export class DurableRuntime {
  readonly options: DurableEngineOptions;
  readonly store: Store;
  readonly worker: DurableWorker;
  readonly tracker: WorkTracker;
  readonly #hooks: EngineTestHooks;
  readonly #dispatch: ActivityDispatch;
  readonly #log: LogSink;
  #ready: string[] = [];
  readonly #queued = new Set<string>();
  readonly #busy = new Set<string>();
  readonly #timers = new Map<string, Map<number, Release>>();
  readonly #entityTimers = new Map<string, Release>();
  readonly #limit: number;
  readonly #parked = new Set<string>();
  #pumping = false;
  #stopping = false;

  constructor(options: DurableEngineOptions, hooks: EngineTestHooks = {}) {
    this.options = options;
    this.#hooks = hooks;
    this.store = options.store;
    this.worker = new DurableWorker(options.app);
    this.tracker = new WorkTracker(options.clock);
    this.#log = options.log ?? silent;
    const cores = Math.max(1, cpus().length);
    this.#limit = options.settings.maxConcurrentOrchestratorFunctions ?? 10 * cores;
    this.#dispatch = new ActivityDispatch({
      worker: this.worker,
      limit: options.settings.maxConcurrentActivityFunctions ?? 10 * cores,
      structuredFailures: options.profile === 'ext-3.14',
      order: hooks.order ?? asTheyCome,
      ...(hooks.substitute ? { substitute: hooks.substitute } : {}),
      now: () => this.now(),
      deliver: (task, event) => this.#activityDone(task, event),
    });
  }

  /** The clock's time as history writes it. */
  now(): string {
    return this.options.clock.now().toISOString();
  }

  newId(): string {
    return this.#hooks.newId?.() ?? randomUUID();
  }

  newExecutionId(): string {
    return this.#hooks.newId?.().replaceAll('-', '') ?? randomBytes(16).toString('hex');
  }

  /** Opens the store and goes on with what is unfinished: messages, activities, timers. */
  async start(): Promise<void> {
    await this.store.open();
    for (const state of this.store.all()) {
      if (state.kind === 'entity') {
        this.wake(state.id);
        continue;
      }
      if (isTerminal(state.status)) continue;
      for (const [taskId, activity] of Object.entries(state.activities)) {
        this.#schedule({ instanceId: state.id, executionId: state.executionId, taskId: Number(taskId), activity });
      }
      for (const timerId of Object.keys(state.timers)) this.#arm(state, Number(timerId));
      this.wake(state.id);
    }
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#dispatch.stop();
    for (const releases of this.#timers.values()) for (const release of releases.values()) release();
    for (const release of this.#entityTimers.values()) release();
    const until = Date.now() + stopGraceMs;
    while ((this.#busy.size > 0 || this.#dispatch.running > 0) && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 5));
    if (this.#dispatch.running > 0)
      this.#say('warning', `${this.#dispatch.running} running activities were left; they run again at the next start.`);
    await this.store.close();
    // What was left behind holds the clock no longer.
    this.tracker.abandon();
  }

  /** Commits one transaction. Messages to instances that have ended or moved on are dropped. Resolves when durable and let out. */
  async commit(patches: readonly InstancePatch[], messages: readonly OutgoingMessage[] = []): Promise<void> {
    const accepted = messages.filter(({ to, message }) => this.#accepts(to, message));
    const transaction = [...patches, ...accepted.map(({ to, message }): InstancePatch => ({ op: 'send', id: to, message }))];
    if (transaction.length === 0) return;
    this.tracker.begin();
    try {
      const durable = this.store.commit(transaction);
      for (const patch of transaction) if (patch.op === 'put') this.#parked.delete(patch.id);
      for (const patch of transaction) if (this.store.get(patch.id)?.kind === 'orchestration') this.wake(patch.id);
      await durable;
      for (const patch of transaction) this.#letOut(patch);
    } finally {
      this.tracker.end();
    }
  }

  #accepts(id: string, message: Message): boolean {
    const state = this.store.get(id);
    if (state?.kind !== 'orchestration' || isTerminal(state.status)) return false;
    return message.executionId === undefined || message.executionId === state.executionId;
  }

  /** Effects of a patch that is on disk. */
  #letOut(patch: InstancePatch): void {
    const state = this.store.get(patch.id);
    if (!state) {
      this.#disarm(patch.id);
      return;
    }
    if (state.kind === 'entity') {
      this.wake(patch.id);
      return;
    }
    if (patch.op !== 'step' && patch.op !== 'put') return;
    if (isTerminal(state.status) || (patch.op === 'step' && patch.replace)) this.#disarm(patch.id);
    if (patch.op === 'put') return;
    const { executionId } = state;
    for (const [taskId, activity] of Object.entries(patch.activities ?? {})) {
      if (state.activities[taskId]) this.#schedule({ instanceId: state.id, executionId, taskId: Number(taskId), activity });
    }
    for (const timerId of Object.keys(patch.timers ?? {})) this.#arm(state, Number(timerId));
  }

  #schedule(task: ActivityTask): void {
    if (this.#stopping) return;
    this.tracker.begin();
    this.#dispatch.schedule(task);
  }

  #activityDone(task: ActivityTask, event: HistoryEvent): void {
    const message: Message = { event, executionId: task.executionId };
    const patches: InstancePatch[] = this.#accepts(task.instanceId, message)
      ? [{ op: 'send', id: task.instanceId, message, endsActivity: task.taskId }]
      : [];
    this.#background(this.commit(patches).finally(() => this.tracker.end()));
  }

  #arm(state: OrchestrationState, timerId: number): void {
    const timer = state.timers[timerId];
    if (!timer || this.#stopping) return;
    const { id, executionId } = state;
    const releases = this.#timers.get(id) ?? new Map<number, Release>();
    this.#timers.set(id, releases);
    const fire = (): void => {
      releases.delete(timerId);
      if (releases.size === 0) this.#timers.delete(id);
      const message: Message = { event: timerFired(timerId, timer.fireAt, timer.createdAt), executionId };
      if (this.#accepts(id, message)) this.#background(this.commit([{ op: 'send', id, message, endsTimer: timerId }]));
    };
    releases.get(timerId)?.();
    releases.set(timerId, this.options.clock.setTimer(new Date(timer.visibleAt), fire));
  }

  #disarm(id: string): void {
    for (const release of this.#timers.get(id)?.values() ?? []) release();
    this.#timers.delete(id);
    this.#entityTimers.get(id)?.();
    this.#entityTimers.delete(id);
  }

  /** Puts an instance in line for a turn, if it has anything to do. */
  wake(id: string): void {
    if (this.#stopping || this.#queued.has(id)) return;
    const state = this.store.get(id);
    if (!state || !this.#hasWork(state)) return;
    this.#queued.add(id);
    this.#ready.push(id);
    this.tracker.begin();
    this.#pump();
  }

  #hasWork(state: InstanceState): boolean {
    if (this.#parked.has(state.id)) return false;
    if (state.kind === 'orchestration') return state.inbox.length > 0 && !isTerminal(state.status);
    const nowMs = this.options.clock.nowMs();
    if (nextStep(state, nowMs)) return true;
    this.#armEntity(state, nowMs);
    return false;
  }

  /** Turns start in a later turn of the event loop, so that messages that arrive together are taken together. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      const ready = this.#hooks.arrange?.(this.#ready) ?? this.#ready;
      this.#ready = [];
      for (const id of ready) {
        if (this.#busy.size >= this.#limit || this.#busy.has(id)) this.#ready.push(id);
        else this.#begin(id);
      }
    });
  }

  #begin(id: string): void {
    this.#queued.delete(id);
    this.#busy.add(id);
    const turn = this.#turn(id).catch((error: unknown) => {
      // Tried again at the next start, not at once and for ever.
      this.#parked.add(id);
      throw error;
    });
    this.#background(
      turn.finally(() => {
        this.#busy.delete(id);
        this.tracker.end();
        this.wake(id);
        if (this.#ready.length > 0) this.#pump();
      }),
    );
  }

  async #turn(id: string): Promise<void> {
    const state = this.store.get(id);
    if (this.#stopping || !state) return undefined;
    return state.kind === 'entity' ? this.#entityTurn(state) : this.#orchestratorTurn(state);
  }

  async #orchestratorTurn(state: OrchestrationState): Promise<void> {
    if (isTerminal(state.status) || state.inbox.length === 0 || !state.history) return;
    const { settings, profile } = this.options;
    const mismatch = versionMismatch(state.version, settings);
    if (mismatch !== undefined && settings.versionFailureStrategy !== 'Fail') {
      this.#park(state, mismatch);
      return;
    }
    const turn = prepareTurn(state, state.history, this.now(), { schema: profile === 'ext-3.14' ? 3 : 2 });
    const { executionId } = state;
    const answer = await this.#ask(state, turn, mismatch);
    // The instance was purged or replaced while its orchestrator ran.
    if (this.store.get(state.id) !== state || state.executionId !== executionId) return;
    const result = this.#finish(state, turn, answer);
    this.#hooks.turned?.(state, turn, answer, result.outcome);
    await this.commit(result.patches, result.messages);
  }

  /** A bug of the engine, or an answer of a foreign SDK, ends the one instance instead of running its turn for ever. */
  #finish(state: OrchestrationState, turn: Turn, answer: WorkerAnswer): TurnResult {
    const context: TurnContext = {
      now: () => this.now(),
      newExecutionId: () => this.newExecutionId(),
      defaultVersion: this.options.settings.defaultVersion ?? null,
      complaint: (kind, name) => this.worker.complaint(kind, name),
      visibleAt: (fireAtMs) => this.#visibleAt(fireAtMs),
      lookup: (id) => {
        const other = this.store.get(id);
        return other?.kind === 'orchestration' ? other : undefined;
      },
    };
    try {
      return finishTurn(state, turn, answer, context);
    } catch (error) {
      const message = `the answer of orchestrator '${state.name}' could not be processed: ${thrown(error).message}`;
      this.#say('error', message);
      return finishTurn(state, turn, { state: { isDone: false, actions: [] }, frameworkError: message }, context);
    }
  }

  async #ask(state: OrchestrationState, turn: Turn, mismatch: string | undefined): Promise<WorkerAnswer> {
    const complaint = mismatch ?? this.worker.complaint('orchestrator', state.name);
    if (complaint !== undefined) return { state: { isDone: false, actions: [] }, frameworkError: complaint };
    const answer = await this.worker.orchestrate(state.name, turn.trigger);
    await this.#hooks.verify?.(state, turn, answer, () => this.worker.orchestrate(state.name, turn.trigger));
    return answer;
  }

  #park(state: OrchestrationState, mismatch: string): void {
    if (!this.#parked.has(state.id)) this.#say('warning', `instance '${state.id}' of '${state.name}' stays Pending: ${mismatch}`);
    this.#parked.add(state.id);
  }

  /** Storage queues hide a message for whole seconds: a timer comes up to a second early (facts/durable.md §2.9, 7). */
  #visibleAt(fireAtMs: number): string {
    if (this.options.settings.timers === 'exact') return new Date(fireAtMs).toISOString();
    const nowMs = this.options.clock.nowMs();
    // Some time has passed when the message is queued, so a whole number of seconds loses one too.
    const seconds = Math.max(0, Math.ceil((fireAtMs - nowMs) / 1000) - 1);
    return new Date(nowMs + seconds * 1000).toISOString();
  }

  async #entityTurn(entity: EntityState): Promise<void> {
    const nowMs = this.options.clock.nowMs();
    const step = nextStep(entity, nowMs);
    if (!step) return;
    if (step.control) {
      const { patches, messages } = finishControl(entity, step.control, this.now());
      await this.commit(patches, messages);
      return;
    }
    const complaint = this.worker.complaint('entity', entity.name);
    if (complaint !== undefined) {
      this.#say('error', complaint);
      const failed = failBatch(entity, step.batch, complaint, this.now());
      await this.commit(failed.patches, failed.messages);
      return;
    }
    let result: ReturnType<typeof failBatch>;
    try {
      const answer = await this.worker.operate(entity.name, entityTrigger(entity, step.batch));
      result = finishBatch(entity, step.batch, answer, this.now(), () => this.newId());
    } catch (error) {
      this.#say('error', `entity '${entity.id}' failed: ${thrown(error).message}`);
      result = failBatch(entity, step.batch, thrown(error).message, this.now());
    }
    if (this.store.get(entity.id) !== entity) return;
    await this.commit(result.patches, result.messages);
  }

  #armEntity(entity: EntityState, nowMs: number): void {
    const due = nextDue(entity, nowMs);
    if (due === undefined) return;
    this.#entityTimers.get(entity.id)?.();
    this.#entityTimers.set(
      entity.id,
      this.options.clock.setTimer(new Date(due), () => this.wake(entity.id)),
    );
  }

  /** Sends one event to an instance as an external message. False: the instance has ended or does not exist. */
  async send(id: string, event: HistoryEvent): Promise<boolean> {
    if (!this.#accepts(id, { event })) return false;
    await this.commit([], [{ to: id, message: { event } }]);
    return true;
  }

  /** The event that starts a rewound instance again. */
  rewindEvent(reason: string): HistoryEvent {
    return genericEvent(reason, this.now());
  }

  /** Work that nobody awaits: its failure is the engine's own and must not go unseen. */
  #background(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!this.#stopping)
        this.#say('critical', `the durable engine failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    });
  }

  #say(level: 'warning' | 'error' | 'critical', message: string): void {
    this.#log({ level, category: 'system', message });
  }
}
