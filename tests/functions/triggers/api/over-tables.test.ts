// The races of the API once more over real tables: one idempotency key is one promotion, one retry is one attempt.
import { randomBytes } from 'node:crypto';
import { expect, inject, it } from 'vitest';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { openTables } from '../../../../shared/adapters/tables/open-tables.ts';
import { createTableStores } from '../../../../shared/adapters/tables/stores.ts';
import type { PromotionAnswer } from '../../../../shared/contracts/http-api.ts';
import type { z } from 'zod';
import { minute, modelOf, runIdOf, runOf, versionOf } from '../../../contracts/samples.ts';
import { createApi } from './harness.ts';

async function overTables() {
  const tables = openTables({ connectionString: inject('storage') }, `t${randomBytes(6).toString('hex')}`);
  await tables.ensureTables();
  return createApi(createTableStores(tables, createMemoryStore()));
}

it('takes simultaneous requests: equal ones become one promotion, different ones get numbers of their own', async () => {
  const api = await overTables();
  const { version, bundle } = versionOf('ble-location', 'v');
  await api.deps.pipelines.put(version, bundle, 'ada', minute(0));
  const model = modelOf('m');
  await api.deps.models.register(model);
  const body = { model: model.modelDigest, environment: 'dev', reason: 'r' };

  const keys = ['a', 'a', 'a', 'b', 'b', 'c'];
  const replies = await Promise.all(keys.map((key) => api.send('POST', 'promotions', { body, headers: { 'idempotency-key': key } })));

  const promotions = replies.map((reply) => (reply.body as z.infer<typeof PromotionAnswer>).promotion);
  expect(new Set(promotions.slice(0, 3).map((promotion) => promotion.promotionId)).size).toBe(1);
  expect(new Set(promotions.map((promotion) => promotion.request))).toEqual(new Set([1, 2, 3]));
  expect(api.started).toHaveLength(3);
  expect(await api.deps.promotions.list({}, 10)).toHaveLength(3);
});

it('starts one attempt of simultaneous retries', async () => {
  const api = await overTables();
  const run = runOf('train', 'k', { status: 'failed' });
  await api.deps.runs.open(run);

  await Promise.all([1, 2, 3].map(() => api.send('POST', `runs/${run.runId}/retry`, { body: { reason: 'again' } })));

  expect(api.started.map(({ instanceId }) => instanceId)).toEqual([runIdOf('train', run.pipeline, run.key, 2)]);
  expect((await api.deps.runs.attempts(run.pipeline, run.key)).map(({ attempt }) => attempt)).toEqual([1, 2]);
});
