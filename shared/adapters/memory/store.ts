// Port `Store` in memory, for tests and single-process use. Its signed URLs are real: a loopback server, started by the
// first signature, answers them as storage would (GET reads, PUT creates once, an expired or foreign signature gets 403).
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RejectedError } from '../../errors/errors.ts';
import type { Store } from '../../ports/lake.ts';

/** Largest body that a signed URL accepts here. */
const MAX_BODY = 256 * 1024 * 1024;
const MAX_SECONDS = 7 * 24 * 3600 - 600;

/** A `Store` that forgets everything at exit. `close` ends its loopback server, if one was started. */
export interface MemoryStore extends Store {
  close(): Promise<void>;
}

function plain(path: string): string {
  const parts = path.split('/');
  if (path.length > 900 || /[\\\u0000-\u001f\u007f]/.test(path) || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new RejectedError('bad-path', `${JSON.stringify(path.slice(0, 200))} is not a plain relative path of the store.`);
  return path;
}

/** Makes the store; `clock` gives milliseconds since the epoch. */
export function createMemoryStore(clock: () => number = Date.now): MemoryStore {
  const files = new Map<string, Uint8Array>();
  const secret = randomBytes(32);
  let server: Promise<Server> | null = null;
  const create = (path: string, content: Uint8Array): 'created' | 'exists' => {
    if (files.has(path)) return 'exists';
    files.set(path, Uint8Array.from(content));
    return 'created';
  };
  const signature = (path: string, permission: string, expires: string) =>
    createHash('sha256').update(secret).update(`${permission}\n${expires}\n${path}`).digest('hex');

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://memory');
    const path = decodeURIComponent(url.pathname.slice(1));
    const [permission, expires, given] = ['sp', 'se', 'sig'].map((name) => url.searchParams.get(name) ?? '');
    const valid = given === signature(path, permission!, expires!) && clock() < Number(expires);
    if (!valid || permission !== (request.method === 'PUT' ? 'c' : 'r')) return void response.writeHead(403).end();
    if (request.method === 'PUT') {
      const parts: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of request) {
        bytes += (chunk as Buffer).length;
        if (bytes > MAX_BODY) return void response.writeHead(413).end();
        parts.push(chunk as Buffer);
      }
      // Storage refuses an overwrite by a create-only signature as a missing permission.
      return void response.writeHead(create(path, Buffer.concat(parts)) === 'created' ? 201 : 403).end();
    }
    const content = files.get(path);
    return void response.writeHead(content ? 200 : 404).end(content);
  }

  async function sign(path: string, permission: 'r' | 'c', seconds: number): Promise<string> {
    if (!Number.isFinite(seconds) || seconds <= 0 || seconds > MAX_SECONDS)
      throw new RejectedError('bad-lifetime', `a signed URL lives between 1 second and 7 days less 10 minutes, not ${seconds} seconds.`);
    server ??= new Promise((resolve, reject) => {
      const made = createServer((request, response) => {
        answer(request, response).catch(() => response.destroy());
      });
      made.once('error', reject);
      made.listen(0, '127.0.0.1', () => resolve(made.unref()));
    });
    const { port } = (await server).address() as AddressInfo;
    const expires = String(clock() + seconds * 1000);
    const query = new URLSearchParams({ sp: permission, se: expires, sig: signature(path, permission, expires) });
    return `http://127.0.0.1:${port}/${path.split('/').map(encodeURIComponent).join('/')}?${query.toString()}`;
  }

  return {
    async read(path, maxBytes) {
      const content = files.get(plain(path));
      if (content !== undefined && content.byteLength > maxBytes)
        throw new RejectedError('file-too-large', `${path}: larger than the ${maxBytes} bytes that are read here.`);
      return content === undefined ? null : Uint8Array.from(content);
    },
    async digest(path) {
      const content = files.get(plain(path));
      return content === undefined ? null : { sha256: createHash('sha256').update(content).digest('hex'), bytes: content.byteLength };
    },
    create: async (path, content) => create(plain(path), content),
    signRead: async (path, seconds) => sign(plain(path), 'r', seconds),
    signCreate: async (path, seconds) => sign(plain(path), 'c', seconds),
    async close() {
      const running = server && (await server);
      server = null;
      running?.closeAllConnections();
      if (running) await new Promise((resolve) => running.close(resolve));
    },
  };
}
