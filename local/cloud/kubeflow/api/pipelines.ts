// Pipelines and their versions: upload, read, delete. Names are unique per namespace, versions per pipeline (409).
// Fetching a pipeline from an address is refused: the service downloads from public hosts only (facts/kubeflow.md §1).
import { randomUUID } from 'node:crypto';
import { BodyTooLargeError, json, readBytes } from '../../kit/body.ts';
import { PipelineFileError, readPipelineFile } from '../ir/pipeline-file.ts';
import type { PipelineRecord, VersionRecord } from '../model.ts';
import { isObject, writeMessage } from '../protojson.ts';
import { allow, answer, done, readBody, seconds, type ApiContext, type Call, type Route } from './context.ts';
import { ApiError } from './errors.ts';
import { listPage, type Listable } from './listing.ts';
import { pipelineMessage, versionMessage } from './messages.ts';

const MAX_FILE = 32 * 1_048_576;

const pipelines: Listable<PipelineRecord> = {
  id: ({ pipelineId }) => pipelineId,
  keys: {
    pipeline_id: ({ pipelineId }) => pipelineId,
    id: ({ pipelineId }) => pipelineId,
    name: ({ name }) => name,
    display_name: ({ displayName }) => displayName,
    description: ({ description }) => description,
    namespace: ({ namespace }) => namespace,
    created_at: ({ createdAt }) => Math.floor(createdAt / 1000),
  },
  sortable: ['pipeline_id', 'id', 'name', 'display_name', 'created_at'],
};

const versions: Listable<VersionRecord> = {
  id: ({ pipelineVersionId }) => pipelineVersionId,
  keys: {
    pipeline_version_id: ({ pipelineVersionId }) => pipelineVersionId,
    id: ({ pipelineVersionId }) => pipelineVersionId,
    name: ({ name }) => name,
    display_name: ({ displayName }) => displayName,
    created_at: ({ createdAt }) => createdAt,
  },
  sortable: ['pipeline_version_id', 'id', 'name', 'display_name', 'created_at'],
};

const pipelineView = (record: PipelineRecord) => ({ ...record, createdAt: seconds(record.createdAt) });

function versionView(record: VersionRecord): object {
  const { spec, platform } = readPipelineFile(record.file);
  return {
    ...record,
    createdAt: seconds(record.createdAt),
    pipelineSpec: platform ? { pipeline_spec: spec, platform_spec: platform } : spec,
  };
}

/** The pipeline, or 404. */
function findPipeline({ store }: ApiContext, pipelineId: string): PipelineRecord {
  const found = store.catalog.value.pipelines.find((pipeline) => pipeline.pipelineId === pipelineId);
  if (!found) throw new ApiError('not-found', `Failed to get a pipeline: ResourceNotFoundError: Pipeline ${pipelineId} not found`);
  return found;
}

function addPipeline({ store, clock }: ApiContext, given: Omit<PipelineRecord, 'pipelineId' | 'createdAt'>): PipelineRecord {
  if (given.name === '') throw new ApiError('invalid-argument', 'pipeline name cannot be empty');
  const taken = store.catalog.value.pipelines.some(({ name, namespace }) => name === given.name && namespace === given.namespace);
  if (taken)
    throw new ApiError(
      'already-exists',
      `Failed to create a new pipeline. The name ${given.name} already exists. Please specify a new name`,
    );
  const pipeline: PipelineRecord = { ...given, pipelineId: randomUUID(), createdAt: clock.now() };
  store.catalog.value.pipelines.push(pipeline);
  return pipeline;
}

function addVersion({ store, clock }: ApiContext, given: Omit<VersionRecord, 'pipelineVersionId' | 'createdAt'>): VersionRecord {
  const taken = store.catalog.value.versions.some(({ pipelineId, name }) => pipelineId === given.pipelineId && name === given.name);
  if (taken)
    throw new ApiError(
      'already-exists',
      `Failed to create a new pipeline version. The name ${given.name} already exists. Please specify a new name`,
    );
  const version: VersionRecord = { ...given, pipelineVersionId: randomUUID(), createdAt: clock.now() };
  store.catalog.value.versions.push(version);
  return version;
}

/** The uploaded file of a multipart request, checked, and its name. */
async function uploadedFile(call: Call): Promise<{ text: string; name: string }> {
  const unread = new ApiError('invalid-argument', 'Failed to read pipeline from file');
  const type = call.request.headers.get('content-type') ?? '';
  if (!type.startsWith('multipart/form-data')) throw unread;
  let file: File | string | null;
  try {
    const bytes = await readBytes(call.request, MAX_FILE + 65_536);
    file = (await new Response(bytes, { headers: { 'content-type': type } }).formData()).get('uploadfile');
  } catch (error) {
    if (error instanceof BodyTooLargeError) throw error;
    throw unread;
  }
  if (file === null || typeof file === 'string') throw unread;
  const content = Buffer.from(await file.arrayBuffer());
  if (content.byteLength > MAX_FILE) throw new BodyTooLargeError(MAX_FILE);
  if (content.subarray(0, 2).toString('latin1') === 'PK' || content.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]))) {
    throw new ApiError(
      'invalid-argument',
      'Failed to read a pipeline spec file: the stand-in reads YAML only (archives: stricter than the service)',
    );
  }
  const text = content.toString('utf8');
  try {
    readPipelineFile(text);
  } catch (error) {
    if (error instanceof PipelineFileError) throw new ApiError('invalid-argument', error.message);
    throw error;
  }
  return { text, name: file.name };
}

function tagsOf(query: URLSearchParams): Record<string, string> {
  const text = query.get('tags') ?? '';
  if (text === '') return {};
  let tags: unknown;
  try {
    tags = JSON.parse(text);
  } catch {
    tags = undefined;
  }
  if (!isObject(tags) || Object.values(tags).some((tag) => typeof tag !== 'string')) {
    throw new ApiError('invalid-argument', 'Failed to parse tags query parameter. Expected JSON object with string keys and values');
  }
  return Object.fromEntries(Object.entries(tags as Record<string, string>));
}

const nameOf = (query: URLSearchParams, file: string): string => query.get('name') ?? query.get('display_name') ?? file;

export const uploadPipeline: Route = async (context, call) => {
  const { text, name: fileName } = await uploadedFile(call);
  const namespace = call.query.get('namespace') ?? '';
  allow(context, call, { verb: 'create', resource: 'pipelines', namespace });
  const name = nameOf(call.query, fileName);
  const displayName = call.query.get('display_name') ?? name;
  const description = call.query.get('description') ?? '';
  const tags = tagsOf(call.query);
  const pipeline = addPipeline(context, { name, displayName, description, namespace, tags });
  addVersion(context, {
    pipelineId: pipeline.pipelineId,
    name,
    displayName,
    description,
    codeSourceUrl: call.query.get('code_source_url') ?? '',
    tags: {},
    file: text,
  });
  context.store.catalog.save();
  return answer(pipelineMessage, pipelineView(pipeline));
};

export const uploadVersion: Route = async (context, call) => {
  const { text, name: fileName } = await uploadedFile(call);
  const pipelineId = call.query.get('pipelineid') ?? '';
  const pipeline = context.store.catalog.value.pipelines.find((candidate) => candidate.pipelineId === pipelineId);
  if (!pipeline) throw new ApiError('invalid-argument', 'Failed to create a pipeline version');
  allow(context, call, { verb: 'create', resource: 'pipelines', namespace: pipeline.namespace });
  const name = nameOf(call.query, fileName);
  const version = addVersion(context, {
    pipelineId,
    name,
    displayName: call.query.get('display_name') ?? name,
    description: call.query.get('description') ?? '',
    codeSourceUrl: call.query.get('code_source_url') ?? '',
    tags: tagsOf(call.query),
    file: text,
  });
  context.store.catalog.save();
  return answer(versionMessage, versionView(version));
};

export const createPipeline: Route = async (context, call) => {
  const body = await readBody<PipelineRecord>(call, pipelineMessage);
  const namespace = body.namespace ?? '';
  allow(context, call, { verb: 'create', resource: 'pipelines', namespace });
  const name = body.name ?? body.displayName ?? '';
  const pipeline = addPipeline(context, {
    name,
    displayName: body.displayName ?? name,
    description: body.description ?? '',
    namespace,
    tags: body.tags ?? {},
  });
  context.store.catalog.save();
  return answer(pipelineMessage, pipelineView(pipeline));
};

export const getPipeline: Route = (context, call) => {
  const pipeline = findPipeline(context, call.params['pipelineId'] ?? '');
  allow(context, call, { verb: 'get', resource: 'pipelines', namespace: pipeline.namespace });
  return answer(pipelineMessage, pipelineView(pipeline));
};

export const getPipelineByName: Route = (context, call) => {
  const namespace = call.query.get('namespace') ?? '';
  const name = call.params['name'] ?? '';
  allow(context, call, { verb: 'get', resource: 'pipelines', namespace });
  const found = context.store.catalog.value.pipelines.find((pipeline) => pipeline.name === name && pipeline.namespace === namespace);
  if (!found) throw new ApiError('not-found', `Failed to get a pipeline by name: ResourceNotFoundError: Pipeline ${name} not found`);
  return answer(pipelineMessage, pipelineView(found));
};

export const listPipelines: Route = (context, call) => {
  const namespace = call.query.get('namespace') ?? '';
  allow(context, call, { verb: 'list', resource: 'pipelines', namespace });
  const page = listPage(
    pipelines,
    context.store.catalog.value.pipelines.filter((pipeline) => pipeline.namespace === namespace),
    call.query,
  );
  return listAnswer(
    'pipelines',
    page.items.map((item) => writeMessage(pipelineMessage, pipelineView(item))),
    page,
  );
};

export const deletePipeline: Route = (context, call) => {
  const pipeline = findPipeline(context, call.params['pipelineId'] ?? '');
  allow(context, call, { verb: 'delete', resource: 'pipelines', namespace: pipeline.namespace });
  const { catalog } = context.store;
  if (catalog.value.versions.some(({ pipelineId }) => pipelineId === pipeline.pipelineId)) {
    throw new ApiError('invalid-argument', `Failed to delete pipeline ${pipeline.pipelineId} as it has existing pipeline versions`);
  }
  catalog.update((value) => (value.pipelines = value.pipelines.filter((other) => other !== pipeline)));
  return done();
};

function findVersion(context: ApiContext, call: Call, verb: string): VersionRecord {
  const pipeline = findPipeline(context, call.params['pipelineId'] ?? '');
  allow(context, call, { verb, resource: 'pipelines', namespace: pipeline.namespace });
  const versionId = call.params['versionId'] ?? '';
  const found = context.store.catalog.value.versions.find(
    (version) => version.pipelineVersionId === versionId && version.pipelineId === pipeline.pipelineId,
  );
  if (!found)
    throw new ApiError('not-found', `Failed to get a pipeline version: ResourceNotFoundError: PipelineVersion ${versionId} not found`);
  return found;
}

export const getVersion: Route = (context, call) => answer(versionMessage, versionView(findVersion(context, call, 'get')));

export const listVersions: Route = (context, call) => {
  const pipeline = findPipeline(context, call.params['pipelineId'] ?? '');
  allow(context, call, { verb: 'list', resource: 'pipelines', namespace: pipeline.namespace });
  const own = context.store.catalog.value.versions.filter(({ pipelineId }) => pipelineId === pipeline.pipelineId);
  const page = listPage(versions, own, call.query);
  return listAnswer(
    'pipeline_versions',
    page.items.map((item) => writeMessage(versionMessage, versionView(item))),
    page,
  );
};

export const createVersion: Route = async (context, call) => {
  findPipeline(context, call.params['pipelineId'] ?? '');
  await readBody(call, versionMessage);
  throw new ApiError(
    'invalid-argument',
    'Failed to create a pipeline version: package_url hosts are not allowed here; use /pipelines/upload_version (stricter than the service)',
  );
};

export const deleteVersion: Route = (context, call) => {
  const version = findVersion(context, call, 'delete');
  context.store.catalog.update((value) => (value.versions = value.versions.filter((other) => other !== version)));
  return done();
};

/** A list's answer: empty lists and tokens are left out, as zero values are. */
export function listAnswer(key: string, items: readonly object[], page: { totalSize: number; nextPageToken: string }): Response {
  return json({
    ...(items.length > 0 ? { [key]: items } : {}),
    ...(page.totalSize > 0 ? { total_size: page.totalSize } : {}),
    ...(page.nextPageToken === '' ? {} : { next_page_token: page.nextPageToken }),
  });
}
