// The pods of a run: where each step runs, since when, and what Kubernetes says is wrong with it. KFP itself shows none of this.
// Pods carry the label `pipeline/runid` of KFP and our own `sluice/step`, so drivers and launch helpers are left out.
import type { Kubernetes } from '../../clients/kubernetes.ts';
import type { Placement } from '../../contracts/training.ts';
import { Event, Node, Pod } from './kubernetes-wire.ts';
import { ENCLAVE_ANNOTATION, type PodOptions, RUNTIME_CLASS_ANNOTATION, STEP_LABEL } from './platform.ts';

/** The last pod of one step. Times are milliseconds since 1970. */
export interface StepPod {
  step: string;
  pod: string;
  phase: string;
  node: string | null;
  startedAt: number | null;
  endedAt: number | null;
  /** What is wrong, in Kubernetes' own reason and words; null = nothing. */
  problem: string | null;
  source: Pod;
}

/** Where the pods are. */
export interface PodPlace {
  kubernetes: Kubernetes;
  namespace: string;
}

/** Waiting that is part of every start. */
const ORDINARY_WAITING = new Set(['ContainerCreating', 'PodInitializing']);
const LABEL_OF_RUN = 'pipeline/runid';

/** The newest pod of each step of a run. Pods that are only being made tell by their events what holds them up. */
export async function stepPods({ kubernetes, namespace }: PodPlace, runId: string): Promise<StepPod[]> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
  const pods = await kubernetes.list(path, { labelSelector: `${LABEL_OF_RUN}=${runId},${STEP_LABEL}` }, Pod);
  const newest = new Map<string, Pod>();
  for (const pod of [...pods].sort((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''))) {
    newest.set(pod.metadata.labels?.[STEP_LABEL] ?? '', pod);
  }
  const found = [...newest].map(([step, pod]) => read(step, pod));
  for (const one of found.filter((pod) => pod.phase === 'Pending' && pod.problem === null && pod.node !== null)) {
    one.problem = await lastWarning({ kubernetes, namespace }, one.pod);
  }
  return found;
}

function read(step: string, pod: Pod): StepPod {
  const states = (pod.status?.containerStatuses ?? []).map(({ state }) => state);
  const starts = states.map((state) => instant(state?.running?.startedAt ?? state?.terminated?.startedAt)).filter((time) => time !== null);
  const ends = states.map((state) => instant(state?.terminated?.finishedAt)).filter((time) => time !== null);
  const phase = pod.status?.phase ?? 'Unknown';
  return {
    ...{ step, phase, source: pod },
    pod: pod.metadata.name,
    node: pod.spec.nodeName ?? null,
    startedAt: starts.length > 0 ? Math.min(...starts) : null,
    endedAt: ends.length > 0 && ends.length === states.length ? Math.max(...ends) : null,
    problem: problemOf(pod, phase),
  };
}

/** The pod-level reason, most telling first: the pod was ended (Evicted, NodeLost, DeadlineExceeded), a container's trouble, no machine. */
function problemOf(pod: Pod, phase: string): string | null {
  const { status } = pod;
  if (status?.reason) return said(status.reason, status.message);
  const container = containerProblem(pod);
  if (container !== null) return container;
  if (phase === 'Unknown') return 'Unknown: the node does not answer for its pod';
  const unscheduled = status?.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False');
  return phase === 'Pending' && unscheduled ? said(unscheduled.reason ?? 'Unschedulable', unscheduled.message) : null;
}

function containerProblem(pod: Pod): string | null {
  const statuses = pod.status?.containerStatuses ?? [];
  for (const { name, state } of statuses) {
    if (state?.terminated?.reason === 'OOMKilled') return said('OOMKilled', memoryWords(pod, name));
    const waiting = state?.waiting?.reason;
    if (waiting && !ORDINARY_WAITING.has(waiting)) return said(waiting, state?.waiting?.message);
  }
  const failed = statuses.find(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0)?.state?.terminated;
  return failed ? said(`${failed.reason ?? 'Error'} (exit code ${failed.exitCode})`, failed.message) : null;
}

function said(reason: string, message: string | null | undefined): string {
  return `${reason}${message ? `: ${message.trim().slice(0, 300)}` : ''}`;
}

function memoryWords(pod: Pod, container: string): string {
  const limit = pod.spec.containers?.find(({ name }) => name === container)?.resources?.limits?.['memory'];
  return limit === undefined ? 'it used more memory than the node had' : `it used more memory than its limit of ${limit}`;
}

/** Why a pod that has a node is not starting (a volume that does not mount, an image that is still being pulled). */
async function lastWarning({ kubernetes, namespace }: PodPlace, pod: string): Promise<string | null> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;
  const events = await kubernetes.list(path, { fieldSelector: `involvedObject.kind=Pod,involvedObject.name=${pod}` }, Event);
  const last = events.filter(({ type }) => type === 'Warning').sort((a, b) => (a.lastTimestamp ?? '').localeCompare(b.lastTimestamp ?? ''));
  const event = last.at(-1);
  return event ? `${event.reason ?? 'Warning'}${event.message ? `: ${event.message.slice(0, 300)}` : ''}` : null;
}

/** For how many seconds a running step has said nothing; null when nobody can say. The log's own clock stamps its last line. */
export async function silentSeconds({ kubernetes, namespace }: PodPlace, pod: StepPod, now: number): Promise<number | null> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod.pod)}/log`;
  const line = await kubernetes.tail(path, { container: 'main', tailLines: '1', timestamps: 'true' }, 64 * 1024);
  const spoke = instant(line?.trim().split(/\s/)[0]) ?? pod.startedAt;
  return spoke === null ? null : Math.max(0, Math.round((now - spoke) / 1000));
}

/** Where the steps ran: the node's own word for the labels that the pod's selector names; an enclave only where the pod really asked for one. */
export async function placementsOf({ kubernetes }: PodPlace, pods: readonly StepPod[], options: PodOptions): Promise<Placement[]> {
  const labelsOf = new Map<string, Record<string, string>>();
  const placements: Placement[] = [];
  for (const { step, node, source } of pods) {
    if (node === null) continue;
    const selected = Object.keys(source.spec.nodeSelector ?? {});
    if (selected.length > 0 && !labelsOf.has(node)) {
      const found = await kubernetes.call({ method: 'GET', path: `/api/v1/nodes/${encodeURIComponent(node)}`, accept: [404] }, Node);
      labelsOf.set(node, found?.metadata.labels ?? {});
    }
    const known = Object.entries(labelsOf.get(node) ?? {}).filter(([key]) => selected.includes(key));
    placements.push({ step, node, labels: Object.fromEntries(known.sort()), enclave: enclaveOf(source, options) });
  }
  return placements.sort((a, b) => (a.step < b.step ? -1 : 1)).slice(0, 50);
}

function enclaveOf(pod: Pod, { enclaveResource }: PodOptions): Placement['enclave'] {
  const claimed = pod.metadata.annotations?.[ENCLAVE_ANNOTATION] === 'gramine';
  const granted =
    enclaveResource !== undefined && pod.spec.containers?.some(({ resources }) => resources?.limits?.[enclaveResource.name] !== undefined);
  return claimed && granted ? 'gramine' : 'none';
}

/** Steps whose pod runs without the runtime class that was asked for: the cluster's policy did not act. */
export function withoutRuntimeClass(pods: readonly StepPod[]): string[] {
  return pods.flatMap(({ step, source }) => {
    const asked = source.metadata.annotations?.[RUNTIME_CLASS_ANNOTATION];
    return asked === undefined || source.spec.runtimeClassName === asked ? [] : [`step ${step} runs without the runtime class "${asked}"`];
  });
}

function instant(time: string | null | undefined): number | null {
  const value = Date.parse(time ?? '');
  return Number.isFinite(value) && value > 0 ? value : null;
}
