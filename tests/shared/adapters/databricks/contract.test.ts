// The Databricks adapter against its stand-in: the port's contract, then tokens, roles, volumes, lost answers and what a run says of itself.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { compileRun, idempotencyToken } from '../../../../shared/adapters/databricks/compile.ts';
import type { DatabricksOptions } from '../../../../shared/adapters/databricks/backend.ts';
import { isTerminal, JobSpec, type JobState } from '../../../../shared/contracts/training.ts';
import { createStore } from '../../../../shared/adapters/lake/store.ts';
import type { TrainingBackend } from '../../../../shared/ports/training-backend.ts';
import { briefJob, endlessJob, failingJob, passingJob, trainingBackendSuite } from '../../../contracts/training-backend.suite.ts';
import { asWheels, startWorkspace, type Workspace } from './workspace.ts';

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const overWheels = (backend: TrainingBackend): TrainingBackend => ({
  ...backend,
  submit: (job) => backend.submit(asWheels(job)),
  check: (job) => backend.check({ ...job, steps: asWheels({ ...passingJob('x'), ...job }).steps }),
});

describe('Databricks', () => {
  trainingBackendSuite(async () => {
    const service = BlobServiceClient.fromConnectionString(inject('storage'));
    const container = service.getContainerClient(`contract${randomBytes(6).toString('hex')}`);
    await container.create();
    const workspace = await startWorkspace({ store: { connectionString: inject('storage'), container: container.containerName } });
    const backend = overWheels(workspace.backend());
    return {
      backend,
      other: overWheels(workspace.backend()),
      store: createStore(service, container.containerName),
      jobsNamed: (name) => workspace.jobsNamed(name),
      tick: () => pause(10),
      vanish: (jobId) => workspace.removeRun(jobId),
      close: async () => {
        await workspace.close();
        await container.deleteIfExists();
      },
    };
  });
});

describe('over Databricks', () => {
  let workspace: Workspace;
  let jobs = 0;
  beforeAll(async () => void (workspace = await startWorkspace()));
  afterAll(() => workspace.close());
  beforeEach(() => void (jobs += 1));
  afterEach(() => workspace.cloud.faults.clear());

  const named = (job: (name: string) => Parameters<typeof asWheels>[0]): JobSpec => asWheels(job(`train-x-${jobs}`));
  const open = (more: Partial<DatabricksOptions> = {}) => workspace.backend(more);
  async function end(jobId: string): Promise<JobState> {
    for (let turn = 0; turn < 400; turn += 1) {
      const state = await open().get(jobId);
      if (isTerminal(state.state)) return state;
      await pause(25);
    }
    throw new Error(`run ${jobId} did not end`);
  }
  const fault = (operation: string, action: string, more: object = {}) =>
    workspace.cloud.faults.add({ match: { operation }, action, times: 1, ...more });

  it('takes inputs from the store’s volume and leaves exports there, the report among them', async () => {
    mkdirSync(join(workspace.folder, 'store', 'staged', 'g1'), { recursive: true });
    writeFileSync(join(workspace.folder, 'store', 'staged', 'g1', 'part-0.csv'), 'a\n1\n');
    const copy = `const fs = require('fs'); const [, from, to] = process.argv; fs.mkdirSync(to); fs.writeFileSync(to + '/run-report.json', fs.readFileSync(from + '/part-0.csv'))`;
    const file = { name: 'part-0.csv', storePath: 'staged/g1/part-0.csv', sha256: '0'.repeat(64), bytes: 4, url: 'https://unused' };
    const job: JobSpec = {
      ...named(passingJob),
      steps: [
        {
          ...(named(passingJob).steps[0] as JobSpec['steps'][number]),
          name: 'copy',
          args: [copy, { input: 'gold' }, { output: 'result' }],
        },
      ],
      inputs: { gold: [file] },
      exports: [
        {
          step: 'copy',
          output: 'result',
          file: 'run-report.json',
          storePath: 'runs/r1/run-report.json',
          url: 'u',
          readUrl: 'r',
          optional: false,
        },
        {
          step: 'copy',
          output: 'result',
          file: 'roc.png',
          storePath: 'runs/r1/files/copy/roc.png',
          url: 'u',
          readUrl: 'r',
          optional: true,
        },
      ],
    };
    const { jobId } = await open().submit(job);

    expect(await end(jobId)).toMatchObject({ state: 'succeeded' });
    expect(readFileSync(join(workspace.folder, 'store', 'runs', 'r1', 'run-report.json'), 'utf8')).toBe('a\n1\n');
  });

  it('waits out a storm of 429 and a moment of 500', async () => {
    fault('submit', 'status', { status: 429, body: '{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"slow down"}', times: 2 });
    fault('list', 'status', { status: 500 });

    expect(await open().submit(named(briefJob))).toMatchObject({ adopted: false });
  });

  it('gives up on a long storm for now', async () => {
    fault('list', 'status', { status: 429, headers: { 'retry-after': '600' }, times: 9 });

    await expect(open().submit(named(passingJob))).rejects.toMatchObject({ name: 'TransientError', code: 'databricks-throttled' });
  });

  it.each([
    ['reader', 'PERMISSION_DENIED reader'],
    ['stranger', 'oid-stranger is not a member'],
  ] as const)('says to %s what is missing, without the token', async (client, words) => {
    const token = await workspace.tokenOf(client);
    const refused = (await open({ getToken: () => Promise.resolve(token) })
      .submit(named(passingJob))
      .catch((error: unknown) => error)) as Error & { code: string };

    expect(refused).toMatchObject({ code: 'databricks-forbidden' });
    expect(refused.message).toContain(words);
    expect(refused.message).not.toContain(token);
  });

  it('a token that does not count is refused', async () => {
    await expect(open({ getToken: () => Promise.resolve('no-token') }).probe()).rejects.toMatchObject({ code: 'databricks-forbidden' });
    expect(await open().probe()).toEqual({ version: 'jobs 2.2 as sluice' });
  });

  it('a deleted run is absent, and its name is spent', async () => {
    const job = named(endlessJob);
    const { jobId } = await open().submit(job);
    await workspace.removeRun(jobId);

    expect(await open().get(jobId)).toMatchObject({ state: 'absent' });
    await expect(open().submit(job)).rejects.toMatchObject({
      code: 'databricks-refused',
      message: expect.stringContaining('was deleted') as string,
    });
  });

  it('a failed task says its last words', async () => {
    const { jobId } = await open().submit(named(failingJob));

    expect(await end(jobId)).toMatchObject({ state: 'failed', reason: expect.stringContaining('task break: ') as string });
    expect((await open().logs(jobId, 5_000))[0]?.text).toContain('the disk is made of cheese');
  });

  it('the service’s own time limit fails the run', async () => {
    const { jobId } = await open().submit({ ...named(endlessJob), timeoutSeconds: 1 });

    expect(await end(jobId)).toMatchObject({ state: 'failed', vendorState: 'TERMINATED/RUN_EXECUTION_TIMED_OUT' });
  });

  it('is checked first: wheels, cluster, and no labelled machines', async () => {
    const job = named(passingJob);
    const other = { ...job, steps: job.steps.map((step) => ({ ...step, image: step.image.replaceAll('1', '2') })) };

    expect(await open().check(job)).toEqual({ available: true });
    expect(await open().check(other)).toMatchObject({ available: false, missing: expect.stringContaining('wheel') as string });
    expect(await open({ cluster: { existing: 'cluster-broken' } }).check(job)).toMatchObject({
      missing: 'cluster cluster-broken is in state ERROR',
    });
    expect(await open({ cluster: { existing: 'cluster-gone' } }).check(job)).toMatchObject({ available: false });
    expect(await open().check({ ...job, nodes: { selector: {}, tolerations: [], minimum: 1, enclave: 'none' } })).toMatchObject({
      available: false,
    });
  });

  it('gives a new cluster its secrets by reference, and a step its plain environment and the experiment of its job', async () => {
    const environment = {
      AZURE_CLIENT_SECRET: '{{secrets/sluice/client-secret}}',
      MLFLOW_TRACKING_URI: 'azureml://ml.example/mlflow/v1.0/x',
    };
    const cluster = { new: { spark_version: '15.4.x-scala2.12', node_type_id: 'Standard_DS3_v2', num_workers: 0 } };
    const script = `const e = process.env; console.log(e.AZURE_CLIENT_SECRET.length, e.MLFLOW_EXPERIMENT_NAME, e.MLFLOW_REGISTRY_URI)`;
    const job = named(passingJob);
    const one = { ...job, experiment: 'team/diabetes', steps: [{ ...(job.steps[0] as JobSpec['steps'][number]), args: [script] }] };
    const body = compileRun(one, { storeVolume: '/Volumes/a/b/c', wheels: '/Volumes/a/b/w', cluster, environment });
    const { jobId } = await open({ cluster, environment }).submit(one);
    await end(jobId);

    expect(JSON.stringify(body)).not.toContain('VALUE-OF-THE-SECRET');
    expect((await open().logs(jobId, 1_000))[0]?.text).toContain('19 diabetes azureml://ml.example/mlflow/v1.0/x');
  });

  it('refuses what it cannot tell Databricks, by name', () => {
    const options = { storeVolume: '/Volumes/a/b/c', wheels: '/Volumes/a/b/w', cluster: { existing: 'x' }, environment: {} };
    const job = named(passingJob);

    expect(() => compileRun(JobSpec.parse(passingJob('train-y')), options)).toThrow('has no wheel');
    expect(() => compileRun({ ...job, steps: job.steps.toReversed() }, options)).toThrow('no earlier step');
    expect(() => compileRun({ ...job, parameters: {} }, options)).toThrow('takes the parameter "greeting"');
    expect(idempotencyToken('x'.repeat(100))).toHaveLength(64);
  });
});
