// Which call of MLflow is answered by what, with the right that it needs. Logged models and traces are not among them: 404, as Azure ML (facts/mlflow.md §9).
import * as artifacts from './artifact-list.ts';
import type { MlflowRoute } from './context.ts';
import * as experiments from './experiments.ts';
import * as registry from './model-registry.ts';
import * as runs from './runs.ts';

/** A call below `api/2.0/mlflow/`. */
export interface MlflowEndpoint {
  readonly methods: readonly string[];
  readonly route: MlflowRoute;
  /** ARM's word for the right, without provider. */
  readonly action: string;
}

const READ = 'workspaces/experiments/runs/read';
const WRITE = 'workspaces/experiments/runs/write';
const EXPERIMENT_READ = 'workspaces/experiments/read';
const EXPERIMENT_WRITE = 'workspaces/experiments/write';
const MODEL_READ = 'workspaces/models/read';
const MODEL_WRITE = 'workspaces/models/write';

const endpoint = (methods: string, action: string, route: MlflowRoute): MlflowEndpoint => ({ methods: methods.split('|'), action, route });

/** By the path below `api/2.0/mlflow/`. */
export const MLFLOW_ROUTES: ReadonlyMap<string, readonly MlflowEndpoint[]> = new Map<string, readonly MlflowEndpoint[]>([
  ['experiments/create', [endpoint('POST', EXPERIMENT_WRITE, experiments.createExperiment)]],
  ['experiments/get', [endpoint('GET', EXPERIMENT_READ, experiments.getExperiment)]],
  ['experiments/get-by-name', [endpoint('GET', EXPERIMENT_READ, experiments.getExperimentByName)]],
  ['experiments/search', [endpoint('POST|GET', EXPERIMENT_READ, experiments.searchExperiments)]],
  ['experiments/delete', [endpoint('POST', EXPERIMENT_WRITE, experiments.deleteExperiment)]],
  ['experiments/restore', [endpoint('POST', EXPERIMENT_WRITE, experiments.restoreExperiment)]],
  ['experiments/update', [endpoint('POST', EXPERIMENT_WRITE, experiments.renameExperiment)]],
  ['experiments/set-experiment-tag', [endpoint('POST', EXPERIMENT_WRITE, experiments.setExperimentTag)]],
  ['runs/create', [endpoint('POST', WRITE, runs.createRun)]],
  ['runs/get', [endpoint('GET', READ, runs.getRun)]],
  ['runs/update', [endpoint('POST', WRITE, runs.updateRun)]],
  ['runs/delete', [endpoint('POST', WRITE, runs.deleteRun)]],
  ['runs/restore', [endpoint('POST', WRITE, runs.restoreRun)]],
  ['runs/search', [endpoint('POST', READ, runs.searchRuns)]],
  ['runs/log-metric', [endpoint('POST', WRITE, runs.logMetric)]],
  ['runs/log-parameter', [endpoint('POST', WRITE, runs.logParameter)]],
  ['runs/log-batch', [endpoint('POST', WRITE, runs.logBatch)]],
  ['runs/log-inputs', [endpoint('POST', WRITE, runs.logInputs)]],
  ['runs/set-tag', [endpoint('POST', WRITE, runs.setTag)]],
  ['runs/delete-tag', [endpoint('POST', WRITE, runs.deleteTag)]],
  ['metrics/get-history', [endpoint('GET', READ, runs.metricHistory)]],
  ['artifacts/list', [endpoint('GET', READ, artifacts.listArtifacts)]],
  ['registered-models/create', [endpoint('POST', MODEL_WRITE, registry.createModel)]],
  ['registered-models/get', [endpoint('GET', MODEL_READ, registry.getModel)]],
  ['registered-models/search', [endpoint('GET', MODEL_READ, registry.searchModels)]],
  ['registered-models/update', [endpoint('PATCH', MODEL_WRITE, registry.updateModel)]],
  ['registered-models/rename', [endpoint('POST', MODEL_WRITE, registry.refuseModel('Renaming'))]],
  ['registered-models/delete', [endpoint('DELETE', MODEL_WRITE, registry.refuseModel('Deleting'))]],
  ['registered-models/set-tag', [endpoint('POST', MODEL_WRITE, registry.setModelTag)]],
  ['registered-models/delete-tag', [endpoint('DELETE', MODEL_WRITE, registry.deleteModelTag)]],
  ['registered-models/get-latest-versions', [endpoint('POST|GET', MODEL_READ, registry.latestVersions)]],
  ['model-versions/create', [endpoint('POST', MODEL_WRITE, registry.createVersion)]],
  ['model-versions/get', [endpoint('GET', MODEL_READ, registry.getVersion)]],
  ['model-versions/search', [endpoint('GET', MODEL_READ, registry.searchVersions)]],
  ['model-versions/update', [endpoint('PATCH', MODEL_WRITE, registry.updateVersion)]],
  ['model-versions/delete', [endpoint('DELETE', MODEL_WRITE, registry.deleteVersion)]],
  ['model-versions/transition-stage', [endpoint('POST', MODEL_WRITE, registry.transitionStage)]],
  ['model-versions/set-tag', [endpoint('POST', MODEL_WRITE, registry.setVersionTag)]],
  ['model-versions/delete-tag', [endpoint('DELETE', MODEL_WRITE, registry.deleteVersionTag)]],
  ['model-versions/get-download-uri', [endpoint('GET', MODEL_READ, registry.downloadUri)]],
]);
