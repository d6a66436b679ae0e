// One Data Factory behind ARM for one machine: createRun, pipelineruns, cancel, queryPipelineRuns, queryActivityruns.
// Source: facts/datafactory.md §1–3. Nothing deduplicates createRun: two calls are two runs, as with the service.
import { randomUUID } from 'node:crypto';
import { json, readText } from '../kit/body.ts';
import { systemClock } from '../kit/clock.ts';
import { withFaults, type Faults } from '../kit/faults.ts';
import type { Cloud } from '../kit/server.ts';
import { type ActivityRecord, type DataFactoryOptions, FactoryError, type RunRecord } from './model.ts';
import { runParameters } from './parameters.ts';
import { queryActivities, queryRuns } from './query.ts';
import { createRunner, type Runner } from './runner.ts';

export type DataFactoryCloud = Cloud & { readonly faults: Faults };

/** The only api-version (facts/datafactory.md, head). */
const API_VERSION = '2018-06-01';
const FACTORY = /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.DataFactory\/factories\/([^/]+)(\/.*)?$/i;
/** Whether a path of ARM is one of Data Factory. */
export const isDataFactoryPath = (pathname: string): boolean => /\/providers\/Microsoft\.DataFactory\//i.test(pathname);
const ROUTES: readonly { method: string; path: RegExp; action: string; name: string }[] = [
  { method: 'GET', path: /^$/, action: 'factories/read', name: 'getFactory' },
  { method: 'POST', path: /^\/pipelines\/([^/]+)\/createRun$/i, action: 'factories/pipelines/createrun/action', name: 'createRun' },
  { method: 'GET', path: /^\/pipelineruns\/([^/]+)$/i, action: 'factories/pipelineruns/read', name: 'getRun' },
  { method: 'POST', path: /^\/pipelineruns\/([^/]+)\/cancel$/i, action: 'factories/pipelineruns/cancel/action', name: 'cancelRun' },
  { method: 'POST', path: /^\/queryPipelineRuns$/i, action: 'factories/querypipelineruns/action', name: 'queryRuns' },
  {
    method: 'POST',
    path: /^\/pipelineruns\/([^/]+)\/queryActivityruns$/i,
    action: 'factories/pipelineruns/queryactivityruns/action',
    name: 'queryActivities',
  },
];

export function createDataFactoryCloud(options: DataFactoryOptions): DataFactoryCloud {
  const clock = options.clock ?? systemClock;
  const runner = createRunner(options, clock);

  async function answer(request: Request): Promise<unknown> {
    const { oid } = await options.authorize(request);
    const url = new URL(request.url);
    const rest = placeOf(options, url);
    const route = ROUTES.find(({ method, path }) => method === request.method && path.test(rest));
    if (!route) throw new FactoryError(404, 'InvalidResourceType', `There is no ${request.method} ${url.pathname.slice(0, 200)} here.`);
    if (options.operators && !options.operators.includes(oid)) throw forbidden(oid, route.action, url.pathname);
    const version = url.searchParams.get('api-version');
    if (version !== API_VERSION) {
      throw new FactoryError(400, 'NoRegisteredProviderFound', `The api-version '${version ?? ''}' is not supported; '${API_VERSION}' is.`);
    }
    const [, id = ''] = (route.path.exec(rest) ?? []).map(decodeURIComponent);
    return perform(options, runner, { name: route.name, id, body: await bodyOf(request), query: url.searchParams, now: clock.now() });
  }

  const fetch = async (request: Request): Promise<Response> => {
    const headers = { 'x-ms-request-id': randomUUID(), 'x-ms-ratelimit-remaining-subscription-writes': '1190' };
    try {
      const found = await answer(request);
      return found === null ? new Response(null, { status: 200, headers }) : json(found, 200, headers);
    } catch (error) {
      const { status, code, message } = error as { status?: unknown; code?: unknown; message?: string };
      if (typeof status !== 'number' || typeof code !== 'string') throw error;
      return json({ error: { code, message } }, status, headers);
    }
  };
  return withFaults({ name: 'datafactory', fetch, close: () => runner.close() }, (request) => {
    const [, , , , rest = ''] = FACTORY.exec(new URL(request.url).pathname) ?? [];
    return ROUTES.find(({ method, path }) => method === request.method && path.test(rest))?.name;
  });
}

/** The path below the factory; names are compared without regard to case, as ARM does. */
function placeOf(options: DataFactoryOptions, url: URL): string {
  const [, subscription = '', group = '', factory = '', rest = ''] = FACTORY.exec(url.pathname) ?? [];
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  if (!same(subscription, options.subscriptionId)) {
    throw new FactoryError(404, 'SubscriptionNotFound', `The subscription '${subscription.slice(0, 80)}' could not be found.`);
  }
  if (!same(group, options.resourceGroup)) {
    throw new FactoryError(404, 'ResourceGroupNotFound', `Resource group '${group.slice(0, 90)}' could not be found.`);
  }
  if (!same(factory, options.factory)) {
    throw new FactoryError(
      404,
      'ResourceNotFound',
      `The Resource 'Microsoft.DataFactory/factories/${factory.slice(0, 63)}' under resource group '${options.resourceGroup}' was not found.`,
    );
  }
  return rest;
}

async function bodyOf(request: Request): Promise<unknown> {
  if (request.method === 'GET') return null;
  const text = await readText(request, 900_000);
  if (text.trim() === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new FactoryError(400, 'BadRequest', 'The request body is not JSON.');
  }
}

interface Call {
  name: string;
  id: string;
  body: unknown;
  query: URLSearchParams;
  now: number;
}

function perform(options: DataFactoryOptions, runner: Runner, { name, id, body, query, now }: Call): unknown {
  if (name === 'getFactory')
    return { name: options.factory, type: 'Microsoft.DataFactory/factories', properties: { provisioningState: 'Succeeded' } };
  if (name === 'createRun') {
    const definition = Object.hasOwn(options.pipelines, id) ? options.pipelines[id] : undefined;
    if (!definition) throw new FactoryError(404, 'PipelineNotFound', `The pipeline '${id.slice(0, 260)}' was not found.`);
    for (const key of query.keys()) {
      // Reruns of an old run are not played here (stricter than the service).
      if (key !== 'api-version') throw new FactoryError(400, 'BadRequest', `createRun takes no '${key.slice(0, 60)}' here.`);
    }
    return { runId: runner.create(id, runParameters(id, definition.parameters, body)).runId };
  }
  if (name === 'queryRuns') {
    const { runs, continuationToken } = queryRuns(body, runner.all(), now - (options.queryDelayMs ?? 0));
    return { value: runs.map(runBody), ...(continuationToken === null ? {} : { continuationToken }) };
  }
  const run = runner.get(id);
  if (!run) throw new FactoryError(404, 'ResourceNotFound', `The pipeline run '${id.slice(0, 60)}' was not found.`);
  if (name === 'getRun') return runBody(run);
  if (name === 'cancelRun') {
    runner.cancel(id);
    return null;
  }
  const { activities, continuationToken } = queryActivities(body, run);
  return { value: activities.map((activity) => activityBody(run, activity)), ...(continuationToken === null ? {} : { continuationToken }) };
}

function runBody(run: RunRecord): object {
  return {
    runId: run.runId,
    runGroupId: run.runId,
    isLatest: true,
    pipelineName: run.pipelineName,
    parameters: run.parameters,
    runDimensions: {},
    invokedBy: { id: run.runId, name: 'Manual', invokedByType: 'Manual' },
    runStart: instant(run.startedAt ?? run.createdAt),
    runEnd: instant(run.endedAt),
    durationInMs: run.endedAt === null || run.startedAt === null ? null : run.endedAt - run.startedAt,
    lastUpdated: instant(run.updatedAt),
    status: run.status,
    message: run.message,
    annotations: [],
  };
}

function activityBody(run: RunRecord, activity: ActivityRecord): object {
  const failed = activity.status === 'Failed';
  return {
    pipelineRunId: run.runId,
    pipelineName: run.pipelineName,
    activityName: activity.activityName,
    activityType: activity.activityType,
    activityRunId: activity.activityRunId,
    linkedServiceName: '',
    status: activity.status,
    activityRunStart: instant(activity.startedAt),
    activityRunEnd: instant(activity.endedAt),
    durationInMs: activity.endedAt === null ? null : activity.endedAt - activity.startedAt,
    input: {},
    output: activity.output,
    error: {
      errorCode: failed ? '2200' : '',
      message: activity.message,
      failureType: failed ? 'UserError' : '',
      target: activity.activityName,
    },
    retryAttempt: null,
    userProperties: {},
  };
}

function forbidden(oid: string, action: string, scope: string): FactoryError {
  return new FactoryError(
    403,
    'AuthorizationFailed',
    `The client with object id '${oid}' does not have authorization to perform action 'Microsoft.DataFactory/${action}' over scope '${scope.slice(0, 300)}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  );
}

const instant = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
