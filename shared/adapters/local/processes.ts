// The processes of a step: one group for each, started detached so that they outlive us, seen by what the system says of them.
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';

/**
 * Runs a program and leaves two marks in the step's folder: `pid` (its process and when that began, so that a reused number is not taken
 * for it) and `exit` (its code). Both appear by rename. POSIX shell only.
 */
const GUARD = [
  'folder=$1; shift',
  'began=$(cut -d" " -f22 "/proc/$$/stat" 2>/dev/null || echo 0)',
  'echo "$$ $began" >"$folder/pid.new" && mv "$folder/pid.new" "$folder/pid"',
  '"$@" >>"$folder/log" 2>&1',
  'code=$?',
  'echo "$code" >"$folder/exit.new" && mv "$folder/exit.new" "$folder/exit"',
].join('\n');

/** A group as its step's `pid` file names it; `began` 0 where the system does not tell. */
export interface Group {
  pid: number;
  began: string;
}

/** Starts a step's program in a group of its own. Its end is in the folder's `exit`, whether we still run or not. */
export function startGroup(
  folder: string,
  cwd: string,
  command: readonly string[],
  env: Record<string, string>,
  failed: (error: Error) => void,
): void {
  const child = spawn('/bin/sh', ['-c', GUARD, 'sluice-step', folder, ...command], { cwd, env, detached: true, stdio: 'ignore' });
  child.once('error', failed);
  child.unref();
}

/** The group that a step's `pid` file names; null when the text is none. */
export function parseGroup(text: string): Group | null {
  const [, pid, began] = /^(\d+) (\d+)\s*$/.exec(text) ?? [];
  return pid === undefined || began === undefined ? null : { pid: Number(pid), began };
}

/** True while the leader of the group lives: a process of that number which began when the file says. */
export async function isLeaderAlive(group: Group): Promise<boolean> {
  if (group.began === '0') return answersSignal(group.pid);
  const fields = await statFields(String(group.pid));
  return fields !== null && fields.state !== 'Z' && fields.began === group.began;
}

/** True while any process of the group lives. */
export async function isGroupAlive(group: Group): Promise<boolean> {
  if (group.began === '0') return answersSignal(-group.pid);
  return (await membersOf(group)).length > 0;
}

/** Resident memory of the whole group, in bytes; 0 where the system does not tell. */
export async function memoryOf(group: Group): Promise<number> {
  if (group.began === '0') return 0;
  const sizes = await Promise.all((await membersOf(group)).map(residentBytes));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/** Sends a signal to every process of the group; none left is no error. */
export function signalGroup(group: Group, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-group.pid, signal);
  } catch {
    // ESRCH: nobody is left. EPERM: what is left is not ours, and was not when we began.
  }
}

function answersSignal(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Living processes of a group; a leader of another age means that the number was given to somebody else. */
async function membersOf(group: Group): Promise<string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const seen = await Promise.all(pids.map(async (pid) => ({ pid, fields: await statFields(pid) })));
  const leader = seen.find(({ pid }) => pid === String(group.pid))?.fields;
  if (leader && leader.began !== group.began) return [];
  return seen
    .filter(({ fields }) => fields?.group === String(group.pid) && fields.state !== 'Z' && fields.state !== 'X')
    .map(({ pid }) => pid);
}

/** State, group and start of a process: fields 3, 5 and 22 of its stat line, counted behind the name in parentheses. */
async function statFields(pid: string): Promise<{ state: string; group: string; began: string } | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', group: fields[2] ?? '', began: fields[19] ?? '' };
}

async function residentBytes(pid: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(text) ?? [];
  return Number(kib ?? 0) * 1024;
}
