// From a neutral job to Kubeflow's graph: what is fetched, what is exported and when, what a pod is asked to be, and what is refused.
import { describe, expect, it } from 'vitest';
import { readPipelineFile } from '../../../../local/cloud/kubeflow/ir/pipeline-file.ts';
import type { GraphJob } from '../../../../shared/adapters/kubeflow/graph.ts';
import { compilePipeline } from '../../../../shared/adapters/kubeflow/ir.ts';
import { siteLack } from '../../../../shared/adapters/kubeflow/platform.ts';
import { JobSpec } from '../../../../shared/contracts/training.ts';

const IMAGE = `registry.example/ble-train@sha256:${'a'.repeat(64)}`;
const TRANSFER = `registry.example/transfer@sha256:${'b'.repeat(64)}`;
const url = (name: string) => `https://store.example/lake/${name}?sig=SECRET`;
const file = (name: string, address = url(name)) => ({ name, storePath: name, sha256: 'c'.repeat(64), bytes: 3, url: address });
const out = (step: string, name: string, storePath: string, optional = false) => ({
  ...{ step, output: 'result', file: name, storePath, optional },
  ...{ url: url(storePath), readUrl: url(storePath) },
});
const step = (name: string, reads: object, more: object = {}) => ({
  ...{ name, image: IMAGE, command: ['python3', '-m', 'sluice_x'], cpu: 2, memoryGiB: 2 },
  args: ['--input', reads, '--out', { output: 'result' }],
  ...more,
});

/** split → two branches → judge, with data in and files out. */
function branching(change: Partial<GraphJob> = {}): GraphJob {
  return JobSpec.parse({
    name: 'train-x-1',
    graph: 'credit-train',
    labels: {},
    parameters: {},
    steps: [
      step('split', { input: 'gold', prefix: 'gold=' }),
      step(
        'train',
        { from: 'split', output: 'result', prefix: 'data=' },
        { outputTypes: { result: 'Model', metrics: 'Metrics', roc: 'ClassificationMetrics' } },
      ),
      step('profile', { from: 'split', output: 'result', prefix: 'data=' }),
      {
        ...step('judge', { from: 'train', output: 'result', prefix: 'model=' }),
        args: [{ from: 'train', output: 'result' }, { from: 'profile', output: 'result' }, { output: 'result' }],
      },
    ],
    inputs: { gold: [file('a.csv'), file('b.csv')], unread: [file('c.csv')] },
    exports: [
      out('train', 'roc.png', 'runs/1/files/train/roc.png', true),
      out('judge', 'run-report.json', 'runs/1/steps/judge/run-report.json', true),
      out('judge', 'model.tar.gz', 'runs/1/model.tar.gz'),
      out('judge', 'run-report.json', 'runs/1/run-report.json'),
    ],
    transferImage: TRANSFER,
    ...change,
  });
}

describe('a neutral job', () => {
  const compiled = compilePipeline(branching());
  const { tasks } = compiled.spec.root.dag;

  it('becomes a graph that a strict server takes, with no signed address in it', () => {
    expect(Object.keys(tasks)).toEqual(['fetch', 'split', 'train', 'profile', 'judge', 'export-train', 'export-judge']);
    expect(() => readPipelineFile(compiled.yaml)).not.toThrow();
    expect(compiled.yaml).not.toContain('SECRET');
    expect(compilePipeline(branching({ inputs: { gold: [file('a.csv', url('other')), file('b.csv')] } })).name).toBe(compiled.name);
  });

  it('fetches what is read, each input into a folder of its name, and hands that folder on', () => {
    const manifest = JSON.parse(String(compiled.parameters['fetch_manifest'])) as { files: { name: string; url: string }[] };

    expect(manifest.files.map(({ name }) => name)).toEqual(['gold/a.csv', 'gold/b.csv']);
    expect(manifest.files[0]).toEqual({ name: 'gold/a.csv', url: url('a.csv'), sha256: 'c'.repeat(64), bytes: 3 });
    expect(compiled.spec.deploymentSpec.executors['exec-split']?.container.args).toContain(
      "gold={{$.inputs.artifacts['fetch__data'].path}}/gold",
    );
    expect(compiled.spec.deploymentSpec.executors['exec-fetch']?.container.image).toBe(TRANSFER);
  });

  it('lets branches wait for nothing but what they read', () => {
    expect(tasks['train']?.dependentTasks).toEqual(['split']);
    expect(tasks['profile']?.dependentTasks).toEqual(['split']);
    expect(tasks['judge']?.dependentTasks).toEqual(['profile', 'train']);
  });

  it('exports once per output, optional files even when others failed, and the last report after everything else', () => {
    const targets = JSON.parse(String(compiled.parameters['export_judge_targets'])) as {
      files: { name: string; url: string; optional?: boolean }[];
    };

    expect(targets.files.map(({ name, optional, url: to }) => [name, optional ?? false, to])).toEqual([
      ['run-report.json', true, url('runs/1/steps/judge/run-report.json')],
      ['model.tar.gz', false, url('runs/1/model.tar.gz')],
      ['run-report.json', false, url('runs/1/run-report.json')],
    ]);
    expect(tasks['export-train']).toMatchObject({ dependentTasks: ['train'], triggerPolicy: { strategy: 'ALL_UPSTREAM_TASKS_COMPLETED' } });
    expect(tasks['export-judge']?.dependentTasks).toEqual(['export-train', 'judge']);
    expect(
      compilePipeline(branching({ exports: [out('judge', 'model.tar.gz', 'm')] })).spec.root.dag.tasks['export']?.triggerPolicy,
    ).toBeUndefined();
  });

  it('gives artifacts their types, also where they are read, and tells a step where metrics and ROC go', () => {
    const train = compiled.spec.components['comp-train'];

    expect(
      Object.entries(train?.outputDefinitions?.artifacts ?? {}).map(([key, { artifactType }]) => [key, artifactType.schemaTitle]),
    ).toEqual([
      ['metrics', 'system.Metrics'],
      ['result', 'system.Model'],
      ['roc', 'system.ClassificationMetrics'],
    ]);
    expect(compiled.spec.components['comp-judge']?.inputDefinitions?.artifacts?.['train__result']?.artifactType.schemaTitle).toBe(
      'system.Model',
    );
    expect(compiled.spec.deploymentSpec.executors['exec-train']?.container.args?.slice(-2)).toEqual(['--executor-input', '{{$}}']);
    expect(compiled.spec.deploymentSpec.executors['exec-split']?.container.args).not.toContain('--executor-input');
  });

  it('tells a step where the report of its failure goes, and nothing else of the store', () => {
    const input = compiled.spec.components['comp-judge']?.inputDefinitions?.parameters ?? {};
    const containers = compiled.spec.deploymentSpec.executors;

    expect(Object.keys(input)).toEqual(['failure_report_judge']);
    expect(compiled.parameters['failure_report_judge']).toBe(url('runs/1/steps/judge/run-report.json'));
    expect(containers['exec-judge']?.container.args?.slice(-2)).toEqual(['--executor-input', '{{$}}']);
    // It leaves no report of its own in the store: there is nothing to tell.
    expect(containers['exec-split']?.container.args).not.toContain('--executor-input');
  });

  it('finds other names for its steps where the job has taken them', () => {
    const job = branching({
      steps: [step('fetch', { input: 'gold' }), step('export', { from: 'fetch', output: 'result' })] as GraphJob['steps'],
      exports: [out('export', 'x', 'y')],
    });

    expect(Object.keys(compilePipeline(job).spec.root.dag.tasks)).toEqual(['fetch-2', 'fetch', 'export', 'export-2']);
  });

  it.each([
    ['an input that the job does not have', branching({ inputs: {} }), 'graph-invalid', /input "gold"/],
    ['no image that could fetch', branching({ transferImage: undefined }), 'graph-invalid', /transferImage/],
    [
      'an export of an output that nobody writes',
      branching({ exports: [{ ...out('judge', 'x', 'y'), output: 'other' }] }),
      'graph-invalid',
      /output "other"/,
    ],
    ['an export of no step', branching({ exports: [out('nobody', 'x', 'y')] }), 'graph-invalid', /step "nobody"/],
    ['a parameter with our name', branching({ parameters: { fetch_manifest: 'x' } }), 'graph-invalid', /"fetch_manifest"/],
    [
      'more than one argument can hold',
      branching({ inputs: { gold: Array.from({ length: 900 }, (_, index) => file(`part-${index}.csv`)) } }),
      'parameter-too-large',
      /"fetch_manifest".*compact/s,
    ],
  ])('refuses %s', (_name, job, code, message) => {
    expect(() => compilePipeline(job)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) as string }));
  });
});

describe('the pod of a task', () => {
  const nodes = {
    selector: { intelvm: 'sgx' },
    tolerations: [{ key: 'sgx', operator: 'Exists' as const, effect: 'NoSchedule' as const }],
    minimum: 2,
    enclave: 'none' as const,
  };
  const executorsOf = (job: GraphJob, options = {}) => compilePipeline(job, options).platform.platforms.kubernetes.deploymentSpec.executors;

  it('is on the machines that were asked for, every one of them, with a deadline and the pull secrets', () => {
    const executors = executorsOf(branching({ nodes, timeoutSeconds: 7800 }), { imagePullSecrets: ['registry'] });

    expect(Object.keys(executors)).toHaveLength(7);
    for (const [name, executor] of Object.entries(executors)) {
      expect(executor).toEqual({
        podMetadata: { labels: { 'sluice/step': name.replace('exec-', '') }, annotations: { 'sluice/enclave': 'none' } },
        nodeSelector: { labels: { intelvm: 'sgx' } },
        tolerations: [{ key: 'sgx', operator: 'Exists', effect: 'NoSchedule' }],
        imagePullSecret: [{ secretName: 'registry' }],
        activeDeadlineSeconds: 7800,
      });
    }
  });

  it('is another graph on other machines', () => {
    expect(compilePipeline(branching({ nodes })).name).not.toBe(compilePipeline(branching()).name);
  });

  it('asks for the enclave where one is promised, in the steps of the job only', () => {
    const { executors } = compilePipeline(branching({ nodes: { ...nodes, enclave: 'gramine' } }), {
      enclaveResource: { name: 'sgx.intel.com/epc', quantity: '512Mi' },
    }).spec.deploymentSpec;

    expect(executors['exec-train']?.container.resources.accelerator).toEqual({ resourceType: 'sgx.intel.com/epc', resourceCount: '512Mi' });
    expect(executors['exec-fetch']?.container.resources.accelerator).toBeUndefined();
  });

  it('gets a runtime class through the label of a policy', () => {
    const executors = executorsOf(branching({ nodes: { ...nodes, runtimeClass: 'kata-qemu-tdx' } }), { runtimeClassLabel: 'site/runtime' });

    expect(executors['exec-train']?.podMetadata).toEqual({
      labels: { 'sluice/step': 'train', 'site/runtime': 'kata-qemu-tdx' },
      annotations: { 'sluice/enclave': 'none', 'sluice/runtime-class': 'kata-qemu-tdx' },
    });
  });

  it('reads the data of a site from its volume, in the fetch step only', () => {
    const job = branching({ inputs: { gold: [file('a.csv', 'file:///data/ble/a.csv')] } });
    const compiled = compilePipeline(job, { site: { claim: 'site-data', mountPath: '/data' } });
    const { executors } = compiled.platform.platforms.kubernetes.deploymentSpec;

    expect(executors['exec-fetch']?.pvcMount).toEqual([{ constant: 'site-data', mountPath: '/data' }]);
    expect(executors['exec-split']?.pvcMount).toBeUndefined();
    expect(compiled.spec.deploymentSpec.executors['exec-fetch']?.container.env).toEqual([{ name: 'SLUICE_SITE_ROOT', value: '/data' }]);
    expect(() => readPipelineFile(compiled.yaml)).not.toThrow();
  });

  it('is told that no row may leave, where that is so', () => {
    const envOf = (job: GraphJob, task: string) =>
      compilePipeline(job).spec.deploymentSpec.executors[`exec-${task}`]?.container.env?.find(({ name }) => name === 'SLUICE_ROWS')?.value;

    expect(['split', 'train', 'judge'].map((task) => envOf(branching({ rowsStay: true }), task))).toEqual(['stay', 'stay', 'stay']);
    expect(envOf(branching({ rowsStay: true }), 'fetch')).toBeUndefined();
    expect(envOf(branching(), 'train')).toBeUndefined();
  });

  it.each([
    [{ site: { claim: 'site-data', mountPath: '/data' } }, undefined, null],
    [{ site: { claim: 'site-data', mountPath: '/data' } }, 'minio://mlpipeline/v2', null],
    [{}, undefined, 'KUBEFLOW_SITE_CLAIM'],
    [{ site: { claim: 'site-data', mountPath: '/data' } }, 's3://elsewhere/runs', 'would go to s3:// (setting KUBEFLOW_PIPELINE_ROOT'],
  ])('is taken with rows that must stay only at a site whose artifacts stay too: %j %s', (pods, root, lack) => {
    const said = siteLack({ rowsStay: true }, pods, root);

    if (lack === null) expect(said).toBeNull();
    else expect(said).toContain(lack);
    expect(siteLack({}, pods, root)).toBeNull();
  });

  it('has an AWS identity where it sends, as a projected token and never as a key', () => {
    const compiled = compilePipeline(branching(), {
      aws: { roleArn: 'arn:aws:iam::1:role/train', audience: 'sts.amazonaws.com', region: 'eu-central-1' },
    });
    const { executors } = compiled.spec.deploymentSpec;
    const names = (executor: string) => executors[executor]?.container.env?.map(({ name }) => name);

    expect(names('exec-export-judge')).toEqual(['AWS_ROLE_ARN', 'AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_REGION']);
    expect(names('exec-train')).toEqual(['SLUICE_CPU_LIMIT']);
    expect(compiled.platform.platforms.kubernetes.deploymentSpec.executors['exec-export-judge']?.podMetadata.labels).toMatchObject({
      'sluice/aws-web-identity': 'true',
    });
    expect(compiled.yaml).not.toMatch(/AWS_SECRET|AWS_ACCESS_KEY/);
  });

  it.each([
    ['a runtime class without a policy', branching({ nodes: { ...nodes, runtimeClass: 'kata-qemu-tdx' } }), /KUBEFLOW_RUNTIME_CLASS_LABEL/],
    ['an enclave without its resource', branching({ nodes: { ...nodes, enclave: 'gramine' } }), /not in an enclave/],
    ['data of a site without a volume', branching({ inputs: { gold: [file('a.csv', 'site://ble/a.csv')] } }), /setting site/],
  ])('refuses %s by name', (_name, job, message) => {
    expect(() => compilePipeline(job)).toThrow(
      expect.objectContaining({ code: 'kubeflow-unsupported', message: expect.stringMatching(message) as string }),
    );
  });
});
