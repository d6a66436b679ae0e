// Makes the listeners of an app's queue and timer functions and the writer of its queue outputs; every setting they name is checked first.
import type { Clock } from '../clock/clock.ts';
import type { HostSettings } from '../config/host-json.ts';
import type { HostLog } from '../config/logging.ts';
import { resolveSettingNames, type AppSettings } from '../config/setting-names.ts';
import { HostStartError } from '../config/start-error.ts';
import type { RegisteredBinding } from '../core/function-app.ts';
import type { ParameterBinding } from '../core/rpc.ts';
import type { Blocked, Listener } from './listener.ts';
import type { Plan, PlannedFunction } from './plan.ts';
import { createQueueConnections, type QueueConnections } from './queue/connection.ts';
import type { InFlight } from './queue/in-flight.ts';
import { createQueueListener } from './queue/listener.ts';
import { createQueueOutputs } from './queue/output.ts';
import { retryPolicy, type RetryPolicy } from './retry.ts';
import type { OutputWriter, Runner } from './runner.ts';
import { createTimerListener, type TimerListener } from './timer/listener.ts';
import { parseSchedule } from './timer/schedule.ts';
import type { StatusStore } from './timer/status-store.ts';
import { zoneOf } from './timer/zone.ts';

/** What listeners need. */
export interface TriggerOptions {
  readonly plan: Plan;
  readonly settings: HostSettings;
  readonly appSettings: AppSettings;
  readonly clock: Clock;
  readonly runner: Runner;
  readonly log: HostLog;
  readonly inFlight: InFlight;
  readonly statuses: StatusStore;
  readonly connections: QueueConnections;
  readonly blocked: Blocked;
  extraInputs(planned: PlannedFunction): ParameterBinding[];
}

/** Listeners by function name, not started yet. */
export interface Triggers {
  readonly queues: ReadonlyMap<string, Listener>;
  readonly timers: ReadonlyMap<string, TimerListener>;
}

const QUEUE_NAME = /^(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Reads all queue and timer triggers. Throws `HostStartError` (kind `app`) that names function, setting and what to do. */
export function createTriggers(options: TriggerOptions): Triggers {
  const { plan, appSettings, settings, log } = options;
  for (const planned of [...plan.queue, ...plan.http]) {
    if (planned.registered.retryOptions) {
      const message = `The retry policy of function "${planned.registered.name}" is ignored: ${planned.trigger.type} functions have none on the real host either.`;
      log({ level: 'warning', category: 'system', message });
    }
  }
  const queues = plan.queue.map((planned): [string, Listener] => {
    const { name } = planned.registered;
    const connection = connectionOf(planned.trigger);
    const queueName = queueNameOf(planned.trigger, name, appSettings);
    options.connections.check(connection, `Queue function "${name}"`);
    const open = (queue: string) => options.connections.queue(connection, queue);
    return [name, createQueueListener({ ...options, planned, queueName, connection, settings: settings.queues, open })];
  });
  const zone = zoneOf(appSettings['WEBSITE_TIME_ZONE']);
  const timers = plan.timer.map((planned): [string, TimerListener] => {
    const { name } = planned.registered;
    const schedule = readTimer(name, () => {
      const text = planned.trigger['schedule'];
      if (typeof text !== 'string') throw new RangeError('"schedule" is missing');
      return parseSchedule(resolveSettingNames(text, appSettings, `Timer function "${name}"`), zone, options.clock.nowMs());
    });
    const retry = readTimer(name, (): RetryPolicy | undefined => retryPolicy(planned.registered));
    const isMonitored = planned.trigger['useMonitor'] !== false && !schedule.isFrequent;
    const statuses = isMonitored ? options.statuses : undefined;
    return [
      name,
      createTimerListener({ ...options, planned, schedule, runOnStartup: planned.trigger['runOnStartup'] === true, statuses, retry }),
    ];
  });
  return { queues: new Map(queues), timers: new Map(timers) };
}

/** The writer of queue outputs; connections of all outputs are checked now. */
export function createOutputs(plan: Plan, settings: HostSettings, appSettings: AppSettings, connections: QueueConnections): OutputWriter {
  for (const planned of plan.byName.values()) {
    for (const binding of planned.queueOutputs) {
      connections.check(connectionOf(binding), `Queue output "${binding.name}" of function "${planned.registered.name}"`);
      queueNameOf(binding, planned.registered.name, appSettings);
    }
  }
  return createQueueOutputs({
    functions: plan.byName,
    connections,
    encoding: settings.queues.messageEncoding,
    queueName: (binding, functionName) => queueNameOf(binding, functionName, appSettings),
  });
}

export { createQueueConnections };

function queueNameOf(binding: RegisteredBinding, functionName: string, appSettings: AppSettings): string {
  const where = `Queue binding "${binding.name}" of function "${functionName}"`;
  const written = binding['queueName'];
  const name = typeof written === 'string' ? resolveSettingNames(written, appSettings, where).toLowerCase() : '';
  if (!QUEUE_NAME.test(name)) {
    throw new HostStartError(
      'app',
      `${where}: "${name}" is not a queue name. It must be 3 to 63 lower-case letters, digits and single hyphens.`,
    );
  }
  return name;
}

function connectionOf(binding: RegisteredBinding): string | undefined {
  const { connection } = binding;
  return typeof connection === 'string' && connection !== '' ? connection : undefined;
}

function readTimer<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new HostStartError('app', `Timer function "${name}": ${error.message}.`, { cause: error });
  }
}
