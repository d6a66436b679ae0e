// The timer trigger: runs its function when the schedule is due, at once after a missed run, and at the start when asked to.
// Rules of missed runs and status as in the real host's TimerListener and ScheduleMonitor; time is the host's clock.
import type { Clock, Release } from '../../clock/clock.ts';
import type { HostLog } from '../../config/logging.ts';
import type { InvocationRequest } from '../../core/function-app.ts';
import type { ParameterBinding } from '../../core/rpc.ts';
import type { Blocked, Listener } from '../listener.ts';
import type { PlannedFunction } from '../plan.ts';
import { withRetries, type RetryPolicy } from '../retry.ts';
import type { Runner } from '../runner.ts';
import type { Schedule } from './schedule.ts';
import { timeText, type StatusStore, type TimerStatus } from './status-store.ts';

/** What a timer listener needs. */
export interface TimerListenerOptions {
  readonly planned: PlannedFunction;
  readonly schedule: Schedule;
  readonly runOnStartup: boolean;
  /** Where the status is kept; `undefined` = not monitored (asked for, or more often than once a minute). */
  readonly statuses: StatusStore | undefined;
  readonly retry: RetryPolicy | undefined;
  readonly blocked: Blocked;
  readonly clock: Clock;
  readonly runner: Runner;
  readonly log: HostLog;
  extraInputs(planned: PlannedFunction): ParameterBinding[];
}

/** A timer that can also be run by hand. */
export interface TimerListener extends Listener {
  /** Runs the function once now; the schedule stays as it is. */
  runByHand(): void;
}

type Why = 'schedule' | 'missed' | 'startup' | 'hand';

const REASONS: Readonly<Record<Why, string>> = {
  schedule: 'timer',
  missed: 'timer, missed while the host was down',
  startup: 'timer, runOnStartup',
  hand: 'by hand',
};

/** Creates the listener of one function. */
export function createTimerListener(options: TimerListenerOptions): TimerListener {
  const { planned, schedule, clock, statuses } = options;
  const { name } = planned.registered;
  let status: TimerStatus | undefined;
  let timer: Release | undefined;
  let isStopping = false;
  let working: Promise<void> = Promise.resolve();

  const say = (level: 'debug' | 'information' | 'warning', message: string) => {
    options.log({ level, category: 'system', source: 'Host.Triggers.Timer', message });
  };

  function start(): void {
    const now = clock.nowMs();
    const recorded = statuses?.read(name);
    const due = recorded ? dueByRecord(recorded, schedule, now) : schedule.next(now);
    if (due === undefined) return;
    status = recorded?.next === due ? recorded : { last: undefined, next: due, lastUpdated: now };
    if (statuses && status !== recorded) keep(status);
    say('debug', `Timer "${name}" ${schedule.text} is due next at ${new Date(due).toISOString()}.`);
    if (due < now) at(now, 'missed');
    else if (options.runOnStartup) at(now, 'startup');
    else at(due, 'schedule');
  }

  function at(moment: number, why: Why): void {
    if (isStopping) return;
    timer = clock.setTimer(new Date(moment), () => {
      working = cycle(why);
    });
  }

  /** One run and the setting of the next timer. Held throughout: virtual time must not jump over that timer. */
  async function cycle(why: Why): Promise<void> {
    let release = clock.hold(`timer ${name}`);
    const pause = async (ms: number) => {
      await new Promise<void>((resolve) => {
        clock.setTimer(new Date(clock.nowMs() + ms), () => {
          release = clock.hold(`timer ${name}`);
          resolve();
        });
        release();
      });
    };
    try {
      while (planned.clientInputs.length > 0 && options.blocked() !== undefined && !isStopping) await pause(1000);
      await run(why, pause);
      if (status && why !== 'hand') at(Math.max(status.next, clock.nowMs()), 'schedule');
    } finally {
      release();
    }
  }

  async function run(why: Why, pause: (ms: number) => Promise<void>): Promise<void> {
    if (isStopping) return;
    const invoked = clock.nowMs();
    const request = requestOf(why === 'missed', invoked);
    try {
      await withRetries(
        options.retry,
        pause,
        () => isStopping,
        (retryContext) => options.runner.run(name, REASONS[why], { ...request, ...(retryContext ? { retryContext } : {}) }),
      );
    } catch {
      // The runner has logged it; a failed run does not stop the schedule.
    }
    if (why === 'hand') return;
    // Timers of the clock may fire early: count from when the run was due, or the same time would come twice.
    const counted = why === 'schedule' && status && status.next > invoked ? status.next : invoked;
    const next = schedule.next(counted);
    status = next === undefined ? undefined : { last: counted, next, lastUpdated: counted };
    if (status && statuses) keep(status);
  }

  function requestOf(isPastDue: boolean, invoked: number): InvocationRequest {
    const monitored =
      statuses && status ? { Last: timeText(status.last), Next: timeText(status.next), LastUpdated: timeText(status.lastUpdated) } : null;
    const data = { Schedule: { AdjustForDST: schedule.adjustsForDst }, ScheduleStatus: monitored, IsPastDue: isPastDue };
    return {
      inputs: [{ name: planned.trigger.name, data: { json: JSON.stringify(data) } }, ...options.extraInputs(planned)],
      triggerMetadata: { TimerTrigger: { string: netDate(invoked) } },
    };
  }

  function keep(current: TimerStatus): void {
    try {
      statuses?.write(name, current);
    } catch (error) {
      say(
        'warning',
        `The status of timer "${name}" could not be stored: ${(error as Error).message}. A run missed while the host is down may go unnoticed.`,
      );
    }
  }

  return {
    start,
    runByHand: () => {
      working = Promise.allSettled([working, cycle('hand')]).then(() => undefined);
    },
    async stop() {
      isStopping = true;
      timer?.();
    },
    async drained() {
      await working;
    },
  };
}

/** The recorded due time, unless the schedule has changed since: then a due time that has passed is not counted as missed. */
function dueByRecord(recorded: TimerStatus, schedule: Schedule, now: number): number | undefined {
  const expected = schedule.next(recorded.last ?? recorded.lastUpdated);
  if (expected === recorded.next || expected === undefined) return expected;
  return expected < now ? schedule.next(now) : expected;
}

/** `11/22/2026 14:34:15`, as .NET prints a date by default. */
function netDate(moment: number): string {
  const [date = '', time = ''] = new Date(moment).toISOString().split('T');
  const [year, month, day] = date.split('-');
  return `${month}/${day}/${year} ${time.slice(0, 8)}`;
}
