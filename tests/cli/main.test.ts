// The command line over an API on a port: options reach the command, machines get one line whatever went wrong, exit codes tell.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { main } from '../../cli/main.ts';

const RUN = 'train-ble-location-0123456789abcdef-a1';
let server: Server;
let address: string;
let asked: string[];
let answer: { type: string; body: string };
let out: string;

beforeEach(async () => {
  asked = [];
  out = '';
  answer = { type: 'application/json', body: '{"jobs":[]}' };
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(200, { 'content-type': answer.type }).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1`;
  vi.stubEnv('SLUICE_TOKEN', 'a-token');
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => Boolean((out += String(text))));
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await new Promise((resolve) => server.close(resolve));
});

test('an option after `runs logs` reaches the command: --api', async () => {
  expect(await main(['runs', 'logs', RUN, '--api', address, '--json'])).toBe(0);

  expect(asked).toEqual([`GET /api/v1/runs/${RUN}/logs`]);
  expect(JSON.parse(out)).toEqual({ jobs: [] });
});

test('an option after `runs logs` reaches the command: --data-dir', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-cli-'));
  try {
    await writeFile(join(dataDir, 'stack.json'), JSON.stringify({ pid: process.pid, api: address }));

    expect(await main(['runs', 'logs', RUN, '--data-dir', dataDir, '--json'])).toBe(0);

    expect(asked).toEqual([`GET /api/v1/runs/${RUN}/logs`]);
  } finally {
    await rm(dataDir, { recursive: true });
  }
});

test.each([
  [['drop', 'file.csv'], 'required option'],
  [['runs', 'logs', RUN, '--nonsense'], 'unknown option'],
  [['nonsense'], 'unknown command'],
])('wrong use is one JSON line for machines: %j', async (words, message) => {
  expect(await main([...words, '--json'])).toBe(2);

  expect(JSON.parse(out)).toMatchObject({ error: { code: 'usage', message: expect.stringContaining(message) as string } });
});

test('an address where something else answers is said to be wrong, not a failure of ours', async () => {
  answer = { type: 'text/html', body: '<html>welcome</html>' };

  expect(await main(['runs', 'logs', RUN, '--api', address, '--json'])).toBe(5);

  expect(JSON.parse(out)).toMatchObject({ error: { message: expect.stringContaining('is not Sluice') as string } });
});
