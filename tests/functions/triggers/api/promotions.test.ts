// Models, promotions by hand, and what serves.
import { describe, expect, it } from 'vitest';
import { PromoteInput } from '../../../../shared/contracts/stories.ts';
import { promoteKey } from '../../../../shared/decisions/identity.ts';
import type { Promotion } from '../../../../shared/contracts/runs.ts';
import { digest, minute, modelOf, promotionOf, runIdOf, servingOf, versionOf } from '../../../contracts/samples.ts';
import { createApi } from './harness.ts';

const model = modelOf('m');
const wish = { model: model.modelDigest, environment: 'dev', reason: 'better on site 2' };

async function ready() {
  const api = createApi();
  const { version, bundle } = versionOf('ble-location', 'v');
  await api.deps.pipelines.put(version, bundle, 'ada', minute(0));
  await api.deps.models.register(model);
  const promote = (body: object = wish, key = 'k-1', token = 'ola/operator') =>
    api.send('POST', 'promotions', { token, body, headers: { 'idempotency-key': key } });
  return { ...api, promote, version };
}
const promotionIn = (reply: { body: unknown }) => (reply.body as { promotion: Promotion }).promotion;

describe('a promotion by hand', () => {
  it('is recorded, opened and started under its derived id', async () => {
    const api = await ready();
    const key = promoteKey({ modelDigest: model.modelDigest, environment: 'dev', request: 1 });
    const runId = runIdOf('promote', 'ble-location', key);

    const reply = await api.promote({ ...wish, model: model.modelDigest.slice(0, 8) });

    expect(reply).toMatchObject({ status: 202, headers: { location: `/api/v1/promotions/${runId}` } });
    expect(promotionIn(reply)).toMatchObject({
      promotionId: runId,
      modelDigest: model.modelDigest,
      request: 1,
      requestedBy: 'ola',
      environment: 'dev',
    });
    expect(api.started).toEqual([{ story: 'promote', instanceId: runId, input: expect.objectContaining({ runId, key }) as object }]);
    expect(PromoteInput.parse(api.started[0]?.input)).toMatchObject({ contractDigest: api.version.digest, policy: api.deps.policy });
    expect(await api.deps.runs.find(runId)).toMatchObject({ status: 'running', cause: { kind: 'person', ref: 'ola' }, owner: runId });
    expect(await api.send('GET', `promotions/${runId}`)).toMatchObject({ body: { promotion: { promotionId: runId }, run: { runId } } });
    expect(await api.deps.audit.list(minute(1001).slice(0, 10), 9)).toMatchObject([{ action: 'promotion.request', actor: 'ola' }]);
  });

  it('asked for twice with one key is one promotion', async () => {
    const api = await ready();

    const [first, second] = [await api.promote(), await api.promote()];

    expect([first.status, second.status]).toEqual([202, 200]);
    expect(promotionIn(second)).toEqual(promotionIn(first));
    expect(api.started).toHaveLength(1);
    expect(await api.deps.promotions.list({}, 9)).toHaveLength(1);
  });

  it('asked for by many at once with one key is one promotion', async () => {
    const api = await ready();

    const replies = await Promise.all(Array.from({ length: 10 }, () => api.promote()));

    expect(new Set(replies.map((reply) => promotionIn(reply).promotionId)).size).toBe(1);
    expect(replies.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(api.started).toHaveLength(1);
  });

  it('with a new key is the next request; another person’s key is another key', async () => {
    const api = await ready();

    const replies = [await api.promote(wish, 'k-1'), await api.promote(wish, 'k-2'), await api.promote(wish, 'k-1', 'bob/operator')];

    expect(replies.map((reply) => promotionIn(reply).request)).toEqual([1, 2, 3]);
    expect(api.started).toHaveLength(3);
  });

  it('counts after the request of the run itself', async () => {
    const api = await ready();
    await api.deps.promotions.record(promotionOf('auto', { modelDigest: model.modelDigest, request: 0 }));

    expect(promotionIn(await api.promote()).request).toBe(1);
  });

  it('is started by the repeat when the first request died before starting', async () => {
    const api = await ready();
    const { promotionId } = promotionIn(await api.promote());
    api.started.length = 0;

    expect((await api.promote()).status).toBe(200);

    expect(api.started.map(({ instanceId }) => instanceId)).toEqual([promotionId]);
  });

  it('is not started again when it is over', async () => {
    const api = await ready();
    const { promotionId } = promotionIn(await api.promote());
    await api.deps.runs.patch('ble-location', promotionId, { status: 'failed', finishedAt: minute(2000) });
    api.started.length = 0;

    expect(await api.promote()).toMatchObject({ status: 200, body: { run: { status: 'failed' } } });

    expect(api.started).toEqual([]);
  });

  it('with a used key and another content is refused', async () => {
    const api = await ready();
    const other = modelOf('other');
    await api.deps.models.register(other);
    await api.promote();

    for (const change of [{ reason: 'because' }, { model: other.modelDigest }]) {
      expect(await api.promote({ ...wish, ...change })).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } });
    }
    expect(api.started).toHaveLength(1);
  });

  it('without a key, or with an odd one, is refused', async () => {
    const api = await ready();

    expect(await api.send('POST', 'promotions', { body: wish })).toMatchObject({ status: 400, body: { code: 'idempotency-key-missing' } });
    for (const key of ['a b', 'x'.repeat(201)]) expect(await api.promote(wish, key)).toMatchObject({ status: 400 });
  });

  it('of an unknown model, pipeline or environment says so', async () => {
    const api = await ready();

    expect(await api.promote({ ...wish, model: digest('none') })).toMatchObject({ status: 404, body: { code: 'model-unknown' } });
    expect(await api.promote({ ...wish, pipeline: 'other' })).toMatchObject({ status: 404, body: { code: 'model-unknown' } });
    const environment = await api.promote({ ...wish, environment: 'dve' });
    expect(environment).toMatchObject({ status: 404, body: { code: 'environment-unknown', problems: [{ mend: 'did you mean "dev"?' }] } });
    await api.deps.models.register(modelOf('orphan', { pipeline: 'gone' }));
    expect(await api.promote({ ...wish, model: digest('orphan') })).toMatchObject({ status: 409, body: { code: 'pipeline-unknown' } });
    expect(api.started).toEqual([]);
    expect(await api.deps.promotions.list({}, 9)).toEqual([]);
  });

  it('needs an operator of pipeline and environment', async () => {
    const api = await ready();

    expect(await api.promote(wish, 'k', 'rita/reader')).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('"operator"') as string },
    });
    expect(await api.promote(wish, 'k', 'abe/approver')).toMatchObject({ status: 403 });
    expect(await api.promote(wish, 'k', 'ola/reader,operator@prod')).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('operator:ble-location@dev') as string },
    });
    expect(await api.promote(wish, 'k', 'ola/operator:ble-location@dev')).toMatchObject({ status: 202 });
  });

  it('is refused with unknown keys and without a reason', async () => {
    const api = await ready();

    expect(await api.promote({ ...wish, enviroment: 'dev' })).toMatchObject({
      status: 422,
      body: { problems: [{ mend: 'did you mean "environment"?' }] },
    });
    expect(await api.promote({ ...wish, reason: '' })).toMatchObject({ status: 422 });
    expect(await api.promote({ ...wish, model: '../..' })).toMatchObject({ status: 422 });
  });
});

describe('lists', () => {
  it('of promotions are filtered', async () => {
    const api = await ready();
    for (const environment of ['dev', 'prod']) await api.deps.promotions.record(promotionOf(environment, { environment }));

    expect(await api.send('GET', 'promotions?environment=prod')).toMatchObject({ body: { items: [{ environment: 'prod' }] } });
    expect(await api.send('GET', `promotions?model=${digest('none')}`)).toMatchObject({ body: { items: [] } });
    expect(await api.send('GET', 'promotions', { token: 'rita/reader@dev' })).toMatchObject({ body: { items: [{ environment: 'dev' }] } });
    expect(await api.send('GET', `promotions/${promotionOf('none').promotionId}`)).toMatchObject({
      status: 404,
      body: { code: 'promotion-unknown' },
    });
  });

  it('of models, and one by the beginning of its digest', async () => {
    const api = await ready();

    expect(await api.send('GET', 'models')).toMatchObject({ body: { items: [{ modelDigest: model.modelDigest }] } });
    expect(await api.send('GET', `models/${model.modelDigest.slice(0, 10)}`)).toMatchObject({ body: model });
    expect(await api.send('GET', `models/${digest('none')}`)).toMatchObject({ status: 404 });
  });

  it('say when a digest is not enough', async () => {
    const api = await ready();
    await api.deps.models.register({ ...model, pipeline: 'other' });

    expect(await api.send('GET', `models/${model.modelDigest}`)).toMatchObject({
      status: 409,
      body: { code: 'model-ambiguous', detail: expect.stringContaining('name the pipeline') as string },
    });
    expect(await api.send('GET', `models/${model.modelDigest}?pipeline=other`)).toMatchObject({ body: { pipeline: 'other' } });
    expect(await api.send('GET', `models/${model.modelDigest}`, { token: 'rita/reader:other' })).toMatchObject({
      body: { pipeline: 'other' },
    });
  });
});

describe('serving', () => {
  const endpoint = 'sagemaker/eu-central-1/ble-location-dev';

  async function serving() {
    const api = createApi();
    for (const n of [0, 10]) await api.deps.serving.record(servingOf(`m${n}`, { since: minute(n) }));
    return api;
  }

  it('says what serves now and what served then', async () => {
    const api = await serving();

    expect(await api.send('GET', 'serving')).toMatchObject({ body: { items: [{ modelDigest: digest('m10') }] } });
    expect(await api.send('GET', `serving/at?endpoint=${endpoint}`)).toMatchObject({ body: { entry: { modelDigest: digest('m10') } } });
    expect(await api.send('GET', `serving/at?endpoint=${endpoint}&time=${minute(9)}`)).toMatchObject({
      body: { time: minute(9), entry: { modelDigest: digest('m0') } },
    });
    expect(await api.send('GET', `serving/at?endpoint=${endpoint}&time=${minute(-1)}`)).toMatchObject({ body: { entry: null } });
    expect(await api.send('GET', 'serving', { token: 'rita/reader:other' })).toMatchObject({ body: { items: [] } });
  });

  it('invokes an endpoint that Sluice promoted to, for operators of its pipeline', async () => {
    const api = await serving();
    const invoke = (token: string, path = 'eu-central-1/ble-location-dev', body: unknown = { rows: [[1, 2, 3]] }) =>
      api.send('POST', `serving/${path}/invoke`, { token, body });

    expect((await invoke('ola/operator')).body).toEqual({
      endpoint,
      modelDigest: digest('m10'),
      predictions: [{ label: 'cell-3', probability: 0.5 }],
    });
    expect(await invoke('rita/reader')).toMatchObject({ status: 403 });
    expect(await invoke('ola/operator:other')).toMatchObject({ status: 403 });
    expect(await invoke('ola/operator', 'eu-central-1/not-ours')).toMatchObject({ status: 404, body: { code: 'endpoint-unknown' } });
    for (const rows of [[], [[]], [[[1]]], [{ a: {} }], [7], 'x', Array(1001).fill([1])]) {
      expect(await invoke('ola/operator', undefined, { rows })).toMatchObject({ status: 422 });
    }
  });

  it('hands rows on as they came, and numbers back as numbers', async () => {
    const api = await serving();
    const rows = [['RENT', 1, null, true], [24.5, 'A'], { home: 'RENT', age: 24, rate: null }];
    const seen: unknown[] = [];
    api.deps.platform.invoke = async (_place, given) => {
      seen.push(given);
      return given.map((_, n) => ({ value: n / 2 }));
    };

    const answer = await api.send('POST', 'serving/eu-central-1/ble-location-dev/invoke', { token: 'ola/operator', body: { rows } });

    expect(seen).toEqual([rows]);
    expect(answer.body).toMatchObject({ predictions: [{ value: 0 }, { value: 0.5 }, { value: 1 }] });
  });
});
