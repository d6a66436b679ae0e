// Port TrainingBackend over Azure ML (ARM and the workspace's MLflow, facts/azure.md §1-§2): look before create, one job per name.
// The job's name is its id; states come from ARM, times and logs from the run of the same name in MLflow.
import type { Arm } from '../../clients/arm.ts';
import { type JobSpec, type JobState } from '../../contracts/training.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { Availability, TrainingBackend } from '../../ports/training-backend.ts';
import { createAzureMlApi, parsed } from './api.ts';
import { type CompileOptions, compileJob, graphDigest } from './compile.ts';
import { ensureComponents, ensureEnvironments } from './environments.ts';
import { failureWords, type LogReader, readLogs, stepRuns, type StepRun } from './logs.ts';
import { createMlflow, finiteMetrics } from './mlflow.ts';
import { segment } from './place.ts';
import { readJob, submitJob } from './submit.ts';
import { hasBegun, stateOf, timesOf } from './translate.ts';
import { ComputeBody, type JobBody } from './wire.ts';

export interface AzureMlOptions {
  arm: Arm;
  resourceGroup: string;
  workspace: string;
  /** Default 2025-12-01. */
  apiVersion?: string;
  /** Scope of tokens for MLflow (default ARM's own). */
  mlflowScope?: string;
  /** Name of the workspace's datastore on the container of Sluice's store: inputs are read and results written there by path. */
  datastore: string;
  /** Name of a compute of the workspace, or `serverless`. */
  compute: string;
  /** Size of machine (serverless) or instance type (Kubernetes compute). */
  instanceType?: string;
  /** Client id of the user-assigned identity that jobs run as. */
  clientId?: string;
  /** Experiment of jobs that name none (default sluice). */
  experiment?: string;
  /** Environments of your own: image, or its name without digest → ARM id of an environment version. */
  environments?: Readonly<Record<string, string>>;
  /** For logs, which are read from storage without a token. */
  fetch?: typeof fetch;
  /** Limit of reading one log (default 30 000 ms). */
  timeoutMs?: number;
  /** How a lost creation is looked for (default every 2 s, for 20 s). */
  pollSettings?: { intervalMs: number; totalMs: number };
  sleep?: (ms: number) => Promise<void>;
}

export interface AzureMlBackend extends TrainingBackend {
  /** Second source of metrics: the last finite value of each, from MLflow; `notFinite` names the others. Null for an unknown job. */
  readMlflowMetrics(jobName: string): Promise<{ metrics: Record<string, number>; notFinite: string[] } | null>;
}

/** Longest name that facts/azure.md §1.5 vouches for is 60; run ids are at most 100, which the service's 255 bears. */
const MAX_NAME = 200;

export function createAzureMlBackend(options: AzureMlOptions): AzureMlBackend {
  const api = createAzureMlApi(options);
  const mlflow = createMlflow(api);
  const reader: LogReader = { mlflow, fetch: options.fetch ?? fetch, timeoutMs: options.timeoutMs ?? 30_000 };
  const compile: CompileOptions = {
    place: api.place,
    datastore: options.datastore,
    compute: options.compute,
    experiment: options.experiment ?? 'sluice',
    ...(options.instanceType ? { instanceType: options.instanceType } : {}),
    ...(options.clientId ? { clientId: options.clientId } : {}),
  };
  const environments = new Map<string, string>();
  const components = new Set<string>();
  const submitting = new Map<string, Promise<unknown>>();
  /** Pipelines that were seen at work: their steps need not be asked again. */
  const begun = new Set<string>();

  /** One submission of a name at a time: the second one finds what the first one made. */
  async function inTurn<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const mine = (submitting.get(name) ?? Promise.resolve()).then(work, work);
    submitting.set(name, mine);
    try {
      return await mine;
    } finally {
      if (submitting.get(name) === mine) submitting.delete(name);
    }
  }

  async function submit(job: JobSpec): Promise<{ jobId: string; adopted: boolean }> {
    if (job.name.length > MAX_NAME)
      throw new RejectedError('backend-refused', `"${job.name}" is too long for the name of an Azure ML job.`);
    return submitJob({
      api,
      name: job.name,
      digest: graphDigest(job),
      async body() {
        const images = job.steps.map((step) => step.image);
        const ids = await ensureEnvironments(api, images, options.environments ?? {}, environments);
        const compiled = compileJob(job, compile, ids);
        await ensureComponents(api, compiled.components, components);
        return compiled.properties;
      },
      secrets: Object.values(job.parameters).filter((value) => typeof value === 'string'),
      poll: options.pollSettings ?? { intervalMs: 2_000, totalMs: 20_000 },
      sleep: options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
    });
  }

  async function get(jobId: string): Promise<JobState> {
    const job = await readJob(api, jobId);
    if (!job) {
      // Only the workspace can say that a job is gone; without it nothing is known.
      await api.workspace();
      return { state: 'absent', reason: `Azure ML knows no job ${jobId}`, queuedSeconds: null, executionSeconds: null };
    }
    const words = stateOf(job);
    const ended = words.state === 'succeeded' || words.state === 'failed' || words.state === 'cancelled';
    const pipeline = job.properties.jobType?.toLowerCase() === 'pipeline';
    const unknown = { queuedSeconds: null, executionSeconds: null };
    if (!ended && !(pipeline && words.state === 'running' && !begun.has(jobId))) return { ...words, ...unknown };

    const { runs, problem } = await runsOf(job);
    const times = timesOf(
      job,
      runs.map(({ run }) => run),
      ended,
    );
    if (!ended) {
      // A pipeline "runs" while its steps wait for machines; that is waiting.
      const steps = runs.map(({ run }) => run);
      if (problem === null && !hasBegun(steps)) return { ...words, state: 'pending', reason: 'its steps wait for machines', ...unknown };
      if (problem === null) remember(begun, jobId);
      return { ...words, ...unknown };
    }
    if (words.state === 'succeeded') return { ...words, reason: problem === null ? null : `times are not known: ${problem}`, ...times };
    return { ...words, reason: await reasonOf(words.reason, runs, problem), ...times };
  }

  /** The runs in MLflow; that they cannot be read must not hide how the job ended, so the reason says it instead. */
  async function runsOf(job: JobBody): Promise<{ runs: StepRun[]; problem: string | null }> {
    try {
      return { runs: await stepRuns(mlflow, job), problem: null };
    } catch (error) {
      if (error instanceof RejectedError || error instanceof TransientError) return { runs: [], problem: error.message };
      throw error;
    }
  }

  async function reasonOf(said: string | null, runs: readonly StepRun[], problem: string | null): Promise<string | null> {
    const broken = runs.find(({ run }) => run.info.status === 'FAILED') ?? runs.find(({ run }) => run.info.status === 'KILLED');
    if (!broken) return said ?? (problem === null ? null : `the reason could not be read: ${problem}`);
    const words = await failureWords(reader, broken.run).catch((error: unknown) => {
      if (error instanceof RejectedError || error instanceof TransientError) return `its log could not be read: ${error.message}`;
      throw error;
    });
    return [`step ${broken.step}`, said, words].filter((part) => part !== null).join(': ');
  }

  return {
    name: 'azureml',
    submit: (job) => inTurn(job.name, () => submit(job)),
    get,

    async cancel(jobId) {
      // 400 and 409: it has ended; 404: it is gone. Each is what the caller wants, unless the job still works. No place for a reason.
      const answer = await api.call('POST', `/jobs/${segment(jobId)}/cancel`, { accept: [400, 404, 409] });
      if (answer.status < 400 || answer.status === 404) return;
      const { state } = stateOf((await readJob(api, jobId)) ?? { name: jobId, properties: { status: 'Canceled' } });
      if (state !== 'pending' && state !== 'running') return;
      throw new RejectedError(
        'backend-refused',
        `Azure ML refused to cancel job "${jobId}" with ${answer.status}: ${answer.error.message}`,
      );
    },

    async logs(jobId, maxBytes) {
      const job = await readJob(api, jobId);
      return job ? readLogs(reader, await stepRuns(mlflow, job), maxBytes) : [];
    },

    async probe() {
      await api.workspace();
      return { version: `Microsoft.MachineLearningServices ${api.apiVersion}` };
    },

    async check(job): Promise<Availability> {
      if (job.nodes) {
        const wanted = Object.entries(job.nodes.selector).map(([key, value]) => `${key}=${value}`);
        return {
          available: false,
          missing: `Azure ML has no node selector: ${wanted.join(', ')} cannot be asked for. Use a Kubeflow backend.`,
        };
      }
      if (options.compute === 'serverless') {
        await api.workspace();
        return { available: true };
      }
      return checkCompute();
    },

    async readMlflowMetrics(jobName) {
      const run = await mlflow.run(jobName);
      return run ? finiteMetrics(run) : null;
    },
  };

  async function checkCompute(): Promise<Availability> {
    const { compute } = options;
    const answer = await api.call('GET', `/computes/${segment(compute)}`, { accept: [404] });
    if (answer.status === 404) {
      await api.workspace();
      return { available: false, missing: `workspace ${options.workspace} has no compute "${compute}"` };
    }
    const { properties } = parsed(ComputeBody, answer.json, `compute ${compute}`);
    const state = properties.provisioningState ?? 'Unknown';
    if (state !== 'Succeeded') {
      const why = properties.provisioningErrors?.map((entry) => entry?.error?.message).find((message) => message);
      return { available: false, missing: `compute "${compute}" is not provisioned (${state})${why ? `: ${why}` : ''}` };
    }
    if (properties.properties?.scaleSettings?.maxNodeCount === 0) {
      return { available: false, missing: `compute "${compute}" may have no node (its maximum is 0)` };
    }
    return { available: true };
  }
}

/** A set that forgets everything now and then rather than growing for ever. */
function remember(set: Set<string>, value: string): void {
  if (set.size >= 1_000) set.clear();
  set.add(value);
}
