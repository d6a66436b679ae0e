// Objects of the cluster as the API writes them: times with whole seconds, what is not set left out.
import type { EventRecord, PodRecord } from './cluster.ts';
import type { NodeOptions } from './options.ts';
import { allocatableOf, labelsOf, taintsOf } from './scheduling.ts';

export const seconds = (ms: number): string => `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;

export function nodeView(node: NodeOptions): Record<string, unknown> {
  const ready = node.ready !== false;
  const taints = taintsOf(node);
  return {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: { name: node.name, labels: labelsOf(node) },
    spec: { ...(node.cordoned ? { unschedulable: true } : {}), ...(taints.length > 0 ? { taints } : {}) },
    status: {
      allocatable: allocatableOf(node),
      capacity: allocatableOf(node),
      conditions: [
        ready
          ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
          : { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: node.reason ?? 'container runtime is down' },
      ],
    },
  };
}

export function podView(pod: PodRecord): Record<string, unknown> {
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      ...{ name: pod.name, namespace: pod.namespace, uid: pod.uid, creationTimestamp: seconds(pod.createdAt) },
      ...{ labels: pod.labels, annotations: pod.annotations },
    },
    spec: {
      ...(pod.node === null ? {} : { nodeName: pod.node }),
      ...(Object.keys(pod.nodeSelector).length > 0 ? { nodeSelector: pod.nodeSelector } : {}),
      ...(pod.tolerations.length > 0 ? { tolerations: pod.tolerations } : {}),
      ...(pod.runtimeClassName === undefined ? {} : { runtimeClassName: pod.runtimeClassName }),
      serviceAccountName: pod.serviceAccount,
      restartPolicy: 'Never',
      containers: [{ name: 'main', image: pod.image, resources: { requests: pod.requests, limits: pod.limits } }],
    },
    status: {
      phase: pod.phase,
      ...(pod.reason === undefined ? {} : { reason: pod.reason }),
      ...(pod.message === undefined ? {} : { message: pod.message }),
      conditions: [
        pod.node === null
          ? { type: 'PodScheduled', status: 'False', ...(pod.unschedulable ? { reason: 'Unschedulable', message: pod.unschedulable } : {}) }
          : { type: 'PodScheduled', status: 'True' },
      ],
      ...(pod.node === null ? {} : { containerStatuses: [containerStatus(pod)] }),
    },
  };
}

function containerStatus({ image, state: { waiting, running, terminated } }: PodRecord): object {
  return {
    ...{ name: 'main', image, restartCount: 0, ready: running !== undefined },
    state: {
      ...(waiting ? { waiting } : {}),
      ...(running ? { running: { startedAt: seconds(running.startedAt) } } : {}),
      ...(terminated
        ? {
            terminated: {
              ...{ exitCode: terminated.exitCode, reason: terminated.reason, finishedAt: seconds(terminated.finishedAt) },
              ...(terminated.message ? { message: terminated.message } : {}),
              ...(terminated.startedAt === null ? {} : { startedAt: seconds(terminated.startedAt) }),
            },
          }
        : {}),
    },
  };
}

export function eventView(event: EventRecord): Record<string, unknown> {
  return {
    metadata: { name: event.name, namespace: event.namespace, creationTimestamp: seconds(event.at) },
    involvedObject: { kind: 'Pod', namespace: event.namespace, name: event.pod },
    ...{ type: event.type, reason: event.reason, message: event.message, count: 1 },
    ...{ firstTimestamp: seconds(event.at), lastTimestamp: seconds(event.at) },
  };
}
