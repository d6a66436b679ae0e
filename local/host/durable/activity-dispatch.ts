// Runs activities beside each other up to the limit, and hands their outcomes on.
// The order in which outcomes arrive is a choice: as they come, or by a seed (testing).
import { activityFailure, resultText } from './json-net.ts';
import { httpActivity } from './action-replay.ts';
import { callHttp } from './http-activity.ts';
import { type HistoryEvent, taskCompleted, taskFailed } from './history-events.ts';
import type { OpenActivity } from './instance-state.ts';
import type { DurableWorker } from './worker.ts';

/** One scheduled activity of one execution. */
export interface ActivityTask {
  instanceId: string;
  executionId: string;
  taskId: number;
  activity: OpenActivity;
}

/** Decides when a finished activity's outcome is delivered. */
export interface CompletionOrder {
  started(): void;
  /** Called once per started activity, when its outcome is known; must call `deliver` once. */
  finished(task: ActivityTask, deliver: () => void): void;
}

/** Outcomes are delivered as they come. */
export const asTheyCome: CompletionOrder = { started: () => undefined, finished: (_task, deliver) => deliver() };

/** Replaces single activities in tests; undefined = run the app's own. */
export type Substitute = (name: string, input: unknown, task: ActivityTask) => Promise<unknown> | undefined;

export interface ActivityDispatchOptions {
  worker: DurableWorker;
  limit: number;
  /** Failure details are understood (extension ≥ 3.13). */
  structuredFailures: boolean;
  order: CompletionOrder;
  substitute?: Substitute;
  now(): string;
  deliver(task: ActivityTask, event: HistoryEvent): void;
}

export class ActivityDispatch {
  readonly #options: ActivityDispatchOptions;
  readonly #waiting: ActivityTask[] = [];
  #running = 0;
  #stopped = false;

  constructor(options: ActivityDispatchOptions) {
    this.#options = options;
  }

  schedule(task: ActivityTask): void {
    this.#waiting.push(task);
    this.#next();
  }

  /** Starts nothing more; what runs goes on to its end. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
  }

  get running(): number {
    return this.#running;
  }

  #next(): void {
    while (!this.#stopped && this.#running < this.#options.limit) {
      const task = this.#waiting.shift();
      if (!task) return;
      this.#running += 1;
      this.#options.order.started();
      void this.#run(task).then((event) => {
        this.#running -= 1;
        this.#options.order.finished(task, () => this.#options.deliver(task, event));
        this.#next();
      });
    }
  }

  async #run(task: ActivityTask): Promise<HistoryEvent> {
    const { name } = task.activity;
    try {
      const result = await this.#result(task);
      return taskCompleted(task.taskId, result, this.#options.now());
    } catch (error) {
      return taskFailed(task.taskId, activityFailure(name, error, this.#options.structuredFailures), this.#options.now());
    }
  }

  async #result({ activity, instanceId, ...rest }: ActivityTask): Promise<string | null> {
    const { name, input } = activity;
    const substituted = this.#options.substitute?.(name, parse(input), { activity, instanceId, ...rest });
    if (substituted) return JSON.stringify((await substituted) ?? null);
    if (name === httpActivity) return callHttp(input);
    return resultText(await this.#options.worker.act(name, instanceId, input));
  }
}

function parse(input: string | undefined): unknown {
  if (input === undefined) return undefined;
  try {
    return JSON.parse(input) as unknown;
  } catch {
    return input;
  }
}
