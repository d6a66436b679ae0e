// Port TrainingBackend over Databricks Jobs 2.2 (facts/azure.md §6): one-time runs, kept single by their idempotency token.
import * as z from 'zod';
import type { JobSpec, JobState } from '../../contracts/training.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { Availability, TrainingBackend } from '../../ports/training-backend.ts';
import { createDatabricksApi, type DatabricksApiOptions } from './api.ts';
import { compileRun, type CompileOptions, jobDigest, wheelOf } from './compile.ts';
import { jobState, RunAnswer } from './translate.ts';

export interface DatabricksOptions extends DatabricksApiOptions, CompileOptions {
  now: () => number;
}

const RUNS = '/api/2.2/jobs/runs';
/** A 64-bit integer, which a JavaScript number would round: it stays text everywhere. */
const RUN_ID = /^\d{1,19}$/;
const runId = z.union([z.string(), z.number()]).transform(String);
const Submitted = z.object({ run_id: runId });
const RunList = z.object({
  runs: z.array(z.object({ run_id: runId, run_name: z.string().optional() })).default([]),
  next_page_token: z.string().optional(),
});
/** Runs of the look-back are paged by 25; more than this many pages are somebody else's workload. */
const MAX_PAGES = 20;
const LOOK_BACK_MS = 7 * 86_400_000;

export function createDatabricksBackend(options: DatabricksOptions): TrainingBackend {
  const api = createDatabricksApi(options);
  const submitting = new Map<string, Promise<void>>();

  const read = (jobId: string): Promise<RunAnswer> => api.call('GET', `${RUNS}/get`, RunAnswer, { query: { run_id: jobId } });

  /** The run of a name, for `adopted`; that there is only one is the token's doing. */
  async function named(name: string): Promise<string | null> {
    let page: string | undefined;
    for (let count = 0; count < MAX_PAGES; count += 1) {
      const answer: z.infer<typeof RunList> = await api.call('GET', `${RUNS}/list`, RunList, {
        query: {
          run_type: 'SUBMIT_RUN',
          limit: '25',
          start_time_from: String(options.now() - LOOK_BACK_MS),
          ...(page === undefined ? {} : { page_token: page }),
        },
      });
      const found = answer.runs.find((run) => run.run_name === name);
      if (found) return found.run_id;
      page = answer.next_page_token;
      if (page === undefined || page === '') return null;
    }
    return null;
  }

  /** A token that is taken gives the run that has it, whatever it does: another graph under our name is a conflict, not our job. */
  async function checkSame(jobId: string, job: JobSpec): Promise<void> {
    const run = await read(jobId);
    const digests = run.tasks.map((task) => digestIn(task.python_wheel_task?.parameters?.[0]));
    if (digests.every((digest) => digest === jobDigest(job))) return;
    throw new RejectedError(
      'job-conflict',
      `Databricks run ${jobId} has the name ${job.name} and another content: other steps, images, parameters or data. Nothing was started; a retry of the run takes the next attempt's name`,
    );
  }

  return {
    name: 'databricks',

    async submit(job) {
      // One at a time for a name within this process, so that only one of them says that it made the run.
      const before = submitting.get(job.name) ?? Promise.resolve();
      const mine = before.then(() => submit(job));
      const settled = mine.then(
        () => undefined,
        () => undefined,
      );
      submitting.set(job.name, settled);
      try {
        return await mine;
      } finally {
        if (submitting.get(job.name) === settled) submitting.delete(job.name);
      }
    },

    async get(jobId) {
      if (!RUN_ID.test(jobId)) return absent(jobId);
      try {
        const run = await read(jobId);
        const state = jobState(run, options.now());
        return state.state === 'failed' ? { ...state, reason: await failedTask(run, state) } : state;
      } catch (error) {
        if (!isUnknownRun(error)) throw error;
        return absent(jobId);
      }
    },

    async cancel(jobId) {
      if (!RUN_ID.test(jobId)) return;
      try {
        await api.call('POST', `${RUNS}/cancel`, z.object({}), { body: `{"run_id":${jobId}}`, repeatable: true });
      } catch (error) {
        if (!isUnknownRun(error) && !(error instanceof RejectedError && error.code === 'databricks-refused')) throw error;
      }
    },

    async logs(jobId, maxBytes) {
      const tasks = await tasksOf(jobId);
      const texts = await Promise.all(
        tasks.map(async ({ task_key, run_id }) => ({ step: task_key, text: await outputOf(run_id, maxBytes) })),
      );
      return texts.filter(({ text }) => text !== '');
    },

    async probe() {
      const me = await api.call('GET', '/api/2.0/preview/scim/v2/Me', z.object({ userName: z.string() }));
      return { version: `jobs 2.2 as ${me.userName}` };
    },

    async check(job): Promise<Availability> {
      if (job.nodes)
        return { available: false, missing: 'Databricks does not place steps on labelled machines: take "nodes" or "databricks" out' };
      for (const wheel of new Set(job.steps.map((step) => wheelOf(step, options.wheels)))) {
        if (!(await api.fileExists(wheel))) {
          return {
            available: false,
            missing: `the wheel ${wheel} is not there; make it with components/wheels.py and put it into the volume`,
          };
        }
      }
      return clusterState();
    },
  };

  async function submit(job: JobSpec): Promise<{ jobId: string; adopted: boolean }> {
    const body = compileRun(job, options);
    const before = await named(job.name);
    if (before !== null) {
      await checkSame(before, job);
      return { jobId: before, adopted: true };
    }
    const { run_id } = await api.call('POST', `${RUNS}/submit`, Submitted, { body, repeatable: true });
    await checkSame(run_id, job);
    return { jobId: run_id, adopted: false };
  }

  async function tasksOf(jobId: string): Promise<RunAnswer['tasks']> {
    if (!RUN_ID.test(jobId)) return [];
    try {
      return (await read(jobId)).tasks;
    } catch (error) {
      if (isUnknownRun(error)) return [];
      throw error;
    }
  }

  async function clusterState(): Promise<Availability> {
    if (!('existing' in options.cluster)) return { available: true };
    const id = options.cluster.existing;
    try {
      const { state } = await api.call('GET', '/api/2.1/clusters/get', z.object({ state: z.string() }), { query: { cluster_id: id } });
      // A cluster that is stopped starts for the run.
      if (state !== 'ERROR' && state !== 'UNKNOWN') return { available: true };
      return { available: false, missing: `cluster ${id} is in state ${state}` };
    } catch (error) {
      if (error instanceof RejectedError && error.code === 'databricks-refused')
        return { available: false, missing: `cluster ${id}: ${error.message}` };
      throw error;
    }
  }

  async function failedTask(run: RunAnswer, { reason }: JobState): Promise<string | null> {
    const failed = run.tasks.find((task) => task.status?.termination_details?.type && task.status.termination_details.type !== 'SUCCESS');
    if (!failed) return reason;
    const output = await api.call('GET', `${RUNS}/get-output`, Output, { query: { run_id: failed.run_id } });
    return `task ${failed.task_key}: ${output.error ?? reason ?? 'it gave no reason'}`.slice(0, 1500);
  }

  async function outputOf(taskRun: string, maxBytes: number): Promise<string> {
    const { logs, error, error_trace } = await api.call('GET', `${RUNS}/get-output`, Output, { query: { run_id: taskRun } });
    const text = [logs, error, error_trace].filter((part) => part).join('\n');
    return Buffer.from(text, 'utf8').subarray(-maxBytes).toString('utf8');
  }
}

function absent(jobId: string): JobState {
  return { state: 'absent', reason: `Databricks knows no run ${jobId}`, queuedSeconds: null, executionSeconds: null };
}

const Output = z.object({ logs: z.string().optional(), error: z.string().optional(), error_trace: z.string().optional() });

function digestIn(payload: string | undefined): string | null {
  try {
    const parsed = z.object({ digest: z.string() }).safeParse(JSON.parse(payload ?? ''));
    return parsed.success ? parsed.data.digest : null;
  } catch {
    return null;
  }
}

function isUnknownRun(error: unknown): boolean {
  return (
    error instanceof RejectedError && error.code === 'databricks-refused' && /does not exist|RESOURCE_DOES_NOT_EXIST/.test(error.message)
  );
}
