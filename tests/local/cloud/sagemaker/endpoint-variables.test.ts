// The AWS SDK's own variables choose the stand-ins: no client needs an `endpoint` option.
// This is how the product is pointed at local/cloud, or at any other stand-in.
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ListModelsCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { REGION } from '../sts/account.ts';
import { BUCKET, startStudio, type Studio } from './studio.ts';

let studio: Studio;
beforeEach(async () => {
  studio = await startStudio();
  vi.stubEnv('AWS_ENDPOINT_URL_SAGEMAKER', studio.url);
  vi.stubEnv('AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME', studio.url);
  vi.stubEnv('AWS_ENDPOINT_URL_S3', studio.s3Url);
  vi.stubEnv('AWS_ENDPOINT_URL_STS', studio.account.stsUrl);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await studio.close();
});

it('for SageMaker, its runtime, S3 and STS', async () => {
  const config = { region: REGION, credentials: studio.account.credentials() };

  const models = await new SageMakerClient(config).send(new ListModelsCommand({}));
  const command = new InvokeEndpointCommand({ EndpointName: 'none', Body: '[]' });
  const invoked = await new SageMakerRuntimeClient(config).send(command).catch((error: unknown) => error);
  await new S3Client(config).send(new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: 'x' }));
  const caller = await new STSClient(config).send(new GetCallerIdentityCommand({}));

  expect(models.Models).toEqual([]);
  expect(invoked).toMatchObject({ name: 'ValidationError', message: expect.stringContaining('not found') as string });
  expect(caller.Arn).toContain('test-session');
});
