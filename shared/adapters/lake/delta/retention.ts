// How long a table keeps what it no longer needs, as its configuration says it: `delta.…Duration` with values like `interval 30 days`.
import type { MetaData } from './actions.ts';

export const DAY_MS = 24 * 3600 * 1000;
/** Shortest time that a normal vacuum leaves removed files alone: Delta's own default and lower bound. */
export const LEAST_MS = 7 * DAY_MS;

const UNITS: Record<string, number> = { millisecond: 1, second: 1000, minute: 60_000, hour: 3_600_000, day: DAY_MS, week: 7 * DAY_MS };

/** `interval 1 week 2 days` in milliseconds; null for anything else (months have no length). */
export function intervalMs(text: string | undefined): number | null {
  const words = (text ?? '').trim().toLowerCase().split(/\s+/);
  if (words[0] === 'interval') words.shift();
  if (words.length < 2 || words.length % 2 !== 0) return null;
  let sum = 0;
  for (let n = 0; n < words.length; n += 2) {
    const unit = words[n + 1]!.replace(/s$/, '');
    if (!/^\d{1,9}$/.test(words[n]!) || !Object.hasOwn(UNITS, unit)) return null;
    sum += Number(words[n]) * UNITS[unit]!;
  }
  return sum;
}

/** How long a removed file's tombstone stays in checkpoints, and its file in the folder. */
export function removedFilesMs(metaData: MetaData): number {
  return intervalMs(metaData.configuration?.['delta.deletedFileRetentionDuration']) ?? LEAST_MS;
}

/** Configuration of a new table whose history is kept for `historySeconds` and which gets a checkpoint every so many commits. */
export function retentionConfiguration(historySeconds: number, checkpointEvery: number): Record<string, string> {
  const seconds = `interval ${Math.max(historySeconds, LEAST_MS / 1000)} seconds`;
  return {
    'delta.deletedFileRetentionDuration': seconds,
    'delta.logRetentionDuration': seconds,
    'delta.checkpointInterval': String(checkpointEvery),
  };
}
