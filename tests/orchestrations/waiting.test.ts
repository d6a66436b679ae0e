// Waiting for jobs: days, deadlines, queues, hints, and a person who cancels; the history of the waiting stays short.
import { describe, expect, test } from 'vitest';
import type { AwaitJobInput } from '../../shared/contracts/stories.ts';
import { JobSpec } from '../../shared/contracts/training.ts';
import { waiterOf } from '../../shared/decisions/identity.ts';
import { START, trainingBench, type TrainingWorld } from '../support/training-world.ts';

const bench = trainingBench();
const HOUR = 3600;
/** Events with which replay stays quick. */
const REPLAY_BUDGET = 200;
const hourly = { policy: { pollFirstSeconds: HOUR, pollMaxSeconds: HOUR } };
const image = `registry.test/step@sha256:${'1'.repeat(64)}`;
const LONG = JobSpec.parse({
  name: 'long',
  graph: 'long',
  steps: [{ name: 'work', image, command: ['x'], args: [], cpu: 1, memoryGiB: 1 }],
  parameters: {},
  labels: {},
});

async function longWait({ training, policy }: TrainingWorld): Promise<AwaitJobInput> {
  const { jobId } = await training.submit(LONG);
  return {
    pipeline: 'ble-location',
    backend: 'kubeflow',
    jobId,
    policy,
    submittedAt: START.toISOString(),
    deadline: '2026-02-20T00:00:00.000Z',
    queueDeadline: null,
    budget: null,
    workingSince: null,
    givenUp: null,
    polls: 0,
    waitSeconds: HOUR,
  };
}

describe('a job that works for 30 days', () => {
  test('is waited for with hour-long polls, in a history that stays short', async () => {
    const days = 30 * 24 * HOUR;
    const { world, host, historyLength } = await bench({ ...hourly, backends: { kubeflow: { workingSeconds: days } } });

    const ended = await host.run('await-job', await longWait(world), { instanceId: 'long' });

    expect(ended.output).toMatchObject({ state: { state: 'succeeded', executionSeconds: days }, givenUp: null });
    expect(world.now() - START.getTime()).toBeGreaterThan(days * 1000);
    const polls = world.callsOf('read-job').length;
    expect(polls).toBeGreaterThan(30 * 24 * 0.83);
    expect(polls).toBeLessThanOrEqual(30 * 24);
    expect(await historyLength('long')).toBeLessThan(REPLAY_BUDGET);
  });

  test('has no more events at its worst, just before the history is begun anew', async () => {
    const { world, host, historyLength } = await bench({ ...hourly, backends: { kubeflow: { outcome: () => ({ state: 'never' }) } } });
    await host.start('await-job', await longWait(world), { instanceId: 'long' });
    let longest = 0;

    for (let hour = 0; hour < 60; hour += 1) {
      await host.advance(HOUR * 1000);
      longest = Math.max(longest, await historyLength('long'));
    }

    expect(longest).toBeGreaterThan(100);
    expect(longest).toBeLessThan(REPLAY_BUDGET);
  });

  test('is looked at after waits that differ, and that a second telling repeats', async () => {
    const waits = async (instanceId: string): Promise<number[]> => {
      const { world, host } = await bench({ ...hourly, backends: { kubeflow: { outcome: () => ({ state: 'never' }) } } });
      await host.start('await-job', await longWait(world), { instanceId });
      const at: number[] = [];
      for (let minute = 0; minute < 12 * 60; minute += 1) {
        await host.advance(60_000);
        at.push(world.callsOf('read-job').length);
      }
      return at;
    };

    const [first, again, other] = [await waits('long'), await waits('long'), await waits('other')];

    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });
});

describe('a hint that the job changed', () => {
  test('wakes the waiting at once; the truth is what the backend says', async () => {
    const { world, host, start, ended } = await bench({
      policy: { pollFirstSeconds: 600, pollMaxSeconds: 600 },
      backends: { kubeflow: { workingSeconds: 90 } },
    });
    const runId = await start();
    await host.advance(100_000);
    expect(world.callsOf('read-job')).toHaveLength(1);

    await host.raise(waiterOf(runId), 'job-hint', { state: 'Completed' });
    await host.settle();
    const run = await ended(runId);

    expect(run.status).toBe('succeeded');
    expect(world.callsOf('read-job')).toHaveLength(2);
    expect(world.now() - START.getTime()).toBeLessThan(110_000);
  });

  test('that says nothing new costs one look, each time', async () => {
    const { world, host, start, ended } = await bench({
      policy: { pollFirstSeconds: 600, pollMaxSeconds: 600 },
      backends: { kubeflow: { workingSeconds: 90 } },
    });
    const runId = await start();
    await host.advance(20_000);

    for (let hint = 0; hint < 3; hint += 1) {
      await host.raise(waiterOf(runId), 'job-hint', {});
      await host.advance(5_000);
    }

    expect(world.callsOf('read-job')).toHaveLength(4);
    expect((await ended(runId)).status).toBe('succeeded');
  });

  test('that will come makes looks rare by itself: at most twelve an hour, and the record knows nothing of it', async () => {
    const { world, host, start, ended } = await bench({
      hinted: true,
      policy: { pollFirstSeconds: 5, pollMaxSeconds: 60, pollMaxHintedSeconds: 600 },
      edit: (spec) => {
        spec.train.deadline = '12h';
      },
      backends: { kubeflow: { workingSeconds: 8 * HOUR } },
    });
    const runId = await start();
    await host.advance(8 * HOUR * 1000 + 10_000);
    await host.raise(waiterOf(runId), 'job-hint', {});
    const { jobs } = await ended(runId);

    expect(world.callsOf('read-job').length / 8).toBeLessThanOrEqual(12);
    expect(jobs).toMatchObject([{ stage: 'train', backend: 'kubeflow' }]);
  });
});

test('a word that comes before the end is followed by quick looks, and then by seldom ones again', async () => {
  const { world, host, start, ended } = await bench({
    hinted: true,
    policy: { pollFirstSeconds: 5, pollMaxSeconds: 60, pollMaxHintedSeconds: 600 },
    edit: (spec) => {
      spec.train.deadline = '12h';
    },
    backends: { kubeflow: { workingSeconds: 2 * HOUR } },
  });
  const runId = await start();
  const looksIn = async (seconds: number): Promise<number> => {
    const before = world.callsOf('read-job').length;
    await host.advance(seconds * 1000);
    return world.callsOf('read-job').length - before;
  };
  await host.advance(HOUR * 1000);

  const quiet = await looksIn(1800);
  await host.raise(waiterOf(runId), 'job-hint', {});
  const alert = await looksIn(120);
  const calm = await looksIn(1500);

  expect([quiet <= 3, alert >= 5, calm <= 3], `${quiet}, ${alert}, ${calm}`).toEqual([true, true, true]);
  expect((await ended(runId)).status).toBe('succeeded');
});

describe('a job that never ends', () => {
  test('is cancelled at its deadline, waited for until it has ended, and the record says why', async () => {
    const { world, train } = await bench({
      backends: { kubeflow: { outcome: () => ({ state: 'never' }) } },
      edit: (spec) => {
        spec.train.deadline = '2h';
      },
    });

    const run = await train();

    expect(run).toMatchObject({ status: 'failed', failure: { code: 'job-late' } });
    expect(run.failure?.message).toMatch(
      /was still running at its deadline 2026-01-01T02:00:0\d\.\d{3}Z and was cancelled; it is cancelled/,
    );
    expect(world.training.cancels).toHaveLength(1);
    expect(run.jobs[0]?.executionSeconds).toBeGreaterThan(2 * HOUR - 120);
    const lasted = Date.parse(run.finishedAt ?? '') - Date.parse(run.startedAt);
    expect(lasted).toBeGreaterThanOrEqual(2 * HOUR * 1000 - 1000);
    expect(lasted).toBeLessThan((2 * HOUR + 120) * 1000);
    expect(await world.runsOf('promote')).toEqual([]);
  });

  test('and is not cancelled when it is asked to: its last state is taken after a while', async () => {
    const { world, train } = await bench({
      backends: { kubeflow: { outcome: () => ({ state: 'never' }) } },
      around: async (call, act) => (call.name === 'cancel-job' ? { ok: true, value: {} } : act()),
    });

    const run = await train();

    expect(run).toMatchObject({ status: 'failed', failure: { code: 'job-late' } });
    expect(run.failure?.message).toContain('still says running 20 minutes after it was asked to cancel');
    expect(world.callsOf('cancel-job')).toHaveLength(1);
  });

  test('that succeeds while it is being cancelled has succeeded', async () => {
    const at = await bench({
      backends: { kubeflow: { workingSeconds: HOUR + 30 } },
      around: async (call, act) => (call.name === 'cancel-job' ? { ok: true, value: {} } : act()),
    });

    const run = await at.train();

    expect(run).toMatchObject({ status: 'succeeded' });
    expect(at.world.callsOf('cancel-job')).toHaveLength(1);
  });

  test('whose backend is away at the deadline fails the run, which says what could not be done', async () => {
    const { train } = await bench({
      backends: { kubeflow: { outcome: () => ({ state: 'never' }) } },
      around: async (call, act) => {
        if (call.name === 'read-job' || call.name === 'cancel-job') throw new Error('connection refused');
        return act();
      },
    });

    const run = await train();

    expect(run).toMatchObject({ status: 'failed', failure: { code: 'step-failed' } });
    expect(run.failure?.message).toContain("Activity function 'cancel-job' failed:  connection refused");
  });
});

describe('a job that finds no machine', () => {
  test('is cancelled when it has waited too long, with a code of its own; queue and work are two numbers', async () => {
    const { world, train } = await bench({
      backends: { kubeflow: { pendingSeconds: 10 * HOUR } },
      edit: (spec) => {
        spec.train.queueWithin = '15m';
      },
    });

    const run = await train();

    expect(run).toMatchObject({ status: 'failed', failure: { code: 'job-stuck' }, jobs: [{ executionSeconds: null }] });
    expect(run.failure?.message).toContain('had found no machine within 15 minutes');
    expect(world.now() - START.getTime()).toBeLessThan(17 * 60_000);
  });

  test('and finds one in time goes on: the queue does not count against its work', async () => {
    const { train } = await bench({
      backends: { kubeflow: { pendingSeconds: 800, workingSeconds: 1800 } },
      edit: (spec) => {
        spec.train.queueWithin = '15m';
      },
    });

    const run = await train();

    expect(run).toMatchObject({
      status: 'succeeded',
      jobs: [{ queuedSeconds: 800, executionSeconds: 1800 }],
      seconds: { 'train.queued': 800, 'train.working': 1800 },
    });
  });
});

describe('a person', () => {
  const never = { backends: { kubeflow: { outcome: () => ({ state: 'never' as const }) } } };

  test('cancels a run whose job works: the job is cancelled too, and the record names the person and the reason', async () => {
    const { world, host, start, ended } = await bench(never);
    const runId = await start();
    await host.advance(600_000);
    expect(await world.runs.find(runId)).toMatchObject({ status: 'running', phase: 'training' });

    await host.raise(runId, 'cancel', { by: 'ada', reason: 'wrong data' });
    const run = await ended(runId);

    expect(run).toMatchObject({ status: 'cancelled', failure: { code: 'cancelled' } });
    expect(run.failure?.message).toMatch(/^Cancelled by ada \(wrong data\) while the train job .* the job is cancelled$/);
    expect(world.training.cancels).toEqual([{ jobId: `memory/${runId}`, reason: 'Cancelled by ada (wrong data)' }]);
    expect(run.jobs[0]?.executionSeconds).toBeGreaterThan(590);
  });

  test('who cancels before there is a job is heard when there is one', async () => {
    const at = await bench({
      ...never,
      around: async (call, act) => {
        if (call.name === 'stage-training-data') await at.host.raise(runId, 'cancel', { by: 'ada', reason: 'no' });
        return act();
      },
    });
    let runId = '';
    at.world.follow(at.host.clock);
    runId = await at.start();

    expect(await at.ended(runId)).toMatchObject({ status: 'cancelled' });
    expect(at.world.training.cancels).toHaveLength(1);
  });

  test('who cancels while the candidate is judged keeps it from being registered', async () => {
    const at = await bench({
      around: async (call, act) => {
        if (call.name === 'read-report') await at.host.raise(String(call.input['runId']), 'cancel', { by: 'ada', reason: 'no' });
        return act();
      },
    });

    const run = await at.train();

    expect(run).toMatchObject({ status: 'cancelled', trained: { metrics: { top1: 0.4 } } });
    expect(await at.world.models.list('ble-location', 10)).toEqual([]);
  });

  test('who sends an event without saying who or why is still heard', async () => {
    const { host, start, ended } = await bench(never);
    const runId = await start();
    await host.advance(600_000);

    await host.raise(runId, 'cancel', { by: 7 });

    expect((await ended(runId)).failure?.message).toMatch(/^Cancelled by a person while the train job/);
  });
});
