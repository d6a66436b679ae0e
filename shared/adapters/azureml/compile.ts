// JobSpec → the body of an Azure ML job: one step is a Command job, several are a Pipeline job of components (facts/azure.md §1.4). Pure.
// Nodes of a pipeline are free-form in the API; their wire names are those that the service's own clients send (snake case inside nodes).
import type { JobSpec, JobStep } from '../../contracts/training.ts';
import { digestOf } from '../../decisions/digest.ts';
import { assetName, datastoreUri, experimentName, wireKey, type WorkspacePlace, workspacePath } from './place.ts';
import { type StepScript, stepScript } from './script.ts';

export interface CompileOptions {
  place: WorkspacePlace;
  /** Name of the datastore on the container of Sluice's store. */
  datastore: string;
  /** Name of a compute of the workspace; `serverless` lets the service find machines. */
  compute: string;
  /** Size of machine (serverless) or instance type (Kubernetes compute). */
  instanceType?: string;
  /** Client id of the user-assigned identity that jobs run as; without it jobs run with the service's own token. */
  clientId?: string;
  /** Used when a job names none. */
  experiment: string;
}

export interface Component {
  name: string;
  version: string;
  body: Record<string, unknown>;
}

export interface CompiledJob {
  /** `properties` of the PUT. */
  properties: Record<string, unknown>;
  /** Components to register first; their versions are digests of what they are. */
  components: Component[];
}

/** Property of a job that says which graph it is: what makes one submission the same as another. */
export const GRAPH_PROPERTY = 'sluice.graph';
/** Property with the names of the steps, as people know them. */
export const STEPS_PROPERTY = 'sluice.steps';

/**
 * Digest of what a job is: steps, types of parameters, inputs by content, exports, lineage. Values of parameters are left out,
 * because a repeat may come with freshly signed addresses; what they mean is in the lineage's digests and in the job's name.
 */
export function graphDigest(job: JobSpec): string {
  const types = Object.fromEntries(Object.entries(job.parameters).map(([name, value]) => [name, typeof value]));
  const inputs = Object.fromEntries(
    Object.entries(job.inputs).map(([name, files]) => [
      name,
      files.map((file) => ({ name: file.name, at: file.storePath, sha256: file.sha256 })),
    ]),
  );
  const exports = job.exports.map(({ step, output, file, storePath, optional }) => ({ step, output, file, storePath, optional }));
  return digestOf({ graph: job.graph, steps: job.steps, types, inputs, exports, lineage: job.lineage });
}

/** `environments`: image → environment version (ARM id). */
export function compileJob(job: JobSpec, options: CompileOptions, environments: ReadonlyMap<string, string>): CompiledJob {
  const [only] = job.steps;
  const base = baseOf(job, options);
  if (job.steps.length === 1 && only) {
    const script = stepScript(job, only);
    return { properties: { ...base, ...commandBody(job, only, script, options, environments) }, components: [] };
  }
  return pipelineJob(job, options, environments, base);
}

/** The parts that every kind of job has. */
export function baseOf(job: JobSpec, { experiment, clientId }: CompileOptions): Record<string, unknown> {
  const { lineage } = job;
  const tags = {
    ...job.labels,
    ...(lineage
      ? {
          'sluice.pipeline': lineage.pipeline,
          'sluice.runId': lineage.runId,
          ...(lineage.goldDigest ? { 'sluice.goldDigest': lineage.goldDigest } : {}),
          ...(lineage.specDigest ? { 'sluice.specDigest': lineage.specDigest } : {}),
          ...(lineage.goldTable ? { 'sluice.goldTable': lineage.goldTable } : {}),
          ...(lineage.goldVersion === undefined ? {} : { 'sluice.goldVersion': String(lineage.goldVersion) }),
        }
      : {}),
  };
  return {
    displayName: job.name,
    experimentName: experimentName(job.experiment ?? experiment),
    description: `Made by Sluice: ${job.graph}`,
    tags,
    properties: { [GRAPH_PROPERTY]: graphDigest(job), [STEPS_PROPERTY]: job.steps.map((step) => step.name).join(',') },
    ...(clientId ? { identity: { identityType: 'Managed', clientId } } : {}),
  };
}

/** The fields of a Command job; a sweep's trial takes its parts from here too. */
export function commandBody(
  job: JobSpec,
  step: JobStep,
  script: StepScript,
  options: CompileOptions,
  environments: ReadonlyMap<string, string>,
): Record<string, unknown> {
  return {
    jobType: 'Command',
    command: script.command,
    environmentId: environments.get(step.image) ?? '',
    inputs: { ...literalInputs(job, script.parameters), ...dataInputs(script, options) },
    outputs: { ...plainOutputs(script.outputs), ...exportOutputs(script, options, (key) => key) },
    ...computeOf(options),
    ...resourcesOf(options),
    ...(job.timeoutSeconds ? { limits: { jobLimitsType: 'Command', timeout: isoSeconds(job.timeoutSeconds) } } : {}),
  };
}

function pipelineJob(
  job: JobSpec,
  options: CompileOptions,
  environments: ReadonlyMap<string, string>,
  base: Record<string, unknown>,
): CompiledJob {
  const serverless = options.compute === 'serverless';
  const parts = job.steps.map((step) => ({ step, script: stepScript(job, step) }));
  // A folder that a later step reads must be declared by the step that makes it.
  for (const { script } of parts) {
    for (const link of script.links) {
      const maker = parts.find(({ step }) => step.name === link.step);
      if (maker && !maker.script.outputs.includes(link.output)) maker.script.outputs.push(link.output);
    }
  }
  const components: Component[] = [];
  const inputs: Record<string, unknown> = {};
  const outputs: Record<string, unknown> = {};
  const jobs: Record<string, unknown> = {};
  for (const { step, script } of parts) {
    const component = componentOf(job, step, script, environments);
    components.push(component);
    const node = wireKey(step.name);
    Object.assign(inputs, literalInputs(job, script.parameters), dataInputs(script, options));
    Object.assign(
      outputs,
      exportOutputs(script, options, (key) => `${node}_${key}`),
    );
    const parent = (key: string) => ({ job_input_type: 'literal', value: `\${{parent.inputs.${key}}}` });
    const from = (link: StepScript['links'][number]) => ({
      job_input_type: 'literal',
      value: `\${{parent.jobs.${wireKey(link.step)}.outputs.${link.output}}}`,
    });
    jobs[node] = {
      type: 'command',
      name: node,
      display_name: step.name,
      componentId: `${workspacePath(options.place)}/components/${component.name}/versions/${component.version}`,
      inputs: {
        ...Object.fromEntries([...script.parameters, ...script.inputs.map(({ key }) => key)].map((key) => [key, parent(key)])),
        ...Object.fromEntries(script.links.map((link) => [link.key, from(link)])),
      },
      outputs: Object.fromEntries(
        script.exports.map(({ key }) => [key, { type: 'literal', value: `\${{parent.outputs.${node}_${key}}}` }]),
      ),
      ...computeOf(options),
      ...(options.instanceType ? { resources: { instance_count: 1, instance_type: options.instanceType } } : {}),
      ...(job.timeoutSeconds ? { limits: { job_limits_type: 'Command', timeout: isoSeconds(job.timeoutSeconds) } } : {}),
      ...(options.clientId ? { identity: { type: 'managed', client_id: options.clientId } } : {}),
    };
  }
  const compute = serverless ? 'serverless' : computeId(options);
  return {
    properties: {
      ...base,
      jobType: 'Pipeline',
      inputs,
      outputs,
      jobs,
      // force_rerun: a result of another run must never be taken for this one's.
      settings: { default_compute: compute, force_rerun: true, continue_on_step_failure: false },
      ...computeOf(options),
    },
    components,
  };
}

function componentOf(job: JobSpec, step: JobStep, script: StepScript, environments: ReadonlyMap<string, string>): Component {
  const name = assetName(`sluice-${job.graph}-${step.name}`, 100);
  const files = Object.fromEntries(script.inputs.map(({ key, kind }) => [key, { type: kind, mode: 'ro_mount' }]));
  const links = Object.fromEntries(script.links.map(({ key }) => [key, { type: 'uri_folder', mode: 'ro_mount' }]));
  const made = [...script.outputs, ...script.exports.map(({ key }) => key)];
  const definition = {
    name,
    type: 'command',
    display_name: step.name,
    command: script.command,
    environment: `azureml:${environments.get(step.image) ?? ''}`,
    inputs: { ...Object.fromEntries(script.parameters.map((key) => [key, { type: 'string' }])), ...files, ...links },
    outputs: Object.fromEntries(made.map((key) => [key, { type: 'uri_folder', mode: 'rw_mount' }])),
    is_deterministic: false,
  };
  const version = digestOf(definition).slice(0, 24);
  const body = { isAnonymous: false, description: `Made by Sluice for ${job.graph}`, componentSpec: { ...definition, version } };
  return { name, version, body };
}

function literalInputs(job: JobSpec, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, { jobInputType: 'literal', value: String(job.parameters[name]) }]));
}

function dataInputs(script: StepScript, { place, datastore }: CompileOptions): Record<string, unknown> {
  return Object.fromEntries(
    script.inputs.map(({ key, kind, storePath }) => [
      key,
      { jobInputType: kind, mode: 'ReadOnlyMount', uri: datastoreUri(place, datastore, storePath) },
    ]),
  );
}

function plainOutputs(names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, { jobOutputType: 'uri_folder', mode: 'ReadWriteMount' }]));
}

/** Mounted, not uploaded at the end: what the step copies last arrives last. */
function exportOutputs(script: StepScript, { place, datastore }: CompileOptions, named: (key: string) => string): Record<string, unknown> {
  return Object.fromEntries(
    script.exports.map(({ key, folder }) => [
      named(key),
      { jobOutputType: 'uri_folder', mode: 'ReadWriteMount', uri: datastoreUri(place, datastore, folder) },
    ]),
  );
}

export function computeId({ place, compute }: CompileOptions): string {
  return `${workspacePath(place)}/computes/${compute}`;
}

function computeOf(options: CompileOptions): Record<string, unknown> {
  return options.compute === 'serverless' ? {} : { computeId: computeId(options) };
}

function resourcesOf({ instanceType }: CompileOptions): Record<string, unknown> {
  return { resources: { instanceCount: 1, ...(instanceType ? { instanceType } : {}) } };
}

/** ISO 8601 duration. */
export function isoSeconds(seconds: number): string {
  return `PT${Math.ceil(seconds)}S`;
}
