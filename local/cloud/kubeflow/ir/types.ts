// The IR as TypeScript sees it after it was read and checked; names are those of the IR.
// Only what the stand-in uses is typed; everything else was checked by the message tables and is kept as it is.
import type { Json, JsonObject } from '../protojson.ts';

export type ParameterType = 'NUMBER_DOUBLE' | 'NUMBER_INTEGER' | 'STRING' | 'BOOLEAN' | 'LIST' | 'STRUCT' | 'TASK_FINAL_STATUS';

export interface ParameterInput {
  parameterType: ParameterType;
  defaultValue?: Json;
  isOptional?: boolean;
}

export interface ArtifactDeclaration {
  artifactType?: { schemaTitle?: string; schemaVersion?: string; instanceSchema?: string };
  isOptional?: boolean;
  isArtifactList?: boolean;
  metadata?: JsonObject;
}

export interface Component {
  inputDefinitions?: { parameters?: Record<string, ParameterInput>; artifacts?: Record<string, ArtifactDeclaration> };
  outputDefinitions?: { parameters?: Record<string, { parameterType: ParameterType }>; artifacts?: Record<string, ArtifactDeclaration> };
  dag?: Dag;
  executorLabel?: string;
}

export interface Dag {
  tasks?: Record<string, Task>;
  outputs?: {
    parameters?: Record<string, { valueFromParameter?: ParameterSelector; valueFromOneof?: { parameterSelectors?: ParameterSelector[] } }>;
    artifacts?: Record<string, { artifactSelectors?: { producerSubtask?: string; outputArtifactKey?: string }[] }>;
  };
}

export interface ParameterSelector {
  producerSubtask?: string;
  outputParameterKey?: string;
}

export interface ParameterSource {
  taskOutputParameter?: { producerTask?: string; outputParameterKey?: string };
  runtimeValue?: { constant?: Json; runtimeParameter?: string };
  componentInputParameter?: string;
  taskFinalStatus?: { producerTask?: string };
  parameterExpressionSelector?: string;
}

export interface ArtifactSource {
  taskOutputArtifact?: { producerTask?: string; outputArtifactKey?: string };
  componentInputArtifact?: string;
}

export interface RetryPolicy {
  maxRetryCount?: number;
  backoffDuration?: string;
  backoffFactor?: number;
  backoffMaxDuration?: string;
}

export interface Task {
  taskInfo?: { name?: string };
  inputs?: { parameters?: Record<string, ParameterSource>; artifacts?: Record<string, ArtifactSource> };
  dependentTasks?: string[];
  componentRef?: { name?: string };
  triggerPolicy?: { condition?: string; strategy?: string };
  retryPolicy?: RetryPolicy;
  artifactIterator?: JsonObject;
  parameterIterator?: JsonObject;
}

export interface Container {
  image?: string;
  command?: string[];
  args?: string[];
  lifecycle?: JsonObject;
  resources?: {
    cpuLimit?: number;
    memoryLimit?: number;
    resourceCpuLimit?: string;
    resourceMemoryLimit?: string;
    resourceCpuRequest?: string;
    resourceMemoryRequest?: string;
    accelerator?: { type?: string; resourceType?: string; resourceCount?: string };
  };
  env?: { name?: string; value?: string }[];
}

export interface PipelineSpec {
  pipelineInfo?: { name?: string; description?: string };
  deploymentSpec?: {
    executors?: Record<string, { container?: Container; importer?: JsonObject; resolver?: JsonObject; customJob?: JsonObject }>;
  };
  schemaVersion?: string;
  sdkVersion?: string;
  components?: Record<string, Component>;
  root?: Component;
  defaultPipelineRoot?: string;
}

/** Document 2 after reading: the Kubernetes settings of each executor, and what else was there. */
export interface PlatformSpec {
  platforms?: Record<string, { deploymentSpec?: { executors?: Record<string, JsonObject> } }>;
}

/** A pipeline file that was found good. */
export interface Pipeline {
  spec: PipelineSpec;
  platform?: PlatformSpec;
}

/** An own entry of a record that came from outside (never an inherited one such as `constructor`). */
export function entry<T>(record: Record<string, T> | undefined, key: string | undefined): T | undefined {
  return record !== undefined && key !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}
