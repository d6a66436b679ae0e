// Command jobs: the process that runs, what it gets and leaves, and what ARM, MLflow and the artifact service show of it.
import { randomUUID } from 'node:crypto';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import {
  command,
  DEV,
  ENVIRONMENT,
  inStore,
  logOf,
  registerEnvironment,
  startIssuer,
  startStand,
  until,
  type Issuer,
  type Stand,
} from './cloud.ts';

let issuer: Issuer;
let stand: Stand;
let lake: ContainerClient;

beforeAll(async () => {
  const container = `lake-${randomUUID()}`;
  lake = BlobServiceClient.fromConnectionString(inject('storage')).getContainerClient(container);
  await lake.create();
  issuer = await startIssuer();
  process.env['SECRET_OF_THE_PARENT'] = 'must not leak';
  stand = await startStand(issuer, {
    workspace: {
      datastores: [{ name: 'lake', accountName: 'devstoreaccount1', container, connectionString: inject('storage'), isDefault: true }],
    },
  });
  await registerEnvironment(stand);
});
afterAll(async () => {
  await stand.close();
  await issuer.close();
  await lake.delete();
});

const put = (path: string, content: string) => lake.getBlockBlobClient(path).upload(content, content.length);
const get = async (path: string) => (await lake.getBlobClient(path).downloadToBuffer()).toString('utf8');

test('runs the command with inputs from the lake and leaves its outputs there', async () => {
  await put('gold/v1/a.csv', 'a\n1\n');
  await put('gold/v1/part/b.csv', 'b\n2\n');
  await put('gold/v10/c.csv', 'another folder');
  await put('params.json', '{"alpha":0.03}');

  const job = await stand.run(
    'train-1',
    command(
      'set -e; cd ${{inputs.gold}}; find . -type f | sort; cat a.csv part/b.csv; cat ${{inputs.params}}; echo epochs=${{inputs.epochs}}; ' +
        'test "$AZURE_ML_INPUT_gold" = "$PWD"; test "$AZURE_ML_INPUT_epochs" = 20; ' +
        'mkdir ${{outputs.model}}/deep; echo weights > ${{outputs.model}}/deep/w.txt; echo report > "$AZURE_ML_OUTPUT_report/run-report.json"; ' +
        'echo one > ${{outputs.single}}',
      {
        displayName: 'train one',
        tags: { runKey: 'k1' },
        properties: { orchestrator: 'sluice' },
        computeId: `${DEV}/computes/cpu-cluster`,
        inputs: {
          gold: { jobInputType: 'uri_folder', mode: 'ReadOnlyMount', uri: inStore('lake', 'gold/v1/') },
          params: { jobInputType: 'uri_file', mode: 'Download', uri: inStore('lake', 'params.json') },
          epochs: { jobInputType: 'literal', value: '20' },
        },
        outputs: {
          model: { jobOutputType: 'mlflow_model', mode: 'ReadWriteMount' },
          report: { jobOutputType: 'uri_folder', mode: 'Upload', uri: inStore('lake', 'runs/train-1/report/') },
          single: { jobOutputType: 'uri_file', uri: inStore('lake', 'runs/train-1/single.txt') },
        },
        limits: { jobLimitsType: 'Command', timeout: 'PT1M' },
      },
    ),
  );

  const log = await logOf(stand, issuer, 'train-1');
  expect({ status: job.properties.status, log }).toMatchObject({ status: 'Completed' });
  expect(log).toBe('./a.csv\n./part/b.csv\na\n1\nb\n2\n{"alpha":0.03}epochs=20\n');
  expect(await get('runs/train-1/report/run-report.json')).toBe('report\n');
  expect(await get('runs/train-1/single.txt')).toBe('one\n');
  expect(await get('azureml/train-1/model/deep/w.txt')).toBe('weights\n');
  expect(job).toMatchObject({
    id: `${DEV}/jobs/train-1`,
    name: 'train-1',
    type: 'Microsoft.MachineLearningServices/workspaces/jobs',
    systemData: { createdBy: 'engineer', createdByType: 'Application' },
    properties: {
      jobType: 'Command',
      displayName: 'train one',
      tags: { runKey: 'k1' },
      properties: { orchestrator: 'sluice' },
      inputs: { gold: { jobInputType: 'uri_folder', uri: inStore('lake', 'gold/v1/') } },
      outputs: { model: { uri: inStore('lake', 'azureml/train-1/model/') } },
    },
  });
});

test('the process has the service’s environment and nothing of the stand-in’s own', async () => {
  await stand.run(
    'surroundings',
    command('env | sort; trainer -e "process.stdout.write(\'node \' + process.argv.length)"', {
      environmentVariables: { FROM_JOB: 'a b', AZUREML_RUN_ID: 'mine' },
      identity: { identityType: 'Managed', clientId: 'c0ffee00-0000-4000-8000-000000000001' },
    }),
  );

  const log = await logOf(stand, issuer, 'surroundings');
  const env: Record<string, string> = Object.fromEntries(log.split('\n').map((line) => line.split('=', 2) as [string, string]));
  expect(env).toMatchObject({
    AZUREML_RUN_ID: 'surroundings',
    AZUREML_ARM_SUBSCRIPTION: '00000000-0000-4000-8000-000000000001',
    AZUREML_ARM_WORKSPACE_NAME: 'mlw-dev',
    MLFLOW_RUN_ID: 'surroundings',
    MLFLOW_EXPERIMENT_NAME: 'tests',
    MLFLOW_TRACKING_URI: `azureml://${new URL(stand.url).host}/mlflow/v2.0${DEV}`,
    DEFAULT_IDENTITY_CLIENT_ID: 'c0ffee00-0000-4000-8000-000000000001',
    FROM_IMAGE: 'yes',
    FROM_JOB: 'a b',
  });
  expect(env['MLFLOW_TRACKING_TOKEN']).toMatch(/^[\w-]{40,}$/);
  expect(log).not.toContain('SECRET_OF_THE_PARENT');
  expect(Object.keys(env).filter((name) => name.startsWith('npm_') || name === 'VITEST')).toEqual([]);
  expect(log).toContain('node 1');
});

test('a job’s own token logs to its run while the process lives, and only in its own workspace', async () => {
  const script = `
    const base = process.env.MLFLOW_TRACKING_URI.replace('azureml:', 'http:') + '/api/2.0/mlflow/';
    const headers = { authorization: 'Bearer ' + process.env.MLFLOW_TRACKING_TOKEN, 'content-type': 'application/json' };
    const post = (url, body) => fetch(url, { method: 'POST', headers, body: JSON.stringify(body) }).then((r) => r.status);
    const run_id = process.env.MLFLOW_RUN_ID;
    const own = await post(base + 'runs/log-batch', { run_id, metrics: [{ key: 'auc', value: 0.9, timestamp: 1, step: 0 }], params: [{ key: 'alpha', value: '0.1' }] });
    const update = await post(base + 'runs/update', { run_id, status: 'FAILED', end_time: 5 });
    const other = await post(base.replace('mlw-dev', 'mlw-prod') + 'experiments/create', { name: 'x' });
    const arm = (await fetch(base.split('/mlflow/')[0] + '${DEV}/jobs?api-version=2025-12-01', { headers })).status;
    console.log([own, update, other, arm].join(' '));
    console.log(process.env.MLFLOW_TRACKING_TOKEN);
  `;
  const job = await stand.run('logs-metrics', command(`trainer --input-type=module -e '${script.replaceAll("'", '"')}'`));

  expect(job.properties.status).toBe('Completed');
  const [statuses, token = ''] = (await logOf(stand, issuer, 'logs-metrics')).split('\n');
  expect(statuses).toBe('200 200 403 401');
  const { body } = await stand.mlflow('GET', 'runs/get?run_id=logs-metrics');
  expect(body.run).toMatchObject({
    info: { status: 'FINISHED', run_id: 'logs-metrics', run_name: 'logs-metrics' },
    data: { metrics: [{ key: 'auc', value: 0.9, timestamp: 1, step: 0 }], params: [{ key: 'alpha', value: '0.1' }] },
  });
  const late = await fetch(`${stand.url}/mlflow/v1.0${DEV}/api/2.0/mlflow/runs/get?run_id=logs-metrics`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(late.status).toBe(401);
});

test('a process that fails makes the job Failed; a mount keeps what was written, an upload does not happen', async () => {
  const job = await stand.run(
    'fails',
    command('echo partial > ${{outputs.mounted}}/x; echo partial > ${{outputs.uploaded}}/x; echo "no such column" >&2; exit 3', {
      outputs: {
        mounted: { jobOutputType: 'uri_folder', mode: 'ReadWriteMount', uri: inStore('lake', 'fails/mounted') },
        uploaded: { jobOutputType: 'uri_folder', mode: 'Upload', uri: inStore('lake', 'fails/uploaded') },
      },
    }),
  );

  expect(job.properties.status).toBe('Failed');
  expect(await get('fails/mounted/x')).toBe('partial\n');
  expect(await lake.getBlobClient('fails/uploaded/x').exists()).toBe(false);
  expect(await logOf(stand, issuer, 'fails', 'system_logs/lifecycler/execution-wrapper.log')).toMatch(
    /status code 3\. Error: no such column/,
  );
  expect((await stand.mlflow('GET', 'runs/get?run_id=fails')).body.run.info.status).toBe('FAILED');
});

test('an input that is not there is a failure of the job, not of the PUT', async () => {
  const job = await stand.run(
    'no-input',
    command('true', { inputs: { data: { jobInputType: 'uri_folder', uri: inStore('lake', 'nowhere/') } } }),
  );

  expect(job.properties.status).toBe('Failed');
  expect(await logOf(stand, issuer, 'no-input', 'system_logs/lifecycler/execution-wrapper.log')).toContain('StreamAccess.NotFound');
});

test('outputs of one job, code and data assets are inputs of another', async () => {
  await put('code/main.sh', 'cat "$1" > "$2/copy.txt"; ls; mkdir -p outputs; echo kept > outputs/note.txt\n');
  expect((await stand.arm('PUT', 'codes/main/versions/1', { properties: { codeUri: `${lake.url}/code` } })).status).toBe(201);
  await stand.run('first', command('echo made > ${{outputs.out}}/made.txt', { outputs: { out: { jobOutputType: 'uri_folder' } } }));
  expect(
    (
      await stand.arm('PUT', 'data/made/versions/1', {
        properties: { dataType: 'uri_file', dataUri: 'azureml://jobs/first/outputs/out/paths/made.txt' },
      })
    ).status,
  ).toBe(201);

  const job = await stand.run(
    'second',
    command('sh main.sh ${{inputs.data}} ${{outputs.out}}', {
      codeId: `${DEV}/codes/main/versions/1`,
      inputs: { data: { jobInputType: 'uri_file', uri: `${DEV}/data/made/versions/1` } },
      outputs: { out: { jobOutputType: 'uri_folder', uri: inStore('lake', 'second/out') } },
    }),
  );

  expect(job.properties.status).toBe('Completed');
  expect(await get('second/out/copy.txt')).toBe('made\n');
  expect(await logOf(stand, issuer, 'second')).toBe('main.sh\n');
  expect(await logOf(stand, issuer, 'second', 'outputs/note.txt')).toBe('kept\n');
});

test('a limit of time cancels the job', async () => {
  const job = await stand.run('slow', command('sleep 30', { limits: { jobLimitsType: 'Command', timeout: 'PT1S' } }));

  expect(job.properties.status).toBe('Canceled');
  expect((await stand.mlflow('GET', 'runs/get?run_id=slow')).body.run.info.status).toBe('KILLED');
});

test.each([
  ['a tag instead of a digest', 'registry.local/trainer:latest', 'not named by digest'],
  ['an unknown image', `registry.local/other@sha256:${'b'.repeat(64)}`, 'not known here'],
])('%s fails before anything runs', async (label, image, reason) => {
  const name = label.replaceAll(' ', '-');
  await stand.arm('PUT', `environments/${name}/versions/1`, { properties: { image } });

  const job = await stand.run(name, command('echo ran', { environmentId: `${DEV}/environments/${name}/versions/1` }));

  expect(job.properties.status).toBe('Failed');
  expect(await logOf(stand, issuer, name)).toBe('status 404');
  expect(await logOf(stand, issuer, name, 'system_logs/lifecycler/execution-wrapper.log')).toContain(reason);
});

test('jobs wait for a node of their compute, in the order of arrival', async () => {
  const names = ['node-1', 'node-2', 'node-3'];
  const gate = stand.dataDir.replaceAll(' ', '\\ ');
  for (const name of names) {
    await stand.arm('PUT', `jobs/${name}`, {
      properties: command(`while [ ! -e ${gate}/open ]; do sleep 0.05; done`, { computeId: `${DEV}/computes/CPU-cluster` }),
    });
  }
  const statuses = async () => Promise.all(names.map(async (name) => (await stand.arm('GET', `jobs/${name}`)).body.properties.status));
  await until(async () => (await statuses()).join() === 'Running,Running,Queued');

  await stand.arm('POST', 'jobs/node-1/cancel');
  await until(async () => (await statuses()).join() === 'Canceled,Running,Running');

  for (const name of names.slice(1)) await stand.arm('POST', `jobs/${name}/cancel`);
  await Promise.all(names.map((name) => stand.cloud.settled(name)));
  expect(await statuses()).toEqual(['Canceled', 'Canceled', 'Canceled']);
});

test('a job without a compute is serverless, and a path with `..` is refused', async () => {
  expect((await stand.run('serverless', command('true'))).properties).toMatchObject({ status: 'Completed', environmentId: ENVIRONMENT });
  const { status, body } = await stand.arm('PUT', 'jobs/escapes', {
    properties: command('true', { inputs: { data: { jobInputType: 'uri_folder', uri: inStore('lake', '../other') } } }),
  });
  expect({ status, target: body.error.target }).toEqual({ status: 400, target: 'properties.inputs.data.uri' });
});
