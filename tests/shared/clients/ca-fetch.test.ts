// A gateway with a certificate of its own: reached with its CA, refused without it.
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCaFetch } from '../../../shared/clients/ca-fetch.ts';
import { CERTIFICATE, KEY } from './gateway-certificate.ts';

let url = '';
const server = createServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
  if (request.url === '/away') return response.writeHead(302, { location: 'https://login.example/' }).end();
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    response.writeHead(201, { 'content-type': 'text/plain' });
    response.end(`${request.method} ${request.headers['authorization'] ?? ''} ${Buffer.concat(chunks).toString()}`);
  });
  return response;
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe('fetch with a CA of its own', () => {
  it('sends method, headers and body, and reads status and answer', async () => {
    const response = await createCaFetch(CERTIFICATE)(`${url}/x`, {
      method: 'POST',
      body: 'hello',
      headers: { authorization: 'Bearer t' },
    });

    expect(response.status).toBe(201);
    expect(await response.text()).toBe('POST Bearer t hello');
  });

  it('refuses the same server when its CA is not trusted', async () => {
    await expect(fetch(`${url}/x`)).rejects.toThrow();
  });

  it('refuses plain http, which a CA cannot protect', async () => {
    await expect(createCaFetch(CERTIFICATE)(url.replace('https', 'http'))).rejects.toThrow(/must be an https address/);
  });

  it('hands redirects back instead of following them', async () => {
    const response = await createCaFetch(CERTIFICATE)(`${url}/away`);

    expect(response.status).toBe(302);
    expect(response.headers.get('location')).toBe('https://login.example/');
  });

  it('stops when it is told to', async () => {
    await expect(createCaFetch(CERTIFICATE)(`${url}/x`, { signal: AbortSignal.abort() })).rejects.toThrow();
  });
});
