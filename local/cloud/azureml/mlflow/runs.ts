// Runs: create, read, close, search, and what is logged into them (facts/mlflow.md §2), within Azure ML's limits (§9).
// A run that a job made belongs to the job: its status follows the job's, whatever a client says.
import { randomUUID } from 'node:crypto';
import type { MlflowCall, MlflowRoute } from './context.ts';
import { experimentOf } from './experiments.ts';
import { double, integer, optional, pageOf, pairs, records, required, texts, wireNumber, type Fields } from './fields.ts';
import { missing, MlflowError, overLimit, wrong } from './mlflow-error.ts';
import { fits, parseFilter, type Comparison } from './search-filter.ts';
import type { Metric, RunStatus, TrackedRun } from './tracking-store.ts';

/** Facts/mlflow.md §9: Azure ML's limits; §2: the server's. */
const LIMITS = {
  metricsPerBatch: 250,
  paramsPerBatch: 100,
  tagsPerBatch: 100,
  params: 200,
  tags: 50,
  tagKey: 100,
  tagValue: 1000,
  metricNames: 50,
};
const KEY = /^[\w\-. /:]{1,250}$/;
const STATUSES: readonly string[] = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'] satisfies RunStatus[];

export function runOf({ workspace }: MlflowCall, id: string): TrackedRun {
  const run = workspace.store.tracking.run(id);
  if (!run) throw missing(`Run with id=${id.slice(0, 256)} not found`);
  return run;
}

/** The run of a call, by its newer or older name. */
const named = (call: MlflowCall): TrackedRun => runOf(call, optional(call.fields, 'run_id') ?? required(call.fields, 'run_uuid'));

function active(call: MlflowCall): TrackedRun {
  const run = named(call);
  if (run.lifecycle === 'deleted') throw wrong(`The run ${run.runId} must be in the 'active' state. Current state is deleted.`);
  return run;
}

const info = ({ root }: MlflowCall, run: TrackedRun): object => ({
  run_id: run.runId,
  run_uuid: run.runId,
  experiment_id: run.experimentId,
  run_name: run.name,
  user_id: run.userId,
  status: run.status,
  start_time: run.startTime,
  ...(run.endTime === null ? {} : { end_time: run.endTime }),
  artifact_uri: `${root}/experiments/${run.experimentId}/runs/${run.runId}/artifacts`,
  lifecycle_stage: run.lifecycle,
});

/** What may be read by now. */
const seen = ({ workspace, context }: MlflowCall, runId: string): Metric[] => {
  const now = context.clock.now();
  return workspace.store.tracking.metrics(runId).filter(({ seenAt }) => seenAt <= now);
};

/** The last value per key: highest step, then time, then value. */
function latest(call: MlflowCall, runId: string): Map<string, Metric> {
  const last = new Map<string, Metric>();
  for (const metric of seen(call, runId)) {
    const known = last.get(metric.key);
    const later =
      !known ||
      metric.step > known.step ||
      (metric.step === known.step &&
        (metric.timestamp > known.timestamp || (metric.timestamp === known.timestamp && !(metric.value < known.value))));
    if (later) last.set(metric.key, metric);
  }
  return last;
}

const metricView = ({ key, value, timestamp, step }: Metric): object => ({ key, value: wireNumber(value), timestamp, step });

const view = (call: MlflowCall, run: TrackedRun): object => ({
  info: info(call, run),
  data: {
    metrics: [...latest(call, run.runId).values()].map(metricView),
    params: pairs(run.params),
    tags: pairs(run.tags),
  },
  inputs: run.inputs.length > 0 ? { dataset_inputs: run.inputs } : {},
});

export const createRun: MlflowRoute = (call) => {
  const { fields, workspace, context, caller } = call;
  const experimentId = required(fields, 'experiment_id');
  const experiment = experimentOf(call, experimentId);
  if (experiment.lifecycle === 'deleted') throw wrong(`The experiment ${experimentId} must be in the 'active' state.`);
  const runId = randomUUID();
  const tags = Object.fromEntries(records(fields, 'tags').map((tag) => [required(tag, 'key'), optional(tag, 'value') ?? '']));
  const name = optional(fields, 'run_name') ?? tags['mlflow.runName'] ?? `run-${runId.slice(0, 8)}`;
  const run: TrackedRun = {
    runId,
    experimentId,
    name,
    userId: optional(fields, 'user_id') ?? caller.author.id,
    status: 'RUNNING',
    startTime: integer(fields, 'start_time') ?? context.clock.now(),
    endTime: null,
    lifecycle: 'active',
    tags: {},
    params: {},
    inputs: [],
    ofJob: false,
  };
  run.tags = withTags(run, { ...tags, 'mlflow.runName': name, 'mlflow.rootRunId': rootOf(call, tags['mlflow.parentRunId']) ?? runId });
  return { run: view(call, workspace.store.tracking.add(run)) };
};

const rootOf = ({ workspace }: MlflowCall, parent: string | undefined): string | undefined =>
  parent === undefined ? undefined : (workspace.store.tracking.run(parent)?.tags['mlflow.rootRunId'] ?? parent);

export const getRun: MlflowRoute = (call) => ({ run: view(call, named(call)) });

export const updateRun: MlflowRoute = (call) => {
  const { fields, workspace } = call;
  const run = active(call);
  const status = optional(fields, 'status');
  if (status !== undefined && !STATUSES.includes(status))
    throw wrong(`Invalid value "${status.slice(0, 40)}" for parameter 'status' supplied.`);
  const endTime = integer(fields, 'end_time');
  if (!run.ofJob) {
    if (status !== undefined) run.status = status as RunStatus;
    if (endTime !== undefined) run.endTime = endTime;
  }
  const name = optional(fields, 'run_name');
  if (name) {
    run.name = name;
    run.tags['mlflow.runName'] = name;
  }
  workspace.store.tracking.save(run);
  return { run_info: info(call, run) };
};

const lifecycle =
  (stage: TrackedRun['lifecycle']): MlflowRoute =>
  (call) => {
    const run = named(call);
    run.lifecycle = stage;
    call.workspace.store.tracking.save(run);
    return {};
  };

export const deleteRun = lifecycle('deleted');
export const restoreRun = lifecycle('active');

function checkKey(key: string, what: string): string {
  if (!KEY.test(key))
    throw wrong(
      `Invalid ${what} name: '${key.slice(0, 260)}'. Names may only contain alphanumerics, underscores, dashes, periods, spaces, colons and slashes, at most 250.`,
    );
  return key;
}

function metricOf(call: MlflowCall, fields: Fields): Metric {
  const now = call.context.clock.now();
  return {
    key: checkKey(required(fields, 'key'), 'metric'),
    value: double(fields, 'value'),
    timestamp: integer(fields, 'timestamp') ?? now,
    step: integer(fields, 'step') ?? 0,
    seenAt: now + (call.context.options.delays?.metricMs ?? 0),
  };
}

/** Refuses more names than a run may have. */
function checkMetricNames({ workspace }: MlflowCall, run: TrackedRun, metrics: readonly Metric[]): void {
  const names = new Set([...workspace.store.tracking.metrics(run.runId), ...metrics].map(({ key }) => key));
  if (names.size > LIMITS.metricNames) throw overLimit('Number of metric names of a run', LIMITS.metricNames);
}

/** The run's parameters with the new ones; throws before anything is changed. */
function withParams(run: TrackedRun, params: readonly Fields[]): Record<string, string> {
  const added = params.map((param): [string, string] => [
    checkKey(required(param, 'key'), 'parameter'),
    (optional(param, 'value') ?? '').slice(0, 6000),
  ]);
  for (const [key, value] of added) {
    if (Object.hasOwn(run.params, key) && run.params[key] !== value)
      throw wrong(
        `Changing param values is not allowed. Param with key='${key}' was already logged with value='${run.params[key] ?? ''}' for run ID='${run.runId}'.`,
      );
  }
  const all = { ...run.params, ...Object.fromEntries(added) };
  if (Object.keys(all).length > LIMITS.params) throw overLimit('Number of parameters of a run', LIMITS.params);
  return all;
}

/** The run's tags with the new ones; throws before anything is changed. Tags of the service (`mlflow.*`, `azureml.*`) do not count. */
function withTags(run: TrackedRun, tags: Readonly<Record<string, string>>): Record<string, string> {
  const all = { ...run.tags, ...tags };
  for (const [key, value] of Object.entries(tags)) {
    checkKey(key, 'tag');
    if (key.length > LIMITS.tagKey) throw overLimit('Length of a tag key', LIMITS.tagKey);
    if (value.length > LIMITS.tagValue && !isOfService(key)) throw overLimit('Length of a tag value', LIMITS.tagValue);
  }
  if (Object.keys(all).filter((key) => !isOfService(key)).length > LIMITS.tags) throw overLimit('Number of tags of a run', LIMITS.tags);
  return all;
}

const isOfService = (key: string): boolean => key.startsWith('mlflow.') || key.startsWith('azureml.');

/** Tags of a job's run are the job's tags too. */
function tagJob({ workspace }: MlflowCall, run: TrackedRun): void {
  const job = run.ofJob ? workspace.store.job(run.runId) : undefined;
  if (!job) return;
  job.tags = Object.fromEntries(Object.entries(run.tags).filter(([key]) => !isOfService(key) && !Object.hasOwn(job.results, key)));
  workspace.store.saveJob(job);
}

const tagsOf = (tags: readonly Fields[]): Record<string, string> =>
  Object.fromEntries(tags.map((tag) => [required(tag, 'key'), optional(tag, 'value') ?? '']));

export const logMetric: MlflowRoute = (call) => {
  const run = active(call);
  const metric = metricOf(call, call.fields);
  checkMetricNames(call, run, [metric]);
  call.workspace.store.tracking.log(run.runId, [metric]);
  return {};
};

export const logParameter: MlflowRoute = (call) => {
  const run = active(call);
  run.params = withParams(run, [call.fields]);
  call.workspace.store.tracking.save(run);
  return {};
};

export const logBatch: MlflowRoute = (call) => {
  const run = active(call);
  const metrics = records(call.fields, 'metrics');
  const params = records(call.fields, 'params');
  const tags = records(call.fields, 'tags');
  if (metrics.length > LIMITS.metricsPerBatch) throw overLimit('MetricV2Dto.Value/Count', LIMITS.metricsPerBatch);
  if (params.length > LIMITS.paramsPerBatch) throw overLimit('Number of parameters of a batch', LIMITS.paramsPerBatch);
  if (tags.length > LIMITS.tagsPerBatch) throw overLimit('Number of tags of a batch', LIMITS.tagsPerBatch);
  const rows = metrics.map((metric) => metricOf(call, metric));
  checkMetricNames(call, run, rows);
  const changed = { params: withParams(run, params), tags: withTags(run, tagsOf(tags)) };
  Object.assign(run, changed);
  call.workspace.store.tracking.log(run.runId, rows);
  call.workspace.store.tracking.save(run);
  tagJob(call, run);
  return {};
};

export const setTag: MlflowRoute = (call) => {
  const run = active(call);
  run.tags = withTags(run, tagsOf([call.fields]));
  call.workspace.store.tracking.save(run);
  tagJob(call, run);
  return {};
};

export const deleteTag: MlflowRoute = (call) => {
  const run = active(call);
  const key = required(call.fields, 'key');
  if (!Object.hasOwn(run.tags, key)) throw missing(`No tag with name: ${key.slice(0, 250)} in run with id ${run.runId}`);
  run.tags = Object.fromEntries(Object.entries(run.tags).filter(([other]) => other !== key));
  call.workspace.store.tracking.save(run);
  tagJob(call, run);
  return {};
};

export const logInputs: MlflowRoute = (call) => {
  const run = active(call);
  run.inputs.push(...records(call.fields, 'datasets'));
  call.workspace.store.tracking.save(run);
  return {};
};

export const metricHistory: MlflowRoute = (call) => {
  const run = named(call);
  const key = required(call.fields, 'metric_key');
  const rows = seen(call, run.runId).filter((metric) => metric.key === key);
  const { items, next } = pageOf(rows, call.fields, 25_000, 25_000);
  if (rows.length === 0) return {}; // also for an unknown key
  return { metrics: items.map(metricView), ...(next === undefined ? {} : { next_page_token: next }) };
};

export const searchRuns: MlflowRoute = (call) => {
  const { fields, workspace } = call;
  const experiments = texts(fields, 'experiment_ids');
  const comparisons = parseFilter(optional(fields, 'filter'));
  const type = optional(fields, 'run_view_type') ?? 'ACTIVE_ONLY';
  const found = workspace.store.tracking
    .runs()
    .filter((run) => experiments.includes(run.experimentId))
    .filter(({ lifecycle: stage }) => type === 'ALL' || (type === 'DELETED_ONLY') === (stage === 'deleted'))
    .map((run) => ({ run, metrics: latest(call, run.runId) }))
    .filter((row) => comparisons.every((comparison) => fits(valueOf(row, comparison), comparison)));
  const { items, next } = pageOf(ordered(found, texts(fields, 'order_by')), fields, 1000, 50_000);
  return { runs: items.map(({ run }) => view(call, run)), ...(next === undefined ? {} : { next_page_token: next }) };
};

interface Row {
  readonly run: TrackedRun;
  readonly metrics: ReadonlyMap<string, Metric>;
}

function valueOf({ run, metrics }: Row, { of, key }: Pick<Comparison, 'of' | 'key'>): string | number | null | undefined {
  switch (of) {
    case 'metrics':
      return metrics.get(key)?.value;
    case 'params':
      return Object.hasOwn(run.params, key) ? run.params[key] : undefined;
    case 'tags':
      return Object.hasOwn(run.tags, key) ? run.tags[key] : undefined;
    default:
      return attribute(run, key);
  }
}

function attribute(run: TrackedRun, key: string): string | number | null {
  const values: Readonly<Record<string, string | number | null>> = {
    run_id: run.runId,
    run_name: run.name,
    'run name': run.name,
    status: run.status,
    start_time: run.startTime,
    end_time: run.endTime,
    user_id: run.userId,
    artifact_uri: '',
  };
  if (!Object.hasOwn(values, key)) throw wrong(`Invalid attribute key '${key.slice(0, 80)}' specified.`);
  return values[key] ?? null;
}

/** By the given order, then newest first; what has no value comes last. */
function ordered(rows: readonly Row[], orders: readonly string[]): Row[] {
  const by = orders.map((order) => {
    const [, field = '', direction = 'ASC'] = /^\s*(.+?)(?:\s+(ASC|DESC))?\s*$/i.exec(order) ?? [];
    const [comparison] = parseFilter(/^metric/i.test(field) ? `${field} = 0` : `${field} != ''`.replace(/^(.*_time) != ''$/, '$1 = 0'));
    if (!comparison) throw new MlflowError('INVALID_PARAMETER_VALUE', `Invalid order_by clause '${order.slice(0, 120)}'.`);
    return { comparison, sign: direction.toUpperCase() === 'DESC' ? -1 : 1 };
  });
  return [...rows].sort((a, b) => {
    for (const { comparison, sign } of by) {
      const [left, right] = [valueOf(a, comparison), valueOf(b, comparison)].map((value) =>
        Number.isNaN(value) ? undefined : (value ?? undefined),
      );
      if (left === right) continue;
      if (left === undefined) return 1;
      if (right === undefined) return -1;
      return left < right ? -sign : sign;
    }
    return b.run.startTime - a.run.startTime || (a.run.runId < b.run.runId ? -1 : 1);
  });
}
