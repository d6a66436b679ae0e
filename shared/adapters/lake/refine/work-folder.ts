// A private folder per piece of work below the configured one, removed at its end; folders of processes that are gone are swept.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const NAME = /^refine-(\d+)-/;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Removes what crashed processes left behind. */
export async function sweep(workDir: string): Promise<void> {
  await mkdir(workDir, { recursive: true, mode: 0o700 });
  for (const name of await readdir(workDir)) {
    const owner = NAME.exec(name);
    if (owner && !isAlive(Number(owner[1]))) await rm(join(workDir, name), { recursive: true, force: true });
  }
}

/** Runs `work` with a folder of its own. */
export async function withFolder<T>(workDir: string, work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(resolve(workDir), `refine-${process.pid}-`));
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
