// This machine and the list of faults that every place that trains must bear: there is no service, so what a service does cannot happen here.
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { createLocalBackend, type LocalOptions } from '../../../../shared/adapters/local/backend.ts';
import { isTerminal } from '../../../../shared/contracts/training.ts';
import type { TrainingBackend } from '../../../../shared/ports/training-backend.ts';
import { backendFaultsSuite, type FaultDifferences } from '../../../contracts/backend-faults.suite.ts';
import { briefJob, endlessJob } from '../../../contracts/training-backend.suite.ts';

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const nothing = () => undefined;

async function reach(backend: TrainingBackend, jobId: string, state: string): Promise<void> {
  for (let turn = 0; turn < 400; turn += 1) {
    const now = (await backend.get(jobId)).state;
    if (now === state) return;
    if (isTerminal(now)) throw new Error(`${jobId} is ${now}`);
    await pause(10);
  }
  throw new Error(`${jobId} did not get to ${state}`);
}
/** Whatever a service may answer, nobody is asked: `fetch` of these backends rejects. */
const asksNobody = {
  because: 'no service is asked',
  instead: async (backend: TrainingBackend, name: string) => {
    const { jobId } = await backend.submit(briefJob(name));
    await reach(backend, jobId, 'succeeded');
  },
};
const DIFFERS: FaultDifferences = {
  '401: a token that nobody issued': asksNobody,
  '403: which identity, and which role is missing': asksNobody,
  '404: no such workspace': asksNobody,
  'a storm of 429': asksNobody,
  '500 for a while': asksNobody,
  'connection reset after the creation was accepted': asksNobody,
  'stuck in the queue': {
    because: 'nothing is queued',
    instead: async (backend, name) => {
      const jobs = await Promise.all([1, 2, 3].map((one) => backend.submit(endlessJob(`${name}-${one}`))));
      await Promise.all(jobs.map(({ jobId }) => reach(backend, jobId, 'running')));
      await Promise.all(jobs.map(({ jobId }) => backend.cancel(jobId, 'seen')));
      await Promise.all(jobs.map(({ jobId }) => reach(backend, jobId, 'cancelled')));
    },
  },
  'cancelled by a person in the service’s own pages': {
    because: 'it has no pages; a person who ends the process is a failure that names the step',
    instead: async (backend, name) => {
      const { jobId } = await backend.submit(endlessJob(name));
      await reach(backend, jobId, 'running');
      const pid = Number((await readFile(join(root, jobId, 'steps', 'dig', 'pid'), 'utf8')).split(' ')[0]);
      process.kill(-pid, 'SIGTERM');
      await reach(backend, jobId, 'failed');
      expect(await backend.get(jobId)).toMatchObject({ reason: expect.stringContaining('dig') as string });
    },
  },
  'clocks that differ': {
    because: 'the machine that works and the machine that looks are one',
    instead: async (backend, name) => {
      const { jobId } = await backend.submit(briefJob(name));
      await reach(backend, jobId, 'succeeded');
      const { queuedSeconds, executionSeconds } = await backend.get(jobId);
      for (const seconds of [queuedSeconds, executionSeconds]) expect(seconds).toBeLessThan(600);
    },
  },
};
let root = '';

backendFaultsSuite(
  async () => {
    root = await mkdtemp(join(tmpdir(), 'sluice-local-faults-'));
    const backends: ReturnType<typeof createLocalBackend>[] = [];
    const open = (more: Partial<LocalOptions> = {}) => {
      const made = createLocalBackend({
        root,
        components: { 'registry.test/step': { folder: root } },
        programs: { node: process.execPath },
        now: Date.now,
        fetch: () => Promise.reject(new Error('nobody is to be asked')),
        graceMs: 100,
        tickMs: 10,
        ...more,
      });
      backends.push(made);
      return made;
    };
    const backend = open();
    const pidOf = (jobId: string) => readFile(join(root, jobId, 'steps', 'dig', 'pid'), 'utf8').catch(() => '');
    const vanish = async (jobId: string): Promise<void> => {
      process.kill(-Number((await pidOf(jobId)).split(' ')[0]), 'SIGKILL');
    };
    /** The kernel takes the largest process, which is the step's program, not the shell that waits for it. */
    const outOfMemory = async (jobId: string): Promise<boolean> => {
      const [pid = ''] = (await pidOf(jobId)).split(' ');
      const program = Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')).trim().split(' ')[0]);
      if (!program) return false;
      process.kill(program, 'SIGKILL');
      return true;
    };
    return {
      ...{ backend, forged: backend, withoutRole: backend, elsewhere: backend },
      other: open(),
      skewed: () => backend,
      jobsNamed: async (name) =>
        (await access(join(root, name, 'job.json')).then(
          () => true,
          () => false,
        ))
          ? [name]
          : [],
      plan: nothing,
      calm: nothing,
      hold: nothing,
      release: nothing,
      cancelByPerson: nothing,
      vanish,
      outOfMemory,
      close: async () => {
        await Promise.all(backends.map((one) => one.close()));
        await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
      },
    };
  },
  { forged: /never/, withoutRole: /never/, elsewhere: { code: 'never', message: /never/ } },
  DIFFERS,
);
