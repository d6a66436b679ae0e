// From a job as it was sent to a command that can be run: environment, code, inputs, outputs, limits, compute.
// The API has checked the references before; what has gone since is a failure of the job.
import type { CommandJob, JobInput, JobOutput, PipelineJob } from '../api/job-bodies.ts';
import { durationMs } from '../durations.ts';
import type { AssetVersion, JobRecord } from '../model.ts';
import type { ComputeOptions } from '../options.ts';
import { assetOf, computeOf } from '../resource-ids.ts';
import type { CommandPlan, Machinery, PlannedInput, PlannedOutput } from './command.ts';
import { LocationError } from './files.ts';
import { valueText, type Value } from './search-space.ts';

/** Compute of jobs without `computeId`. */
export const SERVERLESS = 'serverless';

/**
 * Compute of a pipeline's steps that name none: an ARM id; null = serverless, which a pipeline names by this word and no other job does
 * (how-to-use-serverless-compute: `default_compute: azureml:serverless`, which the tools send as `serverless`).
 */
export function defaultCompute({ settings }: Pick<PipelineJob, 'settings'>): string | null {
  const named = settings?.default_compute ?? null;
  return named === SERVERLESS ? null : named;
}

/** Where a named output is when nothing was said. */
export const defaultOutputUri = (machinery: Pick<Machinery, 'files'>, job: string, output: string): string =>
  machinery.files.address(machinery.files.defaultDatastore, `azureml/${job}/${output}/`);

/** Inputs as planned; modes default to a read-only mount. */
export const planInputs = (inputs: Readonly<Record<string, JobInput>> | null | undefined): Record<string, PlannedInput> =>
  Object.fromEntries(
    Object.entries(inputs ?? {}).map(([name, input]): [string, PlannedInput] => [
      name,
      input.jobInputType === 'literal'
        ? { kind: 'literal', value: input.value }
        : { kind: 'data', type: input.jobInputType, uri: input.uri, mode: input.mode ?? 'ReadOnlyMount' },
    ]),
  );

/** Outputs as planned; modes default to a mount. */
export const planOutputs = (
  outputs: Readonly<Record<string, JobOutput>> | null | undefined,
  uris: Readonly<Record<string, string>>,
): Record<string, PlannedOutput> =>
  Object.fromEntries(
    Object.entries(outputs ?? {}).map(([name, output]): [string, PlannedOutput] => [
      name,
      { type: output.jobOutputType, mode: output.mode ?? 'ReadWriteMount', uri: uris[name] ?? output.uri ?? '' },
    ]),
  );

/** Addresses of all named outputs. */
export const outputUris = (
  machinery: Pick<Machinery, 'files'>,
  job: string,
  outputs: Readonly<Record<string, JobOutput>> | null | undefined,
): Record<string, string> =>
  Object.fromEntries(Object.entries(outputs ?? {}).map(([name, { uri }]) => [name, uri ?? defaultOutputUri(machinery, job, name)]));

/** Compute and its limit. */
export function planCompute(
  machinery: Machinery,
  computes: readonly ComputeOptions[],
  computeId: string | null | undefined,
): Pick<CommandPlan, 'compute' | 'maxNodes'> {
  if (computeId === null || computeId === undefined) return { compute: SERVERLESS };
  const found = computeOf(computeId, machinery.place, computes);
  if (!found) throw new LocationError(`The compute ${computeId} does not exist any more.`);
  return { compute: found.name, ...(found.maxNodes === undefined ? {} : { maxNodes: found.maxNodes }) };
}

/** The environment version that an id names. */
export function environmentOf(machinery: Machinery, id: string, inComponent = false): AssetVersion {
  const found = assetOf(id, 'environments', machinery.place, machinery.store.assets.value, inComponent);
  if (!found) throw new LocationError(`The environment ${id} does not exist any more.`);
  return found;
}

/** Address of the code that an id names. */
export function codeOf(machinery: Machinery, id: string | null | undefined, inComponent = false): Pick<CommandPlan, 'codeUri'> {
  if (id === null || id === undefined) return {};
  const uri = assetOf(id, 'codes', machinery.place, machinery.store.assets.value, inComponent)?.spec['codeUri'];
  if (typeof uri !== 'string') throw new LocationError(`The code ${id} does not exist any more.`);
  return { codeUri: uri };
}

/** A timeout as milliseconds. */
export function timeout(text: string | null | undefined): Pick<CommandPlan, 'timeoutMs'> {
  const ms = text === null || text === undefined ? undefined : durationMs(text);
  return ms === undefined ? {} : { timeoutMs: ms };
}

/** The plan of a command job, or of a trial, whose record has the same shape. */
export function planCommand(machinery: Machinery, computes: readonly ComputeOptions[], job: JobRecord): CommandPlan {
  const spec = job.spec as unknown as CommandJob;
  const space = job.results['hyperparameters'];
  return {
    job,
    command: spec.command,
    environment: environmentOf(machinery, spec.environmentId),
    ...codeOf(machinery, spec.codeId),
    inputs: planInputs(spec.inputs),
    outputs: planOutputs(spec.outputs, job.outputUris),
    searchSpace: space === undefined ? {} : texts(JSON.parse(space) as Record<string, Value>),
    variables: spec.environmentVariables ?? {},
    ...timeout(spec.limits?.timeout),
    ...planCompute(machinery, computes, spec.computeId),
  };
}

const texts = (values: Readonly<Record<string, Value>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, valueText(value)]));
