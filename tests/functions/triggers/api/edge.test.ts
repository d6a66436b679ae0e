// The edge: token, role, query, body; and every refusal a problem document without a stack.
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { RejectedError, TransientError } from '../../../../shared/errors/errors.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import { createApi } from './harness.ts';

describe('who calls', () => {
  it('without a token is asked for one', async () => {
    const reply = await createApi().send('GET', 'runs', { token: null });

    expect(reply.status).toBe(401);
    expect(reply.headers).toMatchObject({ 'www-authenticate': 'Bearer realm="sluice"', 'content-type': 'application/problem+json' });
    expect(reply.body).toMatchObject({ code: 'token-missing', type: 'docs/errors.md#token-missing', instance: 'inv-1' });
  });

  it('with a token that is refused learns why, in a header that stays one header', async () => {
    const reply = await createApi().send('GET', 'runs', { token: 'forged' });

    expect(reply.status).toBe(401);
    expect(reply.headers['www-authenticate']).toBe(
      `Bearer realm="sluice", error="invalid_token", error_description="The token was refused: the signature 'does not' match"`,
    );
  });

  it.each(['Basic abc', 'Bearer', 'Bearer a b', 'bearer\tx'])('with the header %j is refused', async (authorization) => {
    const reply = await createApi().send('GET', 'runs', { token: null, headers: { authorization } });

    expect(reply).toMatchObject({ status: 401, body: { code: 'token-refused' } });
  });

  it('without the role learns which one is missing', async () => {
    const body = { model: 'abcdef01', environment: 'dev', reason: 'x' };

    const reply = await createApi().send('POST', 'promotions', { token: 'rita/reader', body, headers: { 'idempotency-key': 'k' } });

    expect(reply.status).toBe(403);
    expect(reply.body).toMatchObject({ code: 'role-missing', detail: 'This needs the role "operator"; rita has "reader"' });
  });

  it('without any role may only ask who they are', async () => {
    const api = createApi();

    expect(await api.send('GET', 'runs', { token: 'nina/' })).toMatchObject({ status: 403 });
    expect(await api.send('GET', 'whoami', { token: 'nina/' })).toMatchObject({
      status: 200,
      body: { subject: 'sub-nina', name: 'nina', roles: [] },
    });
  });

  it('learns nothing about the input rules before the role is checked', async () => {
    const reply = await createApi().send('POST', 'promotions', { token: 'rita/reader', raw: 'not json' });

    expect(reply.status).toBe(403);
  });

  it('needs a token for every route but the description of the API', () => {
    expect(
      createApi()
        .routes.filter(({ role }) => role === 'anonymous')
        .map(({ route }) => route),
    ).toEqual(['v1/openapi.json']);
  });
});

describe('the query', () => {
  it.each([
    ['runs?statsu=failed', 'unknown parameter \\"statsu\\"', 'did you mean \\"status\\"?'],
    ['runs?limit=0', 'limit', '1'],
    ['runs?limit=201', 'limit', '200'],
    ['runs?limit=abc', 'limit', 'number'],
    ['runs?limit=1&limit=2', 'limit', 'twice'],
    ['runs?status=lost', 'status', 'failed'],
    ['runs?pipeline=../x', 'pipeline', 'lower-case'],
    ['runs?__proto__=1', 'unknown parameter', '__proto__'],
    ['events?after=', 'after', ''],
    ['serving/at?endpoint=nonsense', 'endpoint', '<platform>'],
    ['serving/at?endpoint=sagemaker/eu-central-1/x&time=yesterday', 'time', ''],
    ['whoami?x=1', 'unknown parameter', 'remove it'],
  ])('%s is refused', async (path, ...parts) => {
    const reply = await createApi().send('GET', path);

    expect(reply.status).toBe(400);
    for (const part of parts) expect(JSON.stringify(reply.body)).toContain(part);
  });

  it('with a position that is none is refused', async () => {
    expect(await createApi().send('GET', 'events?after=bogus')).toMatchObject({ status: 400, body: { code: 'position-unknown' } });
  });
});

describe('the path', () => {
  it.each(['runs/..%2f..%2fx', 'runs/x', 'models/xyz', 'models/ABCDEF0123', 'pipelines/Not%20a%20name', 'promotions/__proto__'])(
    '%s is refused',
    async (path) => {
      expect(await createApi().send('GET', path)).toMatchObject({ status: 400, body: { code: 'path-invalid' } });
    },
  );
});

describe('the body', () => {
  const put = (sent: object) => createApi().send('PUT', 'pipelines/ble-location', sent);

  it('must be there, and JSON', async () => {
    expect(await put({ raw: '' })).toMatchObject({ status: 400, body: { detail: expect.stringContaining('empty') as string } });
    expect(await put({ raw: '{"file":' })).toMatchObject({ status: 400, body: { code: 'body-not-json' } });
    expect(await put({ raw: Uint8Array.from([0x22, 0xff, 0x22]) })).toMatchObject({
      status: 400,
      body: { detail: 'The body is not UTF-8' },
    });
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''])('as %j is refused', async (type) => {
    expect(await put({ raw: '{}', headers: { 'content-type': type } })).toMatchObject({ status: 415 });
  });

  it('larger than 1 MiB is refused, whatever length was announced', async () => {
    const raw = JSON.stringify({ file: 'x'.repeat(1024 * 1024) });

    expect(await put({ raw })).toMatchObject({ status: 413, body: { code: 'body-too-large' } });
    expect(await put({ raw, headers: { 'content-length': '10' } })).toMatchObject({ status: 413 });
    expect(await put({ raw: '{}', headers: { 'content-length': '99999999' } })).toMatchObject({ status: 413 });
  });

  it('of the wrong shape is refused with every problem', async () => {
    const reply = await put({ body: { file: 1, sql: { '../x.sql': '' }, images: { a: 'img:latest' }, extra: true } });

    expect(reply.status).toBe(422);
    const wheres = (reply.body as { problems: { where: string }[] }).problems.map(({ where }) => where);
    expect(wheres).toEqual(expect.arrayContaining(['file', 'sql.../x.sql', 'images.a', 'body']));
  });

  it('nested a hundred thousand deep is refused', async () => {
    expect(await put({ raw: '['.repeat(100_000) + ']'.repeat(100_000) })).toMatchObject({ status: 422 });
  });

  it('with prototype keys changes nothing', async () => {
    const reply = await put({
      raw: '{"file":"x","sql":{},"images":{},"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    });

    expect(reply.status).toBe(422);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('what goes wrong inside', () => {
  const failing = (error: Error) => {
    const { runs } = createMemoryStores();
    return createApi({ runs: { ...runs, list: () => Promise.reject(error) } });
  };

  it('by our mistake is told without details, and logged with them', async () => {
    const api = failing(new TypeError('secret: connection string'));

    const reply = await api.send('GET', 'runs');

    expect(reply).toMatchObject({ status: 500, body: { code: 'internal-error', instance: 'inv-1', problems: [] } });
    expect(JSON.stringify(reply)).not.toMatch(/secret|TypeError|at .*\.ts/);
    expect(JSON.stringify(api.logged.map(([level, ...rest]) => [level, rest.map(String)]))).toContain('secret');
  });

  it('is logged with stack and causes, without what an SDK hung on the error', async () => {
    const cause = Object.assign(new Error('the socket closed'), { $response: { headers: { 'x-amz-security-token': 'session-token-1' } } });
    const error = Object.assign(new Error('cannot read the answer', { cause }), { $response: { token: 'session-token-2' } });
    const api = failing(error);

    await api.send('GET', 'runs');

    const logged = inspect(api.logged, { depth: 10 });
    expect(logged).toMatch(/cannot read the answer[^]*edge\.test\.ts[^]*caused by Error: the socket closed/);
    expect(logged).not.toContain('session-token');
  });

  it('for now asks to come again', async () => {
    const reply = await failing(new TransientError('tables-busy', 'Table "runs" answered 503')).send('GET', 'runs');

    expect(reply).toMatchObject({ status: 503, headers: { 'retry-after': '5' }, body: { code: 'tables-busy' } });
  });

  it('for good says what', async () => {
    expect(await failing(new RejectedError('tables-forbidden', 'No role')).send('GET', 'runs')).toMatchObject({
      status: 500,
      body: { detail: 'No role' },
    });
    expect(await failing(new RejectedError('anything-else', 'Never')).send('GET', 'runs')).toMatchObject({ status: 422 });
  });
});

it('lets no cache keep an answer', async () => {
  const reply = await createApi().send('GET', 'whoami');

  expect(reply.headers).toMatchObject({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-type': 'application/json',
  });
});
