// Reads host.json into the settings that this host applies, and says which keys it does not know.
// Keys are matched in any case and can be overridden by `AzureFunctionsJobHost__section__key`, as on the real host.
import { join } from 'node:path';
import { Configuration } from './configuration.ts';
import { readJsonFile } from './json-file.ts';
import { hasNoEffectHere } from './no-effect.ts';
import { SettingReader } from './setting-reader.ts';
import { resolveSettingNames, type AppSettings } from './setting-names.ts';
import { HostStartError } from './start-error.ts';

/** Levels of host.json's `logging.logLevel`, least severe first. */
export const LOG_LEVELS = ['Trace', 'Debug', 'Information', 'Warning', 'Error', 'Critical', 'None'] as const;
/** One of `LOG_LEVELS`. */
export type LevelName = (typeof LOG_LEVELS)[number];

/** `extensions.queues`. */
export interface QueueSettings {
  /** Messages taken in one call, 1 to 32. */
  readonly batchSize: number;
  /** A new batch is fetched when no more than this many messages are still being worked on. */
  readonly newBatchThreshold: number;
  /** How long a message stays hidden after its function failed, in milliseconds. */
  readonly visibilityTimeoutMs: number;
  /** Deliveries before a message goes to `<queue>-poison`. */
  readonly maxDequeueCount: number;
  /** Upper bound of the pause between looks at an empty queue, in milliseconds. */
  readonly maxPollingIntervalMs: number;
  /** How message text is encoded on the wire. */
  readonly messageEncoding: 'base64' | 'none';
}

/** `extensions.durableTask`: what the Durable engine applies. */
export interface DurableTaskSettings {
  /** Name of the task hub, 3 to 45 letters and digits. */
  readonly hubName: string;
  /** Version of new orchestrations that state none; `undefined` = not versioned. */
  readonly defaultVersion: string | undefined;
  readonly versionMatchStrategy: 'None' | 'Strict' | 'CurrentOrOlder';
  readonly versionFailureStrategy: 'Reject' | 'Fail';
  /** `undefined` = the engine's own choice. */
  readonly maxConcurrentActivityFunctions: number | undefined;
  readonly maxConcurrentOrchestratorFunctions: number | undefined;
  readonly overridableExistingInstanceStates: 'NonRunningStates' | 'AnyState';
}

/** Everything of host.json that applies here. */
export interface HostSettings {
  /** First part of every function's route; empty = none. */
  readonly routePrefix: string;
  /** Headers added to every HTTP answer of a function. */
  readonly customHeaders: ReadonlyMap<string, string>;
  /** Longest time one invocation may take, in milliseconds; `undefined` = no limit. */
  readonly functionTimeoutMs: number | undefined;
  readonly queues: QueueSettings;
  readonly durableTask: DurableTaskSettings;
  /** Least level written, by log category; `default` for the rest. */
  readonly logLevels: ReadonlyMap<string, LevelName>;
  /** One line for each setting that this host does not know. */
  readonly warnings: readonly string[];
  /** One line for each setting that is known and has no effect on one machine. */
  readonly withoutEffect: readonly string[];
}

/** Facts about the host that replace a default of the real one. */
const DEFAULTS = {
  functionTimeout: 30 * 60_000,
  batchSize: 16,
  newBatchThreshold: 8,
  maxDequeueCount: 5,
  pollingInterval: 2000,
};

/**
 * Reads `<folder>/host.json`; a missing file means defaults. Throws `HostStartError` (kind `app`) for a file that is not JSON, a value of
 * the wrong kind, or a `%NAME%` whose setting is missing. `environment` gives app settings and overrides.
 */
export function readHostSettings(folder: string, environment: AppSettings): HostSettings {
  const file = join(folder, 'host.json');
  return hostSettingsOf(readJsonFile(file) ?? { version: '2.0' }, file, environment);
}

/** The same for content that is parsed already; `file` is only used in messages. */
export function hostSettingsOf(json: unknown, file: string, environment: AppSettings): HostSettings {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new HostStartError('app', `${file}: must be a JSON object. The smallest valid file is {"version":"2.0"}.`);
  }
  const read = new SettingReader(new Configuration(json, file, environment), file);
  read.choice('version', ['2.0'], '2.0');
  const settings = {
    routePrefix: read.text('extensions:http:routePrefix', 'api').replace(/^\/+|\/+$/g, ''),
    customHeaders: read.textsUnder('extensions:http:customHeaders'),
    functionTimeoutMs: read.unboundedSpan('functionTimeout', DEFAULTS.functionTimeout),
    queues: queueSettings(read),
    durableTask: durableTaskSettings(read, file, environment),
    logLevels: logLevels(read),
  };
  const rest = read.unread();
  return {
    ...settings,
    warnings: rest
      .filter((path) => !hasNoEffectHere(path))
      .map((path) => `${file}: the setting "${dotted(path)}" is not known to this host and is ignored.`),
    withoutEffect: rest.filter(hasNoEffectHere).map((path) => `${file}: the setting "${dotted(path)}" has no effect on one machine.`),
  };
}

function queueSettings(read: SettingReader): QueueSettings {
  const at = 'extensions:queues';
  const batchSize = read.integer(`${at}:batchSize`, DEFAULTS.batchSize, 1, 32);
  return {
    batchSize,
    newBatchThreshold: read.integer(`${at}:newBatchThreshold`, Math.max(1, Math.floor(batchSize / 2)), 0, 10_000),
    visibilityTimeoutMs: read.span(`${at}:visibilityTimeout`, 0),
    maxDequeueCount: read.integer(`${at}:maxDequeueCount`, DEFAULTS.maxDequeueCount, 1, 1_000_000),
    maxPollingIntervalMs: Math.max(50, read.span(`${at}:maxPollingInterval`, DEFAULTS.pollingInterval)),
    messageEncoding: read.choice(`${at}:messageEncoding`, ['base64', 'none'], 'base64'),
  };
}

function durableTaskSettings(read: SettingReader, file: string, environment: AppSettings): DurableTaskSettings {
  const at = 'extensions:durableTask';
  const hubName = resolveSettingNames(read.text(`${at}:hubName`, 'TestHubName'), environment, `${file}: durableTask.hubName`);
  if (!/^[A-Za-z][A-Za-z0-9]{2,44}$/.test(hubName)) {
    throw new HostStartError(
      'app',
      `${file}: durableTask.hubName is "${hubName}"; it must be 3 to 45 letters and digits and start with a letter.`,
    );
  }
  return {
    hubName,
    defaultVersion: read.text(`${at}:defaultVersion`, '') || undefined,
    versionMatchStrategy: read.choice(`${at}:versionMatchStrategy`, ['None', 'Strict', 'CurrentOrOlder'], 'CurrentOrOlder'),
    versionFailureStrategy: read.choice(`${at}:versionFailureStrategy`, ['Reject', 'Fail'], 'Reject'),
    maxConcurrentActivityFunctions: read.integer(`${at}:maxConcurrentActivityFunctions`, undefined, 1, 100_000),
    maxConcurrentOrchestratorFunctions: read.integer(`${at}:maxConcurrentOrchestratorFunctions`, undefined, 1, 100_000),
    overridableExistingInstanceStates: read.choice(
      `${at}:overridableExistingInstanceStates`,
      ['NonRunningStates', 'AnyState'],
      'NonRunningStates',
    ),
  };
}

function logLevels(read: SettingReader): Map<string, LevelName> {
  const found = new Map<string, LevelName>([['default', 'Information']]);
  for (const category of read.textsUnder('logging:logLevel').keys()) {
    const level = read.choice(`logging:logLevel:${category}`, LOG_LEVELS, 'Information');
    found.set(category.toLowerCase() === 'default' ? 'default' : category, level);
  }
  return found;
}

/** `extensions:queues:batchSize` as people write it. */
function dotted(path: string): string {
  return path.split(':').join('.');
}
