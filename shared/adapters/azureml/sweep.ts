// Port SweepBackend: Azure ML's own Sweep job, random by seed, stopped by the median (facts/azure.md §1.4). Trials are child runs in MLflow.
import { SearchSpace } from '../../contracts/training.ts';
import { digestOf } from '../../decisions/digest.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { SweepBackend, SweepSpec, Trial } from '../../ports/sweep-backend.ts';
import { createAzureMlApi } from './api.ts';
import type { AzureMlOptions } from './backend.ts';
import { baseOf, commandBody, type CompileOptions, GRAPH_PROPERTY, graphDigest, isoSeconds } from './compile.ts';
import { ensureEnvironments } from './environments.ts';
import { childRuns } from './logs.ts';
import { createMlflow, finiteMetrics, instantOf, tagOf } from './mlflow.ts';
import { segment } from './place.ts';
import { reportMetricsLines } from './report-metrics.ts';
import { stepScript } from './script.ts';
import { decodeTrial, encodeSpace, paramsTemplate } from './search-space.ts';
import { readJob, submitJob } from './submit.ts';
import { stateOf } from './translate.ts';
import type { JobBody, MlflowRun } from './wire.ts';

/** Property with the space as it was asked for: the service's answers do not tell types. */
const SPACE_PROPERTY = 'sluice.space';
const MAX_TRIALS = 1_000;
const REPORT = 'run-report.json';

export function createAzureMlSweeps(options: AzureMlOptions): SweepBackend {
  const api = createAzureMlApi(options);
  const mlflow = createMlflow(api);
  const environments = new Map<string, string>();
  const compile: CompileOptions = { ...options, place: api.place, experiment: options.experiment ?? 'sluice' };

  async function body(spec: SweepSpec): Promise<Record<string, unknown>> {
    const [step] = spec.job.steps;
    if (!step || spec.job.steps.length !== 1) {
      throw new RejectedError('backend-refused', 'A search on Azure ML is of one step; search with parallel trials instead.');
    }
    // Trials write over each other where a run would: what they leave stays with their own jobs.
    const job = { ...spec.job, exports: [] };
    const key = paramsKey(spec);
    const literals = { [key]: paramsTemplate(String(job.parameters[key]), spec.space) };
    const report = spec.job.exports.find(({ file, step: from }) => file === REPORT && from === step.name);
    const script = stepScript(job, step, literals, report ? reportMetricsLines(report.output, spec.objective.metric) : []);
    const ids = await ensureEnvironments(api, [step.image], options.environments ?? {}, environments);
    const { jobType: _, command, environmentId, limits: __, resources, ...rest } = commandBody(job, step, script, compile, ids);
    const base = baseOf(job, compile);
    return {
      ...base,
      ...rest,
      jobType: 'Sweep',
      properties: {
        ...(base['properties'] as object),
        [GRAPH_PROPERTY]: digestOfSweep(spec),
        [SPACE_PROPERTY]: JSON.stringify(spec.space),
      },
      objective: { goal: spec.objective.goal === 'maximize' ? 'Maximize' : 'Minimize', primaryMetric: spec.objective.metric },
      samplingAlgorithm: { samplingAlgorithmType: 'Random', seed: spec.seed },
      searchSpace: encodeSpace(spec.space),
      limits: {
        jobLimitsType: 'Sweep',
        maxTotalTrials: spec.trials,
        maxConcurrentTrials: Math.min(spec.parallel, spec.trials),
        ...(job.timeoutSeconds ? { timeout: isoSeconds(job.timeoutSeconds), trialTimeout: isoSeconds(job.timeoutSeconds) } : {}),
      },
      earlyTermination: { policyType: 'MedianStopping', evaluationInterval: 1, delayEvaluation: 5 },
      trial: { command, environmentId, resources },
    };
  }

  return {
    submit: (spec) =>
      submitJob({
        api,
        name: spec.job.name,
        digest: digestOfSweep(spec),
        body: () => body(spec),
        secrets: [],
        poll: options.pollSettings ?? { intervalMs: 2_000, totalMs: 20_000 },
        sleep: options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
      }),

    async get(jobId, objective) {
      const job = await readJob(api, jobId);
      if (!job) {
        await api.workspace();
        return { state: 'absent', reason: `Azure ML knows no job ${jobId}`, trials: [] };
      }
      const { state, reason } = stateOf(job);
      const parent = await mlflow.run(jobId);
      const runs = parent ? await childRuns(mlflow, parent, MAX_TRIALS) : [];
      const space = spaceOf(job);
      return {
        state,
        reason,
        trials: inOrder(
          runs.map((run) => trialOf(run, space, objective.metric)),
          objective.goal,
        ),
      };
    },

    async cancel(jobId) {
      await api.call('POST', `/jobs/${segment(jobId)}/cancel`, { accept: [400, 404, 409] });
    },
  };
}

/** The run parameter that carries the step's parameters as JSON: `params`, or `params_<step>` in a graph. */
function paramsKey({ job }: SweepSpec): string {
  const named =
    job.steps[0]?.args.flatMap((argument) => (typeof argument === 'object' && 'parameter' in argument ? [argument.parameter] : [])) ?? [];
  const key = named.find((name) => (name === 'params' || name.startsWith('params_')) && Object.hasOwn(job.parameters, name));
  if (key !== undefined) return key;
  throw new RejectedError('backend-refused', 'The step of the search reads no parameter "params", so its trials would all be the same.');
}

function digestOfSweep({ job, space, objective, trials, seed }: SweepSpec): string {
  return digestOf({ job: graphDigest({ ...job, exports: [] }), space, objective, trials, seed });
}

function spaceOf(job: JobBody): SearchSpace {
  try {
    const parsed = SearchSpace.safeParse(JSON.parse(job.properties.properties?.[SPACE_PROPERTY] ?? '{}'));
    return parsed.success ? parsed.data : {};
  } catch {
    // Not a search of ours: its trials are listed without their values.
    return {};
  }
}

function trialOf(run: MlflowRun, space: SearchSpace, metric: string): Trial {
  const { metrics } = finiteMetrics(run);
  const state = trialState(run.info.status ?? '');
  return {
    name: run.info.run_id,
    params: decodeTrial(tagOf(run, 'hyperparameters'), space),
    state,
    metric: metrics[metric] ?? null,
    metrics,
    // A run that waits has a start, too: when it was made.
    startedAt: state === 'pending' ? null : isoOf(run.info.start_time),
    endedAt: isoOf(run.info.end_time),
  };
}

function isoOf(time: number | string | null | undefined): string | null {
  const instant = instantOf(time);
  return instant === null ? null : new Date(instant).toISOString();
}

function trialState(status: string): Trial['state'] {
  switch (status) {
    case 'SCHEDULED':
      return 'pending';
    case 'FINISHED':
      return 'succeeded';
    case 'FAILED':
      return 'failed';
    case 'KILLED':
      return 'cancelled';
    default:
      return 'running';
  }
}

/** Best first; trials without a value last, by name. */
function inOrder(trials: Trial[], goal: SweepSpec['objective']['goal']): Trial[] {
  const sign = goal === 'maximize' ? -1 : 1;
  return trials.sort((a, b) => {
    if (a.metric !== null && b.metric !== null && a.metric !== b.metric) return sign * (a.metric - b.metric);
    if ((a.metric === null) !== (b.metric === null)) return a.metric === null ? 1 : -1;
    return a.name < b.name ? -1 : 1;
  });
}
