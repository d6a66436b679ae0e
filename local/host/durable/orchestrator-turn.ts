// One turn of an orchestration, in two pure halves: state and waiting messages → what the worker is given;
// the worker's answer → the patches and messages of one transaction.
import type { Action, OrchestratorState } from './actions.ts';
import { type Command, type Completion, type ReplayOutcome, replayActions } from './action-replay.ts';
import { toEntityRequest } from './entity-messages.ts';
import * as events from './history-events.ts';
import type { HistoryEvent } from './history-events.ts';
import type { InstancePatch, Message, OpenActivity, OpenTimer, OrchestrationFields, OrchestrationState } from './instance-state.ts';
import { parseEntityId } from './instance-state.ts';
import { activityInputText, looseToken } from './json-net.ts';

/** What differs between the extensions that are imitated. */
export interface TurnProfile {
  /** `upperSchemaVersionNew`: 3 = locks (extension ≥ 3.13), 2 before. */
  schema: number;
}

export interface Turn {
  /** How many messages of the inbox it takes. */
  consumed: number;
  /** Past and new events. */
  events: HistoryEvent[];
  /** The new ones, as the worker sees them. */
  fresh: HistoryEvent[];
  /** The data of the `orchestrationTrigger` binding: JSON text. */
  trigger: string;
}

/** History texts are long and grow only at the end: the text of the part that was sent before is kept with its array. */
const texts = new WeakMap<HistoryEvent[], { count: number; text: string }>();

function pastText(history: HistoryEvent[]): string {
  const known = texts.get(history) ?? { count: 0, text: '' };
  if (known.count < history.length) {
    const more = history
      .slice(known.count)
      .map((event) => JSON.stringify(event))
      .join(',');
    known.text = known.text === '' ? more : `${known.text},${more}`;
    known.count = history.length;
    texts.set(history, known);
  }
  return known.text;
}

/** Prepares a turn with every message that waits; after continueAsNew, only with those that belong to its first turn. */
export function prepareTurn(state: OrchestrationState, history: HistoryEvent[], at: string, profile: TurnProfile): Turn {
  const continued = state.inbox.filter((message) => message.continued);
  const taken = continued.length > 0 ? continued : state.inbox;
  const fresh = [events.orchestratorStarted(at), ...taken.map((message) => message.event)];
  // The framework closes the turn in which it continued before it runs the new execution (recording continue-as-new).
  if (continued.length > 0) fresh.push(events.orchestratorCompleted(at));
  const past = pastText(history);
  const now = fresh.map((event) => JSON.stringify(event)).join(',');
  const isReplaying = history.length > 0;
  const parent = state.parent ? JSON.stringify(state.parent.instanceId) : 'null';
  const trigger =
    `{"history":[${past}${past === '' ? '' : ','}${now}],"input":${state.input ?? 'null'},"instanceId":${JSON.stringify(state.id)},` +
    `"isReplaying":${isReplaying},"parentInstanceId":${parent},"upperSchemaVersion":1,"upperSchemaVersionNew":${profile.schema},` +
    '"longRunningTimerIntervalDuration":"3.00:00:00","maximumShortTimerDuration":"6.00:00:00","defaultHttpAsyncRequestSleepTimeMillseconds":30000}';
  return { consumed: taken.length, events: [...history, ...fresh], fresh, trigger };
}

/** What the worker answered: a state, with the message of the error that ended the orchestrator, if one did. */
export interface WorkerAnswer {
  state: Pick<OrchestratorState, 'isDone' | 'actions' | 'output' | 'customStatus'>;
  error?: string;
  /** The framework's own complaint (unknown orchestrator, version): the instance fails with these words. */
  frameworkError?: string;
}

export interface TurnContext {
  now(): string;
  /** A GUID of 32 hexadecimal digits, for new executions. */
  newExecutionId(): string;
  defaultVersion: string | null;
  complaint: (kind: 'activity' | 'orchestrator' | 'entity', name: string) => string | undefined;
  /** When a timer that is due at `fireAtMs` becomes visible. */
  visibleAt(fireAtMs: number): string;
  /** The instance that already has this id, if any: a child may not replace a running one. */
  lookup(id: string): { status: string } | undefined;
}

/** A message to another orchestration; the engine drops it if that has ended or moved on. */
export interface OutgoingMessage {
  to: string;
  message: Message;
}

export interface TurnResult {
  patches: InstancePatch[];
  messages: OutgoingMessage[];
  /** For the determinism check and for logs. */
  outcome: ReplayOutcome;
}

/** Replays the answer's actions and turns what is new into one transaction. */
export function finishTurn(state: OrchestrationState, turn: Turn, answer: WorkerAnswer, context: TurnContext): TurnResult {
  const outcome = replayActions({
    name: state.name,
    instanceId: state.id,
    executionId: state.executionId,
    events: turn.events,
    actions: flatActions(answer.state.actions),
    isDone: answer.state.isDone,
    output: answer.state.output,
    error: answer.error,
    frameworkError: answer.frameworkError,
    defaultVersion: context.defaultVersion,
    complaint: context.complaint,
  });
  const at = context.now();
  const builder = new Transaction(state, context, at);
  for (const command of outcome.commands) builder.add(command);
  const played = turn.fresh.map((event) =>
    event.EventType === events.EventType.OrchestratorStarted ? event : { ...event, IsPlayed: true },
  );
  const customStatus =
    answer.state.customStatus === undefined || answer.state.customStatus === null ? null : JSON.stringify(answer.state.customStatus);
  const append = [...played, ...builder.events];
  const { completion } = outcome;
  if (completion?.status === 'ContinuedAsNew') {
    return { outcome, ...builder.continueAsNew(turn, completion, outcome.carryover, customStatus) };
  }
  if (completion) {
    const failed = completion.status === 'Failed' ? completion.failure : null;
    append.push(events.executionCompleted(completion.id, completion.status, completion.result, failed, at));
  }
  // The first turn after continueAsNew was closed before it ran; with nothing to schedule it is not closed again (recording).
  const closed = turn.fresh.some((event) => event.EventType === events.EventType.OrchestratorCompleted);
  if (!closed || completion || builder.events.length > 0) append.push(events.orchestratorCompleted(at));
  const step: InstancePatch = {
    op: 'step',
    id: state.id,
    set: { customStatus, updatedAt: at, status: outcome.suspended ? 'Suspended' : 'Running', ...(completion ? ended(completion) : {}) },
    consumed: turn.consumed,
    append,
    ...(completion ? {} : builder.opened),
  };
  if (completion) builder.tellParent(completion);
  return { outcome, patches: [step, ...builder.patches], messages: builder.messages };
}

/** Later schemas send one inner list; the first schema one per yield, which comes to the same sequence. */
const flatActions = (actions: Action[][]): Action[] => actions.flat();

function ended(completion: Completion): OrchestrationFields {
  const { status, result, failure } = completion;
  if (status === 'ContinuedAsNew') return {};
  const output = status === 'Completed' ? result : status === 'Failed' ? JSON.stringify(result) : looseToken(result);
  return {
    status,
    output,
    failure: failure ?? (status === 'Terminated' ? { reason: result ?? '', details: null, failureDetails: null } : null),
    inbox: [],
    activities: {},
    timers: {},
  };
}

class Transaction {
  readonly events: HistoryEvent[] = [];
  readonly patches: InstancePatch[] = [];
  readonly messages: OutgoingMessage[] = [];
  readonly opened: { activities: Record<string, OpenActivity>; timers: Record<string, OpenTimer> } = { activities: {}, timers: {} };
  readonly #state: OrchestrationState;
  readonly #context: TurnContext;
  readonly #at: string;

  constructor(state: OrchestrationState, context: TurnContext, at: string) {
    this.#state = state;
    this.#context = context;
    this.#at = at;
  }

  add(command: Command): void {
    switch (command.kind) {
      case 'activity': {
        this.events.push(events.taskScheduled(command.id, command.name, this.#at));
        const input = activityInputText(command.input);
        this.opened.activities[command.id] = { name: command.name, ...(input === undefined ? {} : { input }) };
        break;
      }
      case 'timer': {
        const fireAt = new Date(command.fireAtMs).toISOString();
        this.events.push(events.timerCreated(command.id, fireAt, this.#at));
        this.opened.timers[command.id] = { fireAt, visibleAt: this.#context.visibleAt(command.fireAtMs), createdAt: this.#at };
        break;
      }
      case 'child':
        this.#addChild(command);
        break;
      case 'event': {
        const input = JSON.stringify(command.message);
        this.events.push(events.eventSent(command.id, command.target, command.name, input, this.#at));
        const target = parseEntityId(command.target);
        if (!target) break;
        this.patches.push({
          op: 'request',
          id: command.target,
          ...target,
          at: this.#at,
          requests: [toEntityRequest(command.message, command.name)],
        });
        break;
      }
    }
  }

  #addChild(command: Command & { kind: 'child' }): void {
    const { id, name, version, instanceId } = command;
    this.events.push(events.childCreated(id, name, version, instanceId, this.#at));
    const existing = this.#context.lookup(instanceId);
    if (existing && !['Completed', 'Failed', 'Terminated', 'Canceled'].includes(existing.status)) {
      const reason = `An Orchestration instance with the status ${existing.status} already exists.`;
      this.messages.push({
        to: this.#state.id,
        message: this.#forMe(events.childFailed(id, { reason, details: reason, failureDetails: null }, this.#at)),
      });
      return;
    }
    const input = command.input === undefined ? null : JSON.stringify(command.input);
    const parent = {
      name: this.#state.name,
      version: this.#state.version,
      instanceId: this.#state.id,
      executionId: this.#state.executionId,
      taskScheduleId: id,
    };
    this.patches.push({
      op: 'put',
      id: instanceId,
      state: newOrchestration(
        { instanceId, executionId: this.#context.newExecutionId(), name, version, input, parent, generation: null },
        this.#at,
      ),
    });
  }

  #forMe(event: HistoryEvent): Message {
    return { event, executionId: this.#state.executionId };
  }

  tellParent(completion: Completion): void {
    const { parent } = this.#state;
    if (!parent) return;
    const failure = completion.failure ?? { reason: completion.result ?? '', details: null, failureDetails: null };
    const event =
      completion.status === 'Completed'
        ? events.childCompleted(parent.taskScheduleId, completion.result, this.#at)
        : events.childFailed(parent.taskScheduleId, { ...failure, failureDetails: null }, this.#at);
    this.messages.push({ to: parent.instanceId, message: { event, executionId: parent.executionId } });
  }

  /** The same instance, a new execution: new history, new execution id; only messages that are for no certain execution live on. */
  continueAsNew(
    turn: Turn,
    completion: Completion,
    carryover: HistoryEvent[],
    customStatus: string | null,
  ): { patches: InstancePatch[]; messages: OutgoingMessage[] } {
    const state = this.#state;
    const executionId = this.#context.newExecutionId();
    const start = events.executionStarted(
      {
        instanceId: state.id,
        executionId,
        name: state.name,
        version: state.version,
        input: completion.result,
        parent: state.parent,
        generation: null,
      },
      this.#at,
    );
    const first = [start, ...carryover].map((event): Message => ({ event: { ...event, IsPlayed: false }, continued: true }));
    const waiting = state.inbox.slice(turn.consumed).filter((message) => message.executionId === undefined);
    const step: InstancePatch = {
      op: 'step',
      id: state.id,
      set: {
        executionId,
        input: completion.result,
        customStatus,
        status: 'Running',
        updatedAt: this.#at,
        inbox: [...first, ...waiting],
        activities: {},
        timers: {},
      },
      consumed: 0,
      append: [],
      replace: true,
    };
    return { patches: [step, ...this.patches], messages: this.messages };
  }
}

/** A new instance whose first message is its start. */
export function newOrchestration(start: events.ExecutionStart, at: string): OrchestrationState {
  return {
    kind: 'orchestration',
    id: start.instanceId,
    executionId: start.executionId,
    name: start.name,
    version: start.version,
    input: start.input,
    output: null,
    customStatus: null,
    status: 'Pending',
    createdAt: at,
    updatedAt: at,
    generation: start.generation ?? 0,
    parent: start.parent,
    failure: null,
    history: [],
    inbox: [{ event: events.executionStarted(start, at) }],
    activities: {},
    timers: {},
  };
}
