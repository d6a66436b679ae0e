// Processor time of this process and of others, for benchmarks that share their machine with other work.
import { readdirSync, readFileSync } from 'node:fs';

/** Seconds of processor that this process has used in all its threads. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** The same of another process, from Linux' account of its threads to the nanosecond; NaN where there is none. */
export function cpuSecondsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + threadSeconds(pid, thread), 0);
  } catch {
    return Number.NaN;
  }
}

/** The first number of `schedstat` is the time on a processor in nanoseconds. A thread may have ended since it was listed. */
function threadSeconds(pid: number, thread: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return 0;
  }
}
