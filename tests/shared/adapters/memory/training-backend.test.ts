// The memory backend behaves as every backend must; its clock is moved by hand.
import { describe, expect, it } from 'vitest';
import { createMemoryTrainingBackend, type MemoryOutcome } from '../../../../shared/adapters/memory/training-backend.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import type { JobSpec } from '../../../../shared/contracts/training.ts';
import { passingJob, trainingBackendSuite } from '../../../contracts/training-backend.suite.ts';

/** What the suite's step leaves. */
const LEFT = { 'carry/model.txt': 'ROWS OF GOLD', 'carry/report.json': '{"rows":"rows of gold"}' };

const OUTCOMES: Record<string, (job: JobSpec) => MemoryOutcome> = {
  passing: (job) => ({ state: 'succeeded', logs: [{ step: 'shout', text: `${String(job.parameters['greeting']).toUpperCase()}\n` }] }),
  failing: () => ({ state: 'failed', reason: 'step break: exit code 3' }),
  endless: () => ({ state: 'never' }),
  branching: () => ({ state: 'succeeded', logs: [{ step: 'join', text: 'seed left and seed right\n' }] }),
  carrying: () => ({ state: 'succeeded', files: LEFT }),
  'carrying-badly': () => ({ state: 'failed', reason: 'step carry: exit code 1', files: LEFT }),
};

describe('memory', () => {
  trainingBackendSuite(async () => {
    let now = Date.parse('2026-11-22T10:00:00Z');
    const store = createMemoryStore(() => now);
    const backend = createMemoryTrainingBackend({
      now: () => now,
      outcome: (job) => OUTCOMES[job.graph]?.(job) ?? { state: 'succeeded' },
    });
    return {
      backend,
      other: backend,
      jobsNamed: async (name) =>
        backend
          .jobs()
          .filter((job) => job.name === name)
          .map((job) => job.jobId),
      tick: async () => {
        now += 500;
      },
      store,
      vanish: async (jobId) => backend.forget(jobId),
      close: () => store.close(),
    };
  });

  it('goes by its clock and nothing else', async () => {
    let now = 0;
    const backend = createMemoryTrainingBackend({ now: () => now, pendingSeconds: 10, workingSeconds: 60 });
    const { jobId } = await backend.submit(passingJob('train-a-1'));
    const at = async (seconds: number) => {
      now = seconds * 1000;
      return (await backend.get(jobId)).state;
    };

    expect([await at(9.9), await at(10), await at(69.9), await at(70)]).toEqual(['pending', 'running', 'running', 'succeeded']);
    await expect(backend.get(jobId)).resolves.toMatchObject({ queuedSeconds: 10, executionSeconds: 60 });
  });
});
