// What KFP says of a run together with what Kubernetes says of its pods: a run that KFP calls RUNNING while its pod has no machine is pending.
// The run is the truth of the outcome; pods add places, times and reasons, and their absence never changes an outcome.
import type { JobState } from '../../contracts/training.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import { withoutSecrets } from './http.ts';
import type { PodOptions } from './platform.ts';
import { placementsOf, type PodPlace, silentSeconds, type StepPod, stepPods, withoutRuntimeClass } from './pods.ts';
import { jobState, rootFailure } from './translate.ts';
import type { Run } from './wire.ts';

export interface ObserveOptions {
  pods: PodOptions;
  silentAfterSeconds: number;
  /** Milliseconds since 1970. */
  now: () => number;
  /** The last thing that a failed step said. */
  lastWords: (step: string) => Promise<string | null>;
}

export async function observe(run: Run, place: PodPlace | null, options: ObserveOptions): Promise<JobState> {
  const state = jobState(run);
  const seen = place ? await withPods(run, state, place, options) : state;
  return seen.state === 'failed' ? withLastWords(run, seen, options) : seen;
}

async function withPods(run: Run, state: JobState, place: PodPlace, options: ObserveOptions): Promise<JobState> {
  try {
    const pods = await stepPods(place, run.run_id);
    const placements = await placementsOf(place, pods, options.pods);
    const seen = { ...merged(run, state, pods), ...(placements.length > 0 ? { placements } : {}) };
    const notes = [...withoutRuntimeClass(pods), ...(seen.state === 'running' ? await silences(place, pods, options) : [])];
    return notes.length > 0 ? { ...seen, reason: sentence(seen.reason, ...notes) } : seen;
  } catch (error) {
    if (!isOurs(error)) throw error;
    // The run is known, its pods are not: said, not hidden, and no reason to lose sight of the run.
    return { ...state, reason: sentence(state.reason, `its pods could not be read: ${error.message}`) };
  }
}

/** KFP's own message of a failed step is its exit code; what the step said tells more. */
async function withLastWords(run: Run, state: JobState, options: ObserveOptions): Promise<JobState> {
  const step = rootFailure(run);
  if (step === null) return state;
  try {
    const words = await options.lastWords(step);
    return words === null || (state.reason ?? '').includes(words)
      ? state
      : { ...state, reason: sentence(state.reason, `it said: ${words}`) };
  } catch (error) {
    if (!isOurs(error)) throw error;
    return { ...state, reason: sentence(state.reason, `its log could not be read: ${error.message}`) };
  }
}

function isOurs(error: unknown): error is TransientError | RejectedError {
  return error instanceof TransientError || error instanceof RejectedError;
}

function sentence(...parts: (string | null)[]): string {
  return parts.filter(Boolean).join('; ');
}

function merged(run: Run, state: JobState, pods: readonly StepPod[]): JobState {
  const troubles = pods
    .filter(({ problem }) => problem !== null)
    .map(({ step, problem }) => ({ step, words: `step ${step}: ${withoutSecrets(problem ?? '')}` }));
  const timed = { ...state, ...timesOf(run, state, pods) };
  switch (state.state) {
    case 'pending':
    case 'running': {
      // Without a pod nothing can be said against KFP's word; with pods, work has begun when a container has.
      const begun = pods.length === 0 ? state.state === 'running' : pods.some(({ startedAt }) => startedAt !== null);
      const waiting = pods.find(({ phase, problem }) => phase === 'Pending' && problem === null);
      const words = troubles.map((trouble) => trouble.words);
      if (!begun && words.length === 0 && waiting)
        words.push(`step ${waiting.step}: its pod is being started${waiting.node ? ` on ${waiting.node}` : ''}`);
      const reason = sentence(state.reason, ...words) || null;
      return { ...timed, state: begun ? 'running' : 'pending', reason };
    }
    case 'failed': {
      const root = rootFailure(run);
      const own = troubles.find(({ step }) => step === root) ?? (root === null ? troubles[0] : undefined);
      return own && !(state.reason ?? '').includes(own.words) ? { ...timed, reason: sentence(own.words, state.reason) } : timed;
    }
    default:
      return timed;
  }
}

/** Argo starts a task's clock when its pod is made; a container's own start says when waiting was over. */
function timesOf(run: Run, state: JobState, pods: readonly StepPod[]): Partial<JobState> {
  const starts = pods.map(({ startedAt }) => startedAt).filter((time) => time !== null);
  const created = Date.parse(run.created_at ?? '');
  if (starts.length === 0) return pods.length > 0 ? { queuedSeconds: null } : {};
  const queued = Number.isFinite(created) ? Math.max(0, (Math.min(...starts) - created) / 1000) : null;
  if (queued === null || state.queuedSeconds === null || queued <= state.queuedSeconds) return {};
  const moved = queued - state.queuedSeconds;
  return { queuedSeconds: queued, executionSeconds: state.executionSeconds === null ? null : Math.max(0, state.executionSeconds - moved) };
}

async function silences(place: PodPlace, pods: readonly StepPod[], options: ObserveOptions): Promise<string[]> {
  const words: string[] = [];
  for (const pod of pods) {
    const ran = pod.startedAt === null || pod.endedAt !== null ? 0 : (options.now() - pod.startedAt) / 1000;
    if (pod.phase !== 'Running' || ran < options.silentAfterSeconds) continue;
    const silent = await silentSeconds(place, pod, options.now());
    if (silent !== null && silent >= options.silentAfterSeconds) {
      words.push(
        `step ${pod.step} has said nothing for ${Math.floor(silent / 60)} min; its pod ${pod.pod} is Running on ${pod.node ?? 'no node'}`,
      );
    }
  }
  return words;
}
