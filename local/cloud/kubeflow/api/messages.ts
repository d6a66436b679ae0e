// The messages of the v2beta1 API that the stand-in reads and writes.
// Source: kubeflow/pipelines backend/api/v2beta1/{run,experiment,pipeline,filter}.proto, release 2.17 (facts/kubeflow.md §1).
import { int32, int64, list, map, message, oneOf, string, struct, timestamp, value, type Message } from '../protojson.ts';

const runtimeState = oneOf(
  'RUNTIME_STATE_UNSPECIFIED',
  'PENDING',
  'RUNNING',
  'SUCCEEDED',
  'SKIPPED',
  'FAILED',
  'CANCELING',
  'CANCELED',
  'PAUSED',
);
const storageState = oneOf('STORAGE_STATE_UNSPECIFIED', 'AVAILABLE', 'ARCHIVED');
const status: Message = { name: 'Status', fields: { code: int32, message: string, details: list(struct) } };
const stateHistory = list(
  message(() => ({ name: 'RuntimeStatus', fields: { updateTime: timestamp, state: runtimeState, error: message(() => status) } })),
);

const taskDetail: Message = {
  name: 'PipelineTaskDetail',
  fields: {
    runId: string,
    taskId: string,
    displayName: string,
    createTime: timestamp,
    startTime: timestamp,
    endTime: timestamp,
    executorDetail: message(() => ({
      name: 'PipelineTaskExecutorDetail',
      fields: { mainJob: string, preCachingCheckJob: string, failedMainJobs: list(string), failedPreCachingCheckJobs: list(string) },
    })),
    state: runtimeState,
    executionId: int64,
    error: message(() => status),
    parentTaskId: string,
    stateHistory,
    podName: string,
    childTasks: list(message(() => ({ name: 'ChildTask', fields: { taskId: string, podName: string } }))),
  },
};

const reference: Message = { name: 'PipelineVersionReference', fields: { pipelineId: string, pipelineVersionId: string } };

export const runMessage: Message = {
  name: 'Run',
  fields: {
    experimentId: string,
    runId: string,
    displayName: string,
    storageState,
    description: string,
    pipelineVersionId: string,
    pipelineSpec: struct,
    pipelineVersionReference: message(() => reference),
    runtimeConfig: message(() => ({ name: 'RuntimeConfig', fields: { parameters: map(value), pipelineRoot: string } })),
    serviceAccount: string,
    createdAt: timestamp,
    scheduledAt: timestamp,
    finishedAt: timestamp,
    state: runtimeState,
    error: message(() => status),
    runDetails: message(() => ({
      name: 'RunDetails',
      fields: { pipelineContextId: int64, pipelineRunContextId: int64, taskDetails: list(message(() => taskDetail)) },
    })),
    recurringRunId: string,
    stateHistory,
  },
  oneofs: [['pipelineVersionId', 'pipelineSpec', 'pipelineVersionReference']],
};

export const experimentMessage: Message = {
  name: 'Experiment',
  fields: {
    experimentId: string,
    displayName: string,
    description: string,
    createdAt: timestamp,
    namespace: string,
    storageState,
    lastRunCreatedAt: timestamp,
  },
};

export const pipelineMessage: Message = {
  name: 'Pipeline',
  fields: {
    pipelineId: string,
    displayName: string,
    name: string,
    description: string,
    createdAt: timestamp,
    namespace: string,
    error: message(() => status),
    tags: map(string),
  },
};

export const versionMessage: Message = {
  name: 'PipelineVersion',
  fields: {
    pipelineId: string,
    pipelineVersionId: string,
    displayName: string,
    name: string,
    description: string,
    createdAt: timestamp,
    packageUrl: message(() => ({ name: 'Url', fields: { pipelineUrl: string } })),
    codeSourceUrl: string,
    pipelineSpec: struct,
    error: message(() => status),
    tags: map(string),
  },
};

const valuesOf = (of: typeof string) => message(() => ({ name: 'Values', fields: { values: list(of) } }));

export const filterMessage: Message = {
  name: 'Filter',
  fields: {
    predicates: list(
      message(() => ({
        name: 'Predicate',
        fields: {
          operation: oneOf(
            'OPERATION_UNSPECIFIED',
            'EQUALS',
            'NOT_EQUALS',
            'GREATER_THAN',
            'GREATER_THAN_EQUALS',
            'LESS_THAN',
            'LESS_THAN_EQUALS',
            'IN',
            'IS_SUBSTRING',
          ),
          key: string,
          intValue: int32,
          longValue: int64,
          stringValue: string,
          timestampValue: timestamp,
          intValues: valuesOf(int32),
          longValues: valuesOf(int64),
          stringValues: valuesOf(string),
        },
        oneofs: [['intValue', 'longValue', 'stringValue', 'timestampValue', 'intValues', 'longValues', 'stringValues']],
      })),
    ),
  },
};
