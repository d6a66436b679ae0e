// Status, whoami, the description of the API, and the table of routes.
import { describe, expect, it } from 'vitest';
import { openBreaker } from '../../../../shared/decisions/breaker.ts';
import { RejectedError, TransientError } from '../../../../shared/errors/errors.ts';
import { createMemoryListing } from '../../../../shared/adapters/memory/listing.ts';
import { minute, versionOf } from '../../../contracts/samples.ts';
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
      reconciled: null,
      retained: null,
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
    const away = () => Promise.reject(new TransientError('table-unavailable', 'no answer'));
    const gone = { list: away, reconciling: away, retaining: away };
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

describe('comparing the lake with the ledger', () => {
  async function withFile() {
    const listing = createMemoryListing({ account: 'lake', container: 'data' });
    // The harness's clock goes on a minute at each look, which is longer than a comparison may take.
    const api = createApi({ listing, now: () => new Date(minute(1001)) });
    const { version, bundle } = versionOf('ble-location', 'v');
    await api.deps.pipelines.put(version, bundle, 'ada', minute(0));
    listing.put('bronze/x/lost.csv', { eTag: '0x1', bytes: 3, lastModified: minute(900) });
    const compare = (token = 'ola/operator') => api.send('POST', 'reconcile', { body: { reason: 'nothing ran' }, token });
    return { ...api, compare };
  }

  it('judges a file whose event was lost, once, and says which', async () => {
    const api = await withFile();

    const first = await api.compare();
    const again = await api.compare();

    const [entry] = (await api.deps.ledger.recent(5)).items;
    expect(first).toMatchObject({ status: 200, body: { complete: true, listed: 1, lost: 1, found: [entry?.entryId] } });
    expect(again.body).toMatchObject({ listed: 1, lost: 0, found: [] });
    expect(entry).toMatchObject({ foundBy: 'reconciler', verdict: { kind: 'accepted' } });
    expect(api.started).toHaveLength(1);
    expect((await api.deps.audit.list(minute(1001).slice(0, 10), 5)).map(({ detail }) => detail)).toContain(
      '1 files compared, 1 found: nothing ran',
    );
  });

  it('needs the role for all pipelines', async () => {
    const api = await withFile();

    expect((await api.compare('ola/operator:ble-location')).status).toBe(403);
    expect(api.started).toEqual([]);
  });

  it('shows in the status when it was done last', async () => {
    const api = await withFile();
    const last = { startedAt: minute(1), listed: 9, found: 1, finishedAt: minute(2) };
    await api.deps.vitals.setReconciling({ pass: null, last });

    expect((await api.send('GET', 'status')).body).toMatchObject({ reconciled: last });
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

describe('retention that a person asks for', () => {
  it('needs the role for what it is about, is in the audit log, and names unknown pipelines', async () => {
    const asked: unknown[] = [];
    const vacuum = async ({ pipeline, dryRun }: { pipeline: { name: string }; dryRun: boolean }) => (
      asked.push([pipeline.name, dryRun]),
      []
    );
    const api = createApi({ erasure: { vacuum } as never, now: () => new Date(minute(1001)) });
    const { version, bundle } = versionOf('wine', 'v');
    await api.deps.pipelines.put(version, bundle, 'ada', minute(0));
    const send = (body: object, token: string) => api.send('POST', 'retention', { body: { reason: 'disk is full', ...body }, token });

    const looked = await send({ pipeline: 'wine', dryRun: true }, 'ola/operator:wine');
    const refused = [await send({}, 'ola/operator:wine'), await send({ pipeline: 'wine' }, 'rita/reader')];
    const unknown = await send({ pipeline: 'nothing' }, 'ola/operator');
    const done = await send({}, 'ola/operator');

    expect(looked).toMatchObject({ status: 200, body: { complete: true, dryRun: true, tables: [], failed: [] } });
    expect([...refused, unknown, done].map(({ status }) => status)).toEqual([403, 403, 404, 200]);
    expect(asked).toEqual([
      ['wine', true],
      ['wine', false],
    ]);
    const audit = await api.deps.audit.list(minute(1001).slice(0, 10), 10);
    expect(
      audit
        .filter(({ action }) => action === 'lake.retention')
        .map(({ subject, detail }) => `${subject}, ${detail}`)
        .sort(),
    ).toEqual(['lake, removed for good: disk is full', 'wine, dry run: disk is full']);
  });
});
