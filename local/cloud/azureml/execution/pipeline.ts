// A pipeline: steps are versions of components, bound to the pipeline's inputs and to each other's outputs; each runs as a child job.
// `${{parent.inputs.x}}`, `${{parent.jobs.s.outputs.y}}`, `${{parent.outputs.z}}` as Azure's own SDK writes them.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { ComponentSpec } from '../api/asset-bodies.ts';
import type { NodeInput, NodeOutput, PipelineJob, PipelineNode } from '../api/job-bodies.ts';
import type { JobRecord, JsonObject } from '../model.ts';
import type { ComputeOptions } from '../options.ts';
import { assetOf } from '../resource-ids.ts';
import { outputFolder, type CommandPlan, type Machinery, type PlannedInput, type PlannedOutput } from './command.ts';
import { LocationError } from './files.ts';
import { createLive, failed, type Live, type Outcome } from './live.ts';
import { codeOf, defaultCompute, defaultOutputUri, environmentOf, planCompute, planInputs, timeout } from './plan.ts';
import { addJob } from './records.ts';
import type { RunChild } from './sweep.ts';

const FROM_PARENT = /^\$\{\{\s*parent\.inputs\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;
const FROM_STEP = /^\$\{\{\s*parent\.jobs\.([A-Za-z_][A-Za-z0-9_]*)\.outputs\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;
const TO_PARENT = /^\$\{\{\s*parent\.outputs\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;

/** What an input of a step is bound to. */
export type Binding =
  | { readonly kind: 'parent'; readonly input: string }
  | { readonly kind: 'step'; readonly step: string; readonly output: string }
  | { readonly kind: 'own'; readonly input: PlannedInput };

/** Reads an input of a step. */
export function bindingOf(input: NodeInput): Binding {
  if (!('value' in input)) {
    const type = 'job_input_type' in input ? input.job_input_type : input.jobInputType;
    return { kind: 'own', input: { kind: 'data', type, uri: input.uri, mode: input.mode ?? 'ReadOnlyMount' } };
  }
  const [, parent] = FROM_PARENT.exec(input.value) ?? [];
  if (parent !== undefined) return { kind: 'parent', input: parent };
  const [, step, output = ''] = FROM_STEP.exec(input.value) ?? [];
  if (step !== undefined) return { kind: 'step', step, output };
  return { kind: 'own', input: { kind: 'literal', value: input.value } };
}

/** The pipeline's output that a step's output is bound to. */
export const boundOutput = (output: NodeOutput | undefined): string | undefined =>
  output && 'value' in output ? TO_PARENT.exec(output.value)?.[1] : undefined;

/** Steps that a step waits for. */
export const needs = (node: PipelineNode): string[] =>
  Object.values(node.inputs ?? {}).flatMap((input) => {
    const binding = bindingOf(input);
    return binding.kind === 'step' ? [binding.step] : [];
  });

/** Runs the pipeline to its end. */
export async function runPipeline(
  machinery: Machinery,
  computes: readonly ComputeOptions[],
  job: JobRecord,
  live: Live,
  runChild: (child: JobRecord, live: Live, plan: () => CommandPlan) => ReturnType<RunChild>,
): Promise<Outcome> {
  const { journal, options } = machinery;
  const spec = job.spec as unknown as PipelineJob;
  journal.status(job, 'Preparing');
  journal.status(job, 'Running');

  const children = new Map<string, JobRecord>();
  const failures: string[] = [];
  const keepOn = spec.settings?.continue_on_step_failure ?? false;
  const running = new Map<string, Promise<boolean>>();
  const runStep = (name: string, node: PipelineNode): Promise<boolean> => {
    const known = running.get(name);
    if (known) return known;
    const step = (async (): Promise<boolean> => {
      for (const before of needs(node)) {
        const earlier = spec.jobs[before];
        if (!earlier || !(await runStep(before, earlier))) return false;
      }
      if (live.stopped() || (failures.length > 0 && !keepOn)) return false;
      const child = addStep(machinery, job, spec, name, node);
      children.set(name, child);
      const plan = () => planStep(machinery, computes, spec, node, child, children);
      const outcome = await runChild(child, createLive(options.graceMs, live), plan);
      if (outcome.status !== 'Completed') failures.push(`step ${name}: ${outcome.reason ?? outcome.status}`);
      return outcome.status === 'Completed';
    })();
    running.set(name, step);
    return step;
  };
  await Promise.all(Object.entries(spec.jobs).map(([name, node]) => runStep(name, node)));
  const stopped = live.stopped();
  if (stopped) return stopped;
  return failures.length > 0 ? failed(failures.join('; ').slice(0, 2_000)) : { status: 'Completed' };
}

function componentOf(machinery: Machinery, node: PipelineNode): ComponentSpec {
  const component = assetOf(node.componentId, 'components', machinery.place, machinery.store.assets.value);
  if (!component) throw new LocationError(`The component ${node.componentId} does not exist any more.`);
  return component.spec['componentSpec'] as unknown as ComponentSpec;
}

function addStep(machinery: Machinery, pipeline: JobRecord, spec: PipelineJob, name: string, node: PipelineNode): JobRecord {
  const component = componentOf(machinery, node);
  const id = randomUUID();
  const uris = Object.keys(component.outputs ?? {}).map((output): [string, string] => {
    const declared = node.outputs?.[output];
    const parent = boundOutput(declared);
    const own = declared && 'uri' in declared ? declared.uri : undefined;
    return [output, (parent === undefined ? own : pipeline.outputUris[parent]) ?? defaultOutputUri(machinery, id, output)];
  });
  return addJob(machinery.store, machinery.clock, {
    name: id,
    jobType: 'Command',
    spec: {
      jobType: 'Command',
      componentId: node.componentId,
      command: component.command,
      environmentId: component.environment.replace(/^azureml:(?=\/)/, ''),
      computeId: node.computeId ?? spec.computeId ?? defaultCompute(spec),
      experimentName: pipeline.experimentName,
      inputs: {},
      outputs: Object.fromEntries(
        Object.entries(component.outputs ?? {}).map(([output, { type }]): [string, JsonObject] => [
          output,
          { jobOutputType: type === 'path' ? 'uri_folder' : type, mode: outputMode(component, node, output), uri: null },
        ]),
      ),
    },
    displayName: node.display_name ?? name,
    tags: node.tags,
    userProperties: node.properties,
    results: { 'azureml.moduleName': name },
    experimentName: pipeline.experimentName,
    author: pipeline.createdBy,
    parent: pipeline,
    outputUris: Object.fromEntries(uris),
  });
}

function outputMode(component: ComponentSpec, node: PipelineNode, output: string): string {
  const declared = node.outputs?.[output];
  const own = declared && 'mode' in declared ? declared.mode : undefined;
  return own ?? (component.outputs?.[output]?.mode === 'upload' ? 'Upload' : 'ReadWriteMount');
}

function planStep(
  machinery: Machinery,
  computes: readonly ComputeOptions[],
  spec: PipelineJob,
  node: PipelineNode,
  child: JobRecord,
  children: ReadonlyMap<string, JobRecord>,
): CommandPlan {
  const component = componentOf(machinery, node);
  const parents = planInputs(spec.inputs);
  const inputs: Record<string, PlannedInput> = {};
  for (const [name, declared] of Object.entries(component.inputs ?? {})) {
    const given = node.inputs?.[name];
    const bound = given && valueOf(machinery, spec, bindingOf(given), parents, children);
    if (bound) inputs[name] = bound;
    else if (declared.default !== undefined && declared.default !== null)
      inputs[name] = { kind: 'literal', value: String(declared.default) };
  }
  const outputs = Object.fromEntries(
    Object.entries(component.outputs ?? {}).map(([name, { type }]): [string, PlannedOutput] => [
      name,
      { type: type === 'path' ? 'uri_folder' : type, mode: outputMode(component, node, name), uri: child.outputUris[name] ?? '' },
    ]),
  );
  const computeId = child.spec['computeId'];
  return {
    job: child,
    command: component.command,
    environment: environmentOf(machinery, component.environment, true),
    ...codeOf(machinery, component.code, true),
    inputs,
    outputs,
    searchSpace: {},
    variables: { ...component.environment_variables, ...node.environment_variables },
    ...timeout(node.limits?.timeout),
    ...planCompute(machinery, computes, typeof computeId === 'string' ? computeId : null),
  };
}

function valueOf(
  machinery: Machinery,
  spec: PipelineJob,
  binding: Binding,
  parents: Readonly<Record<string, PlannedInput>>,
  children: ReadonlyMap<string, JobRecord>,
): PlannedInput | undefined {
  if (binding.kind === 'own') return binding.input;
  if (binding.kind === 'parent') return parents[binding.input];
  const child = children.get(binding.step);
  const earlier = spec.jobs[binding.step];
  if (!child || !earlier) throw new LocationError(`The step ${binding.step} has not run.`);
  const folder = outputFolder(machinery.store, child.name, binding.output);
  const file = componentOf(machinery, earlier).outputs?.[binding.output]?.type === 'uri_file';
  return { kind: 'local', path: file ? join(folder, binding.output) : folder };
}
