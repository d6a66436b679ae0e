// What every implementation of the port TrainingBackend must do; run against memory, this machine, and each service over its stand-in.
// One service for the whole suite: each test has jobs of its own, by names that no other test has.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isTerminal, type JobSpec, type JobState } from '../../shared/contracts/training.ts';
import { sha256Hex } from '../../shared/decisions/digest.ts';
import type { Store } from '../../shared/ports/lake.ts';
import type { TrainingBackend } from '../../shared/ports/training-backend.ts';

export interface TrainingBackendHarness {
  backend: TrainingBackend;
  /** The same service as another process sees it. */
  other: TrainingBackend;
  /** Ids of the jobs that the service has under a name. */
  jobsNamed(name: string): Promise<string[]>;
  /** Lets time pass, or waits, so that jobs get further. */
  tick(): Promise<void>;
  close(): Promise<void>;
  /** Where files of jobs come from and go to; its URLs are reachable for the jobs. */
  store: Store;
  /** Takes a job away from the service, or kills what it runs, as somebody else would. */
  vanish(jobId: string): Promise<void>;
}

/** What the steps of the suite's jobs run as: a program `node` that takes `-e SCRIPT`. Memory goes by the graph's name. */
export const STEP_IMAGE = `registry.test/step@sha256:${'1'.repeat(64)}`;
const script = (text: string) => ['node', '-e', text];
const step = (name: string, text: string, args: JobSpec['steps'][number]['args']) => ({
  name,
  image: STEP_IMAGE,
  command: script(text),
  args,
  cpu: 1,
  memoryGiB: 0.5,
});

/** Two steps: the first writes a parameter to a file, the second prints that file in capitals. */
export function passingJob(name: string, parameters: JobSpec['parameters'] = { greeting: 'hello from the parameter', times: 2 }): JobSpec {
  const write = `const [, greeting, out] = process.argv; require('fs').writeFileSync(out, greeting);`;
  const shout = `const [, path] = process.argv; console.log(require('fs').readFileSync(path.replace('in=', ''), 'utf8').toUpperCase());`;
  return {
    name,
    graph: 'passing',
    steps: [
      step('write', write, [{ parameter: 'greeting' }, { output: 'text' }, { parameter: 'times' }]),
      step('shout', shout, [{ from: 'write', output: 'text', prefix: 'in=' }]),
    ],
    parameters,
    labels: { suite: 'contract' },
    inputs: {},
    exports: [],
  };
}

/** One step that prints its parameter and has ended: where a test does not look at what the job does. */
export function briefJob(name: string, parameters: JobSpec['parameters'] = { greeting: 'hello', times: 2 }): JobSpec {
  const say = step('say', `console.log(...process.argv.slice(1))`, [{ parameter: 'greeting' }, { parameter: 'times' }]);
  return { ...passingJob(name, parameters), graph: 'brief', steps: [say] };
}

/** One step that says why and exits with 3. */
export function failingJob(name: string): JobSpec {
  return {
    ...passingJob(name),
    graph: 'failing',
    steps: [step('break', `console.error('the disk is made of cheese'); process.exit(3)`, [])],
  };
}

/** One step that works until it is stopped. */
export function endlessJob(name: string): JobSpec {
  return { ...passingJob(name), graph: 'endless', steps: [step('dig', `console.log('digging'); setInterval(() => {}, 1000)`, [])] };
}

/** Two branches from one step, and one that reads both. */
export function branchingJob(name: string): JobSpec {
  const begin = `require('fs').writeFileSync(process.argv[1], 'seed')`;
  const branch = (word: string) =>
    `const fs = require('fs'); const [, path, out] = process.argv; fs.writeFileSync(out, fs.readFileSync(path, 'utf8') + ' ${word}')`;
  const join = `const fs = require('fs'); console.log(process.argv.slice(1).map((path) => fs.readFileSync(path, 'utf8')).join(' and '))`;
  return {
    ...passingJob(name),
    graph: 'branching',
    steps: [
      step('begin', begin, [{ output: 'text' }]),
      step('left', branch('left'), [{ from: 'begin', output: 'text' }, { output: 'text' }]),
      step('right', branch('right'), [{ from: 'begin', output: 'text' }, { output: 'text' }]),
      step('join', join, [
        { from: 'left', output: 'text' },
        { from: 'right', output: 'text' },
      ]),
    ],
    parameters: {},
  };
}

/** One step that writes the file of its input in capitals, and a second file that is only kept where it is there; `fails` ends it badly. */
export async function carryingJob(name: string, store: Store, { fails = false } = {}): Promise<JobSpec> {
  const content = 'rows of gold';
  await store.create('staged/gold.csv', Buffer.from(content), 'text/csv');
  const text =
    `const fs = require('fs'); const [, gold, out] = process.argv; fs.mkdirSync(out, { recursive: true });` +
    `const rows = fs.readFileSync(gold.replace('gold=', '') + '/gold.csv', 'utf8');` +
    `fs.writeFileSync(out + '/model.txt', rows.toUpperCase()); fs.writeFileSync(out + '/report.json', JSON.stringify({ rows }));` +
    `process.exit(${fails ? 1 : 0})`;
  const exported = async (file: string, optional: boolean) => {
    const storePath = `runs/${name}/${file}`;
    const [url, readUrl] = [await store.signCreate(storePath, 3600), await store.signRead(storePath, 3600)];
    return { step: 'carry', output: 'result', file, storePath, url, readUrl, optional };
  };
  return {
    ...passingJob(name),
    graph: fails ? 'carrying-badly' : 'carrying',
    steps: [step('carry', text, [{ input: 'gold', prefix: 'gold=' }, { output: 'result' }])],
    parameters: {},
    inputs: {
      gold: [
        {
          name: 'gold.csv',
          storePath: 'staged/gold.csv',
          sha256: sha256Hex(content),
          bytes: content.length,
          url: await store.signRead('staged/gold.csv', 3600),
        },
      ],
    },
    exports: [await exported('absent.png', true), await exported('report.json', true), await exported('model.txt', false)],
  };
}

/** Where a service cannot do as the others do: why, in words. The suite then holds it to what it does instead. */
export interface Differences {
  /** A step that failed leaves nothing, not even what is optional. */
  failedStepLeavesNothing?: string;
}

export function trainingBackendSuite(make: () => Promise<TrainingBackendHarness>, differs: Differences = {}): void {
  let harness: TrainingBackendHarness;
  let backend: TrainingBackend;
  let test = 0;
  beforeAll(async () => {
    harness = await make();
    backend = harness.backend;
  });
  afterAll(() => harness.close());
  beforeEach(() => void (test += 1));
  /** A name of this test alone. */
  const named = (name: string): string => `${name}-${test}`;

  async function until(jobId: string, reached: (state: JobState) => boolean): Promise<JobState> {
    const seen: string[] = [];
    for (let turn = 0; turn < 400; turn += 1) {
      const state = await backend.get(jobId);
      seen.push(state.state);
      if (reached(state)) return state;
      await harness.tick();
    }
    throw new Error(`job ${jobId} did not get there: ${[...new Set(seen)].join(' → ')}`);
  }
  const end = (jobId: string) => until(jobId, ({ state }) => isTerminal(state));
  let finished: Promise<string> | undefined;
  /** A job that has succeeded; the tests that only look at it share one. */
  const finishedJob = (): Promise<string> => {
    finished ??= backend.submit(passingJob('train-a-1')).then(async ({ jobId }) => {
      await end(jobId);
      return jobId;
    });
    return finished;
  };

  describe('a job', () => {
    it('is created, works, succeeds, and says how long it waited and worked', async () => {
      const { jobId, adopted } = await backend.submit(passingJob(named('train-a-1')));
      const early = await backend.get(jobId);
      const done = await end(jobId);

      expect(adopted).toBe(false);
      expect(['pending', 'running', 'succeeded']).toContain(early.state);
      expect(done).toMatchObject({
        state: 'succeeded',
        reason: null,
        queuedSeconds: expect.any(Number) as number,
        executionSeconds: expect.any(Number) as number,
      });
      expect(done.queuedSeconds).toBeGreaterThanOrEqual(0);
      expect(done.executionSeconds).toBeGreaterThan(0);
    });

    it('carries parameters and files from step to step, keeps what each step said, and gives only the end of it where that is asked', async () => {
      const jobId = await finishedJob();

      const logs = await backend.logs(jobId, 10_000);
      const [log] = (await backend.logs(jobId, 5)).filter(({ step: name }) => name === 'shout');

      expect(logs.find(({ step: name }) => name === 'shout')?.text).toContain('HELLO FROM THE PARAMETER');

      expect(Buffer.byteLength(log?.text ?? '')).toBeLessThanOrEqual(5);
      expect('HELLO FROM THE PARAMETER\n').toContain(log?.text.trim());
    });

    it('of branches runs them all, and joins what they left', async () => {
      const { jobId } = await backend.submit(branchingJob(named('train-d-1')));

      await expect(end(jobId)).resolves.toMatchObject({ state: 'succeeded' });

      const logs = await backend.logs(jobId, 10_000);
      expect(logs.find(({ step: name }) => name === 'join')?.text).toContain('seed left and seed right');
    });

    it('that fails names the step', async () => {
      const { jobId } = await backend.submit(failingJob(named('train-b-1')));

      await expect(end(jobId)).resolves.toMatchObject({ state: 'failed', reason: expect.stringContaining('break') as string });
    });

    it('that nobody knows is absent, and has no logs', async () => {
      await expect(backend.get('00000000-0000-5000-8000-000000000000')).resolves.toEqual({
        state: 'absent',
        reason: expect.any(String) as string,
        queuedSeconds: null,
        executionSeconds: null,
      });
      await expect(backend.logs('00000000-0000-5000-8000-000000000000', 100)).resolves.toEqual([]);
    });
  });

  describe('the name is the identity', () => {
    it('a second submission adopts the job, while it works and after it has ended', async () => {
      const first = await backend.submit(passingJob(named('train-a-1')));
      const second = await backend.submit(passingJob(named('train-a-1')));
      await end(first.jobId);
      const third = await harness.other.submit(passingJob(named('train-a-1')));

      expect(second).toEqual({ jobId: first.jobId, adopted: true });
      expect(third).toEqual({ jobId: first.jobId, adopted: true });
      expect(await harness.jobsNamed(named('train-a-1'))).toEqual([first.jobId]);
    });

    it('another name is another job of the same graph', async () => {
      const first = await backend.submit(briefJob(named('train-a-1')));
      const second = await backend.submit(briefJob(named('train-a-2')));

      expect(second.adopted).toBe(false);
      expect(second.jobId).not.toBe(first.jobId);
    });

    it('other parameter values are no other graph: a fresh signed address may come with every repeat', async () => {
      const first = await backend.submit(briefJob(named('train-a-1'), { greeting: 'one', times: 1 }));
      const second = await backend.submit(briefJob(named('train-a-1'), { greeting: 'two', times: 2.5 }));

      expect(second).toEqual({ jobId: first.jobId, adopted: true });
    });

    it('refuses the name for another graph', async () => {
      const { jobId } = await backend.submit(briefJob(named('train-a-1')));

      await expect(backend.submit(failingJob(named('train-a-1')))).rejects.toMatchObject({
        name: 'RejectedError',
        code: 'job-conflict',
        message: expect.stringContaining(named('train-a-1')) as string,
      });
      expect(await harness.jobsNamed(named('train-a-1'))).toEqual([jobId]);
    });

    it('two submissions at once make one job', async () => {
      const answers = await Promise.all(Array.from({ length: 4 }, () => backend.submit(briefJob(named('train-a-1')))));

      expect(new Set(answers.map(({ jobId }) => jobId)).size).toBe(1);
      expect(answers.filter(({ adopted }) => !adopted)).toHaveLength(1);
      expect(await harness.jobsNamed(named('train-a-1'))).toHaveLength(1);
    });

    it('two processes at once make one job', async () => {
      const answers = await Promise.all([backend.submit(briefJob(named('train-a-1'))), harness.other.submit(briefJob(named('train-a-1')))]);

      expect(new Set(answers.map(({ jobId }) => jobId)).size).toBe(1);
      expect(await harness.jobsNamed(named('train-a-1'))).toHaveLength(1);
    });

    it('two graphs at once under one name: one is made, the other refused', async () => {
      const answers = await Promise.allSettled([
        backend.submit(briefJob(named('train-a-1'))),
        backend.submit(failingJob(named('train-a-1'))),
      ]);

      expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(await harness.jobsNamed(named('train-a-1'))).toHaveLength(1);
    });
  });

  describe('cancelling', () => {
    it('ends a working job', async () => {
      const { jobId } = await backend.submit(endlessJob(named('train-c-1')));
      await until(jobId, ({ state }) => state === 'running');

      await backend.cancel(jobId, 'the deadline has passed');

      await expect(end(jobId)).resolves.toMatchObject({ state: 'cancelled' });
    });

    it('leaves an ended job as it is, and one that nobody knows', async () => {
      const jobId = await finishedJob();

      await backend.cancel(jobId, 'too late');
      await backend.cancel('00000000-0000-5000-8000-000000000000', 'who?');

      await expect(backend.get(jobId)).resolves.toMatchObject({ state: 'succeeded' });
    });
  });

  it('says that it can take an ordinary job', async () => {
    await expect(backend.check(passingJob(named('train-a-1')))).resolves.toEqual({ available: true });
  });

  it('proves the way with a version', async () => {
    await expect(backend.probe()).resolves.toEqual({ version: expect.stringMatching(/./) as string });
  });

  filesSuite(() => ({ backend, store: harness.store, other: harness.other, end, named }), differs);

  it('a job that vanishes is never taken for one that goes on', async () => {
    const { jobId } = await backend.submit(endlessJob(named('train-c-1')));
    await until(jobId, ({ state }) => state === 'running');

    await harness.vanish(jobId);
    const state = await end(jobId);

    expect(['absent', 'failed']).toContain(state.state);
    expect(state.reason).toMatch(/./);
  });
}

interface Parts {
  backend: TrainingBackend;
  other: TrainingBackend;
  store: Store;
  end: (jobId: string) => Promise<JobState>;
  named: (name: string) => string;
}

function filesSuite(parts: () => Parts, { failedStepLeavesNothing }: Differences): void {
  const text = async (store: Store, path: string): Promise<string | null> => {
    const content = await store.read(path, 1000);
    return content === null ? null : Buffer.from(content).toString('utf8');
  };

  describe('files', () => {
    it('of an input reach the step, and what it leaves is in the store when the job has succeeded', async () => {
      const { backend, store, end, named } = parts();
      const { jobId } = await backend.submit(await carryingJob(named('train-f-1'), store));

      await expect(end(jobId)).resolves.toMatchObject({ state: 'succeeded' });

      expect(await text(store, `runs/${named('train-f-1')}/model.txt`)).toBe('ROWS OF GOLD');
      expect(await text(store, `runs/${named('train-f-1')}/report.json`)).toBe('{"rows":"rows of gold"}');
      expect(await text(store, `runs/${named('train-f-1')}/absent.png`)).toBeNull();
    });

    const ofFailed =
      failedStepLeavesNothing === undefined
        ? 'that are optional are left by a step that failed, too; the others are not'
        : `are not left by a step that failed: ${failedStepLeavesNothing}`;
    it(ofFailed, async () => {
      const { backend, store, end, named } = parts();
      const { jobId } = await backend.submit(await carryingJob(named('train-f-2'), store, { fails: true }));

      await expect(end(jobId)).resolves.toMatchObject({ state: 'failed', reason: expect.stringContaining('carry') as string });

      expect(await text(store, `runs/${named('train-f-2')}/report.json`)).toBe(
        failedStepLeavesNothing === undefined ? '{"rows":"rows of gold"}' : null,
      );
      expect(await text(store, `runs/${named('train-f-2')}/model.txt`)).toBeNull();
    });

    it('come with fresh URLs at each repeat, which is still the same job', async () => {
      const { backend, other, store, end, named } = parts();
      const { jobId } = await backend.submit(await carryingJob(named('train-f-3'), store));
      const again = await other.submit(await carryingJob(named('train-f-3'), store));
      await end(jobId);

      expect(again).toEqual({ jobId, adopted: true });
      expect(await text(store, `runs/${named('train-f-3')}/model.txt`)).toBe('ROWS OF GOLD');
    });
  });
}
