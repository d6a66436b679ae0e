// KFP's words for a run → ours: state, reason, waiting and working time (facts/kubeflow.md §1 "States"). Pure.
import type { JobState } from '../../contracts/training.ts';
import { withoutSecrets } from './http.ts';
import type { Run, Task } from './wire.ts';

/**
 * Total: a state that is absent or unspecified is `pending` (just created), one that is unknown is `running`; both say so in `reason`.
 * After a terminate the workflow usually ends as FAILED; that is `cancelled` only when the run's own history shows CANCELING, else `failed`.
 */
export function jobState(run: Run): JobState {
  return { ...stateOf(run), ...timesOf(run) };
}

function stateOf(run: Run): Pick<JobState, 'state' | 'reason' | 'vendorState'> {
  const state = run.state ?? '';
  switch (state) {
    case '':
    case 'RUNTIME_STATE_UNSPECIFIED':
      return { state: 'pending', reason: 'Kubeflow has not set a state yet' };
    case 'PENDING':
      return { state: 'pending', reason: null };
    case 'RUNNING':
      return workHasBegun(run)
        ? { state: 'running', reason: null }
        : { state: 'pending', reason: 'no step has started yet', vendorState: state };
    case 'CANCELING':
      return { state: 'running', reason: 'being cancelled', vendorState: state };
    case 'PAUSED':
      return { state: 'running', reason: 'paused in Kubeflow', vendorState: state };
    case 'SUCCEEDED':
      return { state: 'succeeded', reason: null };
    case 'CANCELED':
      return { state: 'cancelled', reason: failureOf(run) };
    case 'SKIPPED':
      return { state: 'failed', reason: 'Kubeflow skipped the run: nothing was executed', vendorState: state };
    case 'FAILED':
      if (run.state_history?.some((entry) => entry.state === 'CANCELING')) {
        return { state: 'cancelled', reason: 'cancelled on request; the workflow ended as FAILED', vendorState: state };
      }
      return { state: 'failed', reason: failureOf(run) ?? 'Kubeflow gave no reason' };
    default:
      return { state: 'running', reason: `unknown Kubeflow state "${state.slice(0, 60)}"`, vendorState: state.slice(0, 100) };
  }
}

/**
 * A workflow is RUNNING as soon as its first driver is; work begins with a step. A server that shows no tasks is believed. A step's own
 * PENDING is Argo's for "its pod has no container yet".
 */
function workHasBegun(run: Run): boolean {
  const tasks = run.run_details?.task_details ?? [];
  const steps = tasks.filter(isStep);
  return tasks.length === 0 || steps.some(({ state }) => state !== undefined && state !== '' && state !== 'PENDING' && state !== 'SKIPPED');
}

/** The failed tasks, steps before drivers, the first to end before those that failed because of it. */
function failedTasks(run: Run): Task[] {
  const end = (task: Task) => instant(task.end_time) ?? Infinity;
  return (run.run_details?.task_details ?? [])
    .filter((task) => task.state === 'FAILED' || task.error?.message)
    .sort((a, b) => Number(isStep(b)) - Number(isStep(a)) || (end(a) === end(b) ? 0 : end(a) - end(b)));
}

/** Name of the step that failed first; null when no step did. */
export function rootFailure(run: Run): string | null {
  return failedTasks(run).find(isStep)?.display_name ?? null;
}

/** The failing task's own error, else the run's. Drivers and the root repeat their child's failure, so steps come first. */
function failureOf(run: Run): string | null {
  const failed = failedTasks(run);
  const task = failed.find((candidate) => candidate.error?.message);
  if (task?.error?.message) return withoutSecrets(`step ${task.display_name ?? task.task_id ?? '(unnamed)'}: ${task.error.message}`);
  if (run.error?.message) return withoutSecrets(run.error.message);
  const named = failed.find(isStep)?.display_name;
  return named ? `step ${named} failed` : null;
}

/** The tasks that run a component; KFP lists its drivers and the root DAG beside them. */
export function isStep(task: Task): boolean {
  const name = task.display_name ?? '';
  return name !== '' && name !== 'root' && !name.endsWith('-driver');
}

/** Waiting = first step's start − creation; working = last step's end − first start. Null while unknown. */
function timesOf(run: Run): Pick<JobState, 'queuedSeconds' | 'executionSeconds'> {
  const all = run.run_details?.task_details ?? [];
  const steps = all.filter(isStep);
  const tasks = steps.length > 0 ? steps : all;
  const created = instant(run.created_at);
  const starts = tasks.map((task) => instant(task.start_time)).filter((time) => time !== null);
  const ends = tasks.map((task) => instant(task.end_time)).filter((time) => time !== null);
  const first = starts.length > 0 ? Math.min(...starts) : null;
  const last = ends.length > 0 ? Math.max(...ends) : null;
  return {
    queuedSeconds: first !== null && created !== null ? seconds(first - created) : null,
    executionSeconds: first !== null && last !== null && isEnded(run.state) ? seconds(last - first) : null,
  };
}

function isEnded(state: string | undefined): boolean {
  return state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELED' || state === 'SKIPPED';
}

/** Milliseconds since 1970; null for the zero time, which the server sends for "not yet". */
function instant(time: string | undefined): number | null {
  const value = Date.parse(time ?? '');
  return Number.isFinite(value) && value > 0 ? value : null;
}

function seconds(ms: number): number {
  return Math.max(0, Math.round(ms) / 1000);
}
