// A cluster for one machine: nodes, pods that wait for a node which suits them, events, runtime classes, pod defaults.
// Pods do not run here: whoever makes one (the Kubeflow stand-in) starts a process when the pod has a node, and hears when it must end.
import { randomUUID } from 'node:crypto';
import { systemClock, type Clock } from '../kit/clock.ts';
import type { ClusterOptions, NodeOptions } from './options.ts';
import { podProblem } from './pod-rules.ts';
import { fits, whyNoNode } from './scheduling.ts';
import { createServiceAccountTokens, type ServiceAccountTokens } from './tokens.ts';

export interface TolerationSpec {
  key?: string;
  operator?: string;
  value?: string;
  effect?: string;
}

/** What a pod asks for. Amounts are Kubernetes quantities. */
export interface PodSpec {
  namespace: string;
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  nodeSelector: Record<string, string>;
  tolerations: TolerationSpec[];
  serviceAccount: string;
  image: string;
  requests: Record<string, string>;
  limits: Record<string, string>;
  runtimeClassName?: string;
}

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';

export interface ContainerState {
  waiting?: { reason: string; message?: string };
  running?: { startedAt: number };
  terminated?: { exitCode: number; reason: string; message?: string; startedAt: number | null; finishedAt: number };
}

/** A pod as it is now. Times are milliseconds since 1970. */
export interface PodRecord extends PodSpec {
  uid: string;
  createdAt: number;
  phase: Phase;
  node: string | null;
  reason?: string;
  message?: string;
  unschedulable?: string;
  state: ContainerState;
  logFile: string;
}

export interface EventRecord {
  namespace: string;
  name: string;
  pod: string;
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  at: number;
}

/** What happens to a pod from outside: it is thrown off, killed for memory, lost with its node, or its image cannot be had. */
export type Trouble = 'evict' | 'oom-kill' | 'lose' | 'image-pull-back-off';

/** How a pod that was ended from outside died. */
export interface Death {
  reason: string;
  message: string;
}

/** A pod in the hands of its maker. */
export interface PodHandle {
  readonly record: PodRecord;
  /** True when the pod has a node and may start; false when it died, or `giveUp` said true, before. */
  scheduled(giveUp: () => boolean): Promise<boolean>;
  /** The container's program has started; `kill` is called when the pod is ended from outside. */
  started(kill: () => void): void;
  /** The program has ended by itself; `why` = the pod itself was ended by its own rules (DeadlineExceeded). */
  ended(exitCode: number, why?: Death): void;
  /** Why the pod was ended from outside; undefined = it was not. */
  death(): Death | undefined;
}

/** A volume of tokens that a pod default projects into a pod. */
export interface TokenMount {
  mountPath: string;
  tokens: { path: string; audience: string; expirationSeconds: number }[];
}

export interface PodDefaultRecord {
  namespace: string;
  name: string;
  matchLabels: Record<string, string>;
  env: { name: string; value: string }[];
  mounts: TokenMount[];
  /** As it was sent. */
  body: Record<string, unknown>;
}

export interface Cluster {
  readonly clock: Clock;
  readonly tokens: ServiceAccountTokens;
  readonly runtimeClasses: Set<string>;
  readonly nodes: Map<string, NodeOptions>;
  readonly pods: Map<string, PodRecord>;
  readonly events: EventRecord[];
  readonly podDefaults: Map<string, PodDefaultRecord>;
  readonly serviceAccounts: Set<string>;
  /** Makes a pod; throws `PodRefused` where admission would. */
  createPod(spec: PodSpec, logFile: string): PodHandle;
  /** Does something to a pod now, or to the next pod with these labels. Returns the names of pods that it happened to. */
  trouble(action: Trouble, labels: Record<string, string>, namespace?: string): string[];
  deletePod(namespace: string, name: string): boolean;
  /** Tells waiting pods that nodes have changed. */
  changed(): void;
}

/** Admission refuses the pod. */
export class PodRefused extends Error {
  override readonly name = 'PodRefused';
}

const MAX_EVENTS = 2_000;
export const DEFAULT_NODE: NodeOptions = { name: 'local-1' };

export function createCluster(options: ClusterOptions = {}): Cluster {
  const clock = options.clock ?? systemClock;
  const nodes = new Map((options.nodes ?? [DEFAULT_NODE]).map((node) => [node.name, node]));
  const pods = new Map<string, PodRecord>();
  const events: EventRecord[] = [];
  const podDefaults = new Map<string, PodDefaultRecord>();
  const runtimeClasses = new Set(options.runtimeClasses ?? []);
  const kills = new Map<string, () => void>();
  const deaths = new Map<string, Death>();
  const planned: { action: Trouble; labels: Record<string, string>; namespace: string | undefined }[] = [];
  const waiting = new Set<() => void>();
  const changed = (): void => {
    for (const wake of [...waiting]) wake();
  };

  const event = (pod: PodRecord, type: EventRecord['type'], reason: string, message: string): void => {
    events.push({
      namespace: pod.namespace,
      name: `${pod.name}.${randomUUID().slice(0, 8)}`,
      pod: pod.name,
      type,
      reason,
      message,
      at: clock.now(),
    });
    if (events.length > MAX_EVENTS) events.splice(0, events.length - MAX_EVENTS);
  };

  const isOver = (pod: PodRecord): boolean => pod.phase === 'Succeeded' || pod.phase === 'Failed';

  const die = (pod: PodRecord, death: Death): void => {
    deaths.set(pod.uid, death);
    kills.get(pod.uid)?.();
    changed();
  };

  const terminated = (pod: PodRecord, exitCode: number, reason: string, message?: string): void => {
    const startedAt = pod.state.running?.startedAt ?? null;
    pod.state = { terminated: { exitCode, reason, ...(message ? { message } : {}), startedAt, finishedAt: clock.now() } };
  };

  const act = (pod: PodRecord, action: Trouble): void => {
    if (isOver(pod)) return;
    switch (action) {
      case 'evict':
        terminated(pod, 137, 'Error');
        Object.assign(pod, { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' });
        event(pod, 'Warning', 'Evicted', 'The node was low on resource: memory.');
        return die(pod, { reason: 'Evicted', message: 'The node was low on resource: memory.' });
      case 'oom-kill':
        terminated(pod, 137, 'OOMKilled');
        pod.phase = 'Failed';
        return die(pod, { reason: 'OOMKilled', message: 'main: OOMKilled (exit code 137)' });
      case 'lose':
        // The kubelet is silent: nobody knows what the program does, and it goes on.
        Object.assign(pod, {
          phase: 'Unknown',
          reason: 'NodeLost',
          message: `Node ${pod.node ?? ''} which was running pod ${pod.name} is unresponsive`,
        });
        return;
      case 'image-pull-back-off':
        pod.state = { waiting: { reason: 'ImagePullBackOff', message: `Back-off pulling image "${pod.image}"` } };
        event(pod, 'Warning', 'BackOff', `Back-off pulling image "${pod.image}"`);
    }
  };

  const carries = (pod: PodRecord, labels: Record<string, string>, namespace?: string): boolean =>
    (namespace === undefined || pod.namespace === namespace) && Object.entries(labels).every(([key, value]) => pod.labels[key] === value);

  const meetPlans = (pod: PodRecord, due: (action: Trouble) => boolean): void => {
    const index = planned.findIndex((plan) => due(plan.action) && carries(pod, plan.labels, plan.namespace));
    const [plan] = index < 0 ? [] : planned.splice(index, 1);
    if (plan) act(pod, plan.action);
  };

  /** Puts the pod on a node where one suits it; says why not otherwise, once for each reason. */
  const place = (pod: PodRecord): void => {
    const running = [...pods.values()].filter((other) => other.node !== null && !isOver(other));
    const [node] = [...nodes.values()]
      .filter((candidate) => fits(candidate, pod, running))
      .sort((a, b) => count(running, a.name) - count(running, b.name) || (a.name < b.name ? -1 : 1));
    if (node) {
      pod.node = node.name;
      delete pod.unschedulable;
      pod.state = { waiting: { reason: 'ContainerCreating' } };
      event(pod, 'Normal', 'Scheduled', `Successfully assigned ${pod.namespace}/${pod.name} to ${node.name}`);
      return;
    }
    const why = whyNoNode([...nodes.values()], pod, running);
    if (why !== pod.unschedulable) event(pod, 'Warning', 'FailedScheduling', why);
    pod.unschedulable = why;
  };

  const handleOf = (pod: PodRecord): PodHandle => ({
    record: pod,
    async scheduled(giveUp) {
      for (;;) {
        if (deaths.has(pod.uid) || giveUp()) return false;
        if (pod.node === null) place(pod);
        if (pod.node !== null && pod.state.waiting?.reason === 'ContainerCreating') {
          meetPlans(pod, (action) => action === 'image-pull-back-off');
          if (pod.state.waiting.reason === 'ContainerCreating') return true;
        }
        await new Promise<void>((resolve) => {
          // A change of nodes wakes at once; the timer is for `giveUp`, which nobody announces.
          const timer = setTimeout(done, 50);
          function done(): void {
            clearTimeout(timer);
            waiting.delete(done);
            resolve();
          }
          waiting.add(done);
        });
      }
    },
    started(kill) {
      kills.set(pod.uid, kill);
      pod.phase = 'Running';
      pod.state = { running: { startedAt: clock.now() } };
      meetPlans(pod, (action) => action !== 'image-pull-back-off');
    },
    ended(exitCode, why) {
      kills.delete(pod.uid);
      if (deaths.has(pod.uid)) return changed();
      terminated(pod, exitCode, exitCode === 0 ? 'Completed' : 'Error');
      pod.phase = exitCode === 0 ? 'Succeeded' : 'Failed';
      delete pod.reason;
      delete pod.message;
      if (why) Object.assign(pod, why);
      changed();
    },
    death: () => deaths.get(pod.uid),
  });

  return {
    ...{ clock, nodes, pods, events, podDefaults, runtimeClasses, changed },
    tokens: createServiceAccountTokens(options.issuer ?? 'https://kubernetes.default.svc.cluster.local', clock),
    serviceAccounts: new Set((options.serviceAccounts ?? []).map(({ namespace, name }) => `${namespace}/${name}`)),
    createPod(spec, logFile) {
      const wanted = options.runtimeClassLabel === undefined ? undefined : spec.labels[options.runtimeClassLabel];
      const runtimeClassName = spec.runtimeClassName ?? wanted;
      const problem = podProblem({ ...spec, ...(runtimeClassName === undefined ? {} : { runtimeClassName }) });
      if (problem !== undefined) throw new PodRefused(problem);
      if (runtimeClassName !== undefined && !runtimeClasses.has(runtimeClassName)) {
        throw new PodRefused(`pods "${spec.name}" is forbidden: pod rejected: RuntimeClass "${runtimeClassName}" not found`);
      }
      const pod: PodRecord = {
        ...{ ...spec, ...(runtimeClassName === undefined ? {} : { runtimeClassName }) },
        ...{ uid: randomUUID(), createdAt: clock.now(), phase: 'Pending', node: null, state: {}, logFile },
      };
      pods.set(`${pod.namespace}/${pod.name}`, pod);
      return handleOf(pod);
    },
    trouble(action, labels, namespace) {
      const hit = [...pods.values()].filter((pod) => !isOver(pod) && pod.phase !== 'Unknown' && carries(pod, labels, namespace));
      if (hit.length === 0) planned.push({ action, labels, namespace });
      for (const pod of hit) act(pod, action);
      return hit.map(({ name }) => name);
    },
    deletePod(namespace, name) {
      const pod = pods.get(`${namespace}/${name}`);
      if (!pod) return false;
      pods.delete(`${namespace}/${name}`);
      if (!isOver(pod)) die(pod, { reason: 'PodDeleted', message: 'pod deleted' });
      return true;
    },
  };
}

const count = (pods: readonly PodRecord[], node: string): number => pods.filter((pod) => pod.node === node).length;
