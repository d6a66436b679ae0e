// The command line as scripts use it: exit codes, one JSON line, no colours; and what a person does to runs: cancel, retry, read logs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LedgerEntry } from '../../shared/contracts/events.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Followed } from '../../cli/follow.ts';
import type { RunSummary } from '../../shared/contracts/http-api.ts';
import { HEADER, readings, variantBundle } from '../support/pipeline-variant.ts';
import { processesOf } from '../support/processes.ts';
import { jsonOf, type Ran, sluice } from '../support/sluice.ts';
import {
  type KubeflowRun,
  type Landed,
  ODD_COMPONENTS,
  ROOT,
  runOf,
  startTestStack,
  type TestStack,
  until,
} from '../support/test-stack.ts';

const FINE = 'fine';
const FAILS = 'fails';
const LONG = 'long';
/** Long enough to cancel a job that has not begun. */
const PENDING_MS = 1_500;
const NO_RUN = 'train-fine-0000000000000000-a1';

let at: TestStack;
let scratch: string;
/** Runs `sluice` against the test's stack. */
const run = (...words: string[]): Promise<Ran> => sluice(words, { ...process.env, SLUICE_DATA_DIR: at.dataDir });
const runJson = async (...words: string[]): Promise<unknown> => {
  const ran = await run(...words, '--json');
  expect(ran.code, ran.stderr).toBe(0);
  return jsonOf(ran);
};

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-cli-'));
  at = await startTestStack({ components: ODD_COMPONENTS, pendingMs: PENDING_MS });
  const odd = (pipeline: string, behaviour: string) => ({ pipeline, train: { component: 'odd-train', params: { behaviour } } });
  await Promise.all([at.register(odd(FAILS, 'exits-one')), at.register(odd(LONG, 'works-long'))]);
});

afterAll(async () => {
  await at?.stop();
  await rm(scratch, { recursive: true, force: true });
});

async function folderOf(pipeline: string, change: (file: string) => string = (file) => file): Promise<string> {
  const bundle = await variantBundle(ROOT, at.stack.images, { pipeline });
  const folder = await mkdtemp(join(scratch, 'pipeline-'));
  const files = { 'sluice.yaml': change(bundle.file), ...bundle.sql };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** The train run of what landed, once Kubeflow has its job in that state. */
async function trainJob(landed: Landed, state: string): Promise<KubeflowRun> {
  return until(`a job that is ${state}`, async () => {
    const chain = await at.api.find<{ runs: RunSummary[] }>(`/why?subject=${encodeURIComponent(landed.path)}`);
    const train = chain?.runs.find(({ story }) => story === 'train');
    return (await at.kubeflowRuns()).find((job) => job.display_name === train?.runId && job.state === state);
  });
}

describe('the way of a file in commands, each with one JSON line', () => {
  let model = '';

  test('apply registers a pipeline, and knows one that is the same', async () => {
    const folder = await folderOf(FINE);

    expect(await runJson('apply', folder)).toMatchObject({ name: FINE, result: 'created' });
    expect(await runJson('apply', folder)).toMatchObject({ name: FINE, result: 'unchanged' });
  });

  test('drop --watch follows a file to its endpoint', async () => {
    const file = join(scratch, 'readings.csv');
    await writeFile(file, readings(1));

    const dropped = (await runJson('drop', file, '--pipeline', FINE, '--watch')) as Landed & {
      runs: RunSummary[];
      verdict: { kind: string };
    };

    expect(dropped).toMatchObject({ path: `bronze/${FINE}/readings.csv`, verdict: { kind: 'accepted' } });
    expect(dropped.runs.map(({ story, status }) => `${story} ${status}`).sort()).toEqual([
      'promote succeeded',
      'refine succeeded',
      'train succeeded',
    ]);
    model = dropped.runs.find(({ trained }) => trained)?.trained?.modelDigest ?? '';
  });

  test('events, runs, why and status tell of it', async () => {
    const [events, runs, why, status] = await Promise.all([
      runJson('events', '--all'),
      runJson('runs', '--pipeline', FINE, '--status', 'succeeded'),
      runJson('why', `bronze/${FINE}/readings.csv`),
      runJson('status'),
    ]);

    // The commits of silver and gold make events too, known as our own.
    const verdicts = (events as { items: LedgerEntry[] }).items.map(
      ({ pipeline, verdict }) => `${pipeline ?? ''} ${verdict.kind} ${verdict.rule}`,
    );
    expect(verdicts).toContain(`${FINE} accepted complete-file`);
    expect(verdicts.filter((words) => words.includes('own-commit'))).toHaveLength(2);
    expect((runs as { items: unknown[] }).items).toHaveLength(3);
    expect(why).toMatchObject({ models: [{ modelDigest: model }], endpoints: [{ modelDigest: model }] });
    expect(status).toMatchObject({ state: 'ok', serving: [{ modelDigest: model }] });
  });

  test('invoke answers rows from JSON and from CSV alike', async () => {
    const row = readings(1).split('\n')[1]?.split(',') ?? [];
    const signals = row.slice(2).map(Number);
    await writeFile(join(scratch, 'rows.json'), JSON.stringify([signals]));
    await writeFile(join(scratch, 'rows.csv'), `${signals.join(',')}\n`);

    const fromJson = await runJson('invoke', `${FINE}-dev`, '--rows', join(scratch, 'rows.json'));
    const fromCsv = await runJson('invoke', `${FINE}-dev`, '--rows', join(scratch, 'rows.csv'));

    expect(fromJson).toMatchObject({ modelDigest: model, predictions: [{ label: row[0] }] });
    expect(fromCsv).toEqual(fromJson);
  });

  test('promote --watch promotes again by hand; the same request key is the same promotion', async () => {
    const words = ['promote', model.slice(0, 12), '--environment', 'dev', '--reason', 'a test', '--request', 'key-1'];

    const watched = (await runJson(...words, '--watch')) as RunSummary;
    const again = await runJson(...words);

    expect(watched).toMatchObject({ status: 'succeeded', promoted: { modelDigest: model } });
    expect(again).toMatchObject({ promotion: { promotionId: watched.runId, request: 1 } });
  });

  test('people get lines without colours when nobody is at a terminal', async () => {
    const shown = await Promise.all([run('runs'), run('why', `${FINE}-dev`), run('status'), run('events'), run('runs', 'show', NO_RUN)]);

    for (const { stdout, stderr } of shown) expect(stdout + stderr).not.toContain('\u001b');
    expect(shown[0]?.stdout).toMatch(/run +status +phase/);
    expect(shown[1]?.stdout).toMatch(/event +accepted[\s\S]*run +succeeded[\s\S]*model +registered[\s\S]*endpoint +serves/);
  });
});

describe('a run that failed', () => {
  let failed: RunSummary;
  let chain: Followed;

  beforeAll(async () => {
    chain = await at.follow(await at.land(FAILS, 'readings.csv', readings(2)));
    failed = runOf(chain, 'train');
  });

  test('runs show says why', async () => {
    const ran = await run('runs', 'show', failed.runId);

    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/failure +job-failed: /);
    expect(await runJson('runs', 'show', failed.runId)).toMatchObject({ status: 'failed', attempt: 1, failure: { code: 'job-failed' } });
  });

  test('runs logs shows what its component said', async () => {
    const ran = await run('runs', 'logs', failed.runId);

    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('sensor-broken: beacon b3004 gave the same value in every row; replace the beacon');
    expect(await runJson('runs', 'logs', failed.runId)).toMatchObject({ jobs: [{ stage: 'train', jobName: failed.runId }] });
  });

  test('runs retry starts the next attempt, which why joins to the first', async () => {
    const second = failed.runId.replace(/-a1$/, '-a2');

    expect(await runJson('runs', 'retry', failed.runId, '--reason', 'the beacon was replaced')).toMatchObject({
      runId: second,
      attempt: 2,
    });
    const ended = await until('the end of the second attempt', async () => {
      const found = await at.api.find<RunSummary>(`/runs/${second}`);
      return found?.status !== 'running' && found;
    });

    expect(ended).toMatchObject({ status: 'failed', attempt: 2, cause: { kind: 'person' } });
    expect((await at.kubeflowRuns()).filter((job) => job.display_name === second)).toHaveLength(1);
    expect(await runJson('why', second)).toMatchObject({ events: [{ entryId: chain.entry.entryId }] });
  });

  test('drop --watch of a file that fails ends with 6', async () => {
    const file = join(scratch, 'other-header.csv');
    await writeFile(file, readings(3).replace(HEADER, HEADER.replace('date', 'day')));

    const ran = await run('drop', file, '--pipeline', FAILS, '--watch', '--json');

    expect(ran.code).toBe(6);
    expect(jsonOf(ran)).toMatchObject({ runs: [{ story: 'refine', status: 'failed' }] });
  });
});

describe('runs cancel', () => {
  const ended = (landed: Landed): Promise<RunSummary> => at.follow(landed).then((followed) => runOf(followed, 'train'));

  const steps = async (): Promise<string[]> => (await processesOf(at.dataDir)).filter((command) => command.includes('sluice_odd_train'));

  // A terminated workflow of Kubeflow ends as FAILED, not as CANCELED (facts/kubeflow.md §1): only Sluice's record says that it was asked for.
  test('ends a run whose job has not begun', async () => {
    const landed = await at.land(LONG, 'pending.csv', readings(4));
    const job = await trainJob(landed, 'PENDING');
    await at.api.send('POST', `/runs/${job.display_name}/cancel`, { reason: 'a test' });

    expect(await ended(landed)).toMatchObject({ status: 'cancelled', failure: { code: 'cancelled' }, trained: null });
    expect((await at.kubeflowRuns()).find(({ run_id: id }) => id === job.run_id)?.state).toBe('FAILED');
    expect(await steps()).toEqual([]);
  });

  test('ends a run whose job works: the process of the step too', async () => {
    const landed = await at.land(LONG, 'working.csv', readings(5));
    const job = await trainJob(landed, 'RUNNING');
    await until('the process of the step', async () => (await steps()).length > 0);

    expect(await runJson('runs', 'cancel', job.display_name, '--reason', 'a test')).toEqual({
      runId: job.display_name,
      state: 'cancelling',
    });

    const cancelled = await ended(landed);
    expect(cancelled).toMatchObject({ status: 'cancelled', failure: { code: 'cancelled' }, trained: null });
    expect(cancelled.failure?.message).toContain('(a test)');
    expect((await at.kubeflowRuns()).find(({ run_id: id }) => id === job.run_id)?.state).toBe('FAILED');
    expect(await steps()).toEqual([]);
  });

  test('of a run that has ended is refused', async () => {
    const page = (await runJson('runs', '--status', 'cancelled')) as { items: RunSummary[] };
    const ran = await run('runs', 'cancel', page.items[0]?.runId ?? '', '--reason', 'a test', '--json');

    expect(ran.code).toBe(1);
    expect(jsonOf(ran)).toMatchObject({ error: { code: 'run-finished' } });
  });
});

describe('what goes wrong', () => {
  beforeAll(() => writeFile(join(scratch, 'ROWS'), '[[1]]'));

  test.concurrent('a broken sluice.yaml: exit 2, with file, line, column and what was meant', async () => {
    const folder = await folderOf('broken', (file) => file.replace(/^gates:/m, 'gate:'));
    const ran = await run('apply', folder);

    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(new RegExp(`${folder}/sluice\\.yaml:\\d+:\\d+ .*unknown key "gate".*gates`));
  });

  test.concurrent.each([
    ['a run that is not there', ['runs', 'show', NO_RUN], 4, 'run-unknown'],
    ['a path that nothing is known of', ['why', 'bronze/fine/never.csv'], 4, 'subject-unknown'],
    ['an endpoint that is not there', ['invoke', 'nothing', '--rows', 'ROWS'], 4, 'command-failed'],
    ['a model that is not there', ['promote', 'ab'.repeat(32), '--environment', 'dev', '--reason', 'a test'], 4, 'model-unknown'],
    ['a run id that is none', ['runs', 'show', 'something'], 2, 'path-invalid'],
    ['a folder without a pipeline', ['apply', 'cli'], 2, 'command-failed'],
    ['a file that is not there', ['drop', 'never.csv', '--pipeline', FINE], 2, 'command-failed'],
    ['a pipeline that is not there', ['drop', 'ROWS', '--pipeline', 'nothing'], 4, 'command-failed'],
  ])('%s', async (_what, words, code, label) => {
    const ran = await run(...words.map((word) => (word === 'ROWS' ? join(scratch, 'ROWS') : word)), '--json');

    expect(ran.code, ran.stderr).toBe(code);
    expect(jsonOf(ran)).toMatchObject({ error: { code: label } });
    expect(ran.stderr).not.toMatch(/\n\s+at /);
  });

  test.concurrent.each([
    ['a command that is not one', ['aply', '.'], /unknown command 'aply'[\s\S]*apply/],
    ['an option that is missing', ['drop', 'a.csv'], /required option '--pipeline/],
  ])('%s: exit 2, and what was meant', async (_what, words, text) => {
    const ran = await run(...words);

    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(text);
  });

  test.concurrent('an API that cannot be reached: exit 5', async () => {
    const words = ['runs', '--json', '--api', 'http://127.0.0.1:9/api/v1'];
    const away = await sluice(words, { ...process.env, SLUICE_TOKEN: 'a token' });
    const none = await sluice(['runs', '--json'], { ...process.env, SLUICE_DATA_DIR: scratch });

    expect([away.code, none.code]).toEqual([5, 5]);
    expect(away.stderr).toContain('http://127.0.0.1:9/api/v1 does not answer');
    expect(none.stderr).toContain('npm start');
  });

  test.concurrent('a token that is refused: exit 3', async () => {
    const ran = await sluice(['runs', '--json', '--api', at.file.api], { ...process.env, SLUICE_TOKEN: 'abc' });

    expect(ran.code).toBe(3);
    expect(jsonOf(ran)).toMatchObject({ error: { code: 'token-refused' } });
  });
});

describe('start', () => {
  let taken: Server;
  let port = '';

  beforeAll(async () => {
    taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    port = String(typeof address === 'object' ? address?.port : '');
  });

  afterAll(() => void taken.close());

  test.each([
    ['--port', '--lake-port'],
    ['--lake-port', '--port'],
  ])('says which port is taken when %s is, and leaves nothing behind', async (flag, other) => {
    const folder = join(scratch, `taken${flag}`);
    const ran = await sluice(['start', flag, port, other, '0', '--data-dir', folder, '--json']);

    expect(ran.code).toBe(1);
    expect(jsonOf(ran)).toMatchObject({ error: { code: 'port-taken' } });
    expect(ran.stderr).toMatch(new RegExp(`Port ${port} \\(.+\\) is in use by another program.*${flag}`));
    expect(ran.stderr).not.toMatch(/\n\s+at /);
    expect(await processesOf(folder)).toEqual([]);
  });

  test('brings Sluice up, says where, stays until it is told to stop, and leaves no process', async () => {
    const folder = join(scratch, 'started');
    const words = ['cli/sluice.js', 'start', '--port', '0', '--lake-port', '0', '--data-dir', folder, '--json'];
    const child = spawn(process.execPath, words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(child, 'close');
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const status = await sluice(['status', '--data-dir', folder, '--json']);
    const second = await sluice(['start', '--data-dir', folder, '--json']);
    child.kill('SIGTERM');

    expect(JSON.parse(line)).toMatchObject({ urls: { api: expect.stringContaining('http://127.0.0.1:') as string }, dataDir: folder });
    expect(status.code, status.stderr).toBe(0);
    expect(jsonOf(status)).toMatchObject({ state: 'ok', pipelines: [], serving: [] });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('runs from');
    expect(await ended).toEqual([0, null]);
    expect(await processesOf(folder)).toEqual([]);
  });
});
