// Freezes and breakers over HTTP: they hold events back, are seen, ended, and in the audit log.
import { describe, expect, it } from 'vitest';
import { charge } from '../../../../shared/decisions/breaker.ts';
import { minute, versionOf } from '../../../contracts/samples.ts';
import { createApi } from './harness.ts';

const today = minute(1001).slice(0, 10);

async function registered() {
  const api = createApi();
  for (const name of ['ble-location', 'credit-risk']) {
    const { version, bundle } = versionOf(name, 'v');
    await api.deps.pipelines.put(version, bundle, 'ada', minute(0));
  }
  const post = (path: string, body: object, token = 'ola/operator') => api.send('POST', path, { body, token });
  const wish = (id: string) => post('signals', { kind: 'http', pipeline: 'ble-location', id });
  return { ...api, post, wish };
}
const reason = 'audit';

describe('a freeze', () => {
  it('of a pipeline holds its events back until it is ended', async () => {
    const api = await registered();

    const set = await api.post('pipelines/ble-location/freeze', { reason });
    const during = await api.wish('1');
    const ended = await api.post('pipelines/ble-location/unfreeze', { reason: 'done' });

    expect(set).toMatchObject({ status: 200, body: { pipeline: 'ble-location', kind: 'frozen', by: 'ola', until: null } });
    expect(during.body).toMatchObject({ entry: { verdict: { kind: 'refused', rule: 'frozen' } } });
    expect(ended.body).toMatchObject({ ended: { reason } });
    expect((await api.send('GET', 'freezes')).body).toEqual({ items: [] });
    expect((await api.deps.audit.list(today, 9)).map(({ action, subject }) => `${action} ${subject}`)).toEqual([
      'pipeline.unfreeze ble-location',
      expect.stringMatching(/^signal.send/) as string,
      'pipeline.freeze ble-location',
    ]);
  });

  it('of all pipelines needs the role for all of them, and stays when one is ended', async () => {
    const api = await registered();
    const until = minute(5000);

    expect((await api.post('freezes', { reason }, 'ola/operator:ble-location')).status).toBe(403);
    await api.post('freezes', { reason, kind: 'maintenance', until });
    await api.post('pipelines/ble-location/freeze', { reason });
    await api.post('pipelines/ble-location/unfreeze', { reason });

    expect((await api.wish('1')).body).toMatchObject({ entry: { verdict: { rule: 'maintenance' } } });
    expect((await api.send('GET', 'freezes', { token: 'rita/reader:credit-risk' })).body).toMatchObject({
      items: [{ pipeline: null, until }],
    });
    expect((await api.post('freezes/end', { reason })).body).toMatchObject({ ended: { kind: 'maintenance' } });
    expect((await api.post('freezes/end', { reason })).body).toEqual({ ended: null });
  });

  it('whose time is over is neither listed nor ended', async () => {
    const api = await registered();
    await api.deps.freezes.set({ pipeline: 'ble-location', kind: 'frozen', by: 'ola', reason, since: minute(0), until: minute(1) });

    expect((await api.send('GET', 'freezes')).body).toEqual({ items: [] });
    expect((await api.post('pipelines/ble-location/unfreeze', { reason })).body).toEqual({ ended: null });
    expect(await api.post('pipelines/ble-locatoin/unfreeze', { reason })).toMatchObject({
      status: 404,
      body: { code: 'pipeline-unknown' },
    });
    expect(await api.deps.freezes.list()).toEqual([]);
  });

  it.each([
    ['of a pipeline that is not there', 'pipelines/ble-locatoin/freeze', { reason }, 404, 'pipeline-unknown'],
    ['that is over already', 'pipelines/ble-location/freeze', { reason, until: minute(1) }, 422, 'freeze-over'],
    ['without a reason', 'pipelines/ble-location/freeze', { reason: ' ' }, 422, 'body-invalid'],
  ])('%s is refused', async (_, path, body, status, code) => {
    const api = await registered();

    const reply = await api.post(path, body);

    expect(reply).toMatchObject({ status, body: { code } });
    expect(await api.deps.freezes.list()).toEqual([]);
  });

  it('suggests only names that the caller may know', async () => {
    const api = await registered();

    expect((await api.post('pipelines/ble-locatoin/freeze', { reason })).body).toMatchObject({
      detail: expect.stringContaining('did you mean "ble-location"') as string,
    });
    expect((await api.post('pipelines/other/freeze', { reason }, 'ola/operator:other')).body).not.toMatchObject({
      detail: expect.stringContaining('ble-location') as string,
    });
  });
});

describe('a breaker', () => {
  async function open() {
    const api = await registered();
    const limits = { datasetsPerHour: 1, trainingsPerDay: 1 };
    for (const key of ['a', 'b']) {
      await api.deps.breakers.update('ble-location', (before) =>
        charge(before, 'ble-location', { kind: 'dataset', key }, limits, minute(1000)),
      );
    }
    return api;
  }

  it('that is open holds events back until a person closes it', async () => {
    const api = await open();

    const listed = await api.send('GET', 'breakers', { token: 'rita/reader:ble-location' });
    const held = await api.wish('1');
    const closed = await api.post('breakers/ble-location/close', { reason: 'the sender is mended' });

    expect(listed.body).toMatchObject({ items: [{ pipeline: 'ble-location', state: 'open', opened: { limit: 1 }, datasetsLastHour: 1 }] });
    expect(held.body).toMatchObject({ entry: { verdict: { kind: 'over-budget', rule: 'breaker-open' } } });
    expect(closed.body).toMatchObject({ state: 'closed', closed: { by: 'ola', reason: 'the sender is mended' }, datasetsLastHour: 0 });
    expect((await api.wish('2')).body).toMatchObject({ entry: { verdict: { kind: 'accepted' } } });
    expect((await api.deps.audit.list(today, 9)).map(({ action }) => action)).toContain('breaker.close');
  });

  it('that is closed, or was never open, cannot be closed', async () => {
    const api = await open();
    await api.post('breakers/ble-location/close', { reason });

    expect(await api.post('breakers/ble-location/close', { reason })).toMatchObject({ status: 409, body: { code: 'breaker-not-open' } });
    expect(await api.post('breakers/credit-risk/close', { reason })).toMatchObject({ status: 409 });
    expect(await api.post('breakers/credit-rsik/close', { reason })).toMatchObject({ status: 404, body: { code: 'pipeline-unknown' } });
    expect(await api.deps.breakers.get('credit-risk')).toBeNull();
  });

  it('is closed and seen only by who has the role', async () => {
    const api = await open();

    expect((await api.post('breakers/ble-location/close', { reason }, 'ola/operator:credit-risk')).status).toBe(403);
    expect((await api.send('GET', 'breakers', { token: 'rita/reader:credit-risk' })).body).toEqual({ items: [] });
    expect(await api.deps.breakers.get('ble-location')).toMatchObject({ state: 'open' });
  });
});
