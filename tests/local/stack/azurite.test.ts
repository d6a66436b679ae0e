// Azurite as a part of the stack: whoever started it may be killed without a word, and it does not stay behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test, vi } from 'vitest';
import { freePort } from '../../support/azurite.ts';

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('ends when its parent was killed', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-azurite-'));
  const ports = { blob: await freePort(), queue: await freePort(), table: await freePort() };
  const program = `const { startAzurite } = await import('./local/stack/azurite.ts');
    const child = await startAzurite(${JSON.stringify({ dataDir, ports, logFd: 2 })});
    console.log(child.pid);`;
  const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
    const azurite = Number(line);
    expect(lives(azurite)).toBe(true);

    parent.kill('SIGKILL');

    await vi.waitUntil(() => !lives(azurite), { timeout: 15_000, interval: 50 });
  } finally {
    parent.kill('SIGKILL');
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
});
