// Waiting for jobs: deadlines, days, and a person who cancels; the history of the waiting stays short.
import { describe, expect, test } from 'vitest';
import { storyBench } from '../support/story-bench.ts';
import { START } from '../support/story-host.ts';

const bench = storyBench();
const HOUR = 3600;
/** Events with which replay stays quick. */
const REPLAY_BUDGET = 200;

describe('a job that works for 30 days', () => {
  test('is waited for with hour-long polls, in a history that stays short', async () => {
    const days = 30 * 24 * HOUR;
    const { world, host, historyLength } = await bench({ training: { workingSeconds: days } });
    const { jobId } = await world.training.submit({ name: 'long', graph: 'long', steps: [], parameters: {}, labels: {} });
    const policy = { pollFirstSeconds: HOUR, pollMaxSeconds: HOUR, signedUrlSeconds: 900 };
    const input = { backend: 'kubeflow', jobId, policy, deadline: '2026-02-20T00:00:00.000Z', polls: 0, waitSeconds: HOUR };

    const ended = await host.run('await-job', input, { instanceId: 'long' });

    expect(ended.output).toMatchObject({ state: 'succeeded', executionSeconds: days });
    expect(world.now() - START.getTime()).toBeGreaterThan(days * 1000);
    expect(world.callsOf('read-job').length).toBeGreaterThan(30 * 24);
    expect(await historyLength('long')).toBeLessThan(REPLAY_BUDGET);
  });

  test('has no more events at its worst, just before the history is begun anew', async () => {
    const { world, host, historyLength } = await bench({ training: { outcome: () => ({ state: 'never' }) } });
    const { jobId } = await world.training.submit({ name: 'long', graph: 'long', steps: [], parameters: {}, labels: {} });
    const policy = { pollFirstSeconds: HOUR, pollMaxSeconds: HOUR, signedUrlSeconds: 900 };
    const input = { backend: 'kubeflow', jobId, policy, deadline: '2026-02-20T00:00:00.000Z', polls: 0, waitSeconds: HOUR };
    await host.start('await-job', input, { instanceId: 'long' });
    let longest = 0;

    for (let hour = 0; hour < 60; hour += 1) {
      await host.advance(HOUR * 1000);
      longest = Math.max(longest, await historyLength('long'));
    }

    expect(longest).toBeGreaterThan(100);
    expect(longest).toBeLessThan(REPLAY_BUDGET);
  });
});

describe('a job that never ends', () => {
  test('is cancelled at its deadline, and the record says why', async () => {
    const { world, story } = await bench({
      training: { outcome: () => ({ state: 'never' }) },
      edit: (spec) => {
        spec.train.deadline = '2h';
      },
    });

    const { train } = await story();

    expect(train).toMatchObject({ status: 'failed', failure: { code: 'job-cancelled' } });
    expect(train?.failure?.message).toMatch(/was still running at its deadline 2026-01-01T02:00:0\d\.\d{3}Z and was cancelled$/);
    expect(world.training.cancels).toEqual([{ jobId: `memory/${train?.runId}`, reason: 'deadline reached' }]);
    const lasted = Date.parse(train?.finishedAt ?? '') - Date.parse(train?.startedAt ?? '');
    expect(lasted).toBeGreaterThanOrEqual(2 * HOUR * 1000);
    expect(lasted).toBeLessThan((2 * HOUR + 120) * 1000);
    expect(await world.runsOf('promote')).toEqual([]);
  });

  test('whose backend is away at the deadline fails the run, which says what could not be done', async () => {
    const { story } = await bench({
      training: { outcome: () => ({ state: 'never' }) },
      around: async (call, act) => {
        if (call.name === 'read-job' || call.name === 'cancel-job') throw new Error('connection refused');
        return act();
      },
    });

    const { train } = await story();

    expect(train).toMatchObject({ status: 'failed', failure: { code: 'step-failed' } });
    expect(train?.failure?.message).toContain("Activity function 'cancel-job' failed:  connection refused");
  });
});

describe('a person', () => {
  test('cancels a run whose job works: the job is cancelled too, and the record names the person and the reason', async () => {
    const { world, host, drop } = await bench({ training: { outcome: () => ({ state: 'never' }) } });
    const { instanceId } = await drop('bronze/ble-location/a.csv', 'rows');
    await host.advance(600_000);
    const [running] = await world.runsOf('train');
    expect(running).toMatchObject({ status: 'running', phase: 'training' });

    await host.raise(running?.runId ?? '', 'cancel', { by: 'ada', reason: 'wrong data' });
    await host.finished(instanceId ?? '');

    const [train] = await world.runsOf('train');
    expect(train).toMatchObject({ status: 'cancelled', failure: { code: 'cancelled' } });
    expect(train?.failure?.message).toMatch(/^Cancelled by ada \(wrong data\) while the train job .* the job is cancelled$/);
    expect(world.training.cancels).toEqual([{ jobId: `memory/${train?.runId}`, reason: 'Cancelled by ada (wrong data)' }]);
    expect(train?.jobs[0]?.executionSeconds).toBeGreaterThan(590);
    expect(await world.runsOf('promote')).toEqual([]);
  });

  test('who cancels before there is a job is heard when there is one', async () => {
    const { world, host, drop } = await bench({
      training: { outcome: () => ({ state: 'never' }) },
      around: async (call, act) => {
        if (call.name === 'stage-training-data') await host.raise(String(await trainId()), 'cancel', { by: 'ada', reason: 'no' });
        return act();
      },
    });
    const trainId = async () => (await world.runsOf('train'))[0]?.runId;
    const { instanceId } = await drop('bronze/ble-location/a.csv', 'rows');

    await host.finished(instanceId ?? '');

    expect(await world.runsOf('train')).toMatchObject([{ status: 'cancelled' }]);
    expect(world.training.cancels).toHaveLength(1);
  });

  test('who cancels while the candidate is judged keeps it from being registered', async () => {
    const { world, story, host } = await bench({
      around: async (call, act) => {
        if (call.name === 'read-report') await host.raise(String(call.input['runId']), 'cancel', { by: 'ada', reason: 'no' });
        return act();
      },
    });

    const { train } = await story();

    expect(train).toMatchObject({ status: 'cancelled', trained: { metrics: { top1: 0.4 } } });
    expect(await world.models.list('ble-location', 10)).toEqual([]);
  });

  test('who sends an event without saying who or why is still heard', async () => {
    const { world, host, drop } = await bench({ training: { outcome: () => ({ state: 'never' }) } });
    const { instanceId } = await drop('bronze/ble-location/a.csv', 'rows');
    await host.advance(600_000);

    await host.raise((await world.runsOf('train'))[0]?.runId ?? '', 'cancel', { by: 7 });
    await host.finished(instanceId ?? '');

    expect((await world.runsOf('train'))[0]?.failure?.message).toMatch(/^Cancelled by a person while the train job/);
  });
});
