// Port TrainingBackend on this machine: components run as processes, for the first hour of a project. A job is a folder (job-folder.ts), so it
// is adopted by its name, survives a restart of ours, and shows afterwards what happened. No isolation: run only components that you trust.
import { execFile } from 'node:child_process';
import { totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { JobSpec, JobState, JobStep } from '../../contracts/training.ts';
import { graphDigest, graphProblem } from '../../decisions/job-graph.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { Availability, TrainingBackend } from '../../ports/training-backend.ts';
import { advance, type AdvanceOptions, statesOf, timesOf } from './advance.ts';
import { withoutQueries } from './files.ts';
import { createJobFolder, End, isJobName, type JobFolder, openJobFolder } from './job-folder.ts';
import { type LocalComponent, logTail } from './steps.ts';

export interface LocalOptions {
  /** Folder that holds the jobs; made where it is absent. */
  root: string;
  /** Code by image: a whole reference, an image's name without its digest, or the name of a component. */
  components: Readonly<Record<string, LocalComponent>>;
  /** Programs that commands begin with, e.g. `python3`, and where they are; others are looked for in the usual places. */
  programs?: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  now: () => number;
  fetch?: typeof fetch;
  /** Of each step's log at most about twice this is kept (default 4 MiB). */
  maxLogBytes?: number;
  /** From SIGTERM to SIGKILL (default 5000). */
  graceMs?: number;
  /** How often a job that goes on is looked after (default 250). */
  tickMs?: number;
}

/** The backend, and the end of its looking after jobs. The jobs themselves go on. */
export interface LocalBackend extends TrainingBackend {
  close(): Promise<void>;
}

/** While something does not work that may pass, turns become rarer up to this. */
const MAX_TICK_MS = 30_000;
const GIB = 1024 ** 3;

export function createLocalBackend(options: LocalOptions): LocalBackend {
  const { root, components, programs = {}, tickMs = 250 } = options;
  const componentOf = (step: Pick<JobStep, 'image' | 'component'>): LocalComponent | null => {
    const [name = ''] = step.image.split('@');
    const key = [step.image, name, step.component ?? ''].find((one) => Object.hasOwn(components, one));
    return key === undefined ? null : (components[key] ?? null);
  };
  const turning: AdvanceOptions = {
    componentOf,
    programs,
    now: options.now,
    fetch: options.fetch ?? fetch,
    maxLogBytes: options.maxLogBytes ?? 4 * 1024 ** 2,
    graceMs: options.graceMs ?? 5000,
  };
  const watched = new Map<string, { problem: string | null; over: Promise<void> }>();
  const closing = new AbortController();

  /** Looks after a job until it has ended; one watcher for each job in this process. */
  function watch(job: JobFolder): void {
    if (closing.signal.aborted || watched.has(job.name)) return;
    const watcher = { problem: null as string | null, over: Promise.resolve() };
    watched.set(job.name, watcher);
    const turns = async (): Promise<void> => {
      let wait = tickMs;
      while (!closing.signal.aborted) {
        try {
          if (await advance(job, turning)) break;
          watcher.problem = null;
          wait = tickMs;
        } catch (error) {
          watcher.problem = error instanceof Error ? error.message : String(error);
          wait = Math.min(MAX_TICK_MS, wait * 2);
        }
        // Does not keep our process alive: whoever waits for the job does.
        await sleep(wait, undefined, { ref: false, signal: closing.signal }).catch(() => undefined);
      }
    };
    watcher.over = turns().finally(() => watched.delete(job.name));
  }

  async function known(jobId: string): Promise<JobFolder | null> {
    if (!isJobName(jobId)) return null;
    const job = openJobFolder(root, jobId);
    return (await job.graph()) === null ? null : job;
  }

  return {
    name: 'local',

    async submit(job) {
      const problem = graphProblem(job);
      if (problem !== null) throw new RejectedError('graph-invalid', `The job's graph cannot run: ${problem}.`);
      if (!isJobName(job.name))
        throw new RejectedError('job-name', `"${job.name}" is no name of a job: lower-case letters, digits and hyphens`);
      const made = await createJobFolder(root, job, new Date(options.now()).toISOString());
      const folder = openJobFolder(root, job.name);
      if (made === 'exists' && (await folder.graph()) !== graphDigest(job)) throw conflict(job, folder.path);
      watch(folder);
      return { jobId: job.name, adopted: made === 'exists' };
    },

    async get(jobId): Promise<JobState> {
      const job = await known(jobId);
      const spec = await job?.spec();
      if (!job || !spec)
        return { state: 'absent', reason: `there is no job ${jobId} on this machine`, queuedSeconds: null, executionSeconds: null };
      const ended = await job.read('end.json', End);
      if (ended) return ended;
      watch(job);
      const steps = await statesOf(job, spec, turning);
      const { queuedSeconds } = timesOf(steps, await job.createdAt(), options.now());
      const state = queuedSeconds === null ? 'pending' : 'running';
      return { state, reason: watched.get(job.name)?.problem ?? null, queuedSeconds, executionSeconds: null };
    },

    async cancel(jobId, reason) {
      const job = await known(jobId);
      if (!job || (await job.read('end.json', End))) return;
      await job.once('cancel.json', { reason });
      watch(job);
    },

    async logs(jobId, maxBytes) {
      const job = await known(jobId);
      const spec = await job?.spec();
      if (!job || !spec) return [];
      const logs: { step: string; text: string }[] = [];
      for (const { name } of spec.steps) {
        const text = await logTail(job.step(name), maxBytes);
        if (text !== null) logs.push({ step: name, text: withoutQueries(text) });
      }
      return logs;
    },

    probe: () => pythonVersion(programs['python3'] ?? 'python3'),

    check: async (job) => lackOf(job, componentOf),

    async close() {
      closing.abort();
      await Promise.all([...watched.values()].map(({ over }) => over));
    },
  };
}

function lackOf({ nodes, steps }: Pick<JobSpec, 'nodes' | 'steps'>, componentOf: (step: JobStep) => LocalComponent | null): Availability {
  const lacks = (missing: string): Availability => ({ available: false, missing });
  if (nodes) {
    const wanted = Object.entries(nodes.selector).map(([key, value]) => `${key}=${value}`);
    return lacks(`this machine is no node with ${wanted.join(', ') || 'labels'}; take train.nodes out to train here`);
  }
  const absent = steps.filter((step) => !componentOf(step)).map(({ name, component, image }) => `${component ?? image} (step ${name})`);
  if (absent.length > 0) return lacks(`the code of ${absent.join(', ')} is not on this machine`);
  const most = Math.max(...steps.map(({ memoryGiB }) => memoryGiB));
  const here = totalmem() / GIB;
  return most > here ? lacks(`a step may use ${most} GiB of memory, and this machine has ${here.toFixed(1)}`) : { available: true };
}

async function pythonVersion(python: string): Promise<{ version: string }> {
  try {
    const { stdout } = await promisify(execFile)(python, ['--version'], { timeout: 10_000 });
    return { version: stdout.trim() || 'unknown' };
  } catch (error) {
    const words = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new RejectedError('python-missing', `Python cannot be started as ${python}: ${words ?? ''}. Name it in SLUICE_LOCAL_PYTHON`, {
      cause: error,
    });
  }
}

function conflict(job: JobSpec, path: string): RejectedError {
  return new RejectedError(
    'job-conflict',
    `There is a job "${job.name}" of another graph than "${job.graph}" in ${path}. A job's name is its identity: ` +
      'start a new attempt under a new name, or remove that folder if it is not yours.',
  );
}
