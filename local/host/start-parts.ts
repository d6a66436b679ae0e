// Small parts of a start: the host name that the SDK reads, limits from app settings, the engine's settings, and bounded waits.
import type { DurableTaskSettings } from './config/host-json.ts';
import type { AppSettings } from './config/setting-names.ts';
import type { DurableSettings } from './durable/engine.ts';

/** As the real host's default: 100 MB. */
const BODY_LIMIT = 104_857_600;

/**
 * The SDK rewrites management URLs to port 7071 unless `WEBSITE_HOSTNAME` is set; its value must be `localhost:<port>`
 * (facts/durable.md §2.9, 23). Returns what takes it back.
 */
export function exportHostName(port: number): () => void {
  const before = process.env['WEBSITE_HOSTNAME'];
  if (before !== undefined && before !== '' && !before.includes('0.0.0.0')) return () => undefined;
  const mine = `localhost:${port}`;
  process.env['WEBSITE_HOSTNAME'] = mine;
  return () => {
    if (process.env['WEBSITE_HOSTNAME'] === mine) delete process.env['WEBSITE_HOSTNAME'];
  };
}

/** Largest request body in bytes: `FUNCTIONS_REQUEST_BODY_SIZE_LIMIT`, 100 MB by default. */
export function bodyLimitOf(env: AppSettings): number {
  const limit = Number(env['FUNCTIONS_REQUEST_BODY_SIZE_LIMIT'] ?? BODY_LIMIT);
  return Number.isInteger(limit) && limit > 0 ? limit : BODY_LIMIT;
}

/** Settings of host.json as the engine takes them. */
export function durableSettings(settings: DurableTaskSettings): DurableSettings {
  const { defaultVersion, maxConcurrentActivityFunctions, maxConcurrentOrchestratorFunctions } = settings;
  return {
    hubName: settings.hubName,
    versionMatchStrategy: settings.versionMatchStrategy,
    versionFailureStrategy: settings.versionFailureStrategy,
    overridableExistingInstanceStates: settings.overridableExistingInstanceStates,
    ...(defaultVersion === undefined ? {} : { defaultVersion }),
    ...(maxConcurrentActivityFunctions === undefined ? {} : { maxConcurrentActivityFunctions }),
    ...(maxConcurrentOrchestratorFunctions === undefined ? {} : { maxConcurrentOrchestratorFunctions }),
  };
}

/** Calls `run` the first time only; every call gets that one's outcome. */
export function once<A>(run: (argument: A) => Promise<void>): (argument: A) => Promise<void> {
  let running: Promise<void> | undefined;
  return (argument) => (running ??= run(argument));
}

/** Whether `run` ended within `ms`. */
export async function within(ms: number, run: () => Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, ms, false)));
  try {
    return await Promise.race([run().then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
