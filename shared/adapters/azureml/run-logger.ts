// Port RunLogger over the MLflow of an Azure ML workspace: one MLflow run per run of ours, found again by its tag `sluice.runId`.
// Limits are those of Azure ML's server, which are lower than MLflow's own (facts/mlflow.md §9); what does not fit is named in a tag.
import type { LoggedRun, RunLogger } from '../../ports/run-logger.ts';
import { type AzureMlPlace, createAzureMlApi } from './api.ts';
import { createMlflow, instantOf, type Mlflow } from './mlflow.ts';
import { experimentName, studioUrl } from './place.ts';
import type { MlflowRun } from './wire.ts';

export interface RunLoggerOptions extends AzureMlPlace {
  /** Address of the studio (default https://ml.azure.com). */
  studio?: string;
}

const RUN_TAG = 'sluice.runId';
/** What makes a run a child of another wherever MLflow runs are shown (facts/mlflow.md §2). */
const PARENT_TAG = 'mlflow.parentRunId';
const LIMITS = {
  metricNames: 50,
  metricsPerCall: 250,
  params: 200,
  paramsPerCall: 100,
  tags: 45,
  key: 100,
  tagValue: 1_000,
  paramValue: 500,
};
const STATUS = { succeeded: 'FINISHED', failed: 'FAILED', cancelled: 'KILLED' } as const;

export function createRunLogger(options: RunLoggerOptions): RunLogger {
  const api = createAzureMlApi(options);
  const mlflow = createMlflow(api);

  return {
    async log(run) {
      const experimentId = await mlflow.experiment(experimentName(run.experiment));
      const found = await oldestOf(mlflow, experimentId, run.runId);
      const entries = entriesOf(run);
      const startTime = Date.parse(run.startedAt);
      const tags = [...entries.tags];
      const known = found ?? (await mlflow.createRun({ experimentId, name: run.runId, startTime, tags: tags.slice(0, LIMITS.tags) }));
      const runId = known.info.run_id;
      await sendMissing(mlflow, runId, found ? await mlflow.run(runId) : known, entries);
      if (run.status !== 'running' && !isEnded(known))
        await mlflow.endRun(runId, STATUS[run.status], Date.parse(run.finishedAt ?? run.startedAt));
      return { mlflowRunId: runId, url: studioUrl(options.studio ?? 'https://ml.azure.com', api.place, runId) };
    },
  };
}

/** Two that logged at once may have made two: everybody goes on with the oldest. */
async function oldestOf(mlflow: Mlflow, experimentId: string, runId: string): Promise<MlflowRun | null> {
  const runs = await mlflow.search(experimentId, `tags.${RUN_TAG} = '${runId.replaceAll("'", '')}'`, 20);
  const key = (run: MlflowRun) => `${String(instantOf(run.info.start_time) ?? 0).padStart(20, '0')} ${run.info.run_id}`;
  return runs.sort((a, b) => (key(a) < key(b) ? -1 : 1))[0] ?? null;
}

const isEnded = (run: MlflowRun): boolean => ['FINISHED', 'FAILED', 'KILLED'].includes(run.info.status ?? '');

interface Entries {
  params: { key: string; value: string }[];
  metrics: { key: string; value: number; timestamp: number; step: number }[];
  tags: { key: string; value: string }[];
}

/** What is logged, within the server's limits. Exported for tests. */
export function entriesOf(run: LoggedRun): Entries {
  const left: string[] = [];
  const timestamp = Date.parse(run.finishedAt ?? run.startedAt);
  const finite = Object.entries(run.metrics).filter(([name, value]) => {
    if (Number.isFinite(value)) return true;
    left.push(`metric ${name} (not a number)`);
    return false;
  });
  const first = <Item>(what: string, items: [string, Item][], limit: number): [string, Item][] => {
    const sorted = items.sort(([a], [b]) => (a < b ? -1 : 1));
    left.push(...sorted.slice(limit).map(([name]) => `${what} ${name}`));
    return sorted.slice(0, limit);
  };
  const metrics = first('metric', finite, LIMITS.metricNames).map(([key, value]) => ({ key: plainKey(key), value, timestamp, step: 0 }));
  const params = first('parameter', Object.entries(run.params), LIMITS.params).map(([key, value]) => ({
    key: plainKey(key),
    value: cut(String(value), LIMITS.paramValue),
  }));
  const own = {
    [RUN_TAG]: run.runId,
    'sluice.pipeline': run.pipeline,
    'mlflow.source.name': 'sluice',
    'mlflow.source.type': 'JOB',
    ...(run.parentRunId === undefined ? {} : { [PARENT_TAG]: run.parentRunId }),
  };
  const others = first(
    'tag',
    Object.entries(run.tags).filter(([key]) => !Object.hasOwn(own, key)),
    LIMITS.tags - Object.keys(own).length - 1,
  );
  const tags = [...Object.entries(own), ...others].map(([key, value]) => ({ key: plainKey(key), value: cut(value, LIMITS.tagValue) }));
  if (left.length > 0) tags.push({ key: 'sluice.notLogged', value: cut(left.join(', '), LIMITS.tagValue) });
  return { params, metrics, tags };
}

/** Sends what the run does not have yet. A parameter that is there stays: MLflow refuses another value for it. */
async function sendMissing(mlflow: Mlflow, runId: string, known: MlflowRun | null, entries: Entries): Promise<void> {
  const has = (kind: 'params' | 'metrics' | 'tags') => new Set((known?.data?.[kind] ?? []).map(({ key }) => key));
  const [haveParams, haveMetrics, haveTags] = [has('params'), has('metrics'), has('tags')];
  const params = entries.params.filter(({ key }) => !haveParams.has(key));
  const metrics = entries.metrics.filter(({ key }) => !haveMetrics.has(key));
  const tags = entries.tags.filter(({ key }) => !haveTags.has(key));
  for (const part of parts(params, LIMITS.paramsPerCall)) await mlflow.logBatch(runId, { params: part });
  for (const part of parts(metrics, LIMITS.metricsPerCall)) await mlflow.logBatch(runId, { metrics: part });
  for (const part of parts(tags, LIMITS.tags)) await mlflow.logBatch(runId, { tags: part });
}

function parts<Item>(items: readonly Item[], size: number): Item[][] {
  const all: Item[][] = [];
  for (let start = 0; start < items.length; start += size) all.push(items.slice(start, start + size));
  return all;
}

/** Keys hold letters, digits, `_ - . : /` and spaces (facts/mlflow.md §2). */
function plainKey(key: string): string {
  return key.replace(/[^\w\-.:/ ]/g, '_').slice(0, LIMITS.key);
}

/** The server cuts silently; here the cut shows. */
function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}
