// Quarantine and erasure over HTTP, with the real tables in this process: roles, deeds in the audit log, the question of training again.
import { describe, expect, it } from 'vitest';
import type { CaseRows, Resolved } from '../../../../shared/contracts/quarantine.ts';
import { minute } from '../../../contracts/samples.ts';
import { pipelineOf, sha256 } from '../../../shared/adapters/lake/rig.ts';
import { caseWorld } from './case-world.ts';
import { createApi } from './harness.ts';

const today = minute(1001).slice(0, 10);
async function withCase() {
  const { rig, parts, id } = await caseWorld();
  const api = createApi(parts);
  const post = (path: string, body: object, token = 'ola/operator:p') => api.send('POST', `quarantine/${id}/${path}`, { body, token });
  const actions = async () => (await api.deps.audit.list(today, 20)).map(({ action, actor }) => `${actor} ${action}`);
  return { ...api, id, rig, post, actions };
}
const reason = 'the scale was off';

describe('a case', () => {
  it('is listed to readers of its pipeline; its rows are shown to operators only', async () => {
    const { send, id } = await withCase();

    expect((await send('GET', 'quarantine?state=open', { token: 'rita/reader:p' })).body).toMatchObject({
      items: [{ caseId: id, openRows: 2 }],
    });
    expect((await send('GET', 'quarantine', { token: 'rita/reader:other' })).body).toEqual({ items: [] });
    expect((await send('GET', `quarantine/${id}`, { token: 'rita/reader:p' })).status).toBe(403);
    expect((await send('GET', `quarantine/${id}`, { token: 'ola/operator:other' })).status).toBe(403);
    const shown = (await send('GET', `quarantine/${id}?limit=1`, { token: 'ola/operator:p' })).body as CaseRows;
    expect(shown).toMatchObject({ rows: [{ row: 1, line: 4, values: { name: 'Erika' } }], next: 1 });
    expect((await send('GET', `quarantine/${id}/file`)).body).toEqual({
      caseId: id,
      csv: '_row,id,name,at,amount\n1,x,Erika,2024-01-01T10:00:00Z,2\n2,y,other,2024-01-01T10:00:00Z,3\n',
    });
    expect(await send('GET', 'quarantine/q-p-0000000000000000')).toMatchObject({ status: 404, body: { code: 'case-unknown' } });
  });

  it('has an owner and a deadline', async () => {
    const { post, actions } = await withCase();

    expect(await post('assign', { owner: 'grace', due: minute(9000) })).toMatchObject({
      status: 200,
      body: { owner: 'grace', due: minute(9000) },
    });
    expect((await post('assign', {})).status).toBe(422);
    expect(await actions()).toEqual(['ola quarantine.assign']);
  });

  it('is mended by corrected rows; asked whether to train again, a yes starts one training', async () => {
    const { send, id, post, started, actions } = await withCase();

    const early = await post('retrain', { retrain: 'yes', reason });
    const fixed = await send('POST', `quarantine/${id}/fix?reason=typed%20wrong`, {
      raw: '_row,id,name,at,amount\n1,7,Erika,2024-01-01T10:00:00Z,2\n2,z,other,2024-01-01T10:00:00Z,3\n',
      token: 'ola/operator:p',
    });
    const answers = [await post('retrain', { retrain: 'yes', reason }), await post('retrain', { retrain: 'yes', reason })];

    expect(early).toMatchObject({ status: 409, body: { code: 'retrain-not-asked' } });
    expect(fixed.body as Resolved).toMatchObject({ resolvedRows: 1, stillBad: [{ row: 2 }], case: { openRows: 1, retrain: 'pending' } });
    expect(answers).toMatchObject([
      { status: 200, body: { case: { retrain: 'yes' }, entry: { event: { kind: 'http', subject: 'p' }, verdict: { kind: 'accepted' } } } },
      { status: 200, body: { entry: { deliveries: 2 } } },
    ]);
    expect(started.map(({ story }) => story)).toEqual(['retrain']);
    expect(await actions()).toEqual(['ola quarantine.answer', 'ola quarantine.answer', 'ola quarantine.fix']);
    expect(await post('retrain', { retrain: 'no', reason })).toMatchObject({ status: 409, body: { code: 'retrain-answered' } });
  });

  it('needs an approver where rows are accepted against their rules, and an operator where they are given up', async () => {
    const { id, send, post } = await withCase();

    expect((await post('release', { rows: [1], reason })).status).toBe(403);
    expect(await post('release', { rows: [1], reason }, 'ann/approver:p')).toMatchObject({ status: 422, body: { code: 'not-releasable' } });
    expect(await post('discard', { rows: 'all', reason })).toMatchObject({ status: 200, body: { case: { state: 'closed', openRows: 0 } } });
    expect(await post('discard', { rows: [1], reason })).toMatchObject({ status: 409, body: { code: 'case-closed' } });
    expect((await post('resume', {})).body).toEqual({ resolved: null });
    expect(await send('GET', `quarantine/${id}`)).toMatchObject({ body: { rows: [], next: null } });
  });

  it('takes no fix without rows', async () => {
    const { id, send } = await withCase();

    expect(await send('POST', `quarantine/${id}/fix?reason=nothing`)).toMatchObject({ status: 400, body: { code: 'fix-empty' } });
    expect((await send('POST', `quarantine/${id}/fix`, { raw: 'id\n' })).status).toBe(400);
  });
});

describe('a case whose silver table has another name now', () => {
  it('is read and given up, but not merged into a table that its rows are not of', async () => {
    const { deps, send, id, post } = await withCase();
    const renamed = pipelineOf({ source: { badRows: 'quarantine' }, tables: { silver: { name: 'others' } } });
    await deps.pipelines.put({ ...renamed, digest: sha256('renamed') }, { file: '', sql: {}, images: {} }, 'ada', minute(1));

    expect((await send('GET', `quarantine/${id}`)).body).toMatchObject({ rows: [{ row: 1 }, { row: 2 }] });
    const fix = await send('POST', `quarantine/${id}/fix?reason=typed%20wrong`, {
      raw: '_row,id,name,at,amount\n1,7,Erika,2024-01-01T10:00:00Z,2\n',
    });
    expect(fix).toMatchObject({ status: 409, body: { code: 'case-table-former' } });
    expect((fix.body as { detail: string }).detail).toContain(`sluice quarantine discard ${id}`);
    expect(await post('discard', { rows: 'all', reason })).toMatchObject({ status: 200, body: { case: { state: 'closed' } } });
  });
});

describe('an erasure', () => {
  const body = { column: 'name', value: 'name 1', reason: 'asked by the person' };
  const erase = (api: Awaited<ReturnType<typeof withCase>>, key: string, token = 'ann/approver:p', more: object = {}) =>
    api.send('POST', 'pipelines/p/erase', { body: { ...body, ...more }, token, headers: { 'idempotency-key': key } });

  it('removes the rows once for one request; neither record nor audit entry holds the value', async () => {
    const api = await withCase();

    const first = await erase(api, 'k1');
    const again = await erase(api, 'k1');
    const listed = await api.send('GET', 'pipelines/p/erasures', { token: 'rita/reader:p' });

    expect(first).toMatchObject({ status: 200, body: { by: 'ann', valueSha256: sha256('name 1'), retrain: 'pending' } });
    expect((first.body as { places: { place: string; rows: number }[] }).places).toContainEqual(
      expect.objectContaining({ place: 'silver', rows: 1 }),
    );
    expect(again.body).toEqual(first.body);
    expect(listed.body).toEqual({ items: [first.body] });
    const audit = await api.deps.audit.list(today, 5);
    expect(audit.map(({ action }) => action)).toEqual(['pipeline.erase', 'pipeline.erase']);
    expect(JSON.stringify([audit, first.body, api.logged])).not.toContain('name 1');
  });

  it('takes rows from open cases; the last one closes its case', async () => {
    const api = await withCase();

    await erase(api, 'k1', 'ann/approver:p', { value: 'Erika' });
    const half = (await api.send('GET', `quarantine/${api.id}`)).body as CaseRows;
    await erase(api, 'k2', 'ann/approver:p', { value: 'other' });
    const done = (await api.send('GET', `quarantine/${api.id}`)).body as CaseRows;

    expect(half).toMatchObject({ case: { state: 'open', openRows: 1, rows: 2 }, rows: [{ row: 2 }] });
    expect(done).toMatchObject({ case: { state: 'closed', openRows: 0 }, rows: [] });
    expect(done.case.history.map(({ what, rows }) => [what, rows])).toEqual([
      ['opened', 2],
      ['erased', 1],
      ['erased', 1],
    ]);
    expect(JSON.stringify(done)).not.toContain('Erika');
  });

  it('with one key for two persons erases both', async () => {
    const api = await withCase();
    await erase(api, 'k1');

    await erase(api, 'k1', 'ann/approver:p', { value: 'name 2' });

    expect((await api.send('GET', 'pipelines/p/erasures')).body).toMatchObject({ items: { length: 2 } });
  });

  it.each([
    ['an operator', 'ola/operator:p', {}, 403],
    ['an approver of another pipeline', 'ann/approver:other', {}, 403],
    ['a column that no table has', 'ann/approver', { column: 'ssn' }, 422],
    ['no reason', 'ann/approver', { reason: '' }, 422],
  ])('is refused: %s', async (_, token, more, status) => {
    const api = await withCase();

    expect((await erase(api, 'k', token, more)).status).toBe(status);
    expect((await api.send('GET', 'pipelines/p/erasures')).body).toEqual({ items: [] });
  });

  it('needs a key, and a pipeline that is there', async () => {
    const api = await withCase();

    expect((await api.send('POST', 'pipelines/p/erase', { body })).body).toMatchObject({ code: 'idempotency-key-missing' });
    expect(await api.send('POST', 'pipelines/q/erase', { body, headers: { 'idempotency-key': 'k' } })).toMatchObject({
      status: 404,
      body: { code: 'pipeline-unknown' },
    });
  });
});
