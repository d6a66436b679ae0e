// Who may do what over HTTP, with tokens of the local issuer; promotion by hand; and requests that are refused as problem documents.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApi } from '../../cli/api.ts';
import type { Problem, RunSummary } from '../../shared/contracts/http-api.ts';
import type { ModelVersion, Promotion } from '../../shared/contracts/runs.ts';
import { readings } from '../support/pipeline-variant.ts';
import { REGION, runOf, startTestStack, type TestStack, until } from '../support/test-stack.ts';

const PIPELINE = 'by-hand';
const principal = (name: string, roles: readonly string[], tokenLifetimeSeconds?: number) => ({
  clientId: randomUUID(),
  objectId: randomUUID(),
  name,
  secret: randomUUID(),
  roles,
  ...(tokenLifetimeSeconds === undefined ? {} : { tokenLifetimeSeconds }),
});
const reader = principal('Rita Reader', ['reader']);
const operator = principal('Otto Operator', ['operator']);
const nobody = principal('Nora Nobody', []);
/** Past the minute of clock difference that is forgiven. */
const late = principal('Lea Late', ['admin'], -300);

let at: TestStack;
let model: ModelVersion;

beforeAll(async () => {
  at = await startTestStack({ principals: [reader, operator, nobody, late] });
  await at.register({ pipeline: PIPELINE, start: 'manual' });
  const train = runOf(await at.follow(await at.land(PIPELINE, 'first.csv', readings(1))), 'train');
  model = await at.api.get<ModelVersion>(`/models/${train.trained?.modelDigest ?? 'none'}`);
});

afterAll(() => at?.stop());

interface Answer {
  status: number;
  type: string | null;
  challenge: string | null;
  problem: Problem;
}

async function ask(
  method: string,
  path: string,
  options: { token?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { token, body, headers = {} } = options;
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const content = body === undefined ? {} : { body };
  const signal = AbortSignal.timeout(30_000);
  const answer = await fetch(`${at.file.api}${path}`, { method, headers: { ...authorization, ...headers }, ...content, signal });
  const problem = (await answer.json()) as Problem;
  return { status: answer.status, type: answer.headers.get('content-type'), challenge: answer.headers.get('www-authenticate'), problem };
}

const JSON_TYPE = { 'content-type': 'application/json' };
const promotion = (more: object = {}) => JSON.stringify({ model: model.modelDigest, environment: 'dev', reason: 'a test', ...more });
const promote = (token: string, body: string, key: string = randomUUID()) =>
  ask('POST', '/promotions', { token, body, headers: { ...JSON_TYPE, 'idempotency-key': key } });
const audited = async (): Promise<Promotion[]> => (await at.api.get<{ items: Promotion[] }>('/promotions')).items;

describe('a token', () => {
  test('is needed', async () => {
    const answer = await ask('GET', '/runs');

    expect(answer).toMatchObject({ status: 401, problem: { code: 'token-missing', status: 401 } });
    expect(answer.type).toBe('application/problem+json');
    expect(answer.challenge).toMatch(/^Bearer realm=/);
  });

  test('that has expired is refused', async () => {
    const answer = await ask('GET', '/runs', { token: await at.token(late) });

    expect(answer).toMatchObject({ status: 401, problem: { code: 'token-refused' } });
    expect(answer.problem.detail).toMatch(/expired/);
    expect(answer.challenge).toContain('error="invalid_token"');
  });

  test('for another audience is refused', async () => {
    const answer = await ask('GET', '/runs', { token: await at.token(operator, 'https://management.azure.com') });

    expect(answer).toMatchObject({ status: 401, problem: { code: 'token-refused' } });
    expect(answer.problem.detail).toMatch(/audience|issuer/);
  });

  test.each([
    ['is not signed', (token: string) => `${token.split('.').slice(0, 2).join('.')}.`],
    [
      'says alg none',
      (token: string) => `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${token.split('.')[1] ?? ''}.`,
    ],
    ['was given more roles afterwards', withMoreRoles],
    ['is no token', () => 'abc'],
  ])('that %s is refused', async (_what, spoil) => {
    const answer = await ask('GET', '/runs', { token: spoil(await at.token(reader)) });

    expect(answer).toMatchObject({ status: 401, problem: { code: 'token-refused' } });
  });

  test('without a role may ask who it names, and nothing else', async () => {
    const token = await at.token(nobody);
    const whoami = await ask('GET', '/whoami', { token });
    const runs = await ask('GET', '/runs', { token });

    expect(whoami).toMatchObject({ status: 200, problem: { roles: [] } });
    expect(runs).toMatchObject({ status: 403, problem: { code: 'role-missing' } });
    expect(runs.problem.detail).toContain('"reader"');
  });
});

describe('a reader', () => {
  test('reads', async () => {
    const api = createApi(at.file.api, () => at.token(reader));

    expect((await api.get<{ items: unknown[] }>('/runs')).items.length).toBeGreaterThan(0);
    expect((await api.get<{ models: unknown[] }>(`/why?subject=${model.modelDigest}`)).models).toHaveLength(1);
  });

  test.each([
    ['promotes', 'POST', '/promotions', () => promotion()],
    ['registers a pipeline', 'PUT', `/pipelines/${PIPELINE}`, () => '{}'],
    ['cancels a run', 'POST', '/runs/RUN/cancel', () => '{"reason":"a test"}'],
    ['calls an endpoint', 'POST', `/serving/${REGION}/${PIPELINE}-dev/invoke`, () => '{"rows":[[1]]}'],
  ])('who %s is told the role that this needs, and nothing happens', async (_what, method, path, body) => {
    const before = await audited();
    const headers = { ...JSON_TYPE, 'idempotency-key': randomUUID() };
    const answer = await ask(method, path.replace('RUN', model.runId), { token: await at.token(reader), body: body(), headers });

    expect(answer).toMatchObject({ status: 403, type: 'application/problem+json', problem: { code: 'role-missing' } });
    expect(answer.problem.detail).toMatch(/needs the role "operator"/);
    expect(await audited()).toEqual(before);
  });
});

describe('a promotion by hand', () => {
  test('asked for twice with one key is one promotion, which serves', async () => {
    const token = await at.token(operator);
    const key = randomUUID();
    const [one, two] = await Promise.all([promote(token, promotion(), key), promote(token, promotion(), key)]);
    const three = await promote(token, promotion(), key);
    const id = (answer: Answer): string => (answer.problem as unknown as { promotion: Promotion }).promotion.promotionId;

    expect([one.status, two.status].sort()).toEqual([200, 202]);
    expect(three.status).toBe(200);
    expect([id(two), id(three)]).toEqual([id(one), id(one)]);
    const run = await until('the end of the promotion', async () => {
      const found = await at.api.find<RunSummary>(`/runs/${id(one)}`);
      return found?.status !== 'running' && found;
    });
    expect(run).toMatchObject({
      status: 'succeeded',
      cause: { kind: 'person' },
      promoted: { modelDigest: model.modelDigest, previousConfig: null },
    });
    expect(await audited()).toMatchObject([{ promotionId: id(one), reason: 'a test', requestedBy: expect.stringMatching(/./) as string }]);
    expect((await at.kubeflowRuns()).filter((job) => job.display_name.includes('publish'))).toHaveLength(1);
  });

  test('with a key that was used for something else is refused', async () => {
    const token = await at.token(operator);
    const key = randomUUID();
    const before = (await audited()).length;
    await promote(token, promotion({ reason: 'the first' }), key);

    const answer = await promote(token, promotion({ reason: 'another' }), key);

    expect(answer).toMatchObject({ status: 422, problem: { code: 'idempotency-key-reused' } });
    expect(await audited()).toHaveLength(before + 1);
  });

  test.each([
    ['an unknown model', 404, 'model-unknown', { model: 'ab'.repeat(32) }, /GET \/api\/v1\/models/],
    ['an unknown environment', 404, 'environment-unknown', { environment: 'devv' }, /did you mean "?dev/i],
    ['a model that is no digest', 422, 'body-invalid', { model: 'newest' }, /model/],
    ['no reason', 422, 'body-invalid', { reason: ' ' }, /reason/],
    ['a key that nobody knows', 422, 'body-invalid', { enviroment: 'dev' }, /enviroment/],
  ])('of %s is refused as %i %s', async (_what, status, code, more, detail) => {
    const before = await audited();
    const answer = await promote(await at.token(operator), promotion(more));

    expect(answer).toMatchObject({ status, type: 'application/problem+json', problem: { code, status } });
    expect(answer.problem.detail).toMatch(detail);
    expect(await audited()).toEqual(before);
  });

  test.each([
    ['without a body', 415, 'body-not-json', undefined, {}],
    ['with an empty body', 400, 'body-not-json', '', JSON_TYPE],
    ['with half a body', 400, 'body-not-json', '{"model": ', JSON_TYPE],
    ['with too large a body', 413, 'body-too-large', JSON.stringify({ model: 'x'.repeat(1_100_000) }), JSON_TYPE],
  ])('%s is refused as %i %s', async (_what, status, code, body, headers) => {
    const token = await at.token(operator);
    const answer = await ask('POST', '/promotions', {
      token,
      headers: { ...headers, 'idempotency-key': randomUUID() },
      ...(body === undefined ? {} : { body }),
    });

    expect(answer).toMatchObject({ status, type: 'application/problem+json', problem: { code, status } });
  });

  test('without a key is refused', async () => {
    const answer = await ask('POST', '/promotions', { token: await at.token(operator), body: promotion(), headers: JSON_TYPE });

    expect(answer).toMatchObject({ status: 400, problem: { code: 'idempotency-key-missing' } });
  });
});

test('the OpenAPI document is there for everybody', async () => {
  const answer = await fetch(`${at.file.api}/openapi.json`, { signal: AbortSignal.timeout(10_000) });

  expect(await answer.json()).toMatchObject({ openapi: expect.stringMatching(/^3\.1/) as string, paths: { '/promotions': {} } });
});

/** The same token with the roles of an admin, under the old signature. */
function withMoreRoles(token: string): string {
  const [header = '', claims = '', signature = ''] = token.split('.');
  const more = { ...(JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as object), roles: ['admin'] };
  return [header, Buffer.from(JSON.stringify(more)).toString('base64url'), signature].join('.');
}
