// Train with other parameters, search, compare, top up, look: over the real edge, with stores in memory.
import { HttpRequest, InvocationContext } from '@azure/functions';
import { describe, expect, test } from 'vitest';
import type { ApiDeps, ApiHandler } from '../../../../functions/triggers/api/call.ts';
import { atEdge } from '../../../../functions/triggers/api/edge.ts';
import { trainingHandlers } from '../../../../functions/triggers/api/training.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import { type AskedRun, type Comparison, trainingOperations } from '../../../../shared/contracts/http/training.ts';
import type { Operation } from '../../../../shared/contracts/http-api.ts';
import type { Run } from '../../../../shared/contracts/runs.ts';
import { SweepInput, TrainInput } from '../../../../shared/contracts/stories.ts';
import { digest, minute, runOf } from '../../../contracts/samples.ts';
import { exampleVersion } from '../../../support/example-pipeline.ts';
import { reportOf } from '../../../support/training-side.ts';

type Name = keyof typeof trainingOperations;
interface Reply {
  status: number;
  body: Record<string, unknown> & { code?: string; detail?: string };
}

const PIPELINE = 'ble-location';
const gold = (version: number, rows = 400): NonNullable<Run['refined']>['gold'] => ({
  layer: 'gold',
  table: 'training',
  path: `gold/${PIPELINE}/training/`,
  version,
  rows,
  addedRows: rows,
  digest: digest(`gold ${version}`),
});
const refined = (version: number, more: Partial<Run> = {}): Run =>
  runOf('refine', `refine ${version}`, {
    status: 'succeeded',
    startedAt: minute(version),
    refined: { silver: gold(version), gold: gold(version), readRows: 400, quarantinedRows: 0, findings: [] },
    ...more,
  });
const trained = (version: number, more: Partial<Run> = {}): Run =>
  runOf('train', `train ${version}`, {
    status: 'succeeded',
    startedAt: minute(version + 10),
    cause: { kind: 'run', ref: refined(version).runId },
    choice: { chosen: 'kubeflow', passedOver: [] },
    trained: {
      goldTable: 'training',
      goldVersion: version,
      goldDigest: digest(`gold ${version}`),
      specDigest: digest('spec'),
      metrics: { top1: 0.4 },
      gates: [],
      modelDigest: digest(`model ${version}`),
      archiveSha256: digest('archive'),
      archiveBytes: 1,
    },
    ...more,
  });

async function api() {
  const stores = createMemoryStores();
  const store = createMemoryStore();
  const { version, bundle } = exampleVersion();
  await stores.pipelines.put(version, bundle, 'ada', minute(0));
  const started: { story: string; instanceId: string; input: Record<string, unknown> }[] = [];
  /** The table as it stands: what was refined last, unless somebody moved it on since. */
  const lake = { movedOn: null as Run['refined'] | null };
  const deps = {
    ...stores,
    store,
    engine: {
      readGold: async () => {
        const newest = lake.movedOn ?? (await stores.runs.list({}, 200)).items.find((run) => run.refined)?.refined;
        return newest
          ? { table: newest.gold.table, path: newest.gold.path, version: newest.gold.version, digest: newest.gold.digest }
          : null;
      },
    },
    verifier: {
      verify: async (token: string) => ({ subject: token, name: token.split('/')[0] ?? '', roles: (token.split('/')[1] ?? '').split(',') }),
    },
    starterOf: () => ({
      start: async (story: string, instanceId: string, input: Record<string, unknown>) => {
        if (started.some((one) => one.instanceId === instanceId)) return 'exists';
        started.push({ story, instanceId, input });
        return 'started';
      },
    }),
    policy: { pollFirstSeconds: 1, pollMaxSeconds: 2, signedUrlSeconds: 900 },
    now: () => new Date(minute(500)),
  } as unknown as ApiDeps;
  const handlers = trainingHandlers(deps);

  async function send(
    name: Name,
    sent: { params?: Record<string, string>; query?: string; body?: unknown; token?: string; key?: string } = {},
  ): Promise<Reply> {
    const { method } = trainingOperations[name];
    const request = new HttpRequest({
      method,
      url: `http://localhost/api/v1/x?${sent.query ?? ''}`,
      params: sent.params ?? {},
      headers: {
        authorization: `Bearer ${sent.token ?? 'root/admin'}`,
        'content-type': 'application/json',
        'idempotency-key': sent.key ?? 'k1',
      },
      ...(sent.body === undefined ? {} : { body: { string: JSON.stringify(sent.body) } }),
    });
    const context = new InvocationContext({ logHandler: () => undefined });
    const operation: Operation = trainingOperations[name];
    const answer = await atEdge(operation, handlers[name] as ApiHandler<Operation>, deps)(request, context);
    const body = JSON.parse(answer.body as string) as Reply['body'];
    const status = answer.status ?? 0;
    if (status < 400) trainingOperations[name].answer.parse(body);
    return { status, body };
  }
  const ask = (name: 'startTraining' | 'startSearch', body: object, token?: string) =>
    send(name, { params: { name: PIPELINE }, body: { reason: 'to see', ...body }, ...(token === undefined ? {} : { token }) });
  return { ...stores, store, started, send, ask, version, bundle, lake };
}

describe('training with other parameters', () => {
  test('starts a run on the newest gold version, with an input that the story takes', async () => {
    const { runs, started, audit, ask } = await api();
    await runs.open(refined(1));
    await runs.open(refined(2));

    const { status, body } = await ask('startTraining', { params: { epochs: 5 } });

    const asked = body as unknown as AskedRun;
    expect(status).toBe(202);
    expect(asked).toMatchObject({
      attempt: 1,
      status: 'running',
      state: 'started',
      gold: { table: 'training', version: 2, digest: digest('gold 2') },
    });
    expect(started).toMatchObject([{ story: 'train', instanceId: asked.runId }]);
    expect(TrainInput.parse(started[0]?.input)).toMatchObject({ runId: asked.runId, overrides: { epochs: 5 }, gold: { version: 2 } });
    expect(await runs.find(asked.runId)).toMatchObject({ cause: { kind: 'person', ref: 'root' }, owner: asked.runId });
    expect(await audit.list('2026-11-21', 5)).toMatchObject([{ actor: 'root', action: 'pipeline.train', detail: 'to see' }]);
  });

  test('the same again is the same run; without parameters it is the pipeline’s own', async () => {
    const { runs, started, ask } = await api();
    await runs.open(refined(1));
    const first = (await ask('startTraining', { params: { epochs: 5 } })).body as unknown as AskedRun;

    const again = await ask('startTraining', { params: { epochs: 5 } });
    const plain = await ask('startTraining', {});

    expect(again).toMatchObject({ status: 200, body: { runId: first.runId, state: 'exists' } });
    expect(plain).toMatchObject({ status: 202 });
    expect(started.map(({ input }) => 'overrides' in input)).toEqual([true, false]);
  });

  test('goes on where a crash came between the record and the start', async () => {
    const { runs, started, ask } = await api();
    await runs.open(refined(1));
    await ask('startTraining', {});
    started.splice(0);

    expect(await ask('startTraining', {})).toMatchObject({ status: 202, body: { state: 'started' } });
    expect(started).toHaveLength(1);
  });

  test('that failed before says how to try again; one that gave way is opened anew', async () => {
    const { runs, ask } = await api();
    await runs.open(refined(1));
    const { runId } = (await ask('startTraining', {})).body as unknown as AskedRun;
    const other = (await ask('startTraining', { params: { epochs: 2 } })).body as unknown as AskedRun;
    await runs.patch(PIPELINE, runId, { status: 'failed', finishedAt: minute(600) });
    await runs.patch(PIPELINE, other.runId, { status: 'skipped', finishedAt: minute(600) });

    expect(await ask('startTraining', {})).toMatchObject({
      status: 409,
      body: { code: 'work-failed-before', detail: expect.stringContaining(`sluice runs retry ${runId}`) as string },
    });
    expect(await ask('startTraining', { params: { epochs: 2 } })).toMatchObject({ status: 202, body: { attempt: 2 } });
  });

  test('on gold as it is now, when an erasure moved it on after the last refine run', async () => {
    const { runs, ask, lake } = await api();
    await runs.open(refined(1));
    lake.movedOn = { ...refined(1).refined!, gold: gold(3) };

    expect(await ask('startTraining', {})).toMatchObject({ status: 202, body: { gold: { version: 3, digest: digest('gold 3') } } });
    expect(await ask('startSearch', { space: { epochs: { choice: [5, 6] } }, trials: 2, parallel: 1, seed: 0 })).toMatchObject({
      status: 202,
      body: { gold: { version: 3 } },
    });
  });

  test('on the gold of another run', async () => {
    const { runs, ask } = await api();
    await runs.open(refined(1));
    await runs.open(refined(2));
    await runs.open(
      runOf('train', 'other', { input: { gold: { table: 'training', path: 'gold/x/', version: 1, digest: digest('gold 1') } } }),
    );
    const like = runOf('train', 'other').runId;

    expect(await ask('startTraining', { like })).toMatchObject({ body: { gold: { version: 1 } } });
    expect(await ask('startTraining', { like: refined(1).runId })).toMatchObject({ body: { gold: { version: 1 } } });
  });

  test.each([
    ['no gold yet', {}, 409, 'gold-unknown'],
    ['a parameter that is not declared', { params: { alpah: 1 } }, 422, 'param-refused'],
    ['a value of another type', { params: { epochs: 'many' } }, 422, 'param-refused'],
    ['an unknown run', { like: runOf('train', 'nowhere').runId }, 404, 'run-unknown'],
    ['no reason', { reason: ' ' }, 422, 'body-invalid'],
  ])('is refused with %s', async (_case, body, status, code) => {
    const { ask, started } = await api();

    expect(await ask('startTraining', body)).toMatchObject({ status, body: { code } });
    expect(started).toEqual([]);
  });

  test('needs the role of an operator for this pipeline', async () => {
    const { ask } = await api();

    expect(await ask('startTraining', {}, 'ada/reader')).toMatchObject({ status: 403 });
    expect(await ask('startTraining', {}, 'ada/operator:diabetes')).toMatchObject({ status: 403 });
  });
});

describe('a search', () => {
  const space = { epochs: { uniform: [10, 100] }, seed: { choice: [1, 2] } };

  test('starts with the metric of the gate against the champion', async () => {
    const { runs, started, ask } = await api();
    await runs.open(refined(1));

    const { status, body } = await ask('startSearch', { space, trials: 6, parallel: 3, train: true });

    expect(status).toBe(202);
    expect(body['runId']).toMatch(/^sweep-ble-location-[0-9a-f]{16}-a1$/);
    expect(SweepInput.parse(started[0]?.input)).toMatchObject({
      metric: 'top1',
      direction: 'higher-is-better',
      trials: 6,
      parallel: 3,
      seed: 0,
      train: true,
    });
  });

  test('the same again is the same search, also with more trials at a time', async () => {
    const { runs, ask } = await api();
    await runs.open(refined(1));
    const first = await ask('startSearch', { space, trials: 6 });

    expect(await ask('startSearch', { space, trials: 6, parallel: 6 })).toMatchObject({
      status: 200,
      body: { runId: first.body['runId'] },
    });
    expect((await ask('startSearch', { space, trials: 6, seed: 7 })).body['runId']).not.toBe(first.body['runId']);
  });

  test.each([
    ['a parameter that is not declared', { space: { depth: { choice: [1] } }, trials: 1 }, 'param-refused'],
    ['values of another type', { space: { epochs: { choice: [1, 'many'] } }, trials: 1 }, 'param-refused'],
    ['bounds upside down', { space: { epochs: { uniform: [5, 1] } }, trials: 1 }, 'param-refused'],
    ['nothing to vary', { space: {}, trials: 1 }, 'param-refused'],
    ['a metric that no gate explains', { space, trials: 1, metric: 'auc' }, 'metric-unclear'],
    ['too many rounds', { space, trials: 100, parallel: 1 }, 'body-invalid'],
  ])('is refused with %s', async (_case, body, code) => {
    const { runs, ask } = await api();
    await runs.open(refined(1));

    expect(await ask('startSearch', body)).toMatchObject({ status: 422, body: { code } });
  });
});

describe('comparing two trainings', () => {
  const curve = (name: string, points: unknown) => ({ name, kind: 'roc', x: 'fpr', y: 'tpr', points });

  async function two() {
    const at = await api();
    for (const version of [1, 2])
      await at.runs.open(
        refined(version, { refined: { ...refined(version).refined, gold: gold(version, version * 100) } as Run['refined'] }),
      );
    const [a, b] = [trained(1), trained(2)];
    await at.runs.open(a);
    await at.runs.open(b);
    const leave = (run: Run, more: object) =>
      at.store.create(
        `runs/${run.runId}/run-report.json`,
        Buffer.from(JSON.stringify({ ...reportOf(run.runId), ...more })),
        'application/json',
      );
    await leave(a, {
      params: { epochs: 80, seed: 0 },
      metrics: { top1: 0.4, top5: 0.8 },
      slices: [{ name: 'cell I', n: 10, metrics: { top1: 0.2 } }],
      plots: [
        curve('roc', [
          [0, 0],
          [1, 1],
        ]),
      ],
    });
    await leave(b, {
      params: { epochs: 5, seed: 0 },
      metrics: { top1: 0.5, auc: 0.9 },
      slices: [{ name: 'cell I', n: 12, metrics: { top1: 0.3 } }],
      plots: [
        curve('roc', [
          [0, 0],
          ['x', 1],
          [0.5, 0.9],
          [1, 1],
        ]),
      ],
    });
    return { ...at, a, b };
  }

  test('shows what differs: parameters, metrics, slices, data, curves', async () => {
    const { a, b, send } = await two();

    const { status, body } = await send('compareRuns', { query: `a=${a.runId}&b=${b.runId}` });

    const compared = body as unknown as Comparison;
    expect(status).toBe(200);
    expect(compared.a).toMatchObject({ runId: a.runId, backend: 'kubeflow', modelDigest: digest('model 1') });
    expect([compared.params, compared.equalParams]).toEqual([[{ name: 'epochs', a: 80, b: 5 }], 1]);
    expect(compared.metrics).toEqual([
      { name: 'auc', a: null, b: 0.9, difference: null },
      { name: 'top1', a: 0.4, b: 0.5, difference: expect.closeTo(0.1, 9) as number },
      { name: 'top5', a: 0.8, b: null, difference: null },
    ]);
    expect(compared.slices).toEqual([
      { name: 'cell I', rows: { a: 10, b: 12 }, metrics: [{ name: 'top1', a: 0.2, b: 0.3, difference: expect.closeTo(0.1, 9) as number }] },
    ]);
    expect(compared.data).toMatchObject({
      same: false,
      a: { version: 1, rows: 100 },
      b: { version: 2, rows: 200 },
      words: 'versions 1 and 2 of training: 100 and 200 rows',
    });
    expect(compared.curves).toEqual([
      {
        name: 'roc',
        kind: 'roc',
        a: [
          [0, 0],
          [1, 1],
        ],
        b: [
          [0, 0],
          [0.5, 0.9],
          [1, 1],
        ],
      },
    ]);
  });

  test('works for a run that left no report, and says so of data that is the same', async () => {
    const { runs, a, send } = await two();
    const bare = trained(1, {
      ...runOf('train', 'bare'),
      status: 'failed',
      trained: null,
      input: { gold: { table: 'training', path: 'x', version: 1, digest: digest('gold 1') } },
    });
    await runs.open(bare);

    const { body } = await send('compareRuns', { query: `a=${a.runId}&b=${bare.runId}` });

    expect(body).toMatchObject({
      data: { same: true, words: 'both trained on version 1 of training, 100 rows', a: { rows: 100 }, b: { rows: 100 } },
      metrics: [
        { name: 'top1', b: null },
        { name: 'top5', b: null },
      ],
    });
  });

  test('compares what was asked where a run left no report: what components add themselves is no difference', async () => {
    const { runs, store, version, send } = await two();
    const good = trained(1, { ...runOf('train', 'good'), contractDigest: version.digest });
    const failed = trained(1, { ...runOf('train', 'failed'), contractDigest: version.digest, status: 'failed', trained: null });
    await runs.open(good);
    await runs.open({ ...failed, input: { overrides: { epochs: -1 } } });
    const report = JSON.stringify({ ...reportOf(good.runId), params: { epochs: 80, goldenRows: 32 } });
    await store.create(`runs/${good.runId}/run-report.json`, Buffer.from(report), 'application/json');

    const { body } = await send('compareRuns', { query: `a=${good.runId}&b=${failed.runId}` });

    expect(body).toMatchObject({ params: [{ name: 'epochs', a: 80, b: -1 }] });
    expect(body['equalParams']).toBeGreaterThan(0);
  });

  test('names both pipelines where there are two', async () => {
    const { runs, a, send } = await two();
    const other = runOf('train', 'other', { pipeline: 'diabetes', status: 'succeeded' });
    await runs.open({ ...other, input: { gold: { table: 'training', path: 'x', version: 4, digest: digest('gold 4') } } });

    const { body } = await send('compareRuns', { query: `a=${a.runId}&b=${other.runId}` });

    expect(body['data']).toMatchObject({ same: false, words: 'ble-location/training v1 and diabetes/training v4' });
  });

  test('is about trainings that the caller may read', async () => {
    const { a, b, send } = await two();

    expect(await send('compareRuns', { query: `a=${a.runId}&b=${refined(1).runId}` })).toMatchObject({
      status: 409,
      body: { code: 'run-not-a-training' },
    });
    expect(await send('compareRuns', { query: `a=${a.runId}&b=${b.runId}`, token: 'ada/reader:diabetes' })).toMatchObject({ status: 403 });
  });
});

describe('a top-up', () => {
  const month = '2026-11';
  async function working() {
    const at = await api();
    const run = runOf('train', 'k', { budget: { month, costPerHour: 10, limit: 20, reserved: 20, spent: null } });
    await at.runs.open(run);
    await at.budgets.reserve({ pipeline: PIPELINE, month }, { holder: run.runId, amount: 20, perMonth: 50, at: minute(0) });
    const topUp = (key: string, token = 'grace/approver') =>
      at.send('topUpRun', { params: { id: run.runId }, body: { amount: 5, reason: 'nearly there' }, key, token });
    return { ...at, run, topUp };
  }

  test('lets a run cost more, once for each request, and is in the audit log', async () => {
    const { run, topUp, audit } = await working();

    expect(await topUp('one')).toEqual({ status: 200, body: { runId: run.runId, month, limit: 25 } });
    expect(await topUp('one')).toMatchObject({ body: { limit: 25 } });
    expect(await topUp('two')).toMatchObject({ body: { limit: 30 } });
    expect((await audit.list('2026-11-21', 5))[0]).toMatchObject({
      actor: 'grace',
      action: 'run.top-up',
      detail: '5 more, 30 in all: nearly there',
    });
  });

  test('needs an approver, and a run that works and has reserved', async () => {
    const { runs, budgets, run, topUp, send } = await working();
    const poor = runOf('train', 'poor');
    await runs.open(poor);

    expect(await topUp('one', 'ada/operator')).toMatchObject({ status: 403 });
    expect(await send('topUpRun', { params: { id: poor.runId }, body: { amount: 5, reason: 'x' } })).toMatchObject({
      status: 409,
      body: { code: 'reservation-unknown' },
    });
    await budgets.settle({ pipeline: PIPELINE, month }, run.runId, 3);
    expect(await topUp('two')).toMatchObject({ status: 409, body: { code: 'reservation-settled' } });
    await runs.patch(PIPELINE, run.runId, { status: 'failed' });
    expect(await topUp('three')).toMatchObject({ status: 409, body: { code: 'run-finished' } });
  });
});

describe('what a training left', () => {
  async function left() {
    const at = await api();
    const { version, bundle } = at;
    version.spec.train.keep = ['roc.png'];
    const kept = { ...version, digest: digest('kept') };
    await at.pipelines.put(kept, bundle, 'ada', minute(1));
    const run = trained(1, { contractDigest: kept.digest });
    await at.runs.open(run);
    const put = (path: string, text: string) => at.store.create(`runs/${run.runId}/${path}`, Buffer.from(text), 'text/plain');
    return { ...at, run, put };
  }

  test('is read without golden rows, step by step', async () => {
    const { run, put, send } = await left();
    await put('run-report.json', JSON.stringify(reportOf(run.runId)));
    await put(
      'steps/train/run-report.json',
      JSON.stringify({ ...reportOf(run.runId), status: 'failed', error: { code: 'bad', message: 'why' } }),
    );

    const { body } = await send('getRunReport', { params: { id: run.runId } });

    expect(body).toMatchObject({
      runId: run.runId,
      report: { status: 'succeeded' },
      steps: [{ step: 'train', report: { error: { code: 'bad' } } }],
      files: [{ step: 'train', file: 'roc.png' }],
    });
    expect(JSON.stringify(body)).not.toContain('golden');
  });

  test('that cannot be read is none', async () => {
    const { run, put, send } = await left();
    await put('run-report.json', '{"protocol": 1, NaN');

    expect((await send('getRunReport', { params: { id: run.runId } })).body).toMatchObject({
      report: null,
      steps: [{ step: 'train', report: null }],
    });
  });

  test('of a run that failed lists the files that are there', async () => {
    const { run: ended, runs, store, send } = await left();
    const run = { ...ended, ...runOf('train', 'broken'), contractDigest: ended.contractDigest, status: 'failed' as const, trained: null };
    await runs.open(run);
    const put = (path: string, text: string) => store.create(`runs/${run.runId}/${path}`, Buffer.from(text), 'text/plain');
    const files = async () => (await send('getRunReport', { params: { id: run.runId } })).body['files'];

    expect(await files()).toEqual([]);
    await put('files/train/roc.png', 'PNG');
    expect(await files()).toEqual([{ step: 'train', file: 'roc.png', path: `runs/${run.runId}/files/train/roc.png` }]);
  });

  test('a kept file comes as it is; others are not there, and none leads out of the run', async () => {
    const { run, put, send } = await left();
    await put('files/train/roc.png', 'PNG');
    await put('files/train/large.csv', 'x'.repeat(2 * 1024 * 1024 + 1));
    const file = (name: string, step = 'train') => send('getRunFile', { params: { id: run.runId, step, file: name } });

    expect(await file('roc.png')).toEqual({ status: 200, body: { step: 'train', file: 'roc.png', bytes: 3, base64: 'UE5H' } });
    expect(await file('other.png')).toMatchObject({ status: 404, body: { code: 'file-unknown' } });
    expect(await file('large.csv')).toMatchObject({ status: 413, body: { code: 'file-too-large' } });
    expect(await file('../../run-report.json')).toMatchObject({ status: 400 });
    expect(await file('roc.png', '../train')).toMatchObject({ status: 400 });
  });
});
