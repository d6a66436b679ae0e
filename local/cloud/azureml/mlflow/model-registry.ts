// Registered models and their versions: the same store as ARM's models (facts/azure.md §2); stages are MLflow's alone and ARM does not see them.
// Not supported by Azure ML: renaming, deleting a model, search by tag or LIKE (facts/mlflow.md §9). Aliases are not on its list either.
import type { AssetContainer, AssetVersion } from '../model.ts';
import { ASSET_NAME } from '../names.ts';
import { containerNamed, nextVersion, putVersion } from '../registry/versions.ts';
import { specText } from '../resource-ids.ts';
import type { MlflowCall, MlflowRoute } from './context.ts';
import { optional, pageOf, pairs, records, required, texts } from './fields.ts';
import { missing, MlflowError, wrong } from './mlflow-error.ts';
import { parseFilter } from './search-filter.ts';

const STAGES: readonly string[] = ['None', 'Staging', 'Production', 'Archived'];

const models = ({ workspace }: MlflowCall): AssetContainer[] => workspace.store.assets.value.models;
const save = ({ workspace }: MlflowCall): void => {
  workspace.store.assets.save();
};

function modelOf(call: MlflowCall): AssetContainer {
  const name = required(call.fields, 'name');
  const found = models(call).find((container) => container.name === name);
  if (!found) throw missing(`Registered Model with name=${name.slice(0, 256)} not found`);
  return found;
}

function versionOf(call: MlflowCall): AssetVersion {
  const model = modelOf(call);
  const version = required(call.fields, 'version');
  const found = model.versions.find((candidate) => candidate.version === version);
  if (!found) throw missing(`Model Version (name=${model.name}, version=${version.slice(0, 40)}) not found`);
  return found;
}

const stageOf = (version: AssetVersion): string => version.mlflow?.stage ?? 'None';

/** A version that came over ARM has its address as source and the job it names as run. */
const versionView = (version: AssetVersion): object => ({
  name: version.name,
  version: version.version,
  creation_timestamp: version.createdAt,
  last_updated_timestamp: version.modifiedAt,
  user_id: version.mlflow?.userId ?? version.createdBy.id,
  current_stage: stageOf(version),
  description: version.description ?? '',
  source: version.mlflow?.source ?? specText(version, 'modelUri'),
  run_id: version.mlflow?.runId ?? specText(version, 'jobName'),
  status: 'READY',
  tags: pairs(version.tags),
});

function latest(model: AssetContainer, stages: readonly string[]): AssetVersion[] {
  const newest = new Map<string, AssetVersion>();
  for (const version of model.versions) newest.set(stageOf(version), version);
  return [...newest].filter(([stage]) => stages.length === 0 || stages.includes(stage)).map(([, version]) => version);
}

const modelView = (model: AssetContainer): object => ({
  name: model.name,
  creation_timestamp: model.createdAt,
  last_updated_timestamp: model.modifiedAt,
  description: model.description ?? '',
  latest_versions: latest(model, []).map(versionView),
  tags: pairs(model.tags),
});

const tagsOf = (call: MlflowCall): Record<string, string> =>
  Object.fromEntries(records(call.fields, 'tags').map((tag) => [required(tag, 'key'), optional(tag, 'value') ?? '']));

export const createModel: MlflowRoute = (call) => {
  const name = required(call.fields, 'name');
  if (!ASSET_NAME.test(name)) throw wrong(`Invalid model name: '${name.slice(0, 256)}'.`);
  // 400, not 409: `register_model` swallows it (facts/mlflow.md §4).
  if (models(call).some((container) => container.name === name))
    throw new MlflowError('RESOURCE_ALREADY_EXISTS', `Registered Model (name=${name}) already exists.`);
  const made = containerNamed(models(call), name, call.caller.author, call.context.clock.now());
  made.description = optional(call.fields, 'description') ?? null;
  made.tags = tagsOf(call);
  save(call);
  return { registered_model: modelView(made) };
};

export const getModel: MlflowRoute = (call) => ({ registered_model: modelView(modelOf(call)) });

export const updateModel: MlflowRoute = (call) => {
  const model = modelOf(call);
  model.description = optional(call.fields, 'description') ?? model.description;
  save(call);
  return { registered_model: modelView(model) };
};

/** The name of a `name = 'x'` filter; others are refused. The clause that clients add to leave out prompts is taken. */
function nameFilter(call: MlflowCall): (name: string) => boolean {
  const clauses = parseFilter(optional(call.fields, 'filter')).filter(
    ({ of, key }) => !(of === 'tags' && key === 'mlflow.prompt.is_prompt'),
  );
  for (const { of, key, operator } of clauses) {
    if (of !== 'attributes' || key !== 'name' || operator !== '=')
      throw wrong("Azure Machine Learning searches models by name only: use a filter such as name = 'model'.");
  }
  return (name) => clauses.every(({ value }) => value === name);
}

export const searchModels: MlflowRoute = (call) => {
  const keep = nameFilter(call);
  const { items, next } = pageOf(
    models(call).filter(({ name }) => keep(name)),
    call.fields,
    100,
    1000,
  );
  return { registered_models: items.map(modelView), ...(next === undefined ? {} : { next_page_token: next }) };
};

export const latestVersions: MlflowRoute = (call) => ({
  model_versions: latest(modelOf(call), texts(call.fields, 'stages').map(checkedStage)).map(versionView),
});

export const setModelTag: MlflowRoute = (call) => {
  modelOf(call).tags[required(call.fields, 'key')] = optional(call.fields, 'value') ?? '';
  save(call);
  return {};
};

export const deleteModelTag: MlflowRoute = (call) => {
  const model = modelOf(call);
  const key = required(call.fields, 'key');
  model.tags = Object.fromEntries(Object.entries(model.tags).filter(([other]) => other !== key));
  save(call);
  return {};
};

export const refuseModel =
  (what: string): MlflowRoute =>
  () => {
    throw new MlflowError('BAD_REQUEST', `${what} a registered model is not supported by Azure Machine Learning.`);
  };

/** `azureml://…/runs/{run}/artifacts/{path}` is the run's artifact; a path of the caller's machine is refused (facts/mlflow.md §4). */
function modelUri(source: string): string {
  const [, run, path = ''] = /^azureml:\/\/.*\/runs\/([^/]+)\/artifacts\/?(.*)$/.exec(source) ?? [];
  if (run !== undefined) return `azureml://jobs/${run}/outputs/artifacts/paths/${path}`;
  if (!/^[a-z][a-z0-9+.-]*:\//i.test(source) || source.startsWith('file:'))
    throw wrong(`Invalid model version source: '${source.slice(0, 200)}'. A path of your own machine cannot be a source.`);
  return source;
}

export const createVersion: MlflowRoute = (call) => {
  const model = modelOf(call);
  const source = required(call.fields, 'source');
  const runId = optional(call.fields, 'run_id') ?? '';
  const now = call.context.clock.now();
  const { version } = putVersion(
    model,
    nextVersion(model),
    {
      spec: { modelType: 'mlflow_model', modelUri: modelUri(source), isAnonymous: false, ...(runId === '' ? {} : { jobName: runId }) },
      description: optional(call.fields, 'description') ?? null,
      tags: tagsOf(call),
    },
    call.caller.author,
    now,
  );
  version.mlflow = { stage: 'None', runId, source, userId: call.caller.author.id };
  save(call);
  return { model_version: versionView(version) };
};

export const getVersion: MlflowRoute = (call) => ({ model_version: versionView(versionOf(call)) });

export const updateVersion: MlflowRoute = (call) => {
  const version = versionOf(call);
  version.description = optional(call.fields, 'description') ?? version.description;
  version.modifiedAt = call.context.clock.now();
  save(call);
  return { model_version: versionView(version) };
};

export const deleteVersion: MlflowRoute = (call) => {
  const version = versionOf(call);
  const model = modelOf(call);
  model.versions = model.versions.filter((candidate) => candidate !== version);
  save(call);
  return {};
};

export const searchVersions: MlflowRoute = (call) => {
  const keep = nameFilter(call);
  const found = models(call)
    .filter(({ name }) => keep(name))
    .flatMap(({ versions }) => [...versions].reverse());
  const { items, next } = pageOf(found, call.fields, 10_000, 200_000);
  return { model_versions: items.map(versionView), ...(next === undefined ? {} : { next_page_token: next }) };
};

function checkedStage(stage: string): string {
  if (!STAGES.includes(stage))
    throw wrong(`Invalid Model Version stage: ${stage.slice(0, 40)}. Value must be one of ${STAGES.join(', ')}.`);
  return stage;
}

export const transitionStage: MlflowRoute = (call) => {
  const version = versionOf(call);
  const stage = checkedStage(required(call.fields, 'stage'));
  const now = call.context.clock.now();
  const others = call.fields['archive_existing_versions'] === true ? modelOf(call).versions : [];
  for (const other of others.filter((candidate) => candidate !== version && stageOf(candidate) === stage)) setStage(other, 'Archived', now);
  setStage(version, stage, now);
  save(call);
  return { model_version: versionView(version) };
};

function setStage(version: AssetVersion, stage: string, now: number): void {
  version.mlflow = {
    source: specText(version, 'modelUri'),
    runId: specText(version, 'jobName'),
    userId: version.createdBy.id,
    ...version.mlflow,
    stage,
  };
  version.modifiedAt = now;
}

export const setVersionTag: MlflowRoute = (call) => {
  versionOf(call).tags[required(call.fields, 'key')] = optional(call.fields, 'value') ?? '';
  save(call);
  return {};
};

export const deleteVersionTag: MlflowRoute = (call) => {
  const version = versionOf(call);
  const key = required(call.fields, 'key');
  version.tags = Object.fromEntries(Object.entries(version.tags).filter(([other]) => other !== key));
  save(call);
  return {};
};

export const downloadUri: MlflowRoute = (call) => {
  const version = versionOf(call);
  return { artifact_uri: version.mlflow?.source ?? specText(version, 'modelUri') };
};
