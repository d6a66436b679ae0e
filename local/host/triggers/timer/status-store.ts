// Keeps when each timer ran last and is due next, so that a host that was down notices what it missed (`useMonitor`).
// One JSON file per function, replaced whole; field names are those of the real host's status blob.
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonFile } from '../../config/json-file.ts';

/** Unix milliseconds. `last` is `undefined` before the first run. */
export interface TimerStatus {
  readonly last: number | undefined;
  readonly next: number;
  readonly lastUpdated: number;
}

/** Statuses by function name. */
export interface StatusStore {
  read(functionName: string): TimerStatus | undefined;
  write(functionName: string, status: TimerStatus): void;
}

/** .NET's smallest date stands for "never". */
export const NEVER = '0001-01-01T00:00:00+00:00';

/** In memory only. */
export function createMemoryStatusStore(): StatusStore {
  const held = new Map<string, TimerStatus>();
  return { read: (name) => held.get(name), write: (name, status) => void held.set(name, status) };
}

/** In `<dataFolder>/timers/`. A file that does not fit counts as none, so a timer is never lost to a damaged status. */
export function createFileStatusStore(dataFolder: string): StatusStore {
  const folder = join(dataFolder, 'timers');
  // Function names may differ in case only where file names do not, so a digest of the exact name is part of the file's.
  const fileOf = (name: string) =>
    join(
      folder,
      `${name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 80)}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}.json`,
    );
  return {
    read: (name) => statusOf(readOrNothing(fileOf(name))),
    write(name, status) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const file = fileOf(name);
      const text = { Last: timeText(status.last), Next: timeText(status.next), LastUpdated: timeText(status.lastUpdated) };
      writeFileSync(`${file}.new`, `${JSON.stringify(text)}\n`, { mode: 0o600 });
      renameSync(`${file}.new`, file);
    },
  };
}

/** A moment as the trigger's data has it. */
export function timeText(moment: number | undefined): string {
  return moment === undefined ? NEVER : new Date(moment).toISOString().replace('Z', '+00:00');
}

function readOrNothing(file: string): unknown {
  try {
    return readJsonFile(file);
  } catch {
    return undefined;
  }
}

function statusOf(json: unknown): TimerStatus | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { Last, Next, LastUpdated } = json as Record<string, unknown>;
  const [next, lastUpdated] = [Date.parse(String(Next)), Date.parse(String(LastUpdated))];
  if (Number.isNaN(next) || Number.isNaN(lastUpdated)) return undefined;
  const last = Last === NEVER ? Number.NaN : Date.parse(String(Last));
  return { last: Number.isNaN(last) ? undefined : last, next, lastUpdated };
}
