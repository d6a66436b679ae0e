// What goes wrong on request: lost answers, jobs that vanish or stick, kills, eventual consistency, a wrong clock, a stand-in that dies.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunEvent } from '../../../../local/cloud/azureml/azureml-cloud.ts';
import { createShiftedClock } from '../../../../local/cloud/kit/clock.ts';
import { serve } from '../../../../local/cloud/kit/server.ts';
import { command, DEV, logOf, registerEnvironment, startIssuer, startStand, until, type Issuer, type Stand } from './cloud.ts';

let issuer: Issuer;
let stand: Stand;
const events: RunEvent[] = [];

beforeAll(async () => {
  issuer = await startIssuer();
  stand = await startStand(issuer, { events: { publish: (event) => void events.push(event) } });
  await registerEnvironment(stand);
});
afterAll(async () => {
  await stand.close();
  await issuer.close();
});

const status = async (name: string) => (await stand.arm('GET', `jobs/${name}`)).body.properties.status;

test('a create whose answer is lost has been carried out', async () => {
  await stand.admin('POST', 'faults', { match: { operation: 'PutJob' }, action: 'reset-after' });

  await expect(stand.arm('PUT', 'jobs/accepted', { properties: command('true') })).rejects.toThrow('fetch failed');
  await stand.cloud.settled('accepted');

  expect(await status('accepted')).toBe('Completed');
});

test('planned errors hit the calls that they name', async () => {
  await stand.admin('POST', 'faults', { match: { operation: 'Mlflow.runs/search' }, action: 'status', status: 503 });

  expect((await stand.arm('GET', 'jobs')).status).toBe(200);
  expect((await stand.mlflow('POST', 'runs/search', { experiment_ids: [] })).status).toBe(503);
  expect((await stand.mlflow('POST', 'runs/search', { experiment_ids: [] })).status).toBe(200);
});

test('a job vanishes, and its process with it', async () => {
  await stand.arm('PUT', 'jobs/ghost', { properties: command('sleep 30') });
  await until(async () => (await status('ghost')) === 'Running');

  expect((await stand.admin('POST', 'jobs/ghost', { action: 'vanish' })).status).toBe(200);
  await stand.cloud.settled('ghost');

  expect((await stand.arm('GET', 'jobs/ghost')).status).toBe(404);
  expect((await stand.admin('POST', 'jobs/ghost', { action: 'vanish' })).status).toBe(400);
});

test('the queue can be stopped, for all jobs or for one', async () => {
  await stand.admin('POST', 'queue', { held: true, name: 'stuck' });
  await stand.arm('PUT', 'jobs/stuck', { properties: command('true') });
  await stand.run('passes', command('true'));
  expect(await status('stuck')).toBe('Queued');

  await stand.admin('POST', 'queue', { held: false, name: 'stuck' });
  await stand.cloud.settled('stuck');
  expect(await status('stuck')).toBe('Completed');

  stand.cloud.control.hold();
  await stand.arm('PUT', 'jobs/stuck-2', { properties: command('true') });
  await until(async () => (await status('stuck-2')) === 'Queued');
  await stand.arm('POST', 'jobs/stuck-2/cancel');
  await stand.cloud.settled('stuck-2');
  stand.cloud.control.release();
  expect(await status('stuck-2')).toBe('Canceled');
});

test('the kernel kills a process when memory is out, and a person cancels a job in the studio', async () => {
  for (const name of ['killed', 'by-person']) await stand.arm('PUT', `jobs/${name}`, { properties: command('sleep 30') });
  await until(async () => (await status('killed')) === 'Running' && (await status('by-person')) === 'Running');
  expect((await stand.admin('POST', 'jobs/killed', { action: 'lose' })).status).toBe(200);
  expect(await status('killed')).toBe('NotResponding');

  expect((await stand.admin('POST', 'jobs/killed', { action: 'kill' })).body).toEqual({ name: 'killed', killed: true });
  await stand.admin('POST', 'jobs/by-person', { action: 'cancel' });
  await Promise.all(['killed', 'by-person'].map((name) => stand.cloud.settled(name)));

  expect([await status('killed'), await status('by-person')]).toEqual(['Failed', 'Canceled']);
  expect(await logOf(stand, issuer, 'killed', 'system_logs/lifecycler/execution-wrapper.log')).toMatch(
    /exited with code 137 .* out of memory/,
  );
  const listed = (await stand.admin('GET', 'jobs')).body.jobs.find(({ name }) => name === 'by-person');
  expect(listed).toMatchObject({ status: 'Canceled', reason: 'cancelled by a person in the studio' });
});

test('the Date header can be wrong', async () => {
  await stand.admin('POST', 'clock', { dateSkewMs: 3_600_000 });
  const skewed = Date.parse((await stand.arm('GET', DEV)).headers.get('date') ?? '') - Date.now();
  await stand.admin('POST', 'clock', { dateSkewMs: 0 });

  expect(Math.round(skewed / 600_000)).toBe(6);
});

test('admin routes take nothing that a web page can send without asking', async () => {
  const answer = await fetch(`${stand.url}/_admin/queue`, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: '{"held":true}',
  });

  expect(answer.status).toBe(415);
  expect((await stand.admin('GET', 'queue')).body).toEqual({ held: [] });
});

test('events tell of the way to success and leave out failures', async () => {
  await stand.run('told', command('true', { tags: { runKey: 'k' } }));
  await stand.run('untold', command('false'));
  await stand.cloud.settled('untold');
  const of = (name: string) =>
    events.filter(({ data }) => data.runId === name).map(({ eventType, data }) => [eventType.split('.').at(-1), data.runStatus]);

  expect(of('told')).toEqual([
    ['RunStatusChanged', 'preparing'],
    ['RunStatusChanged', 'queued'],
    ['RunStatusChanged', 'running'],
    ['RunStatusChanged', 'finalizing'],
    ['RunStatusChanged', 'completed'],
    ['RunCompleted', undefined],
  ]);
  expect(of('untold').map(([, word]) => word)).not.toContain('failed');
  const completed = events.find(({ eventType, data }) => eventType.endsWith('RunCompleted') && data.runId === 'told');
  const { body } = await stand.mlflow('GET', 'runs/get?run_id=told');
  expect(completed).toMatchObject({
    topic: DEV,
    subject: `experiments/${body.run.info.experiment_id}/runs/told`,
    data: { experimentName: 'tests', runType: 'azureml.scriptrun', runTags: { runKey: 'k' } },
  });
});

test('delays follow the stand-in’s clock: lists, metrics and operations lag behind; events reach an address', async () => {
  const clock = createShiftedClock();
  const received: { type: string; headers: string | null }[] = [];
  const sink = await serve(async (request) => {
    received.push({ type: ((await request.json()) as { type: string }).type, headers: request.headers.get('content-type') });
    return new Response(null, { status: received.length === 1 ? 500 : 200 });
  });
  const late = await startStand(issuer, {
    clock,
    delays: { listMs: 60_000, metricMs: 60_000, operationMs: 60_000, preparingMs: 1, queuedMs: 1 },
    events: { url: sink.url, failures: true },
  });
  try {
    await registerEnvironment(late);
    await late.run('fresh', command('exit 1'));
    await late.mlflow('POST', 'runs/log-metric', { run_id: 'fresh', key: 'auc', value: 1, timestamp: 1, step: 0 });
    const seen = async () => ({
      listed: (await late.arm('GET', 'jobs')).body.value.length,
      metrics: (await late.mlflow('GET', 'runs/get?run_id=fresh')).body.run.data.metrics.length,
    });

    expect(await seen()).toEqual({ listed: 0, metrics: 0 });
    const removal = await late.arm('DELETE', 'jobs/fresh');
    expect((await late.arm('GET', removal.headers.get('azure-asyncoperation') ?? '')).body.status).toBe('InProgress');
    clock.advance(60_000);
    expect((await late.arm('GET', removal.headers.get('azure-asyncoperation') ?? '')).body.status).toBe('Succeeded');
    expect((await seen()).metrics).toBe(1);
    await late.cloud.settled('fresh');
    expect(received.at(0)).toEqual(received.at(1)); // the first was tried again
    expect(received.at(-1)).toEqual({
      type: 'Microsoft.MachineLearningServices.RunStatusChanged',
      headers: 'application/cloudevents+json',
    });
  } finally {
    await late.close();
    await sink.close();
  }
});

test('everything is on disk: a stand-in that comes back knows its jobs, runs and assets, and what was in flight has failed', async () => {
  const before = await startStand(issuer, { registries: [{ name: 'r' }] });
  await registerEnvironment(before);
  await before.run('done', command('true'));
  await before.mlflow('POST', 'runs/log-batch', { run_id: 'done', metrics: [{ key: 'loss', value: 'NaN', timestamp: 1, step: 1 }] });
  await before.arm('PUT', 'jobs/flying', { properties: command('sleep 30') });
  await until(async () => (await before.arm('GET', 'jobs/flying')).body.properties.status === 'Running');
  await before.close(true);

  const after = await startStand(issuer, { dataDir: before.dataDir, registries: [{ name: 'r' }] });
  try {
    expect((await after.arm('GET', 'jobs/done')).body.properties.status).toBe('Completed');
    expect((await after.arm('GET', 'jobs/flying')).body.properties.status).toBe('Failed');
    expect((await after.arm('GET', 'environments/trainer/versions/1')).status).toBe(200);
    expect((await after.mlflow('GET', 'runs/get?run_id=done')).body.run.data.metrics).toEqual([
      { key: 'loss', value: 'NaN', timestamp: 1, step: 1 },
    ]);
    expect((await after.arm('PUT', 'jobs/flying', { properties: command('true') })).status).toBe(200);
  } finally {
    await after.close();
  }
});
