// Lineage by HTTP and by file: what arrives, what is tried again, and that no token shows in an error.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { LineageEvent } from '../../../../shared/contracts/lineage.ts';
import { createLineageEndpoint, createLineageFile } from '../../../../shared/adapters/openlineage/sink.ts';
import { withLineage } from '../../../../functions/activities/lineage.ts';
import { lineageEvent } from '../../../../shared/decisions/lineage.ts';
import { runOf } from '../../../contracts/samples.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const lake = { account: 'lakeaccount', container: 'lake' };
const run = runOf('refine', 'lineage');
const event = lineageEvent(run, { lake, version: null, at: '2026-11-22T10:00:00.000Z' });

async function receiver(status: number): Promise<{ url: string; got: { authorization: string | undefined; body: unknown }[] }> {
  const got: { authorization: string | undefined; body: unknown }[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    request.on('end', () => {
      got.push({ authorization: request.headers.authorization, body: JSON.parse(text) });
      response.writeHead(status).end('the answer of a stranger');
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  closers.push(() => new Promise((done) => server.close(done)));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/lineage`, got };
}

test('an endpoint gets the event as JSON with the token', async () => {
  const { url, got } = await receiver(201);
  await createLineageEndpoint({ url, getToken: () => Promise.resolve('secret-token') }).emit(event);

  expect(got).toEqual([{ authorization: 'Bearer secret-token', body: event }]);
});

test.each([
  [400, 'lineage-refused'],
  [403, 'lineage-refused'],
  [429, 'lineage-unavailable'],
  [503, 'lineage-unavailable'],
])('the answer %d is %s, without the token', async (status, code) => {
  const { url } = await receiver(status);
  const failed = await createLineageEndpoint({ url, getToken: () => Promise.resolve('secret-token') })
    .emit(event)
    .catch((error: unknown) => error as Error & { code: string });

  expect(failed).toMatchObject({ code });
  expect(String((failed as Error).message)).not.toContain('secret-token');
});

test('an endpoint that is not there is worth another try', async () => {
  const { url } = await receiver(200);
  for (const close of closers.splice(0)) await close();

  await expect(createLineageEndpoint({ url, getToken: () => Promise.resolve(null) }).emit(event)).rejects.toMatchObject({
    code: 'lineage-unavailable',
  });
});

test('a file gets one line for each event, in a folder that is made', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lineage-'));
  closers.push(() => rm(folder, { recursive: true }));
  const path = join(folder, 'deep', 'lineage.jsonl');
  const sink = createLineageFile(path);
  await Promise.all([sink.emit(event), sink.emit(event)]);

  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as LineageEvent).run.facets.sluice_run.runId)).toEqual([run.runId, run.runId]);
});

test('a transition of a run is announced and told as lineage; other news is only announced', async () => {
  const published: string[] = [];
  const emitted: LineageEvent[] = [];
  const announcer = withLineage(
    { publish: ({ id }) => Promise.resolve(void published.push(id)) },
    {
      runs: { find: (runId) => Promise.resolve(runId === run.runId ? run : null) },
      pipelines: { version: () => Promise.resolve(null) },
      sink: { emit: (one) => Promise.resolve(void emitted.push(one)) },
      lake,
    },
  );
  const news = { subject: `/pipelines/${run.pipeline}/runs/${run.runId}`, at: event.eventTime, data: {} };
  await announcer.publish({ ...news, id: '1', type: 'run.started' });
  await announcer.publish({ ...news, id: '2', type: 'model.registered' });
  // A run that gave way has begun, so its end is told, too.
  await announcer.publish({ ...news, id: '3', type: 'run.skipped' });

  expect(published).toEqual(['1', '2', '3']);
  expect(emitted).toEqual([event, event]);
});

test('a lineage sink that fails does not keep the announcement back', async () => {
  const published: string[] = [];
  const announcer = withLineage(
    { publish: ({ id }) => Promise.resolve(void published.push(id)) },
    {
      runs: { find: () => Promise.resolve(run) },
      pipelines: { version: () => Promise.resolve(null) },
      sink: { emit: () => Promise.reject(new Error('no')) },
      lake,
    },
  );

  await expect(announcer.publish({ id: '1', type: 'run.failed', subject: run.runId, at: event.eventTime, data: {} })).rejects.toThrow('no');
  expect(published).toEqual(['1']);
});
