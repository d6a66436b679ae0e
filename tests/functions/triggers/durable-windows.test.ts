// The port Windows over the durable client of a running host: it reads what the counting entity of the stories has written.
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createWindows, JOIN_ENTITY, WINDOW_ENTITY } from '../../../functions/triggers/durable-windows.ts';
import { loadFunctionApp } from '../../../local/host/core/function-app.ts';
import { startHost, type Host } from '../../../local/host/host.ts';
import { JOIN, joinEntity, WINDOW, windowEntity } from '../../../orchestrations/kit/window.ts';
import { minute } from '../../contracts/samples.ts';

let host: Host;
const add = {
  entryId: 'e-1',
  path: 'bronze/p/a.csv',
  sha256: 'a'.repeat(64),
  eventTime: minute(0),
  now: minute(1),
  mark: null,
  expects: null,
};

beforeAll(async () => {
  const register = (): void => {
    const extraInputs = [df.input.durableClient()];
    df.app.entity(WINDOW, windowEntity);
    df.app.entity(JOIN, joinEntity);
    app.post('add', {
      route: 'add/{key}',
      extraInputs,
      handler: async ({ params }, context) => {
        await df.getClient(context).signalEntity(new df.EntityId(WINDOW, params['key'] ?? ''), 'add', { add: { ...add, lateness: null } });
        return {};
      },
    });
    app.get('read', {
      route: 'read/{pipeline}/{source}',
      extraInputs,
      handler: async ({ params }, context) => {
        const windows = createWindows(df.getClient(context));
        const { pipeline = '', source = '' } = params;
        return { jsonBody: { window: await windows.window(pipeline, source), join: await windows.join(pipeline) } };
      },
    });
  };
  host = await startHost({ app: await loadFunctionApp(register), env: {} });
});

afterAll(async () => host.stop(1000));

const read = async (pipeline: string, source: string) => await (await fetch(`${host.url}/api/read/${pipeline}/${source}`)).json();

test('the names are those of the stories', () => {
  expect([WINDOW_ENTITY, JOIN_ENTITY]).toEqual([WINDOW, JOIN]);
});

test('what was counted is read; what nobody counted is null', async () => {
  expect(await read('ble-location', 'readings')).toEqual({ window: null, join: null });

  await fetch(`${host.url}/api/add/ble-location.readings`, { method: 'POST' });

  await vi.waitFor(async () =>
    expect(await read('ble-location', 'readings')).toMatchObject({ window: { number: 1, count: 1, openedAt: minute(1) }, join: null }),
  );
});

test('an engine that does not answer is a reason to come again', async () => {
  const windows = createWindows({ readEntityState: () => Promise.reject(new Error('connect ECONNREFUSED')) });

  await expect(windows.window('p', 's')).rejects.toMatchObject({ name: 'TransientError', code: 'engine-unavailable' });
});
