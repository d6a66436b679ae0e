// The built app starts on the host under this Node and registers what the product consists of, on both engine profiles.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { ensureBuilt } from '../../local/stack/build.ts';
import { appSettings } from '../../local/stack/settings.ts';
import { operations } from '../../shared/contracts/http-api.ts';

let data: string;

beforeAll(async () => {
  await ensureBuilt(process.cwd(), () => undefined);
  data = await mkdtemp(join(tmpdir(), 'sluice-app-'));
});

afterAll(() => rm(data, { recursive: true, force: true }));

interface Ready {
  url: string;
  functions: { name: string; trigger: string }[];
}

async function start(
  profile: string,
  settings: Record<string, string>,
): Promise<{ ready: Ready | null; errors: string; stop: () => Promise<void> }> {
  const args = [
    '--import',
    'tsx',
    'local/host/main.ts',
    '--app',
    process.cwd(),
    '--port',
    '0',
    '--data',
    join(data, profile),
    '--profile',
    profile,
    '--json',
  ];
  const environment = { PATH: process.env['PATH'], HOME: data, ...settings };
  const child = spawn(process.execPath, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const line = new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
  const first = await Promise.race([line, gone.then(() => null)]);
  const stop = async (): Promise<void> => {
    child.kill();
    await gone;
  };
  return { ready: first === null ? null : (JSON.parse(first) as Ready), errors, stop };
}

function settings(): Record<string, string> {
  const place = 'http://127.0.0.1:9';
  const cloud = {
    tokenEndpoint: place,
    issuerV2: place,
    jwks: place,
    identityEndpoint: place,
    blob: place,
    kubeflow: place,
    azureml: place,
    databricks: null,
    kubernetes: null,
    s3: place,
    sts: place,
    sagemaker: place,
    topic: place,
  };
  const storage = inject('storage');
  return appSettings({
    cloud,
    state: storage,
    lake: storage,
    identityHeader: 'x',
    workDir: data,
    components: 'components',
    python: 'python3',
    poll: { firstSeconds: 1, maxSeconds: 2 },
  });
}

test.each(['bundle', 'ext-3.14'])('the built app starts on profile %s with all its functions', async (profile) => {
  const { ready, errors, stop } = await start(profile, settings());

  expect(errors).not.toMatch(/ERROR/);
  const names = (ready?.functions ?? []).map((one) => one.name);
  const stories = ['land', 'refine', 'train', 'promote', 'await-job', 'endpoint-lock'];
  expect(names).toEqual(
    expect.arrayContaining([...stories, 'data-landed', 'landing-poisoned', 'refine-dataset', 'submit-training', 'check-parity']),
  );
  expect(names.filter((name) => name.startsWith('api-'))).toHaveLength(Object.keys(operations).length);
  const document = await fetch(`${ready?.url}/api/v1/openapi.json`, { signal: AbortSignal.timeout(20_000) });
  expect(document.status).toBe(200);
  const refused = await fetch(`${ready?.url}/api/v1/runs`, { signal: AbortSignal.timeout(20_000) });
  expect(refused.status).toBe(401);
  expect(refused.headers.get('content-type')).toContain('application/problem+json');
  await stop();
});

test('a deployment with wrong settings does not start, and says everything that is wrong without values', async () => {
  const { SLUICE_TOKEN_ISSUER: _issuer, SLUICE_AWS_ROLE_ARN: _role, ...rest } = settings();

  const { ready, errors, stop } = await start('bundle', { ...rest, SLUICE_MEMORY_LIMIT_MB: 'plenty' });
  await stop();

  expect(ready).toBeNull();
  expect(errors).toContain('SLUICE_AWS_ROLE_ARN missing');
  expect(errors).not.toContain('AccountKey');
});
