// The Azure ML adapter when things go wrong, against the stand-in over real HTTP: lost answers, shut doors, storms, jobs that people and machines end.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AzureMlOptions } from '../../../../shared/adapters/azureml/backend.ts';
import { isTerminal, JobSpec, type JobSpecInput, type JobState } from '../../../../shared/contracts/training.ts';
import { endlessJob, failingJob, passingJob, STEP_IMAGE } from '../../../contracts/training-backend.suite.ts';
import { localAzureMl, type LocalAzureMl, READER, SLUICE } from './local-azureml.ts';

let local: LocalAzureMl;
beforeAll(async () => {
  local = await localAzureMl({
    roles: [
      { objectId: SLUICE, role: 'AzureML Data Scientist' },
      { objectId: READER, role: 'Reader' },
    ],
  });
});
afterEach(() => {
  local.cloud.faults.clear();
  local.cloud.control.release();
});
afterAll(() => local.close());

let number = 0;
const fresh = () => `train-f-${(number += 1)}`;
const job = (made: JobSpecInput): JobSpec => JobSpec.parse(made);
/** A Command job that ends at once. */
const quick = (name: string, more: Partial<JobSpecInput> = {}) =>
  job({
    ...failingJob(name),
    graph: 'quick',
    steps: [{ name: 'say', image: STEP_IMAGE, command: ['node', '-e', 'console.log("said")'], args: [], cpu: 1, memoryGiB: 1 }],
    ...more,
  });
const backend = (more: Partial<AzureMlOptions> = {}) => local.backend(more);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(jobId: string, reached: (state: JobState) => boolean): Promise<JobState> {
  for (let turn = 0; turn < 400; turn += 1) {
    const state = await backend().get(jobId);
    if (reached(state)) return state;
    await pause(15);
  }
  throw new Error(`job ${jobId} did not get there`);
}
const end = (jobId: string) => until(jobId, ({ state }) => isTerminal(state));

describe('when answers get lost', () => {
  it.each(['PutJob', 'PutEnvironmentVersion', 'PutComponentVersion'])(
    '%s was taken and the connection cut: still one of everything',
    async (operation) => {
      local.cloud.faults.add({ match: { operation }, action: 'reset-after' });
      const name = fresh();
      // An image of its own, so that its environment is not known yet.
      const steps = passingJob(name).steps.map((step) => ({ ...step, image: STEP_IMAGE.replace('step@', `step-${number}@`) }));
      const sluice = backend();

      const first = await sluice.submit(job({ ...passingJob(name), steps })).catch((error: unknown) => error);
      const second = await sluice.submit(job({ ...passingJob(name), steps }));

      // Only the job's creation is looked for at once; the others are repeated by the engine, and then found.
      if (operation === 'PutJob') expect(first).toEqual({ jobId: name, adopted: true });
      else expect(first).toMatchObject({ name: 'TransientError' });
      expect(second.jobId).toBe(name);
      expect(await local.jobsNamed(name)).toEqual([name]);
      await end(name);
    },
  );

  it('a creation that was not taken is told as unknown, and made by the next submission', async () => {
    local.cloud.faults.add({ match: { operation: 'PutJob' }, action: 'reset-before' });
    const name = fresh();

    await expect(backend().submit(quick(name))).rejects.toMatchObject({ name: 'TransientError', code: 'submission-unknown' });
    expect(await local.jobsNamed(name)).toEqual([]);
    await expect(backend().submit(quick(name))).resolves.toEqual({ jobId: name, adopted: false });
  });

  it('a storm of 429 is waited for within one call', async () => {
    local.cloud.faults.add({ match: { operation: 'PutJob' }, action: 'status', status: 429, headers: { 'retry-after': '2' }, times: 4 });
    const name = fresh();

    await expect(backend().submit(quick(name))).resolves.toEqual({ jobId: name, adopted: false });
    expect(await local.jobsNamed(name)).toEqual([name]);
  });

  it('one that asks for an hour is left to the engine', async () => {
    local.cloud.faults.add({ match: { operation: 'GetJob' }, action: 'status', status: 429, headers: { 'retry-after': '3600' } });

    await expect(backend().submit(quick(fresh()))).rejects.toMatchObject({
      name: 'TransientError',
      code: 'backend-throttled',
      message: expect.stringContaining('3600 s') as string,
    });
  });
});

describe('when doors are shut', () => {
  it.each([
    ['workspace', { workspace: 'elsewhere' }],
    ['resource group', { resourceGroup: 'rg-of-others' }],
  ])('a %s that is not there is named, by everything', async (_what, more) => {
    const sluice = backend(more);
    const unknown = { name: 'RejectedError', code: 'workspace-unknown' };

    await expect(sluice.submit(quick(fresh()))).rejects.toMatchObject(unknown);
    await expect(sluice.get('train-f-1')).rejects.toMatchObject(unknown);
    await expect(sluice.probe()).rejects.toMatchObject(unknown);
    await expect(sluice.check(quick(fresh()))).rejects.toMatchObject(unknown);
  });

  it('a compute that is not there is seen before the job is made', async () => {
    await expect(backend({ compute: 'gpu' }).check(quick(fresh()))).resolves.toMatchObject({
      available: false,
      missing: expect.stringContaining('"gpu"') as string,
    });
    await expect(backend().check(quick(fresh()))).resolves.toEqual({ available: true });
    await expect(backend({ compute: 'gpu' }).submit(quick(fresh()))).rejects.toMatchObject({
      code: 'backend-refused',
      message: expect.stringContaining('gpu') as string,
    });
  });
});

describe('what happens to a job', () => {
  it('that fails: the reason has the exit code and the last words', async () => {
    const name = fresh();
    await backend().submit(job(failingJob(name)));

    await expect(end(name)).resolves.toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/step break.*3.*the disk is made of cheese/) as string,
    });
  });

  it('that the service loses sight of: it still runs, and the reason says so', async () => {
    const name = fresh();
    await backend().submit(job(endlessJob(name)));
    await until(name, ({ state }) => state === 'running');
    local.cloud.control.lose(name, true);

    await expect(backend().get(name)).resolves.toMatchObject({ state: 'running', vendorState: 'NotResponding' });
    local.cloud.control.lose(name, false);
    await backend().cancel(name, 'enough');
    await end(name);
  });

  it.each([
    ['of one step', (name: string) => quick(name)],
    ['of several', (name: string) => job(passingJob(name))],
  ])('%s that finds no machine: it is pending, never running', async (_what, make) => {
    local.cloud.control.hold();
    const name = fresh();
    await backend().submit(make(name));
    const seen = new Set<string>();
    for (let turn = 0; turn < 8; turn += 1) {
      seen.add((await backend().get(name)).state);
      await pause(20);
    }
    local.cloud.control.release();

    expect([...seen]).toEqual(['pending']);
    await expect(end(name)).resolves.toMatchObject({ state: 'succeeded', queuedSeconds: expect.any(Number) as number });
  });
});

it('many instances behind one bucket get through the throttling of the service itself', async () => {
  const narrow = await localAzureMl({ throttle: { writes: { size: 4, perSecond: 40 }, reads: { size: 20, perSecond: 200 } } });
  try {
    const names = Array.from({ length: 6 }, (_, index) => `train-storm-${index}`);
    const submit = async (name: string): Promise<unknown> => {
      for (let turn = 0; turn < 40; turn += 1) {
        const outcome = await narrow
          .backend()
          .submit(quick(name))
          .catch((error: unknown) => error as Error);
        if (!(outcome instanceof Error)) return outcome;
        expect(outcome).toMatchObject({ name: 'TransientError' });
        await pause(50);
      }
      throw new Error(`${name} did not get through`);
    };

    await Promise.all(names.map(submit));

    for (const name of names) expect(await narrow.jobsNamed(name)).toEqual([name]);
  } finally {
    await narrow.close();
  }
});
