// One step: fills the placeholders, starts the program that stands for the image, and reads what it left behind.
// The protocol is the launcher's: parameter files, executor_output.json, artifacts at given paths (facts/kubeflow.md §2).
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { startProcess, type ManagedProcess } from '../../kit/process.ts';
import { fillPlaceholders, type JobField, type Placeholder } from '../ir/placeholders.ts';
import { entry, type Component, type Container } from '../ir/types.ts';
import type { Artifact, TaskOutputs } from '../model.ts';
import type { KubeflowOptions } from '../options.ts';
import { isObject, type Json, type JsonObject } from '../protojson.ts';
import { commandLine, resolveImage } from './images.ts';
import type { Mount } from './pod-settings.ts';
import { fromText, toText, zeroOf } from './values.ts';

/** What a step is run with. */
export interface StepInput {
  readonly component: Component;
  readonly container: Container;
  readonly parameters: Readonly<Record<string, Json>>;
  readonly artifacts: Readonly<Record<string, readonly Artifact[]>>;
  /** Private folder of this attempt. */
  readonly dir: string;
  /** Prefix of the output artifacts' addresses. */
  readonly uri: string;
  readonly logFile: string;
  readonly job: Readonly<Record<JobField, string>>;
  readonly podName: string;
  /** Folders that stand for what is mounted: a path below a mount means the folder here. */
  readonly mounts: readonly Mount[];
  /** What the cluster puts into the container's environment. */
  readonly env: readonly { readonly name: string; readonly value: string }[];
}

/** The step did not do what the pipeline says; the message is what the task's status shows. */
export class StepError extends Error {
  override readonly name = 'StepError';
}

/** A step that was started. */
export interface StartedStep {
  readonly process: ManagedProcess;
  /** Waits for the end and reads the outputs. Rejects with `StepError`. */
  outputs(): Promise<TaskOutputs>;
}

/** Starts the step. Throws `ImagePullError` where its image cannot be had. */
export function startStep(options: KubeflowOptions, input: StepInput): StartedStep {
  const mapping = resolveImage(options.images, input.container.image ?? '');
  const planned = planOutputs(input);
  const executorInput = describe(input, planned);
  const fill = (text: string) => fillPlaceholders(text, (placeholder) => valueOf(placeholder, input, planned, executorInput));
  const env = environment(input, { ...options.stepEnv, ...mapping.env }, fill);
  const expand = (text: string) => mounted(input.mounts, expandVariables(fill(text), env));
  const command = commandLine(mapping, (input.container.command ?? []).map(expand), (input.container.args ?? []).map(expand));
  const work = join(input.dir, 'work');
  mkdirSync(work, { recursive: true });
  const process = startProcess({ command, cwd: mapping.cwd ?? work, env, logFile: input.logFile });
  return {
    process,
    async outputs() {
      const end = await process.ended;
      if (end.error) throw new StepError(`StartError: ${end.error}`);
      if (end.signal) throw new StepError(`Error (signal ${end.signal})`);
      if (end.code !== 0) throw new StepError(`Error (exit code ${end.code ?? 'unknown'})${lastLine(input.logFile)}`);
      return collect(input, planned);
    },
  };
}

interface PlannedOutputs {
  readonly parameterFiles: Record<string, string>;
  readonly artifacts: Record<string, Artifact>;
  readonly outputFile: string;
}

function planOutputs(input: StepInput): PlannedOutputs {
  const definitions = input.component.outputDefinitions;
  const parametersDir = join(input.dir, 'parameters');
  const artifactsDir = join(input.dir, 'artifacts');
  mkdirSync(parametersDir, { recursive: true });
  mkdirSync(artifactsDir, { recursive: true });
  return {
    parameterFiles: Object.fromEntries(Object.keys(definitions?.parameters ?? {}).map((key) => [key, join(parametersDir, key)])),
    artifacts: Object.fromEntries(
      Object.entries(definitions?.artifacts ?? {}).map(([key, declared]) => [
        key,
        {
          name: key,
          type: declared.artifactType ?? {},
          uri: `${input.uri}/${key}`,
          path: join(artifactsDir, key),
          metadata: declared.metadata ?? {},
        },
      ]),
    ),
    outputFile: join(input.dir, 'executor_output.json'),
  };
}

/** ExecutorInput; `customPath` tells readers of `{{$}}` where an artifact lies on this machine. */
function describe(input: StepInput, planned: PlannedOutputs): string {
  const artifact = ({ name, type, uri, path, metadata }: Artifact) => ({ name, type, uri, metadata, customPath: path });
  const lists = (artifacts: [string, readonly Artifact[]][]) =>
    Object.fromEntries(artifacts.map(([key, items]) => [key, { artifacts: items.map(artifact) }]));
  return JSON.stringify({
    inputs: { parameterValues: input.parameters, artifacts: lists(Object.entries(input.artifacts)) },
    outputs: {
      parameters: Object.fromEntries(Object.entries(planned.parameterFiles).map(([key, outputFile]) => [key, { outputFile }])),
      artifacts: lists(Object.entries(planned.artifacts).map(([key, item]) => [key, [item]])),
      outputFile: planned.outputFile,
    },
  });
}

function valueOf(placeholder: Placeholder, input: StepInput, planned: PlannedOutputs, executorInput: string): string {
  switch (placeholder.kind) {
    case 'executor-input':
      return executorInput;
    case 'executor-output-file':
      return planned.outputFile;
    case 'input-parameter': {
      const declared = entry(input.component.inputDefinitions?.parameters, placeholder.key);
      const value = Object.hasOwn(input.parameters, placeholder.key) ? input.parameters[placeholder.key] : undefined;
      return toText(value ?? zeroOf(declared?.parameterType ?? 'STRING'));
    }
    case 'output-parameter-file':
      return entry(planned.parameterFiles, placeholder.key) ?? '';
    case 'artifact':
    case 'artifact-metadata':
      return ofArtifact(placeholder, input, planned);
    case 'job':
      return input.job[placeholder.field];
  }
}

function ofArtifact(placeholder: Extract<Placeholder, { side: string }>, input: StepInput, planned: PlannedOutputs): string {
  const artifact = placeholder.side === 'inputs' ? entry(input.artifacts, placeholder.key)?.[0] : entry(planned.artifacts, placeholder.key);
  if (placeholder.kind === 'artifact') return artifact?.[placeholder.field] ?? '';
  return toText(entry(artifact?.metadata, placeholder.name) ?? '');
}

/** The step's environment: nothing of the stand-in's own but PATH; `OMP_NUM_THREADS` from the CPU limit, as whole cores of this machine. */
function environment(input: StepInput, image: Readonly<Record<string, string>>, fill: (text: string) => string): Record<string, string> {
  const cores = wholeCores(input.container.resources?.resourceCpuLimit ?? String(input.container.resources?.cpuLimit ?? ''));
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    LANG: 'C.UTF-8',
    HOME: input.dir,
    TMPDIR: join(input.dir, 'work'),
    ...image,
    ...(cores === undefined ? {} : { OMP_NUM_THREADS: String(Math.min(cores, availableParallelism())) }),
  };
  for (const { name = '', value = '' } of [...(input.container.env ?? []), ...input.env]) {
    env[name] = mounted(input.mounts, expandVariables(fill(value), env));
  }
  return { ...env, KFP_RUN_ID: input.job.pipeline_job_uuid, KFP_POD_NAME: input.podName };
}

/** A path in the container as it is on this machine. */
function mounted(mounts: readonly Mount[], text: string): string {
  const mount = mounts.find(({ mountPath }) => text === mountPath || text.startsWith(`${mountPath}/`));
  return mount ? `${mount.folder}${text.slice(mount.mountPath.length)}` : text;
}

/** Whole cores in a Kubernetes quantity: `2`, `1500m`; at least one. */
function wholeCores(quantity: string): number | undefined {
  const [, number = '', milli = ''] = /^(\d+(?:\.\d+)?)(m?)$/.exec(quantity) ?? [];
  return number === '' || Number(number) === 0 ? undefined : Math.max(1, Math.floor(Number(number) / (milli ? 1000 : 1)));
}

/** Kubernetes' `$(NAME)`; `$$(NAME)` stays as text, and so does an unknown name. */
const expandVariables = (text: string, env: Record<string, string>): string =>
  text.replace(/\$(\$)?\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (whole, escaped: string | undefined, name: string) =>
    escaped ? whole.slice(1) : (entry(env, name) ?? whole),
  );

function collect(input: StepInput, planned: PlannedOutputs): TaskOutputs {
  const left = executorOutput(planned.outputFile);
  const parameters: Record<string, Json> = {};
  for (const [key, declared] of Object.entries(input.component.outputDefinitions?.parameters ?? {})) {
    const value = entry(left.parameters, key);
    if (value !== undefined) {
      parameters[key] = value;
      continue;
    }
    const file = planned.parameterFiles[key] ?? '';
    try {
      parameters[key] = fromText(readFileSync(file, 'utf8'), declared.parameterType);
    } catch (error) {
      throw new StepError(
        `failed to read output parameter ${key} (${declared.parameterType}): ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  const artifacts: Record<string, Artifact[]> = {};
  for (const [key, artifact] of Object.entries(planned.artifacts)) {
    const said = entry(left.artifacts, key);
    // The step may say more about its artifact, not move it: the file is where the platform put it.
    artifacts[key] = [{ ...artifact, metadata: { ...artifact.metadata, ...said?.metadata }, uri: said?.uri ?? artifact.uri }];
  }
  return { parameters, artifacts };
}

interface ExecutorOutput {
  readonly parameters: Record<string, Json>;
  readonly artifacts: Record<string, { uri?: string; metadata?: JsonObject }>;
}

function executorOutput(file: string): ExecutorOutput {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return { parameters: {}, artifacts: {} }; // container components need not write one
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new StepError('the step left an executor_output.json that is not JSON (NaN and Infinity are not JSON either)');
  }
  if (!isObject(json)) throw new StepError('the step left an executor_output.json that is not an object');
  const artifacts = Object.entries(isObject(json['artifacts']) ? json['artifacts'] : {}).map(([key, list]) => {
    const first: unknown = isObject(list) && Array.isArray(list['artifacts']) ? list['artifacts'][0] : undefined;
    const uri = isObject(first) && typeof first['uri'] === 'string' && first['uri'] !== '' ? first['uri'] : undefined;
    const metadata = isObject(first) && isObject(first['metadata']) ? (first['metadata'] as JsonObject) : undefined;
    return [key, { ...(uri === undefined ? {} : { uri }), ...(metadata ? { metadata } : {}) }] as const;
  });
  return {
    parameters: isObject(json['parameterValues']) ? (json['parameterValues'] as JsonObject) : {},
    artifacts: Object.fromEntries(artifacts),
  };
}

/** The last thing the step said, which usually is the reason. */
function lastLine(logFile: string): string {
  const tail = Buffer.alloc(4_096);
  try {
    const handle = openSync(logFile, 'r');
    try {
      const size = fstatSync(handle).size;
      const read = readSync(handle, tail, 0, tail.length, Math.max(0, size - tail.length));
      const line = tail.subarray(0, read).toString('utf8').trimEnd().split('\n').at(-1)?.trim().slice(0, 300);
      return line ? `: ${line}` : '';
    } finally {
      closeSync(handle);
    }
  } catch {
    return '';
  }
}
