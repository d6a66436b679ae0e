// Trainings that do not end well: gates, failed and vanished jobs, reports that may not be believed. Nothing is registered or promoted.
import { expect, test } from 'vitest';
import type { Run } from '../../shared/contracts/runs.ts';
import { TransientError } from '../../shared/errors/errors.ts';
import { type TrainingBench, trainingBench } from '../support/training-world.ts';
import { reportOf } from '../support/training-side.ts';

const bench = trainingBench();
const GOOD = reportOf('any')['metrics'] as Record<string, number>;
const MODEL = reportOf('x')['model'] as { archive: { path: string; sha256: string; bytes: number } };

async function expectNothingShipped({ world }: TrainingBench, run: Run): Promise<void> {
  expect(run.next).toEqual([]);
  expect(await world.models.list('ble-location', 10)).toEqual([]);
  expect(await world.runsOf('promote')).toEqual([]);
  expect(world.announced.filter(({ type }) => type === 'run.failed').map(({ id }) => id)).toEqual([`${run.runId}/run.failed`]);
}

test('a good candidate is registered with where it was trained, and promoted where the run may', async () => {
  const at = await bench({
    edit: (spec) => {
      for (const environment of Object.values(spec.environments)) environment.start = 'run';
    },
  });

  const run = await at.train();

  expect(run).toMatchObject({ status: 'succeeded', phase: 'registered', choice: { chosen: 'kubeflow', passedOver: [] } });
  expect(run.next).toEqual((await at.world.runsOf('promote')).map(({ runId }) => runId));
  expect(await at.world.runsOf('promote')).toMatchObject([{ status: 'succeeded' }]);
  expect(await at.world.models.list('ble-location', 10)).toMatchObject([{ runId: run.runId, backend: 'kubeflow' }]);
  expect(at.world.phasesOf(run.runId)).toEqual(['staging', 'training', 'judged', 'registered']);
});

test('a candidate below a gate fails its run, which keeps the numbers', async () => {
  const at = await bench({ backends: { kubeflow: { report: (name) => reportOf(name, { metrics: { ...GOOD, top1: 0.01 } }) } } });

  const run = await at.train();

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'gate-fail' }, trained: { metrics: { top1: 0.01 } } });
  expect(run.failure?.message).toContain('top1 >= 0.08: top1 is 0.01');
  await expectNothingShipped(at, run);
});

test('a candidate without a metric that a gate asks for is inconclusive, which is no pass', async () => {
  const { top5: _top5, ...rest } = GOOD;
  const at = await bench({ backends: { kubeflow: { report: (name) => reportOf(name, { metrics: rest }) } } });

  const run = await at.train();

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'gate-inconclusive' } });
  await expectNothingShipped(at, run);
});

test('a candidate that is much worse than the champion does not replace it', async () => {
  let top1 = 0.4;
  const at = await bench({
    backends: { kubeflow: { report: (name) => reportOf(name, { metrics: { ...GOOD, top1 } }) } },
    edit: (spec) => {
      for (const environment of Object.values(spec.environments)) environment.start = 'run';
    },
  });
  const first = await at.train();
  top1 = 0.2;

  const second = await at.train({ gold: 2 });

  expect(second).toMatchObject({ status: 'failed', failure: { code: 'gate-fail' } });
  expect(second.failure?.message).toContain("the champion's was 0.4");
  expect(await at.world.serving.current()).toMatchObject([{ promotionId: first.next[0] }]);
});

test('a job that fails gives its run the reason of the backend', async () => {
  const at = await bench({ backends: { kubeflow: { outcome: () => ({ state: 'failed', reason: 'step train exited with 1' }) } } });

  const run = await at.train();

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'job-failed' }, jobs: [{ executionSeconds: 2 }] });
  expect(run.failure?.message).toMatch(/^The train job train-ble-location-\w+-a1 is failed: step train exited with 1$/);
  await expectNothingShipped(at, run);
});

test('a job whose component left a report says in its own words why it failed', async () => {
  const report = { ...reportOf('x'), status: 'failed', error: { code: 'gold-value', message: 'line 7 is not a number' } };
  const at = await bench({
    backends: {
      kubeflow: {
        outcome: () => ({ state: 'failed', reason: 'exit code 1', files: { 'train/run-report.json': JSON.stringify(report) } }),
      },
    },
  });

  const run = await at.train();

  expect(run.failure?.code).toBe('job-failed');
  expect(run.failure?.message).toMatch(/ is failed: exit code 1\. The component said: ble-train: gold-value: line 7 is not a number$/);
  expect(await at.world.store.read(`runs/${run.runId}/run-report.json`, 10_000)).toBeNull();
});

test('a job that vanishes fails its run as absent', async () => {
  const at = await bench({ backends: { kubeflow: { workingSeconds: 600 } } });
  const runId = await at.start();
  await at.host.advance(120_000);

  at.world.training.forget(`memory/${runId}`);
  const run = await at.ended(runId);

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'job-absent' } });
  await expectNothingShipped(at, run);
});

test('a job that somebody cancels in the studio fails its run as cancelled, with the words of the backend', async () => {
  const at = await bench({ backends: { kubeflow: { workingSeconds: 600 } } });
  const runId = await at.start();
  await at.host.advance(120_000);

  await at.world.training.cancel(`memory/${runId}`, 'cancelled by ada@example.org in the studio');
  const run = await at.ended(runId);

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'job-cancelled' } });
  expect(run.failure?.message).toContain('cancelled by ada@example.org in the studio');
});

test.each([
  ['report-missing', null, /ended without leaving run-report.json/],
  ['report-not-finite', '{"protocol": 1, "metrics": {"top1": NaN}}', /holds NaN or an infinite number/],
  ['report-not-finite', JSON.stringify({ ...reportOf('x'), metrics: { top1: 7 } }).replace(':7', ':1e999'), /infinite number/],
  ['report-invalid', '{"protocol": 1, ', /is not JSON in UTF-8/],
  ['report-invalid', JSON.stringify({ ...reportOf('x'), metrics: { top1: 'high' } }), /is not what protocol 1 says: metrics.top1/],
  ['report-protocol', JSON.stringify({ ...reportOf('x'), protocol: 2 }), /is of protocol 2, this is protocol 1/],
  ['component-failed', JSON.stringify({ ...reportOf('x'), status: 'failed', error: { code: 'bad', message: 'why' } }), /bad: why/],
  ['model-missing', JSON.stringify({ ...reportOf('x'), model: undefined }), /names no model/],
  ['model-digest-wrong', JSON.stringify({ ...reportOf('x'), model: { ...MODEL, digest: 'f'.repeat(64) } }), /nothing was registered/],
  [
    'archive-digest-wrong',
    JSON.stringify({ ...reportOf('x'), artifacts: [{ ...MODEL.archive, sha256: 'f'.repeat(64) }] }),
    /describes model.tar.gz twice/,
  ],
])('a report that is not to be believed fails the run: %s (%#)', async (code, report, message) => {
  const at = await bench({ backends: { kubeflow: { report: () => report } } });

  const run = await at.train();

  expect(run).toMatchObject({ status: 'failed', failure: { code }, phase: 'training' });
  expect(run.failure?.message).toMatch(message);
  await expectNothingShipped(at, run);
});

test.each([
  ['archive-missing', '', /no model archive in the store/],
  ['archive-digest-wrong', 'something else', /in the store has SHA-256 \w{12} and 14 bytes, its report says/],
])('an archive that is not the one of the report fails the run: %s', async (code, archive, message) => {
  const at = await bench({ backends: { kubeflow: { archive: () => archive } } });

  const run = await at.train();

  expect(run).toMatchObject({ status: 'failed', failure: { code } });
  expect(run.failure?.message).toMatch(message);
  await expectNothingShipped(at, run);
});

test('a rejected poll fails the run with the rejection that the backend gave', async () => {
  const at = await bench({
    around: async (call, act) =>
      call.name === 'read-job' ? { ok: false, rejection: { code: 'backend-refused', message: 'The token may not read runs' } } : act(),
  });

  const run = await at.train();

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'backend-refused', message: 'The token may not read runs' } });
  await expectNothingShipped(at, run);
});

test('an outage of the backend that is shorter than the deadline costs time, not the run', async () => {
  let end = Infinity;
  const at = await bench({
    backends: { kubeflow: { workingSeconds: 2400 } },
    around: async (call, act) => {
      if (call.name === 'submit-training') end = at.world.now() + 1_800_000;
      if (call.name === 'read-job' && at.world.now() < end) throw new TransientError('backend-unavailable', 'connection refused');
      return act();
    },
  });

  const run = await at.train();

  expect(run).toMatchObject({ status: 'succeeded', seconds: { 'train.working': 2400 } });
  expect(at.world.callsOf('read-job').length).toBeGreaterThan(20);
  expect(at.world.training.cancels).toEqual([]);
});

test('a deadline beyond the life of signed URLs is refused before anything is submitted', async () => {
  const at = await bench({
    edit: (spec) => {
      spec.train.deadline = '7d';
    },
  });

  const run = await at.train();

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'deadline-too-long' } });
  expect(at.world.training.specs.size).toBe(0);
  await expectNothingShipped(at, run);
});

test('an activity that fails to the last try fails the run in one line, without the stack that the engine wraps it in', async () => {
  const at = await bench({
    around: async (call, act) => {
      if (call.name === 'stage-training-data') throw new TransientError('lake-unavailable', 'the lake does not answer');
      return act();
    },
  });

  const run = await at.train();

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'step-failed' } });
  expect(run.failure?.message).toBe("Activity function 'stage-training-data' failed:  the lake does not answer (after the last try)");
  expect(at.world.callsOf('stage-training-data')).toHaveLength(8);
  await expectNothingShipped(at, run);
});
