// This machine as a training backend keeps the port's contract: real processes, real folders, real files over signed URLs.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { createLocalBackend } from '../../../../shared/adapters/local/backend.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { isTerminal } from '../../../../shared/contracts/training.ts';
import { trainingBackendSuite } from '../../../contracts/training-backend.suite.ts';

const exists = (path: string): Promise<boolean> =>
  readFile(path).then(
    () => true,
    () => false,
  );

describe('local', () => {
  trainingBackendSuite(async () => {
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
        // What a test left at work must not write into a folder that is being removed.
        for (const { name } of await readdir(root, { withFileTypes: true })) {
          await backend.cancel(name, 'the test is over');
          while (!isTerminal((await backend.get(name)).state)) await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await Promise.all([backend.close(), other.close(), store.close()]);
        await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
      },
    };
  });
});
