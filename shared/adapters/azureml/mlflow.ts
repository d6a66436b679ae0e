// MLflow's REST interface of the workspace: runs, experiments, artifacts (facts/mlflow.md §2, facts/azure.md §2).
// A job's run has the job's name. Creation has no idempotency key, so nothing here repeats a write.
import type { CallOptions } from '../../clients/arm.ts';
import { RejectedError } from '../../errors/errors.ts';
import { type AzureMlApi, parsed } from './api.ts';
import { ContentInfo, ExperimentAnswer, ExperimentMade, FilesAnswer, type MlflowRun, RunAnswer, RunsAnswer } from './wire.ts';

export interface MlflowBatch {
  metrics?: { key: string; value: number; timestamp: number; step: number }[];
  params?: { key: string; value: string }[];
  tags?: { key: string; value: string }[];
}

export interface Mlflow {
  /** Null when there is no such run. */
  run(runId: string): Promise<MlflowRun | null>;
  /** Runs of an experiment that a filter takes, at most `limit`. */
  search(experimentId: string, filter: string, limit: number): Promise<MlflowRun[]>;
  /** The experiment's id; made when absent. */
  experiment(name: string): Promise<string>;
  createRun(run: { experimentId: string; name: string; startTime: number; tags: { key: string; value: string }[] }): Promise<MlflowRun>;
  logBatch(runId: string, batch: MlflowBatch): Promise<void>;
  endRun(runId: string, status: 'FINISHED' | 'FAILED' | 'KILLED', endTime: number): Promise<void>;
  /** Paths of the files directly below a folder of the run's artifacts; [] when there is none. */
  artifacts(runId: string, folder: string): Promise<string[]>;
  /** An address that reads one artifact without an identity, a secret; null when there is none. */
  contentUri(runId: string, path: string): Promise<string | null>;
}

const MAX_PAGES = 20;

export function createMlflow(api: AzureMlApi): Mlflow {
  async function get(path: string, query: Record<string, string>) {
    const { call, mlflow } = await api.data();
    return call('GET', `${mlflow}${path}`, { query, accept: [404] });
  }
  async function post(path: string, body: unknown, more: CallOptions = {}) {
    const { call, mlflow } = await api.data();
    return call('POST', `${mlflow}${path}`, { body, ...more });
  }
  const byName = async (name: string): Promise<string | null> => {
    const answer = await get('/experiments/get-by-name', { experiment_name: name });
    return answer.status === 404 ? null : parsed(ExperimentAnswer, answer.json, `experiment ${name}`).experiment.experiment_id;
  };

  return {
    async run(runId) {
      const answer = await get('/runs/get', { run_id: runId });
      return answer.status === 404 ? null : parsed(RunAnswer, answer.json, `run ${runId}`).run;
    },

    async search(experimentId, filter, limit) {
      const runs: MlflowRun[] = [];
      let token: string | null | undefined;
      for (let page = 0; page < MAX_PAGES && runs.length < limit; page += 1) {
        const body = {
          experiment_ids: [experimentId],
          filter,
          run_view_type: 'ACTIVE_ONLY',
          max_results: Math.min(limit - runs.length, 200),
          ...(token ? { page_token: token } : {}),
        };
        const found = parsed(RunsAnswer, (await post('/runs/search', body)).json, 'a search of runs');
        runs.push(...(found.runs ?? []));
        token = found.next_page_token;
        if (!token) break;
      }
      return runs.slice(0, limit);
    },

    async experiment(name) {
      const known = await byName(name);
      if (known !== null) return known;
      // Two at once: the second is told RESOURCE_ALREADY_EXISTS with status 400, not 409 (facts/mlflow.md §6).
      const answer = await post('/experiments/create', { name }, { accept: [400, 409] });
      if (answer.status < 300) return parsed(ExperimentMade, answer.json, `experiment ${name}`).experiment_id;
      const now = await byName(name);
      if (now !== null) return now;
      throw new RejectedError(
        'backend-refused',
        `MLflow refused to make the experiment "${name}": ${answer.error.code} ${answer.error.message}`,
      );
    },

    async createRun({ experimentId, name, startTime, tags }) {
      const body = { experiment_id: experimentId, run_name: name, start_time: startTime, user_id: 'sluice', tags };
      return parsed(RunAnswer, (await post('/runs/create', body)).json, `the new run ${name}`).run;
    },

    async logBatch(runId, { metrics = [], params = [], tags = [] }) {
      await post('/runs/log-batch', { run_id: runId, metrics, params, tags });
    },

    async endRun(runId, status, endTime) {
      await post('/runs/update', { run_id: runId, status, end_time: endTime });
    },

    async artifacts(runId, folder) {
      const answer = await get('/artifacts/list', { run_id: runId, path: folder });
      if (answer.status === 404) return [];
      const { files } = parsed(FilesAnswer, answer.json, `the artifacts of ${runId}`);
      return (files ?? []).filter((file) => file.is_dir !== true).map((file) => file.path);
    },

    async contentUri(runId, path) {
      const { call, artifacts } = await api.data();
      const place = `${artifacts}/ExperimentRun/${encodeURIComponent(`dcid.${runId}`)}/contentinfo`;
      const answer = await call('GET', place, { query: { path }, accept: [404] });
      return answer.status === 404 ? null : (parsed(ContentInfo, answer.json, `artifact ${path}`).contentUri ?? null);
    },
  };
}

/** The last value of each metric that is a finite number; the names of the others. */
export function finiteMetrics(run: MlflowRun): { metrics: Record<string, number>; notFinite: string[] } {
  const metrics: Record<string, number> = {};
  const notFinite: string[] = [];
  for (const { key, value } of run.data?.metrics ?? []) {
    // A number that travels as text is one of NaN and the infinities.
    if (typeof value === 'number' && Number.isFinite(value)) metrics[key] = value;
    else notFinite.push(key);
  }
  return { metrics, notFinite };
}

/** Milliseconds since 1970; null when unset. Some servers send the number as text. */
export function instantOf(time: number | string | null | undefined): number | null {
  const value = Number(time ?? Number.NaN);
  return Number.isFinite(value) && value > 0 ? value : null;
}

export function tagOf(run: MlflowRun, key: string): string | null {
  return run.data?.tags?.find((tag) => tag.key === key)?.value ?? null;
}
