// Starting an extraction by hand: the data pipeline of the registered file, once for one request.
import { expect, it } from 'vitest';
import { minute, versionOf } from '../../../contracts/samples.ts';
import { createApi } from './harness.ts';

async function registered() {
  const api = createApi();
  for (const name of ['ble-location', 'without']) {
    const { version, bundle } = versionOf(name, 'v');
    if (name === 'ble-location')
      version.spec.schedule = {
        zone: 'UTC',
        unchanged: 'skip',
        extract: { pipeline: 'copy-plant', parameters: { day: 'today' }, deadline: '1h' },
      };
    await api.deps.pipelines.put(version, bundle, 'ada', minute(0));
  }
  const extract = (name: string, key: string, token = 'ola/operator') =>
    api.send('POST', `pipelines/${name}/extract`, { body: { reason: 'new shift' }, token, headers: { 'idempotency-key': key } });
  return { ...api, extract };
}

it('starts what the file names, once for one key', async () => {
  const api = await registered();

  const first = await api.extract('ble-location', 'k');
  const again = await api.extract('ble-location', 'k');
  await api.extract('ble-location', 'other');

  expect(first).toMatchObject({ status: 202, body: { entry: { verdict: { kind: 'accepted', rule: 'extract-due' }, foundBy: 'http' } } });
  expect((again.body as { runId: string }).runId).toBe((first.body as { runId: string }).runId);
  expect(api.started).toMatchObject([
    { story: 'extract', input: { dataPipeline: 'copy-plant', parameters: { day: 'today' } } },
    { story: 'extract' },
  ]);
  expect(api.started[0]?.instanceId).toBe((first.body as { runId: string }).runId);
  expect((await api.deps.audit.list(minute(1001).slice(0, 10), 5)).map(({ action }) => action)).toEqual([
    'pipeline.extract',
    'pipeline.extract',
  ]);
});

it('is refused without a data pipeline, without the role, and for a pipeline that is not there', async () => {
  const api = await registered();

  expect(await api.extract('without', 'k')).toMatchObject({ status: 409, body: { code: 'no-extraction' } });
  expect((await api.extract('ble-location', 'k', 'ola/operator:without')).status).toBe(403);
  expect((await api.extract('nobody', 'k')).status).toBe(404);
  expect(api.started).toEqual([]);
});

it('is held back while the pipeline is frozen', async () => {
  const api = await registered();
  await api.deps.freezes.set({ pipeline: 'ble-location', kind: 'frozen', by: 'ola', reason: 'audit', since: minute(0), until: null });

  expect((await api.extract('ble-location', 'k')).body).toMatchObject({ entry: { verdict: { rule: 'frozen' } }, runId: null });
  expect(api.started).toEqual([]);
});
