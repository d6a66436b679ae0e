// The messages of an IR document 2: what a Kubernetes platform document may say about an executor's pod.
// Source: kubeflow/pipelines kubernetes_platform/proto/kubernetes_executor_config.proto (facts/kubeflow.md §2: there is no runtimeClassName).
import { bool, int32, int64, list, map, message, string, struct } from '../protojson.ts';
import type { FieldType, Message } from '../protojson.ts';
import { inputParameter } from './pipeline-messages.ts';

const parameter = message(() => inputParameter);
const many = (name: string, fields: Record<string, FieldType>): FieldType => list(message(() => ({ name, fields })));
const one = (name: string, fields: Record<string, FieldType>): FieldType => message(() => ({ name, fields }));
const strings = map(string);
const metadata = one('PodMetadata', { labels: strings, annotations: strings });
const requirements = many('SelectorRequirement', { key: string, operator: string, values: list(string) });

/** What may stand under `platforms.kubernetes.deploymentSpec.executors.<label>`. */
export const kubernetesExecutor: Message = {
  name: 'KubernetesExecutorConfig',
  fields: {
    secretAsVolume: many('SecretAsVolume', { secretName: string, mountPath: string, optional: bool, secretNameParameter: parameter }),
    secretAsEnv: many('SecretAsEnv', {
      secretName: string,
      keyToEnv: many('SecretKeyToEnvMap', { secretKey: string, envVar: string }),
      optional: bool,
      secretNameParameter: parameter,
    }),
    pvcMount: many('PvcMount', {
      taskOutputParameter: struct,
      constant: string,
      componentInputParameter: string,
      mountPath: string,
      pvcNameParameter: parameter,
      subPath: string,
    }),
    nodeSelector: one('NodeSelector', { labels: strings, nodeSelectorJson: parameter }),
    podMetadata: metadata,
    imagePullSecret: many('ImagePullSecret', { secretName: string, secretNameParameter: parameter }),
    imagePullPolicy: string,
    configMapAsVolume: many('ConfigMapAsVolume', {
      configMapName: string,
      mountPath: string,
      optional: bool,
      configMapNameParameter: parameter,
    }),
    configMapAsEnv: many('ConfigMapAsEnv', {
      configMapName: string,
      keyToEnv: many('ConfigMapKeyToEnvMap', { configMapKey: string, envVar: string }),
      configMapNameParameter: parameter,
      optional: bool,
    }),
    activeDeadlineSeconds: int64,
    fieldPathAsEnv: many('FieldPathAsEnv', { name: string, fieldPath: string }),
    tolerations: many('Toleration', {
      key: string,
      operator: string,
      value: string,
      effect: string,
      tolerationSeconds: int64,
      tolerationJson: parameter,
    }),
    genericEphemeralVolume: many('GenericEphemeralVolume', {
      volumeName: string,
      mountPath: string,
      accessModes: list(string),
      size: string,
      defaultStorageClass: bool,
      storageClassName: string,
      metadata,
    }),
    nodeAffinity: many('NodeAffinityTerm', {
      matchExpressions: requirements,
      matchFields: requirements,
      weight: int32,
      nodeAffinityJson: parameter,
    }),
    podAffinity: many('PodAffinityTerm', {
      matchPodExpressions: requirements,
      matchPodLabels: strings,
      topologyKey: string,
      namespaces: list(string),
      matchNamespaceExpressions: requirements,
      matchNamespaceLabels: strings,
      weight: int32,
      anti: bool,
    }),
    enabledSharedMemory: one('EnabledSharedMemory', { volumeName: string, size: string }),
    emptyDirMounts: many('EmptyDirMount', { volumeName: string, mountPath: string, medium: string, sizeLimit: string }),
    securityContext: one('SecurityContext', { runAsUser: int64, runAsGroup: int64, runAsNonRoot: bool }),
    initContainers: many('InitContainer', {
      name: string,
      image: string,
      command: list(string),
      args: list(string),
      env: many('EnvVar', { name: string, value: string }),
      volumeMounts: many('VolumeMount', { volumeName: string, mountPath: string }),
      restartPolicy: string,
      resources: one('ResourceRequirements', { requests: strings, limits: strings }),
    }),
    podResourceClaims: many('PodResourceClaim', { resourceClaimTemplateName: string, resourceClaimJson: parameter }),
  },
};

/** IR document 2; the executors' contents are read with `kubernetesExecutor` where the platform is `kubernetes`. */
export const platformSpec: Message = {
  name: 'PlatformSpec',
  fields: {
    platforms: map(
      one('SinglePlatformSpec', {
        deploymentSpec: one('PlatformDeploymentConfig', { executors: map(struct) }),
        platform: string,
        config: struct,
        pipelineConfig: struct,
      }),
    ),
  },
};
