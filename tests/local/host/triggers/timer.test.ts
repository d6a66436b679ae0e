// Timer triggers under a virtual clock: schedules, zones, missed runs, status on disk, retries, and the data that the function gets.
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { app, type InvocationContext, type RetryOptions, type Timer } from '@azure/functions';
import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../../local/host/clock/virtual-clock.ts';
import type { VirtualClock } from '../../../../local/host/clock/clock.ts';
import { loadFunctionApp } from '../../../../local/host/core/function-app.ts';
import { planFunctions } from '../../../../local/host/triggers/plan.ts';
import { retryPolicy } from '../../../../local/host/triggers/retry.ts';
import { createRunner } from '../../../../local/host/triggers/runner.ts';
import { createTimerListener, type TimerListener } from '../../../../local/host/triggers/timer/listener.ts';
import { parseSchedule } from '../../../../local/host/triggers/timer/schedule.ts';
import { createFileStatusStore, createMemoryStatusStore, type StatusStore } from '../../../../local/host/triggers/timer/status-store.ts';
import { zoneOf } from '../../../../local/host/triggers/timer/zone.ts';

interface Seen {
  at: string;
  timer: Timer;
  retry: InvocationContext['retryContext'];
}

interface Setup {
  schedule: string;
  start: string;
  zone?: string;
  runOnStartup?: boolean;
  statuses?: StatusStore | undefined;
  retry?: RetryOptions;
  fail?: (run: number) => boolean;
}

async function createTimer(setup: Setup): Promise<{ clock: VirtualClock; listener: TimerListener; seen: Seen[] }> {
  const clock = createVirtualClock({ start: new Date(`${setup.start}Z`) });
  const seen: Seen[] = [];
  const loaded = await loadFunctionApp(() => {
    app.timer('tick', {
      schedule: setup.schedule,
      ...(setup.retry ? { retry: setup.retry } : {}),
      handler: (timer, context) => {
        seen.push({ at: clock.now().toISOString().slice(0, 19), timer, retry: context.retryContext });
        if (setup.fail?.(seen.length)) throw new Error(`run ${seen.length} failed`);
      },
    });
  });
  const planned = planFunctions(loaded, {}).timer[0];
  if (!planned) throw new Error('no timer function was planned');
  const log = () => undefined;
  const runner = createRunner({ app: loaded, clock, log, writeOutputs: () => Promise.resolve() });
  const schedule = parseSchedule(setup.schedule, zoneOf(setup.zone), clock.nowMs());
  const statuses = 'statuses' in setup ? setup.statuses : createMemoryStatusStore();
  const retry = retryPolicy(planned.registered, () => 0.5);
  const options = {
    planned,
    schedule,
    runOnStartup: setup.runOnStartup ?? false,
    statuses,
    retry,
    clock,
    runner,
    log,
    blocked: () => undefined,
    extraInputs: () => [],
  };
  return { clock, listener: createTimerListener(options), seen };
}

const HOUR = 3_600_000;

describe('a timer', () => {
  it('runs at every due time and at no other', async () => {
    const { clock, listener, seen } = await createTimer({ schedule: '0 30 */6 * * *', start: '2026-03-01T01:00:00' });
    listener.start();
    await clock.advance(24 * HOUR);
    expect(seen.map(({ at }) => at)).toEqual(['2026-03-01T06:30:00', '2026-03-01T12:30:00', '2026-03-01T18:30:00', '2026-03-02T00:30:00']);
  });

  it('of a time span counts from its last run', async () => {
    const { clock, listener, seen } = await createTimer({ schedule: '01:30:00', start: '2026-03-01T00:10:00' });
    listener.start();
    await clock.advance(4 * HOUR);
    expect(seen.map(({ at }) => at)).toEqual(['2026-03-01T01:40:00', '2026-03-01T03:10:00']);
  });

  it('runs at the start when asked to, and then by its schedule', async () => {
    const { clock, listener, seen } = await createTimer({ schedule: '0 0 * * * *', start: '2026-03-01T00:10:00', runOnStartup: true });
    listener.start();
    await clock.advance(HOUR);
    expect(seen.map(({ at, timer }) => [at, timer.isPastDue])).toEqual([
      ['2026-03-01T00:10:00', false],
      ['2026-03-01T01:00:00', false],
    ]);
  });

  it('does not run again once stopped', async () => {
    const { clock, listener, seen } = await createTimer({ schedule: '0 0 * * * *', start: '2026-03-01T00:10:00' });
    listener.start();
    await clock.advance(HOUR);
    await listener.stop();
    await listener.drained();
    await clock.advance(5 * HOUR);
    expect(seen).toHaveLength(1);
  });

  it('goes on after a failed run', async () => {
    const { clock, listener, seen } = await createTimer({ schedule: '0 0 * * * *', start: '2026-03-01T00:10:00', fail: () => true });
    listener.start();
    await clock.advance(3 * HOUR);
    expect(seen).toHaveLength(3);
  });

  it('follows the wall clock of a zone through both changes of daylight saving', async () => {
    const spring = await createTimer({ schedule: '0 30 2 * * *', start: '2026-03-28T00:00:00', zone: 'Europe/Berlin' });
    spring.listener.start();
    await spring.clock.advance(72 * HOUR);
    // 02:30 does not exist on 29 March: it happens at the jump to 03:00 (01:00 UTC).
    expect(spring.seen.map(({ at }) => at)).toEqual(['2026-03-28T01:30:00', '2026-03-29T01:00:00', '2026-03-30T00:30:00']);
    const autumn = await createTimer({ schedule: '0 30 2 * * *', start: '2026-10-24T12:00:00', zone: 'Europe/Berlin' });
    autumn.listener.start();
    await autumn.clock.advance(48 * HOUR);
    // 02:30 occurs twice on 25 October: it runs the first time only.
    expect(autumn.seen.map(({ at }) => at)).toEqual(['2026-10-25T00:30:00', '2026-10-26T01:30:00']);
  });

  it('in a zone that does not exist is refused', () => {
    expect(() => zoneOf('Atlantis/Capital')).toThrow('WEBSITE_TIME_ZONE is "Atlantis/Capital", which is not an IANA zone name');
  });
});

describe('the data of a timer', () => {
  it('is that of the recording when nothing is monitored', async () => {
    const { clock, listener, seen } = await createTimer({ schedule: '*/15 * * * * *', start: '2026-11-22T14:34:05', statuses: undefined });
    listener.start();
    await clock.advance(10_000);
    // captures/timer-trigger.json: {"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}
    expect(seen).toMatchObject([
      { at: '2026-11-22T14:34:15', timer: { schedule: { adjustForDST: true }, scheduleStatus: null, isPastDue: false } },
    ]);
  });

  it('tells the last and the next due time when it is', async () => {
    const { clock, listener, seen } = await createTimer({ schedule: '0 0 * * * *', start: '2026-11-22T14:34:05' });
    listener.start();
    await clock.advance(2 * HOUR);
    expect(seen.map(({ timer }) => timer.scheduleStatus)).toEqual([
      { last: '0001-01-01T00:00:00+00:00', next: '2026-11-22T15:00:00.000+00:00', lastUpdated: '2026-11-22T14:34:05.000+00:00' },
      { last: '2026-11-22T15:00:00.000+00:00', next: '2026-11-22T16:00:00.000+00:00', lastUpdated: '2026-11-22T15:00:00.000+00:00' },
    ]);
  });
});

describe('missed runs', () => {
  const restart = async (dataDir: string, start: string, schedule = '0 0 * * * *') => {
    const timer = await createTimer({ schedule, start, statuses: createFileStatusStore(dataDir) });
    timer.listener.start();
    await timer.clock.advance(1000);
    await timer.listener.stop();
    await timer.listener.drained();
    return timer.seen;
  };

  it('are made up for once, at the next start', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'host-timer-'));
    expect(await restart(dataDir, '2026-03-01T00:10:00')).toEqual([]);
    const seen = await restart(dataDir, '2026-03-01T05:30:00');
    expect(seen).toMatchObject([
      { at: '2026-03-01T05:30:00', timer: { isPastDue: true, scheduleStatus: { next: '2026-03-01T01:00:00.000+00:00' } } },
    ]);
    expect(await restart(dataDir, '2026-03-01T05:40:00')).toEqual([]);
  });

  it('are none when the schedule was changed meanwhile', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'host-timer-'));
    await restart(dataDir, '2026-03-01T00:10:00');
    expect(await restart(dataDir, '2026-03-01T05:30:00', '0 15 * * * *')).toEqual([]);
    expect(await restart(dataDir, '2026-03-01T06:20:00', '0 15 * * * *')).toMatchObject([{ timer: { isPastDue: true } }]);
  });

  it('are none when the status on disk is damaged', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'host-timer-'));
    await restart(dataDir, '2026-03-01T00:10:00');
    const [file = ''] = readdirSync(join(dataDir, 'timers'));
    const path = join(dataDir, 'timers', file);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
      Last: '0001-01-01T00:00:00+00:00',
      Next: '2026-03-01T01:00:00.000+00:00',
      LastUpdated: '2026-03-01T00:10:00.000+00:00',
    });
    writeFileSync(path, '{"Last":');
    expect(await restart(dataDir, '2026-03-01T05:30:00')).toEqual([]);
  });

  it('do not stop a timer whose status cannot be stored', async () => {
    const full: StatusStore = {
      read: () => undefined,
      write: () => {
        throw new Error('ENOSPC: no space left on device');
      },
    };
    const { clock, listener, seen } = await createTimer({ schedule: '0 0 * * * *', start: '2026-03-01T00:10:00', statuses: full });
    listener.start();
    await clock.advance(2 * HOUR);
    expect(seen).toHaveLength(2);
  });
});

describe('retries', () => {
  const start = '2026-03-01T00:10:00';

  it('with a fixed delay run again in place, and tell the function why', async () => {
    const retry = { strategy: 'fixedDelay', maxRetryCount: 2, delayInterval: { seconds: 30 } } as const;
    const { clock, listener, seen } = await createTimer({ schedule: '0 0 * * * *', start, retry, fail: (run) => run < 3 });
    listener.start();
    await clock.advance(HOUR);
    expect(seen.map(({ at, retry: context }) => [at, context?.retryCount, context?.exception?.message])).toEqual([
      ['2026-03-01T01:00:00', undefined, undefined],
      ['2026-03-01T01:00:30', 1, 'run 1 failed'],
      ['2026-03-01T01:01:00', 2, 'run 2 failed'],
    ]);
  });

  it('end after the last attempt; the schedule goes on', async () => {
    const retry = { strategy: 'fixedDelay', maxRetryCount: 1, delayInterval: 1000 } as const;
    const { clock, listener, seen } = await createTimer({ schedule: '0 0 * * * *', start, retry, fail: () => true });
    listener.start();
    await clock.advance(2 * HOUR);
    expect(seen.map(({ at }) => at.slice(11))).toEqual(['01:00:00', '01:00:01', '02:00:00', '02:00:01']);
  });

  it('with exponential back-off grow between the two bounds', async () => {
    const retry = {
      strategy: 'exponentialBackoff',
      maxRetryCount: 4,
      minimumInterval: { seconds: 10 },
      maximumInterval: { minutes: 1 },
    } as const;
    const { clock, listener, seen } = await createTimer({ schedule: '0 0 * * * *', start, retry, fail: () => true });
    listener.start();
    await clock.advance(HOUR);
    const times = seen.map(({ at }) => Date.parse(`${at}Z`) / 1000);
    expect(times.slice(1).map((time, index) => time - (times[index] ?? 0))).toEqual([10, 20, 40, 60]);
  });
});
