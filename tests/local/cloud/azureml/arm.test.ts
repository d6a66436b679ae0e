// ARM's side of jobs and assets: what is refused and how, idempotency, lists, long operations, roles, throttling.
import { AzureMachineLearningWorkspaces } from '@azure/arm-machinelearning';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createShiftedClock } from '../../../../local/cloud/kit/clock.ts';
import {
  command,
  DEV,
  ENVIRONMENT,
  GROUP,
  IMAGE,
  inStore,
  PROVIDER,
  registerEnvironment,
  startIssuer,
  startStand,
  SUBSCRIPTION,
  until,
  type Issuer,
  type Stand,
} from './cloud.ts';

let issuer: Issuer;
let stand: Stand;

beforeAll(async () => {
  issuer = await startIssuer();
  stand = await startStand(issuer, { registries: [{ name: 'reg-shared' }], pageSize: 2 });
  await registerEnvironment(stand);
});
afterAll(async () => {
  await stand.close();
  await issuer.close();
});

/** The SDK refuses to send a token over http, so it is told https and a last policy takes the s away. */
function sdk(): AzureMachineLearningWorkspaces {
  const credential = { getToken: async () => ({ token: await issuer.token(), expiresOnTimestamp: Date.now() + 600_000 }) };
  return new AzureMachineLearningWorkspaces(credential, SUBSCRIPTION, {
    endpoint: stand.url.replace('http:', 'https:'),
    $host: stand.url.replace('http:', 'https:'),
    credentialScopes: ['https://management.azure.com/.default'],
    retryOptions: { maxRetries: 0 },
    additionalPolicies: [
      {
        position: 'perRetry',
        policy: {
          name: 'plainLoopback',
          sendRequest: (request, next) => {
            request.url = request.url.replace(/^https:/, 'http:');
            request.allowInsecureConnection = true;
            return next(request);
          },
        },
      },
    ],
  });
}

const sweep = (more: object = {}) => ({
  jobType: 'Sweep',
  objective: { goal: 'Maximize', primaryMetric: 'auc' },
  samplingAlgorithm: { samplingAlgorithmType: 'Random' },
  searchSpace: { lr: ['uniform', [0.1, 1]] },
  trial: { environmentId: ENVIRONMENT, command: 'true ${{search_space.lr}}' },
  ...more,
});
const pipeline = (jobs: object, more: object = {}) => ({ jobType: 'Pipeline', jobs, ...more });

test.each([
  ['an unknown property', command('x', { colour: 'red' }), 'properties.colour'],
  ['a wrong case', command('x', { ComputeId: null }), 'properties.ComputeId'],
  ['a wrong type', command('x', { tags: { n: 1 } }), 'properties.tags.n'],
  ['no command', { jobType: 'Command', environmentId: ENVIRONMENT }, 'properties.command'],
  ['an unknown kind of job', { jobType: 'command' }, 'properties.jobType'],
  ['a literal that is a number', command('x', { inputs: { n: { jobInputType: 'literal', value: 3 } } }), 'properties.inputs.n.value'],
  [
    'an asset input without uri, as the SDK sends it',
    command('x', { inputs: { d: { jobInputType: 'uri_folder' } } }),
    'properties.inputs.d.uri',
  ],
  [
    'the short form of an address',
    command('x', { inputs: { d: { jobInputType: 'uri_folder', uri: 'azureml://datastores/workspaceblobstore/paths/a' } } }),
    'properties.inputs.d.uri',
  ],
  [
    'another workspace’s data',
    command('x', { inputs: { d: { jobInputType: 'uri_folder', uri: inStore('workspaceblobstore', 'a').replace('mlw-dev', 'mlw-prod') } } }),
    'properties.inputs.d.uri',
  ],
  [
    'an unknown datastore',
    command('x', { outputs: { d: { jobOutputType: 'uri_folder', uri: inStore('nowhere', 'a') } } }),
    'properties.outputs.d.uri',
  ],
  ['an unknown mode', command('x', { outputs: { d: { jobOutputType: 'uri_folder', mode: 'upload' } } }), 'properties.outputs.d.mode'],
  [
    'an environment that is not there',
    command('x', { environmentId: `${DEV}/environments/trainer/versions/9` }),
    'properties.environmentId',
  ],
  ['an environment by @latest', command('x', { environmentId: 'azureml:trainer@latest' }), 'properties.environmentId'],
  ['a compute that is not there', command('x', { computeId: `${DEV}/computes/gpu` }), 'properties.computeId'],
  [
    'more nodes than there are',
    command('x', { computeId: `${DEV}/computes/cpu-cluster`, resources: { instanceCount: 3 } }),
    'properties.resources.instanceCount',
  ],
  ['a duration in words', command('x', { limits: { jobLimitsType: 'Command', timeout: '2h' } }), 'properties.limits.timeout'],
  ['an identity that is no GUID', command('x', { identity: { identityType: 'Managed', clientId: 'me' } }), 'properties.identity.clientId'],
  ['a reference to nothing', command('x ${{inputs.data}}'), 'properties.command'],
  ['a search space in words', sweep({ searchSpace: { lr: { type: 'uniform', min: 0, max: 1 } } }), 'properties.searchSpace.lr'],
  ['a grid over a range', sweep({ samplingAlgorithm: { samplingAlgorithmType: 'Grid' } }), 'properties.searchSpace.lr'],
  ['a goal in lower case', sweep({ objective: { goal: 'maximize', primaryMetric: 'auc' } }), 'properties.objective.goal'],
  ['a policy that is not emulated', sweep({ earlyTermination: { policyType: 'Bandit', slackFactor: 0.1 } }), 'properties.earlyTermination'],
  ['a step without a component', pipeline({ train: { type: 'command', command: 'x' } }), 'properties.jobs.train.componentId'],
  [
    'a step of an unknown component',
    pipeline({ train: { type: 'command', componentId: `${DEV}/components/c/versions/1` } }),
    'properties.jobs.train.componentId',
  ],
])('a job with %s is refused', async (_, properties, target) => {
  const { status, body } = await stand.arm('PUT', 'jobs/refused', { properties });

  expect(status).toBe(400);
  expect(body.error).toMatchObject({
    code: 'UserError',
    details: expect.any(Array) as unknown,
    additionalInfo: expect.any(Array) as unknown,
  });
  expect([body.error.target, ...body.error.details.map((detail) => detail.target)]).toContain(target);
  expect((await stand.arm('GET', 'jobs/refused')).status).toBe(404);
});

test.each([
  ['an api-version that does not exist', 'GET', `${DEV}/jobs?api-version=2024-01-01`, 400, 'NoRegisteredProviderFound'],
  ['a method that the type does not have', 'POST', `${DEV}/jobs`, 405, 'HttpMethodNotAllowed'],
  ['a type that is not played', 'GET', `${DEV}/schedules`, 404, 'InvalidResourceType'],
  ['a job that is not there', 'GET', `${DEV}/jobs/nobody`, 404, 'UserError'],
  [
    'registries in a version that had none',
    'GET',
    `${PROVIDER}/registries/reg-shared?api-version=2022-10-01`,
    400,
    'NoRegisteredProviderFound',
  ],
  ['a registry that is not there', 'GET', `${PROVIDER}/registries/other`, 404, 'ResourceNotFound'],
  [
    'an operation that is not there',
    'GET',
    `/subscriptions/${SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/westeurope/mfeOperationResults/x`,
    404,
    'NotFound',
  ],
])('%s is refused', async (_, method, path, status, code) => {
  expect(await stand.arm(method, path)).toMatchObject({ status, body: { error: { code } } });
});

test('a body that is not JSON and one of the wrong type are refused', async () => {
  const send = async (type: string, body: string) => {
    const headers = { authorization: `Bearer ${await issuer.token()}`, 'content-type': type };
    return (await fetch(`${stand.url}${DEV}/jobs/x?api-version=2025-12-01`, { method: 'PUT', headers, body })).status;
  };

  expect([await send('application/json', '{'), await send('text/plain', '{}')]).toEqual([400, 415]);
});

test('a second PUT of a name runs nothing again and replaces the tags', async () => {
  const mark = `${stand.dataDir}/marks`;
  const properties = command(`echo x >> '${mark}'`, { tags: { a: '1', b: '2' }, properties: { runKey: 'k' } });
  const puts = await Promise.all([1, 2, 3].map(() => stand.arm('PUT', 'jobs/once', { properties })));
  await stand.cloud.settled('once');

  expect(puts.map(({ status }) => status).sort()).toEqual([200, 200, 201]);
  expect(puts.find(({ status }) => status === 201)?.body.properties.status).toBe('NotStarted');
  const again = await stand.arm('PUT', 'jobs/once', { properties: { ...properties, command: 'echo other', tags: { c: '3' } } });
  await stand.cloud.settled('once');
  expect(again).toMatchObject({
    status: 200,
    body: { properties: { status: 'Completed', tags: { c: '3' }, properties: { runKey: 'k' } } },
  });
  expect(again.body.properties.command).toBe(`echo x >> '${mark}'`);
  const run = await stand.mlflow('GET', 'runs/get?run_id=once');
  expect(run.body.run.data.tags.filter(({ key }) => ['a', 'b', 'c'].includes(key))).toEqual([{ key: 'c', value: '3' }]);
  expect((await stand.arm('PUT', 'jobs/once', { properties: { ...properties, experimentName: 'elsewhere' } })).status).toBe(400);
  expect((await stand.arm('PUT', 'jobs/once', { properties: sweep() })).status).toBe(400);
  expect((await stand.arm('GET', 'jobs/Once')).status).toBe(404);
});

test('what was read can be put back', async () => {
  const job = await stand.run('round-trip', command('true'));
  const body = structuredClone(job);
  delete body.properties.outputs['default'];

  expect((await stand.arm('PUT', 'jobs/round-trip', body)).status).toBe(200);
});

test('cancelling is a long operation that ends with the job Canceled', async () => {
  await stand.arm('PUT', 'jobs/cancelled', { properties: command('trap "" TERM; sleep 30') });
  await until(async () => (await stand.arm('GET', 'jobs/cancelled')).body.properties.status === 'Running');

  const cancel = await stand.arm('POST', 'jobs/cancelled/cancel');
  expect(cancel.status).toBe(202);
  expect(cancel.headers.get('retry-after')).toMatch(/^\d+$/);
  expect((await stand.arm('GET', 'jobs/cancelled')).body.properties.status).toBe('CancelRequested');
  const location = cancel.headers.get('location') ?? '';
  expect((await stand.arm('GET', location)).status).toBe(202);
  await stand.cloud.settled('cancelled');
  await until(async () => (await stand.arm('GET', location)).status === 204);
  expect((await stand.arm('GET', 'jobs/cancelled')).body.properties.status).toBe('Canceled');
  expect((await stand.arm('GET', cancel.headers.get('azure-asyncoperation') ?? '')).body).toMatchObject({ status: 'Succeeded' });
  expect((await stand.arm('POST', 'jobs/cancelled/cancel')).status).toBe(200);
});

test('a job is deleted after its end only, with its run', async () => {
  await stand.arm('PUT', 'jobs/short', { properties: command('sleep 0.2') });
  expect((await stand.arm('DELETE', 'jobs/short')).status).toBe(409);
  await stand.cloud.settled('short');

  const removal = await stand.arm('DELETE', 'jobs/short');
  expect(removal.status).toBe(202);
  expect(removal.headers.get('x-ms-async-operation-timeout')).toBe('PT1H');
  await until(async () => (await stand.arm('GET', 'jobs/short')).status === 404);
  expect((await stand.mlflow('GET', 'runs/get?run_id=short')).body.run.info['lifecycle_stage']).toBe('deleted');
  expect((await stand.arm('DELETE', 'jobs/short')).status).toBe(204);
});

test('the SDK reads jobs, lists in pages, computes and datastores; what it sends of an asset input is refused', async () => {
  const other = await startStand(issuer, { pageSize: 2 });
  await registerEnvironment(other);
  try {
    for (const name of ['one', 'two', 'three']) await other.run(name, command('true', { tags: { name } }));
    const first = await other.arm('GET', 'jobs');
    expect(first.body.value.map(({ name }) => name)).toEqual(['three', 'two']);
    expect((await other.arm('GET', first.body.nextLink)).body).toMatchObject({ value: [{ name: 'one' }] });
    expect((await other.arm('GET', 'jobs?tag=name=two')).body.value).toHaveLength(1);
    expect((await other.arm('GET', 'jobs?jobType=Sweep')).body.value).toHaveLength(0);
  } finally {
    await other.close();
  }
  const client = sdk();
  await stand.run('for-sdk', command('true', { limits: { jobLimitsType: 'Command', timeout: 'PT5M' } }));

  const read = await client.jobs.get(GROUP, 'mlw-dev', 'for-sdk');
  expect(read.properties).toMatchObject({ jobType: 'Command', status: 'Completed', command: 'true', limits: { timeout: 'PT5M' } });
  const names: (string | undefined)[] = [];
  for await (const compute of client.computeOperations.list(GROUP, 'mlw-dev')) names.push(compute.name);
  expect(names).toEqual(['cpu-cluster']);
  const stores: (string | undefined)[] = [];
  for await (const store of client.datastores.list(GROUP, 'mlw-dev')) stores.push(store.properties.datastoreType);
  expect(stores).toEqual(['AzureBlob']);
  await expect(
    client.jobs.createOrUpdate(GROUP, 'mlw-dev', 'by-sdk', {
      properties: {
        jobType: 'Command',
        command: 'true',
        environmentId: ENVIRONMENT,
        inputs: { d: { jobInputType: 'uri_folder', uri: inStore('workspaceblobstore', 'a'), mode: 'ReadOnlyMount' } },
      },
    }),
  ).rejects.toMatchObject({ statusCode: 400, message: expect.stringContaining('invalid and/or missing fields') as string });
});

test('versions do not change, apart from description and tags; containers tell the newest', async () => {
  const path = 'models/churn/versions/1';
  const body = {
    properties: { modelType: 'mlflow_model', modelUri: 'azureml://jobs/some/outputs/artifacts/paths/model/', tags: { auc: '0.91' } },
  };
  expect((await stand.arm('PUT', path, body)).status).toBe(201);
  expect((await stand.arm('PUT', path, { properties: { ...body.properties, tags: { auc: '0.92' } } })).body.properties.tags).toEqual({
    auc: '0.92',
  });
  const changed = await stand.arm('PUT', path, {
    properties: { ...body.properties, modelUri: 'azureml://jobs/other/outputs/artifacts/paths/model/' },
  });
  expect(changed).toMatchObject({
    status: 409,
    body: { error: { details: [{ code: 'ImmutableProperty', target: 'properties.modelUri' }] } },
  });
  await stand.arm('PUT', 'models/churn/versions/7', body);

  expect((await stand.arm('GET', 'models/churn')).body.properties).toMatchObject({ latestVersion: '7', nextVersion: '8' });
  expect((await stand.arm('GET', 'models/churn/versions')).body.value.map(({ name }) => name)).toEqual(['7', '1']);
  expect((await stand.arm('PUT', 'models/x/versions/1', { properties: { ...body.properties, modelType: 'CustomModel' } })).status).toBe(
    400,
  );
  expect((await stand.arm('PUT', 'environments/e/versions/1', { properties: {} })).status).toBe(400);
  expect((await stand.arm('DELETE', 'models/churn')).status).toBe(405);
});

test('publishing copies a model into the registry, once', async () => {
  await stand.run('makes-model', command('echo w > ${{outputs.model}}/w.txt', { outputs: { model: { jobOutputType: 'custom_model' } } }));
  const modelUri = 'azureml://jobs/makes-model/outputs/model/paths/';
  await stand.arm('PUT', 'models/loc/versions/3', { properties: { modelUri, tags: { sha256: 'abc' } } });
  const publish = () =>
    stand.arm('POST', 'models/loc/versions/3/publish', { registryName: 'reg-shared', destinationName: 'loc', destinationVersion: '3' });

  const started = await publish();
  expect(started.status).toBe(202);
  const operation = started.headers.get('azure-asyncoperation') ?? '';
  await until(async () => (await stand.arm('GET', operation)).body.status !== 'InProgress');
  expect((await stand.arm('GET', operation)).body).toMatchObject({ status: 'Succeeded' });
  const shared = await stand.arm('GET', `${PROVIDER}/registries/reg-shared/models/loc/versions/3`);
  expect(shared.body.properties).toMatchObject({ tags: { sha256: 'abc' }, modelUri: expect.stringContaining('/models/loc/3') as string });

  const used = await stand.run(
    'uses-shared',
    command('test "$(cat ${{inputs.m}}/w.txt)" = w', {
      inputs: { m: { jobInputType: 'custom_model', uri: 'azureml://registries/reg-shared/models/loc/versions/3' } },
    }),
  );
  expect(used.properties.status).toBe('Completed');

  await stand.arm('PUT', 'models/loc/versions/4', { properties: { modelUri } });
  const second = await stand.arm('POST', 'models/loc/versions/4/publish', { registryName: 'reg-shared', destinationVersion: '3' });
  await until(async () => (await stand.arm('GET', second.headers.get('azure-asyncoperation') ?? '')).body.status === 'Failed');
  expect((await stand.arm('POST', 'models/loc/versions/3/publish', { registryName: 'none' })).status).toBe(400);
  const again = await publish();
  await until(async () => (await stand.arm('GET', again.headers.get('azure-asyncoperation') ?? '')).body.status === 'Succeeded');
});

test('a version put into a registry is a long operation', async () => {
  const path = `${PROVIDER}/registries/reg-shared/models/direct/versions/1`;
  const made = await stand.arm('PUT', path, { properties: { modelUri: 'https://acct.blob.core.windows.net/models/direct' } });

  expect(made.status).toBe(201);
  expect((await stand.arm('GET', made.headers.get('azure-asyncoperation') ?? '')).body).toMatchObject({ status: 'Succeeded' });
  expect((await stand.arm('GET', path)).body.name).toBe('1');
});

test('each role allows what its name says, and a refusal names object id, action and scope', async () => {
  const guarded = await startStand(issuer, {
    registries: [{ name: 'reg-shared' }],
    roles: [
      { objectId: 'oid-engineer', role: 'AzureML Data Scientist', scope: 'mlw-dev' },
      { objectId: 'oid-reader', role: 'Reader' },
    ],
  });
  try {
    await registerEnvironment(guarded);
    expect((await guarded.arm('GET', DEV)).status).toBe(200);
    expect((await guarded.arm('GET', `${PROVIDER}/workspaces/mlw-prod`)).status).toBe(403);
    expect((await guarded.arm('GET', 'jobs', undefined, 'reader')).status).toBe(200);
    const refused = await guarded.arm('PUT', 'jobs/x', { properties: command('true') }, 'reader');
    expect(refused).toMatchObject({ status: 403, body: { error: { code: 'AuthorizationFailed' } } });
    expect(refused.body.error.message).toContain(
      `The client with object id 'oid-reader' does not have authorization to perform action 'Microsoft.MachineLearningServices/workspaces/jobs/write' over scope '${DEV}/jobs/x'`,
    );
    const mlflow = await guarded.mlflow('POST', 'experiments/create', { name: 'x' }, 'reader');
    expect(mlflow).toMatchObject({ status: 403, body: { error_code: 'PERMISSION_DENIED' } });
    await guarded.run('m', command('echo w > ${{outputs.model}}/w', { outputs: { model: { jobOutputType: 'custom_model' } } }));
    await guarded.arm('PUT', 'models/m/versions/1', { properties: { modelUri: 'azureml://jobs/m/outputs/model' } });
    const publish = await guarded.arm('POST', 'models/m/versions/1/publish', { registryName: 'reg-shared' });
    expect(publish.body.error.message).toContain("'Microsoft.MachineLearningServices/registries/assets/write'");
  } finally {
    await guarded.close();
  }
});

test('tokens are counted per principal and kind, and come back with time', async () => {
  const clock = createShiftedClock();
  const slow = await startStand(issuer, { clock, throttle: { reads: { size: 2, perSecond: 0.5 } } });
  try {
    const read = (client?: string) => slow.arm('GET', 'jobs', undefined, client);
    const [first, second, third] = [await read(), await read(), await read()];
    expect([first, second, third].map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(first?.headers.get('x-ms-ratelimit-remaining-subscription-reads')).toBe('1');
    expect(third?.headers.get('retry-after')).toBe('2');
    expect((await read('reader')).status).toBe(200);
    expect((await slow.arm('PUT', 'environments/trainer/versions/1', { properties: { image: IMAGE } })).status).toBe(201);
    clock.advance(2_000);
    expect((await read()).status).toBe(200);
  } finally {
    await slow.close();
  }
});
