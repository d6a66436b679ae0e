// The memory backend behaves as every backend must; its clock is moved by hand.
import { describe, expect, it } from 'vitest';
import { createMemoryTrainingBackend, type MemoryOutcome } from '../../../../shared/adapters/memory/training-backend.ts';
import type { JobSpec } from '../../../../shared/contracts/training.ts';
import { passingJob, trainingBackendSuite } from '../../../contracts/training-backend.suite.ts';

const OUTCOMES: Record<string, (job: JobSpec) => MemoryOutcome> = {
  passing: (job) => ({ state: 'succeeded', logs: [{ step: 'shout', text: `${String(job.parameters['greeting']).toUpperCase()}\n` }] }),
  failing: () => ({ state: 'failed', reason: 'step break: exit code 3' }),
  endless: () => ({ state: 'never' }),
};

describe('memory', () => {
  trainingBackendSuite(async () => {
    let now = Date.parse('2026-11-22T10:00:00Z');
    const backend = createMemoryTrainingBackend({ now: () => now, outcome: (job) => OUTCOMES[job.graph]?.(job) ?? { state: 'succeeded' } });
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
      close: async () => undefined,
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
