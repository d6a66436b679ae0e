// Steps that show a run in the connected Azure ML workspace: MLflow run, data asset, model version.
import { logRun, registerDataAsset, registerModelAsset } from '../../shared/contracts/activities/tracking.ts';
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
  assets?: Pick<AssetRegistry, 'data' | 'model'> | null;
}

export function trackingActivities(ports: TrackingPorts): Activity[] {
  return [
    perform(logRun, async ({ contractDigest, overrides, ...run }) => {
      const mend = 'set SLUICE_AZUREML_WORKSPACE and what belongs to it, or take train.mlflow out of sluice.yaml';
      if (!ports.runLogger) throw new RejectedError('run-logger-missing', `This deployment is connected to no Azure ML workspace: ${mend}`);
      const { spec } = await pipelineVersion(ports.pipelines, run.pipeline, contractDigest);
      return ports.runLogger.log({ ...run, params: paramTexts(overridden(spec.train, overrides)) });
    }),

    perform(registerDataAsset, async ({ pipeline, gold }) => {
      if (!ports.assets) return { asset: null };
      const { name, version } = await ports.assets.data({
        table: `${pipeline}-${gold.table}`,
        goldVersion: gold.version,
        goldDigest: gold.digest,
        path: gold.path,
        tags: { pipeline },
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
  ];
}

/** Parameters as MLflow keeps them: texts; those of a graph by step. */
function paramTexts(train: Train): Record<string, string> {
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  const texts = stepsOf(train).flatMap((step) =>
    Object.entries(paramsOf(train, step)).map(([name, value]) => [train.steps === undefined ? name : `${step.name}.${name}`, text(value)]),
  );
  return Object.fromEntries(texts) as Record<string, string>;
}
