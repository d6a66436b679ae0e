// A test's SageMaker with its S3 and account on ports, and short words for what every test does.
// Nothing here is a mock: the SDK clients talk HTTP, and endpoints are processes of image.mjs.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  type CreateModelCommandInput,
  DescribeEndpointCommand,
  type DescribeEndpointCommandOutput,
  SageMakerClient,
  type SageMakerClientConfig,
  UpdateEndpointCommand,
} from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand, type InvokeEndpointCommandInput, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { create } from 'tar';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { createS3Cloud } from '../../../../local/cloud/s3/s3.ts';
import { createSageMakerCloud, type SageMakerCloud, type SageMakerOptions } from '../../../../local/cloud/sagemaker/sagemaker.ts';
import { ACCOUNT_ID, REGION, roleArn, startAccount, type TestAccount, type TestCredentials } from '../sts/account.ts';

export const DIGEST = `sha256:${'a'.repeat(64)}`;
export const IMAGE = `${ACCOUNT_ID}.dkr.ecr.${REGION}.amazonaws.com/serve@${DIGEST}`;
export const BUCKET = 'model-bucket';
export const arn = (kind: string, name: string) => `arn:aws:sagemaker:${REGION}:${ACCOUNT_ID}:${kind}/${name}`;

/** What the answer of image.mjs holds. */
export interface Answer {
  model: string;
  pid: number;
  rows: unknown;
  environment: string | null;
  secret: string | null;
  accept: string;
  custom: string | null;
}

export interface Studio {
  readonly account: TestAccount;
  readonly url: string;
  readonly s3Url: string;
  cloud: SageMakerCloud;
  client(credentials?: TestCredentials, config?: SageMakerClientConfig): SageMakerClient;
  runtime(credentials?: TestCredentials): SageMakerRuntimeClient;
  /** Puts an archive with this model.json and returns its address. */
  archive(name: string, model: object): Promise<string>;
  /** Puts bytes as an archive. */
  putArchive(key: string, body: Buffer): Promise<string>;
  /** Model and config of one name, variants `main` unless given. */
  config(name: string, model: object, more?: Partial<CreateModelCommandInput>): Promise<void>;
  createEndpoint(name: string, config: string): Promise<DescribeEndpointCommandOutput>;
  updateEndpoint(name: string, config: string): Promise<DescribeEndpointCommandOutput>;
  /** Waits until nothing is under way and describes. */
  settle(name: string): Promise<DescribeEndpointCommandOutput>;
  describe(name: string): Promise<DescribeEndpointCommandOutput>;
  invoke(name: string, rows: unknown, more?: Partial<InvokeEndpointCommandInput>): Promise<Answer & { variant: string | undefined }>;
  /** Ends the stand-in as a stop of the machine would, and starts it again on the same folder and port-less wire. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startStudio(options: Partial<SageMakerOptions> = {}): Promise<Studio> {
  const account = await startAccount();
  const s3 = await createS3Cloud({ dataDir: join(account.folder, 's3'), authority: account.authority, buckets: [BUCKET] });
  const image = {
    command: [process.execPath, resolve('tests/local/cloud/sagemaker/image.mjs')] as [string, ...string[]],
    cwd: account.folder,
  };
  const open = () =>
    createSageMakerCloud({
      dataDir: join(account.folder, 'sagemaker'),
      authority: account.authority,
      read: (bucket, key) => s3.read(bucket, key),
      images: { [IMAGE]: image },
      stopMs: 2_000,
      restartMs: 50,
      ...options,
    });
  let cloud = await open();
  const server = await serve((request) => cloud.fetch(request));
  const s3Server: CloudServer = await serve((request) => s3.fetch(request));
  const connection = (credentials = account.credentials()) => ({ region: REGION, endpoint: server.url, credentials });
  const objects = new S3Client({ ...connection(), endpoint: s3Server.url, forcePathStyle: true });

  const studio: Studio = {
    account,
    url: server.url,
    s3Url: s3Server.url,
    get cloud() {
      return cloud;
    },
    client: (credentials, config = {}) => new SageMakerClient({ ...connection(credentials), ...config }),
    runtime: (credentials) => new SageMakerRuntimeClient({ ...connection(credentials), maxAttempts: 1 }),
    async putArchive(key, Body) {
      await objects.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body }));
      return `s3://${BUCKET}/${key}`;
    },
    async archive(name, model) {
      const folder = join(account.folder, 'archives', name);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'model.json'), JSON.stringify({ name, ...model }));
      const file = join(account.folder, 'archives', `${name}.tar.gz`);
      await create({ file, gzip: true, cwd: folder, portable: true }, ['.']);
      return studio.putArchive(`models/${name}/model.tar.gz`, readFileSync(file));
    },
    async config(name, model, more = {}) {
      const sagemaker = studio.client();
      const ModelDataUrl = await studio.archive(name, model);
      const PrimaryContainer = { Image: IMAGE, ModelDataUrl, Environment: { GIVEN: `to ${name}` } };
      await sagemaker.send(new CreateModelCommand({ ModelName: name, PrimaryContainer, ExecutionRoleArn: roleArn('execution'), ...more }));
      const variant = { VariantName: 'main', ModelName: name, InitialInstanceCount: 1, InstanceType: 'ml.m5.large' as const };
      await sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: name, ProductionVariants: [variant] }));
    },
    async createEndpoint(name, config) {
      await studio.client().send(new CreateEndpointCommand({ EndpointName: name, EndpointConfigName: config }));
      return studio.settle(name);
    },
    async updateEndpoint(name, config) {
      await studio.client().send(new UpdateEndpointCommand({ EndpointName: name, EndpointConfigName: config }));
      return studio.settle(name);
    },
    async settle(name) {
      await cloud.settled();
      return studio.describe(name);
    },
    describe: (name) => studio.client().send(new DescribeEndpointCommand({ EndpointName: name })),
    async invoke(name, rows, more = {}) {
      const command = new InvokeEndpointCommand({
        EndpointName: name,
        Body: JSON.stringify(rows),
        ContentType: 'application/json',
        ...more,
      });
      const answer = await studio.runtime().send(command);
      return { ...(JSON.parse(answer.Body.transformToString()) as Answer), variant: answer.InvokedProductionVariant };
    },
    async restart() {
      await cloud.close();
      cloud = await open();
    },
    async close() {
      await cloud.close();
      await Promise.all([server.close(), s3Server.close()]);
      await account.close();
    },
  };
  return studio;
}
