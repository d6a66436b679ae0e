// The data plane of a workspace on its own host: MLflow and the artifact service, with the same tokens as ARM (facts/mlflow.md §9).
// MLflow's paths carry v1.0 or v2.0; both are answered alike.
import { BodyNotJsonError, BodyTooLargeError, isRecord, json, readJson } from '../kit/body.ts';
import type { ArtifactFiles } from './artifacts/artifact-files.ts';
import { answerArtifact, ArtifactError, isWrite } from './artifacts/artifact-api.ts';
import type { SignedUrls } from './artifacts/signed-urls.ts';
import { ArmError } from './api/arm-error.ts';
import type { CloudContext, WorkspacePart } from './api/context.ts';
import type { Fields } from './mlflow/fields.ts';
import { MlflowError, mlflowErrorResponse } from './mlflow/mlflow-error.ts';
import { MLFLOW_ROUTES } from './mlflow/routes.ts';

const SCOPE = '/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\\.MachineLearningServices/workspaces/([^/]+)';
const MLFLOW = new RegExp(`^/mlflow/v[12]\\.0${SCOPE}/(?:ajax-)?api/2\\.0/mlflow/(.+)$`, 'i');
const ARTIFACT = new RegExp(`^/artifact/v2\\.0${SCOPE}/artifacts/(.+)$`, 'i');
/** The server takes 1 MB a call (facts/mlflow.md §2). */
const MAX_BODY = 1_048_576;

/** What the data plane needs besides the context. */
export interface DataPlaneParts {
  readonly context: CloudContext;
  readonly urls: SignedUrls;
  readonly artifactsOf: (workspace: string) => ArtifactFiles | undefined;
}

/** Name of a call for planned failures, e.g. `Mlflow.runs/log-batch`; undefined for paths of ARM. */
export function dataPlaneOperation(pathname: string): string | undefined {
  const [, , , , call] = MLFLOW.exec(pathname) ?? [];
  if (call !== undefined) return `Mlflow.${call}`;
  return ARTIFACT.test(pathname) ? 'Artifacts' : undefined;
}

/** Whether the data plane answers a path. */
export const isDataPlane = (pathname: string): boolean => /^\/(mlflow|artifact)\//i.test(pathname);

/** Answers a call. */
export async function answerDataPlane(parts: DataPlaneParts, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const mlflow = MLFLOW.exec(url.pathname);
  const artifact = mlflow ? undefined : ARTIFACT.exec(url.pathname);
  const [, subscription, group, name, below = ''] = mlflow ?? artifact ?? [];
  if (subscription === undefined) return page(404, 'Not Found');
  try {
    const caller = await parts.context.tokens.dataPlane(request);
    const workspace = workspaceOf(parts.context, subscription, group ?? '', name ?? '');
    const authorize = (action: string) => {
      parts.context.roles.authorize(caller, action, workspace.options.name, workspace.id);
    };
    if (mlflow) return await answerMlflow(parts, request, url, workspace, below, caller, authorize);
    return await answerArtifacts(parts, request, url, workspace, below, authorize);
  } catch (error) {
    if (error instanceof MlflowError) return mlflowErrorResponse(error);
    if (error instanceof ArmError)
      return mlflow ? mlflowRefusal(error) : json({ error: { code: error.code, message: error.message } }, error.status);
    if (error instanceof ArtifactError)
      return json({ error: { code: error.status === 404 ? 'UserError' : 'BadRequest', message: error.message } }, error.status);
    if (error instanceof BodyTooLargeError) return mlflowErrorResponse(new MlflowError('INVALID_PARAMETER_VALUE', error.message));
    if (error instanceof BodyNotJsonError) return mlflowErrorResponse(new MlflowError('BAD_REQUEST', error.message));
    throw error;
  }
}

type Caller = Awaited<ReturnType<CloudContext['tokens']['dataPlane']>>;

async function answerMlflow(
  { context, artifactsOf }: DataPlaneParts,
  request: Request,
  url: URL,
  workspace: WorkspacePart,
  below: string,
  caller: Caller,
  authorize: (action: string) => void,
): Promise<Response> {
  const endpoints = MLFLOW_ROUTES.get(below);
  if (!endpoints) return page(404, 'Not Found'); // logged models among them
  const endpoint = endpoints.find(({ methods }) => methods.includes(request.method));
  if (!endpoint) return page(405, 'Method Not Allowed');
  authorize(endpoint.action);
  const artifacts = artifactsOf(workspace.options.name);
  if (!artifacts) return page(404, 'Not Found');
  const base = context.baseUrl() ?? url.origin;
  const root = `azureml://${new URL(base).host}/mlflow/v2.0${workspace.id}`;
  return json(endpoint.route({ context, workspace, caller, artifacts, fields: await fieldsOf(request, url), root }));
}

/** Fields of the query for GET, of the JSON body otherwise; without the JSON content type a POST is refused (facts/mlflow.md §1). */
async function fieldsOf(request: Request, url: URL): Promise<Fields> {
  if (request.method === 'GET') {
    return Object.fromEntries([...new Set(url.searchParams.keys())].map((key) => [key, single(url.searchParams.getAll(key))]));
  }
  if (!(request.headers.get('content-type') ?? '').toLowerCase().startsWith('application/json'))
    throw new MlflowError('INVALID_PARAMETER_VALUE', "Bad Request. Content-Type must be 'application/json'.");
  const body = await readJson(request, MAX_BODY);
  if (!isRecord(body)) throw new MlflowError('BAD_REQUEST', 'The body is not a JSON object.');
  return body;
}

const single = (values: string[]): string | string[] => (values.length === 1 ? (values[0] ?? '') : values);

async function answerArtifacts(
  { artifactsOf, urls, context }: DataPlaneParts,
  request: Request,
  url: URL,
  workspace: WorkspacePart,
  below: string,
  authorize: (action: string) => void,
): Promise<Response> {
  authorize(isWrite(request.method) ? 'workspaces/experiments/runs/write' : 'workspaces/experiments/runs/read');
  const artifacts = artifactsOf(workspace.options.name);
  if (!artifacts) return page(404, 'Not Found');
  let segments: string[];
  try {
    segments = below.split('/').map(decodeURIComponent);
  } catch {
    throw new ArtifactError(400, 'The path has a malformed escape.');
  }
  const body = request.method === 'POST' ? await readJson(request, MAX_BODY) : undefined;
  return answerArtifact({
    workspace,
    artifacts,
    urls,
    base: context.baseUrl() ?? url.origin,
    method: request.method,
    segments,
    query: url.searchParams,
    body,
  });
}

function workspaceOf({ options, workspaces }: CloudContext, subscription: string, group: string, name: string): WorkspacePart {
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const found = workspaces.find(({ options: { name: own } }) => same(own, decodeURIComponent(name)));
  if (!found || !same(subscription, options.subscriptionId) || !same(group, options.resourceGroup))
    throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `The workspace '${name.slice(0, 100)}' was not found.`);
  return found;
}

/** ARM's refusals in MLflow's words. */
function mlflowRefusal(error: ArmError): Response {
  const code = error.status === 403 ? 'PERMISSION_DENIED' : 'UNAUTHENTICATED';
  return json({ error_code: code, message: error.message }, error.status);
}

/** What MLflow's server says to an unknown route or method (facts/mlflow.md §1). */
const page = (status: number, title: string): Response =>
  new Response(`<!doctype html>\n<html lang=en>\n<title>${status} ${title}</title>\n<h1>${title}</h1>\n`, {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8' },
  });
