// SageMaker over its stand-in for these tests: real SDK, keyless credentials, archives sent with our own pre-signed PUT.
// One account per test file, a fresh SageMaker for each test.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { create } from 'tar';
import { createSageMakerCloud, type SageMakerCloud, type SageMakerOptions } from '../../../../local/cloud/sagemaker/sagemaker.ts';
import { createSagemaker, type Sagemaker } from '../../../../shared/adapters/sagemaker/sagemaker.ts';
import { type AwsClients, createAwsClients } from '../../../../shared/clients/aws.ts';
import { createCredential } from '../../../../shared/clients/entra.ts';
import type { ServingRequest } from '../../../../shared/contracts/serving.ts';
import { ENDPOINT } from '../../../contracts/serving-platform.suite.ts';
import { ACCOUNT_ID, AUDIENCE, BUCKET, IDENTITY, type LocalAws, REGION, ROLE } from '../../clients/local-aws.ts';

export const IMAGE = `${ACCOUNT_ID}.dkr.ecr.${REGION}.amazonaws.com/serve@sha256:${'a'.repeat(64)}`;
export const EXECUTION_ROLE = `arn:aws:iam::${ACCOUNT_ID}:role/serve`;

export interface LocalSagemaker extends Sagemaker {
  readonly cloud: SageMakerCloud;
  readonly clients: AwsClients;
  /** Publishes a model.json with these members and gives the request that serves it. */
  readonly request: (model: Record<string, unknown>, change?: Partial<ServingRequest['target']>) => Promise<ServingRequest>;
  readonly close: () => Promise<void>;
}

export function awsClients(aws: LocalAws): AwsClients {
  const { getToken } = createCredential({ clientId: IDENTITY.clientId });
  return createAwsClients({
    roleArn: ROLE,
    audience: AUDIENCE,
    sessionName: 'sluice-test',
    region: REGION,
    getToken,
    now: () => aws.clock.now(),
  });
}

export async function startSagemaker(aws: LocalAws, options: Partial<SageMakerOptions> = {}): Promise<LocalSagemaker> {
  const dataDir = mkdtempSync(join(aws.folder, 'sagemaker-'));
  const cloud = await createSageMakerCloud({
    dataDir,
    authority: aws.authority,
    read: (bucket, key) => aws.s3.read(bucket, key),
    images: { [IMAGE]: { command: [process.execPath, resolve('tests/shared/adapters/sagemaker/serving-image.mjs')], cwd: dataDir } },
    startupMs: 1_500,
    stopMs: 1_000,
    restartMs: 50,
    ...options,
  });
  const url = await aws.host((request) => cloud.fetch(request));
  aws.setEnvironment('AWS_ENDPOINT_URL_SAGEMAKER', url);
  aws.setEnvironment('AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME', url);
  const clients = awsClients(aws);
  const sagemaker = createSagemaker({ clients, now: () => aws.clock.now() });

  return {
    ...sagemaker,
    cloud,
    clients,
    async request(model, change = {}) {
      const modelDigest = createHash('sha256').update(JSON.stringify(model)).digest('hex');
      const key = `models/${modelDigest}/model.tar.gz`;
      if (!(await sagemaker.artifacts.head({ region: REGION, bucket: BUCKET, key }))) {
        const archive = packed(aws.folder, { digest: modelDigest, ...model });
        const sha256 = createHash('sha256').update(archive).digest('hex');
        const { url: upload, headers } = await sagemaker.artifacts.presignPut({
          region: REGION,
          bucket: BUCKET,
          key,
          sha256,
          bytes: archive.byteLength,
          expiresSeconds: 900,
        });
        const sent = await fetch(upload, { method: 'PUT', body: new Uint8Array(archive), headers });
        if (!sent.ok) throw new Error(`the archive was not taken: ${sent.status} ${await sent.text()}`);
      }
      return {
        target: {
          name: 'main',
          platform: 'sagemaker',
          endpoint: ENDPOINT,
          region: REGION,
          roleArn: EXECUTION_ROLE,
          bucket: BUCKET,
          component: 'serve',
          instanceType: 'ml.m5.large',
          instanceCount: 1,
          healthyWithin: '30m',
          ...change,
        },
        image: IMAGE,
        modelDigest,
        artifactUri: `s3://${BUCKET}/${key}`,
        tags: { pipeline: 'ble-location', run: 'promote-ble-location-0123456789abcdef-a1' },
      };
    },
    close: () => cloud.close(),
  };
}

function packed(folder: string, model: Record<string, unknown>): Buffer {
  const dir = mkdtempSync(join(folder, 'model-'));
  mkdirSync(join(dir, 'content'));
  writeFileSync(join(dir, 'content', 'model.json'), JSON.stringify(model));
  create({ file: join(dir, 'model.tar.gz'), cwd: join(dir, 'content'), gzip: true, portable: true, sync: true }, ['model.json']);
  return readFileSync(join(dir, 'model.tar.gz'));
}
