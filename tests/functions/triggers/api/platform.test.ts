// Status, whoami, the description of the API, and the table of routes.
import { describe, expect, it } from 'vitest';
import { openBreaker } from '../../../../shared/decisions/breaker.ts';
import { RejectedError, TransientError } from '../../../../shared/errors/errors.ts';
import { minute } from '../../../contracts/samples.ts';
import { createApi } from './harness.ts';

const budget = { cause: 'budget', reason: 'the month is spent', count: 10, limit: 10 } as const;

describe('status', () => {
  it('is ok when every configured part answers', async () => {
    const api = createApi({
      probes: [
        { name: 'tables', check: async () => 1 },
        { name: 'workspace', check: null },
      ],
      queueDepth: async () => 7,
    });

    expect((await api.send('GET', 'status', { token: 'rita/reader' })).body).toEqual({
      state: 'ok',
      components: [
        { name: 'tables', state: 'ok', reason: null },
        { name: 'workspace', state: 'not-configured', reason: null },
      ],
      queueDepth: 7,
      pipelines: [],
      holds: { freezes: [], breakers: [] },
    });
  });

  it('says which data is late, what comes next, and what holds events back; to each reader what is theirs', async () => {
    const api = createApi();
    const now = minute(1000);
    for (const pipeline of ['late', 'fine']) {
      await api.deps.vitals.update(pipeline, () => ({
        pipeline,
        registeredAt: minute(0),
        lastTick: now,
        lastEvent: minute(1),
        lastDataset: minute(2),
        lastTraining: null,
        freshness: { deadline: minute(900), met: pipeline === 'fine' },
        nextSchedule: minute(2000),
        raised: [],
      }));
      await api.deps.breakers.update(pipeline, () => ({ breaker: openBreaker(null, pipeline, budget, now), answer: null }));
    }
    const freeze = { kind: 'frozen', by: 'ola', reason: 'audit', since: minute(0) } as const;
    await api.deps.freezes.set({ ...freeze, pipeline: null, until: minute(5000) });
    await api.deps.freezes.set({ ...freeze, pipeline: 'late', until: minute(1) });

    const all = await api.send('GET', 'status', { token: 'rita/reader' });
    const own = await api.send('GET', 'status', { token: 'rita/reader:fine' });

    expect(all.body).toMatchObject({
      pipelines: [
        { pipeline: 'fine', freshness: { met: true }, nextSchedule: minute(2000) },
        { pipeline: 'late', freshness: { deadline: minute(900), met: false } },
      ],
      holds: { freezes: [{ pipeline: null, reason: 'audit' }], breakers: [{ opened: { cause: 'budget' } }, { state: 'open' }] },
    });
    expect(own.body).toMatchObject({ pipelines: [{ pipeline: 'fine' }], holds: { freezes: [{}], breakers: [{ pipeline: 'fine' }] } });
  });

  it('can be asked when the tables are away', async () => {
    const gone = { list: () => Promise.reject(new TransientError('table-unavailable', 'no answer')) };
    const api = createApi({ vitals: gone as never, freezes: gone as never, breakers: gone as never });

    expect(await api.send('GET', 'status')).toMatchObject({ status: 200, body: { pipelines: [], holds: { freezes: [], breakers: [] } } });
  });

  it('names each part that fails and why, but never what a vendor said', async () => {
    const fails = (error: Error) => () => Promise.reject(error);
    const api = createApi({
      probes: [
        { name: 'lake', check: fails(new TransientError('lake-unreachable', 'no answer')) },
        { name: 'sagemaker', check: fails(new RejectedError('platform-forbidden', 'the role is refused')) },
        { name: 'kubeflow', check: fails(new Error('https://10.0.0.1 token abc')) },
      ],
      queueDepth: fails(new Error('gone')),
    });

    const reply = await api.send('GET', 'status');

    expect(reply.body).toMatchObject({
      state: 'failing',
      components: [
        { name: 'lake', state: 'failing', reason: 'lake-unreachable: no answer' },
        { name: 'sagemaker', reason: 'platform-forbidden: the role is refused' },
        { name: 'kubeflow', reason: expect.not.stringContaining('10.0.0.1') as string },
      ],
      queueDepth: null,
    });
  });
});

describe('routes', () => {
  it('are unique, named after their operation, and below v1', () => {
    const { routes } = createApi();

    expect(new Set(routes.map(({ name }) => name)).size).toBe(routes.length);
    expect(new Set(routes.map(({ method, route }) => `${method} ${route}`)).size).toBe(routes.length);
    expect(routes.map(({ route }) => route).every((route) => route.startsWith('v1/'))).toBe(true);
    expect(routes.find(({ name }) => name === 'api-request-promotion')).toMatchObject({
      method: 'POST',
      route: 'v1/promotions',
      role: 'operator',
      durable: true,
    });
  });

  it('that change something need more than a reader', () => {
    const changing = createApi().routes.filter(({ method }) => method !== 'GET');

    expect(changing.filter(({ role }) => role === 'reader' || role === 'anyone' || role === 'anonymous').map(({ name }) => name)).toEqual(
      [],
    );
    expect(changing.filter(({ role }) => role !== 'operator').map(({ name, role }) => `${name} ${role}`)).toEqual([
      'api-release-case approver',
      'api-erase-rows approver',
      'api-top-up-run approver',
    ]);
  });
});
