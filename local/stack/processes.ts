// The stack's own processes: started with a log file each, ready when they say so on one JSON line, stopped together.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Started<Ready> {
  child: ChildProcess;
  ready: Ready;
}

/** A process of the stack ended or stayed silent; the message carries the end of its log. */
export class ProcessFailedError extends Error {
  override readonly name = 'ProcessFailedError';
  constructor(
    message: string,
    readonly exitCode: number | null,
  ) {
    super(message);
  }
}

/** Starts a program; its stderr goes to the log, its first stdout line is the JSON that says it is ready. stdin stays open: closing it ends the child. */
export async function startProcess<Ready>(options: {
  name: string;
  args: readonly string[];
  environment: NodeJS.ProcessEnv;
  logFile: string;
  timeoutMs: number;
  input?: string;
}): Promise<Started<Ready>> {
  const log = openSync(options.logFile, 'a');
  const child = spawn(process.execPath, [...options.args], { stdio: ['pipe', 'pipe', log], env: options.environment });
  closeSync(log);
  if (options.input !== undefined) child.stdin?.write(options.input);
  try {
    return { child, ready: await firstLine<Ready>(child, options) };
  } catch (error) {
    await stopProcess(child, 2_000);
    throw error;
  }
}

function firstLine<Ready>(child: ChildProcess, options: { name: string; logFile: string; timeoutMs: number }): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const fail = (what: string): void =>
      reject(new ProcessFailedError(`${options.name} ${what}\n${endOfLog(options.logFile)}`, child.exitCode));
    const timer = setTimeout(() => fail(`was not ready within ${options.timeoutMs / 1000} s`), options.timeoutMs);
    child.once('exit', (code) => {
      clearTimeout(timer);
      fail(`ended with code ${code} before it was ready`);
    });
    if (!child.stdout) return;
    createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(line) as Ready);
      } catch {
        fail(`said something else than that it is ready: ${line.slice(0, 200)}`);
      }
    });
  });
}

/** SIGTERM, and after the grace SIGKILL. Resolves when the process is gone. */
export async function stopProcess(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await gone;
  clearTimeout(timer);
}

function endOfLog(file: string): string {
  try {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    return lines
      .slice(-12)
      .map((line) => `    ${line}`)
      .join('\n');
  } catch {
    return '';
  }
}
