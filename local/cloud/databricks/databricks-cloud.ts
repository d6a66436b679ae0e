// A Databricks workspace for one machine: Jobs 2.2 one-time runs, clusters/get, files of volumes, and who I am (facts/azure.md §6).
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isRecord, json, readBytes, readJson } from '../kit/body.ts';
import { systemClock } from '../kit/clock.ts';
import { withFaults, type Faults } from '../kit/faults.ts';
import type { Cloud } from '../kit/server.ts';
import { answerAdmin, type Control, createControl } from './admin.ts';
import { ApiError, type DatabricksOptions, invalid, type PrincipalOptions, type RunRecord, type TaskRecord } from './model.ts';
import { createRunner, type Runner } from './runner.ts';
import { readSubmit } from './submit.ts';
import { openVolumes, type Volumes } from './volumes.ts';

export type DatabricksCloud = Cloud & { readonly faults: Faults; readonly control: Control };

/** The application of Azure Databricks in Entra (facts/azure.md §6). */
export const DATABRICKS_AUDIENCE = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d';
const FILES = '/api/2.0/fs/files';
const MAX_FILE_BYTES = 512 * 1024 * 1024;
const PAGE = 25;
const OPERATIONS: Readonly<Record<string, string>> = {
  'POST /api/2.2/jobs/runs/submit': 'submit',
  'GET /api/2.2/jobs/runs/get': 'get',
  'GET /api/2.2/jobs/runs/list': 'list',
  'GET /api/2.2/jobs/runs/get-output': 'getOutput',
  'POST /api/2.2/jobs/runs/cancel': 'cancel',
  'POST /api/2.2/jobs/runs/delete': 'delete',
  'GET /api/2.1/clusters/get': 'getCluster',
  'GET /api/2.0/preview/scim/v2/Me': 'me',
};

export function createDatabricksCloud(options: DatabricksOptions): DatabricksCloud {
  const clock = options.clock ?? systemClock;
  const volumes = openVolumes(options.volumes, options.dataDir);
  const runner = createRunner(options, volumes, clock);
  const control = createControl(runner);
  const keys = createRemoteJWKSet(new URL(options.jwksUri), { timeoutDuration: 5_000 });

  async function caller(request: Request): Promise<PrincipalOptions> {
    const token = /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
    if (!token) throw new ApiError(401, 'UNAUTHENTICATED', 'Credential was not sent or was of an unsupported type for this API.');
    const audience = options.audience ?? DATABRICKS_AUDIENCE;
    const verified = await jwtVerify(token, keys, {
      issuer: options.issuer,
      audience,
      algorithms: ['RS256'],
      currentDate: new Date(clock.now()),
    }).catch(() => {
      throw new ApiError(401, 'UNAUTHENTICATED', 'Invalid access token.');
    });
    const principal = options.principals.find(({ objectId }) => objectId === verified.payload['oid']);
    if (!principal)
      throw new ApiError(403, 'PERMISSION_DENIED', `The principal ${String(verified.payload['oid'])} is not a member of this workspace.`);
    return principal;
  }

  async function answer(request: Request): Promise<Response> {
    const principal = await caller(request);
    const url = new URL(request.url);
    if (url.pathname.startsWith(`${FILES}/`))
      return files(request, decodeURIComponent(url.pathname.slice(FILES.length)), principal, volumes);
    const operation = OPERATIONS[`${request.method} ${url.pathname}`];
    if (operation === undefined)
      throw new ApiError(404, 'ENDPOINT_NOT_FOUND', `No API found for '${request.method} ${url.pathname.slice(0, 200)}'`);
    const body: unknown = request.method === 'POST' ? await jsonOf(request) : null;
    return perform({ operation, principal, body, query: url.searchParams, runner, options, now: clock.now() });
  }

  const fetch = async (request: Request): Promise<Response> => {
    try {
      return (await answerAdmin(control, request)) ?? (await answer(request));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return json({ error_code: error.code, message: error.message }, error.status);
    }
  };
  const cloud = withFaults(
    { name: 'databricks', fetch, close: () => runner.close() },
    (request) => OPERATIONS[`${request.method} ${new URL(request.url).pathname}`],
  );
  return { ...cloud, control };
}

interface Call {
  operation: string;
  principal: PrincipalOptions;
  body: unknown;
  query: URLSearchParams;
  runner: Runner;
  options: DatabricksOptions;
  now: number;
}

async function perform({ operation, principal, body, query, runner, options, now }: Call): Promise<Response> {
  const mayRun = (what: string): void => {
    if (principal.mayRun === false) throw new ApiError(403, 'PERMISSION_DENIED', `${principal.name} does not have permission to ${what}.`);
  };
  switch (operation) {
    case 'submit':
      mayRun('create a run');
      return text(`{"run_id":${runner.submit(readSubmit(body), principal.name).runId}}`);
    case 'get':
      return text(runText(runOf(runner, query.get('run_id')).run, now));
    case 'list':
      return text(listText(runner, query, now));
    case 'getOutput': {
      const { task } = runOf(runner, query.get('run_id'));
      if (!task)
        throw invalid(
          'Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of each individual task run instead.',
        );
      const logs = await runner.logOf(task);
      return json({
        logs: logs.slice(-5_000_000),
        logs_truncated: logs.length > 5_000_000,
        ...(task.error === '' ? {} : { error: task.error }),
      });
    }
    case 'cancel':
    case 'delete': {
      mayRun(`${operation} a run`);
      const id = isRecord(body) ? body['run_id'] : undefined;
      if (typeof id !== 'bigint') throw invalid('run_id is missing or not an integer.');
      if (operation === 'cancel') runner.cancel(String(id));
      else runner.remove(runOf(runner, String(id)).run.runId);
      return json({});
    }
    case 'getCluster': {
      const id = query.get('cluster_id');
      const cluster = options.clusters?.find((one) => one.id === id);
      if (!cluster) throw invalid(`Cluster ${id ?? ''} does not exist`);
      return json({ cluster_id: cluster.id, state: cluster.state });
    }
    default:
      return json({ id: principal.objectId, userName: principal.name, active: true });
  }
}

function runOf(runner: Runner, id: string | null): { run: RunRecord; task: TaskRecord | null } {
  if (id === null || !/^\d{1,19}$/.test(id)) throw invalid('run_id is missing or not an integer.');
  const found = runner.find(id);
  if (!found) throw new ApiError(400, 'INVALID_PARAMETER_VALUE', `Run ${id} does not exist.`);
  return found;
}

function listText(runner: Runner, query: URLSearchParams, now: number): string {
  const from = Number(query.get('start_time_from') ?? 0);
  const limit = Number(query.get('limit') ?? PAGE);
  const offset = Number(query.get('page_token') ?? 0);
  if (!(limit >= 1 && limit <= 26)) throw invalid('limit must be between 1 and 26.');
  const all = runner.all().filter((run) => run.startTime >= from);
  const page = all.toReversed().slice(offset, offset + limit);
  const more = offset + limit < all.length ? `,"has_more":true,"next_page_token":"${offset + limit}"` : ',"has_more":false';
  return `{"runs":[${page.map((run) => runText(run, now, false)).join(',')}]${more}}`;
}

/** Ids are written as integers of 64 bits, which JSON.stringify cannot. */
function runText(run: RunRecord, now: number, withTasks = true): string {
  const ended = run.endTime !== 0;
  const failed = run.tasks.find(
    (task) => task.termination && task.termination.code !== 'SUCCESS' && task.termination.code !== 'UPSTREAM_FAILED',
  );
  const begun = run.tasks.some((task) => task.startTime > 0);
  const state = ended ? 'TERMINATED' : run.cancelled ? 'TERMINATING' : begun ? 'RUNNING' : run.held ? 'QUEUED' : 'PENDING';
  const body = {
    run_name: run.runName,
    run_type: 'SUBMIT_RUN',
    creator_user_name: run.creator,
    start_time: run.startTime,
    end_time: run.endTime,
    run_duration: ended ? run.endTime - run.startTime : 0,
    status: { state, ...(ended ? { termination_details: terminationOf(run, failed) } : {}) },
  };
  const tasks = run.tasks.map((task) => taskText(task, now)).join(',');
  return `{"run_id":${run.runId},${JSON.stringify(body).slice(1, -1)}${withTasks ? `,"tasks":[${tasks}]` : ''}}`;
}

function terminationOf(run: RunRecord, failed: TaskRecord | undefined): object {
  if (run.cancelled) return { code: 'USER_CANCELED', type: 'CLIENT_ERROR', message: 'The run was cancelled.' };
  return failed?.termination ?? { code: 'SUCCESS', type: 'SUCCESS', message: '' };
}

function taskText(task: TaskRecord, now: number): string {
  const ended = task.endTime !== 0;
  const body = {
    ...task.settings,
    status: { state: task.state, ...(task.termination ? { termination_details: task.termination } : {}) },
    start_time: task.startTime,
    end_time: task.endTime,
    setup_duration: 0,
    execution_duration: task.startTime === 0 ? 0 : (ended ? task.endTime : now) - task.startTime,
  };
  return `{"run_id":${task.runId},${JSON.stringify(body).slice(1, -1)}}`;
}

async function files(request: Request, path: string, principal: PrincipalOptions, volumes: Volumes): Promise<Response> {
  const file = volumes.local(path);
  switch (request.method) {
    case 'HEAD':
    case 'GET': {
      if (!(await stat(file).catch(() => null))?.isFile()) throw new ApiError(404, 'NOT_FOUND', 'The file being accessed is not found.');
      const content = request.method === 'GET' ? await readFile(file) : null;
      return new Response(content === null ? null : new Uint8Array(content), {
        status: 200,
        headers: { 'content-type': 'application/octet-stream' },
      });
    }
    case 'PUT': {
      if (principal.mayRun === false) throw new ApiError(403, 'PERMISSION_DENIED', `${principal.name} does not have WRITE VOLUME.`);
      const overwrite = new URL(request.url).searchParams.get('overwrite') === 'true';
      if (!overwrite && (await stat(file).catch(() => null)))
        throw new ApiError(409, 'ALREADY_EXISTS', 'The file being created already exists.');
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, await readBytes(request, MAX_FILE_BYTES));
      return new Response(null, { status: 204 });
    }
    case 'DELETE':
      await rm(file, { force: true });
      return new Response(null, { status: 204 });
    default:
      throw new ApiError(405, 'BAD_REQUEST', `${request.method} is not allowed.`);
  }
}

/** Integers of more digits than a number holds are kept as bigint under `run_id`. */
async function jsonOf(request: Request): Promise<unknown> {
  const copy = request.clone();
  const body = await readJson(request, 10_000_000);
  if (!isRecord(body) || !('run_id' in body)) return body;
  const [, id] = /"run_id"\s*:\s*(\d{1,19})\s*[,}]/.exec(await copy.text()) ?? [];
  return { ...body, run_id: id === undefined ? body['run_id'] : BigInt(id) };
}

function text(body: string): Response {
  return new Response(body, { status: 200, headers: { 'content-type': 'application/json' } });
}
