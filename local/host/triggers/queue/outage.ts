// Reports trouble with a storage queue once when it begins and once when it is over, however often it is met in between.
import type { HostLog } from '../../config/logging.ts';

/** Keeps track of one outage at a time. */
export interface Outage {
  /** A call failed. */
  met(error: unknown): void;
  /** A call succeeded. */
  over(): void;
}

/** Writes lines that begin with `what`. */
export function createOutage(what: string, log: HostLog): Outage {
  let failures = 0;
  const say = (level: 'warning' | 'information' | 'debug', message: string) =>
    log({ level, category: 'system', source: 'Host.Triggers.Queue', message });
  return {
    met(error) {
      failures += 1;
      const text = storageErrorText(error);
      if (failures === 1) say('warning', `${what} cannot be reached: ${text}. Trying again until it can.`);
      else say('debug', `${what}: attempt ${failures} failed: ${text}`);
    },
    over() {
      if (failures > 0) say('information', `${what} can be reached again (after ${failures} failed attempts).`);
      failures = 0;
    },
  };
}

/** Code and first line of a storage error: the rest holds request headers. */
export function storageErrorText(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const line = typeof message === 'string' ? (message.split('\n')[0] ?? '') : String(error);
  return typeof code === 'string' && !line.includes(code) ? `${code}: ${line}` : line;
}
