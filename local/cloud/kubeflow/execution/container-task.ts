// One container task of a run: its attempts, with the pipeline's retry policy between them.
// A failed attempt's reason is kept; termination ends the task at once.
import { join } from 'node:path';
import { entry, type Container, type Pipeline, type RetryPolicy } from '../ir/types.ts';
import type { RunRecord, Status, TaskRecord } from '../model.ts';
import { DEFAULT_ROOT, type KubeflowOptions } from '../options.ts';
import type { Store } from '../store.ts';
import { failure, type DueTask, type TaskResult } from './dag.ts';
import { ImagePullError } from './images.ts';
import { logFile, podName, type Journal } from './journal.ts';
import { PodRefused } from '../../kubernetes/cluster.ts';
import { podSettings } from './pod-settings.ts';
import { makePod, type TaskPod } from './task-pod.ts';
import { startStep, StepError, type StartedStep } from './step.ts';

/** What a task needs of its surroundings. */
export interface TaskContext {
  readonly options: KubeflowOptions;
  readonly store: Store;
  readonly journal: Journal;
  /** Why the run is being stopped, if it is. */
  stopReason(run: RunRecord): Status | undefined;
  /** Waits on the stand-in's clock; ends early when the run is stopped. */
  sleep(run: RunRecord, ms: number): Promise<void>;
  /** Tells which processes are alive. */
  readonly steps: { add(run: RunRecord, step: StartedStep): void; remove(run: RunRecord, step: StartedStep): void };
}

/** Runs the task to its end; rejects only for faults of the stand-in itself. */
export async function runContainerTask(
  context: TaskContext,
  run: RunRecord,
  pipeline: Pipeline,
  due: DueTask,
  record: TaskRecord,
): Promise<TaskResult> {
  const container = entry(pipeline.spec.deploymentSpec?.executors, due.component.executorLabel)?.container ?? {};
  const retry = due.task.retryPolicy ?? {};
  const resources = limitsOf(container);
  if (resources) record.resources = resources;
  for (let attempt = 0; ; attempt += 1) {
    record.podName = podName(run, record, attempt);
    const result = await runAttempt(context, run, pipeline, container, due, record, attempt);
    if (result.state !== 'FAILED' || attempt >= (retry.maxRetryCount ?? 0) || context.stopReason(run)) return result;
    record.failedPods.push(record.podName);
    context.journal.task(run, record, 'PENDING', result.error);
    await context.sleep(run, backoffMs(retry, attempt));
    const stop = context.stopReason(run);
    if (stop) return { state: 'FAILED', error: stop };
  }
}

async function runAttempt(
  context: TaskContext,
  run: RunRecord,
  pipeline: Pipeline,
  container: Container,
  due: DueTask,
  record: TaskRecord,
  attempt: number,
): Promise<TaskResult> {
  const { options, store } = context;
  const root = run.pipelineRoot || pipeline.spec.defaultPipelineRoot || options.pipelineRoot || DEFAULT_ROOT;
  const name = pipeline.spec.pipelineInfo?.name ?? '';
  const settings = podSettings(pipeline, due.component.executorLabel, options.volumes);
  if (settings.problem !== undefined) return failure(settings.problem);
  const dir = join(store.runDir(run.runId), 'tasks', `${record.taskId}-${attempt}`);
  const log = logFile(store, run, record);
  const stopped = (): TaskResult | undefined => {
    const stop = context.stopReason(run);
    return stop ? { state: 'FAILED', error: stop } : undefined;
  };
  let pod: TaskPod | undefined;
  try {
    pod = await makePod(options.cluster, { run, record, container, settings, logFile: log, dir });
    const unplaced = await waitForNode(pod, stopped);
    if (unplaced) return unplaced;
    context.journal.task(run, record, 'RUNNING');
    const step = startStep(options, {
      component: due.component,
      container,
      parameters: due.parameters,
      artifacts: due.artifacts,
      dir,
      uri: `${root.replace(/\/$/, '')}/${name}/${run.runId}/${due.name}/${record.taskId}`,
      logFile: log,
      podName: record.podName,
      mounts: [...settings.mounts, ...(pod?.mounts ?? [])],
      env: pod?.env ?? [],
      job: {
        pipeline_job_uuid: run.runId,
        pipeline_job_name: run.displayName,
        pipeline_job_resource_name: run.workflow,
        pipeline_task_uuid: record.taskId,
        pipeline_task_name: due.name,
        pipeline_root: root,
      },
    });
    return await whileItRuns(context, run, step, settings.deadlineMs, pod);
  } catch (error) {
    pod?.handle.ended(1);
    const stop = stopped();
    if (stop) return stop;
    if (error instanceof StepError || error instanceof ImagePullError || error instanceof PodRefused) return failure(error.message);
    throw error;
  }
}

/** Waits until the pod has a node; gives back how the task ended where it never got one. */
async function waitForNode(pod: TaskPod | undefined, stopped: () => TaskResult | undefined): Promise<TaskResult | undefined> {
  if (!pod || (await pod.handle.scheduled(() => stopped() !== undefined))) return undefined;
  const stop = stopped();
  if (stop) pod.handle.ended(143);
  return stop ?? diedOf(pod) ?? failure('pod deleted');
}

async function whileItRuns(
  context: TaskContext,
  run: RunRecord,
  step: StartedStep,
  deadlineMs: number | undefined,
  pod: TaskPod | undefined,
): Promise<TaskResult> {
  const { graceMs } = context.options;
  let late = false;
  context.steps.add(run, step);
  pod?.handle.started(() => void step.process.stop(0));
  // The machine's time: a clock that is moved does not move while a process is in flight.
  const timer = deadlineMs === undefined ? undefined : setTimeout(() => ((late = true), void step.process.stop(graceMs)), deadlineMs);
  try {
    const outputs = await step.outputs();
    const died = diedOf(pod);
    if (died) return died;
    pod?.handle.ended(0);
    return { state: 'SUCCEEDED', outputs };
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    const { code } = await step.process.ended;
    const lateness = tooLate(deadlineMs);
    pod?.handle.ended(
      code === null || code === 0 ? (late ? 143 : 1) : code,
      late ? { reason: 'DeadlineExceeded', message: lateness.error.message } : undefined,
    );
    const stop = context.stopReason(run);
    if (stop) return { state: 'FAILED', error: stop };
    return diedOf(pod) ?? (late ? lateness : failure(error.message));
  } finally {
    clearTimeout(timer);
    context.steps.remove(run, step);
  }
}

/** A pod that was ended from outside, in the words that Argo gives its task. */
function diedOf(pod: TaskPod | undefined): TaskResult | undefined {
  const death = pod?.handle.death();
  return death && failure(death.message);
}

const tooLate = (deadlineMs = 0): ReturnType<typeof failure> =>
  failure(`DeadlineExceeded: Pod was active on the node longer than the specified deadline (${deadlineMs / 1000} s)`);

function limitsOf(container: Container): TaskRecord['resources'] {
  const { resourceCpuLimit, cpuLimit, resourceMemoryLimit, memoryLimit, accelerator } = container.resources ?? {};
  const cpu = resourceCpuLimit ?? cpuLimit?.toString();
  const memory = resourceMemoryLimit ?? (memoryLimit === undefined ? undefined : `${memoryLimit}G`);
  const kind = accelerator?.resourceType ?? accelerator?.type;
  const limits = {
    ...(cpu ? { cpu } : {}),
    ...(memory ? { memory } : {}),
    ...(kind ? { accelerator: `${kind}=${accelerator?.resourceCount ?? '1'}` } : {}),
  };
  return Object.keys(limits).length > 0 ? limits : undefined;
}

/** Wait before attempt `attempt + 2`: duration × factor^attempt (default factor 2), at most the policy's maximum and one hour. */
function backoffMs(policy: RetryPolicy, attempt: number): number {
  const seconds = (text: string | undefined, fallback: number) => (text === undefined ? fallback : Number(text.slice(0, -1)));
  const limit = Math.min(3600, seconds(policy.backoffMaxDuration, 3600));
  return 1000 * Math.min(limit, seconds(policy.backoffDuration, 0) * (policy.backoffFactor || 2) ** attempt);
}
