// The store over a storage account: the contract of the port, its signatures, and how storage errors are translated.
import { AnonymousCredential, BlobServiceClient, newPipeline } from '@azure/storage-blob';
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createStore } from '../../../../shared/adapters/lake/store.ts';
import { storeSuite } from '../../../contracts/store.suite.ts';

const service = BlobServiceClient.fromConnectionString(inject('storage'));

describe('store over a storage account', () => {
  storeSuite(async () => {
    const name = `store-${randomUUID()}`;
    await service.createContainer(name);
    return createStore(service, name);
  });

  it('says which container is missing and what to do', async () => {
    const store = createStore(service, 'never-made');

    await expect(store.create('a', new Uint8Array(1), 'text/plain')).rejects.toMatchObject({
      code: 'container-missing',
      message: expect.stringMatching(/never-made\/a: .*Create it/) as string,
    });
  });

  it('calls an account that does not answer transient', async () => {
    const pipeline = newPipeline(new AnonymousCredential(), { retryOptions: { maxTries: 1 } });
    const store = createStore(new BlobServiceClient('http://127.0.0.1:1/account', pipeline), 'data');

    await expect(store.read('a', 10)).rejects.toMatchObject({ name: 'TransientError', code: 'storage-unavailable' });
  });

  it('allows plain http only where the account itself is http, and starts five minutes early', async () => {
    const at = Date.parse('2026-01-02T03:04:05Z');
    const query = new URL(await createStore(service, 'data', () => at).signRead('a', 900)).searchParams;

    expect([query.get('spr'), query.get('st'), query.get('se'), query.get('sp')]).toEqual([
      'https,http',
      '2026-01-02T02:59:05Z',
      '2026-01-02T03:19:05Z',
      'r',
    ]);
  });
});

describe('store with an identity instead of a key', () => {
  let server: Server;
  let asked: string[];
  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        asked.push(`${request.method} ${request.url} ${/<Expiry>(.*)<\/Expiry>/.exec(body)?.[1]}`);
        const field = (name: string) => new RegExp(`<${name}>(.*)</${name}>`).exec(body)?.[1];
        response
          .writeHead(200, { 'content-type': 'application/xml' })
          .end(
            `<?xml version="1.0" encoding="utf-8"?><UserDelegationKey><SignedOid>oid-1</SignedOid><SignedTid>tid-1</SignedTid>` +
              `<SignedStart>${field('Start')}</SignedStart><SignedExpiry>${field('Expiry')}</SignedExpiry><SignedService>b</SignedService>` +
              `<SignedVersion>2020-12-06</SignedVersion><Value>${Buffer.from('delegation key').toString('base64')}</Value></UserDelegationKey>`,
          );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    server.close();
  });

  it('signs with a user delegation key, fetched once and again only when it would expire first', async () => {
    asked = [];
    let at = Date.parse('2026-01-02T03:00:00Z');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/account`;
    const store = createStore(new BlobServiceClient(url, newPipeline(new AnonymousCredential())), 'data', () => at);

    const first = new URL(await store.signRead('a', 900)).searchParams;
    await store.signCreate('b', 900);
    at += 23 * 3600 * 1000;
    await store.signRead('c', 900);
    at += 3600 * 1000;
    const later = new URL(await store.signRead('d', 900)).searchParams;

    expect([first.get('skoid'), first.get('sktid'), first.get('sp')]).toEqual(['oid-1', 'tid-1', 'r']);
    expect(asked).toEqual([
      'POST /account/?restype=service&comp=userdelegationkey 2026-01-03T03:00:00Z',
      'POST /account/?restype=service&comp=userdelegationkey 2026-01-04T03:00:00Z',
    ]);
    expect(later.get('ske')).toBe('2026-01-04T03:00:00Z');
  });
});
