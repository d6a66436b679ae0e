// A host that is killed (SIGKILL) and started again on the same data folder goes on where it was: no recorded step runs twice, no message is lost.
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QueueServiceClient, type QueueClient } from '@azure/storage-queue';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { buildApp, killHosts, runHost, type BundleFormat, type HostProcess } from './built-app.ts';

const steps = fileURLToPath(new URL('./apps/steps.ts', import.meta.url));
const service = QueueServiceClient.fromConnectionString(inject('storage'));
let queue: QueueClient;
let out: string;
let data: string;

beforeEach(async () => {
  out = mkdtempSync(join(tmpdir(), 'host-out-'));
  data = mkdtempSync(join(tmpdir(), 'host-data-'));
  queue = service.getQueueClient(`kill-${process.pid}-${Date.now()}`);
  await queue.create();
});

afterEach(killHosts);

async function start(app: string): Promise<HostProcess & { url: string }> {
  const environment = {
    OUT_DIR: out,
    Lake: inject('storage'),
    INBOX: queue.name,
    AzureFunctionsJobHost__extensions__queues__maxPollingInterval: '00:00:00.100',
  };
  const host = runHost(['--app', app, '--data', data, '--port', '0', '--json'], environment);
  return { ...host, url: (await host.ready).url };
}

const send = (message: unknown) => queue.sendMessage(Buffer.from(JSON.stringify(message)).toString('base64'));
const open = (gate: string) => writeFileSync(join(out, `${gate}.open`), '');
const lines = (file: string) => (existsSync(join(out, file)) ? readFileSync(join(out, file), 'utf8').trim().split('\n') : []);
const until = (check: () => unknown) => vi.waitFor(async () => expect(await check()).toBeTruthy(), { timeout: 20_000, interval: 20 });
const waits = (gate: string) => until(() => existsSync(join(out, `${gate}.waiting`)));

async function kill(host: HostProcess): Promise<void> {
  host.child.kill('SIGKILL');
  await host.exit;
}

async function outcome(url: string, id: string): Promise<unknown> {
  const ask = async () =>
    (await (await fetch(`${url}/runtime/webhooks/durabletask/instances/${id}`)).json()) as { runtimeStatus: string; output: unknown };
  await until(async () => (await ask()).runtimeStatus === 'Completed');
  return (await ask()).output;
}

describe.each<BundleFormat>(['cjs', 'esm'])('an app bundled as %s', (format) => {
  it('completes after a kill in its second step; the first is not run again, the second once more', { timeout: 90_000 }, async () => {
    const app = await buildApp(steps, format);
    const first = await start(app);
    await send({ id: 'one' });
    open('one-1');
    await waits('one-2');
    await kill(first);

    for (const gate of ['one-2', 'one-3']) open(gate);
    const second = await start(app);
    expect(await outcome(second.url, 'one')).toEqual({ id: 'one', sum: 60 });
    const [killed, restarted] = [String((await first.ready).pid), String((await second.ready).pid)];
    expect(lines('one-1.begun')).toEqual([killed]);
    expect(lines('one-1.done')).toEqual([killed]);
    expect(lines('one-2.begun')).toEqual([killed, restarted]);
    expect(lines('one-2.done')).toEqual([restarted]);
    expect(lines('one-3.begun')).toEqual([restarted]);
    // At least once: the kill may have come before the service heard that the message was done.
    expect(lines('one.message').slice(0, 2)).toEqual(['1', '2'].slice(0, lines('one.message').length));

    second.child.kill('SIGTERM');
    expect(await second.exit).toBe(0);
    const third = await start(app);
    expect(await outcome(third.url, 'one')).toEqual({ id: 'one', sum: 60 });
    expect(lines('one-3.done')).toEqual([restarted]);
  });
});

it('a message in work at the kill is delivered again at once, not after ten minutes', { timeout: 90_000 }, async () => {
  const app = await buildApp(steps, 'cjs');
  const first = await start(app);
  await send({ id: 'two', hold: true });
  await waits('two');
  await kill(first);

  for (const gate of ['two', 'two-1', 'two-2', 'two-3']) open(gate);
  const second = await start(app);
  expect(await outcome(second.url, 'two')).toEqual({ id: 'two', sum: 60 });
  expect(lines('two.message')).toEqual(['1', '2']);
  await until(async () => (await queue.getProperties()).approximateMessagesCount === 0);
});
