// What only this machine has: restarts of ours, memory, logs that grow, stubborn processes, files that are not what they should be.
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createLocalBackend, type LocalBackend, type LocalOptions } from '../../../../shared/adapters/local/backend.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { isTerminal, type JobSpec, type JobState, type JobStep } from '../../../../shared/contracts/training.ts';
import { sha256Hex } from '../../../../shared/decisions/digest.ts';
import { carryingJob, endlessJob, passingJob, STEP_IMAGE } from '../../../contracts/training-backend.suite.ts';

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function machine(more: Partial<LocalOptions> = {}) {
  const root = await mkdtemp(join(tmpdir(), 'sluice-local-'));
  cleanUps.push(() => rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
  const open = (again: Partial<LocalOptions> = {}): LocalBackend => {
    const backend = createLocalBackend({
      root,
      components: { 'registry.test/step': { folder: root } },
      programs: { node: process.execPath },
      now: Date.now,
      graceMs: 150,
      tickMs: 15,
      ...more,
      ...again,
    });
    cleanUps.push(() => backend.close());
    return backend;
  };
  return { root, open };
}

const step = (name: string, script: string, args: JobStep['args'] = [], memoryGiB = 0.5): JobStep => ({
  name,
  image: STEP_IMAGE,
  command: ['node', '-e', script],
  args,
  cpu: 1,
  memoryGiB,
});
const job = (...steps: JobStep[]): JobSpec => ({ ...passingJob('train-a-1'), parameters: {}, steps });

async function until(
  backend: LocalBackend,
  jobId: string,
  reached: (state: JobState) => boolean = ({ state }) => isTerminal(state),
): Promise<JobState> {
  for (let turn = 0; turn < 1500; turn += 1) {
    const state = await backend.get(jobId);
    if (reached(state)) return state;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  throw new Error(`job ${jobId} did not get there: ${JSON.stringify(await backend.get(jobId))}`);
}

describe('a restart of ours', () => {
  test('loses nothing: the step that worked goes on, and whoever asks next brings the job to its end', async () => {
    const { root, open } = await machine();
    const slow = `setTimeout(() => require('fs').writeFileSync(process.argv[1], 'done'), 400)`;
    const read = `console.log(require('fs').readFileSync(process.argv[1], 'utf8'))`;
    const first = open();
    const { jobId } = await first.submit(
      job(step('slow', slow, [{ output: 'text' }]), step('read', read, [{ from: 'slow', output: 'text' }])),
    );
    await until(first, jobId, ({ state }) => state === 'running');
    await first.close();
    const pid = await readFile(join(root, jobId, 'steps', 'slow', 'pid'), 'utf8');

    const second = open();
    const ended = await until(second, jobId);

    expect(ended).toMatchObject({ state: 'succeeded' });
    expect(ended.executionSeconds).toBeGreaterThan(0.3);
    expect(await readFile(join(root, jobId, 'steps', 'slow', 'pid'), 'utf8')).toBe(pid);
    expect(await second.logs(jobId, 100)).toMatchObject([{ step: 'slow' }, { step: 'read', text: 'done\n' }]);
  });

  test('between taking a step and starting it leaves a step that never shows: the job fails with words', async () => {
    const { root, open } = await machine();
    const spec = job(step('dig', 'setInterval(() => {}, 1000)'));
    const before = open();
    const { jobId } = await before.submit(spec);
    // The program has shown and is gone: one that is still starting would leave its mark in the folder that is made here.
    await until(before, jobId, ({ state }) => state === 'running');
    await before.close();
    const [pid = ''] = (await readFile(join(root, jobId, 'steps', 'dig', 'pid'), 'utf8')).split(' ');
    process.kill(-Number(pid), 'SIGKILL');
    await rm(join(root, jobId, 'steps'), { recursive: true, maxRetries: 20, retryDelay: 50 });
    await mkdir(join(root, jobId, 'steps', 'dig', 'claim'), { recursive: true });

    const later = open({ now: () => Date.now() + 60_000 });

    await expect(until(later, jobId)).resolves.toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/step dig: .*vanished/) as string,
    });
  });

  test('does not take a process that has our number by chance for the step', async () => {
    const { root, open } = await machine();
    const before = open();
    const { jobId } = await before.submit(job(step('dig', 'setInterval(() => {}, 1000)')));
    await until(before, jobId, ({ state }) => state === 'running');
    await before.close();
    const mark = join(root, jobId, 'steps', 'dig', 'pid');
    const [pid = ''] = (await readFile(mark, 'utf8')).split(' ');
    process.kill(-Number(pid), 'SIGKILL');
    await writeFile(mark, `${process.pid} 1\n`);

    await expect(until(open(), jobId)).resolves.toMatchObject({ state: 'failed', reason: expect.stringContaining('vanished') as string });
  });
});

describe('a step that goes wrong', () => {
  test('is killed above its memory, and the reason says how much it used', async () => {
    const backend = (await machine()).open();
    const hungry = step('eat', `const kept = []; setInterval(() => kept.push(Buffer.alloc(20_000_000, 1)), 10)`, [], 0.3);
    const { jobId } = await backend.submit(job(hungry));

    const { state, reason } = await until(backend, jobId);

    expect(state).toBe('failed');
    expect(reason).toMatch(/^step eat: it used 0\.[3-9]\d* GiB of memory, 0\.3 are allowed, and was killed/);
  });

  test.each([
    [
      'killed by the system',
      `process.kill(process.pid, 'SIGKILL')`,
      /^step x was killed by signal 9: the system does that when memory runs out/,
    ],
    ['ended by another signal', `process.kill(process.pid, 'SIGSEGV')`, /^step x was ended by signal 11/],
    [
      'that says why',
      `console.log('a'); console.error('disk full: https://x.test/a?sig=SECRET'); process.exit(3)`,
      /^step x ended with exit code 3; its last line: disk full: https:\/\/x\.test\/a\?\[redacted\]$/,
    ],
    ['whose program is not there', '', /exit code 127/],
  ])('%s', async (name, script, words) => {
    const backend = (await machine()).open();
    const broken = step('x', script);
    const spec = job(name.startsWith('whose') ? { ...broken, command: ['no-such-program'] } : broken);
    const { jobId } = await backend.submit(spec);

    const { state, reason } = await until(backend, jobId);

    expect([state, reason]).toEqual(['failed', expect.stringMatching(words)]);
  });

  test('takes its sisters with it', async () => {
    const { root, open } = await machine();
    const backend = open();
    const { jobId } = await backend.submit(
      job(step('dig', 'setInterval(() => {}, 1000)'), step('break', 'setTimeout(() => process.exit(1), 150)')),
    );

    await expect(until(backend, jobId)).resolves.toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('step break') as string,
    });

    const [pid = ''] = (await readFile(join(root, jobId, 'steps', 'dig', 'pid'), 'utf8')).split(' ');
    const gone = () => {
      try {
        return !process.kill(-Number(pid), 0);
      } catch {
        return true;
      }
    };
    // What has ended is there until its parent has taken note.
    await expect.poll(gone, { interval: 10, timeout: 5_000 }).toBe(true);
  });

  test('that works too long is ended by the backend itself', async () => {
    const at = await machine();
    const backend = at.open();
    const { jobId } = await backend.submit({ ...endlessJob('train-a-1'), timeoutSeconds: 60 });
    await until(backend, jobId, ({ state }) => state === 'running');
    await backend.close();

    const later = at.open({ now: () => Date.now() + 61_000 });

    await expect(until(later, jobId)).resolves.toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('longer than 60 seconds') as string,
    });
  });
});

test('a process that does not listen is killed when it was asked long enough', async () => {
  const backend = (await machine()).open();
  const deaf = `process.on('SIGTERM', () => console.log('no')); console.log('up'); setInterval(() => {}, 1000)`;
  const { jobId } = await backend.submit(job(step('dig', deaf)));
  await until(backend, jobId, ({ state }) => state === 'running');
  await new Promise((resolve) => setTimeout(resolve, 150));

  await backend.cancel(jobId, 'wrong data');

  await expect(until(backend, jobId)).resolves.toMatchObject({ state: 'cancelled', reason: 'wrong data' });
});

test('branches work at the same time', async () => {
  const backend = (await machine()).open();
  const mark = `console.log(Date.now()); setTimeout(() => console.log(Date.now()), 300)`;
  const { jobId } = await backend.submit(job(step('left', mark), step('right', mark)));
  await until(backend, jobId);

  const [left, right] = (await backend.logs(jobId, 1000)).map(({ text }) => text.trim().split('\n').map(Number));

  expect(Math.max(left?.[0] ?? 0, right?.[0] ?? 0)).toBeLessThan(Math.min(left?.[1] ?? 0, right?.[1] ?? 0));
});

test('a log that grows keeps its end, not the disk', async () => {
  const { root, open } = await machine({ maxLogBytes: 10_000 });
  const backend = open();
  const chatty = `let n = 0; const t = setInterval(() => { console.log('x'.repeat(20_000)); if ((n += 1) === 20) { clearInterval(t); console.log('the end'); } }, 15)`;
  const { jobId } = await backend.submit(job(step('talk', chatty)));
  await until(backend, jobId);

  const [log] = await backend.logs(jobId, 1_000_000);

  expect(log?.text.trimEnd().endsWith('the end')).toBe(true);
  expect((await stat(join(root, jobId, 'steps', 'talk', 'log'))).size).toBeLessThan(200_000);
});

test('steps get nothing of ours, and what carried signatures is forgotten at the end', async () => {
  const store = createMemoryStore();
  cleanUps.push(() => store.close());
  const { root, open } = await machine();
  const backend = open();
  process.env['SLUICE_TEST_SECRET'] = 'do not tell';
  const spec = await carryingJob('train-a-1', store);
  const [carry] = spec.steps;
  const told = { ...step('tell', 'console.log(Object.keys(process.env).sort().join(" "))') };
  const { jobId } = await backend.submit({ ...spec, steps: [carry as JobStep, told] });

  await until(backend, jobId);
  delete process.env['SLUICE_TEST_SECRET'];

  const words = (await backend.logs(jobId, 10_000))
    .find(({ step: name }) => name === 'tell')
    ?.text.trim()
    .split(' ');
  expect(words).toEqual(
    ['HOME', 'LANG', 'PATH', 'PWD', 'PYTHONDONTWRITEBYTECODE', 'PYTHONUNBUFFERED', 'SLUICE_CPU_LIMIT', 'SLUICE_QUEUED_AT', 'TMPDIR'].filter(
      (name) => words?.includes(name),
    ),
  );
  expect(words).not.toContain('SLUICE_TEST_SECRET');
  expect(await readdir(join(root, jobId))).not.toContain('secrets.json');
  expect(await readFile(join(root, jobId, 'job.json'), 'utf8')).not.toContain('sig=');
});

describe('files', () => {
  async function carrying(change: (spec: JobSpec) => JobSpec, more: Partial<LocalOptions> = {}) {
    const store = createMemoryStore();
    cleanUps.push(() => store.close());
    const backend = (await machine(more)).open();
    const { jobId } = await backend.submit(change(await carryingJob('train-a-1', store)));
    return { backend, jobId, store, ended: () => until(backend, jobId) };
  }
  const withInput = (change: object) => (spec: JobSpec) => ({
    ...spec,
    inputs: { gold: spec.inputs['gold']?.map((file) => ({ ...file, ...change })) ?? [] },
  });

  test.each([
    ['an input that is not what was announced', withInput({ sha256: sha256Hex('else') }), /has SHA-256 \w{12}, the job expects/],
    ['an input with a name that climbs', withInput({ name: '../gold.csv' }), /has no plain name/],
    ['an input whose URL has expired', withInput({ url: 'http://127.0.0.1:1/' }), null],
    [
      'a file that the step did not leave',
      (spec: JobSpec) => ({ ...spec, exports: spec.exports.map((one) => ({ ...one, optional: false })) }),
      /left no absent\.png/,
    ],
  ])('%s', async (_case, change, words) => {
    const { backend, jobId, ended } = await carrying(change);

    if (words === null) {
      await expect(until(backend, jobId, ({ reason }) => reason !== null)).resolves.toMatchObject({
        state: 'pending',
        reason: expect.stringMatching(/does not answer for staged\/gold\.csv/) as string,
      });
    } else await expect(ended()).resolves.toMatchObject({ state: 'failed', reason: expect.stringMatching(words) as string });
  });

  test('a place in the store that holds something else is never overwritten', async () => {
    const store = createMemoryStore();
    cleanUps.push(() => store.close());
    await store.create('runs/train-a-1/model.txt', Buffer.from('theirs'), 'text/plain');
    const backend = (await machine()).open();
    const { jobId } = await backend.submit(await carryingJob('train-a-1', store));

    await expect(until(backend, jobId)).resolves.toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('no equal file is there') as string,
    });
    expect(Buffer.from((await store.read('runs/train-a-1/model.txt', 100)) ?? []).toString()).toBe('theirs');
  });

  test('a store that is away for a while costs time, not the job', async () => {
    let away = 3;
    const flaky: typeof fetch = (...asked) => ((away -= 1) >= 0 ? Promise.reject(new TypeError('fetch failed')) : fetch(...asked));
    const { ended } = await carrying((spec) => spec, { fetch: flaky });

    await expect(ended()).resolves.toMatchObject({ state: 'succeeded' });
  });
});

describe('whether it can take a job', () => {
  test.each([
    [
      'nodes',
      { nodes: { selector: { intelvm: 'sgx' }, tolerations: [], minimum: 1, enclave: 'none' as const } },
      /no node with intelvm=sgx/,
    ],
    [
      'code',
      { steps: [{ ...step('x', ''), image: `other@sha256:${'2'.repeat(64)}`, component: 'odd-train' }] },
      /the code of odd-train \(step x\) is not on this machine/,
    ],
    ['memory', { steps: [step('x', '', [], 100_000)] }, /a step may use 100000 GiB of memory, and this machine has/],
  ])('it says which %s it lacks', async (_what, change, words) => {
    const backend = (await machine()).open();

    await expect(backend.check({ ...passingJob('train-a-1'), ...change })).resolves.toEqual({
      available: false,
      missing: expect.stringMatching(words) as string,
    });
  });

  test('it finds code by reference, by name, and by component', async () => {
    const { root, open } = await machine();
    for (const key of [STEP_IMAGE, 'registry.test/step', 'ble-train']) {
      const backend = open({ components: { [key]: { folder: root } } });
      await expect(backend.check({ steps: [{ ...step('x', ''), component: 'ble-train' }] })).resolves.toEqual({ available: true });
    }
  });

  test('Python that is not there is said at once', async () => {
    const backend = (await machine({ programs: { python3: '/no/such/python' } })).open();

    await expect(backend.probe()).rejects.toMatchObject({ name: 'RejectedError', code: 'python-missing' });
  });
});

test.each(['../etc', 'a/b', '.new-x', 'A', '', 'x'.repeat(111)])('%j is no job of ours, whatever it is', async (name) => {
  const backend = (await machine()).open();

  await expect(backend.get(name)).resolves.toMatchObject({ state: 'absent' });
  await expect(backend.submit({ ...passingJob('x'), name })).rejects.toMatchObject({ code: 'job-name' });
});

test.each([
  ['a reference to nowhere', [step('x', '', [{ from: 'y', output: 'text' }])], /reads from step "y", which does not exist/],
  [
    'steps that wait for each other',
    [step('x', '', [{ from: 'y', output: 'a' }, { output: 'a' }]), step('y', '', [{ from: 'x', output: 'a' }, { output: 'a' }])],
    /"x", "y" wait for each other/,
  ],
  ['a name twice', [step('x', ''), step('x', '')], /two steps are called "x"/],
  ['a parameter that is not given', [step('x', '', [{ parameter: 'p' }])], /uses parameter "p"/],
  ['an input that is not given', [step('x', '', [{ input: 'gold' }])], /reads input "gold"/],
])('a graph with %s is refused before anything starts', async (_case, steps, words) => {
  const backend = (await machine()).open();

  await expect(backend.submit(job(...steps))).rejects.toMatchObject({
    code: 'graph-invalid',
    message: expect.stringMatching(words) as string,
  });
});
