// Thin calls to Resource Manager over real HTTP: what is sent, how long is waited, and what becomes of refusals.
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { cutConnection } from '../../../../local/cloud/kit/server.ts';
import { operationOf } from '../../../../shared/clients/arm.ts';
import { createLocalRateBudget } from '../../../../shared/clients/arm/token-bucket.ts';
import { answer, OBJECT_ID, refusal, type Script, type Scripted, scripted, TOKEN } from './scripted.ts';

const opened: Scripted[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});
async function over(script: Script, more: Parameters<typeof scripted>[1] = {}): Promise<Scripted> {
  const one = await scripted(script, more);
  opened.push(one);
  return one;
}
const get = ({ arm }: Scripted, path = '/subscriptions/s/x') => arm.request('GET', path, { apiVersion: '2025-12-01' });
const put = ({ arm }: Scripted) => arm.request('PUT', '/subscriptions/s/x', { apiVersion: '2025-12-01', body: { a: 1 } });
const caught = (work: Promise<unknown>) =>
  work.then(
    () => new Error('it was not refused'),
    (error: unknown) => error as Error,
  );

describe('a call', () => {
  it('carries version, query, body and token, and gives status, headers and JSON', async () => {
    const one = await over(() => answer({ properties: { unknownToAnySdk: [1] } }, 201, { 'x-ms-request-id': 'r' }));

    const made = await one.arm.request('PUT', '/subscriptions/s/a%2Fb', {
      apiVersion: '2025-12-01',
      query: { $filter: "x eq 'y'" },
      body: { uri: 'azureml://x', mode: 'ReadOnlyMount' },
    });

    expect(made).toMatchObject({ status: 201, json: { properties: { unknownToAnySdk: [1] } } });
    expect(made.headers.get('X-MS-Request-Id')).toBe('r');
    expect(one.seen).toEqual([
      {
        method: 'PUT',
        path: '/subscriptions/s/a/b',
        query: { 'api-version': '2025-12-01', $filter: "x eq 'y'" },
        body: { uri: 'azureml://x', mode: 'ReadOnlyMount' },
        authorization: `Bearer ${TOKEN}`,
      },
    ]);
    expect(one.scopes).toEqual(['https://management.azure.com/.default']);
  });

  it('gives an accepted refusal as an answer', async () => {
    const one = await over(() => refusal(404, 'UserError', 'no such job'));

    await expect(one.arm.request('GET', '/x', { apiVersion: 'v', accept: [404] })).resolves.toMatchObject({
      status: 404,
      error: { code: 'UserError', message: 'no such job' },
    });
  });

  it('to another service goes there with its own scope, and is not metered by the budget of Resource Manager', async () => {
    const taken: string[] = [];
    const budget = { take: async (kind: string) => (taken.push(kind), { waitMs: 0 }), throttled: async () => undefined };
    const one = await over(() => answer({}), { budget });

    await one.arm.service('MLflow', one.url, 'https://ml.azure.com/.default')('GET', '/mlflow/x', { query: { run_id: 'r' } });

    expect(one.seen[0]).toMatchObject({ path: '/mlflow/x', query: { run_id: 'r' } });
    expect(one.scopes).toEqual(['https://ml.azure.com/.default']);
    expect(taken).toEqual([]);
  });
});

describe('waiting', () => {
  it('a 429 is waited for as long as it asks, and the call is made again, writes too', async () => {
    const one = await over((_, number) =>
      number < 3 ? refusal(429, 'TooManyRequests', 'slow down', { 'retry-after': '4' }) : answer({ ok: true }),
    );

    await expect(put(one)).resolves.toMatchObject({ json: { ok: true } });

    expect(one.slept).toEqual([4_000, 4_000]);
  });

  it('gives up when it would have to wait longer than a call may, and says so', async () => {
    const one = await over(() => refusal(429, 'TooManyRequests', 'slow down', { 'retry-after': '300' }));

    await expect(get(one)).rejects.toMatchObject({
      name: 'TransientError',
      code: 'arm-throttled',
      message: expect.stringMatching(/wait 300 s/) as string,
    });
    expect(one.slept).toEqual([]);
    expect(one.seen).toHaveLength(1);
  });

  it('a storm of 429 without a time ends after six calls', async () => {
    const one = await over(() => refusal(429, 'TooManyRequests', 'slow down'), { maxWaitMs: 600_000 });

    await expect(get(one)).rejects.toMatchObject({ code: 'arm-throttled' });
    expect(one.seen).toHaveLength(6);
    expect(one.slept).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
  });

  it('takes from the budget before each call, waits as it says, and tells it of a 429', async () => {
    const told: [string, number][] = [];
    const waits = [700, 0];
    const budget = {
      take: async () => ({ waitMs: waits.shift() ?? 0 }),
      throttled: async (kind: 'read' | 'write', waitMs: number) => void told.push([kind, waitMs]),
    };
    const one = await over((_, number) => (number === 1 ? refusal(429, 'X', 'slow', { 'retry-after': '2' }) : answer({})), { budget });

    await put(one);

    expect(one.slept).toEqual([700, 2_000]);
    expect(told).toEqual([['write', 2_000]]);
  });

  it('does not send what the budget has no room for', async () => {
    const budget = { take: async () => ({ waitMs: 60_000 }), throttled: async () => undefined };
    const one = await over(() => answer({}), { budget });

    await expect(get(one)).rejects.toMatchObject({ code: 'arm-throttled', message: expect.stringMatching(/not sent.*60 s/) as string });
    expect(one.seen).toEqual([]);
  });

  it('reads are made again after a failure, twice; writes are not', async () => {
    const reads = await over((_, number) => (number < 3 ? refusal(503, 'Busy', 'later') : answer({ ok: 1 })));
    const writes = await over(() => refusal(500, 'InternalServerError', 'oh'));

    await expect(get(reads)).resolves.toMatchObject({ json: { ok: 1 } });
    await expect(put(writes)).rejects.toMatchObject({ name: 'TransientError', code: 'arm-unavailable' });
    expect(writes.seen).toHaveLength(1);
  });

  it('reads survive a cut connection; a write that was cut is told apart, because it may have been carried out', async () => {
    const reads = await over((_, number) => (number < 2 ? cutConnection() : answer({ ok: 1 })));
    const writes = await over(() => cutConnection());
    const silent = await over(() => new Promise<Response>(() => undefined), { timeoutMs: 60 });

    await expect(get(reads)).resolves.toMatchObject({ json: { ok: 1 } });
    await expect(put(writes)).rejects.toMatchObject({ name: 'TransientError', code: 'arm-unreachable' });
    expect(writes.seen).toHaveLength(1);
    await expect(put(silent)).rejects.toMatchObject({
      code: 'arm-unreachable',
      message: expect.stringMatching(/no answer within 0.06 s/) as string,
    });
  });
});

describe('refusals', () => {
  const missing =
    "The client 'x' with object id 'bbbbbbbb-1111-4111-8111-111111111111' does not have authorization to perform action " +
    "'Microsoft.MachineLearningServices/workspaces/jobs/write' over scope '/subscriptions/s/resourceGroups/rg/workspaces/ws' or the scope is invalid.";

  it.each([
    [
      401,
      'ExpiredAuthenticationToken',
      'The access token expiry UTC time is earlier.',
      'arm-forbidden',
      new RegExp(`object id ${OBJECT_ID}.*expired, or made for another audience`),
    ],
    [
      403,
      'AuthorizationFailed',
      missing,
      'arm-forbidden',
      /object id bbbbbbbb-1111.*workspaces\/jobs\/write.*role "AzureML Data Scientist" on \/subscriptions\/s/,
    ],
    [403, 'Forbidden', 'Public network access is disabled', 'arm-forbidden', new RegExp(`${OBJECT_ID}.*network refuses it`)],
    [404, 'ResourceGroupNotFound', "Resource group 'rg' could not be found.", 'arm-missing', /Resource group 'rg'.*Check subscription/],
    [409, 'Conflict', 'another operation is in progress', 'arm-conflict', /another operation/],
    [400, 'UserError', 'the body is wrong', 'arm-refused', /UserError: the body is wrong\./],
    [302, '', '', 'arm-refused', /redirects/],
  ])('%d %s', async (status, code, message, expected, words) => {
    const one = await over(() => refusal(status, code, message, status === 302 ? { location: 'https://login.example/' } : {}));

    const error = await caught(put(one));

    expect(error).toMatchObject({ name: 'RejectedError', code: expected, message: expect.stringMatching(words) as string });
    expect(inspect(error, { depth: 10 })).not.toContain(TOKEN);
  });

  it('says what stands deepest in the body, without signatures, tokens and sent values', async () => {
    const body = {
      error: {
        code: 'UserError',
        message: 'Request is invalid',
        details: [{ code: 'BadUri', message: `see https://x.blob/y?sig=SECRETSIG and "my-parameter" ${TOKEN}` }],
      },
    };
    const one = await over(() => answer(body, 400));

    const error = await caught(one.arm.request('PUT', '/x', { apiVersion: 'v', body: {}, secrets: ['my-parameter'] }));

    expect(error.message).toMatch(
      /BadUri: Request is invalid see https:\/\/x\.blob\/y\?<query removed> and "<parameter value>" <token removed>/,
    );
    expect(error.message).not.toMatch(/SECRETSIG|my-parameter/);
  });

  it('a page that is no JSON is a failure of now; an endless answer is refused', async () => {
    const page = await over(() => new Response('<html>proxy</html>'));
    const endless = await over(() => new Response(`"${'x'.repeat(17 * 1024 * 1024)}"`));

    await expect(get(page)).rejects.toMatchObject({ name: 'TransientError', code: 'arm-unavailable' });
    await expect(get(endless)).rejects.toMatchObject({ code: 'arm-answer-invalid' });
  });

  it('what the credential says goes through', async () => {
    const { RejectedError } = await import('../../../../shared/errors/errors.ts');
    const credential = { getToken: () => Promise.reject(new RejectedError('identity-refused', 'no such identity')) };
    const one = await over(() => answer({}), { credential });

    await expect(get(one)).rejects.toMatchObject({ code: 'identity-refused' });
    expect(one.seen).toEqual([]);
  });
});

describe('long operations', () => {
  it('are values: found in the answer, stored as JSON, asked again by another process', async () => {
    const script: Script = ({ method, path }, number) => {
      if (method === 'POST')
        return answer(null, 202, {
          location: `http://${host}/never`,
          'azure-asyncoperation': `http://${host}/ops/1?api-version=v&t=${'x'.repeat(4_000)}`,
          'retry-after': '7',
        });
      if (path === '/ops/1')
        return number === 2
          ? answer({ status: 'Running' }, 200, { 'retry-after': '9' })
          : answer({ status: 'Succeeded', properties: { id: 'z' } });
      return refusal(404, 'X', 'not asked for');
    };
    let host = '';
    const one = await over(script);
    const other = await over((seen) => script(seen, 3));
    host = new URL(one.url).host;

    const operation = operationOf(await one.arm.request('POST', '/publish', { apiVersion: 'v', body: {} }));
    const stored = JSON.parse(JSON.stringify(operation)) as NonNullable<typeof operation>;

    expect(stored.kind).toBe('async-operation');
    await expect(one.arm.poll(stored)).resolves.toEqual({ state: 'running', waitMs: 9_000 });
    await expect(one.arm.poll(stored)).resolves.toEqual({ state: 'succeeded', result: { id: 'z' } });
    // Another process has another client; here it also is another address, which gets no token of ours.
    await expect(other.arm.poll(stored)).rejects.toMatchObject({ code: 'arm-answer-invalid' });
    expect(other.seen).toEqual([]);
  });

  it.each([
    [
      { status: 'Failed', error: { code: 'QuotaExceeded', message: 'no room' } },
      { state: 'failed', reason: 'QuotaExceeded: no room' },
    ],
    [{ status: 'Canceled' }, { state: 'cancelled' }],
    [{ status: 'Transmogrifying' }, { state: 'running', waitMs: 5_000 }],
  ])('by status %j', async (body, expected) => {
    const one = await over(() => answer(body));

    await expect(one.arm.poll({ kind: 'async-operation', url: `${one.url}/ops/1` })).resolves.toEqual(expected);
  });

  it.each([
    [answer({ id: 1 }, 202), { state: 'running', waitMs: 5_000 }],
    [answer({ id: 1 }, 200), { state: 'succeeded', result: { id: 1 } }],
    [refusal(409, 'Conflict', 'taken'), { state: 'failed', reason: 'Conflict: taken' }],
  ])('by Location %#', async (response, expected) => {
    const one = await over(() => response);

    await expect(one.arm.poll({ kind: 'location', url: `${one.url}/ops/1` })).resolves.toEqual(expected);
  });

  it('there is none when the answer is final', async () => {
    const one = await over(() => answer({ properties: {} }));

    expect(operationOf(await put(one))).toBeNull();
  });
});

it('the budget of one process lets a burst through and then paces', async () => {
  let now = 0;
  const budget = createLocalRateBudget(() => now, { read: { burst: 3, perSecond: 2 }, write: { burst: 1, perSecond: 1 } });

  expect(await Promise.all([1, 2, 3, 4, 5].map(() => budget.take('read', 1)))).toEqual([0, 0, 0, 500, 1_000].map((waitMs) => ({ waitMs })));
  now = 60_000;
  await budget.throttled('read', 5_000);
  expect(await budget.take('read', 1)).toEqual({ waitMs: 5_000 });
  expect(await budget.take('write', 1)).toEqual({ waitMs: 0 });
});
