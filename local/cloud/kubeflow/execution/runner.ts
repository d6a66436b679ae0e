// The life of a run: PENDING, RUNNING, then SUCCEEDED or FAILED, with each task's states, times and reasons on disk as they happen.
// Termination goes to CANCELING at once and ends as FAILED, as on Argo (facts/kubeflow.md §1).
import { systemClock } from '../../kit/clock.ts';
import { readPipelineDocuments, readPipelineFile } from '../ir/pipeline-file.ts';
import type { Component, Pipeline } from '../ir/types.ts';
import { isTerminal, type RunRecord, type Status, type TaskRecord } from '../model.ts';
import type { KubeflowOptions } from '../options.ts';
import type { Store } from '../store.ts';
import { runContainerTask, type TaskContext } from './container-task.ts';
import { failure, runDag, type DueTask, type Inputs, type TaskResult } from './dag.ts';
import { createJournal, taskPath } from './journal.ts';
import type { StartedStep } from './step.ts';
import { withDefaults } from './values.ts';

/** Runs runs. */
export interface Runner {
  /** Begins a run that is stored; after `:retry` continues with the tasks that have not succeeded. */
  start(run: RunRecord): void;
  /** Stops a live run: CANCELING now, FAILED when its processes are gone. */
  terminate(run: RunRecord): void;
  /** Resolves when the run is no longer live. */
  settled(runId: string): Promise<void>;
  /** Ends processes of all runs and waits; runs in flight are stored as FAILED. */
  close(): Promise<void>;
}

const CANCELLED: Status = { code: 1, message: 'workflow shutdown with strategy: Terminate' };
const LOST: Status = { code: 2, message: 'the stand-in ended while the run was in flight (a cluster would have gone on)' };

/** The executable pipeline of a run. */
export const pipelineOf = (run: RunRecord): Pipeline =>
  run.inlineSpec ? readPipelineDocuments(JSON.parse(run.file) as unknown[]) : readPipelineFile(run.file);

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Opens the runner; runs that were in flight when the stand-in died are stored as FAILED. */
export function createRunner(options: KubeflowOptions, store: Store): Runner {
  const clock = options.clock ?? systemClock;
  const journal = createJournal(store, clock);
  const live = new Map<string, Promise<void>>();
  const steps = new Map<string, Set<StartedStep>>();
  let closing = false;

  const stopReason = (run: RunRecord): Status | undefined => (closing ? LOST : run.state === 'CANCELING' ? CANCELLED : undefined);
  const sleep = async (run: RunRecord, ms: number): Promise<void> => {
    const until = clock.now() + ms;
    while (clock.now() < until && !stopReason(run)) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(until - clock.now(), 100)));
    }
  };
  const stopSteps = (runId: string): void => {
    for (const step of steps.get(runId) ?? []) void step.process.stop(options.graceMs);
  };
  const context: TaskContext = {
    options,
    store,
    journal,
    stopReason,
    sleep,
    steps: {
      add: (run, step) => steps.set(run.runId, (steps.get(run.runId) ?? new Set()).add(step)),
      remove: (run, step) => steps.get(run.runId)?.delete(step),
    },
  };

  const runTask = async (run: RunRecord, pipeline: Pipeline, due: DueTask, parent: TaskRecord | undefined): Promise<TaskResult> => {
    const path = taskPath(due.name, parent);
    const earlier = run.tasks.find((task) => task.path === path && task.state === 'SUCCEEDED');
    if (earlier?.outputs) {
      earlier.parentTaskId = parent?.taskId ?? '';
      return { state: 'SUCCEEDED', outputs: earlier.outputs };
    }
    const record = journal.newTask(run, due.name, due.task.taskInfo?.name ?? due.name, parent);
    const result = await attempt(run, pipeline, due, record).catch((error: unknown) =>
      failure(`the stand-in could not run the task: ${reasonOf(error)}`, 13),
    );
    if (result.state === 'SUCCEEDED') record.outputs = result.outputs;
    journal.task(run, record, result.state, result.state === 'FAILED' ? result.error : undefined);
    return result;
  };
  const attempt = async (run: RunRecord, pipeline: Pipeline, due: DueTask, record: TaskRecord): Promise<TaskResult> => {
    if (!due.component.dag) return runContainerTask(context, run, pipeline, due, record);
    journal.task(run, record, 'RUNNING');
    return walk(run, pipeline, due.component, due, record);
  };
  const walk = (
    run: RunRecord,
    pipeline: Pipeline,
    component: Component,
    inputs: Inputs,
    parent: TaskRecord | undefined,
  ): Promise<TaskResult> =>
    runDag(pipeline.spec, component, inputs, {
      run: (due) => runTask(run, pipeline, due, parent),
      skip: (name, task) => {
        journal.task(run, journal.newTask(run, name, task.taskInfo?.name ?? name, parent), 'SKIPPED');
      },
      stopping: () => stopReason(run) !== undefined,
    });

  const liveThrough = async (run: RunRecord): Promise<void> => {
    let result: TaskResult;
    try {
      const pipeline = pipelineOf(run);
      await sleep(run, options.pendingMs ?? 0);
      if (!stopReason(run)) journal.run(run, 'RUNNING');
      const root = pipeline.spec.root ?? {};
      result = await walk(
        run,
        pipeline,
        root,
        { parameters: withDefaults(root.inputDefinitions?.parameters, run.parameters), artifacts: {} },
        undefined,
      );
    } catch (error) {
      result = failure(`the stand-in could not run the pipeline: ${reasonOf(error)}`, 13);
    }
    const error = stopReason(run) ?? (result.state === 'FAILED' ? result.error : undefined);
    journal.run(run, error ? 'FAILED' : 'SUCCEEDED', error);
  };

  for (const run of store.runs().filter(({ state }) => !isTerminal(state))) {
    for (const task of run.tasks.filter(({ state }) => !isTerminal(state))) journal.task(run, task, 'FAILED', LOST);
    journal.run(run, 'FAILED', LOST);
  }

  return {
    start(run) {
      run.tasks = run.tasks.filter((task) => task.state === 'SUCCEEDED');
      journal.run(run, 'PENDING');
      const life = liveThrough(run).finally(() => {
        live.delete(run.runId);
        steps.delete(run.runId);
      });
      live.set(run.runId, life);
    },
    terminate(run) {
      journal.run(run, 'CANCELING');
      stopSteps(run.runId);
    },
    settled: (runId) => live.get(runId) ?? Promise.resolve(),
    async close() {
      closing = true;
      for (const runId of steps.keys()) stopSteps(runId);
      await Promise.allSettled(live.values());
    },
  };
}
