// The local cloud as the process that a person starts: one ready line, every address works, and nothing stays behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fromWebToken } from '@aws-sdk/credential-providers';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ListEndpointsCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import type { CloudUrls } from '../../../../local/cloud/assemble.ts';
import type { CloudConfig } from '../../../../local/cloud/config.ts';
import { createClient } from '../kubeflow/client.ts';
import { program, single } from '../kubeflow/sample-pipeline.ts';

const MAIN = join(import.meta.dirname, '../../../../local/cloud/main.ts');
const ROLE = 'arn:aws:iam::123456789012:role/sluice-promoter';
const SECRET = 'the-secret-of-a-principal';

let dataDir: string;
let queue: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'cloud-'));
  queue = `landing-${randomUUID().slice(0, 8)}`;
});
afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
});

function config(more: object = {}): object {
  return {
    dataDir,
    stopWithParent: true,
    storage: { connectionString: inject('storage'), resourceId: '/subscriptions/s/storageAccounts/lake', containers: ['bronze-main'] },
    entra: {
      tenant: 'local',
      clients: [
        { clientId: 'dev', objectId: 'oid-dev', name: 'developer', secret: SECRET, roles: ['operator'] },
        { clientId: 'app', objectId: 'oid-app', name: 'sluice', roles: ['AssumeRoleWithWebIdentity'] },
      ],
      managedIdentity: { clientId: 'app', header: 'identity-header' },
    },
    subscriptions: [{ name: 'landing', queue, schema: 'cloudevents', deadLetterContainer: 'dead-letters' }],
    kubeflow: { images: { 'registry.local/step': { programs: { node: process.execPath } } } },
    azureml: { subscriptionId: 's', resourceGroup: 'rg', workspaces: [{ name: 'ml' }] },
    aws: { region: 'eu-central-1', accountId: '123456789012', roles: [{ arn: ROLE, subjects: ['oid-app'] }], buckets: ['models'] },
    ...more,
  } satisfies Partial<CloudConfig> | object;
}

interface Run {
  readonly process: ChildProcess;
  readonly lines: AsyncIterator<string>;
  readonly ended: Promise<number | null>;
  readonly errors: () => string;
}

function launch(args: readonly string[]): Run {
  const started = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  child = started;
  let errors = '';
  started.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => started.once('exit', resolve));
  return { process: started, lines: createInterface({ input: started.stdout })[Symbol.asyncIterator](), ended, errors: () => errors };
}

async function start(more: object = {}): Promise<Run & { urls: CloudUrls }> {
  const run = launch(['--config', '-']);
  run.process.stdin?.write(`${JSON.stringify(config(more))}\n`);
  const first = await run.lines.next();
  if (first.done) throw new Error(`not ready: ${run.errors()}`);
  return { ...run, urls: (JSON.parse(first.value) as { urls: CloudUrls }).urls };
}

async function tokenOf(urls: CloudUrls, scope: string): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'dev', client_secret: SECRET, scope });
  const answer = await fetch(urls.tokenEndpoint, { method: 'POST', body });
  return ((await answer.json()) as { access_token: string }).access_token;
}

const alive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

/** Starts a step that never ends by itself; gives its process id. */
async function endlessStep(urls: CloudUrls): Promise<number> {
  const file = join(dataDir, 'pid');
  const spec = single('0');
  spec.deploymentSpec.executors['exec-only'] = program(
    `require('fs').writeFileSync('${file}', String(process.pid)); setInterval(() => {}, 1000)`,
  );
  await createClient(urls.kubeflow).run(spec);
  await vi.waitFor(() => expect(readFileSync(file, 'utf8')).toMatch(/^\d+$/), { timeout: 15_000 });
  return Number(readFileSync(file, 'utf8'));
}

test('every stand-in answers at the address of the ready line', async () => {
  const { urls } = await start();

  const identity = await fetch(`${urls.identityEndpoint}?resource=api://aws-sagemaker&api-version=2019-08-01`, {
    headers: { 'x-identity-header': 'identity-header' },
  });
  const { access_token: webIdentityToken } = (await identity.json()) as { access_token: string };
  const credentials = fromWebToken({
    roleArn: ROLE,
    roleSessionName: 'tests',
    webIdentityToken,
    clientConfig: { region: 'eu-central-1', endpoint: urls.sts },
  });
  const s3 = new S3Client({ region: 'eu-central-1', endpoint: urls.s3, forcePathStyle: true, credentials });
  const sagemaker = new SageMakerClient({ region: 'eu-central-1', endpoint: urls.sagemaker, credentials });
  const blobs = BlobServiceClient.fromConnectionString(inject('storage').replace(/BlobEndpoint=[^;]+/, `BlobEndpoint=${urls.blob}`));
  await blobs.getContainerClient('bronze-main').getBlockBlobClient(`${queue}.csv`).upload('1', 1);
  const workspace = await fetch(
    `${urls.azureml}/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ml?api-version=2025-12-01`,
    { headers: { authorization: `Bearer ${await tokenOf(urls, 'https://management.azure.com/.default')}` } },
  );

  expect(await (await fetch(`${urls.kubeflow}/apis/v2beta1/healthz`)).json()).toMatchObject({ tag_name: '2.17.0' });
  expect(workspace.status).toBe(200);
  expect((await s3.send(new PutObjectCommand({ Bucket: 'models', Key: 'a/b', Body: 'x' }))).ETag).toBe(
    '"9dd4e461268c8034f5c8564e155c67a6"',
  );
  expect((await sagemaker.send(new ListEndpointsCommand({}))).Endpoints).toEqual([]);
  await vi.waitFor(
    async () => {
      const { receivedMessageItems } = await QueueServiceClient.fromConnectionString(inject('storage'))
        .getQueueClient(queue)
        .receiveMessages();
      expect(Buffer.from(receivedMessageItems[0]?.messageText ?? '', 'base64').toString()).toContain(`/blobs/${queue}.csv`);
    },
    { timeout: 10_000 },
  );
  expect((await fetch(`${urls.admin}/_admin/deliveries`)).status).toBe(200);
});

describe('it ends with everything that it started', () => {
  test('on SIGTERM, with code 0', async () => {
    const { urls, process: main, ended } = await start();
    const pid = await endlessStep(urls);

    main.kill('SIGTERM');

    expect(await ended).toBe(0);
    expect(alive(pid)).toBe(false);
  });

  test('when standard input ends', async () => {
    const { urls, process: main, ended } = await start();
    const pid = await endlessStep(urls);

    main.stdin?.end();

    expect(await ended).toBe(0);
    expect(alive(pid)).toBe(false);
  });

  test('when it is killed outright', async () => {
    const { urls, process: main, ended } = await start();
    const pid = await endlessStep(urls);

    main.kill('SIGKILL');
    await ended;

    await vi.waitFor(() => expect(alive(pid)).toBe(false), { timeout: 10_000 });
  });
});

describe('it says in words why it does not start', () => {
  test('a setting that does not exist', async () => {
    const file = join(dataDir, 'config.json');
    writeFileSync(
      file,
      JSON.stringify({
        ...config(),
        entra: { tenant: 'local', clients: [{ clientId: 'a', objectId: 'b', name: 'c', secrets: SECRET }] },
        tennant: 1,
      }),
    );
    const { ended, errors } = launch(['--config', file]);

    expect(await ended).toBe(1);
    expect(errors()).toMatch(/entra\.clients\.0: .*secrets/);
    expect(errors()).toMatch(/tennant/);
    expect(errors()).not.toContain(SECRET);
  });

  test('a port that is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const { ended, errors, process: main } = launch(['--config', '-']);
    main.stdin?.write(`${JSON.stringify(config({ ports: { kubeflow: port } }))}\n`);

    expect(await ended).toBe(1);
    expect(errors()).toContain(`Port ${port} on 127.0.0.1 is taken by another program. Stop it or choose another port.`);
    other.close();
  });

  test('a storage account that is not there', async () => {
    const { ended, errors, process: main } = launch(['--config', '-']);
    const connectionString = inject('storage').replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:1');
    main.stdin?.write(`${JSON.stringify(config({ storage: { connectionString, resourceId: '/x', containers: ['a-container'] } }))}\n`);

    expect(await ended).toBe(1);
    expect(errors()).toMatch(/The storage account at http:\/\/127\.0\.0\.1:1 cannot be used: .*Is Azurite running\?/);
  });

  test('no configuration', async () => {
    const { ended, errors } = launch([]);

    expect(await ended).toBe(1);
    expect(errors()).toContain('--config FILE');
  });
});
