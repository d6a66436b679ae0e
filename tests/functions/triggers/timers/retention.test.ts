// Retention once a day, a part at a time, and when a person asks.
import { beforeEach, describe, expect, test } from 'vitest';
import { retentionNow, retentionTimer, type RetentionDeps } from '../../../../functions/triggers/timers/retention.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import type { VacuumedTable } from '../../../../shared/contracts/erasure.ts';
import { RejectedError } from '../../../../shared/errors/errors.ts';
import { runOf } from '../../../contracts/samples.ts';
import { exampleVersion } from '../../../support/example-pipeline.ts';

const log = { info: () => undefined, warn: () => undefined };
const HOUR = 3_600_000;
const gold = (files: number): VacuumedTable => ({
  layer: 'gold',
  path: 'gold/p/t/',
  retention: '30d',
  files,
  bytes: files * 10,
  logFiles: 1,
});
const LIMITS = { ms: 1000, pipelines: 100 };

let stores: ReturnType<typeof createMemoryStores>;
let asked: { pipeline: string; keepGold: readonly number[]; dryRun: boolean }[];
let time: number;
let deps: RetentionDeps;
let seconds: number;
let broken: ReadonlySet<string>;

beforeEach(async () => {
  stores = createMemoryStores();
  asked = [];
  time = Date.parse('2026-01-01T00:17:50Z');
  seconds = 0;
  broken = new Set();
  const { version, bundle } = exampleVersion();
  for (const name of ['b', 'a', 'c']) await stores.pipelines.put({ ...version, name }, bundle, 'ada', '2026-01-01T00:00:00Z');
  deps = {
    ...stores,
    now: () => new Date(time),
    erasure: {
      vacuum: async ({ pipeline, keepGold, dryRun }) => {
        asked.push({ pipeline: pipeline.name, keepGold, dryRun });
        time += seconds * 1000;
        if (broken.has(pipeline.name)) throw new RejectedError('table-unsupported', 'deletion vectors');
        return [gold(2)];
      },
    },
  };
});

const names = () => asked.map(({ pipeline }) => pipeline);

describe('the timer', () => {
  test('goes through all pipelines by name, once a day', async () => {
    const tick = retentionTimer(deps);

    expect(await tick(log, LIMITS)).toMatchObject({ complete: true, failed: [] });
    time += HOUR;
    expect(await tick(log, LIMITS)).toBeNull();
    time += 23 * HOUR;
    await tick(log, LIMITS);

    expect(names()).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
    expect((await stores.vitals.retaining())?.last).toMatchObject({
      tables: 3,
      files: 9,
      bytes: 60,
      failed: [],
      startedAt: '2026-01-02T00:17:50.000Z',
    });
  });

  test('begins no other pipeline after its time, and the next tick goes on where it stopped', async () => {
    seconds = 1;
    const tick = retentionTimer(deps);

    expect(await tick(log, { ...LIMITS, ms: 1500 })).toMatchObject({ complete: false });
    expect(names()).toEqual(['a', 'b']);
    expect(await stores.vitals.retaining()).toMatchObject({ pass: { after: 'b', tables: 2 }, last: null });
    time += HOUR;
    expect(await tick(log, { ...LIMITS, ms: 1500 })).toMatchObject({ complete: true });

    expect(names()).toEqual(['a', 'b', 'c']);
    expect(await stores.vitals.retaining()).toMatchObject({
      pass: null,
      last: { startedAt: '2026-01-01T00:17:50.000Z', tables: 3, files: 9 },
    });
  });

  test('is not stopped by a table that cannot be looked through, and says which', async () => {
    broken = new Set(['b']);

    const done = await retentionTimer(deps)(log, LIMITS);

    expect(names()).toEqual(['a', 'b', 'c']);
    expect(done?.failed).toEqual([{ pipeline: 'b', code: 'table-unsupported', message: 'deletion vectors' }]);
    expect((await stores.vitals.retaining())?.last).toMatchObject({ tables: 2, failed: ['b'] });
  });

  test('keeps the gold that a running training has still to copy', async () => {
    await stores.runs.open(runOf('train', 'one', { pipeline: 'a', status: 'running', finishedAt: null, input: { gold: { version: 4 } } }));
    await stores.runs.open(runOf('train', 'two', { pipeline: 'a', status: 'succeeded', input: { gold: { version: 3 } } }));

    await retentionTimer(deps)(log, LIMITS);

    expect(asked.map(({ pipeline, keepGold }) => [pipeline, keepGold])).toEqual([
      ['a', [4]],
      ['b', []],
      ['c', []],
    ]);
  });
});

describe('a request', () => {
  test('is about one pipeline or all, may only look, and leaves the timer alone', async () => {
    const remove = retentionNow(deps);

    expect(await remove({ pipeline: 'b', dryRun: true }, log)).toMatchObject({
      complete: true,
      dryRun: true,
      tables: [{ pipeline: 'b', files: 2 }],
    });
    await remove({ dryRun: false }, log);

    expect(asked.map(({ pipeline, dryRun }) => `${pipeline} ${dryRun}`)).toEqual(['b true', 'a false', 'b false', 'c false']);
    expect(await stores.vitals.retaining()).toBeNull();
  });
});
