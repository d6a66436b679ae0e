// Azure ML for one machine: ARM with workspaces and registries, the workspaces' MLflow and artifacts, and jobs that really run.
// Source: facts/azure.md §1-3, facts/mlflow.md. Failures can be planned (`/_admin/faults`) by operation, e.g. `PutJob`, `Mlflow.runs/log-batch`.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../kit/clock.ts';
import { withFaults, type Faults } from '../kit/faults.ts';
import type { Cloud } from '../kit/server.ts';
import { answerAdmin, createControl, createQueueHold, type Control } from './admin.ts';
import { answerArm, armOperation } from './api/arm.ts';
import { ArmError, errorResponse } from './api/arm-error.ts';
import type { CloudContext, WorkspacePart } from './api/context.ts';
import { createOperations } from './api/operations.ts';
import { createThrottle } from './api/throttle.ts';
import { openArtifacts } from './artifacts/artifact-files.ts';
import { answerBlob } from './artifacts/blob-api.ts';
import { BLOB_PREFIX, createSignedUrls } from './artifacts/signed-urls.ts';
import { answerDataPlane, dataPlaneOperation, isDataPlane } from './data-plane.ts';
import { createRoles } from './identity/roles.ts';
import { createTokens } from './identity/tokens.ts';
import { openEvents, openRegistries, openWorkspace } from './open-parts.ts';
import type { AzureMlOptions } from './options.ts';
import { openOperations } from './store.ts';

export type { AzureMlOptions } from './options.ts';
export { asCloudEvent, type RunCloudEvent, type RunEvent } from './events.ts';

/** The running stand-in. */
export interface AzureMlCloud extends Cloud {
  readonly faults: Faults;
  /** Disturbs jobs, the queue and the `Date` header, as the admin routes do. */
  readonly control: Control;
  /** Tells the address under which the stand-in is reached, once it is known (option `baseUrl`). */
  reachableAt(url: string): void;
  /** Resolves when the job is no longer live and its events are delivered (for tests). */
  settled(job: string): Promise<void>;
}

/** Opens the stand-in (no port: put `serve` before it). Jobs that were in flight when it last died are Failed. */
export function createAzureMlCloud(options: AzureMlOptions): AzureMlCloud {
  const clock = options.clock ?? systemClock;
  const ownFolder = options.dataDir === undefined ? mkdtempSync(join(tmpdir(), 'azureml-')) : undefined;
  const dataDir = options.dataDir ?? ownFolder ?? '';
  let base = options.baseUrl;
  let skewMs = 0;
  const baseUrl = () => base;
  const tokens = createTokens(options, clock);
  const queue = createQueueHold();
  const events = openEvents(options);
  const registries = openRegistries(options, dataDir);
  const shared = { options, dataDir, clock, tokens, queue, registries, events, baseUrl };
  const workspaces = options.workspaces.map((own) => openWorkspace(shared, own));
  const operations = createOperations(openOperations(dataDir), clock, {
    subscriptionId: options.subscriptionId,
    delayMs: options.delays?.operationMs ?? 0,
  });
  const context: CloudContext = { options, clock, workspaces, registries, operations, tokens, roles: createRoles(options), baseUrl };
  const throttle = createThrottle(options, clock);
  const urls = createSignedUrls(clock);
  const artifacts = new Map(
    workspaces.map(({ options: { name }, store }) => [
      name,
      openArtifacts(join(store.folder, 'registered-artifacts.json'), (origin, container) => store.artifactFolder(origin, container)),
    ]),
  );
  const parts = { context, urls, artifactsOf: (workspace: string) => artifacts.get(workspace) };
  const control = createControl(workspaces, queue, (ms) => {
    skewMs = ms;
  });

  const arm = async (request: Request): Promise<Response> => {
    const correlation = randomUUID();
    const headers = { 'x-ms-request-id': correlation, 'x-ms-correlation-request-id': correlation, 'cache-control': 'no-cache' };
    let response: Response;
    let remaining: Record<string, string> = {};
    try {
      const caller = await tokens.principal(request);
      remaining = throttle.take(caller.oid, request.method);
      response = await answerArm(context, request, caller);
    } catch (error) {
      if (!(error instanceof ArmError)) throw error;
      response = errorResponse(error, { correlation, region: regionOf(workspaces), now: clock.now(), issuer: options.issuer });
    }
    for (const [name, value] of Object.entries({ ...headers, ...remaining })) response.headers.set(name, value);
    return response;
  };
  const answer = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    const response =
      (await answerAdmin(control, workspaces, queue, request)) ??
      (pathname.startsWith(`${BLOB_PREFIX}/`)
        ? await answerBlob(parts, request)
        : isDataPlane(pathname)
          ? await answerDataPlane(parts, request)
          : await arm(request));
    response.headers.set('date', new Date(clock.now() + skewMs).toUTCString());
    return response;
  };
  const cloud = {
    name: 'azureml',
    fetch: answer,
    control,
    reachableAt: (url: string) => {
      base = url.replace(/\/$/, '');
    },
    async settled(job: string) {
      await Promise.all(workspaces.map(({ runner }) => runner.settled(job)));
      await events.idle();
    },
    async close() {
      await Promise.all(workspaces.map(({ runner }) => runner.close()));
      await operations.idle();
      await events.idle();
      if (ownFolder !== undefined) rmSync(ownFolder, { recursive: true, force: true });
    },
  };
  return withFaults(cloud, (request) => {
    const { pathname } = new URL(request.url);
    return dataPlaneOperation(pathname) ?? armOperation(request.method, pathname);
  });
}

const regionOf = (workspaces: readonly WorkspacePart[]): string => workspaces[0]?.region ?? 'westeurope';
