// The pod of a task on the shared cluster: labels and settings of the pipeline, and what pod defaults of the namespace put into it.
// The task is PENDING until the pod has a node, while the run is RUNNING already: so it is on a cluster, where the driver ran first.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster, PodHandle } from '../../kubernetes/cluster.ts';
import { defaultsFor } from '../../kubernetes/pod-defaults.ts';
import type { Container } from '../ir/types.ts';
import type { RunRecord, TaskRecord } from '../model.ts';
import type { Mount, PodSettings } from './pod-settings.ts';

/** A pod, and what it brings into its container. */
export interface TaskPod {
  readonly handle: PodHandle;
  readonly mounts: readonly Mount[];
  readonly env: readonly { name: string; value: string }[];
}

interface PodOf {
  readonly run: RunRecord;
  readonly record: TaskRecord;
  readonly container: Container;
  readonly settings: PodSettings;
  readonly logFile: string;
  /** Private folder of the attempt. */
  readonly dir: string;
}

/** Makes the pod; undefined where there is no cluster. Throws `PodRefused`. */
export async function makePod(
  cluster: Cluster | undefined,
  { run, record, container, settings, logFile, dir }: PodOf,
): Promise<TaskPod | undefined> {
  if (!cluster) return undefined;
  // Argo counts a task from the making of its pod.
  record.startTime ??= cluster.clock.now();
  const namespace = run.namespace || 'kubeflow';
  const labels = {
    'pipeline/runid': run.runId,
    'pipelines.kubeflow.org/v2_component': 'true',
    'workflows.argoproj.io/workflow': run.workflow,
    ...settings.labels,
  };
  const handle = cluster.createPod(
    {
      ...{ namespace, name: record.podName, labels, annotations: settings.annotations },
      ...{ nodeSelector: settings.nodeSelector, tolerations: settings.tolerations },
      ...{ serviceAccount: run.serviceAccount, image: container.image ?? '' },
      ...amounts(container),
    },
    logFile,
  );
  const mounts: Mount[] = [];
  const env: { name: string; value: string }[] = [];
  for (const [index, one] of defaultsFor(cluster, namespace, labels).entries()) {
    env.push(...one.env);
    for (const { mountPath, tokens } of one.mounts) {
      const folder = join(dir, `projected-${index}-${mounts.length}`);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      for (const { path, audience, expirationSeconds } of tokens) {
        const { token } = await cluster.tokens.mint({ namespace, name: run.serviceAccount }, [audience], expirationSeconds);
        writeFileSync(join(folder, path), token, { mode: 0o600 });
      }
      mounts.push({ mountPath, folder });
    }
  }
  return { handle, mounts, env };
}

/** Requests and limits; what has only a limit requests as much, as Kubernetes fills it in. */
function amounts({ resources = {} }: Container): { requests: Record<string, string>; limits: Record<string, string> } {
  const { accelerator } = resources;
  const limits: Record<string, string> = {};
  const cpu = resources.resourceCpuLimit ?? resources.cpuLimit?.toString();
  const memory = resources.resourceMemoryLimit ?? (resources.memoryLimit === undefined ? undefined : `${resources.memoryLimit}G`);
  if (cpu) limits['cpu'] = cpu;
  if (memory) limits['memory'] = memory;
  const kind = accelerator?.resourceType ?? accelerator?.type;
  if (kind) limits[kind] = accelerator?.resourceCount ?? '1';
  const requests = {
    ...limits,
    ...(resources.resourceCpuRequest ? { cpu: resources.resourceCpuRequest } : {}),
    ...(resources.resourceMemoryRequest ? { memory: resources.resourceMemoryRequest } : {}),
  };
  return { requests, limits };
}
