// What every place that trains must bear, one list for all: doors that are shut, storms, lost answers, jobs that people and machines end, clocks that differ.
// What a run report may be (missing, of another protocol, of another digest, not finite) is read from the store, whatever trained: tests/orchestrations/training.test.ts.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isTerminal, type JobSpec, type JobState } from '../../shared/contracts/training.ts';
import type { TrainingBackend } from '../../shared/ports/training-backend.ts';
import { briefJob, endlessJob, failingJob } from './training-backend.suite.ts';

/** A planned failure of the service: of the call that makes a job, or of every call. */
export interface PlannedFault {
  at: 'create' | 'every';
  action: 'status' | 'reset-after';
  status?: number;
  headers?: Record<string, string>;
  times?: number;
}

/** A service with what can go wrong with it. */
export interface FaultSite {
  backend: TrainingBackend;
  /** The same service as another instance of Sluice sees it. */
  other: TrainingBackend;
  /** With a token that nobody issued, and with an identity that has no role. */
  forged: TrainingBackend;
  withoutRole: TrainingBackend;
  /** Where there is no workspace. */
  elsewhere: TrainingBackend;
  /** With a clock that differs from the service's by so much. */
  skewed: (ms: number) => TrainingBackend;
  jobsNamed: (name: string) => Promise<string[]>;
  plan: (fault: PlannedFault) => void;
  calm: () => void;
  /** No job finds a machine, until they are let go. */
  hold: () => void | Promise<void>;
  release: () => void | Promise<void>;
  /** What a person does in the service's own pages, and the kernel on its machines. */
  cancelByPerson: (jobId: string) => void | Promise<void>;
  vanish: (jobId: string) => void | Promise<void>;
  outOfMemory: (jobId: string) => boolean | Promise<boolean>;
  close: () => Promise<void>;
}

/** What the refusals must say. */
export interface RefusalWords {
  forged: RegExp;
  /** Names the identity, and the role that it lacks. */
  withoutRole: RegExp;
  elsewhere: { code: string; message: RegExp };
}

/** The list, by the names that issue and documentation use. */
export const FAULTS = [
  '401: a token that nobody issued',
  '403: which identity, and which role is missing',
  '404: no such workspace',
  '409: the name is taken by another spec',
  'a storm of 429',
  '500 for a while',
  'connection reset after the creation was accepted',
  'two instances submit at once',
  'a job that vanishes',
  'stuck in the queue',
  'cancelled by a person in the service’s own pages',
  'killed by memory',
  'clocks that differ',
] as const;
export type FaultName = (typeof FAULTS)[number];

/** What a place has instead of a fault that it cannot have. */
export type FaultDifferences = Partial<
  Record<FaultName, { because: string; instead: (backend: TrainingBackend, name: string) => Promise<void> }>
>;

type Check = (site: FaultSite, name: string) => Promise<void>;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const rejected = { name: 'RejectedError' };

async function until(backend: TrainingBackend, jobId: string, reached: (state: JobState) => boolean): Promise<JobState> {
  const seen: string[] = [];
  for (let turn = 0; turn < 600; turn += 1) {
    const state = await backend.get(jobId);
    seen.push(`${state.state} (${state.reason ?? ''})`);
    if (reached(state)) return state;
    await pause(10);
  }
  throw new Error(`job ${jobId} did not get there: ${[...new Set(seen)].join(' → ')}`);
}
const ended = (backend: TrainingBackend, jobId: string) => until(backend, jobId, ({ state }) => isTerminal(state));

/** A job that works until somebody ends it, at work. */
async function working(backend: TrainingBackend, name: string): Promise<string> {
  const { jobId } = await backend.submit(endlessJob(name));
  await until(backend, jobId, ({ state }) => state === 'running');
  return jobId;
}

/** Submits as the engine does, again after each transient failure; gives the failures before it went through. */
async function patiently(backend: TrainingBackend, job: JobSpec): Promise<Error[]> {
  const failures: Error[] = [];
  for (let turn = 0; turn < 30; turn += 1) {
    const outcome = await backend.submit(job).catch((error: unknown) => error as Error);
    if (!(outcome instanceof Error)) return failures;
    expect(outcome).toMatchObject({ name: 'TransientError' });
    failures.push(outcome);
  }
  throw new Error(`it did not get through: ${failures.at(-1)?.message ?? ''}`);
}

function checks(words: RefusalWords): Record<FaultName, Check> {
  return {
    async '401: a token that nobody issued'({ forged, jobsNamed }, name) {
      const refused = {
        ...rejected,
        code: expect.stringMatching(/-forbidden$/) as string,
        message: expect.stringMatching(words.forged) as string,
      };
      await expect(forged.submit(briefJob(name))).rejects.toMatchObject(refused);
      await expect(forged.probe()).rejects.toMatchObject(refused);
      expect(await jobsNamed(name)).toEqual([]);
    },

    async '403: which identity, and which role is missing'({ withoutRole, jobsNamed }, name) {
      const error = (await withoutRole.submit(briefJob(name)).catch((problem: unknown) => problem)) as Error;
      expect(error).toMatchObject({ ...rejected, code: expect.stringMatching(/-forbidden$/) as string });
      expect(error.message).toMatch(words.withoutRole);
      expect(error.message).not.toMatch(/eyJ[\w-]{20,}/);
      expect(await jobsNamed(name)).toEqual([]);
    },

    async '404: no such workspace'({ backend, elsewhere }, name) {
      const unknown = { ...rejected, code: words.elsewhere.code, message: expect.stringMatching(words.elsewhere.message) as string };
      await expect(elsewhere.submit(briefJob(name))).rejects.toMatchObject(unknown);
      await expect(elsewhere.probe()).rejects.toMatchObject(unknown);
      // Nothing is known of a job there: it is not said to be absent.
      const { jobId } = await backend.submit(briefJob(name));
      if (words.elsewhere.code === 'workspace-unknown') await expect(elsewhere.get(jobId)).rejects.toMatchObject(unknown);
    },

    async '409: the name is taken by another spec'({ backend, other, jobsNamed }, name) {
      const { jobId } = await backend.submit(briefJob(name));
      await expect(other.submit(failingJob(name))).rejects.toMatchObject({
        ...rejected,
        code: 'job-conflict',
        message: expect.stringContaining(name) as string,
      });
      expect(await jobsNamed(name)).toEqual([jobId]);
    },

    async 'a storm of 429'({ backend, plan, jobsNamed }, name) {
      plan({ at: 'create', action: 'status', status: 429, headers: { 'retry-after': '1' }, times: 4 });
      for (const failure of await patiently(backend, briefJob(name)))
        expect(failure).toMatchObject({ code: expect.stringMatching(/-throttled$/) as string });
      expect(await jobsNamed(name)).toHaveLength(1);
    },

    async '500 for a while'({ backend, plan, jobsNamed }, name) {
      plan({ at: 'every', action: 'status', status: 500, times: 9 });
      expect((await patiently(backend, briefJob(name))).length).toBeGreaterThan(0);
      expect(await jobsNamed(name)).toHaveLength(1);
    },

    async 'connection reset after the creation was accepted'({ backend, other, plan, jobsNamed }, name) {
      plan({ at: 'create', action: 'reset-after' });
      const first = await backend.submit(briefJob(name)).catch((error: unknown) => error);
      const second = await other.submit(briefJob(name));
      expect(second.adopted).toBe(true);
      if (first instanceof Error) expect(first).toMatchObject({ name: 'TransientError' });
      else expect(first).toMatchObject({ jobId: second.jobId });
      expect(await jobsNamed(name)).toEqual([second.jobId]);
    },

    async 'two instances submit at once'({ backend, other, jobsNamed }, name) {
      const answers = await Promise.all([backend, other, backend, other].map((one) => one.submit(briefJob(name))));
      expect(new Set(answers.map(({ jobId }) => jobId)).size).toBe(1);
      expect(await jobsNamed(name)).toHaveLength(1);
    },

    async 'a job that vanishes'({ backend, vanish }, name) {
      const jobId = await working(backend, name);
      await vanish(jobId);
      const { state, reason } = await ended(backend, jobId);
      expect(['absent', 'failed']).toContain(state);
      expect(reason).toMatch(/./);
    },

    async 'stuck in the queue'({ backend, hold, release }, name) {
      await hold();
      try {
        const { jobId } = await backend.submit(endlessJob(name));
        for (let look = 0; look < 4; look += 1) {
          expect((await backend.get(jobId)).state).toBe('pending');
          await pause(10);
        }
        // Its deadline has passed: it is cancelled while it waits, and has not worked.
        await backend.cancel(jobId, 'it found no machine in time');
        const state = await ended(backend, jobId);
        expect(state.state).toBe('cancelled');
        expect(state.executionSeconds ?? 0).toBeLessThan(5);
      } finally {
        await release();
      }
    },

    async 'cancelled by a person in the service’s own pages'({ backend, cancelByPerson }, name) {
      const jobId = await working(backend, name);
      await cancelByPerson(jobId);
      expect(await ended(backend, jobId)).toMatchObject({ state: 'cancelled' });
    },

    async 'killed by memory'({ backend, outOfMemory }, name) {
      const jobId = await working(backend, name);
      for (let turn = 0; turn < 200 && !(await outOfMemory(jobId)); turn += 1) await pause(10);
      expect(await ended(backend, jobId)).toMatchObject({
        state: 'failed',
        reason: expect.stringMatching(/dig.*(memory|OOM)|(memory|OOM).*dig/is) as string,
      });
    },

    async 'clocks that differ'({ skewed }, name) {
      for (const [index, ms] of [3_600_000, -3_600_000].entries()) {
        const late = skewed(ms);
        const { jobId } = await late.submit(briefJob(`${name}-${index}`));
        expect(await late.submit(briefJob(`${name}-${index}`))).toEqual({ jobId, adopted: true });
        const { state, reason, queuedSeconds, executionSeconds } = await ended(late, jobId);
        expect({ state, reason }).toEqual({ state: 'succeeded', reason: null });
        // Both are differences of the service's own times.
        for (const seconds of [queuedSeconds, executionSeconds]) {
          expect(seconds).toBeGreaterThanOrEqual(0);
          expect(seconds).toBeLessThan(600);
        }
      }
    },
  };
}

export function backendFaultsSuite(make: () => Promise<FaultSite>, words: RefusalWords, differs: FaultDifferences = {}): void {
  describe('bears', () => {
    const list = checks(words);
    let site: FaultSite;
    let number = 0;
    beforeAll(async () => void (site = await make()));
    beforeEach(() => void (number += 1));
    afterEach(() => site.calm());
    afterAll(() => site.close());

    for (const fault of FAULTS) {
      const difference = differs[fault];
      const name = () => `train-h-${number}`;
      if (difference) it(`${fault} (not here, because ${difference.because})`, () => difference.instead(site.backend, name()));
      else it(fault, () => list[fault](site, name()));
    }
  });
}
