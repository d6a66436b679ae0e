// `fetch` over node:https with a CA of one's own: gateways on premises often carry a self-signed chain (facts/kubeflow.md §1 Auth).
// Verification stays on; the platform's fetch has no per-client CA, and NODE_EXTRA_CA_CERTS would trust it everywhere.
import { Agent, request } from 'node:https';
import { Readable } from 'node:stream';

/** A fetch that trusts exactly the given CA (PEM) for https and refuses any other scheme. Redirects are not followed. */
export function createCaFetch(ca: string | Uint8Array): typeof fetch {
  const agent = new Agent({ ca: typeof ca === 'string' ? ca : Buffer.from(ca), keepAlive: true });
  return async (input, init) => {
    const message = new Request(input, init);
    const url = new URL(message.url);
    if (url.protocol !== 'https:') throw new TypeError(`A CA file is configured, so ${url.origin} must be an https address.`);
    const body = message.body ? Buffer.from(await message.arrayBuffer()) : undefined;
    return new Promise<Response>((resolve, reject) => {
      const headers = Object.fromEntries(message.headers);
      if (body) headers['content-length'] = String(body.byteLength);
      const outgoing = request(url, { agent, method: message.method, headers, signal: message.signal }, (incoming) => {
        const status = incoming.statusCode ?? 500;
        const answer = new Headers();
        for (const [name, value] of Object.entries(incoming.headers)) {
          if (value !== undefined) answer.set(name, Array.isArray(value) ? value.join(', ') : value);
        }
        const empty = status === 204 || status === 205 || status === 304 || message.method === 'HEAD';
        if (empty) incoming.resume();
        resolve(new Response(empty ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>), { status, headers: answer }));
      });
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  };
}
