// Killing the host at every write of its journal: restarted, the story ends the same, and nothing recorded as done runs again.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectedOutput } from './crash/story.ts';

let work: string;
let program: string;

beforeAll(async () => {
  work = mkdtempSync(join(fileURLToPath(new URL('../../../../node_modules/.cache-', import.meta.url)).replace(/\.cache-$/, ''), '.crash-'));
  program = join(work, 'story.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('./crash/story-process.ts', import.meta.url))],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['durable-functions', '@azure/functions', '@azure/functions-core'],
  });
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

interface Run {
  signal: NodeJS.Signals | null;
  code: number | null;
  output: string;
}

function run(dir: string, log: string, write: number, moment: string): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, dir, log, String(write), moment], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}

interface Ending {
  status: string;
  output: unknown;
  writes: number;
  history: { EventType: string }[];
}

const ending = (one: Run): Ending => {
  const line = one.output.trim().split('\n').at(-1) ?? '';
  if (one.code !== 0) throw new Error(`the story ended with code ${one.code} ${one.signal ?? ''}: ${one.output}`);
  return JSON.parse(line) as Ending;
};

/** Labels that ran again after the journal held them as done. */
function repeated(log: string): string[] {
  const recorded = new Set<string>();
  const again: string[] = [];
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    const [what, label = ''] = line.split(' ');
    if (what === 'recorded') recorded.add(label);
    if (what === 'run' && recorded.has(label)) again.push(label);
  }
  return again;
}

async function killedAt(write: number, moment: string): Promise<{ killed: boolean; problem?: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'crash-'));
  const dir = join(folder, 'data');
  const log = join(folder, 'log');
  try {
    const first = await run(dir, log, write, moment);
    const killed = first.signal === 'SIGKILL';
    const last = ending(killed ? await run(dir, log, 0, '') : first);
    const where = `write ${write} (${moment})`;
    if (JSON.stringify(sorted(last.output)) !== JSON.stringify(sorted(expectedOutput)))
      return { killed, problem: `${where}: ended with ${JSON.stringify(last.output)}` };
    // One completion per call: no step of the orchestrator was taken twice.
    const completed = last.history.filter((event) => event.EventType === 'TaskCompleted').length;
    if (completed !== 4) return { killed, problem: `${where}: ${completed} completions in the last execution instead of 4` };
    const again = repeated(log);
    if (again.length > 0) return { killed, problem: `${where}: ran again though recorded: ${again.join(', ')}` };
    return { killed };
  } catch (error) {
    return { killed: true, problem: `write ${write} (${moment}): ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort()) : value;

describe('a host that is killed', () => {
  test('ends the story without a kill', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'crash-'));
    const last = ending(await run(join(folder, 'data'), join(folder, 'log'), 0, ''));
    rmSync(folder, { recursive: true, force: true });

    expect(last.output).toEqual(expectedOutput);
    expect(last.writes).toBeGreaterThan(20);
  }, 30_000);

  test('ends the story the same after a kill at any write', { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'crash-'));
    const { writes } = ending(await run(join(folder, 'data'), join(folder, 'log'), 0, ''));
    rmSync(folder, { recursive: true, force: true });
    const problems: string[] = [];
    const moments = ['half', 'synced', 'before', 'written'];
    let next = 1;
    let kills = 0;
    const worker = async (): Promise<void> => {
      // Writes that come together are one: a run may need fewer of them than another, and then ends without its kill.
      while (next <= writes) {
        const write = next++;
        const { killed, problem } = await killedAt(write, moments[write % moments.length] ?? 'half');
        if (problem !== undefined) problems.push(problem);
        if (killed) kills += 1;
      }
    };
    await Promise.all([worker(), worker(), worker()]);

    expect(problems).toEqual([]);
    expect(kills).toBeGreaterThan(10);
  });
});
