// A run as Databricks describes it → our states. `status` is read; the older `state` is deprecated (facts/azure.md §6).
import * as z from 'zod';
import type { JobState } from '../../contracts/training.ts';

const runId = z.union([z.string(), z.number()]).transform(String);
const Status = z.object({
  state: z.string(),
  termination_details: z.object({ code: z.string().optional(), type: z.string().optional(), message: z.string().optional() }).optional(),
});
/** Times are milliseconds since 1970; 0 = not yet. */
const time = z.union([z.number(), z.string()]).transform(Number).optional();

export const RunAnswer = z.object({
  run_id: runId,
  run_name: z.string().optional(),
  status: Status.optional(),
  start_time: time,
  end_time: time,
  queue_duration: time,
  setup_duration: time,
  execution_duration: time,
  run_duration: time,
  tasks: z
    .array(
      z.object({
        run_id: runId,
        task_key: z.string(),
        status: Status.optional(),
        start_time: time,
        setup_duration: time,
        execution_duration: time,
        python_wheel_task: z.object({ parameters: z.array(z.string()).optional() }).optional(),
      }),
    )
    .default([]),
});
export type RunAnswer = z.infer<typeof RunAnswer>;

/** Queueing and setting up machines is waiting; what the tasks execute is work. Every word of the service has its place. */
export function jobState(run: RunAnswer, now: number): JobState {
  const status = run.status;
  const state = stateOf(status);
  const details = status?.termination_details;
  const words = [details?.code, details?.message].filter((part) => part && part !== 'SUCCESS').join(': ');
  const unknown = state === null ? `Databricks says "${status?.state ?? 'nothing'}", which is not known here` : null;
  const { queued, working } = times(run, now);
  return {
    state: state ?? 'running',
    reason: unknown ?? (words === '' ? null : words.slice(0, 1500)),
    queuedSeconds: queued,
    executionSeconds: working,
    vendorState:
      [status?.state, details?.code]
        .filter((part) => part)
        .join('/')
        .slice(0, 100) || 'unknown',
  };
}

function stateOf(status: RunAnswer['status']): JobState['state'] | null {
  switch (status?.state) {
    case 'BLOCKED':
    case 'PENDING':
    case 'QUEUED':
    case 'WAITING':
      return 'pending';
    case 'RUNNING':
    case 'TERMINATING':
      return 'running';
    case 'TERMINATED':
      return terminated(status.termination_details);
    default:
      return null;
  }
}

function terminated(details: NonNullable<RunAnswer['status']>['termination_details']): JobState['state'] {
  if (details?.type === 'SUCCESS' || details?.code === 'SUCCESS') return 'succeeded';
  // USER_CANCELED also where a person pressed the button in the workspace.
  if (details?.code && /^(USER_)?CANCELL?ED$|^CANCELED$|^SKIPPED$/.test(details.code)) return 'cancelled';
  return 'failed';
}

function times(run: RunAnswer, now: number): { queued: number | null; working: number | null } {
  const started = run.tasks.map((task) => (task.start_time ? task.start_time + (task.setup_duration ?? 0) : 0)).filter((at) => at > 0);
  if (!run.start_time || started.length === 0) return { queued: null, working: null };
  const first = Math.min(...started);
  const end = run.end_time && run.end_time > 0 ? run.end_time : now;
  return { queued: Math.max(0, first - run.start_time) / 1000, working: Math.max(0, end - first) / 1000 };
}
