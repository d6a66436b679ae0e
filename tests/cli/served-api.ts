// The command line over the real handlers of the API: an HTTP server in front of the stores in memory, and what was printed.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished, vi } from 'vitest';
import { main } from '../../cli/main.ts';
import type { ApiDeps } from '../../functions/triggers/api/call.ts';
import { createApi } from '../functions/triggers/api/harness.ts';

export async function servedApi(more: Partial<ApiDeps> = {}) {
  const api = createApi(more);
  const asked: string[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      asked.push(`${request.method} ${request.url}`);
      const reply = await api.send(request.method ?? '', (request.url ?? '').slice('/api/v1/'.length), {
        token: (request.headers.authorization ?? '').slice('Bearer '.length),
        headers: Object.fromEntries(
          Object.entries(request.headers).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
        ),
        ...(parts.length > 0 ? { raw: Buffer.concat(parts) } : {}),
      });
      response.writeHead(reply.status, { 'content-type': reply.headers['content-type'] ?? '' }).end(JSON.stringify(reply.body));
    })().catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1`;
  const printed = { out: '', err: '' };
  vi.stubEnv('SLUICE_TOKEN', 'ola/admin');
  vi.stubEnv('NO_COLOR', '1');
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => Boolean((printed.out += String(text))));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean((printed.err += String(text))));
  onTestFinished(async () => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Runs one command line; gives its exit code and what it printed. */
  const sluice = async (...words: string[]): Promise<{ code: number; out: string; err: string }> => {
    printed.out = '';
    printed.err = '';
    const code = await main([...words, '--api', address]);
    return { code, ...printed };
  };
  return { ...api, address, asked, sluice };
}
