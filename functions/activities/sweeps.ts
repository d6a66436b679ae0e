// Steps of searches: the backend's own where it has one, and the end of trials that a person does not want any more.
import type { z } from 'zod';
import { cancelTrials, checkSearch, readTrials, submitSearch } from '../../shared/contracts/activities/training.ts';
import type { BackendName } from '../../shared/contracts/pipeline/train.ts';
import type { JobSpec, JobState } from '../../shared/contracts/training.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import { overridden, stepsOf } from '../../shared/decisions/train-spec.ts';
import type { PipelineRegistry, RunStore } from '../../shared/ports/stores.ts';
import type { SweepBackend, SweepSpec, SweepState } from '../../shared/ports/sweep-backend.ts';
import type { TrainingBackend } from '../../shared/ports/training-backend.ts';
import { pipelineVersion } from './data.ts';
import { perform, type Activity } from './kit.ts';

export interface SweepPorts {
  pipelines: PipelineRegistry;
  runs: RunStore;
  /** Backends that search by themselves. */
  sweeps?: Readonly<Partial<Record<BackendName, SweepBackend>>>;
}

export interface SweepParts {
  /** The training's job under the search's own name. */
  jobOf: (asked: z.output<typeof submitSearch.input>) => Promise<JobSpec>;
  backendOf: (name: string) => TrainingBackend;
}

export function sweepActivities(ports: SweepPorts, { jobOf, backendOf }: SweepParts): Activity[] {
  return [
    perform(checkSearch, async ({ backend, pipeline, contractDigest, overrides }) => {
      const { spec } = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      return { own: ports.sweeps?.[backend] !== undefined && stepsOf(overridden(spec.train, overrides)).length === 1 };
    }),

    perform(submitSearch, async (asked) => {
      const own = ports.sweeps?.[asked.backend];
      if (!own) return { job: null };
      const job = await jobOf(asked);
      if (job.steps.length !== 1) return { job: null };
      const { space, objective, trials, parallel, seed } = asked;
      const submitted = await own.submit({ job, space, objective, trials, parallel, seed });
      return { job: { ...submitted, jobName: job.name } };
    }),

    perform(readTrials, async ({ backend, jobId, objective }) => {
      const { trials } = await searchOf(ports, backend).get(jobId, objective);
      const ended = (state: SweepState['trials'][number]['state']): 'succeeded' | 'failed' | 'cancelled' =>
        state === 'succeeded' || state === 'failed' ? state : 'cancelled';
      return { trials: trials.map((trial) => ({ ...trial, state: ended(trial.state) })) };
    }),

    perform(cancelTrials, async ({ backend, pipeline, runId, jobNames, reason }) => {
      const run = await ports.runs.get(pipeline, runId);
      const jobs = (run?.jobs ?? []).filter(({ jobName, stage }) => stage === 'trial' && jobNames.includes(jobName));
      await Promise.all(jobs.map(({ jobId }) => backendOf(backend).cancel(jobId, reason)));
      return { asked: jobs.length };
    }),
  ];
}

/** A search as a job that is waited for like any other. */
export async function searchState(
  ports: SweepPorts,
  backend: BackendName,
  jobId: string,
  objective: SweepSpec['objective'],
): Promise<JobState> {
  const { state, reason, trials } = await searchOf(ports, backend).get(jobId, objective);
  const times = { queuedSeconds: null, executionSeconds: null };
  // A search "runs" while its trials wait for machines: that is waiting, and costs nothing.
  const waits = state === 'running' && !trials.some((trial) => trial.state !== 'pending');
  return waits ? { state: 'pending', reason: reason ?? 'its trials wait for machines', ...times } : { state, reason, ...times };
}

export function searchOf(ports: SweepPorts, backend: BackendName): SweepBackend {
  const own = ports.sweeps?.[backend];
  if (own) return own;
  throw new RejectedError('backend-unknown', `This deployment has no searches on "${backend}"; its settings are missing`);
}
