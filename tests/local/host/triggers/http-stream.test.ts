// Streamed HTTP functions (`enableHttpStream`). A file of its own: the SDK takes its setup once per process, before the first start.
import { app, type HttpRequest, type HttpResponseInit } from '@azure/functions';
import { describe, expect, it } from 'vitest';
import { loadFunctionApp } from '../../../../local/host/core/function-app.ts';
import { startHost } from '../../../../local/host/host.ts';

describe('streams', () => {
  it('carry request and answer piece by piece when the app asks for it', async () => {
    let sendRest: () => void = () => undefined;
    const rest = new Promise<void>((resolve) => (sendRest = resolve));
    async function* pieces() {
      yield Buffer.from('first,');
      await rest;
      yield Buffer.from('second');
    }
    const register = () => {
      app.setup({ enableHttpStream: true });
      app.get('down', () => ({ body: pieces(), headers: { 'content-type': 'text/plain' }, status: 206 }));
      app.post('up/{name}', {
        route: 'up/{name}',
        handler: async (request) => {
          let size = 0;
          for await (const chunk of request.body ?? []) size += (chunk as Uint8Array).length;
          return { jsonBody: { size, name: request.params['name'], type: request.headers.get('content-type') } };
        },
      });
      app.get('nothing', (() => undefined) as unknown as (request: HttpRequest) => HttpResponseInit);
      app.get('throws', () => {
        throw new Error('no');
      });
    };
    const host = await startHost({ app: await loadFunctionApp(register), env: { FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '1000000' } });
    const ask = (path: string, init?: RequestInit) => fetch(`${host.url}${path}`, init);
    try {
      const answer = await ask('/api/down');
      expect(answer.status).toBe(206);
      const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
      expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('first,');
      sendRest();
      let text = '';
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += Buffer.from(part.value).toString();
      expect(text).toBe('second');

      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let index = 0; index < 50; index += 1) controller.enqueue(new Uint8Array(10_000));
          controller.close();
        },
      });
      const up = await ask('/api/up/x', {
        method: 'POST',
        body,
        duplex: 'half',
        headers: { 'content-type': 'application/x-thing' },
      });
      expect(await up.json()).toEqual({ size: 500_000, name: 'x', type: 'application/x-thing' });
      expect((await ask('/api/up/x', { method: 'POST', body: new Uint8Array(1_000_001) })).status).toBe(413);
      expect((await ask('/api/nothing')).status).toBe(204);
      expect((await ask('/api/throws')).status).toBe(500);
    } finally {
      await host.stop();
    }
  });
});
