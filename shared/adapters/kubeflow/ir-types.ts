// IR YAML as TypeScript sees it: PipelineSpec 2.1.0 and the Kubernetes platform document (facts/kubeflow.md §2). Only what the compiler writes.
import type { OutputType } from '../../contracts/training.ts';
import type { ExecutorConfig } from './platform.ts';

export type ParameterType = 'STRING' | 'NUMBER_DOUBLE' | 'BOOLEAN';
export type Definitions<Definition> = Record<string, Definition>;
export interface ArtifactDefinition {
  artifactType: { schemaTitle: `system.${OutputType}`; schemaVersion: '0.0.1' };
}

export interface ComponentSpec {
  executorLabel: string;
  inputDefinitions?: { parameters?: Definitions<{ parameterType: ParameterType }>; artifacts?: Definitions<ArtifactDefinition> };
  outputDefinitions?: { artifacts: Definitions<ArtifactDefinition> };
}

export interface TaskSpec {
  taskInfo: { name: string };
  componentRef: { name: string };
  cachingOptions: Record<string, never>;
  dependentTasks?: string[];
  triggerPolicy?: { strategy: 'ALL_UPSTREAM_TASKS_COMPLETED' };
  inputs?: {
    parameters?: Definitions<{ componentInputParameter: string }>;
    artifacts?: Definitions<{ taskOutputArtifact: { producerTask: string; outputArtifactKey: string } }>;
  };
}

export interface ContainerSpec {
  image: string;
  command: string[];
  args?: string[];
  env?: { name: string; value: string }[];
  resources: {
    resourceCpuRequest: string;
    resourceCpuLimit: string;
    resourceMemoryRequest: string;
    resourceMemoryLimit: string;
    accelerator?: { resourceType: string; resourceCount: string };
  };
}

export interface PipelineSpec {
  pipelineInfo: { name: string };
  schemaVersion: '2.1.0';
  sdkVersion: string;
  components: Definitions<ComponentSpec>;
  deploymentSpec: { executors: Definitions<{ container: ContainerSpec }> };
  root: {
    inputDefinitions?: { parameters: Definitions<{ parameterType: ParameterType }> };
    dag: { tasks: Definitions<TaskSpec> };
  };
}

export interface PlatformSpec {
  platforms: { kubernetes: { deploymentSpec: { executors: Definitions<ExecutorConfig> } } };
}

/** A compiled graph. `spec` and `platform` are the two documents of `yaml`; `name` is `<graph>-<16 hex of the content>`. */
export interface CompiledPipeline {
  name: string;
  yaml: string;
  spec: PipelineSpec;
  platform: PlatformSpec;
  /** The values of a run of this graph: those of the job and the signed addresses. */
  parameters: Record<string, string | number | boolean>;
}
