// What a platform document asks of the pod: where it may run, how it is labelled, what is mounted, how long it may run.
// The stand-in has no secrets: what a step would miss fails it in words.
import type { TolerationSpec } from '../../kubernetes/cluster.ts';
import { entry, type Pipeline } from '../ir/types.ts';
import { isObject, type JsonObject } from '../protojson.ts';

/** A folder of this machine that stands for a mount. */
export interface Mount {
  readonly mountPath: string;
  readonly folder: string;
}

/** Settings of one executor's pod. */
export interface PodSettings {
  /** Why the container cannot be made, in the words of its pod; undefined when it can. */
  readonly problem?: string;
  /** The pod may run for so long (activeDeadlineSeconds). */
  readonly deadlineMs?: number;
  readonly mounts: readonly Mount[];
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly nodeSelector: Record<string, string>;
  readonly tolerations: TolerationSpec[];
}

/** Settings that bring something into the container; without it the step would see another world than on a cluster. */
const BRINGS = {
  secretAsEnv: 'secret',
  secretAsVolume: 'secret',
  configMapAsEnv: 'configmap',
  configMapAsVolume: 'configmap',
  genericEphemeralVolume: 'persistentvolumeclaim',
  emptyDirMounts: 'volume',
  fieldPathAsEnv: 'field of the pod',
  initContainers: 'init container',
  podResourceClaims: 'resource claim',
} as const;

/** Reads the settings of an executor (facts/kubeflow.md §2); `volumes`: claim → folder. */
export function podSettings(
  { platform }: Pipeline,
  executorLabel: string | undefined,
  volumes: Readonly<Record<string, string>> = {},
): PodSettings {
  const settings = entry(entry(platform?.platforms, 'kubernetes')?.deploymentSpec?.executors, executorLabel) ?? {};
  const seconds = Number(settings['activeDeadlineSeconds'] ?? 0);
  const missing = Object.entries(BRINGS).find(([key]) => asked(settings, key));
  const claims = objects(settings['pvcMount']).map((claim) => ({ name: claimName(claim), mountPath: text(claim['mountPath']) }));
  const unknown = claims.find(({ name }) => entry(volumes, name) === undefined);
  const problem = missing
    ? `CreateContainerConfigError: ${missing[1]} not found: the stand-in has none (${missing[0]}, stricter than the service)`
    : unknown && `persistentvolumeclaim "${unknown.name}" not found`;
  const metadata = isObject(settings['podMetadata']) ? settings['podMetadata'] : {};
  return {
    ...(problem === undefined ? {} : { problem }),
    ...(seconds > 0 ? { deadlineMs: seconds * 1000 } : {}),
    mounts: claims.map(({ name, mountPath }) => ({ mountPath, folder: entry(volumes, name) ?? '' })),
    labels: strings(metadata['labels']),
    annotations: strings(metadata['annotations']),
    nodeSelector: strings(isObject(settings['nodeSelector']) ? settings['nodeSelector']['labels'] : undefined),
    tolerations: objects(settings['tolerations']).map((toleration) => strings(toleration)),
  };
}

/** The claim of a mount: a constant, or a constant as a parameter. */
function claimName(claim: JsonObject): string {
  const parameter = isObject(claim['pvcNameParameter']) ? claim['pvcNameParameter']['runtimeValue'] : undefined;
  return text(claim['constant']) || text(isObject(parameter) ? parameter['constant'] : undefined);
}

/** Whether a setting asks for something that is not optional. */
function asked(settings: JsonObject, key: string): boolean {
  return objects(settings[key]).some((item) => item['optional'] !== true);
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const objects = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter((item): item is JsonObject => isObject(item)) : []);

const strings = (value: unknown): Record<string, string> =>
  Object.fromEntries(Object.entries(isObject(value) ? value : {}).filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
