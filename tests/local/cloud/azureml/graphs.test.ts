// Sweeps and pipelines: children, bindings, the best trial, median stopping, failures in the middle.
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  command,
  DEV,
  ENVIRONMENT,
  logOf,
  registerEnvironment,
  startIssuer,
  startStand,
  type Issuer,
  type RunView,
  type Stand,
} from './cloud.ts';

let issuer: Issuer;
let stand: Stand;

beforeAll(async () => {
  issuer = await startIssuer();
  stand = await startStand(issuer);
  await registerEnvironment(stand);
});
afterAll(async () => {
  await stand.close();
  await issuer.close();
});

/** Children of a job by MLflow, as there is no list of them in ARM. */
async function childrenOf(parent: string): Promise<readonly RunView[]> {
  const experiment = (await stand.mlflow('GET', `runs/get?run_id=${parent}`)).body.run.info.experiment_id;
  const { body } = await stand.mlflow('POST', 'runs/search', {
    experiment_ids: [experiment],
    filter: `tags.mlflow.parentRunId = '${parent}'`,
    order_by: ['attributes.run_name ASC'],
  });
  return body.runs;
}

/** A shell line that logs one metric of the running trial, waiting for a file first where one is named. */
const logs = (values: string): string =>
  `trainer --input-type=module -e '
    const base = process.env.MLFLOW_TRACKING_URI.replace("azureml:", "http:") + "/api/2.0/mlflow/runs/log-metric";
    const headers = { authorization: "Bearer " + process.env.MLFLOW_TRACKING_TOKEN, "content-type": "application/json" };
    let step = 0;
    for (const value of ${values}) {
      const answer = await fetch(base, { method: "POST", headers, body: JSON.stringify({ run_id: process.env.MLFLOW_RUN_ID, key: "auc", value, timestamp: 1, step: step++ }) });
      if (answer.status !== 200) throw new Error(await answer.text());
    }'`;

const sweep = (trial: string, more: object = {}) => ({
  jobType: 'Sweep',
  experimentName: 'sweeps',
  objective: { goal: 'Maximize', primaryMetric: 'auc' },
  samplingAlgorithm: { samplingAlgorithmType: 'Grid' },
  searchSpace: { lr: ['choice', [[0.1, 0.3, 0.2]]], booster: ['choice', [['gbtree']]] },
  limits: { jobLimitsType: 'Sweep', maxTotalTrials: 10, maxConcurrentTrials: 2 },
  trial: { environmentId: ENVIRONMENT, command: trial },
  ...more,
});

test('a sweep runs its trials as children and notes the best by the metric that they logged', async () => {
  const job = await stand.run(
    'sweep-1',
    sweep(`echo \${{search_space.booster}} \${{search_space.lr}}; ${logs('[${{search_space.lr}}]')}; echo m > \${{outputs.model}}/m`, {
      outputs: { model: { jobOutputType: 'uri_folder' } },
    }),
  );

  expect(job.properties).toMatchObject({ status: 'Completed', properties: { best_child_run_id: 'sweep-1_1', score: '0.3' } });
  const children = await childrenOf('sweep-1');
  expect(children.map(({ info, data }) => [info['run_id'], info.status, data.metrics[0]?.value])).toEqual([
    ['sweep-1_0', 'FINISHED', 0.1],
    ['sweep-1_1', 'FINISHED', 0.3],
    ['sweep-1_2', 'FINISHED', 0.2],
  ]);
  expect(children[1]?.data.tags).toContainEqual({ key: 'hyperparameters', value: '{"lr":0.3,"booster":"gbtree"}' });
  expect(await logOf(stand, issuer, 'sweep-1_1')).toBe('gbtree 0.3\n');
  const child = await stand.arm('GET', 'jobs/sweep-1_1');
  expect(child.body.properties).toMatchObject({ jobType: 'Command', status: 'Completed' });
  expect(child.body.properties.outputs['model']?.uri).toContain('azureml/sweep-1_1/model/');
  expect((await stand.arm('GET', 'jobs')).body.value.map(({ name }) => name)).not.toContain('sweep-1_0');
});

test('median stopping ends trials that are worse than the others', async () => {
  const job = await stand.run(
    'sweep-median',
    sweep(`${logs('[${{search_space.lr}}, ${{search_space.lr}}]')}; test \${{search_space.lr}} != 0.1 || sleep 30`, {
      searchSpace: { lr: ['choice', [[0.8, 0.9, 0.1]]] },
      limits: { jobLimitsType: 'Sweep', maxTotalTrials: 3, maxConcurrentTrials: 1 },
      earlyTermination: { policyType: 'MedianStopping', evaluationInterval: 1, delayEvaluation: 2 },
    }),
  );

  expect(job.properties.status).toBe('Completed');
  expect((await childrenOf('sweep-median')).map(({ info }) => info.status)).toEqual(['FINISHED', 'FINISHED', 'KILLED']);
});

test('a sweep whose trials all fail has failed; a cancelled one cancels its trials', async () => {
  expect((await stand.run('sweep-fails', sweep('exit 1'))).properties.status).toBe('Failed');

  const slow = sweep('sleep 30', { limits: { jobLimitsType: 'Sweep', timeout: 'PT1S', maxTotalTrials: 2 } });
  expect((await stand.run('sweep-late', slow)).properties.status).toBe('Canceled');
  expect((await childrenOf('sweep-late')).map(({ info }) => info.status)).toEqual(['KILLED', 'KILLED']);
});

const component = (name: string, line: string, inputs: object, outputs: object) =>
  stand.arm('PUT', `components/${name}/versions/1`, {
    properties: {
      componentSpec: { name, version: '1', type: 'command', command: line, environment: `azureml:${ENVIRONMENT}`, inputs, outputs },
    },
  });
const id = (name: string) => `${DEV}/components/${name}/versions/1`;
const literal = (value: string) => ({ job_input_type: 'literal', value });

test('a pipeline binds its inputs, the steps’ outputs and its own outputs', async () => {
  const made = await Promise.all([
    component(
      'prepare',
      'echo "$AZURE_ML_INPUT_text ${{inputs.times}}" > ${{outputs.data}}/t',
      { text: { type: 'string' }, times: { type: 'integer', default: 2 } },
      { data: { type: 'uri_folder' } },
    ),
    component(
      'count',
      'wc -w < ${{inputs.data}}/t > ${{outputs.number}}',
      { data: { type: 'uri_folder' } },
      { number: { type: 'uri_file' } },
    ),
    component(
      'join',
      'cat ${{inputs.a}} ${{inputs.b}}/t > ${{outputs.all}}/joined; echo $[[--note ${{inputs.note}}]]',
      { a: { type: 'uri_file' }, b: { type: 'uri_folder' }, note: { type: 'string', optional: true } },
      { all: { type: 'uri_folder' } },
    ),
  ]);
  expect(made.map(({ status }) => status)).toEqual([201, 201, 201]);

  const job = await stand.run('graph', {
    jobType: 'Pipeline',
    experimentName: 'graphs',
    inputs: { words: { jobInputType: 'literal', value: 'three little words' } },
    outputs: { result: { jobOutputType: 'uri_folder' } },
    jobs: {
      join: {
        type: 'command',
        componentId: id('join'),
        inputs: { a: literal('${{parent.jobs.count.outputs.number}}'), b: literal('${{parent.jobs.prepare.outputs.data}}') },
        outputs: { all: { type: 'literal', value: '${{parent.outputs.result}}' } },
      },
      count: { type: 'command', componentId: id('count'), inputs: { data: literal('${{parent.jobs.prepare.outputs.data}}') } },
      prepare: { type: 'command', componentId: id('prepare'), inputs: { text: literal('${{parent.inputs.words}}') } },
    },
    settings: { default_compute: `${DEV}/computes/cpu-cluster` },
  });

  expect(job.properties.status).toBe('Completed');
  expect((await childrenOf('graph')).map(({ info }) => [info['run_name'], info.status])).toEqual([
    ['count', 'FINISHED'],
    ['join', 'FINISHED'],
    ['prepare', 'FINISHED'],
  ]);
  const reader = await stand.run(
    'graph-reader',
    command('cat ${{inputs.r}}/joined', {
      inputs: { r: { jobInputType: 'uri_folder', uri: 'azureml://jobs/graph/outputs/result/paths/' } },
    }),
  );
  expect(reader.properties.status).toBe('Completed');
  expect(await logOf(stand, issuer, 'graph-reader')).toBe('4\nthree little words 2\n');
});

test('a step that fails stops the pipeline; with continue_on_step_failure only what needs it', async () => {
  await component('breaks', 'exit 9', {}, { out: { type: 'uri_folder' } });
  await component('works', 'true', {}, {});
  await component('needs', 'true', { x: { type: 'uri_folder' } }, {});
  const jobs = {
    breaks: { type: 'command', componentId: id('breaks') },
    needs: { type: 'command', componentId: id('needs'), inputs: { x: literal('${{parent.jobs.breaks.outputs.out}}') } },
    works: { type: 'command', componentId: id('works') },
  };
  const job = await stand.run('broken', {
    jobType: 'Pipeline',
    experimentName: 'graphs',
    jobs,
    settings: { continue_on_step_failure: true },
  });

  expect(job.properties.status).toBe('Failed');
  expect((await childrenOf('broken')).map(({ info }) => [info['run_name'], info.status])).toEqual([
    ['breaks', 'FAILED'],
    ['works', 'FINISHED'],
  ]);
  const listed = (await stand.admin('GET', 'jobs')).body.jobs.find(({ name }) => name === 'broken');
  expect(listed?.reason).toMatch(/^step breaks: ExecutionFailed: .* code 9/);
});

test('a pipeline names the serverless compute by its word; any other name that is no ARM id is refused', async () => {
  await component('idle', 'true', {}, {});
  const graph = (default_compute: string) => ({
    jobType: 'Pipeline',
    experimentName: 'graphs',
    jobs: { idle: { type: 'command', componentId: id('idle') } },
    settings: { default_compute, force_rerun: true, continue_on_step_failure: false },
  });

  expect((await stand.run('on-serverless', graph('serverless'))).properties).toMatchObject({
    status: 'Completed',
    settings: { default_compute: 'serverless' },
  });
  for (const name of ['cpu-cluster', 'azureml:serverless', `${DEV}/computes/serverless`]) {
    const { status, body } = await stand.arm('PUT', 'jobs/on-nothing', { properties: graph(name) });
    expect({ name, status, target: body.error.target }).toEqual({ name, status: 400, target: 'properties.jobs.idle.computeId' });
  }
});

test.each([
  ['a circle', { a: { x: '${{parent.jobs.b.outputs.out}}' }, b: { x: '${{parent.jobs.a.outputs.out}}' } }],
  ['an input that the pipeline lacks', { a: { x: '${{parent.inputs.nothing}}' } }],
  ['an output that the step lacks', { a: { x: '${{parent.jobs.b.outputs.none}}' }, b: { x: 'y' } }],
  ['a binding of another kind', { a: { x: '${{inputs.x}}' } }],
  ['an input that the component lacks', { a: { x: 'y', z: 'y' } }],
  ['a required input that is missing', { a: {} }],
])('a pipeline with %s is refused', async (_, steps: Record<string, Record<string, string>>) => {
  await component('loop', 'true', { x: { type: 'string' } }, { out: { type: 'uri_folder' } });
  const jobs = Object.fromEntries(
    Object.entries(steps).map(([name, inputs]) => [
      name,
      {
        type: 'command',
        componentId: id('loop'),
        inputs: Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, literal(value)])),
      },
    ]),
  );

  const { status, body } = await stand.arm('PUT', 'jobs/refused', { properties: { jobType: 'Pipeline', jobs } });
  expect({ status, code: body.error.code }).toEqual({ status: 400, code: 'UserError' });
});
