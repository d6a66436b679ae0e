// The compiled graph: what it says, that it is deterministic, and that a strict reader of PipelineSpec 2.1.0 accepts every graph that we accept.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { readPipelineFile } from '../../../../local/cloud/kubeflow/ir/pipeline-file.ts';
import type { CompiledPipeline, TaskSpec } from '../../../../shared/adapters/kubeflow/ir-types.ts';
import { compilePipeline } from '../../../../shared/adapters/kubeflow/ir.ts';
import type { JobSpec, JobStep, StepArgument } from '../../../../shared/contracts/training.ts';
import { JobSpec as JobSpecSchema } from '../../../../shared/contracts/training.ts';

const IMAGE = `registry.example/ble-train@sha256:${'a'.repeat(64)}`;

function step(name: string, args: StepArgument[], more: Partial<JobStep> = {}): JobStep {
  return { name, image: IMAGE, command: ['python3', '-m', 'sluice_train'], args, cpu: 2, memoryGiB: 1.5, ...more };
}

const graph = (steps: JobStep[], parameters: JobSpec['parameters'] = {}): Pick<JobSpec, 'graph' | 'steps' | 'parameters'> => ({
  graph: 'ble-location-train',
  steps,
  parameters,
});

const story = graph(
  [
    step('fetch', ['fetch', '--manifest', { parameter: 'manifest' }, '--out', { output: 'data' }]),
    step('train', ['--input', { from: 'fetch', output: 'data', prefix: 'gold=' }, '--out', { output: 'result' }]),
  ],
  { manifest: '{"files":[]}', epochs: 5, dry: false },
);

describe('compilePipeline', () => {
  it('writes components, executors and tasks as the server reads them', () => {
    const { spec } = compilePipeline(story);

    expect(spec.components['comp-train']).toEqual({
      executorLabel: 'exec-train',
      inputDefinitions: { artifacts: { fetch__data: { artifactType: { schemaTitle: 'system.Artifact', schemaVersion: '0.0.1' } } } },
      outputDefinitions: { artifacts: { result: { artifactType: { schemaTitle: 'system.Artifact', schemaVersion: '0.0.1' } } } },
    });
    expect(spec.deploymentSpec.executors['exec-train']).toEqual({
      container: {
        image: IMAGE,
        command: ['python3', '-m', 'sluice_train'],
        args: ['--input', "gold={{$.inputs.artifacts['fetch__data'].path}}", '--out', "{{$.outputs.artifacts['result'].path}}"],
        env: [{ name: 'SLUICE_CPU_LIMIT', value: '2' }],
        resources: { resourceCpuRequest: '2', resourceCpuLimit: '2', resourceMemoryRequest: '1536Mi', resourceMemoryLimit: '1536Mi' },
      },
    });
    expect(spec.root.dag.tasks['train']).toEqual({
      taskInfo: { name: 'train' },
      componentRef: { name: 'comp-train' },
      cachingOptions: {},
      dependentTasks: ['fetch'],
      inputs: { artifacts: { fetch__data: { taskOutputArtifact: { producerTask: 'fetch', outputArtifactKey: 'data' } } } },
    });
    expect(spec.root.inputDefinitions?.parameters).toEqual({
      dry: { parameterType: 'BOOLEAN' },
      epochs: { parameterType: 'NUMBER_DOUBLE' },
      manifest: { parameterType: 'STRING' },
    });
  });

  it('names the pipeline by its content: values do not matter, everything else does', () => {
    const { name } = compilePipeline(story);
    const named = (change: Partial<typeof story>) => compilePipeline({ ...story, ...change }).name;

    expect(name).toMatch(/^ble-location-train-[0-9a-f]{16}$/);
    expect(named({ parameters: { dry: true, manifest: 'https://secret?sig=x', epochs: 1.5 } })).toBe(name);
    expect(named({ parameters: { ...story.parameters, epochs: '5' } })).not.toBe(name);
    expect(named({ steps: story.steps.map((each) => ({ ...each, image: IMAGE.replace('aaa', 'bbb') })) })).not.toBe(name);
    expect(named({ steps: story.steps.map((each) => ({ ...each, cpu: 3 })) })).not.toBe(name);
  });

  it('keeps the hash whole when the name is long', () => {
    const one = compilePipeline({ ...story, graph: `${'long-'.repeat(12)}a` }).name;
    const two = compilePipeline({ ...story, graph: `${'long-'.repeat(12)}b` }).name;

    expect(one.length).toBeLessThanOrEqual(63);
    expect(one).not.toBe(two);
  });

  it('quotes what YAML 1.1 would read as something else', () => {
    const tricky = graph([step('no', ['on', '0x1F', '1_000', '12:30', 'null', '~', '1e3']), step('y', [])]);
    const { yaml, spec, platform } = compilePipeline(tricky);

    expect(parseAllDocuments(yaml, { version: '1.1' }).map((document) => document.toJS() as unknown)).toEqual([spec, platform]);
  });

  it.each([
    ['a parameter that the job does not have', graph([step('a', [{ parameter: 'missing' }])]), /parameter "missing"/],
    ['a parameter named like a prototype member', graph([step('a', [{ parameter: 'constructor' }])]), /parameter "constructor"/],
    ['a step that does not exist', graph([step('a', [{ from: 'b', output: 'x' }])]), /step "b", which does not exist/],
    ['an output that nobody writes', graph([step('a', []), step('b', [{ from: 'a', output: 'x' }])]), /writes no such output/],
    ['two steps of one name', graph([step('a', []), step('a', [])]), /two steps are called "a"/],
    [
      'a cycle',
      graph([step('a', [{ output: 'x' }, { from: 'b', output: 'x' }]), step('b', [{ output: 'x' }, { from: 'a', output: 'x' }])]),
      /wait for each other/,
    ],
    ['a step that reads itself', graph([step('a', [{ output: 'x' }, { from: 'a', output: 'x' }])]), /wait for each other/],
    ['a literal that would be expanded', graph([step('a', ["{{$.inputs.parameters['x']}}"])]), /literal with "\{\{"/],
    ['a value that would be expanded', graph([step('a', [])], { x: '{{workflow.name}}' }), /parameter "x" holds "\{\{"/],
    ['a macro in a value', graph([step('a', [])], { x: 'run [[RunUUID]]' }), /macro/],
    ['a number that is not one', graph([step('a', [])], { x: Number.NaN }), /not a finite number/],
    ['a parameter name that cannot be referenced', graph([step('a', [])], { "x']": 1 }), /expected lower-case/],
  ])('refuses %s', (_name, job, message) => {
    expect(() => compilePipeline(job)).toThrow(
      expect.objectContaining({ code: 'graph-invalid', message: expect.stringMatching(message) as string }),
    );
  });
});

const identifier = fc.stringMatching(/^[a-z][a-z0-9_]{0,5}$/);
const stepName = fc.stringMatching(/^[a-z][a-z0-9]{0,3}(-[a-z0-9]{1,3}){0,2}$/);
const text = fc
  .string({ maxLength: 12 })
  .filter((value) => !value.includes('{{') && !/\[\[(RunUUID|CurrentTime|ScheduledTime|Index)/.test(value));

/** Any graph whose references resolve: each step reads only outputs of the steps before it. */
const anyGraph = fc
  .record({
    names: fc.uniqueArray(stepName, { minLength: 1, maxLength: 5 }),
    outputs: fc.array(fc.uniqueArray(identifier, { maxLength: 3 }), { minLength: 5, maxLength: 5 }),
    parameters: fc.dictionary(identifier, fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
    picks: fc.array(fc.array(fc.nat(), { maxLength: 6 }), { minLength: 5, maxLength: 5 }),
    texts: fc.array(text, { minLength: 5, maxLength: 5 }),
    memory: fc.array(fc.double({ min: 0.01, max: 512, noNaN: true }), { minLength: 5, maxLength: 5 }),
  })
  .map(({ names, outputs, parameters, picks, texts, memory }) => {
    const steps = names.map((name, index) => {
      const own = outputs[index] ?? [];
      const readable: StepArgument[] = [
        ...Object.keys(parameters).map((parameter) => ({ parameter })),
        ...names.slice(0, index).flatMap((from, before) => (outputs[before] ?? []).map((output) => ({ from, output, prefix: 'in=' }))),
      ];
      const read = (picks[index] ?? []).flatMap((pick) => readable[pick % Math.max(1, readable.length)] ?? []);
      return step(name, [texts[index] ?? '', ...own.map((output) => ({ output })), ...read], { memoryGiB: memory[index] ?? 1 });
    });
    return graph(steps, parameters);
  });

describe('any graph whose references resolve', () => {
  it('compiles to a document that a strict reader accepts, with no reference left open', () => {
    fc.assert(
      fc.property(anyGraph, (job) => {
        fc.pre(JobSpecSchema.safeParse({ ...job, name: 'x', labels: {} }).success);
        const compiled = compilePipeline(job);

        expect(() => readPipelineFile(compiled.yaml)).not.toThrow();
        expect(openReferences(compiled)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same text for the same graph, whatever the order of its parameters and their values of one type', () => {
    fc.assert(
      fc.property(anyGraph, (job) => {
        const turned = Object.fromEntries(
          Object.entries(job.parameters)
            .reverse()
            .map(([name, value]) => [name, typeof value === 'number' ? value / 2 + 0.25 : value]),
        );

        expect(compilePipeline({ ...job, parameters: turned }).yaml).toBe(compilePipeline(job).yaml);
      }),
      { numRuns: 100 },
    );
  });
});

/** Every placeholder, artifact source and parameter source that names something which is not declared. */
function openReferences(compiled: CompiledPipeline): string[] {
  const tasks = Object.entries(compiled.spec.root.dag.tasks);
  return tasks.flatMap(([name, task]) =>
    [...openPlaceholders(compiled, task), ...openSources(compiled, task)].map((open) => `${name}: ${open}`),
  );
}

function openPlaceholders({ spec }: CompiledPipeline, task: TaskSpec): string[] {
  const component = spec.components[task.componentRef.name];
  const args = spec.deploymentSpec.executors[component?.executorLabel ?? '']?.container.args ?? [];
  const matches = args.flatMap((argument) => [...argument.matchAll(/\{\{\$\.(inputs|outputs)\.(parameters|artifacts)\['([^']+)'\]/g)]);
  return matches.flatMap(([placeholder, side, kind, key = '']) => {
    const inputs = component?.inputDefinitions?.[kind as 'parameters' | 'artifacts'];
    const declared = side === 'outputs' ? component?.outputDefinitions?.artifacts : inputs;
    return declared && Object.hasOwn(declared, key) ? [] : [placeholder];
  });
}

function openSources({ spec }: CompiledPipeline, task: TaskSpec): string[] {
  const inputs = spec.components[task.componentRef.name]?.inputDefinitions;
  const parameters = Object.entries(task.inputs?.parameters ?? {}).filter(
    ([key, source]) => !inputs?.parameters?.[key] || !spec.root.inputDefinitions?.parameters[source.componentInputParameter],
  );
  const artifacts = Object.entries(task.inputs?.artifacts ?? {}).filter(([key, { taskOutputArtifact: source }]) => {
    const written = spec.components[`comp-${source.producerTask}`]?.outputDefinitions?.artifacts[source.outputArtifactKey];
    return !inputs?.artifacts?.[key] || !written || !task.dependentTasks?.includes(source.producerTask);
  });
  return [...parameters, ...artifacts].map(([key]) => key);
}
