// Port TrainingBackend in memory: jobs that wait, work and end by the clock they are given, with an outcome that is given too.
// For tests and dry runs; deterministic, nothing is executed.
import type { BackendName } from '../../contracts/pipeline/train.ts';
import type { JobSpec, JobState } from '../../contracts/training.ts';
import { isTerminal } from '../../contracts/training.ts';
import { graphDigest } from '../../decisions/job-graph.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { Availability, TrainingBackend } from '../../ports/training-backend.ts';

/** How a job ends when nobody cancels it; `never` = it works until it is cancelled. */
export interface MemoryOutcome {
  state: 'succeeded' | 'failed' | 'never';
  reason?: string;
  logs?: { step: string; text: string }[];
  /** Contents of exported files, by `<step>/<file>`; one that is not named here was not left by its step. */
  files?: Record<string, string>;
}

export interface MemoryTrainingOptions {
  /** Default: kubeflow. */
  name?: BackendName;
  /** What it answers when it is asked whether it can take a job. Default: it can. */
  check?: (job: Parameters<TrainingBackend['check']>[0]) => Availability;
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
  /** A job is gone, as when somebody deletes it in the service's own pages. */
  forget(jobId: string): void;
}

interface Job {
  spec: JobSpec;
  graph: string;
  createdAt: number;
  cancelled: { at: number; reason: string } | null;
  left: boolean;
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

  /** Puts the files of an ended job to their URLs, once; of a failed one only what is optional. */
  async function leave(job: Job, state: 'succeeded' | 'failed'): Promise<void> {
    if (job.left) return;
    job.left = true;
    const { files } = outcomeOf(job.spec);
    if (!files) return;
    for (const { step, file, url, optional } of job.spec.exports) {
      const content = files[`${step}/${file}`];
      if (content === undefined || (state === 'failed' && !optional)) continue;
      await fetch(url, { method: 'PUT', body: content, headers: { 'x-ms-blob-type': 'BlockBlob' }, signal: AbortSignal.timeout(10_000) });
    }
  }

  return {
    name: options.name ?? 'kubeflow',
    async submit(spec) {
      const jobId = idOf(spec.name);
      const graph = graphDigest(spec);
      const existing = jobs.get(jobId);
      if (existing && existing.graph !== graph) {
        throw new RejectedError(
          'job-conflict',
          `A job "${spec.name}" of another graph is there already; start a new attempt under a new name.`,
        );
      }
      if (existing) return { jobId, adopted: true };
      jobs.set(jobId, { spec: structuredClone(spec), graph, createdAt: options.now(), cancelled: null, left: false });
      return { jobId, adopted: false };
    },
    async get(jobId) {
      const job = jobs.get(jobId);
      if (!job) return { state: 'absent', reason: `there is no job ${jobId}`, queuedSeconds: null, executionSeconds: null };
      const state = stateAt(job, options.now());
      if (state.state === 'succeeded' || state.state === 'failed') await leave(job, state.state);
      return state;
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
    check: async (job) => options.check?.(job) ?? { available: true },
    forget: (jobId) => void jobs.delete(jobId),
    jobs: () => [...jobs].map(([jobId, { spec }]) => ({ jobId, name: spec.name })),
  };
}

function tail(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, 'utf8');
  let start = Math.max(0, bytes.byteLength - maxBytes);
  while (start < bytes.byteLength && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start).toString('utf8');
}
