// Runs over HTTP: read, cancel, try again, logs.
import { describe, expect, it } from 'vitest';
import type { Run } from '../../../../shared/contracts/runs.ts';
import { CANCEL_EVENT, RefineInput } from '../../../../shared/contracts/stories.ts';
import { digest, minute, promotionOf, runIdOf, runOf } from '../../../contracts/samples.ts';
import { createApi } from './harness.ts';

const failed = (more: Partial<Run> = {}) =>
  runOf('refine', 'k', { status: 'failed', finishedAt: minute(5), failure: { code: 'row-short', message: 'line 3' }, ...more });
const body = { reason: 'disk was full' };

describe('reading', () => {
  it('lists newest first, page by page, without the inputs', async () => {
    const api = createApi();
    for (const n of [1, 2, 3]) await api.deps.runs.open(runOf('train', `k${n}`, { startedAt: minute(n) }));

    const first = await api.send('GET', 'runs?limit=2');
    const { items, next } = first.body as { items: Run[]; next: string };
    const second = await api.send('GET', `runs?limit=2&after=${encodeURIComponent(next)}`);

    expect(items.map((run) => run.startedAt)).toEqual([minute(3), minute(2)]);
    expect(items[0]).not.toHaveProperty('input');
    expect(second.body).toMatchObject({ items: [{ startedAt: minute(1) }], next: null });
  });

  it('filters by pipeline and status', async () => {
    const api = createApi();
    await api.deps.runs.open(runOf('train', 'a'));
    await api.deps.runs.open(runOf('train', 'b', { pipeline: 'other', status: 'failed' }));

    expect(await api.send('GET', 'runs?pipeline=other')).toMatchObject({ body: { items: [{ pipeline: 'other' }] } });
    expect(await api.send('GET', 'runs?status=succeeded')).toMatchObject({ body: { items: [] } });
  });

  it('gives one run whole', async () => {
    const api = createApi();
    const run = runOf('train', 'k');
    await api.deps.runs.open(run);

    expect((await api.send('GET', `runs/${run.runId}`)).body).toEqual(run);
    expect(await api.send('GET', `runs/${runIdOf('train', 'none', digest('k'))}`)).toMatchObject({
      status: 404,
      body: { code: 'run-unknown' },
    });
  });

  it('shows a narrowed reader the runs of that pipeline only', async () => {
    const api = createApi();
    const run = runOf('train', 'k');
    await api.deps.runs.open(run);

    expect(await api.send('GET', 'runs', { token: 'rita/reader:other' })).toMatchObject({ body: { items: [] } });
    expect(await api.send('GET', `runs/${run.runId}`, { token: 'rita/reader:other' })).toMatchObject({ status: 403 });
  });
});

describe('cancelling', () => {
  it('raises the event that the stories wait for, and leaves the record to them', async () => {
    const api = createApi();
    const run = runOf('train', 'k');
    await api.deps.runs.open(run);

    const reply = await api.send('POST', `runs/${run.runId}/cancel`, { token: 'ola/operator', body });

    expect(reply).toMatchObject({ status: 202, body: { state: 'cancelling' } });
    expect(api.raised).toEqual([{ instanceId: run.instanceId, event: CANCEL_EVENT, data: { by: 'ola', reason: 'disk was full' } }]);
    expect(await api.deps.runs.find(run.runId)).toEqual(run);
    expect(await api.deps.audit.list(minute(1001).slice(0, 10), 9)).toMatchObject([
      { action: 'run.cancel', actor: 'ola', detail: 'disk was full' },
    ]);
  });

  it('ends a run that nobody tells (its story broke down or was never begun), so that it can be tried again', async () => {
    const api = createApi();
    const run = runOf('train', 'k');
    await api.deps.runs.open(run);
    api.untold.add(run.instanceId);

    expect(await api.send('POST', `runs/${run.runId}/cancel`, { token: 'ola/operator', body })).toMatchObject({ status: 202 });

    const ended = await api.deps.runs.find(run.runId);
    expect(ended).toMatchObject({ status: 'cancelled', failure: { code: 'cancelled' } });
    expect(ended?.failure?.message).toBe('Cancelled by ola (disk was full); its story had ended or was never begun');
    expect(await api.send('POST', `runs/${run.runId}/retry`, { body })).toMatchObject({ status: 202, body: { attempt: 2 } });
  });

  it('is refused for a finished run, an unknown one, and without a reason', async () => {
    const api = createApi();
    const run = failed();
    await api.deps.runs.open(run);

    expect(await api.send('POST', `runs/${run.runId}/cancel`, { body })).toMatchObject({ status: 409, body: { code: 'run-finished' } });
    expect(await api.send('POST', `runs/${runIdOf('train', 'none', digest('k'))}/cancel`, { body })).toMatchObject({ status: 404 });
    expect(await api.send('POST', `runs/${run.runId}/cancel`, { body: { reason: ' ' } })).toMatchObject({ status: 422 });
    expect(api.raised).toEqual([]);
  });

  it('needs an operator of that pipeline', async () => {
    const api = createApi();
    const run = runOf('train', 'k');
    await api.deps.runs.open(run);

    expect(await api.send('POST', `runs/${run.runId}/cancel`, { token: 'ola/operator:other,reader', body })).toMatchObject({ status: 403 });
    expect(api.raised).toEqual([]);
  });
});

describe('trying again', () => {
  it('starts the next attempt of the same work, once', async () => {
    const api = createApi();
    const input = {
      pipeline: 'ble-location',
      contractDigest: digest('c'),
      policy: api.deps.policy,
      container: 'data',
      files: [{ path: 'a', sha256: digest('a'), eTag: '1' }],
    };
    const run = failed({ input: { ...input, runId: failed().runId, key: failed().key } });
    await api.deps.runs.open(run);
    const again = runIdOf('refine', run.pipeline, run.key, 2);

    const reply = await api.send('POST', `runs/${run.runId}/retry`, { token: 'ola/operator', body });

    expect(reply).toMatchObject({ status: 202, body: { runId: again, instanceId: again, attempt: 2 } });
    expect(api.started).toEqual([{ story: 'refine', instanceId: again, input: { ...input, key: run.key, runId: again } }]);
    expect(RefineInput.safeParse(api.started[0]?.input).success).toBe(true);
    expect(await api.deps.runs.find(again)).toMatchObject({
      status: 'running',
      attempt: 2,
      cause: { kind: 'person', ref: 'ola' },
      failure: null,
    });
    expect(await api.deps.runs.find(run.runId)).toEqual(run);

    const second = await api.send('POST', `runs/${run.runId}/retry`, { body });
    expect(second).toMatchObject({ status: 409, body: { code: 'run-not-finished' } });
    expect(api.started).toHaveLength(1);
  });

  it('starts an attempt that was written down and not started, because a crash came between', async () => {
    const api = createApi();
    await api.deps.runs.open(failed());
    const second = runOf('refine', 'k', { attempt: 2 });
    await api.deps.runs.open({ ...second, owner: second.runId });

    const reply = await api.send('POST', `runs/${failed().runId}/retry`, { body });

    expect(reply).toMatchObject({ status: 202, body: { runId: second.runId, attempt: 2 } });
    expect(api.started.map(({ instanceId }) => instanceId)).toEqual([second.runId]);
  });

  it('leaves a run alone that the run before it is about to tell', async () => {
    const api = createApi();
    const run = runOf('train', 'k');
    await api.deps.runs.open({ ...run, owner: runIdOf('refine', run.pipeline, run.key, 1) });

    expect(await api.send('POST', `runs/${run.runId}/retry`, { body })).toMatchObject({ status: 409, body: { code: 'run-not-finished' } });
    expect(api.started).toEqual([]);
  });

  it('follows the newest attempt, whichever was named', async () => {
    const api = createApi();
    for (const attempt of [1, 2]) await api.deps.runs.open({ ...failed({ attempt }) });

    const reply = await api.send('POST', `runs/${failed().runId}/retry`, { body });

    expect(reply.body).toMatchObject({ attempt: 3 });
  });

  it('starts one instance of two simultaneous requests', async () => {
    const api = createApi();
    await api.deps.runs.open(failed());

    const replies = await Promise.all([1, 2, 3].map(() => api.send('POST', `runs/${failed().runId}/retry`, { body })));

    expect(replies.some(({ status }) => status === 202)).toBe(true);
    expect(api.started).toHaveLength(1);
  });

  it('never does again what was done', async () => {
    const api = createApi();
    await api.deps.runs.open(failed());
    await api.deps.runs.open(failed({ attempt: 2, status: 'succeeded' }));

    expect(await api.send('POST', `runs/${failed().runId}/retry`, { body })).toMatchObject({ status: 409, body: { code: 'work-done' } });
    expect(api.started).toEqual([]);
  });

  it('of a promotion is a promotion of its own in the list', async () => {
    const api = createApi();
    const run = runOf('promote', 'p', { status: 'failed', input: { environment: 'dev' } });
    await api.deps.runs.open(run);
    await api.deps.promotions.record(promotionOf('p', { promotionId: run.runId, requestKey: digest('idem') }));

    await api.send('POST', `runs/${run.runId}/retry`, { token: 'ola/operator', body });

    const again = runIdOf('promote', run.pipeline, run.key, 2);
    expect(await api.deps.promotions.find(again)).toMatchObject({
      promotionId: again,
      request: 1,
      requestedBy: 'ola',
      reason: 'disk was full',
    });
    expect(await api.deps.promotions.find(again)).not.toHaveProperty('requestKey');
  });

  it('of a promotion needs the role for its environment', async () => {
    const api = createApi();
    const run = runOf('promote', 'p', { status: 'failed', input: { environment: 'prod' } });
    await api.deps.runs.open(run);

    const reply = await api.send('POST', `runs/${run.runId}/retry`, { token: 'ola/operator@dev', body });

    expect(reply).toMatchObject({ status: 403, body: { detail: expect.stringContaining('operator:ble-location@prod') as string } });
  });
});

describe('logs', () => {
  const job = {
    stage: 'train',
    backend: 'kubeflow',
    jobName: 'train-1',
    jobId: 'id-1',
    adopted: false,
    queuedSeconds: 1,
    executionSeconds: 2,
  } as const;

  it('are those of every job', async () => {
    const asked: unknown[] = [];
    const api = createApi({
      backends: { kubeflow: { logs: async (...args) => (asked.push(args), [{ step: 'train', text: 'epoch 1\n' }]) } },
    });
    const run = runOf('train', 'k', { jobs: [job] });
    await api.deps.runs.open(run);

    const reply = await api.send('GET', `runs/${run.runId}/logs`, { token: 'rita/reader' });

    expect(reply.body).toEqual({ jobs: [{ stage: 'train', jobName: 'train-1', steps: [{ step: 'train', text: 'epoch 1\n' }] }] });
    expect(asked).toEqual([['id-1', 65_536]]);
  });

  it('of an extraction are the activities of its Data Factory, which must be configured', async () => {
    const steps = [{ step: 'copy', text: 'Copy: Succeeded\n' }];
    const asked: unknown[] = [];
    const run = runOf('refine', 'k', { jobs: [{ ...job, stage: 'extract', backend: 'datafactory' }] });
    const connected = createApi({ dataPipelines: { logs: async (...args) => (asked.push(args), steps) } });
    const alone = createApi();
    for (const api of [connected, alone]) await api.deps.runs.open(run);

    expect((await connected.send('GET', `runs/${run.runId}/logs`)).body).toEqual({
      jobs: [{ stage: 'extract', jobName: 'train-1', steps }],
    });
    expect(asked).toEqual([['id-1', 65_536]]);
    expect(await alone.send('GET', `runs/${run.runId}/logs`)).toMatchObject({ status: 409, body: { code: 'data-pipelines-missing' } });
  });

  it('of a backend that is not configured any more say so', async () => {
    const api = createApi();
    const run = runOf('train', 'k', { jobs: [{ ...job, backend: 'constructor' }] });
    await api.deps.runs.open(run);

    expect(await api.send('GET', `runs/${run.runId}/logs`)).toMatchObject({ status: 409, body: { code: 'backend-unknown' } });
  });
});
