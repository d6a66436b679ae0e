// The host's folder on disk and its lock: one host at a time, whatever became of the one before.
// The lock is a file that names the process; it is stale when that process is gone (a killed host cannot remove it).
import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HostStartError } from './start-error.ts';

/** A data folder that this process holds. */
export interface DataFolder {
  readonly path: string;
  /** Lets the next host in. Calling it twice does nothing. */
  release(): void;
}

interface Holder {
  readonly pid: number;
  /** When that process started, as the system counts it: a process id can be given out again. */
  readonly started: string;
  readonly token: string;
}

/** Creates the folder if missing and takes its lock. Throws `HostStartError`: kind `data` when another host holds it or it cannot be written. */
export function holdDataFolder(path: string): DataFolder {
  const lock = join(path, 'host.lock');
  const mine: Holder = { pid: process.pid, started: startOf(process.pid), token: randomUUID() };
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    take(lock, mine);
  } catch (error) {
    if (error instanceof HostStartError) throw error;
    throw new HostStartError('data', `${path}: the data folder cannot be used: ${(error as Error).message}`, { cause: error });
  }
  let held = true;
  return {
    path,
    release: () => {
      if (held && read(lock)?.token === mine.token) rmSync(lock, { force: true });
      held = false;
    },
  };
}

function take(lock: string, mine: Holder): void {
  for (let tries = 0; tries < 5; tries += 1) {
    if (create(lock, mine)) return;
    const holder = read(lock);
    if (holder && isAlive(holder)) {
      const mend = 'Stop that host, or give this one another folder with --data.';
      throw new HostStartError('data', `${lock}: another host (process ${holder.pid}) holds this data folder. ${mend}`);
    }
    removeStale(lock, holder);
  }
  throw new HostStartError('data', `${lock}: several hosts want this data folder at once. Start one of them again.`);
}

/** Creates the lock with its content in one step, so that nobody ever reads half of it. False when there is one already. */
function create(lock: string, mine: Holder): boolean {
  const complete = `${lock}.${mine.token}`;
  try {
    writeFileSync(complete, JSON.stringify(mine), { mode: 0o600 });
    linkSync(complete, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(complete, { force: true });
  }
}

/** Moves the stale lock away; if another starter was quicker and it is theirs by now, puts it back. */
function removeStale(lock: string, stale: Holder | undefined): void {
  const aside = `${lock}.${randomUUID()}`;
  try {
    renameSync(lock, aside);
    if (read(aside)?.token !== stale?.token) linkSync(aside, lock);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function read(lock: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(lock, 'utf8')) as Partial<Holder> | null;
    return typeof holder?.pid === 'number' ? { pid: holder.pid, started: holder.started ?? '', token: holder.token ?? '' } : undefined;
  } catch {
    // Gone, or not a lock of this host: nobody holds it.
    return undefined;
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return startOf(holder.pid) === holder.started;
}

/** Start time of a process in clock ticks since boot (Linux); empty elsewhere, where the process id alone must do. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name in parentheses may hold spaces; the start time is the 20th field after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
