// What a start says: one line of what is served, one warning per odd setting, nothing else at the usual level.
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { expect, it } from 'vitest';
import type { HostLogEntry } from '../../../../local/host/config/logging.ts';
import { loadFunctionApp } from '../../../../local/host/core/function-app.ts';
import { startHost } from '../../../../local/host/host.ts';

it('a start and a stop are told in few lines', async () => {
  const entries: HostLogEntry[] = [];
  const register = () => {
    app.get('one', { route: 'numbers/{n}', handler: () => ({}) });
    app.get('off', () => ({}));
    app.timer('tick', { schedule: '0 0 0 1 1 *', handler: () => undefined });
    df.app.activity('work', { handler: () => 1 });
  };
  const host = await startHost({
    app: await loadFunctionApp(register),
    env: { 'AzureWebJobs.off.Disabled': '1' },
    hostJson: { version: '2.0', colour: 1, telemetryMode: 'OpenTelemetry' },
    log: (entry) => entries.push(entry),
  });
  await host.stop();
  const said = (level: string) => entries.filter((entry) => entry.level === level).map(({ message }) => message);
  expect(said('warning')).toEqual(['host.json: the setting "colour" is not known to this host and is ignored.']);
  expect(said('information')).toEqual([
    `Serving at ${host.url}: 1 HTTP, 0 queue, 1 timer, 1 Durable functions (list: ${host.url}/admin/functions).`,
    'Disabled by app settings: off',
  ]);
  expect(said('debug')).toContain(`GET ${host.url}/api/numbers/{n} → one`);
  expect(said('error')).toEqual([]);
});
