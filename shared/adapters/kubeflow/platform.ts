// What a task's pod is asked to be: the Kubernetes half of the IR (`platforms.kubernetes`, facts/kubeflow.md §2).
// What the IR cannot say is refused by name, never left out: a step must not run elsewhere than it was told.
import type { JobSpec } from '../../contracts/training.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { GraphTask } from './graph.ts';

/** How this deployment's pods are made; nothing of it is a secret. */
export interface PodOptions {
  imagePullSecrets?: readonly string[];
  /** Label whose value a mutating policy of the cluster turns into the pod's runtimeClassName: the IR has no such field. */
  runtimeClassLabel?: string;
  /** What a pod must have to be inside an enclave, e.g. `sgx.intel.com/epc` and `512Mi` (facts/kubeflow.md §5: check the name on the cluster). */
  enclaveResource?: { name: string; quantity: string };
  /** The site's data: a volume claim in the namespace, mounted into the fetch step. */
  site?: { claim: string; mountPath: string };
  /** AWS identity of the steps that send: a projected service-account token for this audience, exchanged for this role. Never a key. */
  aws?: { roleArn: string; audience: string; region: string };
}

/** Label that names the task on its pod. */
export const STEP_LABEL = 'sluice/step';
/** Label of pods that get the AWS identity from the PodDefault `POD_DEFAULT`. */
export const AWS_LABEL = 'sluice/aws-web-identity';
export const ENCLAVE_ANNOTATION = 'sluice/enclave';
/** Label of pods in an enclave: what the cluster adds to them (infra/kubernetes/enclave) goes by it. */
export const ENCLAVE_LABEL = 'sluice/enclave';
export const RUNTIME_CLASS_ANNOTATION = 'sluice/runtime-class';
export const POD_DEFAULT = 'sluice-aws-web-identity';
const TOKEN_FOLDER = '/var/run/secrets/sluice/aws';

/** `platforms.kubernetes.deploymentSpec.executors.<label>`. */
export interface ExecutorConfig {
  podMetadata: { labels: Record<string, string>; annotations?: Record<string, string> };
  nodeSelector?: { labels: Record<string, string> };
  tolerations?: { key: string; operator: string; value?: string; effect?: string }[];
  imagePullSecret?: { secretName: string }[];
  pvcMount?: { constant: string; mountPath: string }[];
  activeDeadlineSeconds?: number;
}

/** What of the pod stands in document 1: environment and extended resources. */
export interface ContainerExtras {
  env?: { name: string; value: string }[];
  accelerator?: { resourceType: string; resourceCount: string };
}

type Asked = Partial<Pick<JobSpec, 'nodes' | 'timeoutSeconds' | 'rowsStay'>>;

/** Rejects `kubeflow-unsupported` for what KFP cannot express with these options. */
export function executorConfig(asked: Asked, task: GraphTask, options: PodOptions): ExecutorConfig {
  const { nodes } = asked;
  const lack = runtimeClassLack(nodes, options);
  if (lack !== null) throw unsupported(lack);
  return {
    podMetadata: podMetadata(nodes, task, options),
    ...(nodes && Object.keys(nodes.selector).length > 0 ? { nodeSelector: { labels: sorted(nodes.selector) } } : {}),
    ...(nodes && nodes.tolerations.length > 0 ? { tolerations: nodes.tolerations.map(toleration) } : {}),
    ...(options.imagePullSecrets?.length ? { imagePullSecret: options.imagePullSecrets.map((secretName) => ({ secretName })) } : {}),
    ...(task.readsSite ? { pvcMount: [siteMount(options)] } : {}),
    ...(asked.timeoutSeconds === undefined ? {} : { activeDeadlineSeconds: asked.timeoutSeconds }),
  };
}

/** What the pod is told apart by, and what the cluster acts on. */
function podMetadata(nodes: JobSpec['nodes'], task: GraphTask, options: PodOptions): ExecutorConfig['podMetadata'] {
  const labels: Record<string, string> = { [STEP_LABEL]: task.name.slice(0, 63) };
  const annotations: Record<string, string> = {};
  if (options.aws && task.sends) labels[AWS_LABEL] = 'true';
  if (nodes === undefined) return { labels };
  const enclave = task.kind === 'own' ? nodes.enclave : 'none';
  annotations[ENCLAVE_ANNOTATION] = enclave;
  if (enclave === 'gramine') labels[ENCLAVE_LABEL] = enclave;
  if (nodes.runtimeClass !== undefined && options.runtimeClassLabel !== undefined) {
    annotations[RUNTIME_CLASS_ANNOTATION] = nodes.runtimeClass;
    labels[options.runtimeClassLabel] = nodes.runtimeClass;
  }
  return { labels, annotations };
}

/** Why a pod cannot get the runtime class that is asked for; null when it can, or when none is. */
export function runtimeClassLack(nodes: JobSpec['nodes'], { runtimeClassLabel }: PodOptions): string | null {
  const asked = nodes?.runtimeClass;
  if (asked === undefined) return null;
  // It travels as the value of a label.
  if (!/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(asked)) {
    return `the runtime class "${asked}", which is not the name of one: lower-case letters, digits, hyphens and dots`;
  }
  if (runtimeClassLabel !== undefined) return null;
  return (
    `the runtime class "${asked}": the pipeline format has no runtimeClassName. Let a policy of the cluster set it from a label of the pod ` +
    '(infra/kubernetes/runtime-class), and name that label in KUBEFLOW_RUNTIME_CLASS_LABEL'
  );
}

/** Environment and resources of a task beside its processor and memory. Rejects `kubeflow-unsupported`. */
export function containerExtras(asked: Asked, task: GraphTask, options: PodOptions): ContainerExtras {
  const env = [
    // Numeric libraries count the node's processors, not the pod's share; components take their threads from this.
    ...(task.kind === 'own' ? [{ name: 'SLUICE_CPU_LIMIT', value: String(task.cpu) }] : []),
    // Tells components that no row may leave: no golden rows that were not declared, no values in messages.
    ...(asked.rowsStay && task.kind === 'own' ? [{ name: 'SLUICE_ROWS', value: 'stay' }] : []),
    ...(task.readsSite ? [{ name: 'SLUICE_SITE_ROOT', value: siteMount(options).mountPath }] : []),
    ...(options.aws && task.sends
      ? [
          { name: 'AWS_ROLE_ARN', value: options.aws.roleArn },
          { name: 'AWS_WEB_IDENTITY_TOKEN_FILE', value: `${TOKEN_FOLDER}/token` },
          { name: 'AWS_REGION', value: options.aws.region },
        ]
      : []),
  ];
  return { ...(env.length > 0 ? { env } : {}), ...enclaveOf(asked, task, options) };
}

function enclaveOf(asked: Asked, task: GraphTask, { enclaveResource }: PodOptions): ContainerExtras {
  if (asked.nodes?.enclave !== 'gramine' || task.kind !== 'own') return {};
  if (!enclaveResource) {
    throw unsupported(
      'enclave: gramine, because no enclave resource is configured (KUBEFLOW_ENCLAVE_RESOURCE, e.g. sgx.intel.com/epc=512Mi): without it a pod is on an SGX machine and ' +
        'not in an enclave',
    );
  }
  return { accelerator: { resourceType: enclaveResource.name, resourceCount: enclaveResource.quantity } };
}

/**
 * The PodDefault (Kubeflow's own mutating webhook) that projects the AWS token: the pipeline format has no such volume. Whoever installs the
 * target applies it to the namespace of the runs.
 */
export function awsPodDefault(namespace: string, aws: NonNullable<PodOptions['aws']>): object {
  const volume = 'sluice-aws-token';
  return {
    apiVersion: 'kubeflow.org/v1alpha1',
    kind: 'PodDefault',
    metadata: { name: POD_DEFAULT, namespace },
    spec: {
      desc: 'Sluice: AWS web identity of steps that send models',
      selector: { matchLabels: { [AWS_LABEL]: 'true' } },
      volumes: [
        {
          name: volume,
          projected: { sources: [{ serviceAccountToken: { path: 'token', audience: aws.audience, expirationSeconds: 3600 } }] },
        },
      ],
      volumeMounts: [{ name: volume, mountPath: TOKEN_FOLDER, readOnly: true }],
    },
  };
}

/** What keeps this place from training on rows that must not leave its site; null when nothing does. */
export function siteLack({ rowsStay }: Asked, { site }: PodOptions, pipelineRoot: string | undefined): string | null {
  if (!rowsStay) return null;
  if (!site) return 'the rows stay on the premises, and it has no data volume of a site (setting KUBEFLOW_SITE_CLAIM)';
  const [scheme = ''] = (pipelineRoot ?? 'minio://').split('://');
  if (scheme === 'minio') return null;
  return `the rows stay on the premises, and what steps hand to each other would go to ${scheme}:// (setting KUBEFLOW_PIPELINE_ROOT; minio:// is the object store of the cluster)`;
}

function siteMount({ site }: PodOptions): { constant: string; mountPath: string } {
  if (site) return { constant: site.claim, mountPath: site.mountPath };
  throw unsupported('inputs of the site (site://…), because this backend has no data volume of a site (setting site: claim and mountPath)');
}

function toleration({ key, operator, value, effect }: NonNullable<JobSpec['nodes']>['tolerations'][number]) {
  return { key, operator, ...(value === undefined ? {} : { value }), ...(effect === undefined ? {} : { effect }) };
}

function sorted(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function unsupported(what: string): RejectedError {
  return new RejectedError('kubeflow-unsupported', `Kubeflow Pipelines cannot give this job ${what}.`);
}
