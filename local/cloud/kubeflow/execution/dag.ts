// Walks a DAG: every task starts as soon as what it waits for has ended, branches side by side.
// After a failure nothing new starts except tasks that run in any case (exit handlers), as Argo's fail-fast does.
import { ConditionError, parseCondition } from '../ir/condition.ts';
import { upstream } from '../ir/pipeline-rules.ts';
import { entry, type Component, type Dag, type ParameterSource, type PipelineSpec, type Task } from '../ir/types.ts';
import type { Artifact, Status, TaskOutputs } from '../model.ts';
import type { Json } from '../protojson.ts';
import { withDefaults } from './values.ts';

/** How a task ended. */
export type TaskResult = { state: 'SUCCEEDED'; outputs: TaskOutputs } | { state: 'FAILED'; error: Status } | { state: 'SKIPPED' };

/** A task that is due, with its inputs resolved. */
export interface DueTask {
  readonly name: string;
  readonly task: Task;
  readonly component: Component;
  readonly parameters: Record<string, Json>;
  readonly artifacts: Record<string, Artifact[]>;
}

/** Inputs of a component. */
export interface Inputs {
  readonly parameters: Record<string, Json>;
  readonly artifacts: Record<string, Artifact[]>;
}

/** What the walk asks of its surroundings. */
export interface DagHooks {
  /** Runs one task to its end; never rejects. */
  run(due: DueTask): Promise<TaskResult>;
  /** A task that will not run: its condition is false or what it waits for did not succeed. */
  skip(name: string, task: Task): void;
  /** Whether the run is being terminated: nothing starts any more. */
  stopping(): boolean;
}

export const failure = (message: string, code = 2): { state: 'FAILED'; error: Status } => ({ state: 'FAILED', error: { code, message } });

/** Runs all tasks of a DAG and resolves its outputs. */
export async function runDag(spec: PipelineSpec, component: Component, inputs: Inputs, hooks: DagHooks): Promise<TaskResult> {
  const dag = component.dag ?? {};
  const results = new Map<string, Promise<TaskResult>>();
  const ended = new Map<string, TaskResult>();
  let failed: Status | undefined;

  const execute = async (name: string, task: Task): Promise<TaskResult> => {
    const before = await Promise.all(upstream(task).map((other) => resultOf(other)));
    const always = task.triggerPolicy?.strategy === 'ALL_UPSTREAM_TASKS_COMPLETED';
    const blocked = !always && (failed !== undefined || before.some((result) => result.state !== 'SUCCEEDED'));
    if (blocked || hooks.stopping()) {
      hooks.skip(name, task);
      return { state: 'SKIPPED' };
    }
    const due = resolve(spec, name, task, inputs, ended);
    if ('error' in due) return due;
    try {
      if (task.triggerPolicy?.condition && !parseCondition(task.triggerPolicy.condition).evaluate(due.parameters)) {
        hooks.skip(name, task);
        return { state: 'SKIPPED' };
      }
    } catch (error) {
      if (error instanceof ConditionError) return failure(`condition of ${name}: ${error.message}`);
      throw error;
    }
    return hooks.run(due);
  };
  const resultOf = (name: string): Promise<TaskResult> => {
    const known = results.get(name);
    if (known) return known;
    const task = entry(dag.tasks, name) ?? {};
    const result = execute(name, task).then((done) => {
      ended.set(name, done);
      if (done.state === 'FAILED') failed ??= done.error;
      return done;
    });
    results.set(name, result);
    return result;
  };

  await Promise.all(Object.keys(dag.tasks ?? {}).map(resultOf));
  return failed ? { state: 'FAILED', error: failed } : dagOutputs(dag, ended);
}

type Ended = ReadonlyMap<string, TaskResult>;

const outputsOf = (ended: Ended, name: string | undefined): TaskOutputs | undefined => {
  const result = name === undefined ? undefined : ended.get(name);
  return result?.state === 'SUCCEEDED' ? result.outputs : undefined;
};

function resolve(spec: PipelineSpec, name: string, task: Task, inputs: Inputs, ended: Ended): DueTask | { state: 'FAILED'; error: Status } {
  const component = entry(spec.components, task.componentRef?.name) ?? {};
  const given: Record<string, Json> = {};
  for (const [key, source] of Object.entries(task.inputs?.parameters ?? {})) {
    const value = parameterOf(source, inputs, ended);
    if (value !== undefined) given[key] = value;
    else if (source.taskOutputParameter)
      return failure(`task ${name}: ${source.taskOutputParameter.producerTask ?? ''} gave no value for ${key}`);
  }
  const artifacts: Record<string, Artifact[]> = {};
  for (const [key, source] of Object.entries(task.inputs?.artifacts ?? {})) {
    const from = source.taskOutputArtifact;
    const found = from
      ? entry(outputsOf(ended, from.producerTask)?.artifacts, from.outputArtifactKey)
      : entry(inputs.artifacts, source.componentInputArtifact);
    if (found) artifacts[key] = found;
    else if (!entry(component.inputDefinitions?.artifacts, key)?.isOptional)
      return failure(`task ${name}: input artifact ${key} does not exist`);
  }
  return { name, task, component, parameters: withDefaults(component.inputDefinitions?.parameters, given), artifacts };
}

function parameterOf(source: ParameterSource, inputs: Inputs, ended: Ended): Json | undefined {
  if (source.taskOutputParameter) {
    return entry(outputsOf(ended, source.taskOutputParameter.producerTask)?.parameters, source.taskOutputParameter.outputParameterKey);
  }
  if (source.taskFinalStatus) {
    const name = source.taskFinalStatus.producerTask ?? '';
    const result = ended.get(name);
    return JSON.stringify({
      state: result?.state ?? 'SKIPPED',
      pipelineTaskName: name,
      ...(result?.state === 'FAILED' ? { error: result.error } : {}),
    });
  }
  if (source.componentInputParameter !== undefined) return entry(inputs.parameters, source.componentInputParameter);
  return source.runtimeValue?.constant;
}

function dagOutputs(dag: Dag, ended: Ended): TaskResult {
  const parameters: Record<string, Json> = {};
  for (const [key, source] of Object.entries(dag.outputs?.parameters ?? {})) {
    const selectors = source.valueFromParameter ? [source.valueFromParameter] : (source.valueFromOneof?.parameterSelectors ?? []);
    const values = selectors
      .map((selector) => entry(outputsOf(ended, selector.producerSubtask)?.parameters, selector.outputParameterKey))
      .filter((value) => value !== undefined);
    if (values.length > 1) return failure(`output parameter ${key} has ${values.length} values; one of the branches must be skipped`);
    if (values[0] !== undefined) parameters[key] = values[0];
  }
  const artifacts: Record<string, Artifact[]> = {};
  for (const [key, source] of Object.entries(dag.outputs?.artifacts ?? {})) {
    artifacts[key] = (source.artifactSelectors ?? []).flatMap(
      (selector) => entry(outputsOf(ended, selector.producerSubtask)?.artifacts, selector.outputArtifactKey) ?? [],
    );
  }
  return { state: 'SUCCEEDED', outputs: { parameters, artifacts } };
}
