// Look before create, one job per name (facts/kubeflow.md §1 Idempotency): KFP has no idempotency key, the run id derived from the job's
// name is a lookup key. So a lost answer is followed by looking, never by posting again.
import { v5 as uuidV5 } from 'uuid';
import type { JobSpec } from '../../contracts/training.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { KubeflowHttp } from './http.ts';
import type { CompiledPipeline } from './ir-types.ts';
import { ensureExperiment, ensurePipeline, isGraphOf } from './pipelines.ts';
import { equals, Run, RunList } from './wire.ts';

/** What a submission needs of the backend's options. */
export interface SubmitOptions {
  namespace: string;
  experiment: string;
  pipelineRoot?: string;
  runAs?: string;
  pollSettings?: { intervalMs: number; totalMs: number };
  sleep: (ms: number) => Promise<void>;
}

export interface Submitted {
  jobId: string;
  adopted: boolean;
}

/** Namespace of the run ids: uuid v5 of the job's name. Never change it: it is the identity of every job. */
const RUN_IDS = '5b0cf1a2-6f5d-5c0e-9d0c-7f3a1c52e8b4';
const DEFAULT_POLL = { intervalMs: 2_000, totalMs: 35_000 };

/** The run id that a job of this name gets. */
export function runIdOf(jobName: string): string {
  return uuidV5(jobName, RUN_IDS);
}

export async function readRun(http: KubeflowHttp, runId: string): Promise<Run | null> {
  return http.call({ method: 'GET', path: `/runs/${encodeURIComponent(runId)}`, accept: [404] }, Run);
}

export async function submitJob(http: KubeflowHttp, options: SubmitOptions, job: JobSpec, compiled: CompiledPipeline): Promise<Submitted> {
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
  const { parameters } = compiled;
  const body = {
    run_id: runId,
    display_name: job.name,
    // KFP has no tags: what a person or a search needs of the lineage stands in the description.
    description: Object.entries({ ...job.lineage, ...job.labels })
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join('\n'),
    experiment_id: experimentId,
    pipeline_version_reference: version,
    runtime_config: { parameters, ...(options.pipelineRoot ? { pipeline_root: options.pipelineRoot } : {}) },
    ...(options.runAs ? { service_account: options.runAs } : {}),
  };
  const secrets = Object.values(parameters).filter((value) => typeof value === 'string');
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

async function adopt(http: KubeflowHttp, job: JobSpec, compiled: CompiledPipeline, run: Run): Promise<Submitted> {
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
  options: SubmitOptions,
  lost: { job: JobSpec; compiled: CompiledPipeline; runId: string; error: TransientError },
): Promise<Submitted> {
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
