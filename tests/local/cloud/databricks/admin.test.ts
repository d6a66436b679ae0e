// What people and machines do to runs of the Databricks stand-in, over HTTP: no machine for a while, a kill for memory, a run that may not be deleted.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { endlessJob } from '../../../contracts/training-backend.suite.ts';
import { asWheels, startWorkspace, type Workspace } from '../../../shared/adapters/databricks/workspace.ts';

let workspace: Workspace;
beforeAll(async () => void (workspace = await startWorkspace()));
afterAll(() => workspace.close());

const admin = (path: string, body: unknown, type = 'application/json') =>
  fetch(`${workspace.url}/_admin/${path}`, { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify(body) });
async function call(method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
  const headers = { authorization: `Bearer ${await workspace.tokenOf('sluice')}`, 'content-type': 'application/json' };
  const answer = await fetch(`${workspace.url}/api/2.2/jobs/runs/${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  return { status: answer.status, text: await answer.text() };
}
const stateOf = async (runId: string): Promise<string> =>
  (JSON.parse((await call('GET', `get?run_id=${runId}`)).text) as { status: { state: string } }).status.state;
async function reached(runId: string, state: string): Promise<void> {
  for (let turn = 0; turn < 400 && (await stateOf(runId)) !== state; turn += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await stateOf(runId)).toBe(state);
}

it('a run is QUEUED while no machine is given out, and RUNNING afterwards; it may not be deleted before it has ended', async () => {
  expect(await (await admin('queue', { held: true })).json()).toEqual({ held: true });
  const { jobId } = await workspace.backend().submit(asWheels(endlessJob('train-q-1')));
  expect(await stateOf(jobId)).toBe('QUEUED');

  await admin('queue', { held: false });
  await reached(jobId, 'RUNNING');

  expect(await call('POST', 'delete', `{"run_id":${jobId}}`)).toMatchObject({
    status: 400,
    text: expect.stringContaining('is active') as string,
  });
  await call('POST', 'cancel', `{"run_id":${jobId}}`);
  await reached(jobId, 'TERMINATED');
  expect(await call('POST', 'delete', `{"run_id":${jobId}}`)).toMatchObject({ status: 200 });
});

it('a run that is killed fails as the service says it, and one that has ended cannot be killed', async () => {
  const { jobId } = await workspace.backend().submit(asWheels(endlessJob('train-q-2')));
  await reached(jobId, 'RUNNING');
  let killed = false;
  for (let turn = 0; turn < 200 && !killed; turn += 1) {
    killed = ((await (await admin(`runs/${jobId}`, { action: 'kill' })).json()) as { killed: boolean }).killed;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await reached(jobId, 'TERMINATED');

  expect((await call('GET', `get?run_id=${jobId}`)).text).toContain('exit code 137');
  expect(await (await admin(`runs/${jobId}`, { action: 'kill' })).json()).toEqual({ killed: false });
});

it.each([
  ['queue', { held: 'yes' }, 'application/json', 400],
  ['runs/1', { action: 'delete' }, 'application/json', 400],
  ['queue', { held: true }, 'text/plain', 415],
])('POST %s with %j as %s is answered with %d', async (path, body, type, status) => {
  expect((await admin(path, body, type)).status).toBe(status);
});
