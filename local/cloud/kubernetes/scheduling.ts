// Which node suits a pod, and in the scheduler's words why none does: labels, readiness, cordon, taints, room.
import type { PodRecord, TolerationSpec } from './cluster.ts';
import type { NodeOptions, TaintOptions } from './options.ts';
import { quantity } from './quantities.ts';

export const DEFAULT_ALLOCATABLE: Readonly<Record<string, string>> = { cpu: '8', memory: '32Gi', pods: '110' };

/** What pods may use of a node. */
export const allocatableOf = (node: NodeOptions): Record<string, string> => ({ ...DEFAULT_ALLOCATABLE, ...node.allocatable });

/** The labels of a node; every node has its own name as one. */
export const labelsOf = (node: NodeOptions): Record<string, string> => ({
  'kubernetes.io/hostname': node.name,
  'kubernetes.io/os': 'linux',
  ...node.labels,
});

/** The node's taints with those that Kubernetes itself sets. */
export function taintsOf(node: NodeOptions): TaintOptions[] {
  return [
    ...(node.taints ?? []),
    ...(node.ready === false ? [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' as const }] : []),
    ...(node.cordoned ? [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' as const }] : []),
  ];
}

export const fits = (node: NodeOptions, pod: PodRecord, others: readonly PodRecord[]): boolean => obstacle(node, pod, others) === undefined;

/** `0/3 nodes are available: 1 node(s) …` */
export function whyNoNode(nodes: readonly NodeOptions[], pod: PodRecord, others: readonly PodRecord[]): string {
  const reasons = new Map<string, number>();
  for (const node of nodes) {
    const reason = obstacle(node, pod, others) ?? '';
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const words = [...reasons].map(([reason, number]) => `${number} ${reason}`).sort();
  return `0/${nodes.length} nodes are available: ${words.join(', ') || 'no nodes'}. preemption: 0/${nodes.length} nodes are available.`;
}

function obstacle(node: NodeOptions, pod: PodRecord, others: readonly PodRecord[]): string | undefined {
  const labels = labelsOf(node);
  if (node.cordoned && !tolerates(pod.tolerations, { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }))
    return 'node(s) were unschedulable';
  const taint = taintsOf(node).find((one) => one.effect !== 'PreferNoSchedule' && !tolerates(pod.tolerations, one));
  if (taint) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`;
  if (Object.entries(pod.nodeSelector).some(([key, value]) => labels[key] !== value))
    return "node(s) didn't match Pod's node affinity/selector";
  const room = allocatableOf(node);
  for (const [resource, amount] of Object.entries(pod.requests)) {
    const used = others
      .filter((other) => other.node === node.name)
      .reduce((sum, other) => sum + quantity(other.requests[resource] ?? '0'), 0);
    if (used + quantity(amount) > quantity(room[resource] ?? '0')) return `Insufficient ${resource}`;
  }
  return undefined;
}

function tolerates(tolerations: readonly TolerationSpec[], taint: TaintOptions): boolean {
  return tolerations.some(({ key, operator, value, effect }) => {
    if (effect && effect !== taint.effect) return false;
    if (operator === 'Exists') return !key || key === taint.key;
    return key === taint.key && (value ?? '') === (taint.value ?? '');
  });
}
