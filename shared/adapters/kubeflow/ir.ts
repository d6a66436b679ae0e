// A graph of container steps → IR YAML (PipelineSpec 2.1.0, facts/kubeflow.md §2), named by the hash of its content.
// Pure: the same graph gives the same text, parameter values never reach it, and every reference resolves or the graph is refused.
import { stringify } from 'yaml';
import type { JobSpec, OutputType } from '../../contracts/training.ts';
import { digestOf } from '../../decisions/digest.ts';
import { type Graph, graphOf, type GraphJob, type GraphTask, invalid, type TaskArgument } from './graph.ts';
import type {
  ArtifactDefinition,
  CompiledPipeline,
  ComponentSpec,
  ContainerSpec,
  ParameterType,
  PipelineSpec,
  PlatformSpec,
  TaskSpec,
} from './ir-types.ts';
import { containerExtras, executorConfig, type PodOptions } from './platform.ts';

/** Free text of the document; part of the content, so it changes only when the compiler's output does. */
const COMPILER = 'sluice-ir-2';
/** Leaves room for the hash within the 63 characters of a Kubernetes name; cut before the hash, which covers the whole name. */
const MAX_GRAPH_NAME = 46;
/** Macros that the server expands in string parameters (facts/kubeflow.md §1). */
const MACRO = /\[\[(RunUUID|CurrentTime|ScheduledTime|Index)[^\]]*\]\]/;
/** How a step is told where metadata of its artifacts goes, and where the report of its failure; only steps that have either get it. */
const METADATA_ARGUMENTS = ['--executor-input', '{{$}}'];

/**
 * Compiles the graph of a job. Rejects `graph-invalid` (a reference without a producer, a cycle, text that the server would rewrite),
 * `kubeflow-unsupported` (what the pipeline format cannot say) and `parameter-too-large`.
 */
export function compilePipeline(job: GraphJob, options: PodOptions = {}): CompiledPipeline {
  const graph = graphOf(job);
  const outputs = indexOutputs(graph.tasks);
  checkParameters(graph.parameters);
  const parameterNames = Object.keys(graph.parameters).sort();
  const parameters = definitions(parameterNames, (name) => ({ parameterType: typeOf(graph.parameters[name]) }));
  const compiled = graph.tasks.map((task) => compileTask(task, outputs, graph));
  refuseCycles(graph.tasks);
  const platform: PlatformSpec = {
    platforms: {
      kubernetes: {
        deploymentSpec: {
          executors: Object.fromEntries(graph.tasks.map((task) => [`exec-${task.name}`, executorConfig(job, task, options)])),
        },
      },
    },
  };
  const containers = compiled.map(({ task, container }) => [`exec-${task.name}`, { container: withExtras(job, task, container, options) }]);
  const spec = (name: string): PipelineSpec => ({
    pipelineInfo: { name },
    schemaVersion: '2.1.0',
    sdkVersion: COMPILER,
    components: Object.fromEntries(compiled.map(({ task, component }) => [`comp-${task.name}`, component])),
    deploymentSpec: { executors: Object.fromEntries(containers) as PipelineSpec['deploymentSpec']['executors'] },
    root: {
      ...(parameterNames.length > 0 ? { inputDefinitions: { parameters } } : {}),
      dag: { tasks: Object.fromEntries(compiled.map(({ task, spec: node }) => [task.name, node])) },
    },
  });
  const hash = digestOf({ spec: spec(graph.name), platform }).slice(0, 16);
  const name = `${graph.name.slice(0, MAX_GRAPH_NAME).replace(/-+$/, '')}-${hash}`;
  return { name, yaml: `${toYaml(spec(name))}---\n${toYaml(platform)}`, spec: spec(name), platform, parameters: graph.parameters };
}

/** Every string and key quoted: the server reads YAML 1.1, where plain `no`, `on`, `1_0` or `12:30` are not strings. */
function toYaml(document: object): string {
  return stringify(document, {
    lineWidth: 0,
    aliasDuplicateObjects: false,
    defaultStringType: 'QUOTE_DOUBLE',
    defaultKeyType: 'QUOTE_DOUBLE',
  });
}

/** Task → its outputs, each with its type: those that an argument names, and those that are declared only. */
type Outputs = ReadonlyMap<string, ReadonlyMap<string, OutputType>>;

function indexOutputs(tasks: readonly GraphTask[]): Outputs {
  const outputs = new Map<string, Map<string, OutputType>>();
  for (const task of tasks) {
    if (outputs.has(task.name)) throw invalid(`two steps are called "${task.name}"`);
    const named = [...task.args.flatMap((argument) => (isOwnOutput(argument) ? [argument.output] : [])), ...Object.keys(task.outputTypes)];
    const typed = (key: string): OutputType => (Object.hasOwn(task.outputTypes, key) ? task.outputTypes[key] : undefined) ?? 'Artifact';
    outputs.set(task.name, new Map([...new Set(named)].sort().map((key) => [key, typed(key)])));
  }
  return outputs;
}

function checkParameters(parameters: JobSpec['parameters']): void {
  for (const [name, value] of Object.entries(parameters)) {
    if (!/^[a-z][a-z0-9_]*$/.test(name)) throw invalid(`parameter "${name}": expected lower-case letters, digits and underscores`);
    if (typeof value === 'number' && !Number.isFinite(value)) throw invalid(`parameter "${name}" is not a finite number`);
    if (typeof value !== 'string') continue;
    if (MACRO.test(value)) throw invalid(`the value of parameter "${name}" holds a macro in [[ ]] that the server would expand`);
    if (value.includes('{{')) throw invalid(`the value of parameter "${name}" holds "{{", which the workflow engine would expand`);
  }
}

interface CompiledTask {
  task: GraphTask;
  component: ComponentSpec;
  spec: TaskSpec;
  container: ContainerSpec;
}

function compileTask(task: GraphTask, outputsOf: Outputs, { parameters }: Graph): CompiledTask {
  const { args, used, inputs } = compileArguments(task, outputsOf, parameters);
  const outputs = outputsOf.get(task.name) ?? new Map<string, OutputType>();
  const parameterNames = [...used].sort();
  const inputNames = [...inputs.keys()].sort();
  const typeOfInput = (key: string): OutputType => {
    const source = inputs.get(key);
    return outputsOf.get(source?.from ?? '')?.get(source?.output ?? '') ?? 'Artifact';
  };
  const producers = [...new Set([...[...inputs.values()].map((input) => input.from), ...task.after])].sort();
  return {
    task,
    component: {
      executorLabel: `exec-${task.name}`,
      ...(parameterNames.length + inputNames.length > 0
        ? {
            inputDefinitions: {
              ...present('parameters', parameterNames, (name) => ({ parameterType: typeOf(parameters[name]) })),
              ...present('artifacts', inputNames, (key) => artifact(typeOfInput(key))),
            },
          }
        : {}),
      ...(outputs.size > 0
        ? { outputDefinitions: { artifacts: definitions([...outputs.keys()], (key) => artifact(outputs.get(key) ?? 'Artifact')) } }
        : {}),
    },
    spec: {
      taskInfo: { name: task.name },
      componentRef: { name: `comp-${task.name}` },
      cachingOptions: {}, // absent enableCache = off: a cached step would silently hand back an older dataset
      ...(producers.length > 0 ? { dependentTasks: producers } : {}),
      ...(task.always ? { triggerPolicy: { strategy: 'ALL_UPSTREAM_TASKS_COMPLETED' } } : {}),
      ...(parameterNames.length + inputNames.length > 0
        ? {
            inputs: {
              ...present('parameters', parameterNames, (name) => ({ componentInputParameter: name })),
              ...present('artifacts', inputNames, (key) => {
                const source = inputs.get(key) ?? { from: '', output: '' };
                return { taskOutputArtifact: { producerTask: source.from, outputArtifactKey: source.output } };
              }),
            },
          }
        : {}),
    },
    container: {
      image: task.image,
      command: task.command.map((part) => literal(task, part)),
      ...(args.length > 0 ? { args } : {}),
      resources: resources(task),
    },
  };
}

function compileArguments(task: GraphTask, outputsOf: Outputs, parameters: JobSpec['parameters']) {
  const used = new Set<string>(task.told);
  const inputs = new Map<string, { from: string; output: string }>();
  const args = task.args.map((argument) => {
    if (typeof argument === 'string') return literal(task, argument);
    if ('parameter' in argument) {
      if (!Object.hasOwn(parameters, argument.parameter)) {
        throw invalid(`step "${task.name}" uses parameter "${argument.parameter}", which the job does not have`);
      }
      used.add(argument.parameter);
      return `{{$.inputs.parameters['${argument.parameter}']}}`;
    }
    if (!('from' in argument)) return `{{$.outputs.artifacts['${argument.output}'].path}}`;
    const produced = outputsOf.get(argument.from);
    if (!produced) throw invalid(`step "${task.name}" reads from step "${argument.from}", which does not exist`);
    if (!produced.has(argument.output)) {
      throw invalid(`step "${task.name}" reads output "${argument.output}" of step "${argument.from}", which writes no such output`);
    }
    const key = inputName(argument.from, argument.output);
    inputs.set(key, { from: argument.from, output: argument.output });
    const below = 'below' in argument ? `/${argument.below}` : '';
    return `${literal(task, argument.prefix ?? '')}{{$.inputs.artifacts['${key}'].path}}${below}`;
  });
  const named = new Set(task.args.flatMap((argument) => (isOwnOutput(argument) ? [argument.output] : [])));
  const saysMore = task.told.length > 0 || Object.keys(task.outputTypes).some((key) => !named.has(key));
  return { args: [...args, ...(saysMore ? METADATA_ARGUMENTS : [])], used, inputs };
}

/** Requests equal limits: the scheduler counts what the step may use, and the pod is the last to be evicted. */
function resources({ cpu, memoryGiB }: GraphTask): ContainerSpec['resources'] {
  const amount = Number.isInteger(memoryGiB) ? `${memoryGiB}Gi` : `${Math.max(1, Math.round(memoryGiB * 1024))}Mi`;
  return {
    ...{ resourceCpuRequest: String(cpu), resourceCpuLimit: String(cpu) },
    ...{ resourceMemoryRequest: amount, resourceMemoryLimit: amount },
  };
}

function withExtras(job: GraphJob, task: GraphTask, container: ContainerSpec, options: PodOptions): ContainerSpec {
  const { env, accelerator } = containerExtras(job, task, options);
  return { ...container, ...(env ? { env } : {}), resources: { ...container.resources, ...(accelerator ? { accelerator } : {}) } };
}

/** Unique for each pair: a step name has single hyphens only, so the first `__` ends it. */
function inputName(step: string, output: string): string {
  return `${step.replaceAll('-', '_')}__${output}`;
}

function artifact(type: OutputType): ArtifactDefinition {
  return { artifactType: { schemaTitle: `system.${type}`, schemaVersion: '0.0.1' } };
}

function literal(task: GraphTask, text: string): string {
  if (text.includes('{{')) throw invalid(`step "${task.name}" has a literal with "{{", which the workflow engine would expand`);
  return text;
}

/** Number parameters are doubles whatever their value, so that 1 and 1.5 give the same graph. */
function typeOf(value: string | number | boolean | undefined): ParameterType {
  if (typeof value === 'number') return 'NUMBER_DOUBLE';
  return typeof value === 'boolean' ? 'BOOLEAN' : 'STRING';
}

function refuseCycles(tasks: readonly GraphTask[]): void {
  const waits = new Map(
    tasks.map((task) => [
      task.name,
      new Set([...task.after, ...task.args.flatMap((argument) => (isForeign(argument) ? [argument.from] : []))]),
    ]),
  );
  while (waits.size > 0) {
    const ready = [...waits].filter(([, producers]) => [...producers].every((producer) => !waits.has(producer)));
    if (ready.length === 0) throw invalid(`the steps ${[...waits.keys()].map((name) => `"${name}"`).join(', ')} wait for each other`);
    for (const [name] of ready) waits.delete(name);
  }
}

function isOwnOutput(argument: TaskArgument): argument is { output: string } {
  return typeof argument === 'object' && 'output' in argument && !('from' in argument);
}

function isForeign(argument: TaskArgument): argument is { from: string; output: string } {
  return typeof argument === 'object' && 'from' in argument;
}

function definitions<Value>(names: readonly string[], make: (name: string) => Value): Record<string, Value> {
  return Object.fromEntries(names.map((name) => [name, make(name)]));
}

/** `{ key: {…} }` when there are names, else nothing: empty maps would make the text of equal graphs differ. */
function present<Key extends string, Value>(
  key: Key,
  names: readonly string[],
  make: (name: string) => Value,
): Partial<Record<Key, Record<string, Value>>> {
  return names.length > 0 ? ({ [key]: definitions(names, make) } as Partial<Record<Key, Record<string, Value>>>) : {};
}
