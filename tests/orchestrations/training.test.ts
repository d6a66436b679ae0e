// Trainings that do not end well: gates, failed and vanished jobs, reports that may not be believed. Nothing is registered or promoted.
import { expect, test } from 'vitest';
import { TransientError } from '../../shared/errors/errors.ts';
import { type Bench, storyBench, type Told } from '../support/story-bench.ts';
import { reportOf } from '../support/training-side.ts';

const bench = storyBench();
const GOOD = reportOf('any')['metrics'] as Record<string, number>;

async function expectNothingShipped({ world }: Bench, told: Told): Promise<void> {
  expect(told.status.status).toBe('Completed');
  expect(told.refine?.status).toBe('succeeded');
  expect(await world.models.list('ble-location', 10)).toEqual([]);
  expect(await world.runsOf('promote')).toEqual([]);
  expect(await world.serving.current()).toEqual([]);
  expect(world.announced.filter(({ type }) => type === 'run.failed').map(({ id }) => id)).toEqual([`${told.train?.runId}/run.failed`]);
}

test('a candidate below a gate fails its run, which keeps the numbers', async () => {
  const at = await bench({ report: (runId) => reportOf(runId, { metrics: { ...GOOD, top1: 0.01 } }) });

  const told = await at.story();

  expect(told.train).toMatchObject({ status: 'failed', failure: { code: 'gate-fail' }, trained: { metrics: { top1: 0.01 } } });
  expect(told.train?.failure?.message).toContain('top1 >= 0.08: top1 is 0.01');
  await expectNothingShipped(at, told);
});

test('a candidate without a metric that a gate asks for is inconclusive, which is no pass', async () => {
  const { top5: _top5, ...rest } = GOOD;
  const at = await bench({ report: (runId) => reportOf(runId, { metrics: rest }) });

  const told = await at.story();

  expect(told.train).toMatchObject({ status: 'failed', failure: { code: 'gate-inconclusive' } });
  await expectNothingShipped(at, told);
});

test('a candidate that is much worse than the champion does not replace it', async () => {
  let top1 = 0.4;
  const at = await bench({ report: (runId) => reportOf(runId, { metrics: { ...GOOD, top1 } }) });
  const first = await at.story();
  top1 = 0.2;

  const second = await at.story('bronze/ble-location/b.csv', 'rows of b');

  expect(second.train).toMatchObject({ status: 'failed', failure: { code: 'gate-fail' } });
  expect(second.train?.failure?.message).toContain("the champion's was 0.4");
  expect(await at.world.serving.current()).toMatchObject([{ promotionId: first.promote?.runId }]);
});

test('a job that fails gives its run the reason of the backend', async () => {
  const at = await bench({ training: { outcome: () => ({ state: 'failed', reason: 'step train exited with 1' }) } });

  const told = await at.story();

  expect(told.train).toMatchObject({ status: 'failed', failure: { code: 'job-failed' }, jobs: [{ executionSeconds: 2 }] });
  expect(told.train?.failure?.message).toMatch(/^The train job train-ble-location-\w+-a1 is failed: step train exited with 1$/);
  await expectNothingShipped(at, told);
});

test('a job that vanishes fails its run as absent', async () => {
  const at = await bench({
    around: async (call, act) => {
      if (call.name !== 'read-job') return act();
      return { ok: true, value: { state: 'absent', reason: 'there is no such run', queuedSeconds: null, executionSeconds: null } };
    },
  });

  const told = await at.story();

  expect(told.train).toMatchObject({ status: 'failed', failure: { code: 'job-absent' } });
  await expectNothingShipped(at, told);
});

test.each([
  ['report-missing', null, /ended without leaving run-report.json/],
  ['report-invalid', '{"protocol": 1, "metrics": {"top1": NaN}}', /is not JSON in UTF-8 \(JSON has no NaN/],
  ['report-invalid', JSON.stringify({ ...reportOf('x'), protocol: 2 }), /is not protocol 1: protocol/],
  ['component-failed', JSON.stringify({ ...reportOf('x'), status: 'failed', error: { code: 'bad', message: 'why' } }), /bad: why/],
  ['model-missing', JSON.stringify({ ...reportOf('x'), model: undefined }), /names no model/],
  [
    'model-digest-wrong',
    JSON.stringify({ ...reportOf('x'), model: { ...(reportOf('x')['model'] as object), digest: 'f'.repeat(64) } }),
    /nothing was registered/,
  ],
])('a report that is not to be believed fails the run: %s (%#)', async (code, report, message) => {
  const at = await bench({ report: () => report });

  const told = await at.story();

  expect(told.train).toMatchObject({ status: 'failed', failure: { code }, phase: 'training' });
  expect(told.train?.failure?.message).toMatch(message);
  await expectNothingShipped(at, told);
});

test('a rejected poll fails the run with the rejection that the backend gave', async () => {
  const at = await bench({
    around: async (call, act) =>
      call.name === 'read-job' ? { ok: false, rejection: { code: 'backend-refused', message: 'The token may not read runs' } } : act(),
  });

  const told = await at.story();

  expect(told.train).toMatchObject({ status: 'failed', failure: { code: 'backend-refused', message: 'The token may not read runs' } });
  await expectNothingShipped(at, told);
});

test('an outage of the backend that is shorter than the deadline costs time, not the run', async () => {
  let end = Infinity;
  const at = await bench({
    edit: (spec) => {
      for (const environment of Object.values(spec.environments)) environment.start = 'manual';
    },
    training: { workingSeconds: 2400 },
    around: async (call, act) => {
      if (call.name === 'submit-training') end = at.world.now() + 1_800_000;
      if (call.name === 'read-job' && at.world.now() < end) throw new TransientError('backend-unavailable', 'connection refused');
      return act();
    },
  });

  const { train } = await at.story();

  expect(train).toMatchObject({ status: 'succeeded', seconds: { 'train.working': 2400 } });
  expect(at.world.callsOf('read-job').length).toBeGreaterThan(20);
  expect(at.world.training.cancels).toEqual([]);
});

test('a deadline beyond the life of signed URLs is refused before anything is submitted', async () => {
  const at = await bench({
    edit: (spec) => {
      spec.train.deadline = '7d';
    },
  });

  const told = await at.story();

  expect(told.train).toMatchObject({ status: 'failed', failure: { code: 'deadline-too-long' } });
  expect(at.world.training.specs.size).toBe(0);
  await expectNothingShipped(at, told);
});

test('an activity that fails to the last try fails the run in one line, without the stack that the engine wraps it in', async () => {
  const at = await bench({
    around: async (call, act) => {
      if (call.name === 'stage-training-data') throw new TransientError('lake-unavailable', 'the lake does not answer');
      return act();
    },
  });

  const told = await at.story();

  expect(told.train).toMatchObject({ status: 'failed', failure: { code: 'step-failed' } });
  expect(told.train?.failure?.message).toBe(
    "Activity function 'stage-training-data' failed:  the lake does not answer (after the last try)",
  );
  expect(at.world.callsOf('stage-training-data')).toHaveLength(8);
  await expectNothingShipped(at, told);
});
