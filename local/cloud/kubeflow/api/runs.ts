// Runs: create with the caller's id, read, list, stop, retry, archive, delete, and a step's log.
// A second POST with the same run_id is 500, as a duplicate key is; no second execution is started (stricter, facts/kubeflow.md §1).
import { randomBytes, randomUUID } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { Readable } from 'node:stream';
import { logFile } from '../execution/journal.ts';
import { typeProblem } from '../execution/values.ts';
import { PipelineFileError, readPipelineDocuments, readPipelineFile } from '../ir/pipeline-file.ts';
import type { Pipeline } from '../ir/types.ts';
import { isTerminal, type RunRecord, type TaskRecord } from '../model.ts';
import { isObject, writeMessage, type Json, type JsonObject } from '../protojson.ts';
import { UUID } from '../store.ts';
import { allow, answer, done, fine, readBody, seconds, type ApiContext, type Call, type Route } from './context.ts';
import { ApiError } from './errors.ts';
import { defaultExperiment, findExperiment } from './experiments.ts';
import { listPage, type Listable } from './listing.ts';
import { runMessage } from './messages.ts';
import { listAnswer } from './pipelines.ts';

const runs: Listable<RunRecord> = {
  id: ({ runId }) => runId,
  keys: {
    run_id: ({ runId }) => runId,
    display_name: ({ displayName }) => displayName,
    name: ({ displayName }) => displayName,
    created_at: ({ createdAt }) => Math.floor(createdAt / 1000),
    finished_at: ({ finishedAt }) => Math.floor((finishedAt ?? 0) / 1000),
    scheduled_at: ({ createdAt }) => Math.floor(createdAt / 1000),
    description: ({ description }) => description,
    storage_state: ({ storageState }) => storageState,
    state: ({ state }) => state,
    status: ({ state }) => state,
    namespace: ({ namespace }) => namespace,
    experiment_id: ({ experimentId }) => experimentId,
    recurring_run_id: () => '',
  },
  sortable: ['run_id', 'display_name', 'name', 'created_at', 'finished_at', 'scheduled_at', 'state', 'storage_state'],
};

/** What a caller may send. */
interface RunInput {
  experimentId: string;
  runId: string;
  displayName: string;
  description: string;
  serviceAccount: string;
  pipelineVersionId: string;
  pipelineSpec: JsonObject;
  pipelineVersionReference: { pipelineId?: string; pipelineVersionId?: string };
  runtimeConfig: { parameters?: Record<string, Json>; pipelineRoot?: string };
}

const history = (record: RunRecord | TaskRecord, time: (ms: number) => string) =>
  record.stateHistory.map(({ updateTime, ...rest }) => ({ ...rest, updateTime: time(updateTime) }));

function taskView(run: RunRecord, task: TaskRecord): object {
  return {
    ...task,
    runId: run.runId,
    createTime: fine(task.createTime),
    startTime: task.startTime && fine(task.startTime),
    // The server shows 1970 for what has not ended.
    endTime: fine(task.endTime ?? 0).replace('.000Z', 'Z'),
    stateHistory: history(task, fine),
    executorDetail: task.podName === '' ? undefined : { mainJob: task.podName, failedMainJobs: task.failedPods },
    childTasks: run.tasks.filter(({ parentTaskId }) => parentTaskId === task.taskId).map(({ taskId, podName }) => ({ taskId, podName })),
  };
}

function runView(run: RunRecord, withTasks: boolean): object {
  const { pipelineRoot, parameters } = run;
  return {
    ...run,
    pipelineSpec: run.inlineSpec,
    pipelineVersionReference: run.reference,
    runtimeConfig: { parameters, pipelineRoot },
    createdAt: seconds(run.createdAt),
    scheduledAt: seconds(run.createdAt),
    finishedAt: seconds(run.finishedAt ?? 0),
    stateHistory: history(run, seconds),
    ...(withTasks && run.tasks.length > 0 ? { runDetails: { taskDetails: run.tasks.map((task) => taskView(run, task)) } } : {}),
  };
}

/** The pipeline of a new run: the referenced version (latest where only the pipeline is named) or the inline one. */
function source(
  { store }: ApiContext,
  input: Partial<RunInput>,
): Pick<RunRecord, 'reference' | 'inlineSpec' | 'file'> & { pipeline: Pipeline } {
  if (input.pipelineSpec) {
    const inner = input.pipelineSpec['pipeline_spec'] ?? input.pipelineSpec['pipelineSpec'];
    const platform = input.pipelineSpec['platform_spec'] ?? input.pipelineSpec['platformSpec'];
    const documents = isObject(inner) ? [inner, ...(isObject(platform) ? [platform] : [])] : [input.pipelineSpec];
    return { inlineSpec: input.pipelineSpec, file: JSON.stringify(documents), pipeline: readPipelineDocuments(documents) };
  }
  const wanted = input.pipelineVersionReference ?? (input.pipelineVersionId ? { pipelineVersionId: input.pipelineVersionId } : undefined);
  if (!wanted) throw new ApiError('invalid-argument', 'Failed to create a run: a pipeline version or a pipeline spec is needed');
  const version = store.catalog.value.versions
    .filter(({ pipelineId }) => !wanted.pipelineId || pipelineId === wanted.pipelineId)
    .filter(({ pipelineVersionId }) => !wanted.pipelineVersionId || pipelineVersionId === wanted.pipelineVersionId)
    .sort((a, b) => b.createdAt - a.createdAt)[0];
  if (!version || (!wanted.pipelineId && !wanted.pipelineVersionId)) {
    throw new ApiError(
      'internal',
      `Failed to create a run due to error fetching manifest: ResourceNotFoundError: PipelineVersion ${wanted.pipelineVersionId ?? ''} not found`,
    );
  }
  const reference = { pipelineId: version.pipelineId, pipelineVersionId: version.pipelineVersionId };
  return { reference, file: version.file, pipeline: readPipelineFile(version.file) };
}

function checkParameters({ spec }: Pipeline, given: Record<string, Json>): void {
  const declared = spec.root?.inputDefinitions?.parameters ?? {};
  for (const [name, parameter] of Object.entries(declared)) {
    if (Object.hasOwn(given, name)) {
      const problem = typeProblem(name, given[name] ?? null, parameter.parameterType);
      if (problem !== null) throw new ApiError('invalid-argument', `Failed to create a run: InvalidInputError: ${problem}`);
    } else if (!parameter.isOptional && parameter.defaultValue === undefined) {
      throw new ApiError(
        'invalid-argument',
        `Failed to create a run: InvalidInputError: parameter ${name} is not optional, yet has neither default value nor user provided value`,
      );
    }
  }
  const extra = Object.keys(given).filter((name) => !Object.hasOwn(declared, name));
  if (extra.length > 0) {
    throw new ApiError(
      'invalid-argument',
      `Failed to create a run: InvalidInputError: parameter(s) provided are not required by pipeline: ${extra.join(', ')}`,
    );
  }
}

/** `[[RunUUID]]` and its siblings in string parameters. */
function expandMacros(parameters: Record<string, Json>, runId: string, nowMs: number): Record<string, Json> {
  const macros: Record<string, string> = { RunUUID: runId, CurrentTime: fine(nowMs), ScheduledTime: fine(nowMs), Index: '0' };
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [
      name,
      typeof value === 'string'
        ? value.replace(/\[\[(RunUUID|CurrentTime|ScheduledTime|Index)\]\]/g, (whole, macro: string) => macros[macro] ?? whole)
        : value,
    ]),
  );
}

export const createRun: Route = async (context, call) => {
  const input = await readBody<RunInput>(call, runMessage);
  const { store, clock, authorizer, runner } = context;
  if (!input.displayName)
    throw new ApiError('invalid-argument', 'Failed to create a run: The run name is empty. Please specify a valid name');
  if (input.runId !== undefined && !UUID.test(input.runId)) {
    throw new ApiError('invalid-argument', 'Failed to create a run: run_id must be a lower-case UUID (stricter than the service)');
  }
  if (authorizer.multiUser && !input.experimentId) {
    throw new ApiError('invalid-argument', 'Failed to create a run: Resource namespace is empty: name an experiment');
  }
  const experiment = input.experimentId ? findExperiment(context, input.experimentId) : defaultExperiment(context);
  allow(context, call, { verb: 'create', resource: 'runs', namespace: experiment.namespace });
  const { pipeline, ...from } = checked(() => source(context, input));
  const given = input.runtimeConfig?.parameters ?? {};
  checkParameters(pipeline, given);
  const runId = input.runId ?? randomUUID();
  if (store.run(runId)) {
    throw new ApiError(
      'internal',
      `Failed to create a run: InternalServerError: Failed to create a run. Duplicate entry '${runId}' for key 'run_details.PRIMARY'`,
    );
  }
  const now = clock.now();
  checkRoot(input.runtimeConfig?.pipelineRoot ?? '');
  const run = store.addRun({
    runId,
    experimentId: experiment.experimentId,
    displayName: input.displayName,
    description: input.description ?? '',
    namespace: experiment.namespace,
    serviceAccount: input.serviceAccount ?? (authorizer.multiUser ? 'default-editor' : 'pipeline-runner'),
    storageState: 'AVAILABLE',
    ...from,
    parameters: expandMacros(given, runId, now),
    pipelineRoot: input.runtimeConfig?.pipelineRoot ?? '',
    workflow: `${(pipeline.spec.pipelineInfo?.name ?? '').slice(0, 40)}-${randomBytes(3).toString('hex').slice(0, 5)}`,
    createdAt: now,
    state: 'PENDING',
    stateHistory: [],
    tasks: [],
  });
  runner.start(run);
  return answer(runMessage, runView(run, true));
};

function checked<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof PipelineFileError) throw new ApiError('invalid-argument', `Failed to create a run: ${error.message}`);
    throw error;
  }
}

/** The launcher writes to these stores only; Azure Blob is none of them (facts/kubeflow.md §2). The service finds out when a step runs (stricter). */
function checkRoot(root: string): void {
  if (root !== '' && !/^(minio|s3|gs):\/\/[^/]+/.test(root)) {
    throw new ApiError(
      'invalid-argument',
      `Failed to create a run: pipeline_root "${root.slice(0, 200)}" must start with minio://, s3:// or gs:// and name a bucket`,
    );
  }
}

function found(context: ApiContext, call: Call, verb: string): RunRecord {
  const runId = call.params['runId'] ?? '';
  const run = context.store.run(runId);
  if (!run) throw new ApiError('not-found', `Failed to get a run: ResourceNotFoundError: Run ${runId.slice(0, 80)} not found`);
  allow(context, call, { verb, resource: 'runs', namespace: run.namespace });
  return run;
}

export const getRun: Route = (context, call) => answer(runMessage, runView(found(context, call, 'get'), true));

export const listRuns: Route = (context, call) => {
  const experimentId = call.query.get('experiment_id') ?? '';
  const namespace = experimentId === '' ? (call.query.get('namespace') ?? '') : findExperiment(context, experimentId).namespace;
  if (context.authorizer.multiUser && namespace === '') {
    throw new ApiError('invalid-argument', 'Failed to list runs: a namespace or an experiment is needed in multi-user mode');
  }
  allow(context, call, { verb: 'list', resource: 'runs', namespace });
  const own = context.store
    .runs()
    .filter((run) => (experimentId === '' || run.experimentId === experimentId) && (namespace === '' || run.namespace === namespace));
  const page = listPage(runs, own, call.query);
  return listAnswer(
    'runs',
    page.items.map((run) => writeMessage(runMessage, runView(run, false))),
    page,
  );
};

export const terminateRun: Route = (context, call) => {
  const run = found(context, call, 'terminate');
  if (isTerminal(run.state))
    throw new ApiError('invalid-argument', `Failed to terminate a run: the run ${run.runId} has already finished with state ${run.state}`);
  if (run.state !== 'CANCELING') context.runner.terminate(run);
  return done();
};

export const retryRun: Route = async (context, call) => {
  const run = found(context, call, 'retry');
  if (run.state !== 'FAILED' && run.state !== 'CANCELED') {
    throw new ApiError('invalid-argument', `Failed to retry a run: run ${run.runId} must be failed or terminated, it is ${run.state}`);
  }
  await context.runner.settled(run.runId);
  if (run.state === 'FAILED' || run.state === 'CANCELED') context.runner.start(run);
  return done();
};

const storage =
  (verb: string, state: RunRecord['storageState']): Route =>
  (context, call) => {
    const run = found(context, call, verb);
    run.storageState = state;
    context.store.saveRun(run);
    return done();
  };

export const archiveRun = storage('archive', 'ARCHIVED');
export const unarchiveRun = storage('unarchive', 'AVAILABLE');

export const deleteRun: Route = async (context, call) => {
  const run = found(context, call, 'delete');
  if (!isTerminal(run.state) && run.state !== 'CANCELING') context.runner.terminate(run);
  await context.runner.settled(run.runId);
  context.store.deleteRun(run.runId);
  return done();
};

/** `GET /apis/v1alpha1/runs/{run}/nodes/{node}/log`: the node is a pod, also one of an earlier attempt. */
export const readLog: Route = (context, call) => {
  const run = found(context, call, 'readArtifact');
  const node = call.params['nodeId'] ?? '';
  const task = run.tasks.find(
    ({ podName, failedPods, taskId }) => (node !== '' && podName === node) || failedPods.includes(node) || taskId === node,
  );
  const file = task && logFile(context.store, run, task);
  if (!file || !existsSync(file))
    throw new ApiError('not-found', `Failed to read the log: node ${node.slice(0, 120)} of run ${run.runId} has none`);
  return new Response(Readable.toWeb(createReadStream(file)) as ReadableStream, {
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  });
};
