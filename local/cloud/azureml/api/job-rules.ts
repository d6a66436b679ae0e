// What no schema can say about a job: that the things it names exist, that its command is bound, that its graph has no circle.
// The codes of these refusals are not documented (facts/azure.md §1.5): 400 `UserError` with the place in `target`.
import { LocationError } from '../execution/files.ts';
import { unbound } from '../execution/bindings.ts';
import { bindingOf, boundOutput, needs, type Binding } from '../execution/pipeline.ts';
import { defaultCompute } from '../execution/plan.ts';
import { gridTrials, readSearchSpace, SearchSpaceError } from '../execution/search-space.ts';
import { assetOf, computeOf } from '../resource-ids.ts';
import { componentSpec, type ComponentSpec } from './asset-bodies.ts';
import type { WorkspacePart } from './context.ts';
import type { CommandJob, JobInput, JobOutput, JobProperties, PipelineJob, PipelineNode, SweepJob } from './job-bodies.ts';
import { invalid } from './read-body.ts';

type Id = string | null | undefined;
type Resources = CommandJob['resources'];

/** Throws 400 with the first thing that is wrong. */
export function checkJob(workspace: WorkspacePart, job: JobProperties): void {
  checkInputs(workspace, job.inputs);
  checkOutputs(workspace, job.outputs);
  switch (job.jobType) {
    case 'Command':
      if (job.componentId)
        throw invalid('Only the steps of a pipeline are made from a component here (stricter than the service).', 'properties.componentId');
      checkProgram(workspace, job, 'properties');
      checkCompute(workspace, job.computeId, job.resources, 'properties');
      checkBound(job.command, job, [], 'properties.command');
      return;
    case 'Sweep':
      checkProgram(workspace, job.trial, 'properties.trial');
      checkCompute(workspace, job.computeId, job.trial.resources, 'properties');
      checkSearch(job);
      checkBound(job.trial.command, job, Object.keys(job.searchSpace), 'properties.trial.command');
      return;
    case 'Pipeline':
      checkPipeline(workspace, job);
  }
}

function checkInputs({ files }: WorkspacePart, inputs: Readonly<Record<string, JobInput>> | null | undefined): void {
  for (const [name, input] of Object.entries(inputs ?? {})) {
    if (input.jobInputType === 'literal') continue;
    const target = `properties.inputs.${name}.uri`;
    if (input.mode === 'EvalMount' || input.mode === 'EvalDownload') {
      if (input.jobInputType !== 'mltable') throw invalid(`The mode ${input.mode} is for mltable only.`, `properties.inputs.${name}.mode`);
    }
    located(target, () => files.open(files.parse(input.uri)));
  }
}

function checkOutputs({ files }: WorkspacePart, outputs: Readonly<Record<string, JobOutput>> | null | undefined): void {
  for (const [name, { uri }] of Object.entries(outputs ?? {})) {
    if (uri === null || uri === undefined) continue;
    const target = `properties.outputs.${name}.uri`;
    located(target, () => {
      const location = files.parse(uri);
      if (location.kind !== 'datastore')
        throw new LocationError(`An output is written to a path of a datastore, not to '${uri.slice(0, 200)}'.`);
      return files.open(location);
    });
  }
}

function located(target: string, open: () => unknown): void {
  try {
    open();
  } catch (error) {
    if (error instanceof LocationError) throw invalid(error.message, target);
    throw error;
  }
}

function checkProgram({ store, place }: WorkspacePart, program: { environmentId: string; codeId?: Id }, target: string): void {
  const assets = store.assets.value;
  if (!assetOf(program.environmentId, 'environments', place, assets)) {
    throw invalid(
      `The environment '${program.environmentId.slice(0, 300)}' was not found. Send the ARM id of a version; ARM has no @latest.`,
      `${target}.environmentId`,
    );
  }
  if (program.codeId && !assetOf(program.codeId, 'codes', place, assets))
    throw invalid(`The code '${program.codeId.slice(0, 300)}' was not found.`, `${target}.codeId`);
}

function checkCompute({ computes, place }: WorkspacePart, computeId: Id, resources: Resources, target: string): void {
  if (computeId === null || computeId === undefined) return; // serverless (facts/azure.md §1.4)
  const compute = computeOf(computeId, place, computes);
  if (!compute)
    throw invalid(`The compute '${computeId.slice(0, 300)}' was not found in workspace ${place.workspace}.`, `${target}.computeId`);
  const state = compute.provisioningState ?? 'Succeeded';
  if (state !== 'Succeeded') throw invalid(`The compute '${compute.name}' is in state ${state}.`, `${target}.computeId`);
  const wanted = resources?.instanceCount ?? 1;
  if (compute.maxNodes !== undefined && wanted > compute.maxNodes)
    throw invalid(
      `The compute '${compute.name}' has at most ${compute.maxNodes} nodes, not ${wanted}.`,
      `${target}.resources.instanceCount`,
    );
  const types = compute.instanceTypes ?? ['defaultinstancetype'];
  if (compute.type === 'Kubernetes' && resources?.instanceType && !types.includes(resources.instanceType)) {
    throw invalid(
      `The compute '${compute.name}' has no instance type '${resources.instanceType.slice(0, 80)}'. It has: ${types.join(', ')}.`,
      `${target}.resources.instanceType`,
    );
  }
}

function checkBound(command: string, job: CommandJob | SweepJob, search: readonly string[], target: string): void {
  const known = { inputs: Object.keys(job.inputs ?? {}), outputs: Object.keys(job.outputs ?? {}), search_space: search };
  const [missing] = unbound(command, known);
  if (missing !== undefined) throw invalid(`The command refers to '\${{${missing}}}', which the job does not have.`, target);
}

function checkSearch(job: SweepJob): void {
  const unsupported = (what: string, target: string) =>
    invalid(`${what} is not emulated by the stand-in (stricter than the service).`, target);
  const sampling = job.samplingAlgorithm;
  if (sampling.samplingAlgorithmType === 'Bayesian') throw unsupported('Bayesian sampling', 'properties.samplingAlgorithm');
  if (sampling.samplingAlgorithmType === 'Random' && (sampling.rule === 'Sobol' || sampling.logbase))
    throw unsupported('Sobol sampling or a log base', 'properties.samplingAlgorithm');
  if (job.earlyTermination && job.earlyTermination.policyType !== 'MedianStopping')
    throw unsupported(`The policy ${job.earlyTermination.policyType}`, 'properties.earlyTermination');
  const { maxConcurrentTrials: atOnce, maxTotalTrials: total } = job.limits ?? {};
  if (atOnce && total && atOnce > total)
    throw invalid(`maxConcurrentTrials ${atOnce} is above maxTotalTrials ${total}.`, 'properties.limits.maxConcurrentTrials');
  try {
    const space = readSearchSpace(job.searchSpace);
    if (sampling.samplingAlgorithmType === 'Grid') gridTrials(space);
  } catch (error) {
    if (error instanceof SearchSpaceError) throw invalid(error.message, `properties.${error.target}`);
    throw error;
  }
}

function checkPipeline(workspace: WorkspacePart, job: PipelineJob): void {
  for (const [name, node] of Object.entries(job.jobs)) {
    const target = `properties.jobs.${name}`;
    const component = componentOf(workspace, node, target);
    checkProgram(
      workspace,
      { environmentId: component.environment.replace(/^azureml:(?=\/)/, ''), codeId: component.code?.replace(/^azureml:(?=\/)/, '') },
      target,
    );
    checkCompute(workspace, node.computeId ?? job.computeId ?? defaultCompute(job), null, target);
    checkNodeInputs(workspace, job, name, node, component);
    for (const [output, declared] of Object.entries(node.outputs ?? {})) {
      if (!component.outputs?.[output]) throw invalid(`The component has no output '${output}'.`, `${target}.outputs.${output}`);
      const parent = boundOutput(declared);
      if ('value' in declared && (parent === undefined || !job.outputs?.[parent]))
        throw invalid(`The pipeline has no output for '${declared.value.slice(0, 120)}'.`, `${target}.outputs.${output}`);
    }
    const known = {
      inputs: [...Object.keys(component.inputs ?? {})],
      outputs: Object.keys(component.outputs ?? {}),
      search_space: [],
    };
    const [missing] = unbound(component.command, known);
    if (missing !== undefined)
      throw invalid(`The component's command refers to '\${{${missing}}}', which it does not have.`, `${target}.componentId`);
  }
  checkCircles(job);
}

function componentOf({ store, place }: WorkspacePart, node: PipelineNode, target: string): ComponentSpec {
  const component = assetOf(node.componentId, 'components', place, store.assets.value);
  const spec = componentSpec.safeParse(component?.spec['componentSpec']);
  if (!component || !spec.success)
    throw invalid(
      `The component '${node.componentId.slice(0, 300)}' was not found. Register the step as a component version first.`,
      `${target}.componentId`,
    );
  return spec.data;
}

function checkNodeInputs(workspace: WorkspacePart, job: PipelineJob, name: string, node: PipelineNode, component: ComponentSpec): void {
  const target = `properties.jobs.${name}.inputs`;
  for (const [input, given] of Object.entries(node.inputs ?? {})) {
    if (!component.inputs?.[input]) throw invalid(`The component has no input '${input}'.`, `${target}.${input}`);
    checkBinding(workspace, job, bindingOf(given), `${target}.${input}`);
  }
  for (const [input, declared] of Object.entries(component.inputs ?? {})) {
    const optional = declared.optional === true || declared.optional === 'true';
    const filled = node.inputs?.[input] !== undefined || (declared.default !== undefined && declared.default !== null);
    if (!filled && !optional) throw invalid(`The input '${input}' is required by the component.`, `${target}.${input}`);
  }
}

function checkBinding(workspace: WorkspacePart, job: PipelineJob, binding: Binding, target: string): void {
  if (binding.kind === 'parent') {
    if (!job.inputs?.[binding.input]) throw invalid(`The pipeline has no input '${binding.input}'.`, target);
    return;
  }
  if (binding.kind === 'step') {
    const other = job.jobs[binding.step];
    const produced = other && componentOf(workspace, other, `properties.jobs.${binding.step}`).outputs?.[binding.output];
    if (!produced) throw invalid(`There is no step '${binding.step}' with an output '${binding.output}'.`, target);
    return;
  }
  const { input } = binding;
  if (input.kind === 'literal' && /\$\{\{/.test(input.value)) throw invalid(`'${input.value.slice(0, 120)}' is not a binding.`, target);
  if (input.kind === 'data') located(`${target}.uri`, () => workspace.files.open(workspace.files.parse(input.uri)));
}

function checkCircles(job: PipelineJob): void {
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) throw invalid(`The steps wait for each other: ${[...path, name].join(' → ')}.`, 'properties.jobs');
    if (done.has(name)) return;
    const node = job.jobs[name];
    for (const before of node ? needs(node) : []) visit(before, [...path, name]);
    done.add(name);
  };
  for (const name of Object.keys(job.jobs)) visit(name, []);
}
