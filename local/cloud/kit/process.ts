// Child processes that stand for jobs and servers: own process group, log file, health check, and no orphan, even after kill -9 of the parent.
// A small POSIX shell guard holds the other end of a pipe: when the parent is gone the pipe ends and the guard kills the group.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';

/** What to run. */
export interface ProcessOptions {
  /** Program and arguments; no shell reads them. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment of the child (nothing is inherited). */
  readonly env: Readonly<Record<string, string>>;
  /** Standard output and error are appended here. */
  readonly logFile: string;
}

/** How a process ended: a code, or the signal that killed it. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Set when the program could not be started at all. */
  readonly error?: string;
}

/** A running (or ended) process with its whole group. */
export interface ManagedProcess {
  readonly pid: number | undefined;
  /** Resolves when the program has ended and its group is gone; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** The end, when it has come. */
  end(): ProcessEnd | undefined;
  /** SIGTERM to the group, SIGKILL after `graceMs` (default 5000); resolves when the group is gone. */
  stop(graceMs?: number): Promise<ProcessEnd>;
}

// Reads from descriptor 3 until the parent's end closes; then nothing of the group may remain. It outlives SIGTERM so that it can still do so.
const GUARD = '{ trap "" TERM INT HUP; read -r _; kill -KILL 0; } <&3 >/dev/null 2>&1 & exec 3<&-; exec "$@"';

/** Starts a process. A program that does not exist ends at once with code 127 and the shell's message in the log. */
export function startProcess(options: ProcessOptions): ManagedProcess {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn('/bin/sh', ['-c', GUARD, 'sh', ...options.command], {
      cwd: options.cwd,
      env: { ...options.env },
      detached: true,
      stdio: ['ignore', log, log, 'pipe'],
    });
  } finally {
    closeSync(log);
  }
  const leash = child.stdio[3] as Duplex | null | undefined;
  leash?.on('error', () => undefined); // the guard may be gone first
  let end: ProcessEnd | undefined;
  const ended = new Promise<ProcessEnd>((resolve) => {
    const finish = (result: ProcessEnd) => {
      end ??= result;
      leash?.destroy(); // the guard kills what the program has left behind
      resolve(end);
    };
    child.once('exit', (code, signal) => {
      finish({ code, signal });
    });
    child.once('error', (error) => {
      finish({ code: null, signal: null, error: `${options.command[0]} in ${options.cwd}: ${error.message}` });
    });
  });
  return {
    pid: child.pid,
    ended,
    end: () => end,
    async stop(graceMs = 5_000) {
      if (end) return end;
      signalGroup(child.pid, 'SIGTERM');
      const timer = setTimeout(() => {
        signalGroup(child.pid, 'SIGKILL');
      }, graceMs);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** What `waitForHttp` waits for. */
export interface HealthOptions {
  readonly url: string;
  /** How long to try in all, milliseconds of the machine. */
  readonly timeoutMs: number;
  /** Limit of one attempt (default 2000 ms). */
  readonly attemptMs?: number;
  /** Ends the wait early, e.g. the process whose health is asked. */
  readonly process?: ManagedProcess;
  readonly signal?: AbortSignal;
}

/** Resolves to undefined as soon as the address answers 200, else to the reason in words. */
export async function waitForHttp(options: HealthOptions): Promise<string | undefined> {
  const deadline = performance.now() + options.timeoutMs;
  let last = 'no answer yet';
  do {
    const end = options.process?.end();
    if (end) return end.error ?? `the process ended with ${end.signal ? `signal ${end.signal}` : `code ${end.code ?? 'unknown'}`}`;
    if (options.signal?.aborted) return 'cancelled';
    try {
      const response = await fetch(options.url, { signal: AbortSignal.timeout(options.attemptMs ?? 2_000), redirect: 'manual' });
      await response.body?.cancel();
      if (response.status === 200) return undefined;
      last = `answered ${response.status}`;
    } catch (error) {
      last = error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while (performance.now() < deadline);
  return `not healthy after ${options.timeoutMs} ms (${last})`;
}

/** A port of loopback that is free now; the caller must take it soon. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        if (typeof address === 'object' && address) resolve(address.port);
        else reject(new Error('The system gave no port.'));
      });
    });
  });
}
