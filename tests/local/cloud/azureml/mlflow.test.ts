// MLflow below a workspace: requests as its client sends them (facts/mlflow.md), Azure ML's limits and refusals, artifacts.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { command, DEV, registerEnvironment, startIssuer, startStand, type Issuer, type Stand } from './cloud.ts';

let issuer: Issuer;
let stand: Stand;
let experiment: string;

beforeAll(async () => {
  issuer = await startIssuer();
  stand = await startStand(issuer);
  await registerEnvironment(stand);
  experiment = (await stand.mlflow('POST', 'experiments/create', { name: 'diabetes' })).body.experiment_id;
});
afterAll(async () => {
  await stand.close();
  await issuer.close();
});

const makeRun = async (name = 'r', tags: object[] = []) => {
  const { body } = await stand.mlflow('POST', 'runs/create', {
    experiment_id: experiment,
    user_id: 'me',
    run_name: name,
    start_time: 1_700_000_000_000,
    tags,
  });
  return body.run.info['run_id'] ?? '';
};
const metric = (key: string, value: unknown, step = 0) => ({ key, value, timestamp: 1_700_000_000_000 + step, step });
const runOf = async (run: string) => (await stand.mlflow('GET', `runs/get?run_id=${run}`)).body.run;

test('both prefixes answer, and the tracking address of the workspace leads to them', async () => {
  const workspace = (await stand.arm('GET', DEV)).body as unknown as { properties: { mlFlowTrackingUri: string } };
  const base = workspace.properties.mlFlowTrackingUri.replace('azureml://', 'http://');
  const headers = { authorization: `Bearer ${await issuer.token()}` };
  for (const uri of [base, base.replace('/v1.0/', '/v2.0/')]) {
    const answer = await fetch(`${uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=diabetes`, { headers });
    expect(await answer.json()).toMatchObject({ experiment: { name: 'diabetes', experiment_id: experiment, lifecycle_stage: 'active' } });
  }
});

test('experiments: absent, twice, by number', async () => {
  expect(await stand.mlflow('GET', 'experiments/get-by-name?experiment_name=none')).toMatchObject({
    status: 404,
    body: { error_code: 'RESOURCE_DOES_NOT_EXIST' },
  });
  expect(await stand.mlflow('POST', 'experiments/create', { name: 'diabetes' })).toMatchObject({
    status: 400,
    body: { error_code: 'RESOURCE_ALREADY_EXISTS' },
  });
  expect(await stand.mlflow('POST', 'runs/create', { experiment_id: 1 })).toMatchObject({
    status: 400,
    body: { error_code: 'INVALID_PARAMETER_VALUE' },
  });
  expect((await stand.mlflow('POST', 'experiments/search', { max_results: 10, filter: "name LIKE 'dia%'" })).body).toMatchObject({
    experiments: [{ name: 'diabetes' }],
  });
  expect((await stand.mlflow('POST', 'experiments/update', { experiment_id: experiment, new_name: 'x' })).status).toBe(400);
});

test('a run from start to end', async () => {
  const run = await makeRun('ridge', [
    { key: 'mlflow.user', value: 'me' },
    { key: 'mlflow.source.type', value: 'LOCAL' },
  ]);
  expect(run).toMatch(/^[0-9a-f-]{36}$/);
  await stand.mlflow('POST', 'runs/log-parameter', { run_id: run, key: 'alpha', value: '0.03' });
  await stand.mlflow('POST', 'runs/log-metric', { run_id: run, ...metric('mse', 3424.8567), model_id: null });
  const batch = {
    run_id: run,
    metrics: [metric('mse', 3000, 1), metric('r2', '0.33'), metric('bad', 'NaN'), metric('far', '-Infinity')],
    params: [],
    tags: [{ key: 'k', value: 'v' }],
    extra: 1,
  };
  expect((await stand.mlflow('POST', 'runs/log-batch', batch)).body).toEqual({});
  await stand.mlflow('POST', 'runs/set-tag', { run_id: run, key: 'gone', value: 'x' });
  expect((await stand.mlflow('POST', 'runs/delete-tag', { run_id: run, key: 'gone' })).status).toBe(200);
  await stand.mlflow('POST', 'runs/update', { run_id: run, status: 'FINISHED', end_time: 1_700_000_001_000 });

  const found = await runOf(run);
  expect(found).toMatchObject({
    info: { run_id: run, run_uuid: run, status: 'FINISHED', run_name: 'ridge', end_time: 1_700_000_001_000, lifecycle_stage: 'active' },
    data: { params: [{ key: 'alpha', value: '0.03' }] },
  });
  expect(found.info['artifact_uri']).toBe(
    `azureml://${new URL(stand.url).host}/mlflow/v2.0${DEV}/experiments/${experiment}/runs/${run}/artifacts`,
  );
  expect(Object.fromEntries(found.data.metrics.map(({ key, value }) => [key, value]))).toEqual({
    mse: 3000,
    r2: 0.33,
    bad: 'NaN',
    far: '-Infinity',
  });
  expect(found.data.tags.map(({ key }) => key)).toEqual(expect.arrayContaining(['mlflow.user', 'mlflow.runName', 'mlflow.rootRunId', 'k']));
  expect(found.data.tags.map(({ key }) => key)).not.toContain('gone');
  const history = await stand.mlflow('GET', `metrics/get-history?run_id=${run}&metric_key=mse&max_results=25000`);
  expect(history.body.metrics.map(({ value }) => value)).toEqual([3424.8567, 3000]);
  expect((await stand.mlflow('GET', `metrics/get-history?run_id=${run}&metric_key=none`)).body).toEqual({});
});

test('a parameter does not change', async () => {
  const run = await makeRun();
  const log = (value: string) => stand.mlflow('POST', 'runs/log-parameter', { run_id: run, key: 'alpha', value });

  expect([(await log('1')).status, (await log('1')).status]).toEqual([200, 200]);
  expect(await log('2')).toMatchObject({ status: 400, body: { error_code: 'INVALID_PARAMETER_VALUE' } });
});

const many = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

test.each([
  ['251 metrics', { metrics: many(251, (n) => metric('m', n, n)) }, /MetricV2Dto.Value\/Count, Limit=250/],
  ['101 parameters', { params: many(101, (n) => ({ key: `p${n}`, value: '1' })) }, /Limit=100/],
  ['51 tags', { tags: many(51, (n) => ({ key: `t${n}`, value: '1' })) }, /Limit=50/],
  ['51 names of metrics', { metrics: many(51, (n) => metric(`m${n}`, n)) }, /Limit=50/],
  ['a long tag', { tags: [{ key: 'k', value: 'x'.repeat(1001) }] }, /Limit=1000/],
  ['a key with a comma', { metrics: [metric('a,b', 1)] }, /Invalid metric name/],
  ['a value that is no number', { metrics: [metric('a', 'much')] }, /Invalid value/],
])('%s are refused, and nothing is logged', async (_, batch, message) => {
  const run = await makeRun();
  const good = { metrics: [metric('fine', 1)], params: [{ key: 'fine', value: '1' }], tags: [{ key: 'fine', value: '1' }] };
  const { status, body } = await stand.mlflow('POST', 'runs/log-batch', { run_id: run, ...good, ...batch });

  expect({ status, code: body.error_code }).toEqual({ status: 400, code: 'INVALID_PARAMETER_VALUE' });
  expect(body.message).toMatch(message);
  expect((await runOf(run)).data.metrics).toEqual([]);
  expect((await runOf(run)).data.params).toEqual([]);
  expect((await runOf(run)).data.tags.map(({ key }) => key)).not.toContain('fine');
});

test('250 metrics and, in two batches, 200 parameters fit', async () => {
  const run = await makeRun();
  const params = (from: number, count: number) => many(count, (n) => ({ key: `p${from + n}`, value: '1' }));

  expect(
    (await stand.mlflow('POST', 'runs/log-batch', { run_id: run, metrics: many(250, (n) => metric('m', n, n)), params: params(0, 100) }))
      .status,
  ).toBe(200);
  expect((await stand.mlflow('POST', 'runs/log-batch', { run_id: run, params: params(100, 100) })).status).toBe(200);
  expect((await stand.mlflow('POST', 'runs/log-parameter', { run_id: run, key: 'one-more', value: '1' })).status).toBe(400);
});

test('runs are searched by metric, parameter, tag and status, in order, in pages', async () => {
  for (const [name, mse] of [
    ['s1', 3],
    ['s2', 1],
    ['s3', 2],
  ] as const) {
    const run = await makeRun(name, [{ key: 'set', value: 'search' }]);
    await stand.mlflow('POST', 'runs/log-batch', {
      run_id: run,
      metrics: [metric('mse', mse)],
      params: [{ key: 'lr', value: `0.${mse}` }],
    });
  }
  const search = async (more: object) =>
    (await stand.mlflow('POST', 'runs/search', { experiment_ids: [experiment], run_view_type: 'ACTIVE_ONLY', max_results: 100, ...more }))
      .body;
  const names = async (filter: string, order = ['metrics.mse ASC']) =>
    (await search({ filter, order_by: order })).runs.map(({ info }) => info['run_name']);

  expect(await names("tags.set = 'search'")).toEqual(['s2', 's3', 's1']);
  expect(await names("tags.set = 'search' and metrics.mse >= 2", ['metrics.mse DESC'])).toEqual(['s1', 's3']);
  expect(await names("params.lr = '0.1' and attributes.status = 'RUNNING'")).toEqual(['s2']);
  const first = await search({ filter: "tags.set = 'search'", order_by: ['attributes.run_name ASC'], max_results: 2 });
  const second = await search({
    filter: "tags.set = 'search'",
    order_by: ['attributes.run_name ASC'],
    max_results: 2,
    page_token: first.next_page_token,
  });
  expect([first, second].map(({ runs }) => runs.map(({ info }) => info['run_name']))).toEqual([['s1', 's2'], ['s3']]);
  expect((await stand.mlflow('POST', 'runs/search', { experiment_ids: [experiment], filter: "tags.x = 'a' or tags.y = 'b'" })).status).toBe(
    400,
  );
  expect((await search({ experiment_ids: ['none'] })).runs).toEqual([]);
});

test.each([
  ['POST', 'logged-models', 404],
  ['POST', 'runs/outputs', 404],
  ['POST', 'registered-models/alias', 404],
  ['GET', 'runs/create', 405],
])('%s %s is answered %i in HTML', async (method, path, status) => {
  const answer = await stand.mlflow(method, path, method === 'POST' ? {} : undefined);

  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toContain('text/html');
});

test('callers need a token, JSON and a workspace', async () => {
  const url = `${stand.url}/mlflow/v2.0${DEV}/api/2.0/mlflow/experiments/create`;
  const none = await fetch(url, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } });
  const plain = await fetch(url, { method: 'POST', body: '{"name":"x"}', headers: { authorization: `Bearer ${await issuer.token()}` } });
  const elsewhere = await fetch(url.replace('mlw-dev', 'mlw-none'), {
    method: 'POST',
    headers: { authorization: `Bearer ${await issuer.token()}` },
  });

  expect([none.status, plain.status, elsewhere.status]).toEqual([401, 400, 404]);
  expect(await none.json()).toMatchObject({ error_code: 'UNAUTHENTICATED' });
});

test('models registered over MLflow and over ARM are the same; stages are MLflow’s alone', async () => {
  const run = await makeRun('source');
  const source = `${(await runOf(run)).info['artifact_uri'] ?? ''}/model`;
  const create = () => stand.mlflow('POST', 'registered-models/create', { name: 'ridge' });
  expect((await create()).body.registered_model.name).toBe('ridge');
  expect(await create()).toMatchObject({ status: 400, body: { error_code: 'RESOURCE_ALREADY_EXISTS' } });
  const version = () =>
    stand.mlflow('POST', 'model-versions/create', { name: 'ridge', source, run_id: run, tags: [{ key: 'auc', value: '1' }] });
  expect((await version()).body.model_version).toMatchObject({ version: '1', status: 'READY', current_stage: 'None', run_id: run });
  await version();

  expect((await stand.arm('GET', 'models/ridge/versions/1')).body.properties).toMatchObject({
    modelType: 'mlflow_model',
    jobName: run,
    modelUri: `azureml://jobs/${run}/outputs/artifacts/paths/model`,
    tags: { auc: '1' },
  });
  await stand.arm('PUT', 'models/ridge/versions/9', { properties: { modelUri: `runs:/${run}/model`, modelType: 'mlflow_model' } });
  const versions = await stand.mlflow('GET', `model-versions/search?filter=${encodeURIComponent("name='ridge'")}&max_results=10000`);
  expect(versions.body.model_versions.map((item) => item.version)).toEqual(['9', '2', '1']);

  const move = (of: string, stage: string) =>
    stand.mlflow('POST', 'model-versions/transition-stage', { name: 'ridge', version: of, stage, archive_existing_versions: true });
  await move('1', 'Production');
  expect((await move('2', 'Production')).body.model_version.current_stage).toBe('Production');
  expect((await stand.mlflow('GET', 'model-versions/get?name=ridge&version=1')).body.model_version.current_stage).toBe('Archived');
  expect(JSON.stringify((await stand.arm('GET', 'models/ridge/versions/2')).body)).not.toContain('Production');
  expect((await move('2', 'production')).status).toBe(400);
  for (const [method, call, body] of [
    ['POST', 'registered-models/rename', { name: 'ridge', new_name: 'x' }],
    ['DELETE', 'registered-models/delete', { name: 'ridge' }],
    ['POST', 'model-versions/create', { name: 'ridge', source: '/tmp/model' }],
  ] as const)
    expect((await stand.mlflow(method, call, body)).status, call).toBe(400);
  expect((await stand.mlflow('GET', `registered-models/search?filter=${encodeURIComponent("tags.a = 'b'")}`)).status).toBe(400);
  expect((await stand.mlflow('GET', 'registered-models/get?name=none')).status).toBe(404);
});

test('artifacts go around MLflow: addresses for writing, PUT of the blob, list, addresses for reading', async () => {
  const run = await makeRun('files');
  const service = `${stand.url}/artifact/v2.0${DEV}/artifacts`;
  const headers = { authorization: `Bearer ${await issuer.token()}`, 'content-type': 'application/json' };
  const container = `${service}/ExperimentRun/dcid.${run}`;
  const paths = ['plots/roc.png', 'model/MLmodel'].map((path) => ({ path }));
  const made = await fetch(`${container}/batch/metadata`, { method: 'POST', headers, body: JSON.stringify({ paths }) });
  const { artifactContentInformation: info } = (await made.json()) as {
    artifactContentInformation: Record<string, { contentUri: string }>;
  };
  const write = info['plots/roc.png']?.contentUri ?? '';
  const put = (url: string, body: string, more: Record<string, string> = { 'x-ms-blob-type': 'BlockBlob' }) =>
    fetch(url, { method: 'PUT', body, headers: more });

  expect((await put(write, 'PNG')).status).toBe(201);
  expect((await put(write, 'PNG', {})).status).toBe(400);
  expect((await put(write.replace('roc.png', 'other.png'), 'PNG')).status).toBe(403);
  const blocks = info['model/MLmodel']?.contentUri ?? '';
  for (const [id, part] of [
    ['QQ==', 'one '],
    ['Qg==', 'two'],
  ] as const)
    expect((await put(`${blocks}&comp=block&blockid=${encodeURIComponent(id)}`, part)).status).toBe(201);
  const blockList = '<?xml version="1.0"?><BlockList><Latest>QQ==</Latest><Latest>Qg==</Latest></BlockList>';
  expect((await put(`${blocks}&comp=blocklist`, blockList)).status).toBe(201);

  expect((await stand.mlflow('GET', `artifacts/list?run_id=${run}`)).body.files).toEqual([
    { path: 'model', is_dir: true },
    { path: 'plots', is_dir: true },
  ]);
  expect((await stand.mlflow('GET', `artifacts/list?run_id=${run}&path=model`)).body.files).toEqual([
    { path: 'model/MLmodel', is_dir: false, file_size: 7 },
  ]);
  expect((await stand.mlflow('GET', `artifacts/list?run_id=${run}&path=../x`)).status).toBe(400);
  const read = await fetch(`${container}/contentinfo?path=model/MLmodel`, { headers });
  const { contentUri } = (await read.json()) as { contentUri: string };
  expect(await (await fetch(contentUri)).text()).toBe('one two');
  expect((await put(contentUri, 'x')).status).toBe(403); // an address for reading does not write
  expect((await fetch(`${container}/contentinfo?path=none`, { headers })).status).toBe(404);
  const hostile = await fetch(`${container}/batch/metadata`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ paths: [{ path: '../../../x' }] }),
  });
  expect(hostile.status).toBe(400);

  const used = await stand.run(
    'uses-artifact',
    command('test "$(cat ${{inputs.m}}/MLmodel)" = "one two"', {
      inputs: { m: { jobInputType: 'mlflow_model', uri: `runs:/${run}/model` } },
    }),
  );
  expect(used.properties.status).toBe('Completed');
});

test('a blob that exists already can be registered as an artifact', async () => {
  const run = await makeRun('registered');
  await stand.run('writes-blob', command('echo there > ${{outputs.o}}/f.txt', { outputs: { o: { jobOutputType: 'uri_folder' } } }));
  const service = `${stand.url}/artifact/v2.0${DEV}/artifacts`;
  const headers = { authorization: `Bearer ${await issuer.token()}`, 'content-type': 'application/json' };
  const body = {
    origin: 'ExperimentRun',
    container: `dcid.${run}`,
    path: 'kept/f.txt',
    dataPath: { dataStoreName: 'workspaceblobstore', relativePath: 'azureml/writes-blob/o/f.txt' },
  };
  expect((await fetch(`${service}/register`, { method: 'POST', headers, body: JSON.stringify(body) })).status).toBe(200);

  expect((await stand.mlflow('GET', `artifacts/list?run_id=${run}&path=kept`)).body.files.map(({ path }) => path)).toEqual(['kept/f.txt']);
  const info = await fetch(`${service}/ExperimentRun/dcid.${run}/contentinfo?path=kept/f.txt`, { headers });
  expect(await (await fetch(((await info.json()) as { contentUri: string }).contentUri)).text()).toBe('there\n');
});

test('tags of a job’s run are tags of the job', async () => {
  await stand.run('tagged', command('true', { tags: { a: '1' } }));
  await stand.mlflow('POST', 'runs/set-tag', { run_id: 'tagged', key: 'verdict', value: 'good' });

  expect((await stand.arm('GET', 'jobs/tagged')).body.properties.tags).toEqual({ a: '1', verdict: 'good' });
});
