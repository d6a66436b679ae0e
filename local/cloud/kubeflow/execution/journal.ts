// Writes down what happens to runs and tasks: state, history, times, reason; on disk before anybody can see it.
// All changes of state go through here.
import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../../kit/clock.ts';
import { isTerminal, type RunRecord, type RuntimeState, type Status, type TaskRecord } from '../model.ts';
import type { Store } from '../store.ts';

/** Changes states. */
export interface Journal {
  run(run: RunRecord, state: RuntimeState, error?: Status): void;
  task(run: RunRecord, task: TaskRecord, state: RuntimeState, error?: Status): void;
  /** A new task of the run, not yet in any state that counts. */
  newTask(run: RunRecord, name: string, displayName: string, parent: TaskRecord | undefined): TaskRecord;
}

/** Opens a journal over a store. */
export function createJournal(store: Store, clock: Clock): Journal {
  return {
    run(run, state, error) {
      note(run, state, error, clock.now());
      if (isTerminal(state)) run.finishedAt = clock.now();
      else delete run.finishedAt;
      store.saveRun(run);
    },
    task(run, task, state, error) {
      note(task, state, error, clock.now());
      if (state === 'RUNNING') task.startTime ??= clock.now();
      if (isTerminal(state)) task.endTime = clock.now();
      store.saveRun(run);
    },
    newTask(run, name, displayName, parent) {
      const task: TaskRecord = {
        taskId: randomUUID(),
        path: taskPath(name, parent),
        displayName,
        podName: '',
        parentTaskId: parent?.taskId ?? '',
        createTime: clock.now(),
        state: 'PENDING',
        stateHistory: [],
        failedPods: [],
      };
      run.tasks.push(task);
      return task;
    },
  };
}

function note(record: RunRecord | TaskRecord, state: RuntimeState, error: Status | undefined, now: number): void {
  record.state = state;
  record.stateHistory.push({ updateTime: now, state, ...(error ? { error } : {}) });
  if (error) record.error = error;
  else delete record.error;
}

/** Names from the root down. */
export const taskPath = (name: string, parent: TaskRecord | undefined): string => (parent ? `${parent.path}/${name}` : name);

/** Name of the pod of an attempt, as Argo derives it: workflow, number of the node, retry. */
export function podName(run: RunRecord, task: TaskRecord, attempt: number): string {
  const number = createHash('sha256').update(task.path).digest().readUInt32BE(0);
  return `${run.workflow}-${number}${attempt === 0 ? '' : `-${attempt}`}`;
}

/** The log of a task: all attempts, one after the other. */
export const logFile = (store: Store, run: RunRecord, task: TaskRecord): string =>
  join(store.runDir(run.runId), 'logs', `${task.taskId}.log`);
