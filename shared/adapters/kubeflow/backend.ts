// Port TrainingBackend over Kubeflow Pipelines 2 (REST v2beta1, facts/kubeflow.md §1-§2): look before create, one job per name.
// KFP has no idempotency key: the run id derived from the job's name is a lookup key, so a lost answer is followed by looking, never by posting again.
import { readFileSync } from 'node:fs';
import { v5 as uuidV5 } from 'uuid';
import type { JobSpec } from '../../contracts/training.ts';
import { ConfigError, RejectedError, TransientError } from '../../errors/errors.ts';
import type { TrainingBackend } from '../../ports/training-backend.ts';
import { createCaFetch } from './ca-fetch.ts';
import { createKubeflowHttp, type KubeflowHttp, withoutSignatures } from './http.ts';
import { type CompiledPipeline, compilePipeline } from './ir.ts';
import { ensureExperiment, ensurePipeline, isGraphOf } from './pipelines.ts';
import { isStep, jobState } from './translate.ts';
import { Anything, equals, ExperimentList, Health, Run, RunList } from './wire.ts';

export interface KubeflowOptions {
  /** `http://ml-pipeline.kubeflow:8888` or `https://<gateway>/pipeline`, without `/apis/…`. */
  baseUrl: string;
  /** Profile namespace; empty for a single-user server. */
  namespace: string;
  /** Name of the experiment that holds the jobs. */
  experiment: string;
  /** Bearer token (audience `pipelines.kubeflow.org`), null where the server asks for none. */
  getToken: () => Promise<string | null>;
  /** Where the launcher keeps artifacts (`s3://`, `minio://`, `gs://`); absent = the namespace's default. */
  pipelineRoot?: string;
  /** Kubernetes service account of the steps; absent = the server's default. */
  serviceAccount?: string;
  /** PEM file with the CA of the gateway. */
  caFile?: string;
  fetch?: typeof fetch;
  /** Limit of one call (default 30 000 ms). */
  timeoutMs?: number;
  /** How a lost creation is looked for: every `intervalMs`, for `totalMs` (default 2 s, 35 s: facts/kubeflow.md §1 wants > 30 s). */
  pollSettings?: { intervalMs: number; totalMs: number };
  /** Milliseconds since 1970. */
  now: () => number;
  sleep: (ms: number) => Promise<void>;
}

/** Namespace of the run ids: uuid v5 of the job's name. Never change it: it is the identity of every job. */
const RUN_IDS = '5b0cf1a2-6f5d-5c0e-9d0c-7f3a1c52e8b4';
const DEFAULT_POLL = { intervalMs: 2_000, totalMs: 35_000 };

/** The run id that a job of this name gets. */
export function runIdOf(jobName: string): string {
  return uuidV5(jobName, RUN_IDS);
}

export function createKubeflowBackend(options: KubeflowOptions): TrainingBackend {
  const http = createKubeflowHttp({
    baseUrl: options.baseUrl,
    namespace: options.namespace,
    getToken: options.getToken,
    fetch: options.fetch ?? (options.caFile ? createCaFetch(readCa(options.caFile)) : fetch),
    timeoutMs: options.timeoutMs ?? 30_000,
    now: options.now,
  });
  const submitting = new Map<string, Promise<unknown>>();

  /** One submission of a name at a time: the second one finds what the first one made. */
  async function inTurn<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const before = submitting.get(name);
    const mine = (before ?? Promise.resolve()).then(work, work);
    submitting.set(name, mine);
    try {
      return await mine;
    } finally {
      if (submitting.get(name) === mine) submitting.delete(name);
    }
  }

  return {
    name: 'kubeflow',
    submit: (job) => inTurn(job.name, () => submit(http, options, job)),

    async get(jobId) {
      const run = await readRun(http, jobId);
      if (!run) return { state: 'absent', reason: `Kubeflow knows no run ${jobId}`, queuedSeconds: null, executionSeconds: null };
      return jobState(run);
    },

    async cancel(jobId) {
      // 400 = already terminal, 404 = gone (facts/kubeflow.md §1): both are what the caller wants. KFP has no place for a reason.
      await http.call({ method: 'POST', path: `/runs/${encodeURIComponent(jobId)}:terminate`, accept: [400, 404] }, Anything);
    },

    async logs(jobId, maxBytes) {
      const run = await readRun(http, jobId);
      const logs: { step: string; text: string }[] = [];
      for (const task of (run?.run_details?.task_details ?? []).filter(isStep)) {
        const pods = [task.pod_name, ...(task.child_tasks ?? []).map((child) => child.pod_name)].filter(
          (pod) => pod !== undefined && pod !== '',
        );
        for (const pod of pods) {
          const text = await http.tail(`/runs/${encodeURIComponent(jobId)}/nodes/${encodeURIComponent(pod ?? '')}/log`, maxBytes);
          if (text === null) continue;
          // The launcher prints a step's parameters, and signed addresses are among them.
          logs.push({ step: task.display_name ?? pod ?? '', text: withoutSignatures(text) });
          break;
        }
      }
      return logs;
    },

    async probe() {
      const health = await http.call({ method: 'GET', path: '/healthz' }, Health);
      // healthz asks for no identity; a list does.
      const query = { page_size: '1', ...(options.namespace === '' ? {} : { namespace: options.namespace }) };
      await http.call({ method: 'GET', path: '/experiments', query }, ExperimentList);
      return { version: health?.tag_name ?? 'unknown' };
    },
  };
}

function readCa(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigError([`The CA file of Kubeflow, ${path}, cannot be read: ${error instanceof Error ? error.message : String(error)}`], {
      cause: error,
    });
  }
}

async function readRun(http: KubeflowHttp, runId: string): Promise<Run | null> {
  return http.call({ method: 'GET', path: `/runs/${encodeURIComponent(runId)}`, accept: [404] }, Run);
}

async function submit(http: KubeflowHttp, options: KubeflowOptions, job: JobSpec): Promise<{ jobId: string; adopted: boolean }> {
  const compiled = compilePipeline(job);
  const runId = runIdOf(job.name);
  const existing = await readRun(http, runId);
  if (existing) return adopt(http, job, compiled, existing);
  const experimentId = await ensureExperiment(http, options.namespace, options.experiment);
  // Belt and braces: a server that ignores our run id still keeps the name.
  const query = { experiment_id: experimentId, page_size: '10', sort_by: 'created_at asc', filter: equals('display_name', job.name) };
  const namesakes = await http.call({ method: 'GET', path: '/runs', query }, RunList);
  const namesake = namesakes?.runs?.find((run) => run.display_name === job.name);
  if (namesake) return adopt(http, job, compiled, namesake);

  const version = await ensurePipeline(http, options.namespace, compiled);
  const body = {
    run_id: runId,
    display_name: job.name,
    description: Object.entries(job.labels)
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join('\n'),
    experiment_id: experimentId,
    pipeline_version_reference: version,
    runtime_config: { parameters: job.parameters, ...(options.pipelineRoot ? { pipeline_root: options.pipelineRoot } : {}) },
    ...(options.serviceAccount ? { service_account: options.serviceAccount } : {}),
  };
  const secrets = Object.values(job.parameters).filter((value) => typeof value === 'string');
  try {
    const created = await http.call({ method: 'POST', path: '/runs', body, secrets, accept: [409] }, Run);
    if (created) return { jobId: created.run_id, adopted: false };
  } catch (error) {
    if (!(error instanceof TransientError) || error.code === 'backend-throttled') throw error;
    return adoptLost(http, options, { job, compiled, runId, error });
  }
  const other = await readRun(http, runId);
  if (other) return adopt(http, job, compiled, other);
  throw new RejectedError('backend-refused', `Kubeflow refused to create the run "${job.name}" with 409 and shows no run ${runId}.`);
}

async function adopt(http: KubeflowHttp, job: JobSpec, compiled: CompiledPipeline, run: Run): Promise<{ jobId: string; adopted: true }> {
  if (await isGraphOf(http, run.pipeline_version_reference ?? {}, compiled)) return { jobId: run.run_id, adopted: true };
  throw new RejectedError(
    'job-conflict',
    `Kubeflow has a run "${job.name}" (${run.run_id}) of another graph than "${compiled.name}". A job's name is its identity: ` +
      'start a new attempt under a new name, or delete that run if it is not yours.',
  );
}

/** The answer of the creation was lost: look until the run shows, and only then give up; the next submission looks first again. */
async function adoptLost(
  http: KubeflowHttp,
  options: KubeflowOptions,
  lost: { job: JobSpec; compiled: CompiledPipeline; runId: string; error: TransientError },
): Promise<{ jobId: string; adopted: boolean }> {
  const { intervalMs, totalMs } = options.pollSettings ?? DEFAULT_POLL;
  for (let waited = 0; ; waited += intervalMs) {
    const run = await readRun(http, lost.runId).catch((error: unknown) => {
      if (error instanceof TransientError) return null;
      throw error;
    });
    if (run) return adopt(http, lost.job, lost.compiled, run);
    if (waited >= totalMs) break;
    await options.sleep(intervalMs);
  }
  throw new TransientError(
    'submission-unknown',
    `The creation of run "${lost.job.name}" got no clear answer and no such run showed up within ${totalMs / 1000} s. First failure: ${lost.error.message}`,
    { cause: lost.error },
  );
}
