// This machine as a training backend keeps the port's contract: real processes, real folders, real files over signed URLs.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { createLocalBackend } from '../../../../shared/adapters/local/backend.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { trainingBackendSuite } from '../../../contracts/training-backend.suite.ts';

const exists = (path: string): Promise<boolean> =>
  readFile(path).then(
    () => true,
    () => false,
  );

describe('local', () => {
  trainingBackendSuite(
    async () => {
      const root = await mkdtemp(join(tmpdir(), 'sluice-local-'));
      const store = createMemoryStore();
      const make = () =>
        createLocalBackend({
          root,
          components: { 'registry.test/step': { folder: root } },
          programs: { node: process.execPath, python3: '/usr/bin/python3' },
          now: Date.now,
          graceMs: 200,
          tickMs: 20,
        });
      const [backend, other] = [make(), make()];
      return {
        backend,
        other,
        store,
        jobsNamed: async (name) => ((await exists(join(root, name, 'job.json'))) ? [name] : []),
        tick: () => new Promise((resolve) => setTimeout(resolve, 20)),
        vanish: async (jobId) => {
          const [pid = ''] = (await readFile(join(root, jobId, 'steps', 'dig', 'pid'), 'utf8')).split(' ');
          process.kill(-Number(pid), 'SIGKILL');
        },
        close: async () => {
          for (const name of ['train-c-1', 'train-a-1', 'train-a-2']) await backend.cancel(name, 'the test is over');
          await Promise.all([backend.close(), other.close(), store.close()]);
          await endGroupsBelow(root);
          await rm(root, { recursive: true, force: true });
        },
      };
    },
    { files: true, vanish: true },
  );
});

/** Processes that a test left at work. */
async function endGroupsBelow(root: string): Promise<void> {
  const { readdir } = await import('node:fs/promises');
  for (const name of await readdir(root)) {
    for (const step of await readdir(join(root, name, 'steps')).catch(() => [])) {
      const text = await readFile(join(root, name, 'steps', step, 'pid'), 'utf8').catch(() => '');
      const pid = Number(text.split(' ')[0]);
      if (pid > 1 && !(await exists(join(root, name, 'steps', step, 'exit')))) {
        try {
          process.kill(-pid, 'SIGKILL');
        } catch {
          // It had ended by itself.
        }
      }
    }
  }
}
