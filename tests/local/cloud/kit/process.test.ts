// Child processes of the stand-ins: they start, are watched, are stopped with all they have started, and never outlive their parent.
// Everything is observed from outside (signal 0, exit codes), never by time.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort, type ManagedProcess, startProcess, waitForHttp } from '../../../../local/cloud/kit/process.ts';

let folder: string;
const started: ManagedProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'process-'));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((process) => process.stop(100)));
  rmSync(folder, { recursive: true, force: true });
});

function start(script: string, env: Record<string, string> = {}): ManagedProcess {
  const child = startProcess({
    command: [process.execPath, '-e', script],
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    logFile: join(folder, 'log.txt'),
  });
  started.push(child);
  return child;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (condition()) return;
    await new Promise((wait) => setTimeout(wait, 25));
  }
  throw new Error(`${what} did not happen`);
}

const read = (name: string) => {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch {
    return '';
  }
};

it('reports the exit code and keeps the output', async () => {
  const child = start('console.log("working in", process.cwd()); console.error("to stderr"); process.exit(3)');

  expect(await child.ended).toEqual({ code: 3, signal: null });
  expect(read('log.txt')).toMatch(/working in .*process-[^]*to stderr/);
});

it('gives the child only the environment that was asked for', async () => {
  process.env['SECRET_OF_THE_PARENT'] = 'x';
  const child = start('console.log(JSON.stringify([process.env.SECRET_OF_THE_PARENT ?? "none", process.env.GIVEN]))', { GIVEN: 'yes' });
  await child.ended;
  delete process.env['SECRET_OF_THE_PARENT'];

  expect(read('log.txt')).toContain('["none","yes"]');
});

it('says so when the program does not exist', async () => {
  const child = startProcess({ command: ['/no/such/program'], cwd: folder, env: {}, logFile: join(folder, 'log.txt') });

  expect((await child.ended).code).toBe(127);
  expect(read('log.txt')).toContain('/no/such/program');
});

it('says so when the folder does not exist', async () => {
  const child = startProcess({ command: ['/bin/true'], cwd: join(folder, 'gone'), env: {}, logFile: join(folder, 'log.txt') });

  expect((await child.ended).error).toContain('gone');
});

it('waits for health and then finds it', async () => {
  const port = await freePort();
  const child = start(
    `let n = 0; require('http').createServer((q, s) => s.writeHead(++n < 3 ? 503 : 200).end()).listen(${port}, '127.0.0.1')`,
  );

  expect(await waitForHttp({ url: `http://127.0.0.1:${port}/ping`, timeoutMs: 20_000, process: child })).toBeUndefined();
});

it('stops waiting for health when the process has ended, and says how', async () => {
  const child = start('process.exit(4)');
  const url = `http://127.0.0.1:${await freePort()}/ping`;

  expect(await waitForHttp({ url, timeoutMs: 60_000, process: child })).toBe('the process ended with code 4');
});

it('kills a program that ignores SIGTERM, and what it has started', async () => {
  const child = start(`
    process.on('SIGTERM', () => console.log('not now'));
    const grand = require('child_process').spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)']);
    require('fs').writeFileSync('grand', String(grand.pid)); setInterval(() => {}, 1000);`);
  await until(() => read('grand') !== '', 'the grandchild starting');
  const grand = Number(read('grand'));

  const end = await child.stop(200);

  expect(end.signal).toBe('SIGKILL');
  await until(() => !alive(grand), 'the end of the grandchild');
});

it('lets a program finish in its own way on SIGTERM, then removes what it left behind', async () => {
  const child = start(`
    const grand = require('child_process').spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)']);
    process.on('SIGTERM', () => process.exit(0));
    require('fs').writeFileSync('grand', String(grand.pid)); setInterval(() => {}, 1000);`);
  await until(() => read('grand') !== '', 'the grandchild starting');

  const end = await child.stop(20_000);

  expect(end).toEqual({ code: 0, signal: null });
  await until(() => !alive(Number(read('grand'))), 'the end of the grandchild');
});

it('leaves nothing behind when the parent is killed with SIGKILL', async () => {
  const kit = resolve('local/cloud/kit/process.ts');
  const parentFile = join(folder, 'parent.mts');
  writeFileSync(
    parentFile,
    `import { startProcess } from ${JSON.stringify(kit)};
     const child = startProcess({ command: [process.execPath, '-e', 'setInterval(() => {}, 1000)'], cwd: ${JSON.stringify(folder)}, env: {}, logFile: ${JSON.stringify(join(folder, 'child.log'))} });
     (await import('node:fs')).writeFileSync(${JSON.stringify(join(folder, 'child'))}, String(child.pid));`,
  );
  const parent = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), parentFile], { stdio: 'inherit' });
  await until(() => read('child') !== '', 'the child starting');
  const child = Number(read('child'));
  expect(alive(child)).toBe(true);

  parent.kill('SIGKILL');

  await until(() => !alive(child), 'the end of the child');
});
