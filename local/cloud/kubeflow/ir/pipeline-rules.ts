// What must hold between the parts of a pipeline: every name that is used exists, tasks form no circle, placeholders speak of declared things.
// The service finds most of this when a run starts or a driver runs; the stand-in says it at upload (stricter than the service).
import { ConditionError, parseCondition } from './condition.ts';
import { fillPlaceholders, type Placeholder, PlaceholderError } from './placeholders.ts';
import {
  entry,
  type ArtifactSource,
  type Component,
  type Container,
  type Dag,
  type ParameterSource,
  type Pipeline,
  type PipelineSpec,
  type Task,
} from './types.ts';

/** Kubernetes-like name; the service tests an unanchored pattern, so that nearly everything passes there (stricter). */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Names inside a pipeline become parts of paths here; compilers write nothing else (stricter). */
const INNER_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

class Problem extends Error {}

/** The first thing that is wrong, in words; undefined when the pipeline can be executed. */
export function checkPipeline({ spec, platform }: Pipeline): string | undefined {
  try {
    checkHead(spec);
    for (const [name, component] of Object.entries(spec.components ?? {})) checkComponent(spec, component, `components.${name}`);
    checkComponent(spec, spec.root ?? {}, 'root');
    checkRecursion(spec, spec.root ?? {}, []);
    for (const label of Object.keys(entry(platform?.platforms, 'kubernetes')?.deploymentSpec?.executors ?? {})) {
      if (!entry(spec.deploymentSpec?.executors, label))
        throw new Problem(`the platform document names executor ${label}, which does not exist`);
    }
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
}

function checkHead(spec: PipelineSpec): void {
  if (spec.schemaVersion !== '2.1.0') {
    throw new Problem(`KFP only supports schema version 2.1.0, but the pipeline spec has version ${spec.schemaVersion ?? ''}`);
  }
  const name = spec.pipelineInfo?.name ?? '';
  if (name === '') throw new Problem('name is empty');
  if (!NAME.test(name)) {
    throw new Problem(
      "name should consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    );
  }
  if (!spec.root?.dag) throw new Problem('root component is empty: it needs a dag');
}

function checkNames(path: string, ...records: (Record<string, unknown> | undefined)[]): void {
  for (const name of records.flatMap((record) => Object.keys(record ?? {}))) {
    if (!INNER_NAME.test(name))
      throw new Problem(`${path}: the name "${name.slice(0, 80)}" must be letters, digits, - and _ (stricter than the service)`);
  }
}

function checkComponent(spec: PipelineSpec, component: Component, path: string): void {
  const { inputDefinitions: inputs, outputDefinitions: outputs, dag } = component;
  checkNames(path, inputs?.parameters, inputs?.artifacts, outputs?.parameters, outputs?.artifacts, dag?.tasks);
  for (const [name, parameter] of Object.entries({
    ...component.inputDefinitions?.parameters,
    ...component.outputDefinitions?.parameters,
  })) {
    if (!parameter.parameterType) throw new Problem(`${path}: parameter ${name} has unspecified type`);
  }
  if (dag) {
    checkDag(spec, component, dag, path);
    return;
  }
  if (!component.executorLabel) throw new Problem(`${path} has neither dag nor executorLabel`);
  const executor = entry(spec.deploymentSpec?.executors, component.executorLabel);
  if (!executor) throw new Problem(`${path}: executor ${component.executorLabel} does not exist`);
  if (!executor.container) {
    throw new Problem(
      `executor ${component.executorLabel}: the stand-in runs containers only (importer, resolver and customJob: stricter than the service)`,
    );
  }
  checkContainer(component, executor.container, `executor ${component.executorLabel} of ${path}`);
}

function checkContainer(component: Component, container: Container, path: string): void {
  if (!container.image) throw new Problem(`${path} has no image`);
  const known = (placeholder: Placeholder): boolean => {
    switch (placeholder.kind) {
      case 'input-parameter':
        return entry(component.inputDefinitions?.parameters, placeholder.key) !== undefined;
      case 'output-parameter-file':
        return entry(component.outputDefinitions?.parameters, placeholder.key) !== undefined;
      case 'artifact':
      case 'artifact-metadata':
        return (
          entry((placeholder.side === 'inputs' ? component.inputDefinitions : component.outputDefinitions)?.artifacts, placeholder.key) !==
          undefined
        );
      default:
        return true;
    }
  };
  const env = (container.env ?? []).map(({ name, value }) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name ?? ''))
      throw new Problem(`${path}: ${name ?? ''} is not the name of an environment variable`);
    return value ?? '';
  });
  for (const text of [...(container.command ?? []), ...(container.args ?? []), ...env]) {
    try {
      fillPlaceholders(text, (placeholder) => {
        if (!known(placeholder))
          throw new Problem(
            `${path}: placeholder for ${'key' in placeholder ? placeholder.key : ''}, which the component does not declare`,
          );
        return '';
      });
    } catch (error) {
      if (error instanceof PlaceholderError) throw new Problem(`${path}: ${error.message}`);
      throw error;
    }
  }
}

function checkDag(spec: PipelineSpec, component: Component, dag: Dag, path: string): void {
  const tasks = dag.tasks ?? {};
  if (Object.keys(tasks).length === 0) throw new Problem(`${path} has a dag without tasks`);
  for (const [name, task] of Object.entries(tasks)) checkTask(spec, component, tasks, task, `${path}.dag.tasks.${name}`);
  checkOrder(tasks, path);
  for (const [name, source] of Object.entries(dag.outputs?.parameters ?? {})) {
    for (const selector of [source.valueFromParameter, ...(source.valueFromOneof?.parameterSelectors ?? [])]) {
      if (selector)
        checkOutput(
          spec,
          tasks,
          selector.producerSubtask,
          selector.outputParameterKey,
          'parameters',
          `${path}.dag.outputs.parameters.${name}`,
        );
    }
  }
  for (const [name, source] of Object.entries(dag.outputs?.artifacts ?? {})) {
    for (const selector of source.artifactSelectors ?? []) {
      checkOutput(spec, tasks, selector.producerSubtask, selector.outputArtifactKey, 'artifacts', `${path}.dag.outputs.artifacts.${name}`);
    }
  }
}

type OutputKind = 'parameters' | 'artifacts';

function checkOutput(
  spec: PipelineSpec,
  tasks: Record<string, Task>,
  producer: string | undefined,
  key: string | undefined,
  kind: OutputKind,
  at: string,
): void {
  const component = entry(spec.components, entry(tasks, producer)?.componentRef?.name);
  if (entry<unknown>(component?.outputDefinitions?.[kind], key) === undefined)
    throw new Problem(`${at}: task ${producer ?? ''} has no output ${key ?? ''}`);
}

/** Where a task's inputs may come from. */
interface Sources {
  readonly spec: PipelineSpec;
  readonly parent: Component;
  readonly tasks: Record<string, Task>;
}

function checkTask(spec: PipelineSpec, parent: Component, tasks: Record<string, Task>, task: Task, path: string): void {
  const component = entry(spec.components, task.componentRef?.name);
  if (!component) throw new Problem(`${path}: component ${task.componentRef?.name ?? ''} does not exist`);
  if (task.parameterIterator ?? task.artifactIterator)
    throw new Problem(`${path}: the stand-in has no iterators (stricter than the service)`);
  const sources: Sources = { spec, parent, tasks };
  for (const [name, source] of Object.entries(task.inputs?.parameters ?? {})) {
    const at = `${path}.inputs.parameters.${name}`;
    if (!entry(component.inputDefinitions?.parameters, name)) throw new Problem(`${at}: the component has no such input`);
    checkParameterSource(sources, source, at);
  }
  for (const [name, source] of Object.entries(task.inputs?.artifacts ?? {})) {
    const at = `${path}.inputs.artifacts.${name}`;
    if (!entry(component.inputDefinitions?.artifacts, name)) throw new Problem(`${at}: the component has no such input`);
    checkArtifactSource(sources, source, at);
  }
  checkRequired(component, task, path);
  checkTrigger(task, path);
}

function checkParameterSource({ spec, parent, tasks }: Sources, source: ParameterSource, at: string): void {
  const { taskOutputParameter: from, taskFinalStatus: status, componentInputParameter: own, runtimeValue } = source;
  if (source.parameterExpressionSelector)
    throw new Problem(`${at}: the stand-in has no parameterExpressionSelector (stricter than the service)`);
  if (from) checkOutput(spec, tasks, from.producerTask, from.outputParameterKey, 'parameters', at);
  else if (status) {
    if (!entry(tasks, status.producerTask)) throw new Problem(`${at}: there is no task ${status.producerTask ?? ''}`);
  } else if (own !== undefined) {
    if (!entry(parent.inputDefinitions?.parameters, own)) throw new Problem(`${at}: the enclosing component has no input ${own}`);
  } else if (runtimeValue?.constant === undefined) throw new Problem(`${at}: no source is given (runtimeValue needs a constant)`);
}

function checkArtifactSource({ spec, parent, tasks }: Sources, source: ArtifactSource, at: string): void {
  const { taskOutputArtifact: from, componentInputArtifact: own } = source;
  if (from) checkOutput(spec, tasks, from.producerTask, from.outputArtifactKey, 'artifacts', at);
  else if (own === undefined) throw new Problem(`${at}: no source is given`);
  else if (!entry(parent.inputDefinitions?.artifacts, own)) throw new Problem(`${at}: the enclosing component has no input ${own}`);
}

function checkRequired(component: Component, task: Task, path: string): void {
  for (const [name, parameter] of Object.entries(component.inputDefinitions?.parameters ?? {})) {
    const given = entry(task.inputs?.parameters, name) !== undefined;
    if (!given && !parameter.isOptional && parameter.defaultValue === undefined)
      throw new Problem(`${path}: input parameter ${name} is missing`);
  }
  for (const [name, artifact] of Object.entries(component.inputDefinitions?.artifacts ?? {})) {
    if (!artifact.isOptional && !entry(task.inputs?.artifacts, name)) throw new Problem(`${path}: input artifact ${name} is missing`);
  }
}

function checkTrigger(task: Task, path: string): void {
  if (!task.triggerPolicy?.condition) return;
  try {
    const missing = parseCondition(task.triggerPolicy.condition).parameters.find((name) => !entry(task.inputs?.parameters, name));
    if (missing !== undefined) throw new Problem(`${path}: the condition reads parameter ${missing}, which is not an input of the task`);
  } catch (error) {
    if (error instanceof ConditionError) throw new Problem(`${path}: ${error.message}`);
    throw error;
  }
}

/** Names of the tasks that a task waits for. */
export function upstream(task: Task): string[] {
  const names = [
    ...(task.dependentTasks ?? []),
    ...Object.values(task.inputs?.parameters ?? {}).flatMap((source) => [
      source.taskOutputParameter?.producerTask,
      source.taskFinalStatus?.producerTask,
    ]),
    ...Object.values(task.inputs?.artifacts ?? {}).map((source) => source.taskOutputArtifact?.producerTask),
  ];
  return [...new Set(names.filter((name): name is string => name !== undefined))];
}

function checkOrder(tasks: Record<string, Task>, path: string): void {
  const done = new Set<string>();
  const visit = (name: string, trail: readonly string[]): void => {
    const task = entry(tasks, name);
    if (!task) throw new Problem(`${path}: task ${trail.at(-1) ?? ''} depends on ${name}, which does not exist`);
    if (trail.includes(name)) throw new Problem(`${path}: tasks wait for each other: ${[...trail, name].join(' → ')}`);
    if (done.has(name)) return;
    for (const next of upstream(task)) visit(next, [...trail, name]);
    done.add(name);
  };
  for (const name of Object.keys(tasks)) visit(name, []);
}

function checkRecursion(spec: PipelineSpec, component: Component, trail: readonly string[], done = new Set<string>()): void {
  for (const task of Object.values(component.dag?.tasks ?? {})) {
    const name = task.componentRef?.name ?? '';
    if (trail.includes(name)) throw new Problem(`component ${name} contains itself: ${[...trail, name].join(' → ')}`);
    const inner = entry(spec.components, name);
    if (!inner?.dag || done.has(name)) continue;
    checkRecursion(spec, inner, [...trail, name], done);
    done.add(name);
  }
}
