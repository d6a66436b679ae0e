// Experiments: the groups of runs, and in multi-user mode the holders of the namespace.
// Names are unique per namespace; single-user mode has one called Default.
import { randomUUID } from 'node:crypto';
import type { ExperimentRecord } from '../model.ts';
import { writeMessage } from '../protojson.ts';
import { allow, answer, done, readBody, seconds, type ApiContext, type Call, type Route } from './context.ts';
import { ApiError } from './errors.ts';
import { listPage, type Listable } from './listing.ts';
import { experimentMessage } from './messages.ts';
import { listAnswer } from './pipelines.ts';

const experiments: Listable<ExperimentRecord> = {
  id: ({ experimentId }) => experimentId,
  keys: {
    experiment_id: ({ experimentId }) => experimentId,
    id: ({ experimentId }) => experimentId,
    name: ({ displayName }) => displayName,
    display_name: ({ displayName }) => displayName,
    description: ({ description }) => description,
    namespace: ({ namespace }) => namespace,
    storage_state: ({ storageState }) => storageState,
    created_at: ({ createdAt }) => Math.floor(createdAt / 1000),
  },
  sortable: ['experiment_id', 'id', 'name', 'display_name', 'created_at'],
};

function view({ store }: ApiContext, record: ExperimentRecord): object {
  const own = store.runs().filter(({ experimentId }) => experimentId === record.experimentId);
  const last = own.reduce((latest, { createdAt }) => Math.max(latest, createdAt), 0);
  return { ...record, createdAt: seconds(record.createdAt), lastRunCreatedAt: seconds(last) };
}

/** The experiment, or 404. */
export function findExperiment({ store }: ApiContext, experimentId: string): ExperimentRecord {
  const found = store.catalog.value.experiments.find((experiment) => experiment.experimentId === experimentId);
  if (!found) throw new ApiError('not-found', `Failed to get experiment: ResourceNotFoundError: Experiment ${experimentId} not found`);
  return found;
}

/** Makes an experiment; 409 where the name is taken in its namespace. */
function addExperiment({ store, clock }: ApiContext, displayName: string, description: string, namespace: string): ExperimentRecord {
  const taken = store.catalog.value.experiments.some((other) => other.displayName === displayName && other.namespace === namespace);
  if (taken) {
    throw new ApiError(
      'already-exists',
      `Failed to create a new experiment: The name ${displayName} already exists. Please specify a new name`,
    );
  }
  const experiment: ExperimentRecord = {
    experimentId: randomUUID(),
    displayName,
    description,
    namespace,
    storageState: 'AVAILABLE',
    createdAt: clock.now(),
  };
  store.catalog.update((value) => value.experiments.push(experiment));
  return experiment;
}

/** Single-user mode's experiment for runs that name none. */
export function defaultExperiment(context: ApiContext): ExperimentRecord {
  const known = context.store.catalog.value.experiments.find(({ displayName, namespace }) => displayName === 'Default' && namespace === '');
  return known ?? addExperiment(context, 'Default', 'All runs created without specifying an experiment will be grouped here.', '');
}

export const createExperiment: Route = async (context, call) => {
  const body = await readBody<ExperimentRecord>(call, experimentMessage);
  const namespace = body.namespace ?? '';
  if (!body.displayName)
    throw new ApiError(
      'invalid-argument',
      'Failed to create a new experiment: Experiment name is empty. Please specify a valid experiment name',
    );
  if (context.authorizer.multiUser && namespace === '') {
    throw new ApiError('invalid-argument', 'Failed to create a new experiment: Experiment namespace is empty in multi-user mode');
  }
  allow(context, call, { verb: 'create', resource: 'experiments', namespace });
  return answer(experimentMessage, view(context, addExperiment(context, body.displayName, body.description ?? '', namespace)));
};

function found(context: ApiContext, call: Call, verb: string): ExperimentRecord {
  const experiment = findExperiment(context, call.params['experimentId'] ?? '');
  allow(context, call, { verb, resource: 'experiments', namespace: experiment.namespace });
  return experiment;
}

export const getExperiment: Route = (context, call) => answer(experimentMessage, view(context, found(context, call, 'get')));

export const listExperiments: Route = (context, call) => {
  const namespace = call.query.get('namespace') ?? '';
  if (context.authorizer.multiUser && namespace === '') {
    throw new ApiError('invalid-argument', 'Failed to list experiments: namespace is empty in multi-user mode');
  }
  allow(context, call, { verb: 'list', resource: 'experiments', namespace });
  const own = context.store.catalog.value.experiments.filter((experiment) => namespace === '' || experiment.namespace === namespace);
  const page = listPage(experiments, own, call.query);
  return listAnswer(
    'experiments',
    page.items.map((item) => writeMessage(experimentMessage, view(context, item))),
    page,
  );
};

const storage =
  (verb: string, state: ExperimentRecord['storageState']): Route =>
  (context, call) => {
    const experiment = found(context, call, verb);
    context.store.catalog.update(() => (experiment.storageState = state));
    return done();
  };

export const archiveExperiment = storage('archive', 'ARCHIVED');
export const unarchiveExperiment = storage('unarchive', 'AVAILABLE');

export const deleteExperiment: Route = (context, call) => {
  const experiment = found(context, call, 'delete');
  context.store.catalog.update((value) => (value.experiments = value.experiments.filter((other) => other !== experiment)));
  return done();
};
