// The command line as a process of its own, as a person or a script runs it: nothing of the test's terminal reaches it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ROOT } from './test-stack.ts';

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

const LIMIT_MS = 170_000;

/** Runs `sluice` with these words to its end. */
export async function sluice(words: readonly string[], environment: NodeJS.ProcessEnv = process.env): Promise<Ran> {
  const child = spawn(process.execPath, ['cli/sluice.js', ...words], { cwd: ROOT, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(limit);
  return { code, ...text };
}

/** The one JSON line that `--json` leaves on stdout. */
export function jsonOf(ran: Ran): unknown {
  const lines = ran.stdout.split('\n');
  if (lines.length !== 2 || lines[1] !== '')
    throw new Error(`not one line on stdout: ${ran.stdout.slice(0, 2000)}\n${ran.stderr.slice(-2000)}`);
  return JSON.parse(lines[0] ?? '');
}
