// A wire between the SDK and the storage account that can refuse a request, lose the answer of one, or do something first.
import { BlobServiceClient } from '@azure/storage-blob';
import { request as send, createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inject, onTestFinished } from 'vitest';

/** `refuse`: the service never sees it. `lose`: it is done and the answer is lost. A function runs before it is passed on. */
export type Fault = 'refuse' | 'lose' | (() => Promise<void>);

export interface FaultyStorage {
  service: BlobServiceClient;
  /** The next request whose `METHOD path` matches meets the fault; once. Gives how often it was met. */
  once(pattern: RegExp, fault: Fault): { met: number };
  /** Every request so far: `METHOD path`. */
  requests: string[];
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** `tries`: what the SDK does on its own before it gives up. */
export async function makeFaultyStorage(tries = 1): Promise<FaultyStorage> {
  const connection = inject('storage');
  const target = new URL(/BlobEndpoint=([^;]+)/.exec(connection)![1]!);
  const faults: { pattern: RegExp; fault: Fault; count: { met: number } }[] = [];
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    void (async () => {
      const body = await bodyOf(request);
      const what = `${request.method} ${decodeURIComponent(request.url!.split('?')[0]!)}`;
      requests.push(what);
      const at = faults.findIndex((each) => each.count.met === 0 && each.pattern.test(what));
      const fault = at === -1 ? null : faults[at]!;
      if (fault) fault.count.met += 1;
      if (fault?.fault === 'refuse') return void request.socket.destroy();
      if (typeof fault?.fault === 'function') await fault.fault();
      const passed = send(
        { host: target.hostname, port: target.port, method: request.method, path: request.url, headers: request.headers },
        (answer) => {
          void bodyOf(answer).then((content) => {
            if (fault?.fault === 'lose') return void request.socket.destroy();
            const headers = { ...answer.headers };
            delete headers['transfer-encoding'];
            const length = request.method === 'HEAD' ? (headers['content-length'] ?? '0') : String(content.length);
            response.writeHead(answer.statusCode!, { ...headers, 'content-length': length }).end(content);
          });
        },
      );
      passed.once('error', () => request.socket.destroy());
      passed.end(body);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const port = (server.address() as AddressInfo).port;
  const rewired = connection.replace(target.host, `127.0.0.1:${port}`);
  return {
    service: BlobServiceClient.fromConnectionString(rewired, {
      retryOptions: { maxTries: tries, retryDelayInMs: 5, maxRetryDelayInMs: 10 },
    }),
    once(pattern, fault) {
      const count = { met: 0 };
      faults.push({ pattern, fault, count });
      return count;
    },
    requests,
  };
}
