// What the adapter sends and how it reads what comes back, against a scripted workspace: bodies, one job per name, states, checks.
import { afterEach, describe, expect, it } from 'vitest';
import { cutConnection } from '../../../../local/cloud/kit/server.ts';
import type { AzureMlOptions } from '../../../../shared/adapters/azureml/backend.ts';
import { environmentOf } from '../../../../shared/adapters/azureml/environments.ts';
import { answer, refusal } from '../../clients/arm/scripted.ts';
import {
  IMAGE,
  oneStep,
  OTHER_IMAGE,
  scriptedWorkspace,
  type ScriptedWorkspace,
  threeSteps,
  type Twist,
  WORKSPACE,
} from './scripted-workspace.ts';

const opened: ScriptedWorkspace[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});
async function over(twist?: Twist, more?: Partial<AzureMlOptions>): Promise<ScriptedWorkspace> {
  const one = await scriptedWorkspace(twist, more);
  opened.push(one);
  return one;
}
const NAME = 'train-credit-0123456789abcdef-a1';
const LONG = 'azureml://subscriptions/11111111-2222-4333-8444-555555555555/resourcegroups/rg/workspaces/ws/datastores/sluice/paths';
const environmentId = (image: string) => {
  const { name, version } = environmentOf(image);
  return `${WORKSPACE}/environments/${name}/versions/${version}`;
};

describe('a job of one step', () => {
  it('is a command job: long paths for data, literals for parameters, tags for lineage, no signed address', async () => {
    const one = await over(undefined, { clientId: '99999999-0000-4000-8000-000000000009' });

    await expect(one.backend.submit(oneStep())).resolves.toEqual({ jobId: NAME, adopted: false });

    const sent = one.kept.get(`/jobs/${NAME}`)?.properties;
    expect(sent).toMatchObject({
      jobType: 'Command',
      displayName: NAME,
      experimentName: 'credit-risk',
      environmentId: environmentId(IMAGE),
      computeId: `${WORKSPACE}/computes/cpu`,
      inputs: {
        params: { jobInputType: 'literal', value: '{"alpha":0.03}' },
        sluice_in_gold: { jobInputType: 'uri_folder', mode: 'ReadOnlyMount', uri: `${LONG}/staged/abc/` },
      },
      outputs: {
        result: { jobOutputType: 'uri_folder', mode: 'ReadWriteMount' },
        sluice_to_0: { jobOutputType: 'uri_folder', mode: 'ReadWriteMount', uri: `${LONG}/runs/r1/` },
      },
      identity: { identityType: 'Managed', clientId: '99999999-0000-4000-8000-000000000009' },
      limits: { jobLimitsType: 'Command', timeout: 'PT7800S' },
      tags: {
        pipeline: 'credit',
        'sluice.runId': NAME,
        'sluice.goldDigest': 'b'.repeat(64),
        'sluice.specDigest': 'c'.repeat(64),
        'sluice.goldVersion': '7',
      },
      properties: { 'sluice.steps': 'train' },
    });
    expect(JSON.stringify(sent)).not.toMatch(/SECRET|x\.example/);
  });

  it('without a compute lets the service find a machine', async () => {
    const one = await over(undefined, { compute: 'serverless', instanceType: 'Standard_D4_v5' });
    await one.backend.submit(oneStep());

    const sent = one.kept.get(`/jobs/${NAME}`)?.properties;
    expect(sent).not.toHaveProperty('computeId');
    expect(sent).toMatchObject({ resources: { instanceCount: 1, instanceType: 'Standard_D4_v5' } });
  });

  it('registers the environment of its image once, and takes one that is mapped', async () => {
    const one = await over();
    const mapped = await over(undefined, { environments: { 'registry.test/sluice/train': '/my/environment' } });
    await one.backend.submit(oneStep());
    await one.backend.submit(oneStep({ name: 'train-credit-0123456789abcdef-a2' }));
    await mapped.backend.submit(oneStep());

    expect(one.calls().filter((call) => call.startsWith('PUT /environments'))).toHaveLength(1);
    expect(one.calls().filter((call) => call.startsWith('GET /environments'))).toHaveLength(1);
    expect(one.kept.get(environmentId(IMAGE).replace(WORKSPACE, ''))?.properties).toMatchObject({ image: IMAGE, osType: 'Linux' });
    expect(mapped.kept.get(`/jobs/${NAME}`)?.properties).toMatchObject({ environmentId: '/my/environment' });
    expect(mapped.calls().some((call) => call.includes('/environments'))).toBe(false);
  });

  it('is refused when its environment is of another image', async () => {
    const one = await over((seen, below) =>
      below.startsWith('/environments') ? answer({ properties: { image: OTHER_IMAGE } }) : undefined,
    );

    await expect(one.backend.submit(oneStep())).rejects.toMatchObject({
      code: 'asset-conflict',
      message: expect.stringContaining(OTHER_IMAGE) as string,
    });
  });
});

it('a job of several steps is a pipeline of registered components, each step bound to those before it', async () => {
  const one = await over();

  await one.backend.submit(threeSteps());
  await one.backend.submit({ ...threeSteps(), name: 'train-credit-0123456789abcdef-a2' });

  const components = [...one.kept.keys()].filter((path) => path.startsWith('/components/'));
  const spec = (name: string) =>
    one.kept.get(components.find((path) => path.includes(`-${name}/`)) ?? '')?.properties['componentSpec'] as Record<string, unknown>;
  const [makeSet, train, convert] = ['make-set', 'train', 'convert'].map((name) => spec(name));
  const sent = one.kept.get(`/jobs/${NAME}`)?.properties as {
    jobs: Record<string, unknown>;
    settings: unknown;
    inputs: unknown;
    outputs: unknown;
  };
  expect(components).toHaveLength(3);
  expect(makeSet).toMatchObject({
    type: 'command',
    environment: `azureml:${environmentId(IMAGE)}`,
    inputs: { sluice_in_gold: { type: 'uri_folder' } },
    outputs: { result: { type: 'uri_folder' } },
  });
  // `model` is no argument of train, but convert reads it.
  expect(train).toMatchObject({ inputs: { params: { type: 'string' } }, outputs: { result: {}, model: {} } });
  expect(convert).toMatchObject({ environment: `azureml:${environmentId(OTHER_IMAGE)}`, outputs: { result: {}, sluice_to_0: {} } });
  expect(sent).toMatchObject({
    jobType: 'Pipeline',
    inputs: { params: { jobInputType: 'literal' }, sluice_in_gold: { uri: `${LONG}/staged/abc/` } },
    outputs: { convert_sluice_to_0: { uri: `${LONG}/runs/r1/` } },
    settings: { force_rerun: true, continue_on_step_failure: false },
    jobs: {
      make_set: {
        type: 'command',
        display_name: 'make-set',
        inputs: { sluice_in_gold: { job_input_type: 'literal', value: '${{parent.inputs.sluice_in_gold}}' } },
      },
      train: {
        inputs: { sluice_from_make_set_result: { value: '${{parent.jobs.make_set.outputs.result}}' } },
        limits: { timeout: 'PT7800S' },
      },
      convert: {
        inputs: { sluice_from_train_model: { value: '${{parent.jobs.train.outputs.model}}' } },
        outputs: { sluice_to_0: { type: 'literal', value: '${{parent.outputs.convert_sluice_to_0}}' } },
      },
    },
  });
});

it('a graph without a compute names the serverless one, which a pipeline does not find by itself', async () => {
  const one = await over(undefined, { compute: 'serverless', instanceType: 'Standard_D4_v5' });

  await one.backend.submit(threeSteps());

  const sent = one.kept.get(`/jobs/${NAME}`)?.properties;
  expect(sent).not.toHaveProperty('computeId');
  expect(sent).toMatchObject({
    settings: { default_compute: 'serverless' },
    jobs: { train: { resources: { instance_count: 1, instance_type: 'Standard_D4_v5' } } },
  });
});

describe('one job per name', () => {
  it('a job that is there is adopted, without a second PUT that would wipe its tags', async () => {
    const one = await over();
    await one.backend.submit(oneStep());

    await expect(one.backend.submit(oneStep({ parameters: { params: '{"alpha":0.5}' } }))).resolves.toEqual({ jobId: NAME, adopted: true });
    expect(one.calls().filter((call) => call === `PUT /jobs/${NAME}`)).toHaveLength(1);
  });

  it.each([
    ['another graph', { graph: 'another-train' }],
    ['other data', { lineage: { pipeline: 'credit', runId: NAME, goldDigest: 'd'.repeat(64) } }],
    ['another image', { steps: [{ ...oneStep().steps[0], image: OTHER_IMAGE }] }],
  ])('a name that is taken by %s is refused', async (_what, change) => {
    const one = await over();
    await one.backend.submit(oneStep());

    await expect(one.backend.submit(oneStep(change as never))).rejects.toMatchObject({
      name: 'RejectedError',
      code: 'job-conflict',
      message: expect.stringMatching(/new attempt under a new name/) as string,
    });
  });

  it('a job that a person made under this name is refused', async () => {
    const one = await over((seen, below) =>
      seen.method === 'GET' && below === `/jobs/${NAME}` ? answer({ name: NAME, properties: { jobType: 'Command' } }) : undefined,
    );

    await expect(one.backend.submit(oneStep())).rejects.toMatchObject({
      code: 'job-conflict',
      message: expect.stringContaining('not made by Sluice') as string,
    });
  });

  it.each([400, 409])('somebody who was faster (%d) is adopted', async (status) => {
    const first = await over();
    await first.backend.submit(oneStep());
    const theirs = { name: NAME, ...first.kept.get(`/jobs/${NAME}`) };
    let puts = 0;
    const one = await over((seen, below) => {
      if (below !== `/jobs/${NAME}`) return undefined;
      if (seen.method === 'PUT') return ((puts += 1), refusal(status, 'UserError', 'A run with this id already exists'));
      return puts > 0 ? answer(theirs) : undefined;
    });

    await expect(one.backend.submit(oneStep())).resolves.toEqual({ jobId: NAME, adopted: true });
  });

  it('a body that the service does not take is refused in its words, without the values that were sent', async () => {
    const one = await over((seen, below) =>
      seen.method === 'PUT' && below.startsWith('/jobs/') ? refusal(400, 'UserError', 'the value {"alpha":0.03} is wrong') : undefined,
    );

    const error = await one.backend.submit(oneStep()).catch((reason: unknown) => reason as Error);

    expect(error).toMatchObject({
      code: 'backend-refused',
      message: expect.stringMatching(/UserError the value <parameter value> is wrong/) as string,
    });
  });

  it('an answer that is lost after the job was made leads to that job', async () => {
    const one = await over();
    let cut = false;
    const lost = await over((seen, below) => {
      if (seen.method !== 'PUT' || !below.startsWith('/jobs/') || cut) return undefined;
      cut = true;
      lost.kept.set(below, seen.body as { properties: Record<string, unknown> });
      return cutConnection();
    });

    await one.backend.submit(oneStep());
    await expect(lost.backend.submit(oneStep())).resolves.toEqual({ jobId: NAME, adopted: true });
    expect(lost.calls().filter((call) => call === `PUT /jobs/${NAME}`)).toHaveLength(1);
  });

  it('an answer that is lost before the job was made is told as unknown, and the next submission makes it', async () => {
    let cut = false;
    const one = await over((seen, below) => {
      if (seen.method !== 'PUT' || !below.startsWith('/jobs/') || cut) return undefined;
      cut = true;
      return cutConnection();
    });

    await expect(one.backend.submit(oneStep())).rejects.toMatchObject({ name: 'TransientError', code: 'submission-unknown' });
    await expect(one.backend.submit(oneStep())).resolves.toEqual({ jobId: NAME, adopted: false });
  });

  it('many submissions at once in one process make one job', async () => {
    const one = await over();

    const answers = await Promise.all(Array.from({ length: 5 }, () => one.backend.submit(oneStep())));

    expect(answers.filter(({ adopted }) => !adopted)).toHaveLength(1);
    expect(one.calls().filter((call) => call === `PUT /jobs/${NAME}`)).toHaveLength(1);
  });
});

describe('a job that is looked at', () => {
  const showing = (status: string | undefined, jobType = 'Command') =>
    over((seen, below) =>
      below === '/jobs/j'
        ? answer({ name: 'j', properties: { jobType, status }, systemData: { createdAt: '2026-11-22T11:00:00Z' } })
        : undefined,
    );

  it.each([
    ['NotStarted', 'pending'],
    ['Starting', 'pending'],
    ['Provisioning', 'pending'],
    ['Preparing', 'pending'],
    ['Queued', 'pending'],
    ['Scheduled', 'pending'],
    ['Running', 'running'],
    ['Finalizing', 'running'],
    ['CancelRequested', 'running'],
    ['NotResponding', 'running'],
    ['Paused', 'running'],
    ['Completed', 'succeeded'],
    ['Failed', 'failed'],
    ['Canceled', 'cancelled'],
  ])('%s is %s', async (status, state) => {
    const one = await showing(status);

    await expect(one.backend.get('j')).resolves.toMatchObject({ state });
  });

  it('a status that nobody knows is no end, and is named', async () => {
    const one = await showing('Transmogrifying');

    await expect(one.backend.get('j')).resolves.toMatchObject({
      state: 'running',
      reason: 'unknown Azure ML status "Transmogrifying"',
      vendorState: 'Transmogrifying',
    });
    await expect((await showing(undefined)).backend.get('j')).resolves.toMatchObject({ state: 'pending' });
  });

  it('costs one call while it works', async () => {
    const one = await showing('Running');
    await one.backend.get('j');

    expect(one.calls()).toEqual(['GET /jobs/j']);
  });

  const times = { start_time: Date.parse('2026-11-22T11:02:00Z'), end_time: Date.parse('2026-11-22T11:12:30Z') };
  it('waited and worked so long, by its run in MLflow', async () => {
    const one = await over((seen, below) => {
      if (below === '/jobs/j')
        return answer({
          name: 'j',
          properties: { jobType: 'Command', status: 'Completed' },
          systemData: { createdAt: '2026-11-22T11:00:00Z' },
        });
      return below.endsWith('/runs/get') ? answer({ run: { info: { run_id: 'j', status: 'FINISHED', ...times } } }) : undefined;
    });

    await expect(one.backend.get('j')).resolves.toEqual({
      state: 'succeeded',
      reason: null,
      queuedSeconds: 120,
      executionSeconds: 630,
    });
  });

  it('ended as it did although MLflow is shut, and says that the times are not known', async () => {
    const one = await over((seen, below) => {
      if (below === '/jobs/j') return answer({ name: 'j', properties: { jobType: 'Command', status: 'Completed' } });
      return below.startsWith('mlflow') ? refusal(403, 'PERMISSION_DENIED', 'no') : undefined;
    });

    await expect(one.backend.get('j')).resolves.toMatchObject({
      state: 'succeeded',
      reason: expect.stringMatching(/times are not known.*PERMISSION_DENIED/) as string,
      executionSeconds: null,
    });
  });

  it('a pipeline whose steps still wait for machines is not taken for running', async () => {
    let status = 'SCHEDULED';
    const one = await over((seen, below) => {
      if (below === '/jobs/j')
        return answer({
          name: 'j',
          properties: { jobType: 'Pipeline', status: 'Running', properties: { 'sluice.steps': 'make-set,train' } },
        });
      if (below.endsWith('/runs/get')) return answer({ run: { info: { run_id: 'j', experiment_id: '5', status: 'RUNNING' } } });
      return below.endsWith('/runs/search') ? answer({ runs: [{ info: { run_id: 'c', run_name: 'make-set', status } }] }) : undefined;
    });

    await expect(one.backend.get('j')).resolves.toMatchObject({ state: 'pending', reason: 'its steps wait for machines' });
    status = 'RUNNING';
    await expect(one.backend.get('j')).resolves.toMatchObject({ state: 'running' });
    const before = one.seen.length;
    await expect(one.backend.get('j')).resolves.toMatchObject({ state: 'running' });
    expect(one.seen.length - before).toBe(1);
  });

  it('that is gone is absent; that is asked of a workspace that is gone is a refusal', async () => {
    const one = await over();
    const gone = await over(() =>
      refusal(
        404,
        'ResourceNotFound',
        "The Resource 'Microsoft.MachineLearningServices/workspaces/ws' under resource group 'rg' was not found.",
      ),
    );
    const vague = await over(() => refusal(404, 'NotFound', 'not here'));

    await expect(one.backend.get('j')).resolves.toMatchObject({ state: 'absent', queuedSeconds: null });
    await expect(gone.backend.get('j')).rejects.toMatchObject({
      name: 'RejectedError',
      code: 'workspace-unknown',
      message: expect.stringContaining('rg/ws') as string,
    });
    await expect(gone.backend.submit(oneStep())).rejects.toMatchObject({ code: 'workspace-unknown' });
    await expect(vague.backend.get('j')).rejects.toMatchObject({ code: 'workspace-unknown' });
  });
});

describe('what the service refuses', () => {
  const forbidden =
    "The client 'c' with object id 'bbbbbbbb-1111-4111-8111-111111111111' does not have authorization to perform action 'Microsoft.MachineLearningServices/workspaces/jobs/write' over scope '/x'";

  it.each([
    [
      () => refusal(403, 'AuthorizationFailed', forbidden),
      'RejectedError',
      'backend-forbidden',
      /bbbbbbbb-1111.*jobs\/write.*AzureML Data Scientist/,
    ],
    [() => refusal(401, 'InvalidAuthenticationToken', 'bad'), 'RejectedError', 'backend-forbidden', /object id aaaaaaaa/],
    [() => refusal(429, 'TooManyRequests', 'slow', { 'retry-after': '900' }), 'TransientError', 'backend-throttled', /900 s/],
    [() => refusal(500, 'InternalServerError', 'oh'), 'TransientError', 'backend-failing', /500/],
    [() => cutConnection(), 'TransientError', 'backend-unreachable', /did not answer/],
    [() => refusal(400, 'BadRequest', 'no'), 'RejectedError', 'backend-refused', /BadRequest/],
  ])('%# in our words', async (make, name, code, message) => {
    const one = await over(make);

    await expect(one.backend.get('j')).rejects.toMatchObject({ name, code, message: expect.stringMatching(message) as string });
    await expect(one.backend.probe()).rejects.toMatchObject({ name, code });
  });
});

describe('cancelling', () => {
  it('asks once; a job that has ended or is gone stays as it is', async () => {
    const one = await over();
    const ended = await over((seen, below) => {
      if (seen.method === 'POST') return refusal(400, 'UserError', 'the job is in a terminal state');
      return below === '/jobs/j' ? answer({ name: 'j', properties: { status: 'Completed' } }) : undefined;
    });
    const gone = await over((seen) => (seen.method === 'POST' ? refusal(404, 'UserError', 'no') : undefined));

    await one.backend.cancel('j', 'late');
    await ended.backend.cancel('j', 'late');
    await gone.backend.cancel('j', 'late');

    expect(one.calls()).toEqual(['POST /jobs/j/cancel']);
  });

  it('a refusal while the job works is told', async () => {
    const one = await over((seen, below) => {
      if (seen.method === 'POST') return refusal(409, 'Conflict', 'not now');
      return below === '/jobs/j' ? answer({ name: 'j', properties: { status: 'Running' } }) : undefined;
    });

    await expect(one.backend.cancel('j', 'late')).rejects.toMatchObject({
      code: 'backend-refused',
      message: expect.stringContaining('not now') as string,
    });
  });
});

describe('whether it could take a job', () => {
  const compute = (properties: unknown) => over((seen, below) => (below === '/computes/cpu' ? answer({ properties }) : undefined));

  it.each([
    [
      { computeType: 'AmlCompute', provisioningState: 'Succeeded', properties: { scaleSettings: { maxNodeCount: 4 } } },
      { available: true },
    ],
    [
      { computeType: 'AmlCompute', provisioningState: 'Succeeded', properties: { scaleSettings: { maxNodeCount: 0 } } },
      { available: false, missing: 'compute "cpu" may have no node (its maximum is 0)' },
    ],
    [
      { provisioningState: 'Failed', provisioningErrors: [{ error: { code: 'Q', message: 'no quota' } }] },
      { available: false, missing: 'compute "cpu" is not provisioned (Failed): no quota' },
    ],
  ])('by its compute %#', async (properties, expected) => {
    const one = await compute(properties);

    await expect(one.backend.check(oneStep())).resolves.toEqual(expected);
  });

  it('a compute that is not there, machines that cannot be asked for, and none that is needed', async () => {
    const one = await over();
    const serverless = await over(undefined, { compute: 'serverless' });
    const nodes = { selector: { intelvm: 'sgx' }, tolerations: [], minimum: 1, enclave: 'none' as const };

    await expect(one.backend.check(oneStep())).resolves.toEqual({ available: false, missing: 'workspace ws has no compute "cpu"' });
    await expect(one.backend.check({ ...oneStep(), nodes })).resolves.toMatchObject({
      available: false,
      missing: expect.stringContaining('intelvm=sgx') as string,
    });
    await expect(serverless.backend.check(oneStep())).resolves.toEqual({ available: true });
  });
});

it('metrics of a job come from MLflow; what is not a finite number is named and left out', async () => {
  const metrics = [
    { key: 'auc', value: 0.9466 },
    { key: 'loss', value: 'NaN' },
    { key: 'ratio', value: 'Infinity' },
  ];
  const one = await over((seen, below) =>
    below.endsWith('/runs/get') && seen.query['run_id'] === 'j' ? answer({ run: { info: { run_id: 'j' }, data: { metrics } } }) : undefined,
  );

  await expect(one.backend.readMlflowMetrics('j')).resolves.toEqual({ metrics: { auc: 0.9466 }, notFinite: ['loss', 'ratio'] });
  await expect(one.backend.readMlflowMetrics('other')).resolves.toBeNull();
});
