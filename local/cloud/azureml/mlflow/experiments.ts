// Experiments (facts/mlflow.md §2). Ids are GUIDs; renaming is not supported by Azure ML (§9).
import { experimentNamed } from '../execution/records.ts';
import type { MlflowCall, MlflowRoute } from './context.ts';
import { optional, pageOf, pairs, records, required } from './fields.ts';
import { missing, MlflowError, wrong } from './mlflow-error.ts';
import { fits, parseFilter } from './search-filter.ts';
import type { ExperimentRecord } from './tracking-store.ts';

/** Longest name of an experiment (facts/mlflow.md §9). */
const MAX_NAME = 256;

export function experimentOf({ workspace }: MlflowCall, id: string): ExperimentRecord {
  const found = workspace.store.tracking.experiments.value.find(({ experimentId }) => experimentId === id);
  if (!found) throw missing(`No Experiment with id=${id.slice(0, 100)} exists`);
  return found;
}

const view = ({ root }: MlflowCall, experiment: ExperimentRecord): object => ({
  experiment_id: experiment.experimentId,
  name: experiment.name,
  artifact_location: `${root}/experiments/${experiment.experimentId}`,
  lifecycle_stage: experiment.lifecycle,
  creation_time: experiment.createdAt,
  last_update_time: experiment.updatedAt,
  tags: pairs(experiment.tags),
});

export const createExperiment: MlflowRoute = (call) => {
  const name = required(call.fields, 'name');
  if (name.length > MAX_NAME) throw wrong(`Experiment name is longer than ${MAX_NAME} characters.`);
  const { store } = call.workspace;
  if (store.tracking.experiments.value.some((experiment) => experiment.name === name))
    throw new MlflowError('RESOURCE_ALREADY_EXISTS', `Experiment(name=${name}) already exists.`);
  const made = experimentNamed(store, name, call.context.clock.now());
  for (const tag of records(call.fields, 'tags')) made.tags[required(tag, 'key')] = optional(tag, 'value') ?? '';
  store.tracking.experiments.save();
  return { experiment_id: made.experimentId };
};

export const getExperiment: MlflowRoute = (call) => ({
  experiment: view(call, experimentOf(call, required(call.fields, 'experiment_id'))),
});

export const getExperimentByName: MlflowRoute = (call) => {
  const name = required(call.fields, 'experiment_name');
  const found = call.workspace.store.tracking.experiments.value.find((experiment) => experiment.name === name);
  if (!found) throw missing(`Could not find experiment with name '${name.slice(0, 256)}'`);
  return { experiment: view(call, found) };
};

export const searchExperiments: MlflowRoute = (call) => {
  const type = optional(call.fields, 'view_type') ?? 'ACTIVE_ONLY';
  const comparisons = parseFilter(optional(call.fields, 'filter'));
  const found = call.workspace.store.tracking.experiments.value
    .filter(({ lifecycle }) => type === 'ALL' || (type === 'DELETED_ONLY') === (lifecycle === 'deleted'))
    .filter((experiment) =>
      comparisons.every((comparison) =>
        fits(comparison.of === 'tags' ? experiment.tags[comparison.key] : attribute(experiment, comparison.key), comparison),
      ),
    );
  const { items, next } = pageOf(found, call.fields, 1000, 50_000);
  return { experiments: items.map((experiment) => view(call, experiment)), ...(next === undefined ? {} : { next_page_token: next }) };
};

function attribute(experiment: ExperimentRecord, key: string): string | number {
  switch (key) {
    case 'name':
      return experiment.name;
    case 'creation_time':
      return experiment.createdAt;
    case 'last_update_time':
      return experiment.updatedAt;
    default:
      throw wrong(`Invalid attribute key '${key.slice(0, 80)}' specified.`);
  }
}

const lifecycle =
  (stage: ExperimentRecord['lifecycle']): MlflowRoute =>
  (call) => {
    const experiment = experimentOf(call, required(call.fields, 'experiment_id'));
    experiment.lifecycle = stage;
    experiment.updatedAt = call.context.clock.now();
    call.workspace.store.tracking.experiments.save();
    return {};
  };

export const deleteExperiment = lifecycle('deleted');
export const restoreExperiment = lifecycle('active');

export const setExperimentTag: MlflowRoute = (call) => {
  const experiment = experimentOf(call, required(call.fields, 'experiment_id'));
  experiment.tags[required(call.fields, 'key')] = optional(call.fields, 'value') ?? '';
  call.workspace.store.tracking.experiments.save();
  return {};
};

export const renameExperiment: MlflowRoute = () => {
  throw new MlflowError('BAD_REQUEST', 'Renaming an experiment is not supported by Azure Machine Learning.');
};
