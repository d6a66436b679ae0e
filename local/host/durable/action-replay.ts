// Runs the SDK's action list against the history, as the extension's shim runs it through the Durable Task Framework:
// ids are given in the order in which calls are made, completions open the way to the next action, what the history does not know yet is new.
import { type Action, ActionType, type DurableHttpRequest } from './actions.ts';
import { EventType, type Failure, type HistoryEvent } from './history-events.ts';
import { deterministicGuid, frameworkFailure, orchestratorFailure } from './json-net.ts';
import { EntityMessenger, type LockedEntity } from './entity-messages.ts';
import { checkMatch, NonDeterminism } from './non-determinism.ts';
import { all, any, done, Pending } from './pending.ts';
import { pollAfter } from './http-polling.ts';
import { afterFailure, type RetryPolicy } from './retry.ts';

export const httpActivity = 'BuiltIn::HttpActivity';
const dayMs = 86_400_000;
/** Timers longer than this go in hops (storage queues hold a message for seven days). */
const maximumTimerMs = 6 * dayMs;
const hopMs = 3 * dayMs;

/** Something that the history does not contain yet. */
export type Command =
  | { kind: 'activity'; id: number; name: string; input: unknown }
  | { kind: 'child'; id: number; name: string; version: string | null; instanceId: string; input: unknown }
  | { kind: 'timer'; id: number; fireAtMs: number }
  | { kind: 'event'; id: number; target: string; name: string; requestId: string; message: Record<string, unknown> };

export interface ReplayInput {
  name: string;
  instanceId: string;
  executionId: string;
  /** The whole history, the new events included. */
  events: readonly HistoryEvent[];
  actions: readonly Action[];
  isDone: boolean;
  output: unknown;
  /** Message of the error that ended the orchestrator; undefined = none. */
  error: string | undefined;
  /** The framework refused to run it at all. */
  frameworkError: string | undefined;
  defaultVersion: string | null;
  /** The framework's complaint about a function that the app does not have; undefined when it has. */
  complaint: (kind: 'activity' | 'orchestrator' | 'entity', name: string) => string | undefined;
}

export interface Completion {
  status: 'Completed' | 'Failed' | 'Terminated' | 'ContinuedAsNew';
  id: number;
  /** Raw JSON text of output or next input; the reason, word for word, of a termination or failure. */
  result: string | null;
  failure: Failure | null;
}

export interface ReplayOutcome {
  commands: Command[];
  completion: Completion | undefined;
  /** Events that arrived after continueAsNew was asked for: the next execution gets them. */
  carryover: HistoryEvent[];
  suspended: boolean;
}

/** Replays one turn. Pure: the same input gives the same outcome. */
export function replayActions(input: ReplayInput): ReplayOutcome {
  return new Replay(input).run();
}

class Replay {
  readonly #input: ReplayInput;
  /** Commands by id that no history event has confirmed. */
  readonly #commands = new Map<number, Command>();
  readonly #open = new Map<number, Pending>();
  /** Waiters by event name; the last one is served first. */
  readonly #waiting = new Map<string, Pending[]>();
  readonly #buffered = new Map<string, HistoryEvent[]>();
  /** Hops of cancelled long timers. */
  readonly #abandoned = new Set<number>();
  readonly #entityWaits = new Map<number, Pending>();
  readonly #whileSuspended: HistoryEvent[] = [];
  readonly #carryover: HistoryEvent[] = [];
  readonly #messenger: EntityMessenger;
  #heldLocks: LockedEntity[] = [];
  #lockRequestId: string | undefined;
  #nextId = 0;
  #guids = 0;
  #nowMs = 0;
  #suspended = false;
  #finished = false;
  #failure: Failure | undefined;
  #continueInput: string | null | undefined;
  #completion: Completion | undefined;

  constructor(input: ReplayInput) {
    this.#input = input;
    this.#messenger = new EntityMessenger(input.instanceId, input.executionId);
  }

  run(): ReplayOutcome {
    const { frameworkError } = this.#input;
    if (frameworkError !== undefined) {
      // The orchestrator was not asked, so there is nothing to compare with the history.
      this.#complete('Failed', frameworkError, frameworkFailure(frameworkError));
      return { commands: [], completion: this.#completion, carryover: [], suspended: false };
    }
    try {
      for (const event of this.#input.events) this.#receive(event);
      this.#completeIfQuiet();
    } catch (error) {
      if (!(error instanceof NonDeterminism)) throw error;
      this.#complete('Failed', error.message, frameworkFailure(error.message));
    }
    return {
      commands: this.#suspended ? [] : [...this.#commands.values()].sort((a, b) => a.id - b.id),
      completion: this.#completion,
      carryover: this.#carryover,
      suspended: this.#suspended,
    };
  }

  #receive(event: HistoryEvent): void {
    if (event.EventType === EventType.OrchestratorStarted) {
      this.#nowMs = Date.parse(event.Timestamp);
      return;
    }
    const overrides = event.EventType === EventType.ExecutionResumed || event.EventType === EventType.ExecutionTerminated;
    if (this.#suspended && !overrides) {
      if (event.EventType !== EventType.ExecutionSuspended) this.#whileSuspended.push(event);
      return;
    }
    this.#process(event);
  }

  #process(event: HistoryEvent): void {
    switch (event.EventType) {
      case EventType.ExecutionStarted:
        this.#program(0);
        break;
      case EventType.ExecutionTerminated:
        this.#complete('Terminated', event.Input ?? null, null);
        break;
      case EventType.ExecutionSuspended:
        this.#suspended = true;
        break;
      case EventType.ExecutionResumed:
        this.#suspended = false;
        for (const held of this.#whileSuspended.splice(0)) this.#receive(held);
        break;
      case EventType.TaskScheduled:
      case EventType.TimerCreated:
      case EventType.SubOrchestrationInstanceCreated:
      case EventType.EventSent:
        this.#confirm(event);
        break;
      case EventType.TaskCompleted:
      case EventType.SubOrchestrationInstanceCompleted:
        this.#answer(event.TaskScheduledId, false, event.Result ?? null);
        break;
      case EventType.TaskFailed:
      case EventType.SubOrchestrationInstanceFailed:
        this.#answer(event.TaskScheduledId, true, null);
        break;
      case EventType.TimerFired:
        this.#answer(event.TimerId, false, null);
        break;
      case EventType.EventRaised:
        if (this.#continueInput !== undefined) this.#carryover.push(event);
        else this.#raise(event);
        break;
      default:
        break;
    }
  }

  /** A history event says that this call was made before: it is not new, and must be the same call. */
  #confirm(event: HistoryEvent): void {
    const command = this.#commands.get(event.EventId);
    checkMatch(event, command);
    this.#commands.delete(event.EventId);
    if (command?.kind !== 'event') return;
    const sent = JSON.parse(event.Input ?? '{}') as { id?: string };
    const wait = this.#entityWaits.get(command.id);
    if (wait && sent.id !== undefined && sent.id !== command.requestId) {
      this.#forget(command.requestId, wait);
      this.#listen(sent.id, wait);
    }
  }

  #answer(id: number | undefined, failed: boolean, result: string | null): void {
    const pending = id === undefined ? undefined : this.#open.get(id);
    if (id === undefined || !pending) return;
    this.#open.delete(id);
    pending.settle(failed, result);
  }

  #raise(event: HistoryEvent): void {
    const name = (event.Name ?? '').toLowerCase();
    const waiter = this.#waiting.get(name)?.pop();
    if (waiter) waiter.settle(false, event.Input ?? null);
    else this.#buffered.set(name, [...(this.#buffered.get(name) ?? []), event]);
  }

  #listen(eventName: string, pending: Pending): void {
    const name = eventName.toLowerCase();
    const early = this.#buffered.get(name)?.shift();
    if (early) {
      pending.settle(false, early.Input ?? null);
      return;
    }
    const stack = this.#waiting.get(name) ?? [];
    stack.push(pending);
    this.#waiting.set(name, stack);
  }

  #forget(eventName: string, pending: Pending): void {
    const stack = this.#waiting.get(eventName.toLowerCase());
    const at = stack?.indexOf(pending) ?? -1;
    if (at >= 0) stack?.splice(at, 1);
  }

  /** The action list, one after the other: the next is called when the one before is answered, well or badly. */
  #program(at: number): void {
    let index = at;
    for (;;) {
      const action = this.#input.actions[index];
      if (!action || this.#failure) {
        this.#finished = true;
        return;
      }
      index += 1;
      const pending = this.#invoke(action);
      if (!pending.settled) {
        const next = index;
        pending.then(() => this.#program(next));
        return;
      }
    }
  }

  #invoke(action: Action): Pending {
    const { functionName = '', input } = action;
    switch (action.actionType) {
      case ActionType.CallActivity:
        return this.#known('activity', functionName, () => this.#activity(functionName, input));
      case ActionType.CallActivityWithRetry:
        return this.#known('activity', functionName, () => this.#retrying(action.retryOptions, () => this.#activity(functionName, input)));
      case ActionType.CallSubOrchestrator:
        return this.#known('orchestrator', functionName, () => this.#child(action));
      case ActionType.CallSubOrchestratorWithRetry:
        return this.#known('orchestrator', functionName, () => this.#retrying(action.retryOptions, () => this.#child(action)));
      case ActionType.ContinueAsNew:
        this.#continueInput = nextInput(input);
        return done();
      case ActionType.CreateTimer:
        return this.#timer(Date.parse(action.fireAt ?? ''), action.isCanceled === true);
      case ActionType.WaitForExternalEvent:
        return this.#event(action.externalEventName ?? '');
      case ActionType.CallHttp:
        return this.#http(action.httpRequest as DurableHttpRequest);
      case ActionType.WhenAll:
        return all((action.compoundActions ?? []).map((child) => this.#invoke(child)));
      case ActionType.WhenAny:
        return any((action.compoundActions ?? []).map((child) => this.#invoke(child)));
      default:
        return this.#entityAction(action);
    }
  }

  #known(kind: 'activity' | 'orchestrator' | 'entity', name: string, call: () => Pending): Pending {
    const complaint = this.#input.complaint(kind, name);
    if (complaint === undefined) return call();
    this.#failure = orchestratorFailure(this.#input.name, complaint);
    return done();
  }

  #call(command: Command): Pending {
    const pending = new Pending();
    this.#commands.set(command.id, command);
    this.#open.set(command.id, pending);
    return pending;
  }

  #activity(name: string, input: unknown): Pending {
    return this.#call({ kind: 'activity', id: this.#nextId++, name, input });
  }

  #child(action: Action): Pending {
    const id = this.#nextId++;
    // Blank or absent: the framework makes the id of the parent's execution and the call's number.
    const instanceId = action.instanceId?.trim() ? action.instanceId : `${this.#input.executionId}:${id}`;
    const version = action.version ?? this.#input.defaultVersion;
    return this.#call({ kind: 'child', id, name: action.functionName ?? '', version, instanceId, input: action.input });
  }

  #plainTimer(fireAtMs: number): Pending {
    return this.#call({ kind: 'timer', id: this.#nextId++, fireAtMs });
  }

  #timer(fireAtMs: number, cancelled: boolean): Pending {
    if (Number.isNaN(fireAtMs)) {
      this.#failure = orchestratorFailure(this.#input.name, 'a timer was asked for without a time');
      return done();
    }
    if (fireAtMs - this.#nowMs <= maximumTimerMs) {
      const id = this.#nextId;
      const timer = this.#plainTimer(fireAtMs);
      if (cancelled) this.#cancel(id, timer);
      return timer;
    }
    const whole = new Pending();
    const hop = (): void => {
      const left = fireAtMs - this.#nowMs;
      if (left <= 0) return whole.settle(false);
      const id = this.#nextId;
      const timer = this.#plainTimer(this.#nowMs + (left < hopMs ? left : hopMs));
      // Hops that have fired must be made again before anything later takes their ids; the one that is open keeps nobody waiting.
      if (cancelled) this.#abandoned.add(id);
      return timer.then(hop);
    };
    hop();
    return whole;
  }

  /** A cancelled timer is still created (its id is taken), but nobody waits for it. */
  #cancel(id: number, timer: Pending): void {
    this.#open.delete(id);
    timer.settle(true);
  }

  #event(name: string): Pending {
    const pending = new Pending();
    this.#listen(name, pending);
    return pending;
  }

  #retrying(policy: RetryPolicy | undefined, call: () => Pending): Pending {
    const whole = new Pending();
    const startedMs = this.#nowMs;
    const attempt = (number: number): void => {
      const one = call();
      one.then(() => {
        if (!one.failed) return whole.settle(false, one.result ?? null);
        const next = afterFailure(
          policy ?? { firstRetryIntervalInMilliseconds: 0, maxNumberOfAttempts: 1 },
          number,
          startedMs,
          this.#nowMs,
        );
        if (next.delayMs === undefined) return whole.settle(true);
        return this.#plainTimer(this.#nowMs + next.delayMs).then(() => (next.again ? attempt(number + 1) : whole.settle(true)));
      });
    };
    attempt(1);
    return whole;
  }

  /** Durable HTTP: while the answer is 202 with a Location, wait (Retry-After or 30 s) and ask there. */
  #http(request: DurableHttpRequest): Pending {
    const whole = new Pending();
    const ask = (current: DurableHttpRequest): void => {
      const one = this.#activity(httpActivity, current);
      one.then(() => {
        if (one.failed) return whole.settle(true);
        const poll = request.asynchronousPatternEnabled === false ? undefined : pollAfter(one.result ?? null, request);
        if (!poll) return whole.settle(false, one.result ?? null);
        return this.#plainTimer(this.#nowMs + poll.delayMs).then(() => ask(poll.request));
      });
    };
    ask(request);
    return whole;
  }

  #entityAction(action: Action): Pending {
    switch (action.actionType) {
      case ActionType.CallEntity: {
        const { requestId, id } = this.#send(action.instanceId ?? '', 'op', (guid) =>
          this.#messenger.request(action.instanceId ?? '', guid, action.operation ?? '', action.input, false, this.#nowMs),
        );
        const wait = this.#event(requestId);
        this.#entityWaits.set(id, wait);
        return wait;
      }
      case ActionType.SignalEntity:
      case ActionType.ScheduledSignalEntity: {
        const due = action.actionType === ActionType.ScheduledSignalEntity ? (action.scheduledTime ?? action.fireAt) : undefined;
        this.#send(action.instanceId ?? '', due === undefined ? 'op' : `op@${due}`, (guid) =>
          this.#messenger.request(action.instanceId ?? '', guid, action.operation ?? '', action.input, true, this.#nowMs, due),
        );
        return done();
      }
      case ActionType.LockEntities: {
        const locks = action.lockSet ?? [];
        const { requestId, id } = this.#send(this.#messenger.address(locks[0]), 'op', (guid) =>
          this.#messenger.lock(guid, locks, this.#nowMs),
        );
        this.#heldLocks = locks;
        this.#lockRequestId = requestId;
        const wait = this.#event(requestId);
        this.#entityWaits.set(id, wait);
        return wait;
      }
      case ActionType.ReleaseEntities:
        this.#releaseLocks();
        return done();
      default:
        this.#failure = orchestratorFailure(this.#input.name, `the orchestrator asked for an action of unknown type ${action.actionType}`);
        return done();
    }
  }

  #releaseLocks(): void {
    for (const lock of this.#heldLocks) {
      const target = this.#messenger.address(lock);
      this.#send(target, 'release', () => this.#messenger.release(this.#lockRequestId ?? ''));
    }
    this.#heldLocks = [];
  }

  #send(target: string, name: string, message: (guid: string) => Record<string, unknown>): { id: number; requestId: string } {
    const id = this.#nextId++;
    const requestId = deterministicGuid(`${this.#input.instanceId}_${this.#input.executionId}_${this.#guids++}`);
    this.#commands.set(id, { kind: 'event', id, target, name, requestId, message: message(requestId) });
    return { id, requestId };
  }

  /** An orchestration ends when its program has ended and no call is open: an uncancelled timer keeps it running. */
  #completeIfQuiet(): void {
    if (this.#completion || this.#suspended || !this.#finished) return;
    const { error, isDone, name } = this.#input;
    const failure = this.#failure ?? (error === undefined ? undefined : orchestratorFailure(name, error));
    if (!failure && !isDone) return;
    if ([...this.#open.keys()].some((id) => !this.#abandoned.has(id))) return;
    this.#releaseLocks();
    if (failure) this.#complete('Failed', failure.reason, failure);
    else if (this.#continueInput !== undefined) this.#complete('ContinuedAsNew', this.#continueInput, null);
    else this.#complete('Completed', this.#input.output === undefined ? 'null' : JSON.stringify(this.#input.output), null);
  }

  #complete(status: Completion['status'], result: string | null, failure: Failure | null): void {
    this.#completion ??= { status, id: this.#nextId++, result, failure };
  }
}

/** The SDK has encoded a string once already (`processInput`). */
function nextInput(input: unknown): string | null {
  if (input === undefined) return null;
  return typeof input === 'string' ? input : JSON.stringify(input);
}
