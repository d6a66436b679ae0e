// What a platform document asks of the pod, as far as it changes what a step sees or how long it may run.
// The stand-in has no secrets, volumes or nodes: what a step would miss fails it in words; where it would merely run is not modelled.
import { entry, type Pipeline } from '../ir/types.ts';
import type { JsonObject } from '../protojson.ts';

/** Settings of one executor's pod. */
export interface PodSettings {
  /** Why the container cannot be made, in the words of its pod; undefined when it can. */
  readonly problem?: string;
  /** The pod may run for so long (activeDeadlineSeconds). */
  readonly deadlineMs?: number;
}

/** Settings that bring something into the container; without it the step would see another world than on a cluster. */
const BRINGS = {
  secretAsEnv: 'secret',
  secretAsVolume: 'secret',
  configMapAsEnv: 'configmap',
  configMapAsVolume: 'configmap',
  pvcMount: 'persistentvolumeclaim',
  genericEphemeralVolume: 'persistentvolumeclaim',
  emptyDirMounts: 'volume',
  fieldPathAsEnv: 'field of the pod',
  initContainers: 'init container',
  podResourceClaims: 'resource claim',
} as const;

/** Reads the settings of an executor (facts/kubeflow.md §2). */
export function podSettings({ platform }: Pipeline, executorLabel: string | undefined): PodSettings {
  const settings = entry(entry(platform?.platforms, 'kubernetes')?.deploymentSpec?.executors, executorLabel) ?? {};
  const seconds = Number(settings['activeDeadlineSeconds'] ?? 0);
  const missing = Object.entries(BRINGS).find(([key]) => asked(settings, key));
  return {
    ...(missing
      ? { problem: `CreateContainerConfigError: ${missing[1]} not found: the stand-in has none (${missing[0]}, stricter than the service)` }
      : {}),
    ...(seconds > 0 ? { deadlineMs: seconds * 1000 } : {}),
  };
}

/** Whether a setting asks for something that is not optional. */
function asked(settings: JsonObject, key: string): boolean {
  const items = settings[key];
  return (
    Array.isArray(items) &&
    items.some((item) => !(typeof item === 'object' && item !== null && !Array.isArray(item) && item['optional'] === true))
  );
}
