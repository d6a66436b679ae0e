// The messages of an IR document 1 (PipelineSpec 2.1.0), field by field.
// Source: kubeflow/pipelines api/v2alpha1/pipeline_spec.proto (facts/kubeflow.md §2).
import { bool, double, duration, int32, int64, list, map, message, oneOf, string, struct, value } from '../protojson.ts';
import type { Message } from '../protojson.ts';

const parameterType = oneOf(
  'PARAMETER_TYPE_ENUM_UNSPECIFIED',
  'NUMBER_DOUBLE',
  'NUMBER_INTEGER',
  'STRING',
  'BOOLEAN',
  'LIST',
  'STRUCT',
  'TASK_FINAL_STATUS',
);

const artifactType: Message = {
  name: 'ArtifactTypeSchema',
  fields: { schemaTitle: string, schemaUri: string, instanceSchema: string, schemaVersion: string },
  oneofs: [['schemaTitle', 'schemaUri', 'instanceSchema']],
};

const inputs: Message = {
  name: 'ComponentInputsSpec',
  fields: {
    artifacts: map(
      message(() => ({
        name: 'ComponentInputsSpec.ArtifactSpec',
        fields: { artifactType: message(() => artifactType), isArtifactList: bool, isOptional: bool, description: string },
      })),
    ),
    parameters: map(
      message(() => ({
        name: 'ComponentInputsSpec.ParameterSpec',
        fields: {
          type: oneOf('PRIMITIVE_TYPE_UNSPECIFIED', 'INT', 'DOUBLE', 'STRING'),
          parameterType,
          defaultValue: value,
          isOptional: bool,
          description: string,
          literals: list(value),
        },
      })),
    ),
  },
};

const outputs: Message = {
  name: 'ComponentOutputsSpec',
  fields: {
    artifacts: map(
      message(() => ({
        name: 'ComponentOutputsSpec.ArtifactSpec',
        fields: { artifactType: message(() => artifactType), metadata: struct, isArtifactList: bool, description: string },
      })),
    ),
    parameters: map(
      message(() => ({
        name: 'ComponentOutputsSpec.ParameterSpec',
        fields: { type: oneOf('PRIMITIVE_TYPE_UNSPECIFIED', 'INT', 'DOUBLE', 'STRING'), parameterType, description: string },
      })),
    ),
  },
};

/** A constant or a reference to a runtime parameter. */
export const valueOrParameter: Message = {
  name: 'ValueOrRuntimeParameter',
  fields: { constant: value, runtimeParameter: string },
  oneofs: [['constant', 'runtimeParameter']],
};

const outputOf = (name: string, task: string, key: string): Message => ({ name, fields: { [task]: string, [key]: string } });

/** Where a task's input parameter comes from; also used by the platform document. */
export const inputParameter: Message = {
  name: 'TaskInputsSpec.InputParameterSpec',
  fields: {
    taskOutputParameter: message(() => outputOf('TaskOutputParameterSpec', 'producerTask', 'outputParameterKey')),
    runtimeValue: message(() => valueOrParameter),
    componentInputParameter: string,
    taskFinalStatus: message(() => ({ name: 'TaskFinalStatus', fields: { producerTask: string } })),
    parameterExpressionSelector: string,
  },
  oneofs: [['taskOutputParameter', 'runtimeValue', 'componentInputParameter', 'taskFinalStatus']],
};

const inputArtifact: Message = {
  name: 'TaskInputsSpec.InputArtifactSpec',
  fields: {
    taskOutputArtifact: message(() => outputOf('TaskOutputArtifactSpec', 'producerTask', 'outputArtifactKey')),
    componentInputArtifact: string,
  },
  oneofs: [['taskOutputArtifact', 'componentInputArtifact']],
};

const items = (name: string, fields: Message['fields']): Message => ({
  name,
  fields: { items: message(() => ({ name: `${name}.ItemsSpec`, fields })), itemInput: string },
});

const task: Message = {
  name: 'PipelineTaskSpec',
  fields: {
    taskInfo: message(() => ({ name: 'PipelineTaskInfo', fields: { name: string } })),
    inputs: message(() => ({
      name: 'TaskInputsSpec',
      fields: { parameters: map(message(() => inputParameter)), artifacts: map(message(() => inputArtifact)) },
    })),
    dependentTasks: list(string),
    cachingOptions: message(() => ({ name: 'CachingOptions', fields: { enableCache: bool, cacheKey: string } })),
    componentRef: message(() => ({ name: 'ComponentRef', fields: { name: string } })),
    triggerPolicy: message(() => ({
      name: 'TriggerPolicy',
      fields: {
        condition: string,
        strategy: oneOf('TRIGGER_STRATEGY_UNSPECIFIED', 'ALL_UPSTREAM_TASKS_SUCCEEDED', 'ALL_UPSTREAM_TASKS_COMPLETED'),
      },
    })),
    artifactIterator: message(() => items('ArtifactIteratorSpec', { inputArtifact: string })),
    parameterIterator: message(() => items('ParameterIteratorSpec', { raw: string, inputParameter: string })),
    retryPolicy: message(() => ({
      name: 'RetryPolicy',
      fields: { maxRetryCount: int32, backoffDuration: duration, backoffFactor: double, backoffMaxDuration: duration },
    })),
    iteratorPolicy: message(() => ({ name: 'IteratorPolicy', fields: { parallelismLimit: int32 } })),
  },
  oneofs: [['artifactIterator', 'parameterIterator']],
};

const subtaskOutput = (kind: 'Artifact' | 'Parameter'): Message => outputOf(`${kind}SelectorSpec`, 'producerSubtask', `output${kind}Key`);

const dag: Message = {
  name: 'DagSpec',
  fields: {
    tasks: map(message(() => task)),
    outputs: message(() => ({
      name: 'DagOutputsSpec',
      fields: {
        artifacts: map(
          message(() => ({
            name: 'DagOutputArtifactSpec',
            fields: { artifactSelectors: list(message(() => subtaskOutput('Artifact'))) },
          })),
        ),
        parameters: map(
          message(() => ({
            name: 'DagOutputParameterSpec',
            fields: {
              valueFromParameter: message(() => subtaskOutput('Parameter')),
              valueFromOneof: message(() => ({
                name: 'ParameterSelectorsSpec',
                fields: { parameterSelectors: list(message(() => subtaskOutput('Parameter'))) },
              })),
            },
            oneofs: [['valueFromParameter', 'valueFromOneof']],
          })),
        ),
      },
    })),
  },
};

const component: Message = {
  name: 'ComponentSpec',
  fields: {
    inputDefinitions: message(() => inputs),
    outputDefinitions: message(() => outputs),
    dag: message(() => dag),
    executorLabel: string,
    singlePlatformSpecs: list(struct),
  },
  oneofs: [['dag', 'executorLabel']],
};

const container: Message = {
  name: 'PipelineContainerSpec',
  fields: {
    image: string,
    command: list(string),
    args: list(string),
    lifecycle: struct,
    resources: message(() => ({
      name: 'ResourceSpec',
      fields: {
        cpuLimit: double,
        memoryLimit: double,
        cpuRequest: double,
        memoryRequest: double,
        resourceCpuLimit: string,
        resourceMemoryLimit: string,
        resourceCpuRequest: string,
        resourceMemoryRequest: string,
        accelerator: message(() => ({
          name: 'AcceleratorConfig',
          fields: { type: string, count: int64, resourceType: string, resourceCount: string },
        })),
      },
    })),
    env: list(message(() => ({ name: 'EnvVar', fields: { name: string, value: string } }))),
  },
};

const executor: Message = {
  name: 'ExecutorSpec',
  fields: { container: message(() => container), importer: struct, resolver: struct, customJob: struct },
  oneofs: [['container', 'importer', 'resolver', 'customJob']],
};

/** IR document 1. */
export const pipelineSpec: Message = {
  name: 'PipelineSpec',
  fields: {
    pipelineInfo: message(() => ({ name: 'PipelineInfo', fields: { name: string, displayName: string, description: string } })),
    deploymentSpec: message(() => ({ name: 'PipelineDeploymentConfig', fields: { executors: map(message(() => executor)) } })),
    sdkVersion: string,
    schemaVersion: string,
    components: map(message(() => component)),
    root: message(() => component),
    defaultPipelineRoot: string,
  },
};
