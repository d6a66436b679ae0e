// `sluice start --host none`: a host that somebody else starts, with nothing but local.settings.json, tells the whole story.
// The host here is ours, as a process of its own without a setting in its environment; Core Tools would be started in the same folder.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StackFile } from '../../local/stack/stack-file.ts';
import type { RunSummary } from '../../shared/contracts/http-api.ts';
import { freePort } from '../support/azurite.ts';
import { jsonOf, sluice } from '../support/sluice.ts';
import { ROOT } from '../support/test-stack.ts';

const FILE = join(ROOT, 'local.settings.json');
const FOREIGN = '{ "IsEncrypted": false, "Values": { "MINE": "1" } }\n';
const STOP_MS = 30_000;

let before: string | null;
let dataDir: string;
let port: number;
let stack: ChildProcess;
let urls: Record<string, string>;
const running: ChildProcess[] = [];

/** Starts a program of ours; resolves with its first line on stdout, fails with what it said on stderr when it ends first. */
async function started(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [...args], { cwd: ROOT, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4_000)));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}: ${errors}`)));
  });
  return { child, line };
}

/** A polite end; the exit code. */
async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const gone = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const limit = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  const code = await gone;
  clearTimeout(limit);
  return code;
}

beforeAll(async () => {
  before = await readFile(FILE, 'utf8').catch(() => null);
  dataDir = await mkdtemp(join(tmpdir(), 'sluice-none-'));
  port = await freePort();
  await writeFile(FILE, FOREIGN);
  const words = ['start', '--host', 'none', '--port', String(port), '--lake-port', '0', '--data-dir', dataDir, '--json'];
  const { child, line } = await started(['cli/sluice.js', ...words], process.env);
  stack = child;
  urls = (JSON.parse(line) as { urls: Record<string, string> }).urls;
});

afterAll(async () => {
  for (const child of running.reverse()) await ended(child);
  if (before === null) await rm(FILE, { force: true });
  else await writeFile(FILE, before, { mode: 0o600 });
  await rm(dataDir, { recursive: true, force: true });
});

describe('before a host is started', () => {
  test('local.settings.json has what Core Tools needs, and only its owner reads it', async () => {
    const settings = JSON.parse(await readFile(FILE, 'utf8')) as { Values: Record<string, unknown> };

    expect(settings).toMatchObject({
      IsEncrypted: false,
      Host: { LocalHttpPort: port },
      Values: { FUNCTIONS_WORKER_RUNTIME: 'node', AzureWebJobsStorage: expect.stringContaining('QueueEndpoint=') as string },
    });
    expect(Object.entries(settings.Values).filter(([, value]) => typeof value !== 'string')).toEqual([]);
    expect((await stat(FILE)).mode & 0o077).toBe(0);
  });

  test('the file that was there before is kept', async () => {
    expect(await readFile(join(dataDir, 'local.settings.before.json'), 'utf8')).toBe(FOREIGN);
  });

  test('the stack file names the port at which the host will be, and nobody is there yet', async () => {
    const file = JSON.parse(await readFile(join(dataDir, 'stack.json'), 'utf8')) as StackFile;

    expect(file.api).toBe(`http://127.0.0.1:${port}/api/v1`);
    expect(urls['api']).toBe(file.api);
    await expect(fetch(`${file.api}/openapi.json`)).rejects.toThrow();
    expect((await sluice(['status', '--data-dir', dataDir])).stderr).toContain('does not answer');
  });
});

describe('a host with nothing but the file', () => {
  beforeAll(async () => {
    const { PATH, HOME } = process.env;
    const words = ['--import', 'tsx', 'local/host/main.ts', '--app', ROOT, '--data', join(dataDir, 'host'), '--json'];
    const { line } = await started(words, { PATH, HOME });
    expect(JSON.parse(line)).toMatchObject({ event: 'ready', port });
  });

  test('tells the whole story, from the file to an endpoint whose answers agree', async () => {
    const data = join(dataDir, 'readings.csv');
    const python = process.env['SLUICE_PYTHON'] ?? 'python3';
    await promisify(execFile)(python, ['examples/ble-location/generate.py', '--rows', '400', '--out', data], {
      cwd: ROOT,
      timeout: 60_000,
    });

    const applied = await sluice(['apply', 'examples/ble-location', '--data-dir', dataDir, '--json']);
    expect(applied).toMatchObject({ code: 0 });
    const dropped = await sluice(['drop', data, '--pipeline', 'ble-location', '--watch', '--data-dir', dataDir, '--json']);

    const { runs } = jsonOf(dropped) as { runs: RunSummary[] };
    expect(runs.map(({ story, status }) => `${story} ${status}`).sort()).toEqual([
      'promote succeeded',
      'refine succeeded',
      'train succeeded',
    ]);
    const promoted = runs.find(({ story }) => story === 'promote')?.promoted;
    expect(promoted?.parity.rowsChecked).toBeGreaterThan(0);
    expect(promoted?.parity.rowsAgreeing).toBe(promoted?.parity.rowsChecked);
    expect(dropped.code).toBe(0);

    const announced = await transitions();
    expect(announced.map(({ id }) => id)).toEqual([...new Set(announced.map(({ id }) => id))]);
    expect(announced.map(({ type }) => type).sort()).toEqual(
      expect.arrayContaining(['sluice.endpoint.promoted', 'sluice.model.registered', 'sluice.run.started', 'sluice.run.succeeded']),
    );
    for (const { runId } of runs) expect(announced.filter(({ id }) => id === `${runId}/run.started`)).toHaveLength(1);
  });

  test('answers at --api URL with a token of the local issuer', async () => {
    const { token } = JSON.parse(await readFile(join(dataDir, 'stack.json'), 'utf8')) as StackFile;
    const form = { grant_type: 'client_credentials', client_id: token.clientId, client_secret: token.clientSecret, scope: token.scope };
    const answer = await fetch(token.url, { method: 'POST', body: new URLSearchParams(form) });
    const { access_token: value } = (await answer.json()) as { access_token: string };

    const address = `http://127.0.0.1:${port}/api/v1`;
    const asked = await sluice(['status', '--api', address, '--json'], { ...process.env, SLUICE_TOKEN: value });
    expect(jsonOf(asked)).toMatchObject({ state: 'ok', pipelines: [{ name: 'ble-location' }] });
    const strange = await sluice(['status', '--api', address], { ...process.env, SLUICE_TOKEN: `${value}x` });
    expect(strange.code).not.toBe(0);
  });
});

test('the stack stops politely and takes its stack file along', async () => {
  expect(await ended(stack)).toBe(0);
  await expect(stat(join(dataDir, 'stack.json'))).rejects.toMatchObject({ code: 'ENOENT' });
});

/** What Sluice announced, oldest first. */
async function transitions(): Promise<{ id: string; type: string }[]> {
  const answer = await fetch((urls['topic'] ?? '').replace('/api/events', '/_admin/events'));
  return ((await answer.json()) as { events: { event: { id: string; type: string } }[] }).events.map(({ event }) => event);
}
