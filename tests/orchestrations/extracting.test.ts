// Extraction: a data pipeline is started by schedule or event, waited for, given up or cancelled; what lands is an ordinary event.
import { describe, expect, test } from 'vitest';
import { everyMinute } from '../../functions/triggers/timers/every-minute.ts';
import { type Pipeline, Schedule } from '../../shared/contracts/pipeline.ts';
import { TransientError } from '../../shared/errors/errors.ts';
import { type Bench, storyBench } from '../support/story-bench.ts';
import { PIPELINE, START, type WorldOptions } from '../support/story-host.ts';

const bench = storyBench();
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const extract = (more: object = {}) => ({ pipeline: 'ingest', parameters: { table: 'sales' }, ...more });
const extracting = (dataPipelines: WorldOptions['dataPipelines'], schedule: object = extract()): WorldOptions => ({
  dataPipelines: dataPipelines ?? {},
  edit: (spec: Pipeline) => void (spec.schedule = Schedule.parse({ extract: schedule })),
});
/** An event that asks for data, told to its end. */
async function ask(on: Bench, data: Record<string, string> = { extract: 'ingest' }) {
  const { entryId, instanceId } = await on.signal({ kind: 'http', subject: PIPELINE, data });
  return { entryId, instanceId: instanceId ?? '' };
}
const runOf = async ({ world }: Bench) => (await world.runsOf('extract')).at(-1);

describe('an extraction', () => {
  test('at its scheduled time starts the data pipeline and waits for it; what it lands goes its usual way', async () => {
    const landed: string[] = [];
    const on = await bench(
      extracting({ ingest: { seconds: 1800, work: ({ table }) => void landed.push(`${table}`) } }, extract({ cron: '0 2 * * *' })),
    );
    const tick = everyMinute({ ...on.world, intake: on.intake, now: () => new Date(on.world.now()) });
    await on.host.jumpTo(new Date(START.getTime() + 2 * 3_600_000));

    await tick(on.starter, log);
    await tick(on.starter, log);
    const [entry, ...others] = (await on.world.ledger.recent(10)).items;
    await on.host.finished(entry?.instanceId ?? '');

    expect(others).toEqual([]);
    const run = await runOf(on);
    expect(run).toMatchObject({
      story: 'extract',
      status: 'succeeded',
      phase: 'extracted',
      cause: { kind: 'event', ref: entry?.entryId },
      jobs: [{ stage: 'extract', backend: 'datafactory', jobName: run?.runId, adopted: false, executionSeconds: 1800 }],
    });
    expect(run?.seconds['extract']).toBeGreaterThanOrEqual(1800);
    expect(await on.world.ledger.find(entry?.entryId ?? '')).toMatchObject({
      runId: run?.runId,
      verdict: { kind: 'accepted', rule: 'extract-due' },
    });
    expect(on.world.dataPipelines?.started).toEqual([{ pipeline: 'ingest', runKey: run?.runId, parameters: { table: 'sales' } }]);
    expect(landed).toEqual(['sales']);
    expect(on.world.announced.map(({ type }) => type)).toEqual(['run.started', 'run.succeeded']);
    expect(on.world.phasesOf(run?.runId ?? '')).toEqual(['starting', 'extracting', 'extracted']);
  });

  test('asked for by an event is one run, however often the event comes', async () => {
    const on = await bench(extracting({ ingest: { seconds: 60 } }));
    const { instanceId } = await ask(on);
    await ask(on);
    await on.host.finished(instanceId);
    await ask(on);

    expect(await on.world.runsOf('extract')).toHaveLength(1);
    expect(on.world.dataPipelines?.started).toHaveLength(1);
  });

  test('whose data pipeline fails says why', async () => {
    const on = await bench(extracting({ ingest: { seconds: 60, state: 'failed', reason: 'ErrorCode=2200: login of etl failed' } }));

    const { instanceId } = await ask(on);
    const { output } = await on.host.finished(instanceId);

    const run = await runOf(on);
    expect(run).toMatchObject({ status: 'failed', failure: { code: 'job-failed' } });
    expect(run?.failure?.message).toBe('The extract job data-run-1 of ingest is failed: ErrorCode=2200: login of etl failed');
    expect(output).toMatchObject({ status: 'failed', failure: run?.failure });
  });

  test('that has not ended by its deadline is cancelled and given up', async () => {
    const on = await bench(extracting({ ingest: { seconds: 100_000 } }, extract({ deadline: '2h' })));

    const { instanceId } = await ask(on);
    await on.host.finished(instanceId);

    const run = await runOf(on);
    expect(run).toMatchObject({ status: 'failed', failure: { code: 'job-late' }, jobs: [{ executionSeconds: 7200 }] });
    expect(run?.failure?.message).toMatch(/was given up: it had not ended by its deadline, 2026-01-01T02:00:.*; it is cancelled/);
    // Two hours of looking keep a history that replay stays quick with.
    expect(await on.historyLength(`${run?.runId}-wait`)).toBeLessThan(200);
  });

  test('that a person ends is cancelled at the service too', async () => {
    const on = await bench(extracting({ ingest: { seconds: 10_000 } }));
    const { instanceId } = await ask(on);
    await on.host.advance(600_000);

    await on.host.raise(instanceId, 'cancel', { by: 'ada', reason: 'wrong day' });
    await on.host.finished(instanceId);

    const run = await runOf(on);
    expect(run).toMatchObject({ status: 'cancelled', jobs: [{ executionSeconds: 600 }] });
    expect(run?.failure?.message).toBe('Cancelled by ada (wrong day) while ingest was bringing data in; its run is cancelled');
  });

  test('goes on through an outage of the service', async () => {
    let away = false;
    const on = await bench({
      ...extracting({ ingest: { seconds: 3600 } }),
      around: (call, act) =>
        call.name === 'read-extraction' && away ? Promise.reject(new TransientError('arm-unavailable', '503')) : act(),
    });
    const { instanceId } = await ask(on);
    await on.host.advance(600_000);
    away = true;
    await on.host.advance(1_800_000);
    away = false;
    await on.host.finished(instanceId);

    expect(await runOf(on)).toMatchObject({ status: 'succeeded' });
  });

  test('does not take a run that is not known yet for one that is gone', async () => {
    let hidden = 2;
    const on = await bench({
      ...extracting({ ingest: { seconds: 60 } }),
      around: async (call, act) => {
        if (call.name !== 'read-extraction' || (hidden -= 1) < 0) return act();
        return { ok: true, value: { state: 'absent', reason: 'not known', queuedSeconds: null, executionSeconds: null } };
      },
    });

    const { instanceId } = await ask(on);
    await on.host.finished(instanceId);

    expect(await runOf(on)).toMatchObject({ status: 'succeeded' });
  });

  test('of a run that is gone for good fails', async () => {
    const on = await bench({
      ...extracting({ ingest: { seconds: 60 } }),
      around: async (call, act) => {
        if (call.name !== 'read-extraction') return act();
        return { ok: true, value: { state: 'absent', reason: 'nobody knows it', queuedSeconds: null, executionSeconds: null } };
      },
    });

    const { instanceId } = await ask(on);
    await on.host.finished(instanceId);

    expect(await runOf(on)).toMatchObject({ status: 'failed', failure: { code: 'job-absent' } });
  });

  test('of a pipeline that is not there, or without a Data Factory, fails with what to do', async () => {
    const absent = await bench(extracting({}));
    await absent.host.finished((await ask(absent)).instanceId);
    expect(await runOf(absent)).toMatchObject({ status: 'failed', failure: { code: 'pipeline-run-refused' }, jobs: [] });

    const { dataPipelines: _none, ...without } = extracting({});
    const unconnected = await bench(without);
    await unconnected.host.finished((await ask(unconnected)).instanceId);
    expect((await runOf(unconnected))?.failure).toMatchObject({
      code: 'data-pipelines-missing',
      message: expect.stringContaining('DATAFACTORY_NAME') as string,
    });
  });

  test('of another data pipeline than the file names starts nothing', async () => {
    const on = await bench(extracting({ ingest: { seconds: 60 }, erase: { seconds: 60 } }));

    const { entryId } = await ask(on, { extract: 'erase' });

    expect(await on.world.ledger.find(entryId)).toMatchObject({ verdict: { kind: 'ignored', rule: 'no-extraction' }, runId: null });
    expect((await on.world.ledger.find(entryId))?.verdict.reason).toContain('names "ingest"');
    expect(await on.world.runsOf('extract')).toEqual([]);
  });

  test('tried again by a person is a run of the data pipeline of its own', async () => {
    const on = await bench(extracting({ ingest: { seconds: 60, state: 'failed', reason: 'no' } }));
    const { instanceId } = await ask(on);
    await on.host.finished(instanceId);
    const first = await runOf(on);
    const runId = (first?.runId ?? '').replace(/-a1$/, '-a2');
    const again = {
      ...first!,
      runId,
      attempt: 2,
      instanceId: runId,
      owner: runId,
      status: 'running' as const,
      finishedAt: null,
      failure: null,
      jobs: [],
    };
    await on.world.runs.open({ ...again, input: { ...first!.input, runId } });

    await on.host.start('extract', { ...first!.input, runId }, { instanceId: runId });
    await on.host.finished(runId);

    expect(on.world.dataPipelines?.started.map(({ runKey }) => runKey)).toEqual([first?.runId, runId]);
    expect(await on.world.runs.find(runId)).toMatchObject({ status: 'failed', attempt: 2, jobs: [{ adopted: false }] });
  });
});
