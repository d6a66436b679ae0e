// A graph of container steps → IR YAML (PipelineSpec 2.1.0, facts/kubeflow.md §2), named by the hash of its content.
// Pure: the same graph gives the same text, parameter values never reach it, and every reference resolves or the graph is refused.
import { stringify } from 'yaml';
import type { JobSpec, JobStep, StepArgument } from '../../contracts/training.ts';
import { digestOf } from '../../decisions/digest.ts';
import { RejectedError } from '../../errors/errors.ts';

/** A compiled graph. `spec` is what `yaml` holds; `name` is `<graph>-<16 hex of the content>`. */
export interface CompiledPipeline {
  name: string;
  yaml: string;
  spec: PipelineSpec;
}

type ParameterType = 'STRING' | 'NUMBER_DOUBLE' | 'BOOLEAN';
type Definitions<Definition> = Record<string, Definition>;
interface ArtifactDefinition {
  artifactType: { schemaTitle: 'system.Artifact'; schemaVersion: '0.0.1' };
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
  inputs?: {
    parameters?: Definitions<{ componentInputParameter: string }>;
    artifacts?: Definitions<{ taskOutputArtifact: { producerTask: string; outputArtifactKey: string } }>;
  };
}

export interface PipelineSpec {
  pipelineInfo: { name: string };
  schemaVersion: '2.1.0';
  sdkVersion: string;
  components: Definitions<ComponentSpec>;
  deploymentSpec: {
    executors: Definitions<{
      container: {
        image: string;
        command: string[];
        args?: string[];
        resources: { resourceCpuLimit: string; resourceMemoryLimit: string };
      };
    }>;
  };
  root: {
    inputDefinitions?: { parameters: Definitions<{ parameterType: ParameterType }> };
    dag: { tasks: Definitions<TaskSpec> };
  };
}

/** Free text of the document; part of the content, so it changes only when the compiler's output does. */
const COMPILER = 'sluice-ir-1';
/** Leaves room for the hash within the 63 characters of a Kubernetes name; cut before the hash, which covers the whole name. */
const MAX_GRAPH_NAME = 46;
const ARTIFACT: ArtifactDefinition = { artifactType: { schemaTitle: 'system.Artifact', schemaVersion: '0.0.1' } };
/** Macros that the server expands in string parameters (facts/kubeflow.md §1). */
const MACRO = /\[\[(RunUUID|CurrentTime|ScheduledTime|Index)[^\]]*\]\]/;

/** Compiles the graph of a job. Rejects `graph-invalid` (a reference without a producer, a cycle, text that the server would rewrite). */
export function compilePipeline(job: Pick<JobSpec, 'graph' | 'steps' | 'parameters'>): CompiledPipeline {
  const steps = indexSteps(job.steps);
  checkParameters(job.parameters);
  const parameterNames = Object.keys(job.parameters).sort();
  const parameters = definitions(parameterNames, (name) => ({ parameterType: typeOf(job.parameters[name]) }));
  const compiled = job.steps.map((step) => compileStep(step, steps, job.parameters));
  refuseCycles(job.steps);
  const spec = (name: string): PipelineSpec => ({
    pipelineInfo: { name },
    schemaVersion: '2.1.0',
    sdkVersion: COMPILER,
    components: Object.fromEntries(compiled.map(({ step, component }) => [`comp-${step.name}`, component])),
    deploymentSpec: { executors: Object.fromEntries(compiled.map(({ step, container }) => [`exec-${step.name}`, { container }])) },
    root: {
      ...(parameterNames.length > 0 ? { inputDefinitions: { parameters } } : {}),
      dag: { tasks: Object.fromEntries(compiled.map(({ step, task }) => [step.name, task])) },
    },
  });
  const name = `${job.graph.slice(0, MAX_GRAPH_NAME).replace(/-+$/, '')}-${digestOf(spec(job.graph)).slice(0, 16)}`;
  return { name, yaml: toYaml(spec(name)), spec: spec(name) };
}

/** Every string and key quoted: the server reads YAML 1.1, where plain `no`, `on`, `1_0` or `12:30` are not strings. */
function toYaml(spec: PipelineSpec): string {
  return stringify(spec, { lineWidth: 0, aliasDuplicateObjects: false, defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'QUOTE_DOUBLE' });
}

function indexSteps(steps: readonly JobStep[]): Map<string, Set<string>> {
  const outputs = new Map<string, Set<string>>();
  for (const step of steps) {
    if (outputs.has(step.name)) throw invalid(`two steps are called "${step.name}"`);
    outputs.set(step.name, new Set(step.args.flatMap((argument) => (isOwnOutput(argument) ? [argument.output] : []))));
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

interface CompiledStep {
  step: JobStep;
  component: ComponentSpec;
  task: TaskSpec;
  container: PipelineSpec['deploymentSpec']['executors'][string]['container'];
}

function compileStep(step: JobStep, outputsOf: ReadonlyMap<string, ReadonlySet<string>>, parameters: JobSpec['parameters']): CompiledStep {
  const used = new Set<string>();
  const inputs = new Map<string, { from: string; output: string }>();
  const args = step.args.map((argument) => {
    if (typeof argument === 'string') return literal(step, argument);
    if ('parameter' in argument) {
      if (!Object.hasOwn(parameters, argument.parameter)) {
        throw invalid(`step "${step.name}" uses parameter "${argument.parameter}", which the job does not have`);
      }
      used.add(argument.parameter);
      return `{{$.inputs.parameters['${argument.parameter}']}}`;
    }
    if (!('from' in argument)) return `{{$.outputs.artifacts['${argument.output}'].path}}`;
    const produced = outputsOf.get(argument.from);
    if (!produced) throw invalid(`step "${step.name}" reads from step "${argument.from}", which does not exist`);
    if (!produced.has(argument.output)) {
      throw invalid(`step "${step.name}" reads output "${argument.output}" of step "${argument.from}", which writes no such output`);
    }
    const key = inputName(argument.from, argument.output);
    inputs.set(key, { from: argument.from, output: argument.output });
    return `${literal(step, argument.prefix ?? '')}{{$.inputs.artifacts['${key}'].path}}`;
  });
  const outputs = [...(outputsOf.get(step.name) ?? [])].sort();
  const parameterNames = [...used].sort();
  const inputNames = [...inputs.keys()].sort();
  const producers = [...new Set([...inputs.values()].map((input) => input.from))].sort();
  return {
    step,
    component: {
      executorLabel: `exec-${step.name}`,
      ...(parameterNames.length + inputNames.length > 0
        ? {
            inputDefinitions: {
              ...present('parameters', parameterNames, (name) => ({ parameterType: typeOf(parameters[name]) })),
              ...present('artifacts', inputNames, () => ARTIFACT),
            },
          }
        : {}),
      ...(outputs.length > 0 ? { outputDefinitions: { artifacts: definitions(outputs, () => ARTIFACT) } } : {}),
    },
    task: {
      taskInfo: { name: step.name },
      componentRef: { name: `comp-${step.name}` },
      cachingOptions: {}, // absent enableCache = off: a cached step would silently hand back an older dataset
      ...(producers.length > 0 ? { dependentTasks: producers } : {}),
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
      image: step.image,
      command: step.command.map((part) => literal(step, part)),
      ...(args.length > 0 ? { args } : {}),
      resources: { resourceCpuLimit: String(step.cpu), resourceMemoryLimit: memory(step.memoryGiB) },
    },
  };
}

/** Unique for each pair: a step name has single hyphens only, so the first `__` ends it. */
function inputName(step: string, output: string): string {
  return `${step.replaceAll('-', '_')}__${output}`;
}

function literal(step: JobStep, text: string): string {
  if (text.includes('{{')) throw invalid(`step "${step.name}" has a literal with "{{", which the workflow engine would expand`);
  return text;
}

/** Number parameters are doubles whatever their value, so that 1 and 1.5 give the same graph. */
function typeOf(value: string | number | boolean | undefined): ParameterType {
  if (typeof value === 'number') return 'NUMBER_DOUBLE';
  return typeof value === 'boolean' ? 'BOOLEAN' : 'STRING';
}

function memory(gibibytes: number): string {
  return Number.isInteger(gibibytes) ? `${gibibytes}Gi` : `${Math.max(1, Math.round(gibibytes * 1024))}Mi`;
}

function refuseCycles(steps: readonly JobStep[]): void {
  const waits = new Map(
    steps.map((step) => [step.name, new Set(step.args.flatMap((argument) => (isForeign(argument) ? [argument.from] : [])))]),
  );
  while (waits.size > 0) {
    const ready = [...waits].filter(([, producers]) => [...producers].every((producer) => !waits.has(producer)));
    if (ready.length === 0) throw invalid(`the steps ${[...waits.keys()].map((name) => `"${name}"`).join(', ')} wait for each other`);
    for (const [name] of ready) waits.delete(name);
  }
}

function isOwnOutput(argument: StepArgument): argument is { output: string } {
  return typeof argument === 'object' && 'output' in argument && !('from' in argument);
}

function isForeign(argument: StepArgument): argument is { from: string; output: string } {
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

function invalid(problem: string): RejectedError {
  return new RejectedError('graph-invalid', `The job's graph cannot be compiled: ${problem}.`);
}
