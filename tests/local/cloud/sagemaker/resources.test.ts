// Models, configs, tags and lists of the local SageMaker: the closed world of inputs, the limits, the permissions.
// Names, limits and texts are those of facts/sagemaker.md §1.2, §1.6 and §3.8.
import type { SageMakerClient } from '@aws-sdk/client-sagemaker';
import {
  AddTagsCommand,
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DeleteModelCommand,
  DescribeEndpointConfigCommand,
  DescribeModelCommand,
  ListEndpointsCommand,
  ListModelsCommand,
  ListTagsCommand,
  UpdateEndpointCommand,
} from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { roleArn } from '../sts/account.ts';
import { arn, BUCKET, DIGEST, IMAGE, startStudio, type Studio } from './studio.ts';

let studio: Studio;
let sagemaker: SageMakerClient;
beforeAll(async () => {
  studio = await startStudio();
  sagemaker = studio.client();
});
afterAll(async () => {
  await studio.close();
});

const model = (ModelName: string, container: object = {}, more: object = {}) =>
  sagemaker.send(
    new CreateModelCommand({
      ModelName,
      ExecutionRoleArn: roleArn('execution'),
      PrimaryContainer: { Image: IMAGE, ...container },
      ...more,
    }),
  );
const variant = (more: object = {}) => ({
  VariantName: 'main',
  ModelName: 'base',
  InitialInstanceCount: 1,
  InstanceType: 'ml.m5.large' as const,
  ...more,
});
const config = (EndpointConfigName: string, ...variants: ReturnType<typeof variant>[]) =>
  sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName, ProductionVariants: variants }));
const refusal = (message: RegExp) => ({ name: 'ValidationException', message: expect.stringMatching(message) as string });

describe('a model', () => {
  it('is described as it was created, and its name is taken', async () => {
    const ModelDataUrl = await studio.archive('described', {});
    const created = await model('described', { ModelDataUrl, Environment: { A: '1' } }, { Tags: [{ Key: 'digest', Value: 'abc' }] });

    const described = await sagemaker.send(new DescribeModelCommand({ ModelName: 'described' }));

    expect(created.ModelArn).toBe(arn('model', 'described'));
    expect(described).toMatchObject({
      ModelName: 'described',
      PrimaryContainer: { Image: IMAGE, ModelDataUrl, Environment: { A: '1' } },
      ExecutionRoleArn: roleArn('execution'),
    });
    expect(Math.abs((described.CreationTime?.getTime() ?? 0) - studio.account.clock.now())).toBeLessThan(60_000);
    await expect(model('described')).rejects.toMatchObject(refusal(/^Cannot create already existing model "arn/));
  });

  it.each([
    ['a name with an underscore', () => model('bad_name'), /Value at 'modelName'/],
    ['a name that ends with a hyphen', () => model('bad-'), /Value at 'modelName'/],
    ['a name of 64 characters', () => model('a'.repeat(64)), /Value at 'modelName'/],
    ['an image by tag', () => model('m', { Image: 'repository:latest' }), /by digest.*tags are refused/],
    ['an image that is not here', () => model('m', { Image: `other@${DIGEST}` }), /^Requested image other@sha256:a+ not found\.$/],
    ['model data that is not there', () => model('m', { ModelDataUrl: `s3://${BUCKET}/none` }), /^Could not find model data at s3:/],
    ['data from another protocol', () => model('m', { ModelDataUrl: 'ftp://x/y' }), /modelDataUrl/],
    ['a role that is not an ARN', () => model('m', {}, { ExecutionRoleArn: 'admin-role-of-somebody' }), /executionRoleArn/],
    ['an environment key with a hyphen', () => model('m', { Environment: { 'a-b': '1' } }), /environment/],
    [
      'an environment of 101 entries',
      () => model('m', { Environment: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`K${i}`, ''])) }),
      /100 entries/,
    ],
    ['51 tags', () => model('m', {}, { Tags: Array.from({ length: 51 }, (_, i) => ({ Key: `k${i}`, Value: '' })) }), /tags/],
    ['no container', () => model('m', {}, { PrimaryContainer: undefined }), /PrimaryContainer or Containers/],
  ])('with %s is refused', async (_, create, message) => {
    await expect(create()).rejects.toMatchObject(refusal(message));
  });

  it('is not found after it was deleted', async () => {
    await model('short-lived');
    await sagemaker.send(new DeleteModelCommand({ ModelName: 'short-lived' }));

    const message = `Could not find model "${arn('model', 'short-lived')}".`;
    await expect(sagemaker.send(new DescribeModelCommand({ ModelName: 'short-lived' }))).rejects.toMatchObject({ message });
    await expect(sagemaker.send(new DeleteModelCommand({ ModelName: 'short-lived' }))).rejects.toMatchObject({ message });
  });

  it('may be called like a property of every object', async () => {
    await expect(sagemaker.send(new DescribeModelCommand({ ModelName: 'constructor' }))).rejects.toMatchObject(
      refusal(/^Could not find model/),
    );
    await model('constructor');

    expect((await sagemaker.send(new DescribeModelCommand({ ModelName: 'constructor' }))).ModelName).toBe('constructor');
  });
});

describe('an endpoint configuration', () => {
  beforeAll(async () => {
    await model('base');
  });

  it('is described as it was created, with the default weight', async () => {
    await config('described', variant({ VolumeSizeInGB: 8 }), variant({ VariantName: 'second', InitialVariantWeight: 0 }));

    const { ProductionVariants } = await sagemaker.send(new DescribeEndpointConfigCommand({ EndpointConfigName: 'described' }));

    expect(ProductionVariants).toEqual([
      variant({ VolumeSizeInGB: 8, InitialVariantWeight: 1 }),
      variant({ VariantName: 'second', InitialVariantWeight: 0 }),
    ]);
    await expect(config('described', variant())).rejects.toMatchObject(
      refusal(/^Cannot create already existing endpoint configuration "arn/),
    );
  });

  it.each([
    ['no variant', () => config('c'), /productionVariants/],
    ['11 variants', () => config('c', ...Array.from({ length: 11 }, (_, i) => variant({ VariantName: `v${i}` }))), /productionVariants/],
    ['two variants of one name', () => config('c', variant(), variant()), /unique/],
    ['zero instances', () => config('c', variant({ InitialInstanceCount: 0 })), /initialInstanceCount/],
    ['a negative weight', () => config('c', variant({ InitialVariantWeight: -1 })), /initialVariantWeight/],
    ['an instance type of another service', () => config('c', variant({ InstanceType: 'm5.large' })), /instanceType/],
    ['a model that is not there', () => config('c', variant({ ModelName: 'none' })), /^Could not find model "arn/],
    ['a startup window of 59 s', () => config('c', variant({ ContainerStartupHealthCheckTimeoutInSeconds: 59 })), /containerStartup/],
    [
      'serverless, which is not played here',
      () => config('c', variant({ ServerlessConfig: { MemorySizeInMB: 1024, MaxConcurrency: 1 } })),
      /Unknown member ServerlessConfig/,
    ],
  ])('with %s is refused', async (_, create, message) => {
    await expect(create()).rejects.toMatchObject(refusal(message));
  });
});

describe('deployment settings that would not be carried out', () => {
  const traffic = (Type: string) => ({ BlueGreenUpdatePolicy: { TrafficRoutingConfiguration: { Type, WaitIntervalInSeconds: 0 } } });
  const update = (DeploymentConfig: object) =>
    sagemaker.send(new UpdateEndpointCommand({ EndpointName: 'e', EndpointConfigName: 'c', DeploymentConfig }));

  it('are refused, not taken and forgotten', async () => {
    await expect(update(traffic('CANARY'))).rejects.toMatchObject(refusal(/only ALL_AT_ONCE/));
    await expect(update({ ...traffic('ALL_AT_ONCE'), AutoRollbackConfiguration: { Alarms: [{ AlarmName: 'a' }] } })).rejects.toMatchObject(
      refusal(/Unknown member AutoRollbackConfiguration/),
    );
    await expect(update(traffic('ALL_AT_ONCE'))).rejects.toMatchObject(refusal(/^Could not find endpoint "arn/));
  });
});

describe('members that nobody knows', () => {
  /** The SDK drops unknown members itself (§0.5), so the body is changed after it was serialised and before it is signed. */
  async function raw(operation: string, body: object, target = 'SageMaker'): Promise<unknown> {
    const client = studio.client();
    client.middlewareStack.add(
      (next) => (args) => {
        const request = args.request as { headers: Record<string, string>; body: string };
        request.body = JSON.stringify(body);
        request.headers['content-length'] = String(request.body.length);
        request.headers['x-amz-target'] = `${target}.${operation}`;
        return next(args);
      },
      { step: 'build', priority: 'low' },
    );
    return client.send(new ListModelsCommand({})).catch((error: unknown) => error);
  }

  it('are refused by name', async () => {
    const BlueGreenUpdatePolicy = { TrafficRoutingConfig: {} };
    const answer = await raw('CreateEndpoint', {
      EndpointName: 'e',
      EndpointConfigName: 'c',
      Bogus: 1,
      DeploymentConfig: { BlueGreenUpdatePolicy },
    });

    expect(answer).toMatchObject(refusal(/Unknown member Bogus in CreateEndpoint/));
    expect(answer).toMatchObject(refusal(/Unknown member TrafficRoutingConfig in DeploymentConfig.BlueGreenUpdatePolicy/));
  });

  it('as operations are refused too', async () => {
    const unknown = { name: 'UnknownOperationException', $metadata: { httpStatusCode: 404 } };
    expect(await raw('CreateTrainingJob', {})).toMatchObject(unknown);
    expect(await raw('toString', {})).toMatchObject(unknown);
    expect(await raw('ListModels', {}, 'Other')).toMatchObject(unknown);
    expect(await raw('ListModels', { MaxResults: 1 })).toMatchObject({ Models: [{}] });
  });
});

describe('tags', () => {
  it('overwrite each other by key and are listed', async () => {
    await model(
      'tagged',
      {},
      {
        Tags: [
          { Key: 'a', Value: '1' },
          { Key: '__proto__', Value: 'x' },
        ],
      },
    );
    const ResourceArn = arn('model', 'tagged');
    await sagemaker.send(new AddTagsCommand({ ResourceArn, Tags: [{ Key: 'a', Value: '2' }] }));

    const { Tags } = await sagemaker.send(new ListTagsCommand({ ResourceArn }));

    expect(Tags).toEqual([
      { Key: '__proto__', Value: 'x' },
      { Key: 'a', Value: '2' },
    ]);
    await expect(sagemaker.send(new ListTagsCommand({ ResourceArn: arn('model', 'none') }))).rejects.toMatchObject(
      refusal(/^Could not find/),
    );
  });
});

describe('lists', () => {
  it('come in pages, filtered and sorted', async () => {
    for (const name of ['page-a', 'page-b', 'page-c']) await model(name);
    const list = (more: object) =>
      sagemaker.send(new ListModelsCommand({ NameContains: 'PAGE-', SortBy: 'Name', SortOrder: 'Ascending', MaxResults: 2, ...more }));

    const first = await list({});
    const second = await list({ NextToken: first.NextToken });

    expect([first, second].map(({ Models }) => Models?.map(({ ModelName }) => ModelName))).toEqual([['page-a', 'page-b'], ['page-c']]);
    expect(second.NextToken).toBeUndefined();
    expect((await sagemaker.send(new ListEndpointsCommand({}))).Endpoints).toEqual([]);
  });
});

describe('permissions', () => {
  const session = (...Statement: object[]) => studio.client(studio.account.credentials('promoter', { Version: '2012-10-17', Statement }));
  const allow = (Action: string[], Resource: string | string[]) => ({ Effect: 'Allow', Action, Resource });
  const denied = (action: string) => ({
    name: 'AccessDeniedException',
    message: expect.stringMatching(new RegExp(`test-session is not authorized to perform: ${action} on`)) as string,
  });

  it('are needed for the endpoint and its config', async () => {
    await model('for-permissions');
    await config('for-permissions', variant({ ModelName: 'for-permissions' }));
    const create = new CreateEndpointCommand({ EndpointName: 'app-one', EndpointConfigName: 'for-permissions' });

    const endpointOnly = session(allow(['sagemaker:CreateEndpoint'], arn('endpoint', 'app-*')));

    await expect(endpointOnly.send(create)).rejects.toMatchObject(denied('sagemaker:CreateEndpoint'));
  });

  it('are needed to pass the execution role and to tag', async () => {
    const create = (more: object = {}) =>
      new CreateModelCommand({ ModelName: 'app-m', ExecutionRoleArn: roleArn('execution'), PrimaryContainer: { Image: IMAGE }, ...more });
    const models = allow(['sagemaker:CreateModel'], arn('model', 'app-*'));
    const pass = allow(['iam:PassRole'], roleArn('execution'));

    await expect(session(models).send(create())).rejects.toMatchObject(denied('iam:PassRole'));
    await expect(session(models, pass).send(create({ Tags: [{ Key: 'a', Value: 'b' }] }))).rejects.toMatchObject(
      denied('sagemaker:AddTags'),
    );
    await expect(session(models, pass).send(create({ ModelName: 'other' }))).rejects.toMatchObject(denied('sagemaker:CreateModel'));
    await expect(session(models, pass).send(create())).resolves.toBeDefined();
  });

  it('need a signature by credentials that are known and alive', async () => {
    const list = (change: object) =>
      studio.client({ ...studio.account.credentials(), ...change }, { maxAttempts: 1 }).send(new ListModelsCommand({}));

    await expect(list({ secretAccessKey: 'guess' })).rejects.toMatchObject({ name: 'InvalidSignatureException' });
    await expect(list({ sessionToken: 'x.y' })).rejects.toMatchObject({ name: 'UnrecognizedClientException' });
    await expect(
      fetch(studio.url, { method: 'POST', headers: { 'x-amz-target': 'SageMaker.ListModels' } }).then(({ status }) => status),
    ).resolves.toBe(403);
  });
});
