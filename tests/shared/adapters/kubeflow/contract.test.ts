// The Kubeflow adapter against the stand-in: the port's contract, then what only shows when answers get lost or doors are shut.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { createKubeflowCloud, type KubeflowCloud } from '../../../../local/cloud/kubeflow/kubeflow-cloud.ts';
import type { AuthOptions } from '../../../../local/cloud/kubeflow/options.ts';
import { createKubeflowBackend, type KubeflowOptions, runIdOf } from '../../../../shared/adapters/kubeflow/backend.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import type { TrainingBackend } from '../../../../shared/ports/training-backend.ts';
import { passingJob, trainingBackendSuite } from '../../../contracts/training-backend.suite.ts';
import { openSite, TRANSFER_IMAGE } from './site-rig.ts';

const MULTI_USER: AuthOptions = {
  mode: 'multi-user',
  tokens: [
    { token: 'token-of-sluice', user: 'system:serviceaccount:ml:sluice', audiences: ['pipelines.kubeflow.org'] },
    { token: 'token-of-nobody', user: 'system:serviceaccount:ml:nobody', audiences: ['pipelines.kubeflow.org'] },
  ],
  grants: [{ user: 'system:serviceaccount:ml:sluice', namespace: 'ml' }],
};

const TRANSFER = {
  programs: { python3: '/usr/bin/python3' },
  env: { PYTHONPATH: `${resolve('components/transfer')}:${resolve('components/protocol')}`, PYTHONDONTWRITEBYTECODE: '1' },
};
/** Outputs of a task are its pod's to upload, and only when it has succeeded; the reason of the failure carries the step's last words instead. */
const DIFFERS = { failedStepLeavesNothing: 'Kubeflow keeps no output of a task that failed' };
/** Steps here have no mount of the store: a component of their own fetches and leaves files, as in a real deployment. */
const withTransfer = (backend: TrainingBackend): TrainingBackend => ({
  ...backend,
  submit: (job) => backend.submit({ ...job, transferImage: TRANSFER_IMAGE }),
});
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const opened: { cloud: KubeflowCloud; server: CloudServer; folder: string }[] = [];

async function start(auth?: AuthOptions) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kubeflow-'));
  const cloud = createKubeflowCloud({
    dataDir: folder,
    images: { 'registry.test/step': { programs: { node: process.execPath } }, 'registry.test/transfer': TRANSFER },
    graceMs: 300,
    ...(auth ? { auth } : {}),
  });
  const server = await serve((request) => cloud.fetch(request));
  opened.push({ cloud, server, folder });
  const backend = (more: Partial<KubeflowOptions> = {}) =>
    createKubeflowBackend({
      baseUrl: server.url,
      namespace: auth ? 'ml' : '',
      experiment: 'sluice',
      getToken: async () => (auth ? 'token-of-sluice' : null),
      pollSettings: { intervalMs: 20, totalMs: 400 },
      now: Date.now,
      sleep: pause,
      ...more,
    });
  const jobsNamed = async (name: string) => {
    const headers: Record<string, string> = auth ? { authorization: 'Bearer token-of-sluice' } : {};
    const answer = await fetch(`${server.url}/apis/v2beta1/runs?page_size=200${auth ? '&namespace=ml' : ''}`, { headers });
    const { runs = [] } = (await answer.json()) as { runs?: { run_id: string; display_name: string }[] };
    return runs.filter((run) => run.display_name === name).map((run) => run.run_id);
  };
  return { cloud, url: server.url, backend, jobsNamed };
}

async function closeAll(): Promise<void> {
  for (const { cloud, server, folder } of opened.splice(0)) {
    await cloud.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('Kubeflow, single-user', () => {
  trainingBackendSuite(async () => {
    const { backend, jobsNamed, url } = await start();
    const store = createMemoryStore();
    return {
      backend: withTransfer(backend()),
      other: withTransfer(backend()),
      store,
      jobsNamed,
      tick: () => pause(10),
      vanish: async (jobId) => void (await fetch(`${url}/apis/v2beta1/runs/${jobId}`, { method: 'DELETE' })),
      close: async () => {
        await closeAll();
        await store.close();
      },
    };
  }, DIFFERS);
});

describe('Kubeflow, multi-user, with the cluster beside it and a token by TokenRequest', () => {
  trainingBackendSuite(async () => {
    const site = openSite();
    const store = createMemoryStore();
    // The suite compares whole states; places are what only a cluster knows, and have tests of their own.
    const without = (backend: TrainingBackend): TrainingBackend => ({
      ...backend,
      async get(jobId) {
        const { placements: _places, ...state } = await backend.get(jobId);
        return state;
      },
    });
    const asSluice = async (path: string, method = 'GET') => {
      const { token } = await site.cluster.tokens.mint({ namespace: 'ml', name: 'sluice' }, ['pipelines.kubeflow.org'], 600);
      const headers = { authorization: `Bearer ${token}` };
      return site.kubeflowCloud.fetch(new Request(`https://kubeflow.test/apis/v2beta1${path}`, { method, headers }));
    };
    const jobsNamed = async (name: string) => {
      const { runs = [] } = (await (await asSluice('/runs?page_size=200&namespace=ml')).json()) as {
        runs?: { run_id: string; display_name: string }[];
      };
      return runs.filter((run) => run.display_name === name).map((run) => run.run_id);
    };
    return {
      backend: withTransfer(without(site.backend)),
      other: withTransfer(without(site.another({}))),
      store,
      jobsNamed,
      tick: () => pause(10),
      vanish: async (jobId) => void (await asSluice(`/runs/${jobId}`, 'DELETE')),
      close: async () => {
        await site.close();
        await store.close();
      },
    };
  }, DIFFERS);
});

describe('when answers get lost', () => {
  afterEach(closeAll);

  it.each(['CreateRun', 'UploadPipeline', 'CreateExperiment'])(
    '%s was taken and the connection cut: still one of everything',
    async (operation) => {
      const { cloud, backend, jobsNamed } = await start();
      cloud.faults.add({ match: { operation }, action: 'reset-after' });
      const sluice = backend();

      const first = await sluice.submit(passingJob('train-a-1')).catch((error: unknown) => error);
      const second = await sluice.submit(passingJob('train-a-1'));

      // Only the run's creation is looked for at once; the others are repeated by the engine, and then found.
      if (operation === 'CreateRun') expect(first).toEqual({ jobId: runIdOf('train-a-1'), adopted: true });
      else expect(first).toMatchObject({ name: 'TransientError', code: 'backend-unreachable' });
      expect(second.jobId).toBe(runIdOf('train-a-1'));
      expect(await jobsNamed('train-a-1')).toHaveLength(1);
    },
  );

  it('a creation that was not taken is not repeated at once, and is made by the next submission', async () => {
    const { cloud, backend, jobsNamed } = await start();
    cloud.faults.add({ match: { operation: 'CreateRun' }, action: 'reset-before' });
    const sluice = backend();

    await expect(sluice.submit(passingJob('train-a-1'))).rejects.toMatchObject({ name: 'TransientError', code: 'submission-unknown' });
    expect(await jobsNamed('train-a-1')).toHaveLength(0);
    await expect(sluice.submit(passingJob('train-a-1'))).resolves.toMatchObject({ adopted: false });
  });

  it('a creation that is answered late is found by looking', async () => {
    const { cloud, backend, jobsNamed } = await start();
    cloud.faults.add({ match: { operation: 'CreateRun' }, action: 'reset-after' });
    cloud.faults.add({ match: { operation: 'GetRun' }, action: 'status', status: 503, times: 3, skip: 1 });

    await expect(backend().submit(passingJob('train-a-1'))).resolves.toEqual({ jobId: runIdOf('train-a-1'), adopted: true });
    expect(await jobsNamed('train-a-1')).toHaveLength(1);
  });

  it.each([[503, 'backend-failing']])('a storm of %d passes, and one job is left', async (status, code) => {
    const { cloud, backend, jobsNamed } = await start();
    cloud.faults.add({ match: { path: '/apis/v2beta1/*' }, action: 'status', status, times: 6 });
    const sluice = backend();
    const outcomes: unknown[] = [];
    for (let turn = 0; turn < 8; turn += 1) outcomes.push(await sluice.submit(passingJob('train-a-1')).catch((error: unknown) => error));

    expect(outcomes.slice(0, 6)).toEqual(
      Array.from({ length: 6 }, () => expect.objectContaining({ name: 'TransientError', code }) as unknown),
    );
    expect(outcomes.at(-1)).toEqual({ jobId: runIdOf('train-a-1'), adopted: true });
    expect(await jobsNamed('train-a-1')).toHaveLength(1);
  });
});

describe('when doors are shut', () => {
  afterEach(closeAll);

  it.each([
    ['no token', null, /no token.*pipelines\.kubeflow\.org/s],
    ['a token that nobody issued', 'forged', /pipelines\.kubeflow\.org/],
    ['an identity without a role in the namespace', 'token-of-nobody', /kubeflow-pipelines-edit.*"ml"/s],
  ])('%s is refused for good', async (_name, token, message) => {
    const { backend } = await start(MULTI_USER);
    const sluice = backend({ getToken: async () => token });

    const forbidden = { name: 'RejectedError', code: 'backend-forbidden', message: expect.stringMatching(message) as string };
    await expect(sluice.submit(passingJob('train-a-1'))).rejects.toMatchObject(forbidden);
    await expect(sluice.probe()).rejects.toMatchObject(forbidden);
  });

  it('a pipeline that somebody else uploaded under our name is refused', async () => {
    const { backend, url } = await start();
    const sluice = backend();
    await sluice.submit(passingJob('train-a-1'));
    const { pipelines = [] } = (await (await fetch(`${url}/apis/v2beta1/pipelines`)).json()) as {
      pipelines?: { pipeline_id: string; display_name: string }[];
    };
    const [ours] = pipelines;
    const fresh = await start();
    const form = new FormData();
    const foreign = `pipelineInfo: {name: x}\nschemaVersion: 2.1.0\nsdkVersion: x\ncomponents: {comp-a: {executorLabel: exec-a}}\ndeploymentSpec: {executors: {exec-a: {container: {image: 'registry.test/step@sha256:${'1'.repeat(64)}', command: [node]}}}}\nroot: {dag: {tasks: {a: {taskInfo: {name: a}, componentRef: {name: comp-a}}}}}\n`;
    form.set('uploadfile', new Blob([foreign]), 'x.yaml');
    const name = ours?.display_name ?? '';
    const uploaded = await fetch(`${fresh.url}/apis/v2beta1/pipelines/upload?name=${name}&display_name=${name}`, {
      method: 'POST',
      body: form,
    });

    expect(uploaded.status).toBe(200);
    await expect(fresh.backend().submit(passingJob('train-a-1'))).rejects.toMatchObject({
      code: 'pipeline-conflict',
      message: expect.stringContaining(name) as string,
    });
  });
});
