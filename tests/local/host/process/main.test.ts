// The host as a process: ready line, settings, graceful stop, log formats, and one exit code with one clear message per kind of trouble.
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { buildApp, killHosts, plainApp, runHost } from './built-app.ts';

const steps = fileURLToPath(new URL('./apps/steps.ts', import.meta.url));
let app: string;
let blocker: Server;

beforeAll(async () => {
  app = await buildApp(steps, 'cjs', { version: '2.0', logging: { logLevel: { default: 'Information' } }, colour: 1 });
  blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
});

afterAll(() => blocker.close());
afterEach(killHosts);

const environment = (out = mkdtempSync(join(tmpdir(), 'host-out-'))) => ({
  OUT_DIR: out,
  Lake: inject('storage'),
  INBOX: `main-${process.pid}`,
});

describe('a host process', { timeout: 60_000 }, () => {
  it('says when it is ready, gives its app local.settings.json, and lets a request in flight finish when it is stopped', async () => {
    const out = mkdtempSync(join(tmpdir(), 'host-out-'));
    writeFileSync(join(app, 'local.settings.json'), JSON.stringify({ IsEncrypted: false, Values: { A: 'file', B: 'file' } }));
    const data = mkdtempSync(join(tmpdir(), 'host-data-'));
    const host = runHost(['--app', app, '--data', data, '--port', '0', '--json'], { ...environment(out), A: 'process' });
    const ready = await host.ready;
    expect(ready).toMatchObject({ event: 'ready', url: `http://localhost:${ready.port}` });
    expect(ready.functions.find(({ name }) => name === 'inbox')).toEqual({ name: 'inbox', trigger: 'queueTrigger' });
    expect(await (await fetch(`${ready.url}/api/settings`)).json()).toEqual({
      A: 'process',
      B: 'file',
      host: `localhost:${ready.port}`,
      folder: app,
    });

    const slow = fetch(`${ready.url}/api/slow?gate=g`);
    await vi.waitFor(() => expect(existsSync(join(out, 'g.waiting'))).toBe(true), { timeout: 10_000 });
    host.child.kill('SIGTERM');
    await vi.waitFor(() => expect(host.stderr()).toContain('SIGTERM: stopping'), { timeout: 10_000 });
    expect((await fetch(`${ready.url}/api/settings`)).status).toBe(503);
    expect(await (await fetch(`${ready.url}/admin/host/status`)).json()).toMatchObject({ state: 'Stopping' });
    writeFileSync(join(out, 'g.open'), '');
    expect(await (await slow).text()).toBe('finished');
    expect(await host.exit).toBe(0);
    expect(existsSync(join(out, 'terminated'))).toBe(true);
    expect(host.stdout().trim().split('\n')).toHaveLength(1);
    expect(host.stderr()).toContain('host.json: the setting "colour" is not known to this host and is ignored.');
    expect(host.stderr()).toContain('Stopped.');
  });

  it('writes its log as JSON lines when asked to', async () => {
    const host = runHost(['--app', app, '--memory', '--port', '0', '--json', '--log-format', 'json'], environment());
    await host.ready;
    host.child.kill('SIGINT');
    expect(await host.exit).toBe(0);
    const entries = host
      .stderr()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(entries.at(-1)).toMatchObject({ level: 'information', category: 'Host.General', message: 'Stopped.' });
  });

  it('refuses a data folder that another host holds (4)', async () => {
    const data = mkdtempSync(join(tmpdir(), 'host-data-'));
    const first = runHost(['--app', app, '--data', data, '--port', '0', '--json'], environment());
    const { pid } = await first.ready;
    const second = runHost(['--app', app, '--data', data, '--port', '0'], environment());
    expect(await second.exit).toBe(4);
    expect(second.stderr()).toContain(
      `another host (process ${pid}) holds this data folder. Stop that host, or give this one another folder with --data.`,
    );
    first.child.kill('SIGTERM');
    expect(await first.exit).toBe(0);
  });

  it('refuses a port that is taken (3)', async () => {
    const { port } = blocker.address() as AddressInfo;
    const host = runHost(['--app', app, '--memory', '--port', String(port)], environment());
    expect(await host.exit).toBe(3);
    expect(host.stderr()).toContain(
      `127.0.0.1: port ${port} is taken. Stop what listens there, or choose another port with --port (0 = any free one).`,
    );
    expect(host.stdout()).toBe('');
  });

  it('shows its usage when an option does not fit (2)', async () => {
    const host = runHost(['--port', 'many']);
    expect(await host.exit).toBe(2);
    expect(host.stderr()).toContain('--port must be 0 to 65535, found "many"');
    expect(host.stderr()).toContain('--app DIR');
  });

  it.each([
    ["throw new TypeError('no database');", ['could not be loaded: no database', 'TypeError: no database', 'dist/app.cjs:1']],
    [registering("app.get('twice', () => ({}));", "app.get('Twice', () => ({}));"), ["two functions are called 'Twice' and 'twice'"]],
    ['', ['registered no function']],
    [registering("app.timer('t', { schedule: 'never', handler() {} });"), ['Timer function "t": "never" must have six fields']],
    [
      registering("app.cosmosDB('c', { connection: 'C', databaseName: 'd', containerName: 'c', handler() {} });"),
      ['function "c" has a trigger of type "cosmosDBTrigger"'],
    ],
  ])('ends with the reason when the app is %j (1)', async (text, messages) => {
    const host = runHost(['--app', plainApp(text), '--memory', '--port', '0']);
    expect(await host.exit).toBe(1);
    for (const message of messages) expect(host.stderr()).toContain(message);
  });

  it('ends with the reason when there is no built app (1)', async () => {
    const host = runHost(['--app', '/no/such/app', '--memory']);
    expect(await host.exit).toBe(1);
    expect(host.stderr()).toContain('/no/such/app: there is no such folder.');
  });
});

/** An app's text that registers functions through the SDK of this repository. */
function registering(...statements: string[]): string {
  const sdk = fileURLToPath(new URL('../../../../node_modules/@azure/functions', import.meta.url));
  return [`const { app } = require(${JSON.stringify(sdk)});`, ...statements].join('\n');
}
