// Runs a recording's orchestrator on the engine: the recording says which message starts each turn and what the clock shows then;
// what the worker is given and answers is taken down in the recording's own shape.
import type { Clock, Release } from '../../../../../local/host/clock/clock.ts';
import type { FunctionApp } from '../../../../../local/host/core/function-app.ts';
import { loadFunctionApp } from '../../../../../local/host/core/function-app.ts';
import { stateOfFailure } from '../../../../../local/host/durable/actions.ts';
import type { ActivityTask, CompletionOrder } from '../../../../../local/host/durable/activity-dispatch.ts';
import { createDurableEngine } from '../../../../../local/host/durable/engine.ts';
import { EventType, type HistoryEvent } from '../../../../../local/host/durable/history-events.ts';
import { createMemoryStore } from '../../../../../local/host/durable/store.ts';
import { registerLab } from './lab-app.ts';
import { lab, type Recording, readRecording, type Step } from './recordings.ts';

/** The clock of the recording: it shows what it is told; timers fire when they are told. */
class RecordedClock implements Clock {
  #nowMs = 0;
  readonly timers: { atMs: number; run: () => void }[] = [];
  set(time: string): void {
    this.#nowMs = Date.parse(time);
  }
  now(): Date {
    return new Date(this.#nowMs);
  }
  nowMs(): number {
    return this.#nowMs;
  }
  setTimer(at: Date, run: () => void): Release {
    const timer = { atMs: at.getTime(), run };
    this.timers.push(timer);
    return () => {
      const index = this.timers.indexOf(timer);
      if (index >= 0) this.timers.splice(index, 1);
    };
  }
  hold(): Release {
    return () => undefined;
  }
  inFlight(): string[] {
    return [];
  }
  close(): void {
    this.timers.length = 0;
  }
}

/** How many turns of the event loop something may take that needs no time. */
const patience = 300;
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Outcomes of activities wait until the recording delivers them. */
class HeldCompletions implements CompletionOrder {
  readonly #held = new Map<string, () => void>();
  started(): void {
    // Nothing to choose: the recording decides.
  }
  finished(task: ActivityTask, deliver: () => void): void {
    const key = `${task.instanceId}/${task.taskId}`;
    // Children have no script of their own unless they are the recording.
    this.#held.set(key, deliver);
  }
  async take(instanceId: string, taskId: number): Promise<() => void> {
    const key = `${instanceId}/${taskId}`;
    for (let i = 0; i < patience && !this.#held.has(key); i += 1) await pause();
    const deliver = this.#held.get(key);
    if (!deliver) throw new Error(`activity ${taskId} of ${instanceId} was not scheduled`);
    this.#held.delete(key);
    return deliver;
  }
  /** Lets outcomes of other instances through as they come. */
  releaseOthers(instanceId: string): void {
    for (const [key, deliver] of this.#held) {
      if (key.startsWith(`${instanceId}/`)) continue;
      this.#held.delete(key);
      deliver();
    }
  }
}

const messageTypes = new Set<number>([
  EventType.TaskCompleted,
  EventType.TaskFailed,
  EventType.TimerFired,
  EventType.EventRaised,
  EventType.ExecutionTerminated,
  EventType.ExecutionSuspended,
  EventType.ExecutionResumed,
  EventType.GenericEvent,
]);

/** The messages that a recorded turn took: what follows its last OrchestratorStarted. */
function messagesOf(step: Step): HistoryEvent[] {
  const { history } = step.triggerInput;
  const start = history.map((event) => event.EventType).lastIndexOf(EventType.OrchestratorStarted);
  return history.slice(start + 1).filter((event) => messageTypes.has(event.EventType));
}

function startTime(step: Step): string {
  const started = step.triggerInput.history.filter((event) => event.EventType === EventType.OrchestratorStarted).at(-1);
  return started?.Timestamp ?? '';
}

/** What the lab's client said where the recording only shows that it said something. */
const words = { terminate: 'enough', suspend: 'why', resume: 'go', rewind: 'again' };
/** Recorded with `defaultVersion` set. */
const versioned = /failureDetails$|^retry-timeout-hang$|^version$/;
/** Recorded with an exception properties provider. */
const detailed = /failureDetails$|^retry-timeout-hang$/;

/** Runs the recording called `name`; the result has the recording's shape and can be normalised and compared. */
export async function runRecording(
  name: string,
  recorded: Recording = readRecording(name),
): Promise<{ recorded: Recording; actual: Recording }> {
  // The child's recording has no orchestrator of its own: it was taken while its parent ran.
  const driver = recorded.orchestrator === undefined ? readRecording('sub-orchestration') : recorded;
  const watched = recorded.steps[0]?.triggerInput.instanceId ?? '';
  const driverId = driver.steps[0]?.triggerInput.instanceId ?? '';
  const events = driver.steps.flatMap((step) => step.triggerInput.history);
  const first = events.find((event) => event.EventType === EventType.ExecutionStarted);

  const app = await loadFunctionApp(() => registerLab([driver.orchestrator ?? ''], { failureDetails: detailed.test(name) }));
  const steps: Step[] = [];
  const driven: string[] = [];
  const observed = observe(app, (instanceId, step) => {
    if (instanceId === watched) steps.push(step);
    if (instanceId === driverId) driven.push(instanceId);
  });
  const clock = new RecordedClock();
  clock.set(startTime(driver.steps[0] as Step));
  const order = new HeldCompletions();
  const turns = new Map<string, number>();
  const timeline = new Map([
    [driverId, driver.steps],
    [watched, recorded.steps],
  ]);
  const engine = createDurableEngine(
    {
      app: observed,
      clock,
      store: createMemoryStore(),
      profile: 'ext-3.14',
      settings: { hubName: 'LabHub', ...(versioned.test(name) ? { defaultVersion: '1.0' } : {}) },
      baseUrl: () => 'http://localhost:7071',
    },
    {
      order,
      arrange(ready) {
        for (const id of ready) {
          const turn = turns.get(id) ?? 0;
          const step = timeline.get(id)?.[turn];
          if (step) clock.set(startTime(step));
          turns.set(id, turn + 1);
        }
        return ready;
      },
    },
  );
  await engine.start();
  const call = async (method: string, path: string, body?: string): Promise<void> => {
    const response = await engine.fetch(
      new Request(`http://localhost:7071/runtime/webhooks/durabletask/${path}`, {
        method,
        ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
      }),
    );
    if (!response?.ok) throw new Error(`${method} ${path} gave ${response?.status}: ${await response?.text()}`);
  };
  const settle = async (wanted: number): Promise<void> => {
    for (let i = 0; i < patience && driven.length < wanted; i += 1) {
      order.releaseOthers(driverId);
      await pause();
    }
    for (let i = 0; i < 10; i += 1) {
      order.releaseOthers(driverId);
      await pause();
    }
  };

  await call('POST', `orchestrators/${first?.Name}/${driverId}`, first?.Input ?? '');
  await settle(1);
  for (let next = 1; next < driver.steps.length; next += 1) {
    const messages = messagesOf(driver.steps[next] as Step);
    const deliveries: (() => void | Promise<void>)[] = [];
    for (const event of messages) {
      const deliver = await cause(event);
      if (deliver) deliveries.push(deliver);
    }
    await Promise.all(deliveries.map(async (deliver) => deliver()));
    await settle(next + 1);
  }
  await engine.stop();

  async function cause(event: HistoryEvent): Promise<(() => void | Promise<void>) | undefined> {
    switch (event.EventType) {
      case EventType.TaskCompleted:
      case EventType.TaskFailed:
        return order.take(driverId, event.TaskScheduledId ?? -1);
      case EventType.TimerFired:
        return () => {
          const timer = clock.timers.shift();
          if (!timer) throw new Error(`no timer is set for TimerFired ${event.TimerId}`);
          timer.run();
        };
      case EventType.EventRaised:
        // Answers of entities come by themselves.
        return /^[0-9a-f-]{36}$/.test(event.Name ?? '')
          ? undefined
          : () => call('POST', `instances/${driverId}/raiseEvent/${event.Name}`, event.Input ?? 'null');
      case EventType.ExecutionTerminated:
        return () => call('POST', `instances/${driverId}/terminate?reason=${words.terminate}`);
      case EventType.ExecutionSuspended:
        return () => call('POST', `instances/${driverId}/suspend?reason=${words.suspend}`);
      case EventType.ExecutionResumed:
        return () => call('POST', `instances/${driverId}/resume?reason=${words.resume}`);
      default:
        return () => call('POST', `instances/${driverId}/rewind?reason=${words.rewind}`);
    }
  }
  const own =
    recorded.orchestrator === undefined
      ? {}
      : { orchestrator: recorded.orchestrator, instanceId: steps[0]?.triggerInput.instanceId ?? '', replays: steps.length };
  const note = recorded['note'] === undefined ? {} : { note: recorded['note'] };
  return {
    recorded,
    actual: { pattern: name === 'sub-orchestration-child' ? 'sub-orchestration child' : name, ...lab, ...own, ...note, steps },
  };
}

/** Wraps an app: every orchestrator call is taken down as a recording does. */
function observe(app: FunctionApp, take: (instanceId: string, step: Step) => void): FunctionApp {
  return {
    functions: app.functions,
    hooks: app.hooks,
    capabilities: app.capabilities,
    find: (name) => app.find(name),
    start: () => app.start(),
    stop: () => app.stop(),
    async invoke(name, request) {
      const trigger = app.find(name)?.bindings[0];
      if (trigger?.type !== 'orchestrationTrigger') return app.invoke(name, request);
      const triggerInput = JSON.parse(request.inputs[0]?.data.string ?? '') as Step['triggerInput'];
      try {
        const result = await app.invoke(name, request);
        const response = { status: 'success', returnValueType: 'json', returned: JSON.parse(result.returnValue?.json ?? '') as unknown };
        take(triggerInput.instanceId, { triggerInput, response, workerMs: 0 });
        return result;
      } catch (error) {
        const raw = (error as Error).message;
        const response = {
          status: 'failure',
          exceptionMessageRaw: raw,
          exceptionMessagePrefix: raw.split('\n')[0],
          outOfProcData: stateOfFailure(raw),
        };
        take(triggerInput.instanceId, { triggerInput, response, workerMs: 0 });
        throw error;
      }
    },
  };
}
