// Port TrainingBackend in memory: jobs that wait, work and end by the clock they are given, with an outcome that is given too.
// For tests and dry runs; deterministic, nothing is executed.
import type { JobSpec, JobState } from '../../contracts/training.ts';
import { isTerminal } from '../../contracts/training.ts';
import { digestOf } from '../../decisions/digest.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { TrainingBackend } from '../../ports/training-backend.ts';

/** How a job ends when nobody cancels it; `never` = it works until it is cancelled. */
export interface MemoryOutcome {
  state: 'succeeded' | 'failed' | 'never';
  reason?: string;
  logs?: { step: string; text: string }[];
}

export interface MemoryTrainingOptions {
  /** Milliseconds since 1970. */
  now: () => number;
  /** Default: every job succeeds and logs nothing. */
  outcome?: (job: JobSpec) => MemoryOutcome;
  /** Seconds in the queue and at work (default 1 and 2). */
  pendingSeconds?: number;
  workingSeconds?: number;
}

/** The backend, and what a test may ask of it. */
export interface MemoryTrainingBackend extends TrainingBackend {
  /** The jobs that exist, oldest first. */
  jobs(): { jobId: string; name: string }[];
}

interface Job {
  spec: JobSpec;
  graph: string;
  createdAt: number;
  cancelled: { at: number; reason: string } | null;
}

export function createMemoryTrainingBackend(options: MemoryTrainingOptions): MemoryTrainingBackend {
  const jobs = new Map<string, Job>();
  const pending = options.pendingSeconds ?? 1;
  const working = options.workingSeconds ?? 2;
  const outcomeOf = options.outcome ?? ((): MemoryOutcome => ({ state: 'succeeded' }));
  const idOf = (name: string) => `memory/${name}`;
  const ageOf = (job: Job, at: number) => (at - job.createdAt) / 1000;

  function stateAt(job: Job, now: number): JobState {
    const cancelled = job.cancelled;
    const age = ageOf(job, cancelled ? Math.min(cancelled.at, now) : now);
    const queuedSeconds = age < pending ? null : pending;
    if (cancelled) {
      return {
        state: 'cancelled',
        reason: cancelled.reason,
        queuedSeconds,
        executionSeconds: queuedSeconds === null ? null : age - pending,
      };
    }
    if (age < pending) return { state: 'pending', reason: null, queuedSeconds, executionSeconds: null };
    const outcome = outcomeOf(job.spec);
    if (outcome.state === 'never' || age < pending + working)
      return { state: 'running', reason: null, queuedSeconds, executionSeconds: null };
    return { state: outcome.state, reason: outcome.reason ?? null, queuedSeconds, executionSeconds: working };
  }

  return {
    name: 'kubeflow',
    async submit(spec) {
      const jobId = idOf(spec.name);
      const graph = digestOf({ graph: spec.graph, steps: spec.steps, types: typesOf(spec.parameters) });
      const existing = jobs.get(jobId);
      if (existing && existing.graph !== graph) {
        throw new RejectedError(
          'job-conflict',
          `A job "${spec.name}" of another graph is there already; start a new attempt under a new name.`,
        );
      }
      if (existing) return { jobId, adopted: true };
      jobs.set(jobId, { spec: structuredClone(spec), graph, createdAt: options.now(), cancelled: null });
      return { jobId, adopted: false };
    },
    async get(jobId) {
      const job = jobs.get(jobId);
      if (!job) return { state: 'absent', reason: `there is no job ${jobId}`, queuedSeconds: null, executionSeconds: null };
      return stateAt(job, options.now());
    },
    async cancel(jobId, reason) {
      const job = jobs.get(jobId);
      if (job && !isTerminal(stateAt(job, options.now()).state)) job.cancelled = { at: options.now(), reason };
    },
    async logs(jobId, maxBytes) {
      const job = jobs.get(jobId);
      if (!job || ageOf(job, options.now()) < pending) return [];
      return (outcomeOf(job.spec).logs ?? []).map(({ step, text }) => ({ step, text: tail(text, maxBytes) }));
    },
    probe: async () => ({ version: 'memory' }),
    jobs: () => [...jobs].map(([jobId, { spec }]) => ({ jobId, name: spec.name })),
  };
}

/** Values are not part of a graph, their types are. */
function typesOf(parameters: JobSpec['parameters']): Record<string, string> {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, typeof value]));
}

function tail(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, 'utf8');
  let start = Math.max(0, bytes.byteLength - maxBytes);
  while (start < bytes.byteLength && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start).toString('utf8');
}
