// What SageMaker and the network do to a promotion: lost answers, lag, quotas, shut doors, a name that is taken, a model that answers wrongly.
import { inspect } from 'node:util';
import {
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DeleteEndpointConfigCommand,
  DescribeEndpointCommand,
  DescribeModelCommand,
  UpdateEndpointWeightsAndCapacitiesCommand,
} from '@aws-sdk/client-sagemaker';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SageMakerOptions } from '../../../../local/cloud/sagemaker/sagemaker.ts';
import { ENDPOINT } from '../../../contracts/serving-platform.suite.ts';
import { type LocalAws, REGION, ROLE, startLocalAws } from '../../clients/local-aws.ts';
import { EXECUTION_ROLE, IMAGE, type LocalSagemaker, startSagemaker } from './local-sagemaker.ts';

let aws: LocalAws;
let sagemaker: LocalSagemaker;
const place = { region: REGION, endpoint: ENDPOINT };
const DENIED = `arn:aws:sagemaker:${REGION}:123456789012:endpoint/forbidden*`;
beforeAll(async () => {
  aws = await startLocalAws({
    permissions: {
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: '*', Resource: '*' },
        { Effect: 'Deny', Action: 'sagemaker:*', Resource: DENIED },
        { Effect: 'Deny', Action: 's3:GetObject', Resource: 'arn:aws:s3:::models-of-the-test/secret/*' },
      ],
    },
  });
});
afterAll(() => aws.close());
afterEach(() => sagemaker.close());

const start = async (options: Partial<SageMakerOptions> = {}) => {
  sagemaker = await startSagemaker(aws, options);
  return sagemaker;
};
const client = () => sagemaker.clients.sagemaker(REGION);
/** Stages, applies and waits until nothing moves. */
async function serve(model: Record<string, unknown>, change = {}): Promise<string> {
  const { configName } = await sagemaker.platform.stage(await sagemaker.request(model, change));
  await sagemaker.platform.apply(place, configName, {});
  await sagemaker.cloud.settled();
  return configName;
}

describe('a lost answer', () => {
  it.each(['CreateModel', 'CreateEndpointConfig'])('to %s: what is there is compared and taken', async (operation) => {
    const { cloud, platform, request } = await start();
    cloud.faults.add({ match: { operation }, action: 'reset-after' });

    const staged = await platform.stage(await request({ label: 'one' }));

    await expect(platform.stage(await request({ label: 'one' }))).resolves.toEqual(staged);
  });

  it('to CreateEndpoint: one endpoint, and it was created', async () => {
    const { cloud, platform, request } = await start();
    const { configName } = await platform.stage(await request({ label: 'one' }));
    cloud.faults.add({ match: { operation: 'CreateEndpoint' }, action: 'reset-after' });

    await expect(platform.apply(place, configName, {})).resolves.toBe('created');
    await cloud.settled();
    await expect(platform.read(place)).resolves.toMatchObject({ status: 'in-service', configName });
  });

  it('to UpdateEndpoint: the update that is under way is ours', async () => {
    const { cloud, platform, request } = await start();
    await serve({ label: 'one' });
    const { configName } = await platform.stage(await request({ label: 'two' }));
    cloud.faults.add({ match: { operation: 'UpdateEndpoint' }, action: 'reset-after' });

    await expect(platform.apply(place, configName, {})).resolves.toBe('updated');
    await cloud.settled();
    await expect(platform.read(place)).resolves.toMatchObject({ status: 'in-service', configName });
  });

  it('to DeleteEndpoint: the deletion that is under way is ours', async () => {
    const { cloud, platform } = await start();
    await serve({ label: 'one' });
    cloud.faults.add({ match: { operation: 'DeleteEndpoint' }, action: 'reset-after' });

    const answer = await platform.restore(place, null).catch((error: unknown) => error);

    // The repeat of the SDK meets a deletion under way or a name that is free again; either way the next look says so.
    if (answer instanceof Error) expect(answer).toMatchObject({ code: 'endpoint-busy' });
    await cloud.settled();
    await expect(platform.restore(place, null)).resolves.toBe('unchanged');
  });
});

describe('what is not there yet', () => {
  it('is asked for again: a model, then a configuration, that the next step does not see', async () => {
    const { cloud, platform, request } = await start({ consistencyLagMs: 60_000 });
    const wanted = await request({ label: 'one' });
    const later = { name: 'TransientError', code: 'not-visible-yet' };

    await expect(platform.stage(wanted)).rejects.toMatchObject(later);
    aws.clock.advance(61_000);
    const { configName } = await platform.stage(wanted);
    await expect(platform.apply(place, configName, {})).rejects.toMatchObject(later);
    aws.clock.advance(61_000);
    await expect(platform.apply(place, configName, {})).resolves.toBe('created');

    await cloud.settled();
    aws.clock.set(Date.now());
  });
});

describe('storms', () => {
  it.each([
    ['ThrottlingException', 400, 'platform-throttled'],
    ['InternalFailure', 500, 'platform-failing'],
    ['ServiceUnavailable', 503, 'platform-failing'],
  ])('%s passes', async (type, status, code) => {
    const { cloud, platform } = await start();
    cloud.faults.add({
      match: { operation: 'DescribeEndpoint' },
      action: 'status',
      status,
      times: 3,
      body: { __type: type, message: 'later' },
    });

    await expect(platform.read(place)).rejects.toMatchObject({ name: 'TransientError', code });
    await expect(platform.read(place)).resolves.toMatchObject({ status: 'absent' });
  });

  it("a proxy's page is a storm too", async () => {
    const { cloud, platform } = await start();
    cloud.faults.add({
      match: { operation: 'DescribeEndpoint' },
      action: 'status',
      status: 502,
      times: 3,
      body: '<html>bad gateway</html>',
    });

    await expect(platform.read(place)).rejects.toMatchObject({ name: 'TransientError' });
  });

  it('a service that cannot be reached is a storm', async () => {
    const { platform } = await start();
    aws.setEnvironment('AWS_ENDPOINT_URL_SAGEMAKER', 'http://127.0.0.1:1');

    await expect(platform.read(place)).rejects.toMatchObject({ name: 'TransientError', code: 'platform-unreachable' });
  });
});

describe('what will never work', () => {
  it('a missing permission names the role and the action, and keeps no secret', async () => {
    const { platform } = await start();

    const error: unknown = await platform.read({ region: REGION, endpoint: 'forbidden-endpoint' }).catch((reason: unknown) => reason);

    expect(error).toMatchObject({
      name: 'RejectedError',
      code: 'platform-forbidden',
      message: expect.stringMatching(/assumed-role\/promoter.*DescribeEndpoint/) as string,
    });
    expect(inspect(error, { depth: 12, showHidden: true })).not.toMatch(/X-Amz-Security-Token|x-amz-security-token|AWS4-HMAC/i);
    await expect(sagemaker.artifacts.head({ region: REGION, bucket: 'models-of-the-test', key: 'secret/x' })).rejects.toMatchObject({
      code: 'artifact-forbidden',
      message: expect.stringContaining('s3:ListBucket') as string,
    });
  });

  it('a quota says what to ask for', async () => {
    const { platform, request } = await start({ instanceQuotas: { 'ml.m5.large': 1 } });
    await serve({ label: 'one' });
    const { configName } = await platform.stage(await request({ label: 'two' }));

    await expect(platform.apply(place, configName, {})).rejects.toMatchObject({
      name: 'RejectedError',
      code: 'quota-exceeded',
      message: expect.stringContaining('quota') as string,
    });
    await expect(platform.read(place)).resolves.toMatchObject({ status: 'in-service' });
  });

  it('an unknown refusal is shown, not guessed at', async () => {
    const { cloud, platform } = await start();
    cloud.faults.add({
      match: { operation: 'DescribeEndpoint' },
      action: 'status',
      status: 400,
      body: { __type: 'ValidationException', message: 'The moon is in the wrong house.' },
    });

    await expect(platform.read(place)).rejects.toMatchObject({
      name: 'RejectedError',
      code: 'platform-refused',
      message: expect.stringContaining('wrong house') as string,
    });
  });

  it('a name that somebody else took for another model or configuration is a conflict that says what differs', async () => {
    const { platform, request } = await start();
    const wanted = await request({ label: 'one' });
    const { modelName, configName } = await platform.stage(wanted);
    await sagemaker.close();
    const fresh = await start();
    const foreign = { Image: IMAGE, ModelDataUrl: wanted.artifactUri, Environment: { SLUICE_MODEL_DIGEST: 'f'.repeat(64) } };
    const service = await client();
    await service.send(
      new CreateModelCommand({
        ModelName: modelName,
        PrimaryContainer: foreign,
        ExecutionRoleArn: EXECUTION_ROLE,
        EnableNetworkIsolation: true,
      }),
    );

    await expect(fresh.platform.stage(wanted)).rejects.toMatchObject({
      code: 'name-conflict',
      message: expect.stringMatching(/model.*SLUICE_MODEL_DIGEST/) as string,
    });

    await sagemaker.close();
    const another = await start();
    const other = { VariantName: 'main', ModelName: modelName, InstanceType: 'ml.c5.xlarge' as const, InitialInstanceCount: 1 };
    await (
      await client()
    ).send(
      new CreateModelCommand({
        ModelName: modelName,
        PrimaryContainer: { ...foreign, Environment: { SLUICE_MODEL_DIGEST: wanted.modelDigest } },
        ExecutionRoleArn: EXECUTION_ROLE,
        EnableNetworkIsolation: true,
      }),
    );
    await (await client()).send(new CreateEndpointConfigCommand({ EndpointConfigName: configName, ProductionVariants: [other] }));
    await expect(another.platform.stage(wanted)).rejects.toMatchObject({
      code: 'name-conflict',
      message: expect.stringMatching(/configuration.*instance type.*ml\.c5\.xlarge/) as string,
    });
  });
});

describe('the created things', () => {
  it('carry image, archive, digest, isolation and tags', async () => {
    const { platform, request } = await start();
    const wanted = await request({ label: 'one' });
    const { modelName } = await platform.stage(wanted);

    const model = await (await client()).send(new DescribeModelCommand({ ModelName: modelName }));

    expect(model).toMatchObject({
      PrimaryContainer: { Image: IMAGE, ModelDataUrl: wanted.artifactUri, Environment: { SLUICE_MODEL_DIGEST: wanted.modelDigest } },
      ExecutionRoleArn: EXECUTION_ROLE,
      EnableNetworkIsolation: true,
    });
  });
});

describe('capacity across an update', () => {
  const running = async () => {
    const found = await (await client()).send(new DescribeEndpointCommand({ EndpointName: ENDPOINT }));
    return found.ProductionVariants?.map((variant) => [variant.DesiredInstanceCount, variant.DesiredWeight]);
  };
  async function scale(change: { DesiredInstanceCount?: number; DesiredWeight?: number }) {
    await (
      await client()
    ).send(
      new UpdateEndpointWeightsAndCapacitiesCommand({
        EndpointName: ENDPOINT,
        DesiredWeightsAndCapacities: [{ VariantName: 'main', ...change }],
      }),
    );
    await sagemaker.cloud.settled();
  }

  it('keeps what autoscaling found when the owner changed only the model, and takes the weight of the configuration', async () => {
    await start();
    await serve({ label: 'one' });
    await scale({ DesiredInstanceCount: 3, DesiredWeight: 0.25 });

    await serve({ label: 'two' });

    expect(await running()).toEqual([[3, 1]]);
  });

  it('takes the count of the file when the owner changed it', async () => {
    await start();
    await serve({ label: 'one' });
    await scale({ DesiredInstanceCount: 3 });

    await serve({ label: 'one' }, { instanceCount: 2 });

    expect(await running()).toEqual([[2, 1]]);
  });
});

describe('a rollback without a reason', () => {
  it('is told by the configuration, not by the status', async () => {
    const { platform } = await start({ rollbackReason: 'empty' });
    const old = await serve({ label: 'one' });
    await serve({ label: 'bad', ping: 500 });

    await expect(platform.read(place)).resolves.toEqual({ status: 'in-service', configName: old, pendingConfig: null, reason: null });
  });

  it('cannot go back to a configuration that was deleted', async () => {
    const { platform } = await start();
    const old = await serve({ label: 'one' });
    await serve({ label: 'two' });
    await (await client()).send(new DeleteEndpointConfigCommand({ EndpointConfigName: old }));

    await expect(platform.restore(place, old)).rejects.toMatchObject({ code: 'config-gone' });
  });
});

describe('a model that answers', () => {
  it.each([
    ['with an error', { status: 500, body: 'ValueError: row 0 has 2 numbers, expected 13' }, 'model-error', /answered 500.*expected 13/],
    ['with a refusal', { status: 400, body: 'no' }, 'model-error', /400/],
    ['with a page', { body: '<html>' }, 'answer-invalid', /not JSON/],
    ['with something else', { body: '{"answer":42}' }, 'answer-invalid', /predictions/],
    ['for fewer rows', { body: '{"predictions":[{"label":"a","probability":1}]}' }, 'answer-invalid', /1 predictions for 2 rows/],
    ['without labels', { body: '{"predictions":[{"probability":1},{"probability":1}]}' }, 'answer-invalid', /label/],
    ['with NaN', { body: '{"predictions":[{"label":"a","probability":NaN},{"label":"a"}]}' }, 'answer-invalid', /not JSON/],
  ])('%s is not an answer', async (name, answer, code, message) => {
    const { platform } = await start();
    await serve({ label: name, answer });

    await expect(platform.invoke(place, [[1], [2]])).rejects.toMatchObject({
      name: 'RejectedError',
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  it('with numbers is an answer, also from a server that gives each a label', async () => {
    const { platform } = await start();
    await serve({ label: 'numbers', answer: { body: '{"predictions":[{"value":235.1124},{"label":"246.798700","value":246.7987}]}' } });

    await expect(platform.invoke(place, [['RENT', null, true], { home: 'RENT' }])).resolves.toEqual([
      { value: 235.1124 },
      { value: 246.7987 },
    ]);
  });

  it('without a probability is an answer', async () => {
    const { platform } = await start();
    await serve({ label: 'bare', answer: { body: '{"predictions":[{"label":"a"},{"label":"b","probability":null}]}' } });

    await expect(platform.invoke(place, [[1], [2]])).resolves.toEqual([
      { label: 'a', probability: null },
      { label: 'b', probability: null },
    ]);
  });

  it.each([
    ['ModelNotReadyException', 429],
    ['ServiceUnavailable', 503],
    ['InternalDependencyException', 530],
  ])('%s means later', async (type, status) => {
    const { cloud, platform } = await start();
    cloud.faults.add({
      match: { operation: 'InvokeEndpoint' },
      action: 'status',
      status,
      times: 4,
      headers: { 'x-amzn-errortype': type },
      body: { Message: 'wait' },
    });

    await expect(platform.invoke(place, [[1]])).rejects.toMatchObject({ name: 'TransientError', code: 'endpoint-not-ready' });
  });

  it('is not asked what is too large to be sent', async () => {
    const { platform } = await start();
    const rows = Array.from({ length: 600_000 }, () => [-200, -200, -200]);

    await expect(platform.invoke(place, rows)).rejects.toMatchObject({
      code: 'rows-too-large',
      message: expect.stringContaining('600000 rows') as string,
    });
  });
});

describe('identity', () => {
  it('is the assumed role', async () => {
    const { platform } = await start();

    await expect(platform.probe(REGION)).resolves.toEqual({
      identity: `arn:aws:sts::123456789012:assumed-role/${ROLE.split('/').at(-1)}/sluice-test`,
    });
  });
});
