// InvokeEndpoint of the local SageMaker: variants, headers, limits, and failures as the runtime reports them.
// Source: facts/sagemaker.md §1.5, §1.6, §2.
import { CreateEndpointCommand, CreateEndpointConfigCommand } from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand } from '@aws-sdk/client-sagemaker-runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACCOUNT_ID } from '../sts/account.ts';
import { arn, startStudio, type Studio } from './studio.ts';

let studio: Studio;
const variants: Record<string, object> = {
  half: {},
  quarter: {},
  idle: {},
  echo: { invoke: 'echo' },
  hang: { invoke: 'hang' },
  exit: { invoke: 'exit' },
  refuse: { invoke: { status: 415, body: 'no such type' } },
  broken: { invoke: { status: 500, body: 'traceback' } },
};

beforeAll(async () => {
  studio = await startStudio({ invocationMs: 1_500, restartMs: 60_000 });
  for (const [name, model] of Object.entries(variants)) await studio.config(name, model);
  const weight: Record<string, number> = { half: 2, quarter: 1 };
  const ProductionVariants = Object.keys(variants).map((name) => ({
    VariantName: name,
    ModelName: name,
    InitialInstanceCount: 1,
    InstanceType: 'ml.m5.large' as const,
    InitialVariantWeight: weight[name] ?? 0,
  }));
  await studio.client().send(new CreateEndpointConfigCommand({ EndpointConfigName: 'all', ProductionVariants }));
  await studio.client().send(new CreateEndpointCommand({ EndpointName: 'Ble', EndpointConfigName: 'all' }));
  expect((await studio.settle('ble')).EndpointStatus).toBe('InService');
}, 120_000);
afterAll(async () => {
  await studio.close();
});

const ask = (TargetVariant: string, more: object = {}) => studio.invoke('Ble', [1], { TargetVariant, ...more });

describe('routing', () => {
  it('shares by weight; a variant of weight 0 is reached by name only', async () => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < 9; i += 1) {
      const { variant = '' } = await studio.invoke('Ble', []);
      counts[variant] = (counts[variant] ?? 0) + 1;
    }

    expect(counts).toEqual({ half: 6, quarter: 3 });
    expect(await ask('idle')).toMatchObject({ model: 'idle', variant: 'idle' });
  });

  it('does not find an endpoint that is not there, nor one in another case, nor another variant', async () => {
    const missing = (name: string) => ({ name: 'ValidationError', message: `Endpoint ${name} of account ${ACCOUNT_ID} not found.` });
    await expect(studio.invoke('none', [])).rejects.toMatchObject(missing('none'));
    await expect(studio.invoke('ble', [])).rejects.toMatchObject(missing('ble'));
    await expect(ask('none')).rejects.toMatchObject({ name: 'ValidationError' });
  });
});

describe('what passes', () => {
  it('is accept and custom attributes on the way in, attributes and type on the way out', async () => {
    const command = new InvokeEndpointCommand({
      EndpointName: 'Ble',
      TargetVariant: 'idle',
      Body: '[1]',
      ContentType: 'application/json',
      Accept: 'application/json',
      CustomAttributes: 'trace=1',
      InferenceId: 'id-1',
    });
    const answer = await studio.runtime().send(command);

    expect(answer).toMatchObject({ ContentType: 'application/json', CustomAttributes: 'answered', InvokedProductionVariant: 'idle' });
    expect(JSON.parse(answer.Body.transformToString())).toMatchObject({ accept: 'application/json', custom: 'trace=1', rows: [1] });
  });

  it('is a body of up to 6 291 456 bytes, unchanged', async () => {
    const send = (size: number) =>
      studio
        .runtime()
        .send(
          new InvokeEndpointCommand({ EndpointName: 'Ble', TargetVariant: 'echo', Body: new Uint8Array(size).fill(7), ContentType: 'a/b' }),
        );

    const whole = await send(6_291_456);

    expect([whole.Body.length, whole.ContentType, whole.Body.every((byte) => byte === 7)]).toEqual([6_291_456, 'a/b', true]);
    await expect(send(6_291_457)).rejects.toMatchObject({ name: 'ValidationError', $metadata: { httpStatusCode: 413 } });
  });

  it('is not an identifier that is too long, nor a header without effect here', async () => {
    await expect(ask('idle', { InferenceId: 'i'.repeat(65) })).rejects.toMatchObject({ name: 'ValidationError' });
    await expect(ask('idle', { CustomAttributes: 'c'.repeat(1_025) })).rejects.toMatchObject({ name: 'ValidationError' });
    await expect(ask('idle', { TargetModel: 'other.tar.gz' })).rejects.toMatchObject({
      name: 'ValidationError',
      message: expect.stringContaining('x-amzn-sagemaker-target-model') as string,
    });
  });
});

describe('failures of the model', () => {
  it.each([
    ['refuse', 415, 'no such type', /^Received client error \(415\) from primary with message "no such type"/],
    ['broken', 500, 'traceback', /^Received server error \(500\) from primary with message "traceback"/],
    ['hang', 0, '', /timed out while waiting for a response from container primary/],
  ])('of variant %s are a ModelError that tells the original', async (variant, status, text, message) => {
    await expect(ask(variant)).rejects.toMatchObject({
      name: 'ModelError',
      message: expect.stringMatching(message) as string,
      OriginalStatusCode: status,
      OriginalMessage: text,
      $metadata: { httpStatusCode: 424, attempts: 1 },
    });
  });

  it('that end the process are a ModelError, and until it is back a ModelNotReadyException', async () => {
    await expect(ask('exit')).rejects.toMatchObject({ name: 'ModelError', OriginalStatusCode: 0 });
    let second: unknown;
    // The end of the process is seen a moment after its connection.
    for (let tries = 0; tries < 100; tries += 1) {
      second = await ask('exit').catch((error: unknown) => error);
      if ((second as Error).name === 'ModelNotReadyException') break;
    }
    expect(second).toMatchObject({ name: 'ModelNotReadyException', $metadata: { httpStatusCode: 429 } });
  });
});

describe('permission to invoke', () => {
  it('is one of its own', async () => {
    const invoke = (Action: string, Resource: string) => {
      const credentials = studio.account.credentials('promoter', {
        Version: '2012-10-17',
        Statement: { Effect: 'Allow', Action, Resource },
      });
      return studio
        .runtime(credentials)
        .send(new InvokeEndpointCommand({ EndpointName: 'Ble', Body: '[]', ContentType: 'application/json' }));
    };

    await expect(invoke('sagemaker:InvokeEndpoint', arn('endpoint', 'ble'))).resolves.toBeDefined();
    await expect(invoke('sagemaker:InvokeEndpoint', arn('endpoint', 'other'))).rejects.toMatchObject({ name: 'AccessDeniedException' });
    await expect(invoke('sagemaker:DescribeEndpoint', '*')).rejects.toMatchObject({ name: 'AccessDeniedException' });
  });
});
