// kill -9 of the program that holds the stand-ins: no serving process stays behind, and after a new start everything is there again.
// Two real programs, one after the other, on the same folder.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DescribeEndpointCommand,
  SageMakerClient,
} from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { afterEach, expect, it } from 'vitest';
import { createAuthority } from '../../../../local/cloud/sts/authority.ts';
import { ACCOUNT_ID, REGION, roleArn } from '../sts/account.ts';
import { DIGEST } from './studio.ts';

const folder = mkdtempSync(join(tmpdir(), 'killed-'));
let program: ChildProcess | undefined;
afterEach(() => {
  program?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 800; tries += 1) {
    if (await condition()) return;
    await new Promise((wait) => setTimeout(wait, 25));
  }
  throw new Error(`${what} did not happen`);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function start(round: string): Promise<{ s3: string; sagemaker: string }> {
  const addresses = join(folder, `addresses-${round}.json`);
  const script = resolve('tests/local/cloud/sagemaker/standalone.mts');
  program = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), script, folder, addresses], { stdio: 'inherit' });
  await until(() => existsSync(addresses) && readFileSync(addresses, 'utf8').endsWith('}'), 'the start');
  return JSON.parse(readFileSync(addresses, 'utf8')) as { s3: string; sagemaker: string };
}

it('leaves no serving process behind, and a new start serves again', async () => {
  const first = await start('first');
  const authority = createAuthority({ stateFile: join(folder, 'authority.json'), accountId: ACCOUNT_ID, region: REGION });
  const credentials = authority.issue({ roleArn: roleArn('promoter'), sessionName: 'kill-test', durationSeconds: 3_600 });
  const clients = (endpoint: string) => ({ region: REGION, endpoint, credentials });
  await new S3Client(clients(first.s3)).send(new PutObjectCommand({ Bucket: 'model-bucket', Key: 'k', Body: 'kept' }));
  const sagemaker = new SageMakerClient(clients(first.sagemaker));
  const PrimaryContainer = { Image: `serve@${DIGEST}` };
  await sagemaker.send(new CreateModelCommand({ ModelName: 'm', PrimaryContainer, ExecutionRoleArn: roleArn('execution') }));
  const variant = { VariantName: 'main', ModelName: 'm', InitialInstanceCount: 1, InstanceType: 'ml.m5.large' as const };
  await sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: 'c', ProductionVariants: [variant] }));
  await sagemaker.send(new CreateEndpointCommand({ EndpointName: 'e', EndpointConfigName: 'c' }));
  const status = async () => (await sagemaker.send(new DescribeEndpointCommand({ EndpointName: 'e' }))).EndpointStatus;
  await until(async () => (await status()) === 'InService', 'InService');
  const invoke = async (endpoint: string) => {
    const runtime = new SageMakerRuntimeClient(clients(endpoint));
    const answer = await runtime.send(new InvokeEndpointCommand({ EndpointName: 'e', Body: '[1]', ContentType: 'application/json' }));
    return JSON.parse(answer.Body.transformToString()) as { pid: number; rows: unknown };
  };
  const before = await invoke(first.sagemaker);

  program?.kill('SIGKILL');
  await until(() => !alive(before.pid), 'the end of the serving process');
  const second = await start('second');
  await until(
    () =>
      invoke(second.sagemaker).then(
        () => true,
        () => false,
      ),
    'serving again',
  );

  const after = await invoke(second.sagemaker);
  expect(after.rows).toEqual([1]);
  expect(after.pid).not.toBe(before.pid);
});
