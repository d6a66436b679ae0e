// The ledger over HTTP: filters page by page, held events judged again, and events that callers send.
import { describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../../../../shared/contracts/events.ts';
import { entryOf, minute, placeOf, versionOf } from '../../../contracts/samples.ts';
import { createApi } from './harness.ts';

type Api = ReturnType<typeof createApi>;
const today = minute(1001).slice(0, 10);
const refused = { kind: 'refused', rule: 'frozen', reason: 'ola froze it', evidence: {} } as const;

async function record(api: Api, name: string, more: Partial<LedgerEntry> = {}): Promise<LedgerEntry> {
  const place = placeOf(`bronze/x/${name}.csv`);
  const entry = entryOf(place, name, more);
  await api.deps.ledger.record(place, entry, null, null);
  return entry;
}

/** Follows `next` to the end, as a client does. */
async function allOf(api: Api, query: string, token = 'root/admin'): Promise<{ names: string[]; pages: number }> {
  const names: string[] = [];
  let after: string | null = '';
  let pages = 0;
  while (after !== null) {
    const { body } = await api.send('GET', `events?${query}${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`, { token });
    const page = body as { items: LedgerEntry[]; next: string | null };
    names.push(...page.items.map(({ event }) => event?.id ?? ''));
    after = page.next;
    pages += 1;
  }
  return { names, pages };
}

describe('a list of events', () => {
  async function many() {
    const api = createApi();
    for (let n = 0; n < 60; n += 1) {
      const pipeline = n % 2 === 0 ? 'even' : 'odd';
      await record(api, `n${n}`, { receivedAt: minute(n), pipeline, ...(n % 10 === 0 ? { verdict: refused } : {}) });
    }
    return api;
  }

  it('is filtered by pipeline, verdict and time; pages hold at most the limit and lose nothing', async () => {
    const api = await many();

    expect((await allOf(api, 'pipeline=odd&limit=7')).names).toHaveLength(30);
    expect((await allOf(api, 'verdict=refused&limit=2')).names).toEqual(['n50', 'n40', 'n30', 'n20', 'n10', 'n0']);
    expect((await allOf(api, `since=${minute(55)}&limit=3`)).names).toEqual(['n59', 'n58', 'n57', 'n56', 'n55']);
    expect((await allOf(api, `since=${minute(45)}&pipeline=even&verdict=refused`)).names).toEqual(['n50']);
    expect((await allOf(api, 'limit=200', 'rita/reader:even')).names).toHaveLength(30);
    expect((await api.send('GET', 'events?limit=5&pipeline=odd')).body).toHaveProperty('items.length', 3);
  });

  it('takes an instant without milliseconds', async () => {
    const api = await many();

    expect((await allOf(api, `since=${minute(59).replace('.000Z', 'Z')}`)).names).toEqual(['n59']);
  });

  it('ends a request that finds nothing after a thousand entries, and says where to go on', async () => {
    const api = createApi();
    await record(api, 'oldest', { receivedAt: minute(-1), verdict: refused });
    for (let n = 0; n < 1200; n += 1) await record(api, `n${n}`, { receivedAt: minute(n) });

    const first = await api.send('GET', 'events?verdict=refused&limit=100');

    expect(first.body).toMatchObject({ items: [], next: expect.any(String) as string });
    expect(await allOf(api, 'verdict=refused&limit=100')).toEqual({ names: ['oldest'], pages: 2 });
  });
});

describe('a held event', () => {
  async function held() {
    const api = createApi();
    const { version, bundle } = versionOf('ble-location', 'v');
    await api.deps.pipelines.put(version, bundle, 'ada', minute(0));
    const entry = await record(api, 'held', { verdict: refused });
    return { ...api, entry };
  }
  const body = { reason: 'the freeze is over' };

  it('is judged again and started; who did it and why is in the audit log', async () => {
    const api = await held();

    const reply = await api.send('POST', `events/${api.entry.entryId}/replay`, { token: 'ola/operator:ble-location', body });

    expect(reply).toMatchObject({
      status: 200,
      body: { before: { rule: 'frozen' }, entry: { verdict: { kind: 'accepted' }, foundBy: 'replay' } },
    });
    expect(api.started).toMatchObject([{ story: 'land', input: { entryId: api.entry.entryId } }]);
    expect(await api.deps.audit.list(today, 5)).toMatchObject([
      { actor: 'ola', action: 'event.replay', subject: api.entry.entryId, detail: expect.stringContaining('the freeze is over') as string },
    ]);
  });

  it('is refused to who has no role for its pipeline, and once it is not held any more', async () => {
    const api = await held();
    const replay = (token: string, id = api.entry.entryId) => api.send('POST', `events/${id}/replay`, { token, body });

    expect((await replay('rita/reader')).status).toBe(403);
    expect((await replay('ola/operator:other')).status).toBe(403);
    expect(await replay('ola/operator', 'e-00000000000000000000000000000000')).toMatchObject({
      status: 404,
      body: { code: 'entry-unknown' },
    });
    await replay('ola/operator');
    expect(await replay('ola/operator')).toMatchObject({ status: 409, body: { code: 'replay-not-held' } });
    expect(api.started).toHaveLength(1);
  });
});

describe('an event that a caller sends', () => {
  async function registered() {
    const api = createApi();
    const { version, bundle } = versionOf('ble-location', 'v');
    await api.deps.pipelines.put(version, bundle, 'ada', minute(0));
    const signal = (body: object, token = 'ola/operator') =>
      api.send('POST', 'signals', { body: { id: '1', pipeline: 'ble-location', ...body }, token });
    return { ...api, signal };
  }
  const push = { kind: 'code', repository: 'git.example/train', commit: 'abcdef0123' };

  it.each([
    ['a wish', { kind: 'http', reason: 'new labels' }, { subject: 'ble-location', data: { reason: 'new labels' } }],
    ['a push of code', push, { subject: 'git.example/train', data: { commit: 'abcdef0123', pipeline: 'ble-location' } }],
    [
      'a monitor',
      { kind: 'monitor', monitor: 'drift', metric: 'psi', value: 0.31, limit: 0.2 },
      { subject: 'ble-location', data: { metric: 'psi', value: 0.31, limit: 0.2 } },
    ],
  ])('%s starts a training on the gold that is there', async (_, sent, event) => {
    const api = await registered();

    const reply = await api.signal(sent);

    expect(reply).toMatchObject({
      status: 202,
      body: {
        entry: {
          event: { ...event, kind: sent.kind },
          verdict: { kind: 'accepted', rule: 'signal' },
          foundBy: 'http',
          pipeline: 'ble-location',
        },
      },
    });
    expect(api.started).toMatchObject([{ story: 'retrain' }]);
    expect(await api.deps.audit.list(today, 5)).toMatchObject([{ actor: 'ola', action: 'signal.send' }]);
  });

  it('is one event however often it is sent; each caller has ids of their own', async () => {
    const api = await registered();

    const statuses = [];
    for (const token of ['ola/operator', 'ola/operator', 'otto/operator']) statuses.push((await api.signal(push, token)).status);

    expect(statuses).toEqual([202, 200, 202]);
    expect(api.started).toHaveLength(2);
    expect((await api.deps.ledger.recent(10)).items.map(({ deliveries }) => deliveries).sort()).toEqual([1, 2]);
    expect(await api.deps.audit.list(today, 5)).toHaveLength(2);
  });

  it('is refused when its id was used for something else: it would be lost without a word', async () => {
    const api = await registered();
    await api.signal(push);

    expect(await api.signal({ ...push, commit: 'fedcba9876' })).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } });
    expect((await api.signal({ kind: 'http' })).status).toBe(202);
  });

  it('keeps its chain, so that a circle is seen', async () => {
    const api = await registered();

    const reply = await api.signal({ ...push, chain: ['ble-location@refine-ble-location-0123456789abcdef-a1'] });

    expect(reply).toMatchObject({ status: 202, body: { entry: { verdict: { kind: 'loop' } } } });
    expect(api.started).toEqual([]);
  });

  it.each([
    ['a kind that only timers raise', { kind: 'schedule' }],
    ['a key of its own', { kind: 'http', extract: 'copy-everything' }],
    ['no commit', { kind: 'code', repository: 'r' }],
    ['an id with a space', { kind: 'http', id: 'a b' }],
    ['a name that is none', { kind: 'http', pipeline: '../x' }],
  ])('with %s is not understood', async (_, body) => {
    const api = await registered();

    expect((await api.signal(body)).status).toBe(422);
    expect((await api.deps.ledger.recent(10)).items).toEqual([]);
  });

  it('needs the role for the pipeline that it is for; for one that nobody registered it is kept and ignored', async () => {
    const api = await registered();

    expect((await api.signal(push, 'ola/operator:other')).status).toBe(403);
    expect((await api.signal({ ...push, pipeline: 'nobody' })).body).toMatchObject({
      entry: { verdict: { kind: 'ignored', rule: 'no-such-pipeline' } },
    });
  });
});
