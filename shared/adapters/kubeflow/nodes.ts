// May a job run here now? Asked before it is made: nodes with the labels, Ready, not cordoned, tolerated, large enough, and the runtime class.
// The answer is a sentence that names each machine and what is wrong with it; nothing is guessed where nobody can be asked.
import type { JobSpec } from '../../contracts/training.ts';
import type { Kubernetes } from '../../clients/kubernetes.ts';
import type { Availability } from '../../ports/training-backend.ts';
import { Node, PodDefault, RuntimeClass, type Taint } from './kubernetes-wire.ts';
import { awsPodDefault, POD_DEFAULT, type PodOptions, runtimeClassLack } from './platform.ts';

type Asked = NonNullable<JobSpec['nodes']>;
type Toleration = {
  key?: string | null | undefined;
  operator?: string | null | undefined;
  value?: string | null | undefined;
  effect?: string | null | undefined;
};

/** What the largest step needs of one node. */
interface Room {
  cpu: number;
  memoryGiB: number;
  resource?: { name: string; quantity: string };
}

const missing = (what: string): Availability => ({ available: false, missing: what });

/** Asks the Kubernetes API; null = this deployment has none. */
export async function nodesAvailable(
  kubernetes: Kubernetes | null,
  job: Pick<JobSpec, 'nodes' | 'steps'>,
  options: PodOptions,
): Promise<Availability> {
  const { nodes } = job;
  if (!nodes) return { available: true };
  if (!kubernetes) {
    return missing(
      `machines with ${selectorWords(nodes.selector)} are asked for, and no Kubernetes API is configured for the Kubeflow backend, so nobody can say whether they are there`,
    );
  }
  if (nodes.enclave === 'gramine' && !options.enclaveResource) {
    return missing(
      'enclave: gramine is asked for, and KUBEFLOW_ENCLAVE_RESOURCE says nothing (e.g. sgx.intel.com/epc=512Mi): without it a pod is not in an enclave',
    );
  }
  const lack = runtimeClassLack(nodes, options);
  if (lack !== null) return missing(`Kubeflow Pipelines cannot give a job ${lack}`);
  const runtime = nodes.runtimeClass === undefined ? null : await runtimeClass(kubernetes, nodes.runtimeClass);
  if (nodes.runtimeClass !== undefined && !runtime) return missing(`the cluster has no runtime class "${nodes.runtimeClass}"`);
  const selector = { ...nodes.selector, ...runtime?.scheduling?.nodeSelector };
  const tolerations: Toleration[] = [...nodes.tolerations, ...(runtime?.scheduling?.tolerations ?? [])];
  const query =
    Object.keys(selector).length > 0
      ? {
          labelSelector: Object.entries(selector)
            .map(([key, value]) => `${key}=${value}`)
            .join(','),
        }
      : {};
  const found = await kubernetes.list('/api/v1/nodes', query, Node);
  const room: Room = {
    cpu: Math.max(...job.steps.map((step) => step.cpu)),
    memoryGiB: Math.max(...job.steps.map((step) => step.memoryGiB)),
    ...(nodes.enclave === 'gramine' && options.enclaveResource ? { resource: options.enclaveResource } : {}),
  };
  return judged(nodes, selector, found, (node) => problemOf(node, tolerations, room));
}

function judged(
  nodes: Asked,
  selector: Record<string, string>,
  found: readonly Node[],
  problem: (node: Node) => string | null,
): Availability {
  const looked = found.map((node) => ({ name: node.metadata.name, ready: isReady(node), problem: problem(node) }));
  const usable = looked.filter((node) => node.problem === null).length;
  if (usable >= nodes.minimum) return { available: true };
  const ready = looked.filter((node) => node.ready).length;
  const words = selectorWords(selector);
  if (found.length === 0) return missing(`no node with ${words} is there; ${nodes.minimum} must be Ready`);
  const unusable = looked.flatMap((node) => (node.problem === null ? [] : [`${node.name} ${node.problem}`]));
  const listed = unusable.length > 10 ? `${unusable.slice(0, 10).join('; ')}; and ${unusable.length - 10} more` : unusable.join('; ');
  return missing(
    `${count(found.length, 'node')} with ${words} ${found.length === 1 ? 'is' : 'are'} there, ${ready} ${ready === 1 ? 'is' : 'are'} Ready, ` +
      `${usable} can take the steps, ${nodes.minimum} must: ${listed || 'there are too few'}`,
  );
}

function problemOf(node: Node, tolerations: readonly Toleration[], room: Room): string | null {
  const condition = node.status?.conditions?.find((one) => one.type === 'Ready');
  if (condition?.status !== 'True') {
    const why = [condition?.reason, condition?.message].filter(Boolean).join(': ');
    return `is not Ready${why ? ` (${why.slice(0, 200)})` : ''}`;
  }
  if (node.spec?.unschedulable) return 'is cordoned';
  const taint = node.spec?.taints?.find(
    (one) => one.effect !== 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, one)),
  );
  if (taint)
    return `has the taint ${taint.key}${taint.value ? `=${taint.value}` : ''}:${taint.effect}, which the pipeline does not tolerate`;
  return roomProblem(node.status?.allocatable ?? {}, room);
}

/** A pod that no node could ever hold would wait for ever; requests equal limits, so the largest step decides. */
function roomProblem(allocatable: Readonly<Record<string, string | number>>, room: Room): string | null {
  const { cpu, memory } = allocatable;
  if (cpu !== undefined && quantity(cpu) < room.cpu) return `has ${cpu} CPU for pods, a step wants ${room.cpu}`;
  if (memory !== undefined && quantity(memory) < room.memoryGiB * 2 ** 30)
    return `has ${memory} memory for pods, a step wants ${room.memoryGiB}Gi`;
  if (room.resource === undefined) return null;
  const { name, quantity: wanted } = room.resource;
  const offered = allocatable[name] ?? 0;
  if (quantity(offered) <= 0) return `offers no ${name}: its device plugin is not there`;
  return quantity(offered) < quantity(wanted) ? `has ${offered} of ${name} for pods, a step wants ${wanted}` : null;
}

function isReady(node: Node): boolean {
  return node.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
}

/** As the scheduler reads it: an empty key with Exists tolerates everything, an absent effect every effect. */
function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (operator === 'Exists') return !key || key === taint.key;
  return key === taint.key && (value ?? '') === (taint.value ?? '');
}

async function runtimeClass(kubernetes: Kubernetes, name: string): Promise<RuntimeClass | null> {
  return kubernetes.call(
    { method: 'GET', path: `/apis/node.k8s.io/v1/runtimeclasses/${encodeURIComponent(name)}`, accept: [404] },
    RuntimeClass,
  );
}

/** With an AWS identity configured: the PodDefault that projects its token is there and made for this audience. */
export async function awsAvailable(kubernetes: Kubernetes | null, namespace: string, options: PodOptions): Promise<Availability> {
  const { aws } = options;
  if (!aws || !kubernetes) return { available: true };
  const path = `/apis/kubeflow.org/v1alpha1/namespaces/${encodeURIComponent(namespace)}/poddefaults/${POD_DEFAULT}`;
  const found = await kubernetes.call({ method: 'GET', path, accept: [404] }, PodDefault);
  const audiences = (found?.spec.volumes ?? []).flatMap((volume) =>
    (volume.projected?.sources ?? []).flatMap(({ serviceAccountToken: token }) => (token?.audience ? [token.audience] : [])),
  );
  if (audiences.includes(aws.audience)) return { available: true };
  const manifest = JSON.stringify(awsPodDefault(namespace, aws));
  return missing(
    found
      ? `the PodDefault "${POD_DEFAULT}" of namespace "${namespace}" projects no token for ${aws.audience}; apply ${manifest}`
      : `the PodDefault "${POD_DEFAULT}" that gives sending steps their AWS identity is not in namespace "${namespace}"; apply ${manifest}`,
  );
}

const SUFFIXES: Readonly<Record<string, number>> = {
  ...{ '': 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50 },
};

/** A Kubernetes quantity as a number; one that cannot be read counts as nothing. */
export function quantity(value: string | number): number {
  const [, number, suffix] = /^([0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)$/.exec(String(value)) ?? [];
  const factor = suffix !== undefined && Object.hasOwn(SUFFIXES, suffix) ? SUFFIXES[suffix] : undefined;
  return number === undefined || factor === undefined ? 0 : Number(number) * factor;
}

function selectorWords(selector: Readonly<Record<string, string>>): string {
  return (
    Object.entries(selector)
      .map(([key, value]) => `${key}=${value}`)
      .join(' and ') || 'any label'
  );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
