// Kubeflow Pipelines for one machine: the v2beta1 REST API, over real executions of the pipelines that are uploaded.
// Source of the protocol: facts/kubeflow.md §1-2. Failures can be planned (`/_admin/faults`) by operation, e.g. `CreateRun`.
import { BodyTooLargeError, json } from '../kit/body.ts';
import { systemClock } from '../kit/clock.ts';
import { withFaults, type Faults } from '../kit/faults.ts';
import type { Cloud } from '../kit/server.ts';
import { createAuthorizer } from './api/authorize.ts';
import type { ApiContext, Route } from './api/context.ts';
import { ApiError, errorResponse, uploadErrorResponse } from './api/errors.ts';
import * as experiments from './api/experiments.ts';
import * as pipelines from './api/pipelines.ts';
import * as runs from './api/runs.ts';
import { createRunner } from './execution/runner.ts';
import type { KubeflowOptions } from './options.ts';
import { openStore } from './store.ts';

/** The running stand-in. */
export interface KubeflowCloud extends Cloud {
  readonly faults: Faults;
  /** Resolves when the run is no longer live (for tests). */
  settled(runId: string): Promise<void>;
}

interface Endpoint {
  readonly operation: string;
  readonly route: Route;
  readonly upload?: true;
}

/** Method, path below `/apis`, operation, route. Order matters: the first match answers. */
const TABLE: readonly (readonly [string, string, Endpoint])[] = [
  ['POST', '/v2beta1/pipelines/upload', { operation: 'UploadPipeline', route: pipelines.uploadPipeline, upload: true }],
  ['POST', '/v2beta1/pipelines/upload_version', { operation: 'UploadPipelineVersion', route: pipelines.uploadVersion, upload: true }],
  ['POST', '/v2beta1/pipelines', { operation: 'CreatePipeline', route: pipelines.createPipeline }],
  ['GET', '/v2beta1/pipelines', { operation: 'ListPipelines', route: pipelines.listPipelines }],
  ['GET', '/v2beta1/pipelines/names/:name', { operation: 'GetPipelineByName', route: pipelines.getPipelineByName }],
  ['GET', '/v2beta1/pipelines/:pipelineId', { operation: 'GetPipeline', route: pipelines.getPipeline }],
  ['DELETE', '/v2beta1/pipelines/:pipelineId', { operation: 'DeletePipeline', route: pipelines.deletePipeline }],
  ['GET', '/v2beta1/pipelines/:pipelineId/versions', { operation: 'ListPipelineVersions', route: pipelines.listVersions }],
  ['POST', '/v2beta1/pipelines/:pipelineId/versions', { operation: 'CreatePipelineVersion', route: pipelines.createVersion }],
  ['GET', '/v2beta1/pipelines/:pipelineId/versions/:versionId', { operation: 'GetPipelineVersion', route: pipelines.getVersion }],
  ['DELETE', '/v2beta1/pipelines/:pipelineId/versions/:versionId', { operation: 'DeletePipelineVersion', route: pipelines.deleteVersion }],
  ['POST', '/v2beta1/experiments', { operation: 'CreateExperiment', route: experiments.createExperiment }],
  ['GET', '/v2beta1/experiments', { operation: 'ListExperiments', route: experiments.listExperiments }],
  ['POST', '/v2beta1/experiments/:experimentId:archive', { operation: 'ArchiveExperiment', route: experiments.archiveExperiment }],
  ['POST', '/v2beta1/experiments/:experimentId:unarchive', { operation: 'UnarchiveExperiment', route: experiments.unarchiveExperiment }],
  ['GET', '/v2beta1/experiments/:experimentId', { operation: 'GetExperiment', route: experiments.getExperiment }],
  ['DELETE', '/v2beta1/experiments/:experimentId', { operation: 'DeleteExperiment', route: experiments.deleteExperiment }],
  ['POST', '/v2beta1/runs', { operation: 'CreateRun', route: runs.createRun }],
  ['GET', '/v2beta1/runs', { operation: 'ListRuns', route: runs.listRuns }],
  ['POST', '/v2beta1/runs/:runId:terminate', { operation: 'TerminateRun', route: runs.terminateRun }],
  ['POST', '/v2beta1/runs/:runId:retry', { operation: 'RetryRun', route: runs.retryRun }],
  ['POST', '/v2beta1/runs/:runId:archive', { operation: 'ArchiveRun', route: runs.archiveRun }],
  ['POST', '/v2beta1/runs/:runId:unarchive', { operation: 'UnarchiveRun', route: runs.unarchiveRun }],
  ['GET', '/v2beta1/runs/:runId', { operation: 'GetRun', route: runs.getRun }],
  ['DELETE', '/v2beta1/runs/:runId', { operation: 'DeleteRun', route: runs.deleteRun }],
  ['GET', '/v1alpha1/runs/:runId/nodes/:nodeId/log', { operation: 'ReadRunLog', route: runs.readLog }],
];

const ROUTES = TABLE.map(([method, path, endpoint]) => ({ method, pattern: compile(path), endpoint }));

/** Opens the stand-in; runs that were in flight when it last died are FAILED. */
export function createKubeflowCloud(options: KubeflowOptions): KubeflowCloud {
  const store = openStore(options.dataDir);
  const runner = createRunner(options, store);
  const authorizer = createAuthorizer(options);
  const context: ApiContext = { store, runner, authorizer, clock: options.clock ?? systemClock };
  const cloud = {
    name: 'kubeflow',
    fetch: (request: Request) => answerCall(context, request),
    close: () => runner.close(),
    settled: (runId: string) => runner.settled(runId),
  };
  return withFaults(cloud, (request) => match(request)?.endpoint.operation);
}

async function answerCall(context: ApiContext, request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (request.method === 'GET' && /^\/apis\/v2beta1\/healthz$/.test(url.pathname)) {
    return json({ tag_name: '2.17.0', pipeline_store: 'database', ...(context.authorizer.multiUser ? { multi_user: true } : {}) });
  }
  const matched = match(request);
  if (!matched) return json({ code: 5, message: 'Not Found', details: [] }, 404);
  const { endpoint, params } = matched;
  try {
    const caller = await context.authorizer.authenticate(request);
    return await endpoint.route(context, { request, query: url.searchParams, params, caller });
  } catch (error) {
    if (error instanceof ApiError) return endpoint.upload ? uploadErrorResponse(error) : errorResponse(error);
    if (error instanceof BodyTooLargeError) return uploadErrorResponse(new ApiError('invalid-argument', error.message), 413);
    throw error;
  }
}

function match(request: Request): { endpoint: Endpoint; params: Record<string, string> } | undefined {
  const { pathname } = new URL(request.url);
  for (const { method, pattern, endpoint } of ROUTES) {
    if (method !== request.method) continue;
    const found = pattern.exec(pathname);
    if (!found) continue;
    try {
      return {
        endpoint,
        params: Object.fromEntries(Object.entries(found.groups ?? {}).map(([key, text]) => [key, decodeURIComponent(text)])),
      };
    } catch {
      return undefined; // a malformed escape names nothing
    }
  }
  return undefined;
}

/** `/runs/:runId:retry` → a pattern with named groups; a value has no slash and no colon. */
function compile(path: string): RegExp {
  return new RegExp(`^/apis${path.replace(/:(name|\w+Id)/g, '(?<$1>[^/:]+)')}$`);
}
