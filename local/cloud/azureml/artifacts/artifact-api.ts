// The artifact service of a workspace: an address to write to for each path, addresses to read from, lists, blobs that exist already.
// Source: facts/mlflow.md §9 and the public description of `artifact/v2.0`.
import { isRecord, json } from '../../kit/body.ts';
import type { WorkspacePart } from '../api/context.ts';
import { LocationError, StoreError } from '../execution/files.ts';
import type { ArtifactFiles } from './artifact-files.ts';
import type { SignedUrls } from './signed-urls.ts';

/** A call below `…/artifacts`. */
export interface ArtifactCall {
  readonly workspace: WorkspacePart;
  readonly artifacts: ArtifactFiles;
  readonly urls: SignedUrls;
  /** Address of this stand-in. */
  readonly base: string;
  readonly method: string;
  /** Segments below `artifacts/`, decoded. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  /** The JSON body of a POST. */
  readonly body: unknown;
}

/** A call that is refused. */
export class ArtifactError extends Error {
  override readonly name = 'ArtifactError';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const bad = (message: string): ArtifactError => new ArtifactError(400, message);
const PAGE = 100;

/** Whether a call changes something. */
export const isWrite = (method: string): boolean => method !== 'GET';

/** Answers. Throws `ArtifactError`. */
export function answerArtifact(call: ArtifactCall): Response {
  try {
    return route(call);
  } catch (error) {
    if (error instanceof StoreError || error instanceof LocationError) throw bad(error.message);
    throw error;
  }
}

function route(call: ArtifactCall): Response {
  const [origin = '', container = '', ...rest] = call.segments;
  const what = rest.join('/');
  if (call.method === 'POST' && call.segments.join('/') === 'register') return register(call);
  if (container === '') throw new ArtifactError(404, 'Not found.');
  if (call.method === 'POST' && what === 'batch/metadata') return createEmpty(call, origin, container);
  if (call.method === 'GET') {
    const path = call.query.get('path') ?? '';
    if (what === '') return list(call, origin, container, path);
    if (what === 'metadata') return json(metadata(call, origin, container, checked(call, origin, container, path)));
    if (what === 'contentinfo') return json(contentInfo(call, origin, container, checked(call, origin, container, path), 'r'));
    if (what === 'prefix/contentinfo') return prefix(call, origin, container, path);
  }
  throw new ArtifactError(404, 'Not found.');
}

/** Refuses what is not there. */
function checked({ artifacts }: ArtifactCall, origin: string, container: string, path: string): string {
  if (path === '') throw bad('The query parameter path is missing.');
  if (!artifacts.exists(origin, container, path))
    throw new ArtifactError(404, `The artifact ${origin}/${container}/${path.slice(0, 300)} was not found.`);
  return path;
}

const metadata = (call: ArtifactCall, origin: string, container: string, path: string): object => ({
  artifactId: `${origin}/${container}/${path}`,
  origin,
  container,
  path,
  etag: null,
  createdTime: null,
  dataPath: dataPath(call, origin, container, path),
});

function dataPath({ artifacts }: ArtifactCall, origin: string, container: string, path: string): object {
  const registered = artifacts.registered(origin, container, path);
  return registered
    ? { dataStoreName: registered.datastore, relativePath: registered.relativePath }
    : { dataStoreName: 'workspaceartifactstore', relativePath: `${origin}/${container}/${path}` };
}

const contentInfo = (
  { urls, base, workspace }: ArtifactCall,
  origin: string,
  container: string,
  path: string,
  permissions: 'r' | 'rcw',
): object => ({
  contentUri: urls.sign(base, { workspace: workspace.options.name, origin, container, path }, permissions),
  origin,
  container,
  path,
});

function createEmpty(call: ArtifactCall, origin: string, container: string): Response {
  const paths = isRecord(call.body) && Array.isArray(call.body['paths']) ? (call.body['paths'] as unknown[]) : [];
  const wanted = paths.map((entry) => (isRecord(entry) && typeof entry['path'] === 'string' ? entry['path'] : ''));
  if (wanted.length === 0 || wanted.includes('')) throw bad('The body holds no list of paths: {"paths":[{"path":"…"}]}.');
  for (const path of wanted) call.artifacts.file(origin, container, path); // refuses a path that leaves the container
  return json({
    artifacts: Object.fromEntries(wanted.map((path) => [path, metadata(call, origin, container, path)])),
    artifactContentInformation: Object.fromEntries(wanted.map((path) => [path, contentInfo(call, origin, container, path, 'rcw')])),
    errors: {},
  });
}

function list(call: ArtifactCall, origin: string, container: string, folder: string): Response {
  const found = call.artifacts.all(origin, container, folder.replace(/\/$/, ''));
  return paged(
    call,
    found.map(({ path }) => metadata(call, origin, container, path)),
  );
}

function prefix(call: ArtifactCall, origin: string, container: string, folder: string): Response {
  const found = call.artifacts.all(origin, container, folder.replace(/\/$/, ''));
  return paged(
    call,
    found.map(({ path }) => contentInfo(call, origin, container, path, 'r')),
  );
}

function paged({ query }: ArtifactCall, items: readonly object[]): Response {
  const start = Number(query.get('continuationToken') ?? 0);
  if (!Number.isSafeInteger(start) || start < 0) throw bad('The continuation token is not one of this list.');
  const more = start + PAGE < items.length;
  return json({ value: items.slice(start, start + PAGE), continuationToken: more ? String(start + PAGE) : null, nextLink: null });
}

function register(call: ArtifactCall): Response {
  const body = isRecord(call.body) ? call.body : {};
  const { origin, container, path } = body;
  const place = isRecord(body['dataPath']) ? body['dataPath'] : {};
  const { dataStoreName, relativePath } = place;
  if (![origin, container, path, dataStoreName, relativePath].every((value) => typeof value === 'string' && value !== ''))
    throw bad('The body needs origin, container, path and dataPath {dataStoreName, relativePath}.');
  const artifact = { origin, container, path, datastore: dataStoreName, relativePath } as Parameters<ArtifactFiles['register']>[0];
  call.artifacts.file(artifact.origin, artifact.container, artifact.path);
  call.workspace.files.open({ kind: 'datastore', datastore: artifact.datastore, path: artifact.relativePath });
  call.artifacts.register(artifact);
  return json(metadata(call, artifact.origin, artifact.container, artifact.path));
}
