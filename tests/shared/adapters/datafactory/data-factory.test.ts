// Data Factory through the thin ARM client against the stand-in: one run for one key, whatever breaks, and every state in our words.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { createDataFactoryCloud, type DataFactoryCloud } from '../../../../local/cloud/datafactory/data-factory.ts';
import { FactoryError, type PipelineDefinition } from '../../../../local/cloud/datafactory/model.ts';
import { createManualClock, type ManualClock } from '../../../../local/cloud/kit/clock.ts';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { activityLogs } from '../../../../shared/adapters/datafactory/activity-runs.ts';
import { createDataFactory } from '../../../../shared/adapters/datafactory/data-factory.ts';
import { createArm } from '../../../../shared/clients/arm.ts';
import type { DataPipelines } from '../../../../shared/ports/data-pipelines.ts';

const SUBSCRIPTION = '11111111-2222-4333-8444-555555555555';
const RUN = `/subscriptions/${SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.DataFactory/factories/adf`;
const node = (script: string): PipelineDefinition => ({
  parameters: { runKey: { type: 'String' }, table: { type: 'String', defaultValue: 'orders' } },
  activities: [{ name: 'work', type: 'Custom', command: [process.execPath, '-e', script], cwd: tmpdir() }],
});

const copyOf = (name: string, from: string) => ({ name, type: 'Copy', from, container: 'extracts', to: `many/${name}.csv` }) as const;

let folder: string;
let clock: ManualClock;
let cloud: DataFactoryCloud;
let server: CloudServer;
let factory: DataPipelines;

async function open(more: { operators?: string[]; queryDelayMs?: number } = {}): Promise<void> {
  cloud = createDataFactoryCloud({
    dataDir: join(folder, 'state'),
    subscriptionId: SUBSCRIPTION,
    resourceGroup: 'rg',
    factory: 'adf',
    connectionString: inject('storage'),
    clock,
    authorize: (request) => {
      const token = request.headers.get('authorization');
      if (token !== 'Bearer TOKEN-OF-SLUICE') throw new FactoryError(401, 'InvalidAuthenticationToken', 'The access token is invalid.');
      return Promise.resolve({ oid: 'oid-sluice' });
    },
    pipelines: {
      quick: node(''),
      broken: node('console.log("reading"); console.log("the table ORDERS is locked"); process.exit(3)'),
      'two-steps': {
        parameters: { runKey: { type: 'String' } },
        activities: [
          { name: 'read', type: 'Custom', command: [process.execPath, '-e', ''], cwd: tmpdir() },
          ...node('console.log("refused by https://erp.example/orders?sig=TOP-SECRET"); process.exit(3)').activities,
        ],
      },
      many: {
        parameters: { runKey: { type: 'String' } },
        activities: [
          ...Array.from({ length: 100 }, (_, index) => copyOf(`copy-${index}`, join(folder, 'many.csv'))),
          copyOf('copy-last', join(folder, 'absent.csv')),
        ],
      },
      endless: node('setInterval(() => {}, 1000)'),
      'one-at-a-time': { ...node('setInterval(() => {}, 1000)'), concurrency: 1 },
      'erp-to-bronze': {
        parameters: { runKey: { type: 'String' } },
        activities: [
          {
            name: 'copy',
            type: 'Copy',
            from: join(folder, 'orders.csv'),
            container: 'extracts',
            to: 'bronze/@{pipeline().parameters.runKey}.csv',
          },
        ],
      },
    },
    ...more,
  });
  server = await serve((request) => cloud.fetch(request));
  const credential = { getToken: () => Promise.resolve({ token: 'TOKEN-OF-SLUICE', expiresOnTimestamp: Date.now() + 3_600_000 }) };
  const arm = createArm({
    credential,
    endpoint: server.url,
    subscriptionId: SUBSCRIPTION,
    allowInsecureLoopback: true,
    sleep: () => Promise.resolve(),
  });
  factory = createDataFactory({
    arm,
    resourceGroup: 'rg',
    factory: 'adf',
    now: () => clock.now(),
    sleep: (ms) => Promise.resolve(clock.advance(ms)),
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'adf-'));
  clock = createManualClock(Date.parse('2026-11-22T10:00:00Z'));
  await open();
});
afterEach(async () => {
  await server.close();
  await cloud.close();
  await rm(folder, { recursive: true, force: true });
});

const start = (pipeline: string, runKey = 'key-1', parameters: Record<string, string> = {}) =>
  factory.start({ pipeline, runKey, parameters });
const fault = (operation: string, action: string, more: object = {}) =>
  cloud.faults.add({ match: { operation }, action, times: 1, ...more });
async function until(jobId: string, wanted: string): Promise<Awaited<ReturnType<DataPipelines['get']>>> {
  for (let look = 0; look < 400; look += 1) {
    const state = await factory.get(jobId);
    if (state.state === wanted) return state;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`run ${jobId} did not become ${wanted}`);
}
const runs = async (): Promise<{ runId: string; status: string }[]> =>
  (JSON.parse(await readFile(join(folder, 'state', 'runs.json'), 'utf8')) as { runs: { runId: string; status: string }[] }).runs;

describe('a run', () => {
  test('is started once for one key, found again by another instance, and ends', async () => {
    const first = await start('quick');
    expect(first.adopted).toBe(false);
    await until(first.jobId, 'succeeded');

    expect(await start('quick')).toEqual({ jobId: first.jobId, adopted: true });
    expect(await start('quick', 'key-2')).toMatchObject({ adopted: false });
  });

  test('that fails says why in the service’s words', async () => {
    const { jobId } = await start('broken');

    expect(await until(jobId, 'failed')).toMatchObject({
      reason: 'Operation on target work failed: the table ORDERS is locked',
      vendorState: 'Failed',
    });
  });

  test('brings a file from the site into the lake', async () => {
    await writeFile(join(folder, 'orders.csv'), 'id,total\n1,10\n');
    const container = BlobServiceClient.fromConnectionString(inject('storage')).getContainerClient('extracts');
    await container.createIfNotExists();
    const { jobId } = await start('erp-to-bronze', 'day-7');
    await until(jobId, 'succeeded');

    expect((await container.getBlobClient('bronze/day-7.csv').downloadToBuffer()).toString('utf8')).toBe('id,total\n1,10\n');
  });

  test('is cancelled, and starts anew for the same key', async () => {
    const { jobId } = await start('endless');
    await factory.cancel(jobId);
    await until(jobId, 'cancelled');

    expect(await start('endless')).toMatchObject({ adopted: false });
    await factory.cancel('unknown-run');
  });

  test('that waits is pending, and does not count as working', async () => {
    await start('one-at-a-time', 'a');
    const { jobId } = await start('one-at-a-time', 'b');

    expect(await factory.get(jobId)).toMatchObject({ state: 'pending', executionSeconds: null, vendorState: 'Queued' });
  });

  test('that the service does not know is absent', async () => {
    expect(await factory.get('no-such-run')).toMatchObject({ state: 'absent' });
  });

  test('that was in progress when the service broke down is failed afterwards', async () => {
    const { jobId } = await start('endless');
    await server.close();
    await cloud.close();
    await open();

    expect(await factory.get(jobId)).toMatchObject({ state: 'failed', reason: expect.stringContaining('restarted') as string });
  });
});

describe('the log of a run', () => {
  test('is what each of its activities came to, page by page, and nothing of a run that is not there', async () => {
    const { jobId } = await start('two-steps');
    await until(jobId, 'failed');

    const logs = await factory.logs(jobId, 10_000);
    expect(logs.map(({ step }) => step)).toEqual(['read', 'work']);
    expect(logs[0]?.text).toMatch(/^Custom: Succeeded 2026-11-22T10:00:00.000Z to .* \(0 s\)\nexitcode 0\n$/);
    expect(logs[1]?.text).toMatch(/^Custom: Failed .*\n2200: UserError: refused by https:\/\/erp\.example\/orders\?/);
    expect(logs[1]?.text).not.toContain('TOP-SECRET');
    expect((await factory.logs(jobId, 20)).map(({ text }) => Buffer.byteLength(text))).toEqual([20, 20]);
    expect(await factory.logs('no-such-run', 10_000)).toEqual([]);
  });

  test('has every activity, also behind the first hundred', async () => {
    await writeFile(join(folder, 'many.csv'), 'id\n');
    await BlobServiceClient.fromConnectionString(inject('storage')).getContainerClient('extracts').createIfNotExists();
    const { jobId } = await start('many');
    await until(jobId, 'failed');

    expect((await factory.logs(jobId, 10_000)).length).toBe(101);
  });

  test('shows counts, and never what an activity read', () => {
    const copied = {
      activityName: 'copy',
      activityType: 'Copy',
      status: 'Succeeded',
      error: { errorCode: '', message: '', failureType: '' },
    };
    const output = { rowsCopied: 7, firstRow: { name: 'Erika Mustermann' }, errors: ['Erika'], dataRead: 'Mustermann' };

    expect(activityLogs([{ ...copied, output }], 10_000)).toEqual([{ step: 'copy', text: 'Copy: Succeeded\nrowsCopied 7\n' }]);
  });
});

describe('one key, one run', () => {
  test('although the answer of the start was lost', async () => {
    fault('createRun', 'reset-after');
    const { jobId } = await start('quick');

    expect((await runs()).map(({ runId }) => runId)).toEqual([jobId]);
  });

  test('although the start was refused by a storm first: nothing is started blindly again', async () => {
    fault('createRun', 'status', { status: 503 });

    await expect(start('quick')).rejects.toMatchObject({ code: 'arm-unavailable' });
    expect(await runs().catch(() => [])).toEqual([]);
    expect(await start('quick')).toMatchObject({ adopted: false });
  });

  test('of two instances that start at once the older run stays and the other is cancelled', async () => {
    const both = await Promise.all([start('endless'), start('endless')]);
    const kept = (await runs()).filter(({ status }) => status === 'InProgress' || status === 'Queued');

    expect(new Set(both.map(({ jobId }) => jobId)).size).toBe(1);
    expect(kept.map(({ runId }) => runId)).toEqual([both[0]?.jobId]);
  });

  test('found behind a hundred other runs of the pipeline', async () => {
    const { jobId } = await start('quick');
    for (let other = 0; other < 104; other += 1) {
      clock.advance(1);
      await fetch(`${server.url}${RUN}/pipelines/quick/createRun?api-version=2018-06-01`, {
        method: 'POST',
        headers: { authorization: 'Bearer TOKEN-OF-SLUICE' },
        body: JSON.stringify({ runKey: `other-${other}` }),
      });
    }

    expect(await start('quick')).toEqual({ jobId, adopted: true });
  }, 30_000);
});

describe('a refusal', () => {
  test('of an unknown pipeline or parameter says what is needed', async () => {
    await expect(start('nothing')).rejects.toMatchObject({
      code: 'pipeline-run-refused',
      message: expect.stringContaining('PipelineNotFound') as string,
    });
    await expect(start('quick', 'k', { color: 'red' })).rejects.toMatchObject({
      code: 'pipeline-run-refused',
      message: expect.stringContaining('color') as string,
    });
  });

  test('for a missing role names identity, action and role', async () => {
    await server.close();
    await cloud.close();
    await open({ operators: ['somebody-else'] });
    const refused = (await start('quick').catch((error: unknown) => error)) as Error & { code: string };

    expect(refused).toMatchObject({ code: 'arm-forbidden' });
    expect(refused.message).toMatch(/oid-sluice.*queryp?ipelineruns\/action.*Data Factory Contributor/is);
    expect(refused.message).not.toContain('TOKEN-OF-SLUICE');
  });

  test('by throttling is worth another try', async () => {
    cloud.faults.add({ match: { operation: 'queryRuns' }, action: 'status', status: 429, headers: { 'retry-after': '120' } });

    await expect(start('quick')).rejects.toMatchObject({ name: 'TransientError', code: 'arm-throttled' });
  });

  test('proves the way: the probe names the factory', async () => {
    expect(await factory.probe()).toEqual({ factory: 'adf' });
  });
});
