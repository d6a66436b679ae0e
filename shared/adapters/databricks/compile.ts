// A neutral job → the body of runs/submit: one wheel task for each step, files by paths of one volume, everything by name. Pure.
import type { JobSpec, JobStep, StepArgument } from '../../contracts/training.ts';
import { digestOf, sha256Hex } from '../../decisions/digest.ts';
import { RejectedError } from '../../errors/errors.ts';

export interface CompileOptions {
  /** Volume whose root is the store's container, e.g. `/Volumes/sluice/platform/store`. */
  storeVolume: string;
  /** Folder of pinned wheels (components/wheels.py), e.g. `/Volumes/sluice/platform/wheels`. */
  wheels: string;
  /** What runs the tasks: a cluster that is there, or one made for the run. */
  cluster: { existing: string } | { new: Readonly<Record<string, unknown>> };
  /**
   * Environment of each step. With MLFLOW_TRACKING_URI steps track there and nowhere else (exclusive tracking: linked workspaces do not work
   * behind private endpoints, facts/azure.md §6), in the job's experiment; secrets are references `{{secrets/SCOPE/KEY}}` and reach new clusters only.
   */
  environment: Readonly<Record<string, string>>;
}

export interface SubmitBody {
  run_name: string;
  idempotency_token: string;
  timeout_seconds?: number;
  queue: { enabled: true };
  tasks: Record<string, unknown>[];
}

const NEW_CLUSTER = 'new_cluster';

/** Digest of what makes the job another graph: what a taken name is compared by. Parameter values may differ, as everywhere. */
export function jobDigest(job: JobSpec): string {
  const steps = job.steps.map(({ name, image, command, args, component }) => ({ name, image, command, args, component }));
  const inputs = Object.entries(job.inputs).map(([name, files]) => [name, files.map(({ storePath, sha256 }) => [storePath, sha256])]);
  const exports = job.exports.map(({ step, output, file, storePath, optional }) => [step, output, file, storePath, optional]);
  return digestOf([job.graph, steps, inputs, exports]);
}

/** At most 64 characters (facts/azure.md §6); the same job name gives the same token. */
export function idempotencyToken(jobName: string): string {
  return jobName.length <= 64 ? jobName : sha256Hex(jobName);
}

/** Rejects `graph-invalid` for what cannot be told to Databricks. */
export function compileRun(job: JobSpec, options: CompileOptions): SubmitBody {
  const digest = jobDigest(job);
  const known = new Set<string>();
  const tasks = job.steps.map((step) => {
    const task = compileStep(job, step, known, digest, options);
    known.add(step.name);
    return task;
  });
  return {
    run_name: job.name,
    idempotency_token: idempotencyToken(job.name),
    ...(job.timeoutSeconds === undefined ? {} : { timeout_seconds: job.timeoutSeconds }),
    queue: { enabled: true },
    tasks,
  };
}

/** The wheel of a step: the image's digest is part of its name, so the lock of images pins it. */
export function wheelOf(step: JobStep, wheels: string): string {
  const [, digest] = /@sha256:([0-9a-f]{64})$/.exec(step.image) ?? [];
  if (!step.component || !digest) throw invalid(step.name, 'names no component, so it has no wheel');
  return `${wheels}/${moduleOf(step)}-0+${digest.slice(0, 16)}-py3-none-any.whl`;
}

function compileStep(
  job: JobSpec,
  step: JobStep,
  known: ReadonlySet<string>,
  digest: string,
  options: CompileOptions,
): Record<string, unknown> {
  const needs = new Set<string>();
  const outputs = new Set<string>();
  const args = step.args.map((argument) => compileArgument(argument, { job, step, known, needs, outputs, options }));
  const mine = job.exports.filter((one) => one.step === step.name);
  for (const { output } of mine)
    if (!outputs.has(output)) throw invalid(step.name, `exports from "${output}", which is none of its outputs`);
  const payload = {
    job: job.name,
    digest,
    module: moduleOf(step),
    args,
    outputs: Object.fromEntries([...outputs].map((key) => [key, workFolder(options, job, step.name, key)])),
    exports: mine.map(({ output, file, storePath, optional }) => ({ output, file, to: `${options.storeVolume}/${storePath}`, optional })),
    environment: { SLUICE_CPU_LIMIT: String(step.cpu), ...plainOnly(options.environment) },
    // The launcher gives it to MLflow where runs are tracked at another server: only there an experiment is a plain name.
    ...(job.experiment === undefined ? {} : { experiment: job.experiment }),
  };
  const secrets = Object.fromEntries(Object.entries(options.environment).filter(([, value]) => isSecret(value)));
  return {
    task_key: step.name,
    ...(needs.size === 0 ? {} : { depends_on: [...needs].sort().map((name) => ({ task_key: name })) }),
    python_wheel_task: { package_name: moduleOf(step), entry_point: 'sluice-step', parameters: [JSON.stringify(payload)] },
    libraries: [{ whl: wheelOf(step, options.wheels) }],
    ...('existing' in options.cluster
      ? { existing_cluster_id: options.cluster.existing }
      : { [NEW_CLUSTER]: { ...options.cluster.new, spark_env_vars: secrets } }),
  };
}

interface ArgumentPlace {
  job: JobSpec;
  step: JobStep;
  known: ReadonlySet<string>;
  needs: Set<string>;
  outputs: Set<string>;
  options: CompileOptions;
}

function compileArgument(
  argument: StepArgument,
  { job, step, known, needs, outputs, options }: ArgumentPlace,
): string | { output: string } {
  if (typeof argument === 'string') return argument;
  if ('parameter' in argument) {
    const value = job.parameters[argument.parameter];
    if (value === undefined) throw invalid(step.name, `takes the parameter "${argument.parameter}", which the job does not have`);
    return String(value);
  }
  if ('input' in argument) return `${argument.prefix ?? ''}${inputFolder(job, argument.input, options)}`;
  if ('from' in argument) {
    if (!known.has(argument.from)) throw invalid(step.name, `reads from "${argument.from}", which is no earlier step`);
    needs.add(argument.from);
    return `${argument.prefix ?? ''}${workFolder(options, job, argument.from, argument.output)}`;
  }
  outputs.add(argument.output);
  return { output: argument.output };
}

/** Files of one input are staged in one folder of their own, so the folder is the input. */
function inputFolder(job: JobSpec, input: string, options: CompileOptions): string {
  const folders = new Set((job.inputs[input] ?? []).map(({ storePath }) => storePath.slice(0, Math.max(0, storePath.lastIndexOf('/')))));
  const [folder] = folders;
  if (folders.size !== 1 || !folder) throw invalid(input, 'is an input whose files are not in one folder of the store');
  return `${options.storeVolume}/${folder}`;
}

function workFolder(options: CompileOptions, job: JobSpec, step: string, output: string): string {
  return `${options.storeVolume}/work/${job.name}/${step}/${output}`;
}

function moduleOf(step: JobStep): string {
  return `sluice_${(step.component ?? step.name).replaceAll('-', '_')}`;
}

const isSecret = (value: string): boolean => value.startsWith('{{secrets/');
function plainOnly(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => !isSecret(value)));
}

function invalid(where: string, why: string): RejectedError {
  return new RejectedError('graph-invalid', `The job graph cannot be told to Databricks: "${where}" ${why}`);
}
