// Port DataPipelines in memory: runs that take a given time and come to a given end, under the rules of the port.
import type { JobState } from '../../contracts/training.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { DataPipelines } from '../../ports/data-pipelines.ts';

/** How a pipeline behaves: it works for so many seconds, then ends. */
export interface MemoryPipeline {
  seconds: number;
  state?: 'succeeded' | 'failed';
  reason?: string;
  /** What it does at its end, such as writing a file. */
  work?: (parameters: Readonly<Record<string, string>>) => void;
}

export interface MemoryDataPipelines extends DataPipelines {
  /** Runs that were started, oldest first. */
  readonly started: readonly { pipeline: string; runKey: string; parameters: Readonly<Record<string, string>> }[];
}

interface Run {
  runKey: string;
  startedAt: number;
  pipeline: MemoryPipeline;
  parameters: Readonly<Record<string, string>>;
  cancelledAt: number | null;
  worked: boolean;
}

export function createMemoryDataPipelines(pipelines: Readonly<Record<string, MemoryPipeline>>, now: () => number): MemoryDataPipelines {
  const runs = new Map<string, Run>();
  const started: { pipeline: string; runKey: string; parameters: Readonly<Record<string, string>> }[] = [];

  return {
    started,
    async start({ pipeline, runKey, parameters }) {
      const known = [...runs].find(([, run]) => run.runKey === runKey && run.cancelledAt === null);
      if (known) return { jobId: known[0], adopted: true };
      const definition = Object.hasOwn(pipelines, pipeline) ? pipelines[pipeline] : undefined;
      if (!definition) throw new RejectedError('pipeline-run-refused', `There is no data pipeline "${pipeline}"`);
      const jobId = `data-run-${runs.size + 1}`;
      runs.set(jobId, { runKey, startedAt: now(), pipeline: definition, parameters, cancelledAt: null, worked: false });
      started.push({ pipeline, runKey, parameters });
      return { jobId, adopted: false };
    },

    async get(jobId) {
      const run = runs.get(jobId);
      if (!run) return { state: 'absent', reason: `There is no run ${jobId}`, queuedSeconds: null, executionSeconds: null };
      return stateOf(run, now());
    },

    async cancel(jobId) {
      const run = runs.get(jobId);
      if (run && run.cancelledAt === null && stateOf(run, now()).state === 'running') run.cancelledAt = now();
    },

    async logs(jobId) {
      const run = runs.get(jobId);
      if (!run) return [];
      const { state, reason } = stateOf(run, now());
      return [{ step: 'work', text: `${state}${reason ? `: ${reason}` : ''}\n` }];
    },

    probe: async () => ({ factory: 'memory' }),
  };
}

function stateOf(run: Run, now: number): JobState {
  const times = (seconds: number) => ({ queuedSeconds: null, executionSeconds: seconds });
  if (run.cancelledAt !== null) return { state: 'cancelled', reason: null, ...times((run.cancelledAt - run.startedAt) / 1000) };
  const passed = (now - run.startedAt) / 1000;
  const { seconds, state = 'succeeded', reason = null, work } = run.pipeline;
  if (passed < seconds) return { state: 'running', reason: null, ...times(passed) };
  if (!run.worked && state === 'succeeded') work?.(run.parameters);
  run.worked = true;
  return { state, reason, ...times(seconds) };
}
