// What a running stack tells others on this machine: addresses and the local developer's credentials, in one file that only its owner reads.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface StackFile {
  /** Process that holds the stack. */
  pid: number;
  api: string;
  lake: { connectionString: string; container: string };
  token: { url: string; clientId: string; clientSecret: string; scope: string };
  /** Component name → image by digest. */
  images: Record<string, string>;
  /** Addresses of every part, also of those that are not printed at start. */
  urls: Record<string, string>;
}

export function stackFilePath(dataDir: string): string {
  return join(dataDir, 'stack.json');
}

export async function writeStackFile(dataDir: string, stack: StackFile): Promise<void> {
  const path = stackFilePath(dataDir);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, `${JSON.stringify(stack, null, 2)}\n`, { mode: 0o600 });
}

/** null when no stack runs from that folder (no file, or its process is gone). */
export async function readStackFile(dataDir: string): Promise<StackFile | null> {
  try {
    const stack = JSON.parse(await readFile(stackFilePath(dataDir), 'utf8')) as StackFile;
    process.kill(stack.pid, 0);
    return stack;
  } catch {
    return null;
  }
}

export async function removeStackFile(dataDir: string): Promise<void> {
  await rm(stackFilePath(dataDir), { force: true });
}
