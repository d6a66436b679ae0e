// Steps that show a run in the connected Azure ML workspace: MLflow run, data asset, model version.
import {
  logRun,
  logTrials,
  publishModelAsset,
  readPublication,
  registerDataAsset,
  registerModelAsset,
} from '../../shared/contracts/activities/tracking.ts';
import { trialJobName } from '../../shared/decisions/identity.ts';
import { overridden, paramsOf, stepsOf } from '../../shared/decisions/train-spec.ts';
import type { Train } from '../../shared/contracts/pipeline/train.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { AssetRegistry } from '../../shared/ports/asset-registry.ts';
import type { RunLogger } from '../../shared/ports/run-logger.ts';
import type { ModelRegistry, PipelineRegistry } from '../../shared/ports/stores.ts';
import { pipelineVersion } from './data.ts';
import { perform, type Activity } from './kit.ts';

export interface TrackingPorts {
  pipelines: PipelineRegistry;
  models: ModelRegistry;
  /** Absent or null: no Azure ML workspace is connected. */
  runLogger?: RunLogger | null;
  assets?: (Pick<AssetRegistry, 'data' | 'model'> & Partial<Pick<AssetRegistry, 'publish' | 'poll'>>) | null;
}

export function trackingActivities(ports: TrackingPorts): Activity[] {
  return [
    perform(logRun, async ({ contractDigest, overrides, varied = [], ...run }) => {
      const logger = loggerOf(ports);
      const { spec } = await pipelineVersion(ports.pipelines, run.pipeline, contractDigest);
      return logger.log({ ...run, params: without(paramTexts(overridden(spec.train, overrides)), varied) });
    }),

    perform(logTrials, async ({ pipeline, contractDigest, overrides, runId, experiment, parentRunId, tags, trials }) => {
      const logger = loggerOf(ports);
      const { spec } = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      for (const { trial, params, metrics, state, jobName, startedAt, finishedAt } of trials) {
        await logger.log({
          runId: trialJobName(runId, trial),
          experiment,
          pipeline,
          params: paramTexts(overridden(spec.train, { ...overrides, ...params })),
          metrics,
          tags: { ...tags, 'sluice.trial': String(trial), ...(jobName === null ? {} : { 'sluice.job': jobName }) },
          startedAt,
          finishedAt,
          status: state === 'stopped' ? 'cancelled' : state,
          parentRunId,
        });
      }
      return { logged: trials.length };
    }),

    perform(registerDataAsset, async ({ pipeline, gold, staged }) => {
      if (!ports.assets) return { asset: null };
      const { name, version } = await ports.assets.data({
        table: `${pipeline}-${gold.table}`,
        goldVersion: gold.version,
        goldDigest: gold.digest,
        // The lake is no datastore of the workspace, and a Delta folder would show every version at once.
        path: staged,
        tags: { pipeline, goldTable: gold.path },
      });
      return { asset: `${name}:${version}` };
    }),

    perform(registerModelAsset, async ({ pipeline, modelDigest }) => {
      if (!ports.assets) return { asset: null };
      const model = await ports.models.get(pipeline, modelDigest);
      if (!model) throw new RejectedError('model-unknown', `Pipeline ${pipeline} has no model ${modelDigest.slice(0, 12)}`);
      const { runId, archive, goldVersion, goldDigest } = model;
      const tags = { pipeline, run: runId, goldVersion: String(goldVersion), goldDigest, archiveSha256: archive.sha256 };
      const { name, version } = await ports.assets.model({ name: pipeline, modelDigest, path: archive.storePath, tags });
      return { asset: `${name}:${version}` };
    }),

    perform(publishModelAsset, async (model) => {
      const { publish } = ports.assets ?? {};
      if (!publish) return { publication: null };
      try {
        return { publication: await publish(model) };
      } catch (error) {
        if (error instanceof RejectedError && error.code === 'registry-unknown') return { publication: null };
        throw error;
      }
    }),

    perform(readPublication, async ({ publication }) => {
      const { poll } = ports.assets ?? {};
      if (poll) return poll(publication);
      throw new RejectedError('registry-unknown', 'This deployment names no Azure ML registry any more; set AZUREML_REGISTRY');
    }),
  ];
}

function loggerOf({ runLogger }: TrackingPorts): RunLogger {
  if (runLogger) return runLogger;
  const mend = 'set AZUREML_WORKSPACE and what belongs to it, or take train.mlflow out of sluice.yaml';
  throw new RejectedError('run-logger-missing', `This deployment is connected to no Azure ML workspace: ${mend}`);
}

/** Leaves out parameters by the names that overrides have: `alpha` of every step, `step.alpha` of one. */
function without(texts: Record<string, string>, names: readonly string[]): Record<string, string> {
  const isOne = (key: string): boolean => names.some((name) => key === name || key.endsWith(`.${name}`));
  return Object.fromEntries(Object.entries(texts).filter(([key]) => !isOne(key)));
}

/** Parameters as MLflow keeps them: texts; those of a graph by step. */
function paramTexts(train: Train): Record<string, string> {
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  const texts = stepsOf(train).flatMap((step) =>
    Object.entries(paramsOf(train, step)).map(([name, value]) => [train.steps === undefined ? name : `${step.name}.${name}`, text(value)]),
  );
  return Object.fromEntries(texts) as Record<string, string>;
}
