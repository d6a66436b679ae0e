// Refining by an engine outside this process: decided by size, started once, waited for, judged, then trained on as always.
import { describe, expect, test } from 'vitest';
import type { MemoryTrainingBackend } from '../../shared/adapters/memory/training-backend.ts';
import type { ForeignCommit } from '../../shared/contracts/hand-over.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import { TransientError } from '../../shared/errors/errors.ts';
import { type Bench, storyBench } from '../support/story-bench.ts';
import { PIPELINE, type StoryWorld, type WorldOptions } from '../support/story-host.ts';

const bench = storyBench();
const A = `bronze/${PIPELINE}/a.csv`;
const IMAGE = `registry.example/sluice/refine@sha256:${'a'.repeat(64)}`;
const toFactory = { aboveBytes: 0, to: 'data-factory' as const, by: 'refine-large', deadline: '2h' };
const toDatabricks = { ...toFactory, to: 'databricks' as const, by: IMAGE };

interface Engine {
  seconds?: number;
  state?: 'succeeded' | 'failed';
  reason?: string;
  /** What it commits; both tables without it. */
  layers?: readonly ('silver' | 'gold')[];
  change?: (found: ForeignCommit) => void;
}

/** A world whose large engine behaves like this. */
async function world(to: typeof toFactory | typeof toDatabricks, engine: Engine = {}, more: WorldOptions = {}): Promise<Bench> {
  let made: StoryWorld | null = null;
  const commit = (appId: string) => made?.desk.commit(appId, engine.layers, engine.change);
  const { seconds = 600, state = 'succeeded', reason } = engine;
  const on = await bench({
    policy: { handOver: to },
    ...(to.to === 'data-factory'
      ? {
          dataPipelines: {
            'refine-large': { seconds, state, ...(reason && { reason }), work: ({ appId }) => commit(appId ?? '') },
          },
        }
      : {
          databricks: {
            workingSeconds: seconds,
            outcome: () => {
              if (state === 'succeeded') commit(`sluice-${keyOf(made)}`);
              return { state, ...(reason && { reason }) };
            },
          },
        }),
    ...more,
  });
  made = on.world;
  return on;
}
/** The key of the refine run that was opened. */
const keyOf = (made: StoryWorld | null): string | undefined =>
  made
    ?.callsOf('start-hand-over')
    .map(({ key }) => key as string)
    .at(-1);
const refineOf = async ({ world: { runsOf } }: Bench): Promise<Run | undefined> => (await runsOf('refine')).at(-1);

describe.each([
  ['data-factory', toFactory, 'datafactory'],
  ['databricks', toDatabricks, 'databricks'],
] as const)('a dataset above the limit, with %s', (engine, rule, backend) => {
  test('is refined there, and its gold is trained on', async () => {
    const on = await world(rule);

    const { refine, train } = await on.story(A);

    expect(refine).toMatchObject({
      status: 'succeeded',
      phase: 'refined',
      engine: { engine, reason: '1 file of about 0.0 MB, above 0.0 MB' },
      jobs: [{ stage: 'refine', backend, jobName: `${refine?.runId}-refine`, adopted: false }],
      refined: { silver: { version: 7 }, gold: { version: 7, rows: 400 }, readRows: 500, quarantinedRows: 0 },
      next: [train?.runId],
    });
    expect(train).toMatchObject({ status: 'succeeded', trained: { goldVersion: 7, goldDigest: refine?.refined?.gold.digest } });
    expect(on.world.phasesOf(refine?.runId ?? '')).toEqual(['refining', 'handing-over', 'refining-outside', 'judging', 'refined']);
    expect(on.world.engine.commits).toEqual([]);
  });

  test('whose engine fails says why, and nothing is trained', async () => {
    const on = await world(rule, { state: 'failed', reason: 'Job aborted: disk is full' });

    const { refine, train } = await on.story(A);

    expect(refine).toMatchObject({ status: 'failed', failure: { code: 'job-failed' } });
    expect(refine?.failure?.message).toContain('Job aborted: disk is full');
    expect(train).toBeUndefined();
  });

  test('whose engine leaves no commit in gold fails', async () => {
    const on = await world(rule, { layers: ['silver'] });

    const { refine, train } = await on.story(A);

    expect(refine).toMatchObject({ status: 'failed', failure: { code: 'hand-over-no-commit' } });
    expect(refine?.failure?.message).toContain(`no commit with the transaction sluice-${refine?.key} in gold`);
    expect(train).toBeUndefined();
  });

  test('whose run a person ends is ended at the engine too', async () => {
    const on = await world(rule, { seconds: 100_000 });
    const { instanceId } = await on.drop(A, 'rows of a');
    await on.host.advance(600_000);

    await on.host.raise((await refineOf(on))?.runId ?? '', 'cancel', { by: 'ada', reason: 'wrong file' });
    await on.host.finished(instanceId ?? '');

    const run = await refineOf(on);
    expect(run).toMatchObject({ status: 'cancelled', failure: { code: 'cancelled' }, refined: null });
    expect(run?.failure?.message).toContain('Cancelled by ada (wrong file)');
    expect(run?.jobs[0]?.executionSeconds).toBeLessThan(1000);
  });

  test('that has not ended by its deadline is cancelled and given up', async () => {
    const on = await world(rule, { seconds: 100_000 });

    const { refine } = await on.story(A);

    expect(refine).toMatchObject({ status: 'failed', failure: { code: 'job-late' } });
    expect(refine?.jobs[0]?.executionSeconds).toBeLessThan(7300);
    expect(refine?.jobs[0]?.executionSeconds).toBeGreaterThan(7000);
  });

  test('is started once when the answer to its start is lost', async () => {
    let lost = 0;
    const on = await world(
      rule,
      {},
      {
        around: async (call, act) => {
          const answer = await act();
          if (call.name !== 'start-hand-over' || (lost += 1) > 1) return answer;
          throw new TransientError('arm-unreachable', 'connection reset');
        },
      },
    );

    const { refine } = await on.story(A);

    expect(refine).toMatchObject({ status: 'succeeded', jobs: [{ adopted: true }] });
    const started = on.world.dataPipelines?.started ?? (on.world.backends['databricks'] as MemoryTrainingBackend).jobs();
    expect(started).toHaveLength(1);
    expect(lost).toBe(2);
  });
});

describe('a dataset that an engine outside refined', () => {
  const wrong = [
    ['lacks a column', (found: ForeignCommit) => void (found.columns = found.columns.slice(1)), 'hand-over-columns', 'has no column'],
    ['has too few rows', (found: ForeignCommit) => void (found.commit.addedRows = 0), 'hand-over-rows', 'at least'],
  ] as const;

  test.each(wrong)('into a commit that %s is taken back and not trained on', async (_, change, code, words) => {
    const on = await world(toFactory, { change }, { edit: (spec) => void (spec.tables.gold.columns = { x: column({ type: 'double' }) }) });

    const { refine, train } = await on.story(A);

    expect(refine).toMatchObject({ status: 'failed', failure: { code } });
    expect(refine?.failure?.message).toContain(words);
    expect(refine?.failure?.message).toContain('taken back in gold/');
    expect(on.world.desk.takenBack).toEqual([{ key: refine?.key, reason: code }]);
    expect(train).toBeUndefined();
  });

  test('and whose run was lost after its commits is not refined again by a retry', async () => {
    const on = await world(toFactory, { state: 'failed', reason: 'the answer came too late' });
    const { refine } = await on.story(A);
    on.world.desk.commit(`sluice-${refine?.key}`);
    const runId = (refine?.runId ?? '').replace(/-a1$/, '-a2');
    const again = { ...refine!, runId, attempt: 2, instanceId: runId, owner: runId, status: 'running' as const, finishedAt: null };
    await on.world.runs.open({ ...again, failure: null, jobs: [], input: { ...refine!.input, runId } });

    await on.host.start('refine', { ...refine!.input, runId }, { instanceId: runId });
    await on.host.finished(runId);

    expect(await on.world.runs.find(runId)).toMatchObject({ status: 'succeeded', jobs: [], refined: { gold: { version: 7 } } });
    expect(on.world.dataPipelines?.started).toHaveLength(1);
  });

  test('is one run, and its commits start nothing of their own, however often their events come', async () => {
    const on = await world(toFactory);
    const { refine } = await on.story(A);
    const facts = { version: 7, operation: 'WRITE', appIds: [`sluice-${refine?.key}`], chain: [], runId: null, changesData: true };
    const { path } = refine!.refined!.gold;
    const name = `${path}_delta_log/${String(7).padStart(20, '0')}.json`;

    const first = await on.drop(name, JSON.stringify(facts));
    const second = await on.drop(name, JSON.stringify(facts));
    await on.announceFile(A, '0x8DC0001', 1, { id: 'told again' });
    await on.host.settle();

    for (const { entryId, instanceId } of [first, second]) {
      expect(instanceId).toBeNull();
      expect(await on.world.ledger.find(entryId)).toMatchObject({
        verdict: { kind: 'ignored', rule: 'own-commit', evidence: { madeBy: refine?.runId } },
      });
    }
    expect(await on.world.runsOf('refine')).toHaveLength(1);
    expect(await on.world.runsOf('train')).toHaveLength(1);
    expect(on.world.dataPipelines?.started).toHaveLength(1);
  });

  test('whose run somebody cancels at the engine itself fails and says so', async () => {
    const on = await world(toFactory, { seconds: 100_000 });
    const { instanceId } = await on.drop(A, 'rows of a');
    await on.host.advance(600_000);

    await on.world.dataPipelines?.cancel('data-run-1');
    await on.host.finished(instanceId ?? '');

    expect(await refineOf(on)).toMatchObject({ status: 'failed', failure: { code: 'job-cancelled' } });
  });

  test('from files that were replaced meanwhile is not trained on: nobody knows what was read', async () => {
    const replaced = { ok: false, rejection: { code: 'blob-changed', message: 'bronze/a.csv was overwritten' } };
    let judged = 0;
    const on = await world(
      toFactory,
      {},
      { around: (call, act) => (call.name === 'judge-hand-over' && (judged += 1) === 2 ? Promise.resolve(replaced) : act()) },
    );

    const { refine, train } = await on.story(A);

    expect(refine).toMatchObject({ status: 'failed', failure: { code: 'blob-changed' } });
    expect(train).toBeUndefined();
  });

  test('wakes its wait by the event of its commit in gold', async () => {
    const on = await world(toFactory, { seconds: 1805 }, { policy: { handOver: toFactory, pollMaxSeconds: 3600, pollFirstSeconds: 900 } });
    const { instanceId } = await on.drop(A, 'rows of a');
    await on.host.advance(1_810_000);
    expect((await refineOf(on))?.phase).toBe('refining-outside');

    const facts = {
      version: 7,
      operation: 'WRITE',
      appIds: [`sluice-${(await refineOf(on))?.key}`],
      chain: [],
      runId: null,
      changesData: true,
    };
    await on.drop(
      `gold/${PIPELINE}/${on.world.version.spec.tables.gold.name}/_delta_log/${String(7).padStart(20, '0')}.json`,
      JSON.stringify(facts),
    );
    await on.host.settle();
    await on.host.finished(instanceId ?? '');

    expect((await refineOf(on))?.seconds['refine']).toBeLessThan(2000);
  });
});

describe('a dataset', () => {
  test('up to the limit is refined here, and the run says so', async () => {
    const on = await world({ ...toFactory, aboveBytes: 1000 });

    const { refine } = await on.story(A);

    expect(refine).toMatchObject({
      status: 'succeeded',
      engine: { engine: 'embedded', reason: '1 file of about 0.0 MB, at most 0.0 MB' },
      jobs: [],
    });
    expect(on.world.engine.commits).toEqual([refine?.key]);
    expect(on.world.dataPipelines?.started).toEqual([]);
  });

  test('for an engine that is not connected, or lacks something, fails with what to do', async () => {
    const unconnected = await bench({ policy: { handOver: toFactory } });
    expect((await unconnected.story(A)).refine?.failure).toMatchObject({
      code: 'hand-over-missing',
      message: expect.stringContaining('DATAFACTORY_') as string,
    });

    const missing = 'the wheel is not there';
    const lacking = await bench({ policy: { handOver: toDatabricks }, databricks: { check: () => ({ available: false, missing }) } });
    expect((await lacking.story(A)).refine?.failure).toEqual({
      code: 'hand-over-unavailable',
      message: `Databricks cannot refine: ${missing}`,
    });
  });

  test('is told to the engine by path, eTag and digest, with both tables and one transaction', async () => {
    const on = await world(toFactory);
    const { refine } = await on.story(A);
    const [started] = on.world.dataPipelines?.started ?? [];

    const manifest = JSON.parse(on.world.desk.left.get(started?.parameters['manifest'] ?? '') ?? '{}') as Record<string, unknown>;
    expect(started).toMatchObject({
      runKey: `${refine?.runId}-refine`,
      parameters: {
        manifest: `hand-over/${refine?.runId}/manifest.json`,
        appId: `sluice-${refine?.key}`,
        goldSql: on.world.version.sql.gold,
      },
    });
    expect(manifest).toMatchObject({
      protocol: 1,
      files: [{ source: 'readings', path: A, eTag: '0x8DC0001' }],
      tables: { silver: { path: `silver/${PIPELINE}/${on.world.version.spec.tables.silver.name}/`, sql: on.world.version.sql.silver } },
      txn: { appId: `sluice-${refine?.key}`, version: 1 },
      note: { runId: refine?.runId },
    });
  });
});

function column(more: object) {
  return { required: false, unique: false, onFail: 'fail' as const, ...more };
}
