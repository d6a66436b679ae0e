// Azure ML's words for a job → ours: state, reason, waiting and working time (facts/azure.md §1.3). Pure.
import { plainWords } from '../../clients/arm/words.ts';
import type { JobState } from '../../contracts/training.ts';
import { STEPS_PROPERTY } from './compile.ts';
import { instantOf } from './mlflow.ts';
import type { JobBody, MlflowRun } from './wire.ts';

export type StateWords = Pick<JobState, 'state' | 'reason' | 'vendorState'>;

/** Total: a status that nobody knows yet is `running`, never an end, and the reason names it. Waiting for machines is `pending`. */
export function stateOf(job: JobBody): StateWords {
  const status = job.properties.status ?? '';
  // The service's own word stands beside ours where ours says less.
  const vendorState = status === '' ? {} : { vendorState: status.slice(0, 100) };
  switch (status) {
    case '':
      return { state: 'pending', reason: 'Azure ML has not set a status yet' };
    case 'Queued':
      return { state: 'pending', reason: null };
    case 'NotStarted':
    case 'Scheduled':
      return { state: 'pending', reason: null, ...vendorState };
    case 'Starting':
    case 'Provisioning':
    case 'Preparing':
      return { state: 'pending', reason: 'machines and image are being made ready', ...vendorState };
    case 'Running':
      return { state: 'running', reason: null };
    case 'Finalizing':
      return { state: 'running', reason: 'outputs are being written', ...vendorState };
    case 'CancelRequested':
      return { state: 'running', reason: 'being cancelled', ...vendorState };
    case 'NotResponding':
      return { state: 'running', reason: 'Azure ML gets no sign of life from the job; it may come back', ...vendorState };
    case 'Paused':
      return { state: 'running', reason: 'paused in Azure ML', ...vendorState };
    case 'Completed':
      return { state: 'succeeded', reason: null };
    case 'Failed':
      return { state: 'failed', reason: errorOf(job) };
    case 'Canceled':
      return { state: 'cancelled', reason: errorOf(job) ?? 'cancelled in Azure ML' };
    default:
      return { state: 'running', reason: `unknown Azure ML status "${status.slice(0, 60)}"`, ...vendorState };
  }
}

/** What the service itself says about a failure, if it does. */
export function errorOf(job: JobBody): string | null {
  const error = job.properties.error as
    { code?: unknown; message?: unknown; error?: { code?: unknown; message?: unknown } | null } | null | undefined;
  const inner = error?.error ?? error;
  const parts = [inner?.code, inner?.message].filter((part): part is string => typeof part === 'string' && part !== '');
  return parts.length === 0 ? null : plainWords(parts.join(': '));
}

/** The job's steps, as it was submitted; [] for a job that Sluice did not make. */
export function stepsOf(job: JobBody): string[] {
  const text = job.properties.properties?.[STEPS_PROPERTY] ?? '';
  return text === '' ? [] : text.split(',');
}

/**
 * Waiting = first start of work − creation; working = last end − first start; null while unknown.
 * Of a pipeline only its steps count: the pipeline itself "runs" while they wait for machines.
 */
export function timesOf(job: JobBody, runs: readonly MlflowRun[], ended: boolean): Pick<JobState, 'queuedSeconds' | 'executionSeconds'> {
  const created = Date.parse(job.systemData?.createdAt ?? '');
  const starts = runs.map((run) => instantOf(run.info.start_time)).filter((time) => time !== null);
  const ends = runs.map((run) => instantOf(run.info.end_time)).filter((time) => time !== null);
  const first = starts.length > 0 ? Math.min(...starts) : null;
  const last = ends.length > 0 ? Math.max(...ends) : null;
  return {
    queuedSeconds: first !== null && Number.isFinite(created) ? seconds(first - created) : null,
    executionSeconds: ended && first !== null && last !== null ? seconds(last - first) : null,
  };
}

/** True once a step of a pipeline is at work or has been. */
export function hasBegun(runs: readonly MlflowRun[]): boolean {
  return runs.some((run) => ['RUNNING', 'FINISHED', 'FAILED', 'KILLED'].includes(run.info.status ?? ''));
}

function seconds(ms: number): number {
  return Math.max(0, Math.round(ms) / 1000);
}
